"""Which accelerator it is: its maker, architecture, compute capability and memory, from whatever of them is
stated, and from names and versions.

What is stated is kept; what follows fills in what is not. Nothing is guessed: where names leave several
possibilities, what these share is told.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from kb.records.accelerators import Architecture, KnownAccelerators, Product, known_accelerators, plain_name
from kb.store.terms import version_key

Gpu = dict[str, Any]

_RECOGNISED = ("vendor", "arch", "compute_capability", "memory_gib")
_FOLLOWS = {
    "model": ("vendor", "arch", "compute_capability", "memory_gib", "mig"),
    "arch": ("vendor", "compute_capability"),
    "compute_capability": ("vendor", "arch"),
}
"""What follows anew where a fact of an accelerator is set by hand."""
_SIZE = re.compile(r"\b(\d+) ?gb\b")
_LEAST_SIZE, _MOST_SIZE = 0.85, 1.13  # what tools report of a memory, and GB (10^9) that are called GiB
_KEPT_BACK = 1 / 16  # of GDDR memory error correction keeps one bit in sixteen


def completed(gpus: list[Gpu]) -> list[Gpu]:
    """The accelerators of a target, each with what follows from its facts where they were unknown.

    Args:
        gpus: objects with the keys of `gpus[]`.
    """
    return [_completed(gpu, known_accelerators(), ()) if _incomplete(gpu) else gpu for gpu in gpus]


def as_devices(gpus: list[Gpu]) -> list[Gpu]:
    """The accelerators as programs see them: a product of several devices is that many, unless the memory
    stated is that of one device.
    """
    found: list[Gpu] = []
    for gpu in gpus:
        product = (
            _exact(known_accelerators(), gpu["model"])
            if gpu.get("model") and gpu.get("mig") in (None, "none")
            else None
        )
        whole = product.whole_gib if product else None
        if product and product.devices > 1 and gpu.get("memory_gib") in (None, whole):
            found += [gpu | {"memory_gib": product.memory_gib}] * product.devices
        else:
            found.append(gpu)
    return found


def product_of(gpu: Gpu) -> Product | None:
    """The product that an accelerator is, where its name and memory mean one; a slice is none."""
    if not gpu.get("model") or gpu.get("mig") not in (None, "none"):
        return None
    found = {product.name: product for product in _products(known_accelerators(), gpu["model"])}
    memory = gpu.get("memory_gib")
    if len(found) > 1 and memory:
        for name, product in list(found.items()):
            sizes = [size for size in (product.memory_gib, *product.other_gib) if size]
            if not any(size * _LEAST_SIZE <= memory <= size * _MOST_SIZE for size in sizes):
                del found[name]
    return next(iter(found.values())) if len(found) == 1 else None


def changed(gpu: Gpu, set_now: str, set_by_hand: Collection[str]) -> Gpu:
    """An accelerator of which a fact was set: what followed from the one before, and was not set itself,
    follows anew.

    Args:
        gpu: with the new fact.
        set_now: its key.
        set_by_hand: the keys of all facts that were set, which are kept.
    """
    known = known_accelerators()
    follows = _FOLLOWS.get(set_now, ())
    if (
        set_now == "vendor"
        and gpu["arch"]
        and known.architecture(gpu["arch"]).vendor != _maker_of(gpu, known)
    ):
        follows = ("arch", "compute_capability")
    return _completed(
        {key: None if key in follows and key not in set_by_hand else value for key, value in gpu.items()},
        known,
        set_by_hand,
    )


def contradiction(gpu: Gpu) -> str | None:
    """What cannot be true together of an accelerator's facts, in words; None where nothing contradicts."""
    told = list(_makers_stated(gpu, known_accelerators()))
    first = next(iter(told), None)
    for other in told[1:]:
        if first and other[1] != first[1]:
            return (
                f"{first[0]} '{gpu[first[0]]}' is of {first[1]}, "
                f"and {other[0]} '{gpu[other[0]]}' of {other[1]}"
            )
    capability = gpu.get("compute_capability")
    arch = known_accelerators().architecture(gpu["arch"]) if gpu.get("arch") else None
    if arch and arch.capability and capability not in (None, arch.capability):
        return (
            f"arch '{gpu['arch']}' has compute capability {arch.capability}, "
            f"and compute_capability is '{capability}'"
        )
    named = _architecture_by_name(known_accelerators(), gpu["model"], None) if gpu.get("model") else None
    if named and named.arch:
        if arch and arch.arch != named.arch:
            return f"model '{gpu['model']}' is of {named.arch}, and arch is '{gpu['arch']}'"
        if named.capability and capability not in (None, named.capability):
            return (
                f"model '{gpu['model']}' has compute capability {named.capability}, "
                f"and compute_capability is '{capability}'"
            )
    return ended_driver(gpu) or _impossible_memory(gpu)


