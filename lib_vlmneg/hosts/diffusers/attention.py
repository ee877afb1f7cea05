"""Reading a negative inside the attention of a diffusers denoiser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from ...attention.cross import cross_attention
from ...attention.joint import Layout, joint_attention
from ...attention.kernel import Answer, answered
from ...attention.methods import Method
from ...attention.negative import Joined, Negative, joined, mixed_pooled
from ...attention.places import chosen
from ...attention.push import AttentionPush
from ...attention.tokens import Kernel
from .attention_places import places
from .attention_text import Bare
from .denoiser import as_written
from .families.family import Attention, Family
from .inputs import Inputs, count_rows, get, put


class Reading:
    """What the attention of the call under way reads beside the prompt; None between calls and in those that nothing pushes."""

    def __init__(self) -> None:
        self.text: Joined | None = None

    @contextmanager
    def of(self, text: Joined) -> Iterator[None]:
        """For one call."""
        self.text = text
        try:
            yield
        finally:
            self.text = None


@contextmanager
def attached(pipe: Any, family: Family, push: AttentionPush) -> Iterator[Reading]:
    """Has the attentions of a pipeline answer for what they read beside the prompt; nothing of it stays afterwards.

    Raises InputError for blocks that are not there.
    """
    reading = Reading()
    with ExitStack() as stack:
        denoisers = [places(module) for module in stack.enter_context(as_written(pipe))]
        answers = (
            (name, attn, _answer(reading, push.method if name in chosen(where, push.blocks) else None, family.attention))
            for where in denoisers
            for name, attns in where.items()
            for attn in attns
        )
        stack.enter_context(answered(answers, lambda: reading.text is not None))
        yield reading


def appended(inputs: Inputs, family: Family, texts: Mapping[int, Bare], push: AttentionPush) -> tuple[Inputs, Joined]:
    """The inputs with a negative behind the text of these rows; the others have padding there that nobody reads."""
    rows = [texts.get(row) or (None, None) for row in range(count_rows(inputs, family))]
    negative = Negative.of([embeds for embeds, _ in rows], [pooled for _, pooled in rows])
    text = joined(inputs["encoder_hidden_states"], negative, push.compat)
    added = text.embeds.shape[1] - inputs["encoder_hidden_states"].shape[1]
    inputs = put(inputs, "encoder_hidden_states", text.embeds)
    if (ids := inputs.get("txt_ids")) is not None:  # Flux's positions of text, all the same
        inputs = put(inputs, "txt_ids", torch.cat([ids, ids[-1:].expand(added, -1)]))
    if (mask := inputs.get("encoder_attention_mask")) is not None:
        inputs = put(inputs, "encoder_attention_mask", torch.cat([mask, mask.new_ones(len(mask), added)], 1))
    if (pooled := get(inputs, "pooled_projections")) is not None:
        inputs = put(inputs, "pooled_projections", mixed_pooled(pooled, negative, push.pooled))
    return inputs, text


def _answer(reading: Reading, method: Method | None, kind: Attention) -> Answer:
    """What answers the kernel calls of an attention that reads the text; it pushes if there is a method."""

    def cross(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None, attend: Kernel) -> Tensor:
        return cross_attention(method, q, k, v, reading.text.negative, reading.text.keep, attend, attn_mask)

    def joint(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None, attend: Kernel) -> Tensor:
        layout = Layout(reading.text.positive, reading.text.negative, kind.text_first)
        return joint_attention(method, q, k, v, layout, reading.text.keep, attend, attn_mask)

    return joint if kind.joint else cross
