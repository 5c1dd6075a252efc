"""Samples for the networks: synthetic ones, the digits, or a folder of npz files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from catalogue import Network, RequestError

DIGITS = Path(__file__).with_name("digits.npz")
VALIDATION_SHARE = 0.2


@dataclass(frozen=True)
class Samples:
    """Inputs `x` in the network's form (images as height, width, channels; floats, or int64 tokens) and int64
    class labels `y`.
    """

    x: np.ndarray
    y: np.ndarray

    def batches(self, size: int, order: np.ndarray | None = None) -> list[tuple[np.ndarray, np.ndarray]]:
        """Whole batches in the given order; a remainder is left out, because compiled steps want one shape."""
        order = np.arange(len(self.y)) if order is None else order
        return [
            (self.x[order[start : start + size]], self.y[order[start : start + size]])
            for start in range(0, len(order) - size + 1, size)
        ]

    def parts(self, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """All samples in parts of at most `size`."""
        return [
            (self.x[start : start + size], self.y[start : start + size])
            for start in range(0, len(self.y), size)
        ]


def synthetic(network: Network, parameters: dict[str, float], seed: int) -> Samples:
    """One batch of random samples."""
    random = np.random.default_rng(seed)
    batch = int(parameters["batch"])
    if network.form == "tokens":
        x = random.integers(0, int(parameters["vocabulary"]), (batch, int(parameters["sequence"])))
    else:
        x = random.standard_normal((batch, *_shape(network, parameters)), dtype=np.float32)
    return Samples(x, random.integers(0, int(parameters["classes"]), batch))


def load(source: str, network: Network, parameters: dict[str, float], seed: int) -> tuple[Samples, Samples]:
    """Training and validation samples. `source` is `synthetic`, `digits` or a folder of npz files with arrays
    x and y.

    Raises RequestError when the folder or an array is missing, or does not fit the network.
    """
    if source == "synthetic":
        samples = synthetic(network, parameters, seed)
        return samples, samples
    if source == "digits":
        with np.load(DIGITS) as archive:
            samples = Samples(
                _digits_as(network, parameters, archive["images"]), archive["labels"].astype(np.int64)
            )
    else:
        samples = _folder(Path(source), network, parameters)
    if samples.y.size and (samples.y.min() < 0 or samples.y.max() >= parameters["classes"]):
        raise RequestError(
            f"data {source!r} has labels from {samples.y.min()} to {samples.y.max()}, but classes={int(parameters['classes'])}"
        )
    # The split is the same for every seed, so that runs with different seeds are judged on the same samples.
    order = np.random.default_rng(0).permutation(len(samples.y))
    held_out = round(len(order) * VALIDATION_SHARE)
    train, validation = order[held_out:], order[:held_out]
    if len(train) < parameters["batch"]:
        raise RequestError(
            f"data {source!r} has {len(train)} samples to train on, fewer than batch={int(parameters['batch'])}"
        )
    return Samples(samples.x[train], samples.y[train]), Samples(samples.x[validation], samples.y[validation])


def _shape(network: Network, parameters: dict[str, float]) -> tuple[int, ...]:
    if network.form == "image":
        return (int(parameters["image_size"]), int(parameters["image_size"]), int(parameters["channels"]))
    if network.form == "series":
        return (int(parameters["sequence"]), int(parameters["features"]))
    return (int(parameters["sequence"]),)


def _digits_as(network: Network, parameters: dict[str, float], images: np.ndarray) -> np.ndarray:
    """The 8x8 images with levels 0..16 in the network's form, enlarged by repeating the nearest pixel."""
    if network.form == "image":
        nearest = np.arange(int(parameters["image_size"])) * 8 // int(parameters["image_size"])
        enlarged = images[:, nearest][:, :, nearest, None].astype(np.float32) / 16
        return np.repeat(enlarged, int(parameters["channels"]), axis=3)
    if network.form == "tokens":
        if parameters["vocabulary"] < 17:
            raise RequestError("the digits have 17 grey levels: parameter vocabulary must be at least 17")
        length = int(parameters["sequence"])
        if length in (4, 16):  # a smaller image, of block means
            side, block = math.isqrt(length), 8 // math.isqrt(length)
            return (
                images.reshape(-1, side, block, side, block)
                .mean((2, 4))
                .round()
                .reshape(-1, length)
                .astype(np.int64)
            )
        return images.reshape(-1, 64)[:, np.arange(length) * 64 // length].astype(np.int64)
    rows = np.arange(int(parameters["sequence"])) * 8 // int(parameters["sequence"])
    columns = np.arange(int(parameters["features"])) * 8 // int(parameters["features"])
    return images[:, rows][:, :, columns].astype(np.float32) / 16


def _folder(folder: Path, network: Network, parameters: dict[str, float]) -> Samples:
    files = sorted(folder.glob("*.npz"))
    if not files:
        raise RequestError(
            f"data {str(folder)!r} is neither 'synthetic' nor 'digits' nor a folder with npz files"
        )
    inputs, labels = [], []
    for file in files:
        with np.load(file, allow_pickle=False) as archive:
            missing = {"x", "y"} - set(archive.files)
            if missing:
                raise RequestError(
                    f"{file}: array {sorted(missing)[0]!r} is missing; it has {', '.join(archive.files) or 'none'}"
                )
            x, y = archive["x"], archive["y"]
        if x.shape[1:] != _shape(network, parameters) or len(x) != len(y):
            expected = ", ".join(map(str, _shape(network, parameters)))
            raise RequestError(
                f"{file}: x has shape {x.shape} and y {y.shape}; expected (samples, {expected}) and (samples,)"
            )
        inputs.append(x.astype(np.int64 if network.form == "tokens" else np.float32))
        labels.append(y.astype(np.int64))
    return Samples(np.concatenate(inputs), np.concatenate(labels))
