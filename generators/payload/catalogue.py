"""What can be asked of the workload programs: networks with their parameters, settings with their values."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field


class RequestError(ValueError):
    """Something was asked for that these programs do not have; the message says what they do have."""


@dataclass(frozen=True)
class Network:
    """A network that can be trained here.

    Attributes:
        form: the form of one sample: `image` (height, width, channels), `tokens` (sequence) or `series`
            (sequence, features).
        parameters: every parameter with its default; all are positive integers except `learning_rate`.
        epochs: epochs over the digits after which the network has reached its quality.
        quality: the validation accuracy on the digits that the network reaches in that many epochs.
        digits: the parameters, where they are not the defaults, for which epochs and quality are stated.
    """

    form: str
    parameters: dict[str, float]
    epochs: int
    quality: float
    digits: dict[str, float] = field(default_factory=dict)


_IMAGE = {"image_size": 28, "channels": 1, "classes": 10, "learning_rate": 1e-3}

NETWORKS = {
    "mnist-cnn": Network("image", {"batch": 128, **_IMAGE}, 6, 0.95),
    "resnet50": Network(
        "image",
        {"batch": 32, "image_size": 64, "channels": 3, "classes": 1000, "learning_rate": 1e-3},
        epochs=6,
        quality=0.90,
        digits={"image_size": 16, "channels": 1, "classes": 10, "learning_rate": 5e-4},
    ),
    "transformer": Network(
        "tokens",
        {"batch": 32, "sequence": 128, "vocabulary": 256, "classes": 10, "learning_rate": 1e-3},
        epochs=8,
        quality=0.80,
        digits={"sequence": 16, "learning_rate": 3e-4},
    ),
    "mlp": Network("image", {"batch": 128, **_IMAGE}, 12, 0.95),
    "lstm": Network(
        "series",
        {"batch": 32, "sequence": 128, "features": 8, "classes": 10, "learning_rate": 1e-3},
        epochs=12,
        quality=0.90,
        digits={"sequence": 8},
    ),
}

DESCRIBED_ONLY = {
    "llama-7b": "its weights, gradients and optimiser state need over 100 GiB, so it is described for planning only"
}

# Settings that are absent keep the framework's own behaviour. A framework that lays images out in one way
# only accepts both words for it.
SETTINGS: dict[str, dict[str, tuple[str, ...]]] = {
    "pytorch": {
        "compiler": ("eager", "inductor"),
        "compile_mode": ("default", "reduce-overhead", "max-autotune"),
        "precision": ("fp32", "bf16", "fp16"),
        "fp32_mode": ("ieee", "tf32", "bf16"),
        "memory_format": ("contiguous", "channels_last"),
        "flush_denormal": ("off", "on"),
        "optimizer_impl": ("default", "foreach", "fused"),
        "dropout_impl": ("default", "mask_bits"),
        "pooling_order": ("default", "first"),
        "checkpointing": ("off", "on"),
        "determinism": ("off", "on"),
    },
    "tensorflow": {
        "compiler": ("eager", "tf-graph", "xla"),
        "precision": ("fp32", "bf16", "fp16"),
        "fp32_mode": ("ieee", "tf32"),
        "memory_format": ("contiguous", "channels_last"),
        "determinism": ("off", "on"),
    },
}
FRAMEWORKS = tuple(SETTINGS)


def _unknown(kind: str, given: str, known: tuple[str, ...]) -> RequestError:
    nearest = difflib.get_close_matches(given, known, n=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    return RequestError(f"unknown {kind} {given!r}: expected one of {', '.join(known)}{hint}")


def _assignment(kind: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise RequestError(f"{kind} {text!r} is not of the form NAME=VALUE")
    return name, value


def network(name: str) -> Network:
    """The network of that name.

    Raises RequestError for one that is unknown, or that is described and never run.
    """
    if name in DESCRIBED_ONLY:
        raise RequestError(f"network {name!r} cannot be run: {DESCRIBED_ONLY[name]}")
    if name not in NETWORKS:
        raise _unknown("network", name, tuple(NETWORKS))
    return NETWORKS[name]


def parameters(chosen: Network, texts: list[str]) -> dict[str, float]:
    """The network's parameters with NAME=VALUE `texts` laid over the defaults.

    Raises RequestError on an unknown name or a bad number.
    """
    result = dict(chosen.parameters)
    for text in texts:
        name, value = _assignment("parameter", text)
        if name not in result:
            raise _unknown("parameter", name, tuple(result))
        try:
            number = float(value) if name == "learning_rate" else int(value)
        except ValueError:
            number = 0
        if not 0 < number < 1e9:
            raise RequestError(
                f"parameter {name}={value!r} must be a positive {'number' if name == 'learning_rate' else 'integer'}"
            )
        result[name] = number
    return result


def settings(framework: str, texts: list[str]) -> dict[str, str]:
    """The settings as {name: value}, each checked. Raises RequestError on an unknown framework, name or
    value.
    """
    if framework not in SETTINGS:
        raise _unknown("framework", framework, FRAMEWORKS)
    offered = SETTINGS[framework]
    result = {}
    for text in texts:
        name, value = _assignment("setting", text)
        if name == "threads":
            if not value.isdecimal() or int(value) < 1:
                raise RequestError(f"setting threads={value!r} must be a positive integer")
        elif name not in offered:
            raise _unknown(f"setting for {framework}", name, ("threads", *offered))
        elif value not in offered[name]:
            raise _unknown(f"value of setting {name} for {framework}", value, offered[name])
        result[name] = value
    return result
