"""The networks in PyTorch. Images come as (batch, channels, height, width)."""

from __future__ import annotations

import torch
from torch import nn


class MaskBitsDropout(nn.Module):
    """Dropout whose mask comes from 16 random bits an element: the same distribution up to 2**-16, and a
    cheaper generator on a CPU.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability
        self.threshold = round(probability * 2**16) - 2**15

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64, device=x.device).random_(-(2**63), None)
        keep = (words.view(torch.int16)[: x.numel()] >= self.threshold).as_strided(x.shape, x.stride())
        return x * keep.to(x.dtype).mul_(1 / (1 - self.probability))


class FlattenAsLaidOut(nn.Module):
    """Flatten in the order in which memory holds the image: a view in both layouts, forwards and backwards.

    `nn.Flatten` of a channels-last image copies it, and hands a contiguous gradient to the pooling layer,
    which then converts twice. The dense layer behind it learns its weights in the order of the layout that it
    was trained with.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous():
            x = x.permute(0, 2, 3, 1)
        return x.flatten(1)


def pool_first(module: nn.Module) -> None:
    """Let max-pooling come before a ReLU that stands in front of it, in every sequence of layers: fewer
    elements are left to activate.

    ReLU never falls, so the largest of the activated values is the activation of the largest value: results
    and gradients are the same, bit for bit.
    """
    for layers, n in _followed(module, nn.ReLU, nn.MaxPool2d):
        layers[n], layers[n + 1] = layers[n + 1], layers[n]


def pools_first(module: nn.Module) -> bool:
    """Whether a ReLU stands right behind a max-pooling layer."""
    return bool(_followed(module, nn.MaxPool2d, nn.ReLU))


def _followed(
    module: nn.Module, first: type[nn.Module], second: type[nn.Module]
) -> list[tuple[nn.Sequential, int]]:
    """Where a layer of one kind is followed by one of another: the sequence, and the place of the first."""
    sequences = [part for part in module.modules() if isinstance(part, nn.Sequential)]
    places = [(layers, n) for layers in sequences for n in range(len(layers) - 1)]
    return [
        (layers, n)
        for layers, n in places
        if isinstance(layers[n], first) and isinstance(layers[n + 1], second)
    ]


def build(name: str, parameters: dict[str, float], dropout: type[nn.Module] = nn.Dropout) -> nn.Module:
    """The network `name`, a module from inputs to class scores."""
    whole = {key: int(value) for key, value in parameters.items() if key != "learning_rate"}
    if name == "mnist-cnn":
        return mnist_cnn(whole["image_size"], whole["channels"], whole["classes"], dropout)
    if name == "resnet50":
        return ResNet50(whole["channels"], whole["classes"])
    if name == "transformer":
        return Transformer(whole["vocabulary"], whole["sequence"], whole["classes"])
    if name == "mlp":
        return mlp(whole["image_size"] ** 2 * whole["channels"], whole["classes"])
    return Lstm(whole["features"], whole["classes"])


def mnist_cnn(image_size: int, channels: int, classes: int, dropout: type[nn.Module]) -> nn.Module:
    """The convolution network of the Keras MNIST example, which MODAK's evaluation used: 1,199,882 parameters
    at 28x28x1.
    """
    pooled = (image_size - 4) // 2
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), dropout(0.25), FlattenAsLaidOut(),
        nn.Linear(64 * pooled * pooled, 128), nn.ReLU(), dropout(0.5), nn.Linear(128, classes),
    )  # fmt: skip


def mlp(inputs: int, classes: int) -> nn.Module:
    """Two hidden layers of 512."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(inputs, 512),
        nn.ReLU(),
        nn.Linear(512, 512),
        nn.ReLU(),
        nn.Linear(512, classes),
    )


class Bottleneck(nn.Module):
    """The 1-3-1 block of ResNet-50, with the stride in the middle convolution."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.residual = nn.Sequential(
            nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
            nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.residual(x) + self.shortcut(x))


class ResNet50(nn.Module):
    """ResNet-50: 25,557,032 parameters with 3 channels and 1,000 classes."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(channels, 64, 7, 2, 3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
        ]
        inputs = 64
        for width, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
            for block in range(blocks):
                layers.append(Bottleneck(inputs, width, stride if block == 0 else 1))
                inputs = 4 * width
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(inputs, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x).mean((2, 3)))


class Transformer(nn.Module):
    """An encoder of 4 layers (d 256, 4 heads, feed-forward 1024) over tokens, averaged for a class."""

    def __init__(self, vocabulary: int, sequence: int, classes: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, 256)
        # Of one size: with the usual unit variance for tokens, small positions are lost in them.
        nn.init.normal_(self.tokens.weight, std=0.02)
        self.positions = nn.Parameter(torch.randn(sequence, 256) * 0.02)
        layer = nn.TransformerEncoderLayer(
            256, 4, 1024, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, 4, norm=nn.LayerNorm(256), enable_nested_tensor=False)
        self.head = nn.Linear(256, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(self.tokens(x) + self.positions).mean(1))


class Lstm(nn.Module):
    """Two layers of 256 units over a series; the last state decides the class."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.recurrent = nn.LSTM(features, 256, num_layers=2, batch_first=True)
        self.head = nn.Linear(256, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.recurrent(x)[0][:, -1])
