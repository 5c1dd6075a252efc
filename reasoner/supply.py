"""What options of one decision need of the options of others: the hard knowledge that couples decisions."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reasoner.menu import Menu

_REMEMBERED = 256
"""Sets of capabilities after which what was found for them is dropped."""


class Supply:
    """The needs of a decision's options that the same other decisions can meet.

    Attributes:
        decision: whose options have the needs.
        others: the decisions whose options can meet them.
        wanted: for each option that has such needs, what meets each of them: by decision the options any of which will do.
        needs: all needs.
    """

    def __init__(
        self, decision: str, others: tuple[str, ...], wanted: Mapping[str, Sequence[Mapping[str, frozenset[str]]]], needs: Iterable[str]
    ) -> None:
        self.decision, self.others = decision, others
        self.scope = (decision, *others)
        self.needs = tuple(sorted(needs))
        self.wanted = wanted
        # With a single other decision, one option must meet all needs.
        self._fitting = (
            {option: frozenset.intersection(*(met[others[0]] for met in all_met)) for option, all_met in wanted.items()} if len(others) == 1 else {}
        )

    def rows(self, option: str, peers: Sequence[Sequence[str]]) -> Iterable[tuple[str, ...]]:
        """The combinations of `peers` (options of the other decisions) in which everything that the option wants is supplied, in their order."""
        if option not in self.wanted:
            return itertools.product(*peers)
        if option in self._fitting:
            fitting = self._fitting[option]
            return ((peer,) for peer in peers[0] if peer in fitting) if len(peers[0]) > 1 or peers[0][0] in fitting else ()
        columns = [[met[other] for other in self.others] for met in self.wanted[option]]
        return (taken for taken in itertools.product(*peers) if all(any(map(frozenset.__contains__, column, taken)) for column in columns))

    def allowed(self, option: str, peers: Sequence[Set[str]]) -> Set[tuple[str, ...]]:
        """As `rows`, as a set."""
        if option in self._fitting:
            return {(peer,) for peer in self._fitting[option] & peers[0]}
        return set(self.rows(option, [list(options) for options in peers]))

    def is_met(self, decision: str, option: str, possible: Mapping[str, Set[str]]) -> bool:
        """Whether an option of one of the decisions stands in an allowed combination with only possible options of the others."""
        if decision == self.decision:
            if option in self._fitting:
                return not self._fitting[option].isdisjoint(possible[self.others[0]])
            return any(True for _ in self.rows(option, [list(possible[other]) for other in self.others]))
        if not possible[self.decision] <= self.wanted.keys():
            return True
        if self._fitting:
            return not possible[self.decision].isdisjoint(self._wanting.get(option, ()))
        peers = [[option] if other == decision else list(possible[other]) for other in self.others]
        return any(True for peer in possible[self.decision] for _ in self.rows(peer, peers))

    def rows_with(self, decision: str, option: str, options: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, ...]]:
        """The allowed combinations of all decisions with one option, over the `options` of the others, in their order."""
        every = [[option] if one == decision else options[one] for one in self.scope]
        if self._fitting and decision != self.decision:
            wanting = self._wanting.get(option, frozenset())
            return ((first, option) for first in every[0] if first in wanting or first not in self.wanted)
        return ((first, *row) for first in every[0] for row in self.rows(first, every[1:]))

    @cached_property
    def _wanting(self) -> dict[str, frozenset[str]]:
        """For each option of the single other decision, the options whose needs it meets."""
        wanting: dict[str, set[str]] = defaultdict(set)
        for option, fitting in self._fitting.items():
            for peer in fitting:
                wanting[peer].add(option)
        return {peer: frozenset(options) for peer, options in wanting.items()}


class Supplies:
    """All needs that only other decisions can meet, given what the target provides.

    Args:
        menu: the options with what they need and provide.
    """

    def __init__(self, menu: Menu) -> None:
        self._menu = menu
        self._needs = frozenset(need for needs in menu.needs.values() for need in needs)
        self._known: dict[frozenset[str], list[Supply]] = {}

    def given(self, provided: frozenset[str]) -> list[Supply]:
        """One for each set of decisions that can meet needs together, over all options; the same object for the same needs met."""
        key = provided & self._needs
        if key not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = list(self._found(key))
        return self._known[key]

    def _found(self, given: frozenset[str]) -> Iterator[Supply]:
        menu = self._menu
        wanted: dict[tuple[str, ...], dict[str, list[Mapping[str, frozenset[str]]]]] = defaultdict(lambda: defaultdict(list))
        needed: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for decision, options in menu.options.items():
            for option in options:
                for need in menu.needs_in_order.get(option, ()):
                    supply = menu.suppliers(need)
                    if need in given or not supply or option in supply.get(decision, ()):
                        continue  # met, or met by nobody: then the option is excluded alone
                    scope = (decision, *(other for other in supply if other != decision))
                    wanted[scope][option].append(supply)
                    needed[scope].add(need)
        for (decision, *others), by_option in wanted.items():
            yield Supply(decision, tuple(others), dict(by_option), needed[(decision, *others)])
