"""The options of `generate`, and what they ask for: a request and the guide's settings."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..presets import PRESETS, chosen, from_record
from ..readers import typed_steps
from ..record import Record
from ..settings import INSIDE, VILT, WEBUI_ONLY, Settings

FLAGS = {  # of the reference program, where its name is not the setting's
    "question": "questions",
    "oracle_id": "oracle",
    "freq": "every",
    "vqa_start_step": "start",
    "vqa_stop_step": "stop",
    "main_object": "suffix",
    "clear_negatives_at_stop": "clear_at_stop",
    "accumulate": "mode",
    "vqa_steps": "steps",
}
DRAWN = {  # what a record says of the request
    "prompt": str,
    "negative_prompt": str,
    "model": str,
    "seed": int,
    "steps": int,
    "guidance_scale": (int, float),
    "height": int,
    "width": int,
    "batch": int,
    "distilled_guidance": (int, float),
    "max_sequence_length": int,
    "safree": dict,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The reference program's options under their names, and ours."""
    add = parser.add_argument
    add("--prompt", help="what to draw (default: a photo of a creative pet)")
    add("--negative_prompt", help="what to keep away from, from the first step on")
    add("--output_dir", type=Path, default=Path("out"), help="where the pictures go (default: out)")
    add("--seed", type=int, help="of the first picture; the next have the next seeds (default: 0)")
    add("--steps", type=int, help="of the sampler (default: 28)")
    add("--guidance_scale", type=float, help="strength of CFG; 0 and 1 are none (default: 4.5)")
    add("--distilled_guidance", type=float, help="the guidance that Flux and its like have learned, beside CFG")
    add("--max_sequence_length", type=int, help="tokens that a T5 reads of a prompt (default: the pipeline's own)")
    add("--height", type=int, help="in pixels (default: the model's own)")
    add("--width", type=int, help="in pixels (default: the model's own)")
    add("--model", help="a diffusers id or folder (default: miniature, which ships)")
    add("--batch", type=int, help="how many pictures (default: 1)")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
    add("--dtype", default="auto", help="auto, float32, float16 or bfloat16")
    add("--tiny_decoder", help="id or folder of an AutoencoderTiny (default: taesd inside the model's folder)")
    add("--oracle_device", help="where the oracle is (default: as --device)")
    add("--oracle_dtype", default="auto", help="auto, float32, float16, bfloat16; with bitsandbytes int8 or int4")
    add("--remotes", type=Path, help="JSON file of servers that answer, for --oracle_id remote:NAME")
    baselines = parser.add_argument_group("baselines", "To compare the guide with; these do not look at the picture.")
    baselines.add_argument("--static", nargs="+", metavar="TERM", help="push away from these in every step, as --push says")
    baselines.add_argument("--safree", nargs="+", metavar="PHRASE", help="SAFREE: take what these span out of the prompt")
    baselines.add_argument("--safree_alpha", type=float, help="how much a token must stand out to be taken (default: 0.01)")
    add("--record", type=Path, help="write what happened to this JSON file, and the contact sheet beside it as PNG")
    add("--replay", type=Path, help="draw the picture of such a file again, without any oracle")
    add("--grow", action="store_true", help=argparse.SUPPRESS)  # of scripts of before: on diffusers CLIP reads one chunk
    add("--log_negatives", action="store_true", help="print the negatives as they come")
    add("--save_intermediate", action="store_true", help="save x0 at every step")
    add("--intermediate_dir", type=Path, default=Path("x0_preds"), help="where (default: x0_preds)")
    nothing = "Without --preset, --question, --vocabulary or a --push inside attention the plain picture is drawn."
    add_preset(guide := parser.add_argument_group("the guide", nothing))
    add_settings(guide)


def add_preset(group: Any) -> None:
    """The flag that chooses settings by name."""
    text = f"settings by name, over which the others win: {'; '.join(PRESETS)}"
    group.add_argument("--preset", dest="set_preset", metavar="NAME", help=text)


def add_settings(group: Any) -> None:
    """The guide's own, each a flag."""
    for definition in fields(Settings):
        if definition.name not in ("enabled", *WEBUI_ONLY):
            _add_setting(group, definition)


