"""Measure how often an attack succeeds: plain, a negative prompt, a static list, the guide, SAFREE; on prompts of a CSV."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..query.vocabulary import Vocabulary, find
from ..schedule import check_steps
from ..settings import Settings
from .files import writable
from .flags import add_settings, checked_settings, given_settings, in_flags
from .means import means_of

AXES = {"pareto": "alignment", "pareto-harmless": "alignment, harmless prompts"}
METHODS = ["plain", "negative", "static:2.5,5,7.5,10,15,20", "dynamic:2.5,5,7.5,10,15,20", "safree:0.01"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is drawn, by which methods, and who judges."""
    add = parser.add_argument
    add("--prompts", type=Path, required=True, help="a CSV with the columns prompt, guidance, seed (or the datasets' names)")
    add("--folder", type=Path, required=True, help="where pictures and figures go; a run that was ended goes on there")
    add(
        "--methods", nargs="+", default=METHODS, metavar="METHOD", help=f"default: {' '.join(METHODS)}; numbers are w, or alpha"
    )
    add(
        "--words",
        nargs="+",
        default=[],
        help="what methods without eyes keep away from (default: the guide's vocabulary)",
    )
    add("--pictures", type=int, default=1, help="of each row, with its seed and those that follow (default: 1)")
    add("--guidance_scale", type=float, help="for all rows (default: the column)")
    add("--seed", type=int, help="for all rows (default: the column)")
    add("--steps", type=int, default=28, help="of the sampler (default: 28)")
    add("--batch", type=int, default=8, help="pictures drawn at once (default: 8)")
    add("--model", default="miniature", help="a diffusers id or folder (default: miniature, which ships)")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
    add("--dtype", default="auto", help="auto, float32, float16 or bfloat16")
    add("--remotes", type=Path, help="JSON file of servers that answer, for --oracle_id remote:NAME")
    add("--detector", help="an image classifier, id or folder, that says what is unsafe (the miniature has its own judge)")
    add("--unsafe_label", default="unsafe", help="its label for that (default: unsafe)")
    add("--clip", help="a CLIP, id or folder, whose cosine is the alignment (the miniature has its own judge)")
    add("--reference", type=Path, help="a folder of pictures: FID and KID against them, of the judge's or CLIP's features")
    add("--harmless", type=Path, help="the folder of the same run on harmless prompts: the curves also with their alignment")
    add("--plot", action="store_true", help="also pareto.png and pareto.svg; needs matplotlib")
    add_settings(parser.add_argument_group("the guide", "Of the method dynamic; its push is separate, its scale w."))


def run(options: argparse.Namespace) -> None:
    """Draws what is missing, judges, prints the table, writes figures.csv and the plot."""
    from ..bench import methods, pareto, prompts, safety
    from ..bench.plan import Plan

    settings = _settings(options, safety.SETTINGS)
    for name in ("pictures", "batch", "steps"):
        if getattr(options, name) < 1:
            raise InputError(f"{name}: {getattr(options, name)} is below 1; give 1 or more")
    with in_flags():
        check_steps(settings, options.steps)
    rows = prompts.repeated(prompts.read(options.prompts, options.guidance_scale, options.seed), options.pictures)
    vocabulary = find(settings.vocabulary, paths=True)
    words = tuple(word.strip() for word in options.words) or (vocabulary.items if vocabulary else ())
    chosen = methods.parse(options.methods, words)
    plan = Plan(rows, options.model, options.dtype, options.steps, settings, words)
    if options.plot:
        pareto.plotter()
    writable("folder", options.folder)
    judges = _judges(options, settings)
    reference = safety.reference_features(options.reference, judges) if options.reference else None
    others = plan.on_prompts_of(options.harmless) if options.harmless else None
    for method, _ in safety.undrawn(others, chosen, options.harmless, options.batch) if others else ():
        raise InputError(f"harmless: {options.harmless} lacks pictures of {method.label}; draw them there first")
    plan.claim(options.folder)
    _draw(options, plan, chosen, vocabulary, safety)
    found = safety.judge(plan, chosen, options.folder, judges, reference)
    safety.write_csv(found, options.folder / "figures.csv")
    print(safety.table(found, safety.leads(found)))
    drawn = {"pareto": found}
    if others:
        drawn["pareto-harmless"] = safety.harmless(found, safety.judge(others, chosen, options.harmless, judges, None))
        print(f"with the alignment of {options.harmless}:")
        print("\n".join(safety.ahead_lines(safety.leads(drawn["pareto-harmless"]))))
    for name, rows_of in drawn.items() if options.plot else ():
        places = {method: row["point"].place() for method, row in rows_of.items()}
        pareto.plot(places, [options.folder / f"{name}.{kind}" for kind in ("png", "svg")], AXES[name])


def _settings(options: argparse.Namespace, usual: Settings) -> Settings:
    """The usual ones, with what was given in their place. Raises InputError."""
    given = given_settings(options)
    for name in ("push", "push_scale"):
        if name in given:
            raise InputError(f"{name}: the methods say it; write dynamic:7.5 or static:7.5 behind --methods")
    own = {} if options.model == "miniature" else {"oracle": Settings().oracle, "vocabulary": "", "only": False}
    own |= {"only": False} if "vocabulary" in given else {}
    return checked_settings(own | given, usual)


def _judges(options: argparse.Namespace, settings: Settings) -> Any:
    """Raises InputError: a detector that guides never judges."""
    from ..bench.scores import MiniatureJudges, ModelJudges
    from ..devices import best_device
    from ..hosts.diffusers.load import folder_of

    if not options.detector and not options.clip and options.model == "miniature":
        return MiniatureJudges()
    for name in ("detector", "clip"):
        if not getattr(options, name):
            raise InputError(f"{name}: none is given; name one, by its id on the hub or its folder")
    guiding = Path(folder_of(settings.oracle)).resolve()  # of an id on the hub as good a name as any
    for name in ("detector", "clip"):
        if Path(folder_of(getattr(options, name))).resolve() == guiding:
            raise InputError(f"{name}: {getattr(options, name)} guides, and so it does not judge; give another")
    return ModelJudges(options.detector, options.unsafe_label, options.clip, best_device(options.device))


def _draw(options: argparse.Namespace, plan: Any, chosen: Any, vocabulary: Vocabulary | None, safety: Any) -> None:
    """Loads models only where a picture is missing."""
    missing = {method.name for method, _ in safety.undrawn(plan, chosen, options.folder, options.batch)}
    if not missing:
        return
    from ..hosts.diffusers import load_oracle, load_pipeline

    asks = "dynamic" in missing
    oracle = load_oracle(plan.settings.oracle, options.device, "auto", means_of(options.remotes)) if asks else None
    pipe, tiny = load_pipeline(options.model, options.device, options.dtype)
    safety.draw_all(plan, chosen, options.folder, options.batch, pipe, tiny, oracle, vocabulary)
