"""The layout of images in a PyTorch network that says nothing of it."""

from __future__ import annotations

NAME = "memory_format"
CHANNELS_LAST = "channels_last"


class Layout:
    """The channels-last layout of one network's weights; its results come as the program expects them."""

    def __init__(self, torch, outcome) -> None:
        self._torch, self._outcome = torch, outcome

    @property
    def is_applied(self) -> bool:
        """Whether the network is laid out so by this."""
        return NAME in self._outcome.done

    def apply(self, module) -> None:
        """Lay the weights out, where that was asked for and the program does not."""
        if not self._outcome.wants(NAME, CHANNELS_LAST):
            return
        weights = self.weights(module)
        if not weights:
            self._outcome.leave(NAME, "the network has no two-dimensional convolution")
        elif any(map(self.is_channels_last, weights)):
            self._outcome.leave(NAME, "the program does it itself")
        elif hasattr(module, "no_sync"):
            self._outcome.leave(
                NAME, "its gradients are gathered in buckets of the layout that it had before"
            )
        else:
            module.to(memory_format=self._torch.channels_last)
            self._outcome.apply(NAME)

    def leave(self, module, why: str) -> None:
        """Back to the usual layout. Copied, because with one channel the strides of both look alike, and the
        next convolution would take the other.
        """
        self._outcome.leave(NAME, why)
        for one in module.parameters():
            if one.dim() == 4:
                one.data = self._torch.empty(one.shape, dtype=one.dtype, device=one.device).copy_(one.data)

    def plainly(self, result):
        """What a network gives, in the layout that the program expects."""
        if self._torch.is_tensor(result):
            return result.contiguous() if self.is_channels_last(result) else result
        if type(result) in (tuple, list):
            return type(result)(map(self.plainly, result))
        if type(result) is dict:
            return {key: self.plainly(value) for key, value in result.items()}
        return result

    def weights(self, module) -> list:
        """Those of the two-dimensional convolutions."""
        return [one.weight for one in module.modules() if isinstance(one, self._torch.nn.Conv2d)]

    def is_channels_last(self, tensor) -> bool:
        """Whether a tensor is laid out so, and not in the usual way too."""
        last = self._torch.channels_last
        return tensor.dim() == 4 and tensor.is_contiguous(memory_format=last) and not tensor.is_contiguous()
