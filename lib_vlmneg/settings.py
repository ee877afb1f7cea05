"""What the user wants: one frozen record, checked once. How a page, a request, a flag or a picture says it is in presets.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any

from .errors import InputError
from .readers import AUTO, Moment, Position, checked, whole_steps, written

VILT = "dandelin/vilt-b32-finetuned-vqa"
MODES = ("accumulate", "replace", "window")
PASSES = ("both", "first", "hires")
BATCHES = ("auto", "one", "each")
INSIDE = ("vsf", "nag", "nasa")  # the pushes inside attention
PUSHES = ("cfg", "separate", *INSIDE)
CHECKS = ("none", "nudenet")
WEBUI_ONLY = (
    "passes",
    "carry",
    "grow",
    "previews",
    "replay",
)  # of the page and the API alone
DECODES = ("auto", "full", "small", "tiny", "approximate", "linear")
INFOTEXT_PREFIX = "VLM Negative "


def option(default: Any, kind: str, label: str, text: str, **limits: Any) -> Any:
    """A field of `Settings`: its default, kind, label and explanation, and `minimum`, `maximum` or `choices`."""
    return field(default=default, metadata={"kind": kind, "label": label, "help": text, **limits})


@dataclass(frozen=True)
class Settings:
    """Everything that can be chosen for one generation. Raises InputError for a value that is not allowed."""

    enabled: bool = option(False, "bool", "Enabled", "Ask a vision-language model what it sees and steer away from it")
    questions: tuple[str, ...] = option(
        ("What is the main object in this image?",),
        "texts",
        "Questions",
        "What to ask, or presets: auto, creative, materials, design, color, safety; creative:pet names the subject",
    )
    oracle: str = option(
        VILT, "text", "Oracle", "The model that answers: a name on the Hugging Face hub, a folder, or miniature"
    )
    vocabulary: str = option(
        "",
        "text",
        "Vocabulary",
        "In place of questions: which of these are there? A preset (safety, body, violence), a file, or items with commas",
    )
    only: bool = option(
        False, "bool", "Only", "Ask the questions all the same, and use only what the vocabulary has of their answers"
    )
    prefix: str = option("", "text", "Prefix", "Put before the terms, where there are any; a vocabulary may bring its own")
    oracle_size: int = option(
        0, "int", "Oracle image size", "Pixels that a model that chats is shown, at most; 0: its own", minimum=0, maximum=4096
    )
    topk: int = option(1, "int", "Answers per question", "How many of the likeliest answers are taken", minimum=1, maximum=20)
    min_score: float = option(
        0.0, "float", "Least score", "Answers below this probability are not used", minimum=0.0, maximum=1.0
    )
    start: Position = option(
        0, "position", "Start", "Only where Steps is empty: the first step that asks, or a share of the run"
    )
    stop: Position = option(
        1.0, "position", "Stop", "Only where Steps is empty: the step that no longer asks; on the page and in JSON 1 is the end"
    )
    every: int = option(1, "int", "Every", "Only where Steps is empty: ask at every n-th step", minimum=1, maximum=1000)
    steps: tuple[Moment, ...] = option(
        (0, Fraction(1, 3)),
        "steps",
        "Steps",
        "Ask at these steps or shares of the run, in order, as 0, 1/3; empty: at every step that Start, Stop, Every leave",
    )
    steps_of: int = option(
        0, "int", "Steps of", "The run that whole steps are of: they are scaled; 0 as they are", minimum=0, maximum=1000
    )
    settle: int = option(
        0, "int", "Settle", "After so many asks that add nothing, ask half as often; 0 never", minimum=0, maximum=1000
    )
    lag: int = option(
        0, "int", "Lag", "Steps that go on while the oracle thinks; 0 waits for its answer", minimum=0, maximum=1000
    )
    mode: str = option(
        "accumulate", "choice", "Mode", "Keep all terms, replace them at each ask, or keep the last few", choices=MODES
    )
    window: int = option(3, "int", "Window", "How many terms the mode window keeps", minimum=1, maximum=1000)
    suffix: str = option("", "text", "Main object", "Put behind each answer: wood becomes wood building")
    weight: float = option(1.0, "float", "Weight", "Emphasis of each term, written (term:1.2)", minimum=0.0, maximum=10.0)
    max_terms: int = option(
        0, "int", "Most terms", "What was not heard for longest goes first; 0 for no limit", minimum=0, maximum=1000
    )
    max_tokens: int = option(
        0, "int", "Most tokens", "Of the negative prompt and terms; 0 for no limit", minimum=0, maximum=10000
    )
    grow: bool = option(True, "bool", "Grow", "One more chunk of 75 tokens where the negative prompt leaves the terms no room")
    negate_prompt: bool = option(False, "bool", "Negate the prompt too", "Also use terms that the prompt itself asks for")
    clear_at_stop: bool = option(
        False, "bool", "Clear at stop", "Drop the terms at the step Stop, whatever Steps says; the negative prompt stays"
    )
    push: str = option(
        "cfg",
        "choice",
        "Push",
        "cfg: terms join the negative prompt; separate: they have a scale of their own; vsf, nag, nasa: inside attention",
        choices=PUSHES,
    )
    push_scale: float | str = option(
        AUTO, "auto_number", "Push scale", "How hard; auto: 7.5 for separate, else by model", minimum=0.0, maximum=100.0
    )
    push_offset: float | str = option(
        AUTO, "auto_number", "Push offset", "VSF: how much less the negative is looked at", minimum=0.0, maximum=100.0
    )
    push_tau: float | str = option(
        AUTO, "auto_number", "Push tau", "NAG: how much longer a token may become", minimum=1.0, maximum=100.0
    )
    push_alpha: float | str = option(
        AUTO, "auto_number", "Push alpha", "NAG: the share of what is pushed in the whole", minimum=0.0, maximum=1.0
    )
    push_blocks: str = option("all", "text", "Push blocks", "Where attention pushes: all, or some, as mid, up.0-3")
    push_start: float = option(
        0.0, "float", "Push start", "The share of the run at which attention begins to push", minimum=0.0, maximum=1.0
    )
    push_end: float = option(1.0, "float", "Push end", "The share at which it no longer pushes", minimum=0.0, maximum=1.0)
    push_compat: bool = option(False, "bool", "VSF as its public code", "On SD3; auto is then 3.5 and 0.1")
    push_pooled: float = option(
        1.0, "float", "Push pooled", "Flux: how far the pooled text is led away; 1 not at all", minimum=0.0, maximum=20.0
    )
    push_batch: str = option(
        "auto",
        "choice",
        "Push batch",
        "Separate: its texts in one model call, or one each; auto: as memory lets",
        choices=BATCHES,
    )
    push_only_at_cfg_1: bool = option(False, "bool", "Push only at CFG 1", "No push inside attention above CFG 1")
    check: str = option(
        "none", "choice", "Final check", "Have nudenet look at the finished picture; it is only written down", choices=CHECKS
    )
    redraws: int = option(
        0, "int", "Re-draws", "Draw an unsafe picture again so often, each time pushed 1.5 times harder", minimum=0, maximum=10
    )
    passes: str = option(
        "both", "choice", "Passes", "With hires fix: guide both passes, the first, or the hires pass", choices=PASSES
    )
    carry: bool = option(
        True,
        "bool",
        "Carry",
        "Begin with terms found before: hires with the first pass's, img2img with its picture's",
    )
    previews: bool = option(False, "bool", "Save previews", "Write the record, and a sheet of what the oracle saw")
    replay: tuple[str, ...] = option(
        (), "texts", "Timeline", "Draw again with these terms, without the oracle; comes from a picture's parameters"
    )
    decode: str = option(
        "auto",
        "choice",
        "Decoder",
        "What turns the half-made picture into pixels; small: the VAE on shrunken latents; auto: as cheap as the oracle lets",
        choices=DECODES,
    )

    def __post_init__(self) -> None:
        for definition in fields(self):
            value = getattr(self, definition.name)
            object.__setattr__(self, definition.name, checked(definition.name, value, definition.metadata))
        if type(self.start) is type(self.stop) and self.start >= self.stop:
            raise InputError(f"start: {self.start} is not before stop {self.stop}; make start smaller or stop larger")
        last = max(whole_steps(self.steps), default=0)
        if self.steps_of and last >= self.steps_of:
            raise InputError(f"steps: {last} is no step of a run of {self.steps_of}; make steps_of larger, or 0")
        if self.push_start >= self.push_end:
            raise InputError(f"push_start: {self.push_start:g} is not before push_end {self.push_end:g}; move one of them")
        if self.enabled and self.redraws and (self.check == "none" or self.push != "separate"):
            raise InputError(
                f"redraws: {self.redraws} need a final check and push separate, whose scale can grow; choose both, or 0"
            )
        if self.enabled and self.only and not (self.vocabulary and self.questions):
            raise InputError("only: it takes what the vocabulary has from the answers; give a vocabulary and questions")
        if self.enabled and not self.asks and not self.inside:
            raise InputError("questions: none are given; write at least one question, or the preset auto")

    @property
    def asks(self) -> bool:
        """Whether there is anything to ask an oracle."""
        return self.enabled and bool(self.questions or self.vocabulary)

    @property
    def inside(self) -> bool:
        """Whether attention pushes: that needs no CFG, and the negative prompt alone will do, without a question."""
        return self.push in INSIDE

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """Exactly these, the others at their defaults; an unknown one is refused."""
        known = {definition.name for definition in fields(cls)}
        for name in values:
            if name not in known:
                raise InputError(f"{name!r}: there is no such setting; the settings are {', '.join(sorted(known))}")
        return cls(**values)

    def to_infotext(self) -> dict[str, str]:
        """What differs from the defaults and, always, the steps, by infotext key; nothing when off."""
        held = {item: getattr(self, item.name) for item in fields(self)} if self.enabled else {}
        told = {item: value for item, value in held.items() if item.name == "steps" or repr(value) != repr(item.default)}
        return {INFOTEXT_PREFIX + item.metadata["label"].lower(): written(item, value) for item, value in told.items()}

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {name: _listed(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}


def _listed(value: tuple[Any, ...]) -> list[Any]:
    return [str(item) if isinstance(item, Fraction) else item for item in value]
