"""Rates of tables as samples that estimators learn from: samples/s of one device, with the operations of a
sample, what the device computes and moves at most, and the class of network.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from kb.observations.learning.additive import Declared, Sample
from kb.observations.rows import Row, find
from kb.records.accelerators import Product, known_accelerators
from kb.records.core_peaks import core_peak

_PASSES = {"Training": 3, "Inference": 1}
"""A training step computes a forward pass and, twice as much, a backward pass."""


def rates(asked: Declared) -> tuple[list[Sample], list[str]]:
    """The rates of all tables of an estimator as samples; what is left out, a sentence for each reason."""
    found, left_out = _every(asked)
    whole = [sample for sample in found if not _is_short(asked, sample)]
    if len(whole) < len(found):
        left_out["all tables: a step too short to be bound by computing"] += len(found) - len(whole)
    return whole, [f"{count} rows of {reason}" for reason, count in sorted(left_out.items())]


def short_steps(asked: Declared) -> list[Sample]:
    """The samples whose steps are too short to be learnt from, of all rows."""
    tables = [{**table, "each": 1} for table in asked.declared["tables"]]
    found, _ = _every(Declared(asked.name, {**asked.declared, "tables": tables}))
    return [sample for sample in found if _is_short(asked, sample)]


def _every(asked: Declared) -> tuple[list[Sample], Counter[str]]:
    products = {product.name: product for product in known_accelerators().products}
    found: list[Sample] = []
    left_out: Counter[str] = Counter()
    seen: set[tuple[object, ...]] = set()
    for table in asked.declared["tables"]:
        for row in _chosen(table):
            sample, because = _sample(asked, table, row, products)
            if sample is None:
                left_out[f"{table['table']}: {because}"] += 1
                continue
            same = (sample.value, *sorted(sample.factors.items()), *sorted(sample.numbers.items()))
            if same in seen:
                left_out[f"{table['table']}: a repeat"] += 1
                continue
            seen.add(same)
            found.append(sample)
    return found, left_out


def _is_short(asked: Declared, sample: Sample) -> bool:
    return sample.numbers["step_ms"] < float(asked.declared.get("short_step_ms", 0))


def _chosen(table: Mapping[str, Any]) -> Iterator[Row]:
    """The rows of a table that are asked for, with the numbers of their networks."""
    numbers: dict[tuple[str | None, ...], Row] = {}
    if name := table.get("numbers"):
        numbers = {(row["network"], row["image_size"]): row for row in find(name).rows()}
    each = table.get("each", 1)
    for row in find(table["table"]).rows():
        if int(row["line"]) % each == 0 and any(_has(row, only) for only in table["only"]):
            yield {**numbers.get((row.get("network"), row.get("image_size")), {}), **row}


def _has(row: Row, only: Mapping[str, str]) -> bool:
    return all(row.get(key, "") == value for key, value in only.items())


def _sample(
    asked: Declared, table: Mapping[str, Any], row: Row, products: Mapping[str, Product]
) -> tuple[Sample | None, str]:
    device = _device(asked, row.get("machine", ""), products)
    gflop = _gflop(row)
    if device is None or gflop is None or not row.get("value") or not row.get("batch"):
        return None, "without known peaks, operations, a batch or a rate"
    name, architecture, numbers = device
    peak = peak_of(asked, row["precision"], numbers)
    if peak is None:
        return None, "in a precision without a known peak"
    devices, batch = int(row.get("devices", 1)), float(row["batch"])
    rate = float(row["value"]) / devices
    if rate * gflop > peak * 1000:
        return None, "faster than the peak allows"
    network = family_of(table, row["network"])
    of_kind = f"{network}-{row['kind']}"
    factors = {
        "kind": row["kind"],
        "class": _class_of(table, row),
        "precision": row["precision"],
        "framework": row.get("framework", ""),
        "network": network,
        "network_in_kind": of_kind,
        "case": f"{of_kind}-{row['sequence']}" if row.get("sequence") else "",
        "accelerator": name,
        "architecture": architecture,
        "spread_over": "one" if devices == 1 else "many",
    }
    step = {"step_ms": step_ms(gflop, batch, peak), "step_seconds": batch / rate}
    groups = {
        "table": table["table"],
        "device": re.sub(asked.declared["alike"], r"\1", name),
        "network": row.get("twin", row["network"]),
        "family": network,
    }
    told = numbers | {"gflop": gflop, "peak": peak, **step}
    return Sample(math.log(rate), factors, told, groups, (f"{table['table']}:{row['line']}",)), ""


def _device(
    asked: Declared, machine: str, products: Mapping[str, Product]
) -> tuple[str, str, dict[str, float]] | None:
    """Name, architecture and numbers of what computed: a product, or cores of a declared processor."""
    if processor := asked.declared.get("processors", {}).get(machine):
        architecture, cores = processor["microarchitecture"], float(processor["cores"])
        peak = core_peak(architecture)
        return (machine, architecture, {"single_peak": peak * cores, "cores": cores}) if peak else None
    product = products.get(machine)
    if product is None or not {"bandwidth", "power"} <= product.numbers.keys():
        return None
    return product.name, product.architecture.arch or "", product.numbers


def _gflop(row: Row) -> float | None:
    if row.get("gflop"):
        return float(row["gflop"])
    return 2 * float(row["giga_macs"]) * _PASSES[row["kind"]] if row.get("giga_macs") else None


def step_ms(gflop: float, batch: float, peak: float) -> float:
    """Milliseconds of a step at the peak."""
    return gflop * batch / peak


def peak_of(asked: Declared, precision: str, numbers: Mapping[str, float]) -> float | None:
    """TFLOP/s at most in a precision; None where it is not known."""
    rule = asked.declared["peaks"].get(precision)
    return numbers[rule["peak"]] * float(rule["times"]) if rule and rule["peak"] in numbers else None


def family_of(table: Mapping[str, Any], network: str) -> str:
    """Networks that fail together."""
    match = re.fullmatch(table["family"], network)
    return match[1] if match else network


def _class_of(table: Mapping[str, Any], row: Row) -> str:
    """The class of a network by the first rule whose bounds its numbers keep."""
    for rule in table["classes"]:
        if all(float(row.get(key) or 0) >= least for key, least in rule.get("least", {}).items()):
            return str(rule["class"])
    return ""
