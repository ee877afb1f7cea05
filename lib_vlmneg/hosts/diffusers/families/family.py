"""What the families of diffusers differ in, as data: where a call of the denoiser has its rows and their text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ....push.call import Row, Side

N_P, P_N, P_THEN_N = "N P", "P N", "P, N"  # uncond (N) and cond (P) stacked in one call, or in two calls of a step


@dataclass(frozen=True)
class Part:
    """An input of the denoiser that is made of the prompt: `path` in its call, `name` among what encode_prompt gives.

    What a mask has behind the tokens of the text, for those of the image, `grows` with them and stays the call's own.
    """

    path: str
    name: str
    grows: bool = False


@dataclass(frozen=True)
class Reader:
    """The text encoder that decides how much is read: the name of its tokenizer, and what its template adds to a prompt.

    `chunk` is what it reads at once where longer texts are read in chunks (CLIP); else the pipeline's max_sequence_length is.
    """

    tokenizer: str = "tokenizer"
    chunk: int | None = None
    template: int = 0


@dataclass(frozen=True)
class Attention:
    """How the denoiser reads its text: by cross-attention, or jointly with the text before or behind the image.

    `clip` says whether a CLIP's 77 tokens open the text, `t5` whether another encoder's follow or stand alone.
    """

    joint: bool = False
    text_first: bool = False
    clip: bool = False
    t5: bool = False


@dataclass(frozen=True)
class Family:
    """`outputs` names what encode_prompt returns, in order; a name that begins with "negative_" is the negative prompt's.

    `beyond` is True where guidance is P + g (P - N), False where it is N + g (P - N); `linear` False where it rescales the
    result; `sign` is -1 where the pipeline turns the denoiser's sign. `shared` are inputs in which no dimension is of rows,
    `lists` those that are a list with one for each row.
    `strengths` gives the name that attention.strengths knows it by, where something is pushed inside its attention.
    """

    pipelines: tuple[str, ...]
    order: str
    parts: tuple[Part, ...]
    outputs: tuple[str, ...]
    reader: Reader = Reader()
    beyond: bool = False
    linear: bool = True
    sign: float = 1.0
    shared: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    attention: Attention | None = None
    strengths: Callable[[Any], str] | None = None

    def pull(self, g: float) -> float:
        """How far guidance at this scale goes away from the uncond's prediction."""
        return g if self.beyond else g - 1

    def guides(self, pipe: Any, g: float) -> bool:
        """Whether the uncond is evaluated at this scale. A U-Net that is told the scale (LCM) has none."""
        config = getattr(getattr(pipe, "unet", None), "config", None)
        return self.pull(g) > 0 and getattr(config, "time_cond_proj_dim", None) is None

    def is_linear(self, pipe: Any) -> bool:
        """Whether guidance is linear in the predictions, as the pipeline is called."""
        return self.linear and not getattr(pipe, "_guidance_rescale", 0) and not getattr(pipe, "_cfg_normalization", False)

    def rows(self, count: int, images: int, nth: int, guided: bool) -> tuple[Row, ...]:
        """Whose the rows of the `nth` call of a step are. Raises RuntimeError where that is not known."""
        cond, uncond = (tuple(Row(image, side) for image in range(images)) for side in (Side.COND, Side.UNCOND))
        if self.order == P_THEN_N:
            found = uncond if guided and nth == 1 else cond
        elif count == len(cond):
            found = cond
        else:
            found = uncond + cond if self.order == N_P else cond + uncond
        if len(found) != count:
            raise RuntimeError(f"the model is given {count} rows for {images} pictures, and which are whose is not known")
        return found
