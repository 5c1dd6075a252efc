"""What options of one decision need of the options of others: the hard knowledge that couples decisions."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reasoner.model.catalogue import Catalogue

_REMEMBERED = 2048
"""Supplies after which what was found for them is dropped."""

_TABLES = 16
"""Tables of one supply after which they are dropped."""

Table = tuple[dict[tuple[str, ...], int | None], int | None]
"""Combinations with 0 where they are allowed and None where not, and the same for those that are not
named.
"""


class _Wants:
    """Which options of a decision have needs that options of just these other decisions can meet, whatever
    the request.

    Attributes:
        scope: the decision, then the others.
        of: for each such option, these needs.
        alike: for each set of needs, the options that have just these.
        by_need: for each need, the sets of needs that it is in.
        place: where each option of the decision stands.
    """

    def __init__(self, scope: tuple[str, ...], options: Sequence[str]) -> None:
        self.scope = scope
        self.place = {option: i for i, option in enumerate(options)}
        self.of: dict[str, tuple[str, ...]] = {}
        self.alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
        self.by_need: dict[str, list[tuple[str, ...]]] = defaultdict(list)

    def add(self, option: str, needs: tuple[str, ...]) -> None:
        """Add an option with its needs."""
        self.of[option] = needs
        if needs not in self.alike:
            for need in needs:
                self.by_need[need].append(needs)
        self.alike[needs].append(option)

    @cached_property
    def needs(self) -> frozenset[str]:
        """All these needs; asked for when all options are added."""
        return frozenset(self.by_need)


class Requirement:
    """The needs of a decision's options that the same other decisions can meet, beside what is met already.

    It works out what it is asked for: of thousands of options, few stand in a choice.

    Attributes:
        decision: whose options have the needs.
        others: the decisions whose options can meet them.
        needs: all needs that are not met.
    """

    def __init__(self, catalogue: Catalogue, wants: _Wants, met: frozenset[str]) -> None:
        self.scope = wants.scope
        self.decision, *others = wants.scope
        self.others = tuple(others)
        self.needs = tuple(sorted(wants.needs - met))
        self._catalogue, self._wants, self._met = catalogue, wants, met
        self._unmet: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._fitting: dict[tuple[str, ...], frozenset[str]] = {}
        self._tables: dict[tuple[tuple[str, ...], ...], Table | None] = {}

    def table(self, options: tuple[str, ...], *peers: tuple[str, ...]) -> Table | None:
        """What is allowed or what is forbidden, whichever is shorter; None where everything is allowed. The
        same object for the same options: requests of one kind of machine have them in common.

        Args:
            options: those of the decision that are left.
            peers: those of each of the others.
        """
        domains = (options, *peers)
        if domains not in self._tables:
            if len(self._tables) >= _TABLES:
                self._tables.clear()
            self._tables[domains] = self._tabulated(options, peers)
        return self._tables[domains]

    def wanted_by(self, option: str) -> tuple[str, ...]:
        """What an option needs of the other decisions."""
        needs = self._wants.of.get(option)
        return self._left(needs) if needs else ()

    def rows(self, option: str, peers: Sequence[Sequence[str]]) -> Iterable[tuple[str, ...]]:
        """The combinations of `peers` (options of the other decisions) in which everything that the option
        wants is supplied, in their order.
        """
        wanted = self.wanted_by(option)
        if not wanted:
            return itertools.product(*peers)
        if len(peers) == 1:
            fitting = self._fit(wanted)
            return ((peer,) for peer in peers[0] if peer in fitting)
        return _supplied(itertools.product(*peers), list(map(self._suppliers_beside, wanted)))

    def is_met(self, decision: str, option: str, possible: Mapping[str, Set[str]]) -> bool:
        """Whether an option of one of the decisions stands in an allowed combination with only possible
        options of the others.
        """
        if decision == self.decision:
            wanted = self.wanted_by(option)
            if wanted and len(self.others) == 1:
                return not self._fit(wanted).isdisjoint(possible[self.others[0]])
            peers = [list(possible[other]) for other in self.others]
            return _has_any(self.rows(option, peers))
        if not possible[self.decision] <= self._wanting:
            return True
        if len(self.others) == 1:
            return any(not possible[self.decision].isdisjoint(options) for options in self._served(option))
        peers = [[option] if other == decision else list(possible[other]) for other in self.others]
        return any(_has_any(self.rows(peer, peers)) for peer in possible[self.decision])

    def rows_with(self, decision: str, option: str) -> Iterator[tuple[str, ...]]:
        """The allowed combinations of all options of the decisions with one option, in their order."""
        every = [[option] if one == decision else self._catalogue.options[one] for one in self.scope]
        if len(self.others) == 1 and decision != self.decision:
            place = self._wants.place
            fitting = sorted(
                {*self._idle, *itertools.chain.from_iterable(self._served(option))}, key=place.__getitem__
            )
            return ((first, option) for first in fitting)
        return self._whole_rows(every[0], every[1:])

    def _whole_rows(
        self, options: Sequence[str], peers: Sequence[Sequence[str]]
    ) -> Iterator[tuple[str, ...]]:
        for option in options:
            for row in self.rows(option, peers):
                yield (option, *row)

    def _tabulated(self, options: Sequence[str], peers: Sequence[Sequence[str]]) -> Table | None:
        live = [frozenset(options) for options in peers]
        fitting = {option: self._allowed(option, live) for option in options if self.wanted_by(option)}
        combinations = math.prod(map(len, peers))
        allowed = sum(map(len, fitting.values())) + (len(options) - len(fitting)) * combinations
        rows: dict[tuple[str, ...], int | None] = {}
        if 2 * allowed < len(options) * combinations:
            for option, fits in fitting.items():
                for taken in fits:
                    rows[option, *taken] = 0
            for option in options:
                if option not in fitting:
                    for taken in itertools.product(*peers):
                        rows[option, *taken] = 0
            return rows, None
        if allowed == len(options) * combinations:
            return None
        for option, fits in fitting.items():
            for taken in itertools.product(*peers):
                if taken not in fits:
                    rows[option, *taken] = None
        return rows, 0

    def _allowed(self, option: str, peers: Sequence[Set[str]]) -> Set[tuple[str, ...]]:
        """As `rows`, as a set."""
        wanted = self.wanted_by(option)
        if wanted and len(peers) == 1:
            return {(peer,) for peer in self._fit(wanted) & peers[0]}
        return set(self.rows(option, [list(options) for options in peers]))

    @cached_property
    def _wanting(self) -> Set[str]:
        """The options that need something of the other decisions."""
        wanting: set[str] = set()
        for needs, options in self._wants.alike.items():
            if self._left(needs):
                wanting.update(options)
        return frozenset(wanting)

    @cached_property
    def _idle(self) -> list[str]:
        """The options of the decision that need nothing of the other decisions."""
        return [option for option in self._catalogue.options[self.decision] if option not in self._wanting]

    def _served(self, peer: str) -> Iterator[list[str]]:
        """The options whose needs an option of the single other decision meets, by what they need."""
        given = {peer, *self._catalogue.provides.get(peer, ())}
        found = itertools.chain.from_iterable(self._wants.by_need.get(need, ()) for need in given)
        for needs in dict.fromkeys(found):
            left = self._left(needs)
            if left and given.issuperset(left):
                yield self._wants.alike[needs]

    def _left(self, needs: tuple[str, ...]) -> tuple[str, ...]:
        if needs not in self._unmet:
            self._unmet[needs] = tuple(need for need in needs if need not in self._met)
        return self._unmet[needs]

    def _fit(self, wanted: tuple[str, ...]) -> frozenset[str]:
        """The options of the single other decision that supply everything wanted: one must meet all needs."""
        if wanted not in self._fitting:
            self._fitting[wanted] = frozenset.intersection(
                *(self._suppliers(need, self.others[0]) for need in wanted)
            )
        return self._fitting[wanted]

    def _suppliers(self, need: str, decision: str) -> frozenset[str]:
        return self._catalogue.suppliers(need)[decision]

    def _suppliers_beside(self, need: str) -> list[frozenset[str]]:
        """The suppliers of a need, for each of the other decisions."""
        return [self._suppliers(need, other) for other in self.others]


def _supplied(
    rows: Iterable[tuple[str, ...]], columns: Sequence[Sequence[frozenset[str]]]
) -> Iterator[tuple[str, ...]]:
    """The rows in which every need is supplied, given the suppliers in each place for each need."""
    for row in rows:
        for column in columns:
            if not any(map(frozenset.__contains__, column, row)):
                break
        else:
            yield row


def _has_any(rows: Iterable[tuple[str, ...]]) -> bool:
    """Whether there is a row; works out no second one."""
    return next(iter(rows), None) is not None


class Requirements:
    """All needs that only other decisions can meet, given what the target provides.

    Args:
        catalogue: the options with what they need and provide.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._wants = list(_found(catalogue))
        self._known: dict[tuple[int, frozenset[str]], Requirement] = {}

    def given(self, provided: frozenset[str]) -> list[Requirement]:
        """One for each set of decisions that can meet needs together, over all options; the same object for
        the same needs met.
        """
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        return [
            requirement
            for number, wants in enumerate(self._wants)
            if (requirement := self._requirement(number, wants, provided)).needs
        ]

    def _requirement(self, number: int, wants: _Wants, provided: frozenset[str]) -> Requirement:
        key = number, provided & wants.needs
        if key not in self._known:
            self._known[key] = Requirement(self._catalogue, wants, key[1])
        return self._known[key]


def _found(catalogue: Catalogue) -> Iterator[_Wants]:
    found: dict[tuple[str, ...], _Wants] = {}
    for decision, options in catalogue.options.items():
        for option in options:
            wanted: dict[tuple[str, ...], list[str]] = defaultdict(list)
            for need in catalogue.needs_in_order.get(option, ()):
                requirement = catalogue.suppliers(need)
                if requirement and option not in requirement.get(
                    decision, ()
                ):  # what nobody meets excludes the option alone
                    wanted[decision, *(other for other in requirement if other != decision)].append(need)
            for scope, needs in wanted.items():
                if scope not in found:
                    found[scope] = _Wants(scope, options)
                found[scope].add(option, tuple(needs))
    yield from found.values()
