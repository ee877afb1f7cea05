"""Draw pictures, with or without the guide."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from PIL import Image

from ..checks import check_of, checked
from ..errors import InputError
from ..negatives import compose
from ..query.vocabulary import find
from ..record import Event, Record, Timeline
from ..schedule import check_steps
from ..settings import Settings
from ..sheet import contact_sheet
from .files import parameters, read_record, saver, watcher, writable
from .flags import add_arguments, in_flags, request_of, settings_of
from .means import means_of

__all__ = ["add_arguments", "run"]


def run(options: argparse.Namespace) -> None:
    """Draws, saves `output_dir/seed_0.png` and so on, and what else was asked for."""
    record = read_record(options.replay) if options.replay else None
    request = request_of(options, record)
    settings = settings_of(options, request.get("model"), record)
    if options.static and record is None:
        settings, timelines = static(options.static, settings, request)
        draw_and_save(options, request, settings, None, timelines)
        return
    draw_and_save(options, request, settings, record)


def static(terms: Sequence[str], settings: Settings, drawn: dict[str, Any]) -> tuple[Settings, list[Timeline]]:
    """The baseline of a fixed list: a part of the negative prompt, or with the push separate a timeline of one entry."""
    if settings.enabled:
        raise InputError("static: a fixed list is not asked for; give --static or --question")
    if settings.push == "cfg":
        drawn["negative_prompt"] = compose(drawn.get("negative_prompt", ""), terms)
        return settings, []
    return replace(settings, enabled=True), [Timeline({0: tuple(terms)}) for _ in range(drawn.get("batch", 1))]


def draw_and_save(
    options: argparse.Namespace,
    drawn: dict[str, Any],
    settings: Settings,
    replayed: Record | None,
    timelines: Sequence[Timeline] = (),
) -> None:
    """Loads what is needed, draws once, writes."""
    from ..hosts.diffusers import Request, draw, load_oracle, load_pipeline
    from ..hosts.diffusers.arguments import check_weight
    from ..hosts.diffusers.older import differs
    from ..hosts.diffusers.weights import other_weights, sha256

    writable("output_dir", options.output_dir)
    if options.record:
        writable("record", options.record.parent)
        if options.record.suffix == ".png":
            raise InputError(f"record: {options.record} is where the contact sheet goes; give a name that ends in .json")
    request = Request(**drawn)
    asking = settings.asks and replayed is None and not timelines
    if asking or timelines:
        check_weight(settings)
    if asking:
        with in_flags():
            check_steps(settings, request.steps)
    place = (options.oracle_device or options.device, options.oracle_dtype)
    check = check_of(settings) if settings.enabled else None
    vocabulary = find(settings.vocabulary, paths=True) if asking else None
    oracle = load_oracle(settings.oracle, *place, means_of(options.remotes)) if asking else None
    same = replayed.generation.get("dtype", "auto") if replayed and options.dtype == "auto" else options.dtype
    pipe, tiny = load_pipeline(request.model, options.device, same, options.tiny_decoder)
    weights = sha256(pipe.name_or_path) if options.record or replayed else None
    if replayed and (told := other_weights(replayed.generation.get("weights"), weights)):
        print(told)
    if replayed and (why := differs(pipe, replayed)):
        print(f"This record is of an older version, and its picture comes out otherwise: {why}.")
        settings = replace(settings, weight=1.0)
    seen: list[tuple[Event, Image.Image]] = []

    def once(settings: Settings) -> tuple[list[Image.Image], Record]:
        seen.clear()
        return draw(
            pipe,
            request,
            settings,
            oracle,
            tiny,
            timelines=replayed.timelines if replayed else timelines,
            watch=watcher(options.log_negatives, seen),
            save_x0=saver(options.intermediate_dir) if options.save_intermediate else None,
            vocabulary=vocabulary,
        )

    images, record = checked(once, settings, check, settings.redraws if asking else 0)
    options.output_dir.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(images):
        path = options.output_dir / f"seed_{request.seed + index}.png"
        image.save(path, pnginfo=parameters(record, index))
        print(path)
    if options.record:
        record.generation["weights"] = weights
        options.record.parent.mkdir(parents=True, exist_ok=True)
        options.record.write_text(record.to_json())
        contact_sheet(record, seen, images).save(options.record.with_suffix(".png"))
    if record.note:
        print(f"The guide: {record.note}")
    if record.failure:
        print(f"The guide stopped: {record.failure}")
