"""Settings by name, for those who do not want to write questions."""

from __future__ import annotations

from typing import Any

from ..settings import Settings

CUSTOM = "Custom"
PAPER = {"mode": "replace", "push": "separate", "steps_of": 50}  # Chang, Kim and Choi 2025, VL-DNP: lists of a run of 50 steps
PRESETS: dict[str, dict[str, Any]] = {
    "Creative": {"questions": ("creative",), "every": 4, "stop": 0.6, "clear_at_stop": True},
    "Safety": {"questions": ("safety",), "every": 2, "mode": "replace", "weight": 1.2, "topk": 2, "min_score": 0.2},
    "Declutter": {
        "questions": ("What else is in the image?", "What is in the background?", "What text is in the image?"),
        "start": 0.2,
        "every": 3,
        "min_score": 0.3,
        "max_terms": 6,
    },
    "Safety, VL-DNP": {"questions": ("safety",), "steps": (5, 6, 7, 9, 12, 16, 21, 27, 34, 42), **PAPER},
    "Safety, VL-DNP in five asks": {"questions": ("safety",), "steps": (5, 10, 20, 30, 40), **PAPER},
}


def preset(name: str) -> Settings:
    """The settings of that name."""
    return Settings(enabled=True, **PRESETS[name])