def ended_driver(gpu: Gpu) -> str | None:
    """What is wrong with a driver that came after those of the accelerator's architecture, in words."""
    if not gpu.get("driver"):
        return None
    (known,) = completed([gpu])
    last = known_accelerators().architecture(known["arch"]).last_driver if known["arch"] else None
    key = version_key(gpu["driver"])
    if last is None or key is None or key.split(".")[0] <= str(version_key(last)):
        return None
    return (
        f"driver '{gpu['driver']}' no longer knows {known['arch']}, whose last drivers are of branch {last}"
    )


def _impossible_memory(gpu: Gpu) -> str | None:
    """What is wrong with a memory that no product of the name has, whole; a slice has less."""
    stated = gpu.get("memory_gib")
    if (
        stated is None
        or not gpu.get("model")
        or gpu.get("mig") not in (None, "none")
        or _SIZE.search(plain_name(gpu["model"]))
    ):
        return None
    if any(re.search(pattern, gpu["model"], re.IGNORECASE) for pattern in known_accelerators().slices):
        return None
    sizes: set[float] = set()
    for product in _products(known_accelerators(), gpu["model"]):
        sizes |= {size for size in (product.memory_gib, product.whole_gib, *product.other_gib) if size}
    if not sizes or any(size * _LEAST_SIZE <= stated <= size * _MOST_SIZE for size in sizes):
        return None
    listed = " or ".join(f"{size:g}" for size in sorted(sizes))
    return f"model '{gpu['model']}' has {listed} GiB, and memory_gib is {stated:g} (a slice is told by `mig`)"


def architecture_reported(
    model: str | None, generation: str | None, capability: str | None
) -> Architecture | None:
    """The architecture of which a maker's tool says the compute capability, or else the product and its
    generation, such as Ampere.

    None where that leaves several.
    """
    known = known_accelerators()
    if capability:
        return known.of_capability(capability)
    possible = [each for each in known.architectures if generation and each.generation == generation]
    named = _architecture_by_name(known, model, None) if model else None
    if named and named.arch in {each.arch for each in possible}:
        return named
    return possible[0] if len(possible) == 1 else None


def _incomplete(gpu: Gpu) -> bool:
    return any(gpu.get(key) is None for key in _RECOGNISED)


def _completed(gpu: Gpu, known: KnownAccelerators, kept: Collection[str]) -> Gpu:
    gpu = _slice(gpu, known)

    def fill(key: str, value: Any) -> None:
        if gpu.get(key) is None and key not in kept and value is not None:
            gpu[key] = value

    capability = gpu.get("compute_capability")
    if gpu.get("arch"):
        gpu["arch"] = known.architecture(gpu["arch"]).arch
    elif capability not in (None, "none"):
        numbered = known.of_capability(str(capability))
        fill("arch", numbered.arch if numbered else None)
    fill("vendor", next((vendor for _, vendor in _makers_stated(gpu, known)), None))
    named = _architecture_by_name(known, gpu["model"], _maker_of(gpu, known)) if gpu.get("model") else None
    if named:
        fill("arch", named.arch)
        fill("vendor", named.vendor)
    if gpu.get("arch"):
        follows = known.architecture(gpu["arch"])
        numbered_maker = known.maker_with_capabilities
        without = follows.vendor and numbered_maker and follows.vendor != numbered_maker.name
        fill("compute_capability", follows.capability or ("none" if without else None))
    fill("memory_gib", _memory(known, gpu))
    return gpu


def _slice(gpu: Gpu, known: KnownAccelerators) -> Gpu:
    """A copy; the name of a slice is no product's name: what it says is kept as the slice and its memory."""
    gpu = dict(gpu)
    model = gpu.get("model") or ""
    found = next(
        (match for pattern in known.slices if (match := re.search(pattern, model, re.IGNORECASE))), None
    )
    if found is None:
        return gpu
    gpu["model"] = (model[: found.start()] + model[found.end() :]).strip(" ._-") or None
    if gpu.get("mig") in (None, "none"):
        gpu["mig"] = found["profile"].replace("_", ".").lower()
    if gpu.get("memory_gib") is None:
        gpu["memory_gib"] = float(found["gib"])
    return gpu


