"""Options that nothing but their order tells apart: one of them stands for all in the search.

A knowledge base has many releases, builds and images, and few differences between them that matter to a
choice. Two options of a decision are alike when they need and provide the same, cost the same, and the same
effects and conflicts are about them; the one that ties would be broken in favour of then stands for the
others. A build needs its own release, so builds of two releases are never alike by themselves: a release is
therefore compared together with the builds that need it, and nothing else may need it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reasoner.model.catalogue import Catalogue

Merged = tuple[dict[str, list[str]], dict[str, str]]

_REMEMBERED = 64
"""Sets of excluded options after which what was found for them is dropped; of thousands of options, a
megabyte each.
"""


class Equivalence:
    """What of an option matters to a choice, for all options of a catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._decisions = list(catalogue.options)
        self._known: dict[tuple[frozenset[str], frozenset[str]], Merged] = {}
        self._catalogue = catalogue
        self._leader = dict(self._leaders())
        self._followed = {catalogue.decision_of(leader) for leader in self._leader.values()}
        about = self._statements()
        self._documented = frozenset(catalogue.default.values()).union(*catalogue.default_with.values())
        numbers: dict[Hashable, int] = {}
        self._kind = {
            option: numbers.setdefault(self._traits(option, about), len(numbers)) for option in catalogue.info
        }

    def merged(self, excluded: frozenset[str], apart: frozenset[str]) -> Merged:
        """The domains without options that are excluded, or that others stand for; remembered, since requests
        have much in common.

        Args:
            apart: options that stand for themselves alone, such as those asked for.

        Returns:
            the smaller domains, and for each option that was left out the one that stands for it; neither may
            be changed.
        """
        key = excluded, apart
        if key not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = self._merged(self._catalogue.without(excluded), apart)
        return self._known[key]

    def _merged(self, domains: Mapping[str, Sequence[str]], apart: frozenset[str]) -> Merged:
        representative: dict[str, str] = {}
        followers: dict[str, list[str]] = defaultdict(list)
        for options in domains.values():
            for option in options:
                if option in self._leader:
                    followers[self._leader[option]].append(option)
        first: dict[Hashable, str] = {}
        for decision, options in domains.items():
            followed = decision in self._followed
            for option in options:
                if option in self._leader or option in apart:
                    continue  # goes with its leader, or stands for itself
                mine = followers.get(option, ()) if followed else ()
                if mine and not apart.isdisjoint(mine):
                    continue
                kind = self._kind[option]
                other = first.setdefault(
                    (kind, frozenset([self._kind[follower] for follower in mine])) if mine else kind, option
                )
                if other != option:
                    representative[option] = other
                    by_kind = {self._kind[follower]: follower for follower in reversed(followers[other])}
                    representative.update((follower, by_kind[self._kind[follower]]) for follower in mine)
        left = {}
        for decision, options in domains.items():
            left[decision] = [option for option in options if option not in representative]
        return left, representative

    def _leaders(self) -> Iterator[tuple[str, str]]:
        """The options that go with one that they need by name: only options of one later decision need it,
        and nothing else provides it.
        """
        catalogue = self._catalogue
        place = {decision: i for i, decision in enumerate(self._decisions)}
        needed_by: dict[str, list[str]] = defaultdict(list)
        for option, needs in catalogue.needs.items():
            for need in needs:
                if need in catalogue.info:
                    needed_by[need].append(option)
        for leader, followers in needed_by.items():
            decisions = {catalogue.decision_of(follower) for follower in followers}
            if (
                len(decisions) == 1
                and catalogue.providers[leader] == {leader}
                and place[catalogue.decision_of(leader)] < place[next(iter(decisions))]
            ):
                if any(follower in needed_by for follower in followers):
                    continue
                for follower in followers:
                    needed = [need for need in catalogue.needs[follower] if need in catalogue.info]
                    if len(needed) == 1:
                        yield follower, leader

    def _statements(self) -> Mapping[str, frozenset[str]]:
        """The effects and conflicts about each option, those of which it is only given apart from the
        others.
        """
        about: dict[str, set[str]] = defaultdict(set)
        for statement in (*self._catalogue.effects.values(), *self._catalogue.conflicts.values()):
            about[statement.option].add(statement.iri)
            for _, options in statement.given:
                for option in options:
                    about[option].add(f"given {statement.iri}")
        return {option: frozenset(statements) for option, statements in about.items()}

    def _traits(self, option: str, about: Mapping[str, frozenset[str]]) -> Hashable:
        catalogue = self._catalogue
        leader = self._leader.get(option)
        followers_alone = all(
            self._leader.get(other) == option for other in catalogue.needing.get(option, ())
        )
        itself = "" if followers_alone else option  # something else needs just this one
        costs = tuple(
            sorted(
                (criterion, amounts[option])
                for criterion, amounts in catalogue.costs.items()
                if option in amounts
            )
        )
        needs = frozenset(catalogue.needs.get(option, ())) - {leader or ""}
        provides = frozenset(catalogue.provides.get(option, ()))
        return (
            catalogue.decision_of(option),
            needs,
            provides,
            about.get(option, frozenset()),
            costs,
            option if option in self._documented else itself,
        )
