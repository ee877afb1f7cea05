"""One table of what the default and each preset do to a category's favourite, on the miniature; resumable.

Each row of the table is drawn on the same seeds as the plain pictures that it is compared with, a batch of the one after a
batch of the other, so that the time ratio holds on a machine that has other things to do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..miniature.world import CATEGORIES
from ..presets import DEFAULT, PRESETS, preset
from ..settings import Settings

PLAIN, STATIC = "plain", "static list"
BATCH = 32
SIZES = {"quick": (4, 2, 2), "small": (64, 8, 8), "full": (256, 96, 32)}  # pictures: plain and default, presets, other runs
LISTED = 3  # the kinds of the static list: the usual ones, as somebody would type who has seen a few pictures
STEPS, GUIDANCE, SAMPLER = 28, 4.5, "euler a"


@dataclass(frozen=True)
class Sampling:
    """How pictures are drawn, guided or not."""

    steps: int = STEPS
    guidance: float = GUIDANCE
    sampler: str = SAMPLER

    @property
    def label(self) -> str:
        """Short, and good for a folder's name."""
        return f"{self.steps} steps, CFG {self.guidance:g}, {self.sampler}"


USUAL = Sampling()
OTHERS = (
    *(Sampling(steps=steps) for steps in (8, 12, 20, 50)),
    *(Sampling(guidance=scale) for scale in (2.0, 7.0, 10.0)),
    *(Sampling(sampler=name) for name in ("ddim", "dpm++ 2m")),
)


@dataclass(frozen=True)
class Row:
    """One way to draw, and how many pictures of each category. `settings` None: plain, or pushed from a typed list."""

    name: str
    settings: Settings | None
    sampling: Sampling
    count: int


@dataclass
class Drawn:
    """What came of one row in one category: a place for each picture."""

    kinds: list[str] = field(default_factory=list)  # the judge's
    first: list[str] = field(default_factory=list)  # what the oracle said at step 0; "" where it was not asked
    asks: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  # of each batch, a picture

    def add(self, line: Mapping[str, Any]) -> None:
        """The next batch."""
        self.kinds += line["kinds"]
        self.first += line["first"]
        self.asks += line["asks"]
        self.seconds.append(line["seconds"])


def rows(size: str, oracle: str = "miniature") -> list[Row]:
    """The table's rows, plain before what is compared with it."""
    most, some, few = SIZES[size]
    presets = {name: replace(preset(name), oracle=oracle) for name in PRESETS}
    usual = [Row(PLAIN, None, USUAL, most), Row(DEFAULT, presets.pop(DEFAULT), USUAL, most)]
    usual += [Row(name, settings, USUAL, some) for name, settings in presets.items()]
    usual.append(Row(STATIC, None, USUAL, some))
    default = usual[1].settings
    return usual + [Row(name, given, other, few) for other in OTHERS for name, given in ((PLAIN, None), (DEFAULT, default))]


def path_of(folder: Path, row: Row, category: str) -> Path:
    """Where the state of a row in a category is: a line for each batch."""
    return folder / row.sampling.label / row.name / f"{category}.jsonl"


def draw_all(chosen: list[Row], seed: int, folder: Path) -> None:
    """Draws what is missing, from `seed` on, and has the judge name it. Raises RuntimeError where the guide failed."""
    from tqdm import tqdm

    from ..hosts.diffusers import load_oracle, load_pipeline

    missing = list(_missing(chosen, seed, folder))
    if not missing:
        return
    pipe, tiny = load_pipeline("miniature")
    pipe.set_progress_bar_config(disable=True)
    oracle = load_oracle("miniature")
    for row, category, first, count in tqdm(missing, desc="drawing", unit="batch"):
        line = _batch(pipe, tiny, oracle, row, category, first, count)
        path = path_of(folder, row, category)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def _missing(chosen: list[Row], seed: int, folder: Path) -> Iterator[tuple[Row, str, int, int]]:
    """Row, category, first seed and number of each batch that is not there, those of one place in the seeds together."""
    for sampling in dict.fromkeys(row.sampling for row in chosen):
        group = [row for row in chosen if row.sampling == sampling]
        for start in range(0, max(row.count for row in group), BATCH):
            for category in CATEGORIES:
                for row in group:
                    count = min(BATCH, row.count - start)
                    if count > 0 and len(_lines(folder, row, category)) <= start // BATCH:
                        yield row, category, seed + start, count


def _lines(folder: Path, row: Row, category: str) -> list[dict[str, Any]]:
    path = path_of(folder, row, category)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _batch(pipe: Any, tiny: Any, oracle: Any, row: Row, category: str, first: int, count: int) -> dict[str, Any]:
    from ..hosts.diffusers import Request, draw, samplers
    from .creativity import name

    samplers.use(pipe, row.sampling.sampler)
    listed = ", ".join(CATEGORIES[category][:LISTED]) if row.name == STATIC else ""
    drawn = {"steps": row.sampling.steps, "guidance_scale": row.sampling.guidance, "batch": count}
    request = Request(f"a photo of a {category}", listed, seed=first, **drawn)
    if row.settings is None:
        images, record = draw(pipe, request, Settings())
    else:
        images, record = draw(pipe, request, row.settings, oracle, tiny)
    if record.failure:
        raise RuntimeError(f"{row.name}: {record.failure}")
    said = {event.image: event.answers[0][0][0] for event in record.events if event.step == 0 and event.answers[0]}
    return {
        "seed": first,
        "kinds": name(images),
        "first": [said.get(index, "") for index in range(count)],
        "asks": [sum(event.image == index for event in record.events) for index in range(count)],
        "seconds": record.generation["seconds"] / count,
    }


def read_all(chosen: list[Row], folder: Path) -> dict[tuple[Row, str], Drawn]:
    """What is drawn, by row and category."""
    found = {}
    for row in chosen:
        for category in CATEGORIES:
            found[row, category] = drawn = Drawn()
            for line in _lines(folder, row, category):
                drawn.add(line)
    return found
