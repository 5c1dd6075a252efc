"""What a PyTorch module is made of, from one forward pass of it."""

from __future__ import annotations

import contextlib
from collections import Counter


class Network:
    """The layers of a module with their work, seen while it is called once."""

    def __init__(self, torch, module) -> None:
        self._torch = torch
        self._module = module
        self._macs: Counter = Counter()
        self._calls: Counter = Counter()
        self._watched: list = []
        self._counted: set = set()

    def __enter__(self):
        for layer in self._module.modules():
            if not any(True for _ in layer.children()) or self._inside_unseen(layer):
                self._watched.append(layer.register_forward_hook(self._after))
        return self

    def __exit__(self, *_: object) -> None:
        for watched in self._watched:
            watched.remove()

    def seen(self) -> dict:
        """Parameters, those of layers whose work is counted, and for each kind of layer its calls and
        multiply-adds in one pass.
        """
        kinds = {kind: {"calls": self._calls[kind], "macs": self._macs[kind]} for kind in self._calls}
        parameters = list(self._module.parameters())
        counted = sum(one.numel() for one in parameters if id(one) in self._counted)
        return {
            "class": type(self._module).__name__,
            "parameters": sum(one.numel() for one in parameters),
            "counted": counted,
            "trainable": sum(one.numel() for one in parameters if one.requires_grad),
            "layers": kinds,
            "modules": sorted({type(layer).__name__ for layer in self._module.modules()}),
        }

    def _inside_unseen(self, layer) -> bool:
        """Whether what is inside of a layer is computed without being called."""
        return isinstance(layer, self._torch.nn.MultiheadAttention)

    def _after(self, layer, inputs, output) -> None:
        kind = type(layer).__name__
        self._calls[kind] += 1
        with contextlib.suppress(AttributeError, IndexError, TypeError):  # a user's class of that kind
            work = self._work(layer, inputs, output)
            self._macs[kind] += work
            if work or isinstance(layer, self._torch.nn.Embedding):
                self._counted.update(map(id, layer.parameters()))

    def _work(self, layer, inputs, output) -> int:
        """Multiply-adds of one call; of layers without products nothing."""
        nn = self._torch.nn
        if isinstance(layer, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
            return inputs[0].numel() * layer.weight[0].numel()
        if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            return output.numel() * layer.weight[0].numel()
        if isinstance(layer, nn.Linear):
            return output.numel() * layer.in_features
        if isinstance(layer, nn.RNNBase):
            packed = hasattr(inputs[0], "data") and hasattr(inputs[0], "batch_sizes")
            elements = (inputs[0].data if packed else inputs[0]).numel()
            weights = sum(one.numel() for one in layer.parameters() if one.dim() == 2)
            return elements // layer.input_size * weights
        if isinstance(layer, nn.MultiheadAttention):
            query, key = inputs[0], inputs[1]
            length = key.shape[1] if layer.batch_first and key.dim() == 3 else key.shape[0]
            return query.numel() * (4 * layer.embed_dim + 2 * length)
        return 0


def described(args: tuple, kwargs: dict) -> list:
    """The shapes and types of the tensors that a network is called with, one level deep."""
    values: list = []
    for one in (*args, *kwargs.values()):
        values += one.values() if isinstance(one, dict) else one if isinstance(one, (tuple, list)) else [one]
    return [
        {"shape": list(one.shape), "dtype": str(one.dtype).rpartition(".")[2]}
        for one in values
        if hasattr(one, "shape") and hasattr(one, "dtype")
    ]
