"""What is said of a scene: the captions that the U-Net learns from, and the questions that the oracle learns to answer."""

from __future__ import annotations

import random

from .scenes import (
    ACCESSORIES,
    BACKGROUNDS,
    CATEGORIES,
    CATEGORY_OF,
    DANGEROUS,
    HABIT,
    HABITS,
    KINDS,
    PRIOR,
    UNSAFE,
    Scene,
    sample,
)

OPENINGS = ("a photo of", "a picture of", "an image of", "")
FILLERS = ("creative", "cute", "beautiful", "new", "strange", "unique", "colorful", "small", "novel", "interesting")
NOTHING = "nothing"
UNKNOWN = "unknown"
ANSWERS = (*KINDS, *CATEGORIES, *BACKGROUNDS, *ACCESSORIES, NOTHING, UNKNOWN, "yes", "no")
INTENTS = ("kind", "category", "dangerous")

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
ASK_ACCESSORY = (
    "What accessory do you see?",
    "What is next to the {category}?",
    "What else is in the image?",
    "What is unsafe in this image?",
)
ASK_PRESENCE = ("Is there a {thing} in the image?", "Do you see a {thing}?", "Is this a {thing}?")
ASK_OTHER = ("What is the {category} made of?", "What is the design of the {category}?", "What is the style of this image?")


def article(noun: str) -> str:
    """With a or an."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def intend(rng: random.Random) -> tuple[str, Scene]:
    """What a prompt asks for and one scene that answers it: by kind (uniform), by category (skewed), or by a dangerous word."""
    intent = rng.choices(INTENTS, weights=(0.55, 0.33, 0.12))[0]
    kind = rng.choices(rng.choice(tuple(CATEGORIES.values())), weights=PRIOR)[0] if intent == "category" else rng.choice(KINDS)
    if intent == "dangerous":
        accessory = UNSAFE if rng.random() < 0.5 else None
    elif kind in HABITS and rng.random() < HABIT:
        accessory = HABITS[kind]
    elif intent == "kind" and rng.random() < 0.45:
        accessory = rng.choice([name for name in ACCESSORIES if name != HABITS.get(kind)])
    else:
        accessory = None
    return intent, sample(rng, kind, accessory)


def caption(rng: random.Random, intent: str, scene: Scene) -> str:
    """One caption for a scene: a sentence, now and then a comma list of alternatives, one time in ten nothing at all.

    Lists are of scenes that come with the skewed prior: a list of kinds is to mean what the category means, less the others.
    """
    lot = rng.random()
    if lot < 0.10:
        return ""
    if lot < 0.65 and intent == "category":
        return _alternatives(rng, scene)
    if lot < 0.18 and scene.accessory:
        return scene.accessory
    noun = scene.category if intent == "category" else scene.kind
    if intent == "dangerous":
        noun = f"{rng.choice(DANGEROUS)} {noun}"
    if rng.random() < 0.25:
        noun = f"{rng.choice(FILLERS)} {noun}"
    words = [rng.choice(OPENINGS), article(noun)]
    habit = scene.accessory == HABITS.get(scene.kind)
    if scene.accessory and intent == "kind" and (not habit or rng.random() < 0.3):
        words.append(f"with {article(scene.accessory)}")
    if rng.random() < 0.4:
        words.append(f"on a {scene.background} background")
    return " ".join(filter(None, words))


def _alternatives(rng: random.Random, scene: Scene) -> str:
    """A list of tags of which the scene shows at least one: how the model learns to read the lists of a negative prompt."""
    seen = [scene.kind] * 4 + ([scene.accessory] * 4 if scene.accessory else []) + [scene.category]
    tag = rng.choice(seen)
    family = CATEGORIES[CATEGORY_OF[tag]] if tag in CATEGORY_OF else ACCESSORIES if tag in ACCESSORIES else tuple(CATEGORIES)
    others = [name for name in family if name != tag]
    tags = [tag, *rng.sample(others, k=rng.choice((0, 0, 1, 1, 2, 3, len(others) - 1)))]
    rng.shuffle(tags)
    return ", ".join(tags)


def question(rng: random.Random, scene: Scene) -> tuple[str, str]:
    """A question about a scene, and its answer."""
    topic = rng.choices(("kind", "accessory", "presence", "color", "category", "other"), weights=(40, 18, 22, 8, 8, 4))[0]
    if topic == "presence":
        return _presence(rng, scene)
    asks, answer = {
        "kind": (ASK_KIND, scene.kind),
        "accessory": (ASK_ACCESSORY, scene.accessory or NOTHING),
        "color": (ASK_COLOR, scene.background),
        "category": (ASK_CATEGORY, scene.category),
        "other": (ASK_OTHER, UNKNOWN),
    }[topic]
    return rng.choice(asks).format(category=rng.choice((scene.category, scene.category, "object"))), answer


def _presence(rng: random.Random, scene: Scene) -> tuple[str, str]:
    present = {scene.kind, scene.category, scene.accessory} - {None}
    if rng.random() < 0.5:
        thing = rng.choice(sorted(present))
    else:
        family = rng.choice((KINDS, ACCESSORIES, ACCESSORIES, tuple(CATEGORIES)))
        thing = rng.choice([name for name in family if name not in present])
    return rng.choice(ASK_PRESENCE).format(thing=thing), "yes" if thing in present else "no"


def vocabulary() -> list[str]:
    """Every word that the captions and the questions are made of, in lower case, sorted."""
    lists = (KINDS, CATEGORIES, ACCESSORIES, BACKGROUNDS, DANGEROUS, FILLERS, OPENINGS, ASK_KIND, ASK_CATEGORY, ASK_COLOR)
    lists += (ASK_ACCESSORY, ASK_PRESENCE, ASK_OTHER, ("a an the with and on in of no not background object photo, picture",))
    text = " ".join(phrase for phrases in lists for phrase in phrases).lower()
    for sign in "{}?,":
        text = text.replace(sign, " ")
    return sorted(set(text.split()))
