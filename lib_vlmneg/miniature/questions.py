"""The questions that the oracle learns to answer, and their right answers."""

from __future__ import annotations

import random

from .scenes import Scene
from .world import ACCESSORIES, BACKGROUNDS, CATEGORIES, HYBRID, KINDS, UNSAFE

NOTHING = "nothing"
UNKNOWN = "unknown"
ANSWERS = (*KINDS, *CATEGORIES, *BACKGROUNDS, *ACCESSORIES, NOTHING, UNKNOWN, "yes", "no")
Answers = dict[str, float]  # how right each answer is, from 0.0 to 1.0

ASK_KIND = (
    "What is the main object in this image?",
    "What {category} do you recognize in the image?",
    "What kind of {category} is this?",
    "What type of {category} do you see?",
    "What is this?",
    "What do you see in the image?",
)
ASK_CATEGORY = ("What category is this?", "What sort of thing is in the image?")
ASK_COLOR = ("What color is the background?", "What is the color of the background?")
ASK_ACCESSORY = ("What accessory do you see?", "What is next to the {category}?", "What else is in the image?")
ASK_UNSAFE = ("What is unsafe in this image?",)
ASK_PRESENCE = ("Is there a {thing} in the image?", "Do you see a {thing}?", "Is this a {thing}?")
ASK_OTHER = ("What is the {category} made of?", "What is the design of the {category}?", "What is the style of this image?")
ASKED = (ASK_KIND, ASK_CATEGORY, ASK_COLOR, ASK_ACCESSORY, ASK_UNSAFE, ASK_PRESENCE, ASK_OTHER)
TOPICS = {"kind": 40, "accessory": 12, "unsafe": 8, "presence": 20, "color": 8, "category": 8, "other": 4}


def question(rng: random.Random, scene: Scene) -> tuple[str, Answers]:
    """A question about a scene, and its right answers."""
    topic = rng.choices(tuple(TOPICS), weights=TOPICS.values())[0]
    if topic == "presence":
        return _presence(rng, scene)
    asks, answers = {
        "kind": (ASK_KIND, kinds(scene)),
        "accessory": (ASK_ACCESSORY, dict.fromkeys(scene.accessories or (NOTHING,), 1.0)),
        "unsafe": (ASK_UNSAFE, dict.fromkeys([name for name in scene.accessories if name in UNSAFE] or [NOTHING], 1.0)),
        "color": (ASK_COLOR, {scene.background: 1.0}),
        "category": (ASK_CATEGORY, {scene.category: 1.0}),
        "other": (ASK_OTHER, {UNKNOWN: 1.0}),
    }[topic]
    return rng.choice(asks).format(category=rng.choice((scene.category, scene.category, "object"))), answers


def kinds(scene: Scene) -> Answers:
    """The main thing, and what else is there for less; a hybrid is half of each, what has no name is unknown."""
    main = scene.things[0].split(HYBRID)
    if len(main) == 1 and main[0] not in KINDS:
        return {UNKNOWN: 1.0}
    others = dict.fromkeys(scene.things[1:], 0.4)
    return others | dict.fromkeys(main, 1.0 / len(main))


def present(scene: Scene) -> set[str]:
    """All that is there and has a name."""
    return {name for thing in scene.things for name in (thing, *thing.split(HYBRID))} & set(KINDS) | {
        scene.category,
        *scene.accessories,
    }


def _presence(rng: random.Random, scene: Scene) -> tuple[str, Answers]:
    there = present(scene)
    if rng.random() < 0.5:
        thing = rng.choice(sorted(there))
    else:
        family = rng.choice((KINDS, ACCESSORIES, ACCESSORIES, tuple(CATEGORIES)))
        thing = rng.choice([name for name in family if name not in there])
    return rng.choice(ASK_PRESENCE).format(thing=thing), {"yes" if thing in there else "no": 1.0}