def _makers_stated(gpu: Gpu, known: KnownAccelerators) -> Iterator[tuple[str, str]]:
    """By which facts of an accelerator which maker is told: what is stated first, then what is surest."""
    if stated := _maker_of(gpu, known):
        yield "vendor", stated
    if gpu.get("arch") and (vendor := known.architecture(gpu["arch"]).vendor):
        yield "arch", vendor
    numbered = known.maker_with_capabilities
    for key in ("compute_capability", "cuda_max"):
        if numbered and gpu.get(key) not in (None, "none"):
            yield key, numbered.name
    plain = plain_name(gpu.get("model") or "")
    named = [maker.name for maker in known.makers if maker.names and re.search(maker.names, plain)]
    if len(named) == 1:
        yield "model", named[0]
    for maker in known.makers:
        if gpu.get("driver") and maker.driver and re.fullmatch(maker.driver, gpu["driver"]):
            yield "driver", maker.name


def _maker_of(gpu: Gpu, known: KnownAccelerators) -> str | None:
    """The maker that is stated, where it is one that the catalogue knows."""
    stated = (gpu.get("vendor") or "").lower()
    return stated if stated in {maker.name for maker in known.makers} else None


def _architecture_by_name(known: KnownAccelerators, model: str, vendor: str | None) -> Architecture | None:
    """What a product's name tells of its architecture; only what all agree on, where several are possible.
    Listed products go before families.
    """
    possible = [
        product.architecture
        for product in _products(known, model)
        if vendor in (None, product.architecture.vendor)
    ]
    if not possible:
        families = (family for family in known.families if vendor in (None, family.architecture.vendor))
        possible = [
            family.architecture for family in families if re.search(family.pattern, plain_name(model))
        ]
    if not possible:
        return None
    vendors, archs = {each.vendor for each in possible}, {each.arch for each in possible}
    return (
        possible[0]
        if len(archs) == 1
        else Architecture(None, vendors.pop() if len(vendors) == 1 else None, None, None)
    )


def _products(known: KnownAccelerators, model: str) -> list[Product]:
    """The listed products that a name may mean.

    A driver's name has all the words of the product's own, and none that makes it another product. A
    scheduler says less than a driver: its short name may be any of several products.
    """
    plain = plain_name(model)
    words = frozenset(plain.split())
    fitting = [
        product
        for product in known.products
        if product.words <= words and not _variants(known, plain, words - product.words)
    ]
    closest = max((len(product.words) for product in fitting), default=0)
    if fitting:
        return [product for product in fitting if len(product.words) == closest]
    return [product for product in known.products if words and words <= product.words]


def _variants(known: KnownAccelerators, plain: str, further: frozenset[str]) -> bool:
    """Whether the words of a name that a product's own lacks make it another product."""
    return any(
        f" {variant} " in f" {plain} " and further.issuperset(variant.split()) for variant in known.variants
    )


def _exact(known: KnownAccelerators, model: str) -> Product | None:
    """The one product that a name means, or that all products it may mean agree with in devices and
    memory.
    """
    found = {(product.memory_gib, product.devices): product for product in _products(known, model)}
    return next(iter(found.values())) if len(found) == 1 else None


def _memory(known: KnownAccelerators, gpu: Gpu) -> float | None:
    if not gpu.get("model") or gpu.get("mig") not in (None, "none"):
        return None  # a slice has less than the product
    product = _exact(known, gpu["model"])
    if product is None or product.architecture.arch != gpu.get("arch"):
        return None
    printed = [float(size) for size in _SIZE.findall(plain_name(gpu["model"]))]
    return (
        product.memory_gib
        if not printed or any(_prints(size, product.memory_gib) for size in printed)
        else None
    )


def _prints(size: float, memory_gib: float | None) -> bool:
    """Whether a product's name may print this size: the driver reports as much, or less by what rounding and
    the bits of error correction take.
    """
    return memory_gib is not None and 0 <= size - memory_gib <= size * _KEPT_BACK
