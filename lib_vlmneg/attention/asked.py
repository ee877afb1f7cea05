"""The push inside attention that the settings ask for."""

from __future__ import annotations

from dataclasses import fields, replace

from ..errors import InputError
from ..readers import AUTO
from ..settings import Settings
from .methods import Method
from .push import AttentionPush
from .strengths import PUBLIC, suited

ALIKE = {"chroma": "flux"}  # a family of which no strengths are known, and the one whose blocks it has


def asked(settings: Settings, family: str, cfg: float) -> tuple[AttentionPush, str]:
    """For a family of models (sd15, sdxl, sd3, flux, chroma or wan) in a run with this CFG scale; 0 and 1 are none.

    What is "auto" in the settings is what suits the family. A setting that does not fit it is left at its default, and the
    second value is a note that says so, "" where all fit. Raises InputError for a push that is not wanted above CFG 1.
    """
    if settings.push_only_at_cfg_1 and cfg > 1:
        raise InputError(f"push_only_at_cfg_1: the CFG scale is {cfg:g}, so that {settings.push} does not push; give 1")
    notes = _misfits(settings, family)
    compat = settings.push_compat and "push_compat" not in notes
    push = AttentionPush(
        method=_method(settings, family, compat),
        blocks=settings.push_blocks,
        start=settings.push_start,
        end=settings.push_end,
        compat=compat,
        pooled=1.0 if "push_pooled" in notes else settings.push_pooled,
    )
    return push, "; ".join(f"{name}: {note}" for name, note in notes.items())


def _method(settings: Settings, family: str, compat: bool) -> Method:
    method = PUBLIC if compat else suited(settings.push, ALIKE.get(family, family))
    given = {field.name: getattr(settings, f"push_{field.name}") for field in fields(method)}
    return replace(method, **{name: value for name, value in given.items() if value != AUTO})


def _misfits(settings: Settings, family: str) -> dict[str, str]:
    """By the setting's name, why it is ignored."""
    found = {}
    if settings.push_compat and (family != "sd3" or settings.push != "vsf"):
        found["push_compat"] = f"the public code's way is for vsf on SD3, not {settings.push} on {family}; it is ignored"
    if settings.push_pooled != 1 and family != "flux":
        found["push_pooled"] = f"{settings.push_pooled:g} is for Flux, not {family}; it is ignored"
    return found
