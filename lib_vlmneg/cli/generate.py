"""Draw pictures, with or without the guide."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..errors import InputError
from ..guide import Watcher
from ..oracles.registry import Means
from ..oracles.remotes import read_remotes
from ..record import Event, Record
from ..settings import VILT, WEBUI_ONLY, Settings
from ..sheet import contact_sheet

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
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The reference program's options under their names, and ours."""
    add = parser.add_argument
    add("--prompt", help="what to draw (default: a photo of a creative pet)")
    add("--negative_prompt", help="what to keep away from, from the first step on")
    add("--output_dir", type=Path, default=Path("out"), help="where the pictures go (default: out)")
    add("--seed", type=int, help="of the first picture; the next have the next seeds (default: 0)")
    add("--steps", type=int, help="of the sampler (default: 28)")
    add("--guidance_scale", type=float, help="strength of CFG, above 1 for any negative to act (default: 4.5)")
    add("--distilled_guidance", type=float, help="the guidance that Flux and its like have learned, beside CFG")
    add("--height", type=int, help="in pixels (default: the model's own)")
    add("--width", type=int, help="in pixels (default: the model's own)")
    add("--model", help="a diffusers id or folder (default: miniature, which ships)")
    add("--batch", type=int, help="how many pictures (default: 1)")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
    add("--dtype", default="auto", help="auto, float32, float16 or bfloat16")
    add("--tiny_decoder", help="id or folder of an AutoencoderTiny (default: taesd inside the model's folder)")
    add("--remotes", type=Path, help="JSON file of servers that answer, for --oracle_id remote:NAME")
    add("--record", type=Path, help="write what happened to this JSON file, and the contact sheet beside it as PNG")
    add("--replay", type=Path, help="draw the picture of such a file again, without any oracle")
    add("--log_negatives", action="store_true", help="print the negatives as they come")
    add("--save_intermediate", action="store_true", help="save x0 at every step")
    add("--intermediate_dir", type=Path, default=Path("x0_preds"), help="where (default: x0_preds)")
    settings = parser.add_argument_group("the guide", "Without --question the plain picture is drawn.")
    for definition in fields(Settings):
        if definition.name not in ("enabled", *WEBUI_ONLY):
            _add_setting(settings, definition)


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
        default = definition.default if definition.default not in ("", ()) else "none"
        group.add_argument(
            f"--{flag}",
            dest=f"set_{definition.name}",
            metavar=meta["kind"].upper(),
            help=f"{text}{choices} (default: {default})",
        )


def run(options: argparse.Namespace) -> None:
    """Draws, saves `output_dir/seed_0.png` and so on, and what else was asked for."""
    record = read_record(options.replay) if options.replay else None
    request = request_of(options, record)
    settings = settings_of(options, request.get("model"), record)
    draw_and_save(options, request, settings, record)


def draw_and_save(options: argparse.Namespace, drawn: dict[str, Any], settings: Settings, replayed: Record | None) -> None:
    """Loads what is needed, draws once, writes."""
    from ..hosts.diffusers import Request, draw, load_oracle, load_pipeline

    _writable("output_dir", options.output_dir)
    if options.record:
        _writable("record", options.record.parent)
        if options.record.suffix == ".png":
            raise InputError(f"record: {options.record} is where the contact sheet goes; give a name that ends in .json")
    request = Request(**drawn)
    asking = settings.enabled and replayed is None
    oracle = load_oracle(settings.oracle, options.device, means=_means(options.remotes)) if asking else None
    same = replayed.generation.get("dtype", "auto") if replayed and options.dtype == "auto" else options.dtype
    pipe, tiny = load_pipeline(request.model, options.device, same, options.tiny_decoder)
    seen: list[tuple[Event, Image.Image]] = []
    images, record = draw(
        pipe,
        request,
        settings,
        oracle,
        tiny,
        timelines=replayed.timelines if replayed else (),
        watch=_watcher(options.log_negatives, seen),
        save_x0=_saver(options.intermediate_dir) if options.save_intermediate else None,
    )
    options.output_dir.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(images):
        path = options.output_dir / f"seed_{request.seed + index}.png"
        image.save(path, pnginfo=_parameters(record, index))
        print(path)
    if options.record:
        options.record.parent.mkdir(parents=True, exist_ok=True)
        options.record.write_text(record.to_json())
        contact_sheet(record, seen, images).save(options.record.with_suffix(".png"))
    if record.failure:
        print(f"The guide stopped asking: {record.failure}")