def _add_setting(group: Any, definition: Any) -> None:
    flag = next((flag for flag, name in FLAGS.items() if name == definition.name), definition.name)
    meta = definition.metadata
    text = meta["help"].replace("%", "%%")
    if meta["kind"] == "bool":
        group.add_argument(f"--{flag}", dest=f"set_{definition.name}", action="store_true", default=None, help=text)
    elif meta["kind"] == "texts":
        group.add_argument(f"--{flag}", dest=f"set_{definition.name}", nargs="+", action="extend", metavar="TEXT", help=text)
    else:
        choices = f" ({', '.join(meta['choices'])})" if "choices" in meta else ""
        default = typed_steps(definition.default) if meta["kind"] == "steps" else definition.default
        group.add_argument(
            f"--{flag}",
            dest=f"set_{definition.name}",
            metavar=meta["kind"].upper(),
            help=f"{text}{choices} (default: {'none' if default == '' else default})",
        )


def request_of(options: argparse.Namespace, record: Record | None) -> dict[str, Any]:
    """What to draw: the options, else the replayed record's, else the defaults. Raises InputError."""
    drawn: dict[str, Any] = {"prompt": "a photo of a creative pet"}
    if record:
        drawn |= _recorded(record)
    drawn |= {name: getattr(options, name) for name in DRAWN if name != "safree" and getattr(options, name) is not None}
    if options.safree:
        given = {} if options.safree_alpha is None else {"alpha": options.safree_alpha}
        from ..guidance.safree import Filter

        drawn["safree"] = Filter(tuple(options.safree), **given)
    elif options.safree_alpha is not None:
        raise InputError("safree_alpha: there is nothing to filter; name what is unsafe with --safree")
    for name, least in (("steps", 1), ("batch", 1), ("seed", 0), ("max_sequence_length", 1)):
        if drawn.get(name, least) < least:
            raise InputError(f"{name}: {drawn[name]} is below {least}; give {least} or more")
    if record and drawn.get("batch", 1) != len(record.timelines):
        raise InputError(
            f"batch: {drawn.get('batch', 1)} pictures, but the record is of {len(record.timelines)}; leave --batch out"
        )
    return drawn


def _recorded(record: Record) -> dict[str, Any]:
    """What the record says of the request. Raises InputError."""
    said = {name: value for name, value in record.generation.items() if name in DRAWN and value is not None}
    for name, value in said.items():
        if not isinstance(value, DRAWN[name]):
            raise InputError(f"replay: the record is damaged at {name}: {value!r}; record it again")
    if "safree" in said:
        said["safree"] = _filter(said["safree"])
    return said


def _filter(said: dict[str, Any]) -> Any:
    """As a record has it. Raises InputError."""
    from ..guidance.safree import Filter

    try:
        return Filter(**said | {"phrases": tuple(said["phrases"])})
    except (TypeError, KeyError, AttributeError):
        raise InputError(f"replay: the record is damaged at safree: {said!r}; record it again") from None


def settings_of(options: argparse.Namespace, model: str | None, record: Record | None = None) -> Settings:
    """The guide's settings: from the record if one is replayed, else from the options. Raises InputError."""
    if record:
        return from_record(record.settings)
    given = given_settings(options)
    inside = given.get("push") in INSIDE  # that needs no question
    silent = {"questions": ()} if inside and "preset" not in given else {}
    enabled = inside or bool({"questions", "vocabulary", "preset"} & set(given))
    settings = checked_settings({"enabled": enabled} | silent | given)
    use_own = model in (None, "miniature") and settings.oracle == VILT and "oracle" not in given
    return replace(settings, oracle="miniature") if use_own else settings


def given_settings(options: argparse.Namespace) -> dict[str, Any]:
    """What was typed of the guide's settings, and which preset, by name."""
    given = {name.removeprefix("set_"): value for name, value in vars(options).items() if name.startswith("set_")}
    return {name: value for name, value in given.items() if value is not None}


def checked_settings(given: dict[str, Any], base: Settings | None = None) -> Settings:
    """What was given, over `base` or the defaults. Raises InputError."""
    with in_flags():
        return chosen(given, base)


@contextmanager
def in_flags() -> Iterator[None]:
    """An InputError from inside names the flag, which may not be the setting's name."""
    try:
        yield
    except InputError as error:
        name, said = str(error).split(":", 1)
        flags = {name: flag for flag, name in FLAGS.items()}
        raise InputError(f"{flags.get(name, name)}:{said}") from None
