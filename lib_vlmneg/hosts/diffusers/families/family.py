"""What the families of diffusers differ in, as data: where a call of the denoiser has its rows and their text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ....push.call import Row, Side

Inputs = dict[str, Any]  # of a call of the denoiser, by the names of its forward
N_P, P_N, P_THEN_N = "N P", "P N", "P, N"  # uncond (N) and cond (P) stacked in one call, or in two calls of a step


@dataclass(frozen=True)
class Part:
    """An input of the denoiser that is made of the prompt: `path` in its call, `name` among what encode_prompt gives.

    What a mask has behind the tokens of the text, for those of the image, `grows` with them and stays the call's own.
    `rows` is the dimension that has one entry for each row. Of a `length` the input is how many tokens that name has.
    """

    path: str
    name: str
    grows: bool = False
    rows: int = 0
    length: bool = False


@dataclass(frozen=True)
class Reader:
    """The text encoder that decides how much is read: the name of its tokenizer, and what its template adds to a prompt.

    `chunk` is what it reads at once where longer texts are read in chunks (CLIP); else the pipeline's max_sequence_length is,
    and `length` where the pipeline takes none, or reads less: a number, or a function of the pipeline and the prompt.
    """

    tokenizer: str = "tokenizer"
    chunk: int | None = None
    template: int = 0
    length: int | Callable[[Any, str], int] | None = None


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

    `shared` are inputs in which no dimension is of rows, `lists` those that are a list with one for each row. `strengths` gives
    the name that attention.strengths knows it by, where something is pushed inside its attention.
    """

    pipelines: tuple[str, ...]
    order: str
    parts: tuple[Part, ...]
    outputs: tuple[str, ...]
    reader: Reader = Reader()
    shared: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    attention: Attention | None = None
    strengths: Callable[[Any], str] | None = None

    # Guidance
    beyond: bool = False  # True where it is P + g (P - N), False where it is N + g (P - N)
    above: float = 1.0  # the scale above which there is any
    linear: bool = True  # False where the result is rescaled
    sign: float = 1.0  # -1 where the pipeline turns the denoiser's sign
    scale: Callable[[Any, Any, float], float] | None = None  # of a call of that denoiser, where a pipeline has several
    guiders: Callable[[Any], list[Any]] | None = None  # what has the scale, where the pipeline is not told it
    distilled: Callable[[Any], bool] | None = None  # whether its model has no uncond, whatever the scale
    negative: str | None = None  # what it always has, where it takes no negative prompt: yours is put in its place
    single: bool = False  # whether diffusers itself draws or guides one picture at a time

    # What encode_prompt does
    encoder: str = ""  # the argument that says for which text encoder; names of the second's outputs end in "_2"
    together: bool = False  # whether it makes no text of the negative prompt without that of the prompt
    named: Callable[[Any, dict[str, Any]], dict[str, Any]] | None = None  # changes its outputs

    # A call of the denoiser
    opened: Callable[[Inputs], Inputs] | None = None  # changes its inputs before anything is looked for in them
    completed: Callable[[Inputs], Inputs] | None = None  # puts what follows from the texts into them, at last
    answer: Callable[[Inputs, Tensor], Tensor] | None = None  # takes out of its answer what is as large for each text
    reaches: Callable[[Any, Tensor], Tensor] | None = None  # what of a change of a row's answer reaches the scheduler

    # Latents
    unpacked: Callable[[Any, Tensor, int, int], Tensor] | None = None  # [B, C, h, w] of the scheduler's, or with frames
    patched: int = 1  # the side of the patches that `unpacked` finds in the channels
    grid: int = 2  # the sides of a picture are multiples of so many of the pipeline's latent pixels

    def pull(self, g: float) -> float:
        """How far guidance at this scale goes away from the uncond's prediction."""
        return g if self.beyond else g - 1

    def guides(self, pipe: Any, g: float) -> bool:
        """Whether the uncond is evaluated at this scale."""
        return g > self.above and not (self.distilled and self.distilled(pipe))

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
