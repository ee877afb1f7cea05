"""Taking hold of a module's attention: its own code runs, only the kernel that it calls is answered by another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from ..errors import InputError
from .tokens import Kernel

# answer(q, k, v, attn_mask, attend) in the place of attend(q, k, v, attn_mask=...)
Answer = Callable[[Tensor, Tensor, Tensor, "Tensor | None", Kernel], Tensor]


class Answering(TorchFunctionMode):
    """While entered, the first call of torch's scaled_dot_product_attention is answered by `answer`; `asked` tells of it.

    Those after it, as for the picture of an IP-Adapter, are left alone. Torch keeps the context to its thread.
    """

    def __init__(self, answer: Answer):
        super().__init__()
        self.answer, self.asked = answer, False

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        """Torch's hook: called for each torch function, outside the mode."""
        kwargs = kwargs or {}
        if func is not scaled_dot_product_attention or self.asked:
            return func(*args, **kwargs)
        self.asked = True
        return self._answered(func, *args, **kwargs)

    def _answered(
        self, func: Kernel, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *args: Any, **kwargs: Any
    ) -> Tensor:
        def attend(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None) -> Tensor:
            return func(q, k, v, attn_mask, *args, **kwargs)

        return self.answer(query, key, value, attn_mask, attend)


@contextmanager
def answered(modules: Mapping[str, tuple[nn.Module, Answer]], when: Callable[[], bool]) -> Iterator[None]:
    """Has the kernel calls of these modules (by name, with the answer for each) answered, in forwards at which `when()`.

    Nothing stays on the modules afterwards. A forward raises InputError if it asks no kernel.
    """
    hidden = {name: vars(module).get("forward") for name, (module, _) in modules.items()}
    try:
        for name, (module, answer) in modules.items():
            module.forward = partial_forward(name, module.forward, answer, when)
        yield
    finally:
        for name, (module, _) in modules.items():
            if hidden[name] is None:
                vars(module).pop("forward", None)
            else:
                module.forward = hidden[name]


def partial_forward(name: str, forward: Callable[..., Any], answer: Answer, when: Callable[[], bool]) -> Callable[..., Any]:
    """`forward` with its kernel call answered."""

    @wraps(forward)
    def with_answer(*args: Any, **kwargs: Any) -> Any:
        if not when():
            return forward(*args, **kwargs)
        with Answering(answer) as kernel:
            out = forward(*args, **kwargs)
        if not kernel.asked:
            raise InputError(f"attention: {name} does not use torch's scaled_dot_product_attention; switch the model back to it")
        return out

    return with_answer
