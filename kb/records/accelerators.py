"""What is known of accelerators as products (`kb/facts/accelerators/` and the user's additions): products,
families, makers and architectures.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

import pyoxigraph as ox

from kb.records.resources import shipped_and_added, values_of
from kb.store import paths
from kb.store.terms import PREFIXES, RDF_TYPE, on
from kb.values import Value

_FOLDER = "accelerators"
_LABEL, _OTHER_LABEL, _NOTATION = (
    PREFIXES["rdfs"] + "label",
    PREFIXES["skos"] + "altLabel",
    PREFIXES["skos"] + "notation",
)


class Architecture(Value, frozen=True):
    """An architecture: what compilers call it, whose it is, its compute capability, what drivers call its
    generation, and their last branch.
    """

    arch: str | None
    vendor: str | None
    capability: str | None
    generation: str | None
    last_driver: str | None = None


class Product(Value, frozen=True):
    """One product, once for each of its names.

    Attributes:
        words: the words of the name.
        memory_gib: memory of each device.
        devices: how many devices one piece of it shows.
        other_gib: memory of other products under its name.
        name: its short name.
        single_peak, half_peak: TFLOP/s of one device in fp32 and in 16 bits.
        bandwidth: GB/s of one device's memory.
        board_power: watts of one device.
    """

    words: frozenset[str]
    architecture: Architecture
    memory_gib: float | None
    devices: int = 1
    other_gib: tuple[float, ...] = ()
    name: str = ""
    single_peak: float | None = None
    half_peak: float | None = None
    bandwidth: float | None = None
    board_power: float | None = None

    @property
    def whole_gib(self) -> float | None:
        """GiB of all its devices."""
        return self.memory_gib and self.memory_gib * self.devices

    @property
    def numbers(self) -> dict[str, float]:
        """What is known of what one device computes, moves and draws at most, by name."""
        stated = {
            "single_peak": self.single_peak,
            "half_peak": self.half_peak,
            "bandwidth": self.bandwidth,
            "power": self.board_power,
        }
        return {name: value for name, value in stated.items() if value}


class Family(Value, frozen=True):
    """Products that a rule recognises: a pattern that is found in their plain names."""

    pattern: str
    architecture: Architecture


class Maker(Value, frozen=True):
    """A maker.

    Attributes:
        name: as the key `gpus[].vendor` has it.
        names: a pattern that is found in the plain names of its products.
        arch: the pattern of its architectures' names.
        form: the name of the architecture of a compute capability; empty for a maker without them.
        driver: the pattern of driver versions that no other maker's have.
    """

    name: str
    names: str | None
    arch: str | None
    form: str
    driver: str | None


class KnownAccelerators(Value, frozen=True):
    """Everything that names, drivers and numbers tell of accelerators.

    Attributes:
        variants: words that make of a product's name that of another product.
        slices: patterns of the names of slices of partitioned accelerators.
    """

    products: tuple[Product, ...]
    families: tuple[Family, ...]
    makers: tuple[Maker, ...]
    architectures: tuple[Architecture, ...]
    variants: frozenset[str]
    slices: tuple[str, ...]

    def architecture(self, arch: str) -> Architecture:
        """The architecture of a name in any of its spellings, known or only of a known form."""
        for maker in self.makers:
            if maker.arch and (found := re.fullmatch(maker.arch, arch.lower())):
                groups = found.groupdict()
                numbered = maker.form and groups.get("major")
                name = maker.form.format(**groups) if numbered else groups["name"]
                capability = "{major}.{minor}".format(**groups) if numbered else None
                return self._known(name) or Architecture(name, maker.name, capability, None)
        return self._known(arch) or self._known(arch.lower()) or Architecture(arch, None, None, None)

    def of_capability(self, capability: str) -> Architecture | None:
        """The architecture of a compute capability such as 8.6, known or only of a known form."""
        for each in self.architectures:
            if each.capability == capability:
                return each
        maker = self.maker_with_capabilities
        if not maker or not re.fullmatch(r"\d+\.\d", capability):
            return None
        major, _, minor = capability.partition(".")
        return Architecture(maker.form.format(major=major, minor=minor), maker.name, capability, None)

    @functools.cached_property
    def maker_with_capabilities(self) -> Maker | None:
        """The maker whose architectures are numbered by compute capability."""
        return next((maker for maker in self.makers if maker.form), None)

    def _known(self, arch: str) -> Architecture | None:
        return next((each for each in self.architectures if each.arch == arch), None)


def known_accelerators() -> KnownAccelerators:
    """The catalogue of the shipped facts and the additions as they are now."""
    files = list((paths.shipped("facts") / _FOLDER).glob("*.ttl"))
    for folder in paths.additions():
        files += folder.rglob("*.ttl")
    return _read(tuple(sorted((str(path), path.stat().st_mtime_ns) for path in files if path.is_file())))


@functools.lru_cache(maxsize=4)
def _read(files: tuple[tuple[str, int], ...]) -> KnownAccelerators:
    """The catalogue; `files` stand for what is read, with the time of their last change."""
    store = shipped_and_added(_FOLDER)
    nodes = {node: _architecture(store, node) for node in _instances(store, "AcceleratorArchitecture")}

    def architecture(product: Any) -> Architecture:
        node = _first(store, product, on("architecture"))
        return nodes.get(node) or _architecture(store, node)

    return KnownAccelerators(
        products=tuple(
            Product(
                words_of(name),
                architecture(node),
                *_memory_of_devices(store, node),
                _other_memory(store, node),
                _text(store, node, _NOTATION) or "",
                *_peaks(store, node),
            )
            for node, name in _texts(store, "Accelerator", _LABEL, _OTHER_LABEL)
        ),
        families=tuple(
            Family(pattern, architecture(node))
            for node, pattern in _texts(store, "ProductFamily", on("namePattern"))
        ),
        makers=tuple(_maker(store, node) for node in _instances(store, "AcceleratorMaker")),
        architectures=tuple(nodes.values()),
        variants=frozenset(name for _, name in _texts(store, "ProductVariant", _NOTATION)),
        slices=tuple(pattern for _, pattern in _texts(store, "PartitionProfile", on("profilePattern"))),
    )


def plain_name(name: str) -> str:
    """A product's name in lower case with one blank between its words: `NVIDIA A100-SXM4-80GB` is `nvidia
    a100 sxm4 80gb`; without (R) and (TM).
    """
    return " ".join(re.findall(r"[a-z0-9]+", re.sub(r"\((?:r|tm)\)", " ", name.lower())))


def words_of(name: str) -> frozenset[str]:
    """The words of a product's name: `NVIDIA A100-SXM4-80GB` has nvidia, a100, sxm4 and 80gb."""
    return frozenset(plain_name(name).split())


def _instances(store: ox.Store, class_name: str) -> Iterator[ox.NamedNode]:
    """The named members of a class, in the order of their IRIs."""
    members = {
        quad.subject
        for quad in store.quads_for_pattern(None, ox.NamedNode(RDF_TYPE), ox.NamedNode(on(class_name)), None)
    }
    return iter(sorted((node for node in members if isinstance(node, ox.NamedNode)), key=str))


def _texts(store: ox.Store, class_name: str, *properties: str) -> Iterator[tuple[ox.NamedNode, str]]:
    """What some properties say of the members of a class, each text with the member."""
    for node in _instances(store, class_name):
        for property_iri in properties:
            yield from ((node, term.value) for term in values_of(store, node, property_iri))


def _architecture(store: ox.Store, node: Any) -> Architecture:
    terms = ("arch", "maker", "computeCapability", "generationName", "lastDriver")
    return Architecture(*(_text(store, node, on(term)) for term in terms))


def _memory_of_devices(store: ox.Store, product: Any) -> tuple[float | None, int]:
    """GiB of each device of a product, and how many it has."""
    memory, devices = (
        _text(store, product, on("memoryGib")),
        int(_text(store, product, on("devicesOfProduct")) or 1),
    )
    return (float(memory) / devices if memory else None), devices


def _peaks(store: ox.Store, product: Any) -> Iterator[float | None]:
    """What one device computes, moves and draws at most; the bandwidth is stated of the whole product."""
    _, devices = _memory_of_devices(store, product)
    for term in ("singlePeak", "halfPeak", "memoryBandwidth", "boardPower"):
        stated = _text(store, product, on(term))
        yield float(stated) / (devices if term == "memoryBandwidth" else 1) if stated else None


def _other_memory(store: ox.Store, product: Any) -> tuple[float, ...]:
    return tuple(float(size.value) for size in values_of(store, product, on("otherMemoryGib")))


def _maker(store: ox.Store, node: Any) -> Maker:
    names, arch, form, driver = (
        _text(store, node, on(term)) for term in ("namePattern", "archPattern", "archForm", "driverPattern")
    )
    return Maker(_text(store, node, on("gpuVendor")) or "", names, arch, form or "", driver)


def _first(store: ox.Store, node: Any, property_iri: str) -> Any:
    return next(iter(values_of(store, node, property_iri)), None) if node is not None else None


def _text(store: ox.Store, node: Any, property_iri: str) -> str | None:
    term = _first(store, node, property_iri)
    return None if term is None else str(term.value)
