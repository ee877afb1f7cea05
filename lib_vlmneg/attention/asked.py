"""The push inside attention that the settings ask for."""

from __future__ import annotations

from dataclasses import fields, replace

from ..errors import InputError
from ..readers import AUTO
from ..settings import Settings
from .push import AttentionPush
from .strengths import PUBLIC, suited


def asked(settings: Settings, family: str, cfg: float) -> AttentionPush:
    """For a family of models (as strengths.suited has them) in a run with this CFG scale; 0 and 1 are none.

    What is "auto" in the settings is what suits the family. Raises InputError for a push that is not wanted above CFG 1.
    """
    if settings.push_only_at_cfg_1 and cfg > 1:
        raise InputError(f"push_only_at_cfg_1: the CFG scale is {cfg:g}, so that {settings.push} does not push; give 1")
    method = PUBLIC if settings.push_compat and settings.push == "vsf" else suited(settings.push, family)
    given = {field.name: getattr(settings, f"push_{field.name}") for field in fields(method)}
    return AttentionPush(
        method=replace(method, **{name: value for name, value in given.items() if value != AUTO}),
        blocks=settings.push_blocks,
        start=settings.push_start,
        end=settings.push_end,
        compat=settings.push_compat,
        pooled=settings.push_pooled,
    )