def read_record(path: Path) -> Record:
    """The record in this file. Raises InputError."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text"
        raise InputError(f"replay: {path} cannot be read ({reason}); give a file that --record wrote") from None
    return Record.from_json(text, f"replay {path}")


def request_of(options: argparse.Namespace, record: Record | None) -> dict[str, Any]:
    """What to draw: the options, else the replayed record's, else the defaults. Raises InputError."""
    drawn: dict[str, Any] = {"prompt": "a photo of a creative pet"}
    if record:
        drawn |= _recorded(record)
    drawn |= {name: getattr(options, name) for name in DRAWN if getattr(options, name) is not None}
    for name, least in (("steps", 1), ("batch", 1), ("seed", 0)):
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
    return said


def settings_of(options: argparse.Namespace, model: str | None, record: Record | None = None) -> Settings:
    """The guide's settings: from the record if one is replayed, else from the options. Raises InputError."""
    if record:
        return Settings.from_dict(record.settings)
    given = {name.removeprefix("set_"): value for name, value in vars(options).items() if name.startswith("set_")}
    given = {name: value for name, value in given.items() if value is not None}
    try:
        settings = Settings.from_dict({**given, "enabled": "questions" in given})
    except InputError as error:
        name, said = str(error).split(":", 1)
        flags = {name: flag for flag, name in FLAGS.items()}
        raise InputError(f"{flags.get(name, name)}:{said}") from None
    use_own = model in (None, "miniature") and settings.oracle == VILT and "oracle" not in given
    return replace(settings, oracle="miniature") if use_own else settings


def _means(remotes: Path | None) -> Means | None:
    if remotes is None:
        return None
    try:
        return Means(read_remotes(remotes.read_text(encoding="utf-8")))
    except (OSError, UnicodeError) as error:
        raise InputError(f"remotes: {remotes} cannot be read ({error}); give a JSON file of servers") from None


def _writable(field: str, folder: Path) -> None:
    """Raises InputError, before anything is drawn, where a folder can be neither used nor made."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise InputError(f"{field}: {folder} cannot be written, because of {nearest}; give another folder")


def _watcher(log: bool, seen: list[tuple[Event, Image.Image]]) -> Watcher:
    """Keeps what the contact sheet shows, and prints as the reference program does."""

    def watch(event: Event, picture: Image.Image) -> None:
        seen.append((event, picture))
        if log and event.added:
            print(f"[Step {event.step}] Added to negatives: '{', '.join(event.added)}'")
            print(f"[Step {event.step}] Accumulated negatives: {event.negative}")

    return watch


def _parameters(record: Record, index: int) -> PngInfo:
    """The picture's parameters, written as the WebUI writes them."""
    generation = record.generation
    said = {
        "Steps": generation["steps"],
        "CFG scale": generation["guidance_scale"],
        "Seed": generation["seed"] + index,
        "Size": f"{generation['width']}x{generation['height']}",
        "Model": generation["model"],
        **{key: _quoted(value) for key, value in record.infotext(index).items()},
    }
    negative = f"\nNegative prompt: {record.negatives[index]}" if record.negatives[index] else ""
    info = PngInfo()
    info.add_text(
        "parameters", f"{record.prompts[index]}{negative}\n" + ", ".join(f"{key}: {value}" for key, value in said.items())
    )
    return info


def _quoted(text: str) -> str:
    """As modules/infotext_utils.py of the WebUI quotes what holds its separators."""
    return json.dumps(text, ensure_ascii=False) if set(text) & set(',:\n"') else text


def _saver(folder: Path):
    def save(step: int, timestep: float, pictures: Sequence[Image.Image]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for index, picture in enumerate(pictures):
            which = f"_image_{index}" if len(pictures) > 1 else ""
            picture.save(folder / f"step_{step:03d}_t_{timestep:.4f}{which}.png")

    return save
