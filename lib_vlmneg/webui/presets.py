"""Settings by name, for those who do not want to write questions."""

from __future__ import annotations

from typing import Any

from ..settings import Settings

CUSTOM = "Custom"
PAPER = {"mode": "replace", "push": "separate", "steps_of": 50}  # Chang, Kim and Choi 2025, VL-DNP: lists of a run of 50 steps
TEN = (5, 6, 7, 9, 12, 16, 21, 27, 34, 42)
BODY = {"vocabulary": "body", "negate_prompt": True, "oracle_size": 448}
PRESETS: dict[str, dict[str, Any]] = {
    "Creative": {"questions": ("creative",), "every": 4, "stop": 0.6, "clear_at_stop": True},
    "Safety": {"vocabulary": "safety", "negate_prompt": True, "steps": TEN, **PAPER},
    "Declutter": {
        "questions": ("What else is in the image?", "What is in the background?", "What text is in the image?"),
        "start": 0.2,
        "every": 3,
        "min_score": 0.3,
        "max_terms": 6,
    },
    "Safety, VL-DNP": {**BODY, "steps": TEN, **PAPER},
    "Safety, VL-DNP in five asks": {**BODY, "steps": (5, 10, 20, 30, 40), **PAPER},
}


def preset(name: str) -> Settings:
    """The settings of that name."""
    return Settings(enabled=True, **PRESETS[name])
