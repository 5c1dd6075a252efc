"""What a script's own requirements leave of the options, as facts for the rules, and what becomes of each
of them beside the packages of a plan.

Versions are compared by Python's rules (PEP 440), which no query can; what a refused version means is
said by `rules/conflicts/requirements.ttl`.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import pyoxigraph as ox

from kb.errors import BadInput
from kb.store.store import KnowledgeStore
from kb.store.terms import on
from kb.values import Value, replace
from reasoner.answers.package_remarks import PackageKnowledge, package_knowledge
from reasoner.answers.plan import Application, DecisionTaken
from reasoner.inference.derive import REQUEST_GRAPH, WORKLOAD

if TYPE_CHECKING:
    from kb.records.package_requirements import Requirement

_FRAMEWORKS = "SELECT ?o ?name WHERE { ?o on:distributionName ?name }"
_RELEASES = "SELECT ?o ?family ?version WHERE { ?o on:releaseOf ?family ; on:version ?version }"
_RANGES = """SELECT ?o ?p ?range WHERE { VALUES ?p { on:requires on:companion on:companionOfAnyBuild }
  ?o on:optionOf kb:framework_release ; ?p ?range }"""
_PACKAGES = """SELECT DISTINCT ?name ?version WHERE {
  VALUES ?kind { on:PythonPackage on:CompiledPythonPackage }
  ?o on:optionOf ?d ; on:appliedBy ?p . ?p a ?kind ; on:name ?name ; on:value ?version }"""
_PIP = ("pip", "source")
_PYTHONS = "SELECT ?name WHERE { ?o on:optionOf kb:python ; skos:notation ?name }"


class _Known(msgspec.Struct):
    """What the knowledge base says of distributions: `frameworks` by the names of their distributions,
    `versions` of a framework's releases,
    `ranges` by release and property, `packages` that options install, and the versions of Python that a
    plan may take."""

    frameworks: dict[str, str] = {}
    versions: dict[str, set[str]] = msgspec.field(default_factory=lambda: defaultdict(set))
    ranges: dict[str, dict[str, list[Requirement]]] = msgspec.field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    packages: set[tuple[str, str]] = set()
    pythons: tuple[str, ...] = ()

    @property
    def adjustable(self) -> frozenset[str]:
        """The distributions of which releases state the range that they take: what an option installs of them
        is a choice within that."""
        required = itertools.chain.from_iterable(ranges[on("requires")] for ranges in self.ranges.values())
        return frozenset(one.name for one in required)

    def every_range(self) -> Iterator[Requirement]:
        """The ranges of all releases, whatever they are stated for."""
        for by_kind in self.ranges.values():
            yield from itertools.chain.from_iterable(by_kind.values())


def requirement_facts(requires: Sequence[str], store: KnowledgeStore, framework: str = "") -> list[ox.Quad]:
    """What the rules read of a workload's requirements.

    Args:
        requires: the requirements.
        store: the knowledge base.
        framework: the framework that is asked for, as an IRI; empty where the planner may choose.

    Raises:
        BadInput: one of them is no requirement, or none of the framework's releases meets it; the message
            names where it was asked for.
    """
    if not requires:
        return []
    from kb.records.package_requirements import parsed

    known = _known(store)
    environments = [_environment(python) for python in known.pythons]
    stated = [
        requirement for requirement in map(parsed, requires) if all(map(requirement.holds, environments))
    ]
    packages = package_knowledge(store)
    for requirement in stated:
        packages.check(requirement)
    wanted = [*stated, *itertools.chain.from_iterable(map(packages.implied, stated))]
    _check_together(wanted)
    for requirement in wanted:
        its_framework = known.frameworks.get(requirement.name)
        if its_framework and framework in ("", its_framework):
            _check_releases(requirement, known.versions[its_framework])
    quads: list[ox.Quad] = []
    for number, requirement in enumerate(wanted):
        node = ox.NamedNode(f"{WORKLOAD.value}/requirement/{number}")
        facts = list(_stated(requirement, known))
        if facts:
            quads.append(ox.Quad(WORKLOAD, ox.NamedNode(on("wantedPackage")), node, REQUEST_GRAPH))
            quads += [
                ox.Quad(node, ox.NamedNode(on(term)), ox.Literal(value), REQUEST_GRAPH)
                for term, value in facts
            ]
    return quads


def _check_together(wanted: Sequence[Requirement]) -> None:
    """Raises BadInput where no version of a distribution meets two requirements on it."""
    from kb.records.package_requirements import disjoint

    for place, one in enumerate(wanted):
        for other in wanted[:place]:
            if one.name == other.name and disjoint(one.versions, other.versions):
                problem = f"no version meets both {one.asked} and {other}"
                raise BadInput(one.where or "requires", problem, expected=f"one of them for {one.name}")


def _check_releases(requirement: Requirement, versions: Collection[str]) -> None:
    """Raises BadInput where no release that is known meets a requirement on a framework."""
    from packaging.version import Version

    if versions and not any(map(requirement.allows_release, versions)):
        problem = f"no release of {requirement.name} that is known meets '{requirement.asked}'"
        expected = ", ".join(sorted(versions, key=Version))
        raise BadInput(requirement.where or "requires", problem, expected=expected)


def _stated(requirement: Requirement, known: _Known) -> Iterator[tuple[str, str | bool]]:
    """What a requirement says of what is known, by local names of properties; nothing where nothing is known
    of the distribution."""
    from kb.records.package_requirements import disjoint

    name = requirement.name
    framework = known.frameworks.get(name)
    ranges = {one.asked: one for one in known.every_range() if one.name == name}
    packages = [(package, version) for package, version in known.packages if _bare(package) == name]
    if not (framework or ranges or packages):
        return
    yield "packageName", name
    yield "asked", str(requirement)
    if requirement.versions:
        yield "versionAsked", True
    for version in known.versions[framework] if framework else ():
        if not requirement.allows_release(version):
            yield "refusedVersion", version
    for text, taken in ranges.items():
        if disjoint(requirement.versions, taken.versions):
            yield "refusedRange", text
    of_a_build = "+" in str(requirement.versions)
    for package, version in (
        packages if name not in known.adjustable and (of_a_build or not framework) else ()
    ):
        if not requirement.allows(version):
            yield "refusedPin", f"{package}=={version}"


class Settled(Value, frozen=True):
    """What became of the requirements beside the packages of a plan.

    Attributes:
        decisions: those of the plan, with the packages that the requirements change or add.
        requirements: for each requirement `{asked, where, written, because, remark, compiled}`: the line that
            is written for it, empty where a package of the plan meets it, why, what its author should know,
            and whether it is compiled against the framework once that is installed.
    """

    decisions: tuple[DecisionTaken, ...]
    requirements: tuple[dict[str, Any], ...] = ()


def settled(
    requires: Sequence[str],
    decisions: tuple[DecisionTaken, ...],
    taken: Mapping[str, str],
    store: KnowledgeStore,
    isa_level: str,
) -> Settled:
    """The requirements beside what a plan installs.

    Args:
        requires: the workload's requirements.
        decisions: those of the plan.
        taken: the options taken, by decision, as IRIs.
        store: the knowledge base.
        isa_level: the target's instruction set, such as `x86_64_v3`; empty where it is not known.

    Raises:
        BadInput: a requirement that holds for the plan's Python only cannot be met by it; the message
            names where it was asked for.
    """
    if not requires:
        return Settled(decisions)
    from kb.records.package_requirements import parsed

    known = _known(store)
    chosen = {taken.decision: taken.option for taken in decisions}
    environment = _environment(chosen.get("python", ""), re.sub(r"_v\d$", "", isa_level) or "x86_64")
    wanted = list(map(parsed, requires))
    result = _Settling(
        known,
        decisions,
        [known.ranges[option] for option in taken.values() if option in known.ranges],
        set(taken.values()),
        package_knowledge(store),
        {one.name for one in wanted if one.holds(environment)},
    )
    told = [result.settle(requirement, active=requirement.holds(environment)) for requirement in wanted]
    return Settled(tuple(result.decisions), tuple(told))


class _Settling:
    """Goes through the requirements, one after the other."""

    def __init__(
        self,
        known: _Known,
        decisions: Sequence[DecisionTaken],
        ranges: Sequence[Mapping[str, list[Requirement]]],
        taken: set[str],
        packages: PackageKnowledge,
        asked: Collection[str],
    ) -> None:
        self._known, self.decisions, self._taken, self._packages = known, list(decisions), taken, packages
        self._asked = asked
        self._names = {*known.frameworks, *known.adjustable, *(_bare(name) for name, _ in known.packages)}
        self._names |= {one.name for one in known.every_range()}
        self._ranges: dict[str, list[Requirement]] = {}
        for kind in ("requires", "companion", "companionOfAnyBuild"):
            of_releases = (of_release.get(on(kind), ()) for of_release in ranges)
            self._ranges[kind] = list(itertools.chain.from_iterable(of_releases))

    def settle(self, requirement: Requirement, *, active: bool) -> dict[str, Any]:
        """What becomes of a requirement."""
        if not active:
            return self._entry(requirement, requirement.asked, "its marker does not hold here")
        self._bring_companion(requirement)
        for place, package in self._pinned(requirement.name):
            if requirement.allows(package.value):
                extras = requirement.extras if _bare(package.name) == requirement.name else frozenset[str]()
                more = extras - frozenset(_extras(package.name))
                written = f"{requirement.name}[{','.join(sorted(more))}]" if more else ""
                return self._entry(requirement, written, f"the plan installs {package.name} {package.value}")
            if requirement.name not in self._known.adjustable or not self._within(requirement):
                problem = (
                    f"the plan installs {package.name} {package.value}, "
                    f"and the script's requirements ask for {requirement.asked}"
                )
                raise BadInput(
                    requirement.where or "requires",
                    problem,
                    expected="requirements that the plan's Python and release can meet",
                )
            self._take_away(place, package)
            return self._entry(
                requirement, requirement.asked, f"in the place of {package.name} {package.value}"
            )
        framework = self._known.frameworks.get(requirement.name)
        if framework in self._taken:
            return self._entry(requirement, "", "the image brings it")
        self._bring_build_tools(requirement)
        return self._entry(requirement, requirement.asked, "")

    def _entry(self, requirement: Requirement, written: str, because: str) -> dict[str, Any]:
        return {
            "asked": requirement.asked,
            "where": requirement.where,
            "written": written,
            "because": because,
            "remark": self._packages.remark(requirement, self._taken, self._names),
            "compiled": bool(written) and requirement.name in self._packages.build_tools,
        }

    def _pinned(self, name: str) -> Iterator[tuple[int, Application]]:
        """The packages of the plan that are what a requirement names, by whichever name of its framework."""
        framework = self._known.frameworks.get(name)
        names = (
            {other for other, its in self._known.frameworks.items() if its == framework}
            if framework in self._taken
            else {name}
        )
        for place, decision in enumerate(self.decisions):
            for application in decision.apply:
                if application.manager in _PIP and application.value and _bare(application.name) in names:
                    yield place, application

    def _within(self, requirement: Requirement) -> bool:
        """Whether the releases taken can stand beside some version that meets the requirement."""
        from kb.records.package_requirements import disjoint

        return not any(
            disjoint(requirement.versions, one.versions)
            for one in self._ranges["requires"]
            if one.name == requirement.name
        )

    def _bring_companion(self, requirement: Requirement) -> None:
        """Add what was built for the release, of the same build as the framework, where a requirement names
        it."""
        if any(self._pinned(requirement.name)):
            return
        for kind, of_build in (("companion", True), ("companionOfAnyBuild", False)):
            for one in self._ranges[kind]:
                if one.name == requirement.name:
                    place, build = self._framework_package()
                    version = str(one.versions).removeprefix("==") + (build if of_build else "")
                    self._add(place, one.name, version)
                    return

    def _bring_build_tools(self, requirement: Requirement) -> None:
        """Add what a package is compiled with that a requirement names, unless it is there or asked for."""
        place, _ = self._framework_package()
        for tool in self._packages.build_tools.get(requirement.name, ()):
            name, _, version = tool.partition("==")
            if name not in self._asked and not any(self._pinned(name)):
                self._add(place, name, version)

    def _add(self, place: int, name: str, version: str) -> None:
        """Let a decision install one package more."""
        decision = self.decisions[place]
        added = (*decision.apply, Application("package", name, version, "pip"))
        self.decisions[place] = replace(decision, apply=added)

    def _framework_package(self) -> tuple[int, str]:
        """The decision that installs the framework, and what marks its build in the version, such as
        `+cu126`."""
        for place, decision in enumerate(self.decisions):
            for application in decision.apply:
                if (
                    application.manager == "pip"
                    and self._known.frameworks.get(_bare(application.name)) in self._taken
                ):
                    _, plus, build = application.value.partition("+")
                    return place, plus + build
        return 0, ""

    def _take_away(self, place: int, package: Application) -> None:
        decision = self.decisions[place]
        self.decisions[place] = replace(
            decision, apply=tuple(one for one in decision.apply if one != package)
        )


def _known(store: KnowledgeStore) -> _Known:
    from kb.records.package_requirements import parsed

    known = _Known()
    known.frameworks = {row["name"]: row["o"] for row in store.select(_FRAMEWORKS)}
    for row in store.select(_RELEASES):
        known.versions[row["family"]].add(row["version"])
    for row in store.select(_RANGES):
        known.ranges[row["o"]][row["p"]].append(parsed(row["range"]))
    known.packages = {(row["name"], row["version"]) for row in store.select(_PACKAGES)}
    known.pythons = tuple(row["name"] for row in store.select(_PYTHONS))
    return known


def _environment(python: str, machine: str = "x86_64") -> dict[str, str]:
    """The values of markers' variables in an image of a plan, which is Linux whatever plans it."""
    linux = {
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": machine,
        "extra": "",
    }
    cpython = {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    versions = {
        "python_version": ".".join(python.split(".")[:2]),
        "python_full_version": python if python.count(".") > 1 else f"{python}.0",
    }
    return linux | cpython | (versions if python else {})


def _bare(package: str) -> str:
    """A distribution's normalised name without its extras."""
    from packaging.utils import canonicalize_name

    return canonicalize_name(package.partition("[")[0])


def _extras(package: str) -> list[str]:
    return package.partition("[")[2].rstrip("]").split(",")
