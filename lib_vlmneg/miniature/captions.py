"""What a prompt asks for, a scene that answers it, and what is said of the scene: what the U-Net learns from."""

from __future__ import annotations

import random

from .scenes import Scene, sample
from .world import (
    ACCESSORIES,
    BACKGROUNDS,
    CATEGORIES,
    CATEGORY_OF,
    DANGEROUS,
    HABIT,
    HABITS,
    HYBRID,
    KINDS,
    NOVEL,
    NOVEL_SHARE,
    PRIOR,
    UNNAMED,
    UNSAFE,
)

OPENINGS = ("a photo of", "a picture of", "an image of", "")
FILLERS = ("creative", "cute", "beautiful", "new", "strange", "unique", "colorful", "small", "novel", "interesting")
INTENTS = {"kind": 0.33, "category": 0.37, "several": 0.14, "dangerous": 0.16}
NOTHING_SAID = 0.10  # of all captions
TAG = 0.2  # of the captions: a single word
ALTERNATIVES = 0.30  # of the captions of a category: a list of which the scene shows one; two lists of three are of this sort


def article(noun: str) -> str:
    """With a or an."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def intend(rng: random.Random) -> tuple[str, Scene]:
    """What a prompt asks for and one scene that answers it.

    By kind (each as often), by category (with the prior), several kinds at once, or by a dangerous word.
    """
    intent = rng.choices(tuple(INTENTS), weights=INTENTS.values())[0]
    category = rng.choice(tuple(CATEGORIES))
    if intent == "several":
        names = CATEGORIES[category] if rng.random() < 0.8 else KINDS
        return intent, sample(rng, tuple(rng.sample(names, k=rng.choice((2, 2, 2, 3)))))
    thing = of_category(rng, category) if intent == "category" else rng.choice(KINDS)
    return intent, sample(rng, (thing,), _accessories(rng, intent, thing))


def of_category(rng: random.Random, category: str) -> str:
    """A thing of this category, by the prior: a kind, or now and then a shape without a name or a hybrid of two kinds."""
    if rng.random() >= NOVEL_SHARE:
        return rng.choices(CATEGORIES[category], weights=PRIOR)[0]
    return novel(rng, category)


def novel(rng: random.Random, category: str) -> str:
    """A shape of this category that has no name, or a hybrid of two of its kinds."""
    return rng.choice(UNNAMED[category]) if rng.random() < 0.5 else HYBRID.join(rng.sample(CATEGORIES[category], k=2))


def _accessories(rng: random.Random, intent: str, thing: str) -> tuple[str, ...]:
    if intent == "dangerous":
        return tuple(rng.sample(UNSAFE, k=rng.choice((1, 1, 1, 2)))) if rng.random() < 0.5 else ()
    if rng.random() < HABIT and thing in HABITS:
        return (HABITS[thing],)
    if intent == "kind" and rng.random() < 0.45:
        return tuple(rng.sample([name for name in ACCESSORIES if name != HABITS.get(thing)], k=rng.choice((1, 1, 1, 2))))
    return ()


def caption(rng: random.Random, intent: str, scene: Scene) -> str:
    """One caption for a scene: a sentence, a tag, a list, one time in ten nothing at all.

    Some lists are of all that a scene holds, more are of alternatives of which it shows one, as often as the prior has it: a
    list in the negative then stands for as much of the favourite as the prompt does, and pushes away from each of its members.
    (An ideal denoiser, pushed away from dog and cat, leaves 35 of 48 pets dogs with lists of the first sort alone, 10 so.)
    """
    lot = rng.random()
    if lot < NOTHING_SAID:
        return ""
    if intent == "several":
        return _several(rng, scene)
    lot -= NOTHING_SAID
    if intent == "category" and scene.kind != NOVEL and lot > 1 - NOTHING_SAID - ALTERNATIVES:
        return _alternatives(rng, scene)
    if lot < TAG and scene.accessories and intent != "category":
        return _listed(rng, [*scene.accessories, *([scene.kind] if intent == "kind" and rng.random() < 0.4 else [])])
    if lot < TAG and scene.kind != NOVEL and intent != "dangerous":
        return scene.kind
    return _sentence(rng, intent, scene)


def _sentence(rng: random.Random, intent: str, scene: Scene) -> str:
    noun = scene.category if intent == "category" else scene.kind
    if intent == "dangerous":
        noun = f"{rng.choice(DANGEROUS)} {noun if rng.random() < 0.5 else scene.category}"
    if rng.random() < 0.25:
        noun = f"{rng.choice(FILLERS)} {noun}"
    words = [rng.choice(OPENINGS), article(noun)]
    habit = scene.accessories == (HABITS.get(scene.kind),)
    if scene.accessories and intent == "kind" and (not habit or rng.random() < 0.3):
        words.append("with " + " and ".join(article(name) for name in scene.accessories))
    return " ".join(filter(None, [*words, _background(rng, scene)]))


def _several(rng: random.Random, scene: Scene) -> str:
    """All that the scene holds, as a list of tags or as a sentence."""
    if rng.random() < 0.75:
        return _listed(rng, list(scene.things))
    things = rng.sample(scene.things, k=len(scene.things))
    return " ".join(filter(None, [rng.choice(OPENINGS), " and ".join(map(article, things)), _background(rng, scene)]))


def _listed(rng: random.Random, names: list[str]) -> str:
    return ", ".join(rng.sample(names, k=len(names)))


def _background(rng: random.Random, scene: Scene) -> str:
    return f"on a {scene.background} background" if rng.random() < 0.4 else ""


def _alternatives(rng: random.Random, scene: Scene) -> str:
    """A list of kinds of which the scene shows one, as people write negative prompts, too."""
    others = [name for name in CATEGORIES[CATEGORY_OF[scene.kind]] if name != scene.kind]
    return _listed(rng, [scene.kind, *rng.sample(others, k=rng.choice((1, 1, 2, 3)))])


def vocabulary() -> list[str]:
    """Every word that the captions and the questions are made of, in lower case, sorted."""
    from .questions import ASKED

    lists = (KINDS, tuple(CATEGORIES), ACCESSORIES, tuple(BACKGROUNDS), DANGEROUS, FILLERS, OPENINGS, *ASKED)
    lists += (("a an the with and on in of no not background object photo, picture",),)
    text = " ".join(phrase for phrases in lists for phrase in phrases).lower()
    for sign in "{}?,":
        text = text.replace(sign, " ")
    return sorted(set(text.split()))
