"""How strong a method has to be on which family of models."""

from __future__ import annotations

import math

from ..errors import InputError
from .methods import METHODS, Method, NormalizedAttention, ValueSignFlip

PUBLIC = ValueSignFlip(3.5, 0.1)  # what VSF's public code has for SD3.5, in its own way (see negative.joined)
SUITED = {
    ("vsf", "sd15"): ValueSignFlip(0.5, 0.1),
    ("vsf", "sdxl"): ValueSignFlip(0.5, 0.1),
    ("vsf", "sd3"): ValueSignFlip(2.4, 0.1),
    ("vsf", "flux"): ValueSignFlip(2.5, 0.1),
    ("vsf", "wan"): ValueSignFlip(1.7, 0.2),
    ("nag", "sd15"): NormalizedAttention(2.0, 2.5, 0.375),
    ("nag", "sdxl"): NormalizedAttention(2.0, 2.5, 0.5),
    ("nag", "sd3"): NormalizedAttention(4.0, 2.5, 0.125),
    ("nag", "flux"): NormalizedAttention(4.0, 2.5, 0.25),
    ("nag", "wan"): NormalizedAttention(4.0, 2.5, 0.25),
}


def suited(name: str, family: str) -> Method:
    """The method of that name in the strength that suits a family: sd15, sdxl, sd3, flux or wan.

    NAG's are its paper's. VSF's on SD3 are the public code's 3.5 and 0.1 in the clean form (see clean_scale), on Wan the
    public code's. On SD1.5, which its paper has not, they took the dogs of the miniature from 50 % to 9 and left 66 % pets
    of 91; SDXL's are the same, unmeasured. On Flux they took those of a small guidance-distilled one from 65 % to none and
    left 94 % pets, where 5 spoilt every picture. NASA's is that of VSF's paper. Raises InputError for a name that is no
    method.
    """
    if name not in METHODS:
        raise InputError(f"method: {name!r} is none; choose one of {', '.join(METHODS)}")
    return SUITED.get((name, family), METHODS[name]())


def clean_scale(compat: float, offset: float) -> float:
    """The scale of VSF's clean form that pushes about as hard as `compat` does the public code's way, at the same offset.

    There an unflipped negative is read beside the flipped one, so that of alpha e^-beta one is taken back:
    alpha' = alpha - e^beta. On random SD3 transformers of 1 and 4 blocks (compat 2 to 4.5) and of 12 (2 to 3.5), the clean
    scale that came nearest lay within 0.3 of this one. Nearest is not equal: 35 to 50 % of the change remained between
    them, since the unflipped negative also takes its share of the attention.
    """
    return max(compat - math.exp(offset), 0.0)
