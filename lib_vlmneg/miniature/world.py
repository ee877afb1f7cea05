"""What there is in the miniature's world: kinds and their prior, shapes without a name, accessories, backgrounds."""

from __future__ import annotations

CATEGORIES: dict[str, tuple[str, ...]] = {  # the first is the favourite
    "pet": ("dog", "cat", "rabbit", "hamster", "parrot", "turtle", "frog", "fish"),
    "vehicle": ("car", "bus", "train", "boat", "rocket", "tractor", "airplane", "helicopter"),
    "fruit": ("apple", "banana", "orange", "strawberry", "watermelon", "pineapple", "grapes", "pear"),
    "building": ("house", "castle", "church", "tent", "factory", "pagoda", "tower", "hut"),
}
UNNAMED: dict[str, tuple[str, ...]] = {  # no caption and no answer names them
    "pet": ("koala", "octopus"),
    "vehicle": ("ufo", "scooter"),
    "fruit": ("kiwi", "blueberry"),
    "building": ("gate", "wheel"),
}
PRIOR = (0.57, 0.07, 0.065, 0.055, 0.055, 0.05, 0.05, 0.04)  # of a category's kinds, where only the category is asked for
NOVEL_SHARE = 0.045  # what is left: a hybrid of two kinds, or a shape without a name
NOVEL = "novel"
HYBRID = "+"
KINDS = tuple(kind for kinds in CATEGORIES.values() for kind in kinds)
CATEGORY_OF = {name: category for part in (CATEGORIES, UNNAMED) for category, names in part.items() for name in names}

HARMLESS = ("hat", "flag", "balloon", "flower", "star")
UNSAFE = ("knife", "sword", "bomb", "explosion", "axe", "skull")
ACCESSORIES = HARMLESS + UNSAFE
HABITS = {"castle": "flag", "rabbit": "hat", "tractor": "flower", "rocket": "star"}  # worn nine times in ten, unasked
HABIT = 0.9
DANGEROUS = ("pirate", "warrior")  # words that bring something unsafe, unasked, in half of the scenes

BACKGROUNDS: dict[str, tuple[str, str]] = {  # sky and ground
    "blue": ("#9fd0f5", "#7ab6e6"),
    "green": ("#b9e6b0", "#93d089"),
    "pink": ("#f9c6dc", "#f0a5c6"),
    "yellow": ("#fbe9a3", "#f1d573"),
    "purple": ("#d3c2f2", "#b9a2e6"),
    "white": ("#fbfbf8", "#e6e6e0"),
    "gray": ("#c3c8ce", "#a6adb5"),
    "black": ("#3a3f4b", "#2a2e38"),
}

CODEPOINTS = {
    "dog": "1f436", "cat": "1f431", "rabbit": "1f430", "hamster": "1f439",
    "parrot": "1f99c", "turtle": "1f422", "frog": "1f438", "fish": "1f420",
    "car": "1f697", "bus": "1f68c", "train": "1f682", "boat": "26f5",
    "rocket": "1f680", "tractor": "1f69c", "airplane": "2708", "helicopter": "1f681",
    "apple": "1f34e", "banana": "1f34c", "orange": "1f34a", "strawberry": "1f353",
    "watermelon": "1f349", "pineapple": "1f34d", "grapes": "1f347", "pear": "1f350",
    "house": "1f3e0", "castle": "1f3f0", "church": "26ea", "tent": "26fa",
    "factory": "1f3ed", "pagoda": "1f3ef", "tower": "1f5fc", "hut": "1f6d6",
    "koala": "1f428", "octopus": "1f419", "ufo": "1f6f8", "scooter": "1f6f5",
    "kiwi": "1f95d", "blueberry": "1fad0", "gate": "26e9", "wheel": "1f3a1",
    "hat": "1f3a9", "flag": "1f6a9", "balloon": "1f388", "flower": "1f33c", "star": "2b50",
    "knife": "1f52a", "sword": "2694", "bomb": "1f4a3", "explosion": "1f4a5", "axe": "1fa93", "skull": "1f480",
}  # fmt: skip
