"""What is known of the packages that a script requires: names of other software, releases that go with one
release of a framework, packages that are compiled where they are used, and names that only look like one that
is meant."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from kb.errors import BadInput
from kb.store.store import KnowledgeStore
from kb.store.terms import local_name, version_key
from kb.values import Value, replace

if TYPE_CHECKING:
    from kb.records.package_requirements import Requirement

_MISLEADING = """SELECT ?name ?meant ?until ?fails WHERE {
  ?m a on:MisleadingName ; skos:notation ?name ; on:meant ?meant .
  OPTIONAL { ?m on:genuineBeforeKey ?until } OPTIONAL { ?m on:onlyFails ?fails } }"""
_GOES_WITH = (
    "SELECT ?release ?range WHERE { ?r a on:PackageRelease ; skos:notation ?release ; on:goesWith ?range }"
)
_COMPILED = """SELECT ?name ?caution ?needed ?provider WHERE {
  ?p a on:CompiledPackage ; skos:notation ?name ; on:caution ?caution .
  OPTIONAL { ?p on:compiledWith ?needed . OPTIONAL { ?provider on:provides ?needed } } }"""
_AGAINST = """SELECT ?name ?framework ?tool WHERE {
  ?p a on:CompiledPackage ; skos:notation ?name ; on:compiledAgainst ?framework .
  OPTIONAL { ?p on:buildTool ?tool } } ORDER BY ?name ?tool"""
_SHORTEST = 4  # letters of a name of which a slip is looked for


class Misleading(Value, frozen=True):
    """A name of other software: what people mean by it, from which version on (as a sort key), and whether it
    only fails.
    """

    meant: str
    genuine_before: str
    only_fails: bool


class PackageKnowledge(Value, frozen=True):
    """What is known of packages.

    Attributes:
        misleading: names of other software than people mean.
        goes_with: for `name==version` the requirement on a framework that its metadata states.
        compiled: for a name what is to be said, and the options that bring what it is compiled with, as IRIs;
            where none does, it is said of every plan.
        needs: for a name the capability that it is compiled with, by its short name.
        build_tools: for the name of a package that is compiled against an installed framework, the
            distributions that have to be there then, as `name==version`.
    """

    misleading: dict[str, Misleading]
    goes_with: dict[str, str]
    compiled: dict[str, tuple[str, frozenset[str]]]
    needs: dict[str, str]
    build_tools: dict[str, list[str]]

    def check(self, requirement: Requirement) -> None:
        """Raises BadInput for a name under which nothing can be installed; the message names what is
        meant.
        """
        known = self._misleads(requirement)
        if known and known.only_fails:
            problem = f"{requirement.asked}: the package {requirement.name} only fails when it is installed"
            meant = replace(requirement, name=known.meant)
            raise BadInput(
                requirement.where or "requires", problem, expected=f"{meant.name}{requirement.versions}"
            )

    def implied(self, requirement: Requirement) -> Iterator[Requirement]:
        """What a pinned package asks of a framework itself."""
        from kb.records.package_requirements import parsed

        for specifier in requirement.versions:
            taken = (
                self.goes_with.get(f"{requirement.name}=={specifier.version}")
                if specifier.operator == "=="
                else None
            )
            if taken:
                yield replace(
                    parsed(taken),
                    asked=f"{taken}, which {requirement.asked} takes",
                    where=requirement.where,
                    marker=requirement.marker,
                )

    def remark(self, requirement: Requirement, taken: Collection[str], known: Collection[str]) -> str:
        """What somebody who requires a package should know; empty where there is nothing to say.

        Args:
            requirement: what is required.
            taken: the options of the plan, as IRIs.
            known: the names of distributions of which something is known.
        """
        if misleads := self._misleads(requirement):
            return (
                f"the package {requirement.name} is another one than its name suggests; "
                f"meant is {misleads.meant}"
            )
        caution, providers = self.compiled.get(requirement.name, ("", frozenset()))
        if caution and not providers & set(taken):
            asking = (
                f"ontune query providers --param capability={self.needs[requirement.name]}"
                if providers
                else ""
            )
            return caution + (f"; nothing of this plan brings that ({asking})" if asking else "")
        if near := slip_of(requirement.name, {*known, *self.misleading, *self.compiled}):
            meant = self.misleading[near].meant if near in self.misleading else near
            return f"nothing is known of a package {requirement.name}; is {meant} meant?"
        return ""

    def _misleads(self, requirement: Requirement) -> Misleading | None:
        known = self.misleading.get(requirement.name)
        if known and known.genuine_before:
            bounds = [
                version_key(one.version)
                for one in requirement.versions
                if one.operator in ("==", "<", "<=", "~=")
            ]
            if any(bound <= known.genuine_before for bound in bounds):
                return None
        return known


def package_knowledge(store: KnowledgeStore) -> PackageKnowledge:
    """Read it of a knowledge base."""
    misleading = {
        row["name"]: Misleading(row["meant"], row.get("until") or "", row.get("fails") == "true")
        for row in store.select(_MISLEADING)
    }
    compiled: dict[str, tuple[str, frozenset[str]]] = {}
    for row in store.select(_COMPILED):
        _, providers = compiled.get(row["name"], ("", frozenset()))
        compiled[row["name"]] = (
            row["caution"],
            providers | {provider for provider in (row.get("provider"),) if provider},
        )
    needs = {row["name"]: local_name(row["needed"]) for row in store.select(_COMPILED) if row.get("needed")}
    tools: dict[str, list[str]] = {}
    for row in store.select(_AGAINST):
        tools.setdefault(row["name"], []).extend(filter(None, (row.get("tool"),)))
    goes_with = {row["release"]: row["range"] for row in store.select(_GOES_WITH)}
    return PackageKnowledge(misleading, goes_with, compiled, needs, tools)


def slip_of(name: str, known: Collection[str]) -> str:
    """The known name of which this one is a slip of the pen: a letter left out, or two that have changed
    places; else empty.

    A letter more or another one may as well be the name of another package (torchx).
    """
    if len(name) < _SHORTEST or name in known:
        return ""
    return next((other for other in sorted(known) if name in _slips(other)), "")


def _slips(name: str) -> Iterator[str]:
    for place in range(len(name)):
        yield name[:place] + name[place + 1 :]
        yield name[:place] + name[place + 1 : place + 2] + name[place] + name[place + 2 :]
