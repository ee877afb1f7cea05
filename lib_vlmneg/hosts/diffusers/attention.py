"""Pushing inside the attention of a diffusers pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn

from ...attention.cross import cross_attention
from ...attention.joint import Layout, joint_attention
from ...attention.kernel import Answer, answered
from ...attention.methods import Method
from ...attention.negative import joined, mixed_pooled
from ...attention.places import chosen
from ...attention.push import AttentionPush, Pushing
from ...attention.tokens import Kernel
from ...errors import InputError
from .attention_text import encode_negative
from .denoiser import as_written
from .families import family, places

Guard = Callable[[], AbstractContextManager]  # what goes wrong inside is dealt with there


class Attachment:
    """What the generation under way is pushed away from."""

    def __init__(self, pipe: Any, push: AttentionPush, images: int, guard: Guard = nullcontext):
        self._pipe, self._family, self._images = pipe, family(pipe), images
        self._guard, self._off = guard, False
        self._given: tuple[tuple, dict[str, Any]] = ((), {})
        self._texts: tuple[str, ...] = ()
        self._first: Tensor | None = None
        self.pushing = Pushing(push)
        push.check(self._family.name)

    def at(self, share: float) -> None:
        """Tells the share of the run that is done, 0 to 1, before a step; `start` and `end` of the push go by it."""
        self.pushing.progress = share

    def use(self, texts: Sequence[str]) -> bool:
        """The negative from the next model call on, one text an image; empty texts push nothing. Whether any is new."""
        if tuple(texts) == self._texts:
            return False
        self._texts = tuple(texts)  # first, so that a text which cannot be encoded is tried once
        self.pushing.negative = encode_negative(self._pipe, self._family, self._texts)
        return True

    def before(self, module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
        """Forward pre-hook of the denoiser: puts the negative behind the prompt."""
        self._given = args, kwargs
        if self._off:
            return None
        with self._guard():
            return self._joined(args, kwargs)
        self.stop()
        return None

    def stop(self) -> None:
        """Pushes no more in this generation."""
        self._off, self.pushing.text = True, None

    @contextmanager
    def spared(self, module: nn.Module) -> Iterator[None]:
        """A model call in which the push fails, and the guard keeps that to itself, is made once more without it."""
        before, plain = vars(module).get("forward"), module.forward

        @wraps(plain)
        def forward(*args: Any, **kwargs: Any) -> Any:
            if self.pushing.text is None:
                return plain(*args, **kwargs)
            with self._guard():
                return plain(*args, **kwargs)
            self.stop()
            given, named = self._given
            return plain(*given, **named)

        module.forward = forward
        try:
            yield
        finally:
            del module.forward
            if before is not None:
                module.forward = before

    def _joined(self, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
        prompt, negative = kwargs["encoder_hidden_states"], self.pushing.wanted()
        rows = self._rows(prompt)
        if negative is None or not any(row is not None for row in rows):
            return None
        negative = negative.rows(rows)
        self.pushing.text = joined(prompt, negative, self.pushing.push.compat)
        changed = {"encoder_hidden_states": self.pushing.text.embeds}
        added = self.pushing.text.embeds.shape[1] - prompt.shape[1]
        if kwargs.get("txt_ids") is not None:  # Flux's positions of text, all the same
            changed["txt_ids"] = torch.cat([kwargs["txt_ids"], kwargs["txt_ids"][-1:].expand(added, -1)])
        if kwargs.get("encoder_attention_mask") is not None:
            mask = kwargs["encoder_attention_mask"]
            changed["encoder_attention_mask"] = torch.cat([mask, mask.new_ones(len(mask), added)], 1)
        if kwargs.get("pooled_projections") is not None:
            changed["pooled_projections"] = mixed_pooled(kwargs["pooled_projections"], negative, self.pushing.push.pooled)
        return args, kwargs | changed

    def after(self, *_: Any) -> None:
        """Forward hook of the denoiser, called after an exception too."""
        self.pushing.text, self._given = None, ((), {})

    def answer(self, active: bool) -> Answer:
        """What answers the kernel calls of an attention that reads the text; it pushes if `active`."""
        method = self.pushing.push.method if active else None
        return _joint(self.pushing, method, self._family.text_first) if self._family.joint else _cross(self.pushing, method)

    def _rows(self, prompt: Tensor) -> list[int | None]:
        """Which image each row of a model call belongs to, None for the rows of the unconditional prompt, which come first.

        Where CFG is two calls, the prompt's is the first: a call with another text is the unconditional one.
        """
        images: list[int | None] = list(range(self._images))
        if len(prompt) == 2 * self._images:
            return [None] * self._images + images
        if len(prompt) != self._images:
            raise InputError(f"model: {type(self._pipe).__name__} evaluates {len(prompt)} prompts for {self._images} images")
        if self._first is None:
            self._first = prompt.clone()
        same = self._first.shape == prompt.shape and torch.equal(self._first, prompt)
        return images if same else [None] * self._images


def _cross(pushing: Pushing, method: Method | None) -> Answer:
    def answer(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None, attend: Kernel) -> Tensor:
        return cross_attention(method, q, k, v, pushing.text.negative, pushing.text.keep, attend, attn_mask)

    return answer


def _joint(pushing: Pushing, method: Method | None, text_first: bool) -> Answer:
    def answer(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None, attend: Kernel) -> Tensor:
        layout = Layout(pushing.text.positive, pushing.text.negative, text_first)
        return joint_attention(method, q, k, v, layout, pushing.text.keep, attend)

    return answer


@contextmanager
def attached(pipe: Any, push: AttentionPush, images: int, guard: Guard = nullcontext) -> Iterator[Attachment]:
    """Attaches a push to a pipeline that draws `images` pictures; nothing of it stays afterwards.

    At CFG 1 the whole batch is pushed, above it the conditional rows. A push that fails in a model call fails inside
    `guard()`; where that raises nothing, the picture goes on without. Raises InputError for an architecture or blocks that
    cannot be.
    """
    attachment = Attachment(pipe, push, images, guard)
    with ExitStack() as stack:
        module = stack.enter_context(as_written(pipe))
        where = places(module)
        active = chosen(where, push.blocks)
        answers = ((name, attn, attachment.answer(name in active)) for name, attns in where.items() for attn in attns)
        stack.enter_context(answered(answers, lambda: attachment.pushing.text is not None))
        stack.enter_context(attachment.spared(module))
        stack.callback(module.register_forward_hook(attachment.after, always_call=True).remove)
        stack.callback(module.register_forward_pre_hook(attachment.before, with_kwargs=True).remove)
        yield attachment
