"""What the families of diffusers differ in, as data: where a call of the denoiser has its rows and their text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ....push.call import Row, Side

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
    Where it is called once for each text encoder, `encoder` is the argument that says for which, and "_2" ends the names of the
    second's. `together` says that it makes no text of the negative prompt without that of the prompt.

    `beyond` is True where guidance is P + g (P - N), False where it is N + g (P - N); `above` is the scale above which there is
    any; `linear` False where it rescales the
    result; `sign` is -1 where the pipeline turns the denoiser's sign. `shared` are inputs in which no dimension is of rows,
    `lists` those that are a list with one for each row. `opened` changes the inputs of each call; `completed` puts
    into them what follows from its texts; `answer` takes out of what the denoiser gives what has the same size for each text.
    `reaches` says what of a change of the denoiser's answer, of one row, reaches the scheduler, where not all of it does.
    `unpacked` makes latents [B, C, h, w], with or without frames, of those that the scheduler has. `scale` gives the guidance
    scale of a denoiser's call, where a pipeline has several. `single` says that it guides one picture at a time. `patched` is
    the side of the patches that `unpacked` finds in the channels, in latent pixels of the autoencoder. `negative` is the
    negative prompt that the pipeline always has, where it takes none: yours is put in its place. `distilled` says whether
    the pipeline's model has no uncond, whatever the scale; `guiders` gives what guides, where the pipeline is not told the
    scale.
    `strengths` gives the name that attention.strengths knows it by, where something is pushed inside its attention.
    """

    pipelines: tuple[str, ...]
    order: str
    parts: tuple[Part, ...]
    outputs: tuple[str, ...]
    reader: Reader = Reader()
    beyond: bool = False
    above: float = 1.0
    linear: bool = True
    sign: float = 1.0
    shared: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    encoder: str = ""
    together: bool = False
    single: bool = False
    opened: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    completed: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    answer: Callable[[dict[str, Any], Tensor], Tensor] | None = None
    reaches: Callable[[Any, Tensor], Tensor] | None = None
    unpacked: Callable[[Any, Tensor, int, int], Tensor] | None = None
    scale: Callable[[Any, Any, float], float] | None = None
    patched: int = 1
    negative: str | None = None
    distilled: Callable[[Any], bool] | None = None
    guiders: Callable[[Any], list[Any]] | None = None
    attention: Attention | None = None
    strengths: Callable[[Any], str] | None = None

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
