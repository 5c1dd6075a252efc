"""What networks are made of, layer by layer: features for `kb/evidence/tables/networks.csv.gz`, computed
once, without weights.

Needs PyTorch and timm (not dependencies of Ontune). Every network is built on the meta device and one image
is sent through it; what each operator computes and writes is counted by class of operator. Networks that
cannot be built are named on stderr, never dropped in silence.

    python benchmarks/network_features.py PAIRS.csv OUT.csv        PAIRS.csv has the columns network,
    image_size
"""

from __future__ import annotations

import csv
import math
import sys
import warnings
from collections import Counter
from pathlib import Path

import timm
import torch
from torch.utils._python_dispatch import TorchDispatchMode

_CLASSES = ("pointwise", "spatial", "grouped", "depthwise", "linear", "attention")
_WRITERS = ("batch_norm", "layer_norm", "group_norm", "copied", "pooled", "other")
COLUMNS = (
    "network", "image_size", "mega_parameters", "giga_macs", "mega_activations", "macs_per_element",
    *(f"macs_{kind}" for kind in _CLASSES), *(f"written_{kind}" for kind in (*_CLASSES, *_WRITERS)),
    "count_convolutions", "count_grouped", "count_depthwise", "macs_odd_channels", "macs_uneven_groups",
    "mean_channels", "mean_depthwise_kernel", "mean_group_width",
)  # fmt: skip


class Counting(TorchDispatchMode):
    """Counts multiply-adds and written elements by class of operator while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.macs: Counter[str] = Counter()
        self.written: Counter[str] = Counter()
        self.counted: Counter[str] = Counter()
        self.odd = self.uneven = self.channels = self.kernels = self.widths = 0.0

    def __torch_dispatch__(self, operator, types, arguments=(), keywords=None):
        out = operator(*arguments, **(keywords or {}))
        name = operator.overloadpacket.__name__
        first = out[0] if isinstance(out, (tuple, list)) else out
        if not isinstance(first, torch.Tensor) or name in _VIEWS:
            return out
        size = first.numel()
        if name in ("convolution", "_convolution"):
            self._convolution(arguments, first)
        elif name in ("mm", "addmm"):
            kind = "linear"
            self.macs[kind] += size * arguments[-1].shape[0]
            self.written[kind] += size
        elif name in ("bmm", "baddbmm"):
            self.macs["attention"] += size * arguments[-1].shape[1]
            self.written["attention"] += size
        elif "scaled_dot_product" in name:
            query, key = arguments[0], arguments[1]
            self.macs["attention"] += 2 * query.numel() * key.shape[-2]
            self.written["attention"] += size
        else:
            self.written[_writer(name)] += size
        return out

    def _convolution(self, arguments, out) -> None:
        """One convolution: depthwise where every group has one input channel, grouped where there are several
        groups of more.
        """
        weight, groups = arguments[1], arguments[8]
        per_group, window = weight.shape[1], math.prod(weight.shape[2:])
        channels = per_group * groups
        kind = "pointwise" if window == 1 else "spatial"
        if groups > 1:
            kind = "depthwise" if per_group == 1 else "grouped"
        macs = out.numel() * per_group * window
        self.macs[kind] += macs
        self.written[kind] += out.numel()
        self.counted["convolutions"] += 1
        self.counted[kind] += 1
        if groups == 1:
            self.odd += macs if channels % 8 or out.shape[1] % 8 else 0
            self.channels += macs * math.log2(channels)
        elif kind == "depthwise":
            self.kernels += out.numel() * math.sqrt(window)
        else:
            self.widths += out.numel() * math.log2(per_group)
            self.uneven += macs if per_group & (per_group - 1) else 0


# What computes nothing.
_VIEWS = frozenset(
    (
        "view",
        "_unsafe_view",
        "reshape",
        "permute",
        "transpose",
        "t",
        "expand",
        "slice",
        "select",
        "squeeze",
        "unsqueeze",
        "unbind",
        "split",
        "split_with_sizes",
        "chunk",
        "detach",
        "alias",
        "as_strided",
        "unfold",
        "narrow",
        "lift_fresh",
        "_reshape_alias",
        "movedim",
        "flatten",
        "resolve_conj",
        "diagonal",
    )
)


def _writer(name: str) -> str:
    if "batch_norm" in name:
        return "batch_norm"
    if "layer_norm" in name:
        return "layer_norm"
    if "group_norm" in name:
        return "group_norm"
    if "pool" in name or "upsample" in name:
        return "pooled"
    return (
        "copied"
        if name in ("clone", "copy", "copy_", "_to_copy", "cat", "roll", "index", "stack")
        else "other"
    )


def _built(name: str, size: int, **options: object) -> torch.nn.Module:
    try:
        with torch.device("meta"):
            return timm.create_model(name, **options)
    except TypeError:
        raise
    except Exception:  # a constructor that reads a value of a tensor, which the meta device does not have
        return timm.create_model(name, **options).to("meta")


def features(name: str, size: int) -> dict[str, object]:
    """The row of one network at one image size."""
    for options in ({}, {"img_size": size}):
        try:
            model = _built(name, size, **options).eval()
            image = torch.zeros(1, 3, size, size, device="meta")
            with torch.no_grad(), Counting() as counting:
                model(image)
            break
        except Exception as error:  # a network of another image size: built for this one then
            failure = error
    else:
        raise failure
    total, written = sum(counting.macs.values()), sum(counting.written.values())
    dense = counting.macs["pointwise"] + counting.macs["spatial"]
    row = {"network": name, "image_size": size}
    row |= {
        "mega_parameters": sum(p.numel() for p in model.parameters()) / 1e6,
        "giga_macs": total / 1e9,
        "mega_activations": written / 1e6,
        "macs_per_element": total / written,
    }
    row |= {f"macs_{kind}": counting.macs[kind] / total for kind in _CLASSES}
    row |= {f"written_{kind}": counting.written[kind] / written for kind in (*_CLASSES, *_WRITERS)}
    row |= {f"count_{kind}": counting.counted[kind] for kind in ("convolutions", "grouped", "depthwise")}
    row["macs_odd_channels"] = counting.odd / total
    row["macs_uneven_groups"] = counting.uneven / total
    row["mean_channels"] = counting.channels / dense if dense else ""
    row["mean_depthwise_kernel"] = (
        counting.kernels / counting.written["depthwise"] if counting.written["depthwise"] else ""
    )
    row["mean_group_width"] = (
        counting.widths / counting.written["grouped"] if counting.written["grouped"] else ""
    )
    return {key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()}


def main(pairs: Path, out: Path) -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    done = (
        {(row["network"], row["image_size"]) for row in csv.DictReader(out.open())} if out.exists() else set()
    )
    with out.open("a", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        if not done:
            table.writeheader()
        for pair in csv.DictReader(pairs.open(encoding="utf-8")):
            if (pair["network"], pair["image_size"]) in done:
                continue
            try:
                table.writerow(features(pair["network"], int(pair["image_size"])))
            except Exception as error:
                print(
                    f"{pair['network']} at {pair['image_size']}: {type(error).__name__}: {str(error)[:200]}",
                    file=sys.stderr,
                )
            file.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
