"""Taking hold of a module's attention: its own code runs, only the kernel that it calls is answered by another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
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

    Those after it, as for the picture of an IP-Adapter, are left alone. Torch keeps the context to its thread. Raises
    InputError for a causal call: `name` is the module in whose forward it is made.
    """

    def __init__(self, name: str, answer: Answer):
        super().__init__()
        self.name, self.answer, self.asked = name, answer, False

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        """Torch's hook: called for each torch function, outside the mode."""
        kwargs = kwargs or {}
        if func is not scaled_dot_product_attention or self.asked:
            return func(*args, **kwargs)
        self.asked = True
        return self._answered(func, *args, **kwargs)

    def _answered(
        self,
        func: Callable[..., Tensor],
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Tensor:
        keywords = dict(zip(("dropout_p", "is_causal"), args)) | kwargs
        if keywords.get("is_causal"):  # token i reads those up to the i-th, by number, and a negative would get numbers too
            raise InputError(
                f"attention: {self.name} is causal (is_causal), which leaves a negative no place; push cfg or separate"
            )
        return self.answer(query, key, value, attn_mask, Kernel(func, keywords))


@contextmanager
def answered(answers: Iterable[tuple[str, nn.Module, Answer]], when: Callable[[], bool]) -> Iterator[None]:
    """Answers the kernel call of each module (name, module, answer) in those forwards at which `when()` is true.

    Nothing stays on the modules afterwards. A forward raises InputError if it asks no kernel.
    """
    put_on: list[tuple[nn.Module, Any]] = []
    try:
        for name, module, answer in answers:
            put_on.append((module, vars(module).get("forward")))  # a forward of its own: another's wrapper, put on before
            module.forward = _with_answer(name, module.forward, answer, when)
        yield
    finally:
        for module, before in reversed(put_on):
            del module.forward
            if before is not None:
                module.forward = before


def _with_answer(name: str, forward: Callable[..., Any], answer: Answer, when: Callable[[], bool]) -> Callable[..., Any]:
    @wraps(forward)
    def answering(*args: Any, **kwargs: Any) -> Any:
        if not when():
            return forward(*args, **kwargs)
        with Answering(name, answer) as kernel:
            out = forward(*args, **kwargs)
        if not kernel.asked:
            raise InputError(
                f"attention: {name} does not use torch's scaled_dot_product_attention; switch the model back to it"
            )
        return out

    return answering
