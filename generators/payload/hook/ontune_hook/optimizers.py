"""How PyTorch's optimizers compute, and the steps that they take."""

from __future__ import annotations

import functools

NAME = "optimizer_impl"


class Optimizers:
    """The optimizers of a program, each told how to compute where the program does not say.

    Attributes:
        created: how many there were.
    """

    def __init__(self, outcome, before_step, after_step) -> None:
        """`before_step` and `after_step` are called with the optimizer."""
        from torch.optim import optimizer as hooks

        self._outcome, self._steps, self.created = outcome, 0, 0
        self._wanted = outcome.asked.get(NAME)
        create = hooks.Optimizer.__init__

        @functools.wraps(create)
        def created(optimizer, params, defaults, *args, **kwargs):
            if self._wanted:
                self._implement(type(optimizer), defaults)
            create(optimizer, params, defaults, *args, **kwargs)
            self.created += 1

        hooks.Optimizer.__init__ = created
        hooks.register_optimizer_step_pre_hook(lambda one, *_: self._before(one, before_step))
        hooks.register_optimizer_step_post_hook(lambda one, *_: after_step(one))

    def _implement(self, kind: type, defaults: dict) -> None:
        if not kind.__module__.startswith("torch.optim.") or self._wanted not in defaults:
            self._outcome.leave(NAME, f"{kind.__name__} has no such implementation")
        elif any(defaults.get(one) is not None for one in ("fused", "foreach")):
            self._outcome.leave(NAME, "the program chooses one itself")
        elif not any(defaults.get(one) for one in ("differentiable", "capturable")):
            defaults[self._wanted] = True
            self._outcome.apply(NAME)

    def _before(self, optimizer, then) -> None:
        """Before its first step it is known whether the gradients are of a kind that it can take."""
        self._steps += 1
        if self._steps == 1 and self._outcome.done.get(NAME) == "fused":
            grads = (one.grad for group in optimizer.param_groups for one in group["params"])
            if any(one is not None and (one.is_sparse or not one.is_floating_point()) for one in grads):
                for group in optimizer.param_groups:
                    group["fused"] = None
                self._outcome.leave(NAME, "the gradients are sparse")
        then(optimizer)

    @staticmethod
    def implementation(optimizer) -> str:
        """How an optimizer says that it computes."""
        group = optimizer.param_groups[0]
        return next((one for one in ("fused", "foreach") if group.get(one)), "default")
