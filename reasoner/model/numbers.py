"""Options that are numbers: made for the request that asks for one, never a list by hand.

The knowledge base declares one option for all numbers of a decision (`on:NumberedOption`), with the range
that makes sense; `{number}` in how it is applied is the number. A request that asks for `threads=64` takes
that option, with a fact that says which number is meant, which rules read.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping

import pyoxigraph as ox

from kb.errors import BadInput
from kb.store.terms import RDF_TYPE, on
from kb.values import replace
from reasoner.model.catalogue import Catalogue

Numbers = Mapping[str, int]
"""The numbers that a request asks for, by the option (its IRI) that stands for all numbers of the decision.
"""

XSD_INTEGER = ox.NamedNode("http://www.w3.org/2001/XMLSchema#integer")


def numbered(catalogue: Catalogue, decision: str, text: str, where: str) -> tuple[str, int] | None:
    """The option that stands for the numbers of a decision, and the number that a text names: `64`, or the
    option's own name, `threads-64`.

    Args:
        decision: as people write it.
        where: the flag or key, for the error.

    Returns:
        None where the text is no number, the decision has none, or the number is an option of its own.

    Raises:
        BadInput: the number is out of the range that the knowledge base gives.
    """
    found = re.fullmatch(rf"(?:{re.escape(decision)}-)?(\d+)", text)
    options = [
        option for option in catalogue.ranges if catalogue.name[catalogue.decision_of(option)] == decision
    ]
    if found is None or not options:
        return None
    option, number = options[0], int(found[1])
    if any(
        catalogue.name[one] == f"{decision}-{number}"
        for one in catalogue.options[catalogue.decision_of(option)]
    ):
        return None
    least, most = catalogue.ranges[option]
    if not least <= number <= most:
        raise BadInput(
            where,
            f"{decision}={text} makes no sense",
            expected=f"a number from {least} to {most}",
            given=text,
        )
    return option, number


def name_of(decision: str, text: str) -> str:
    """An option as people write it, with a number as the option's own name: `threads-1` for `1`."""
    return f"{decision}-{text}" if text.isdecimal() else text


def options_of(catalogue: Catalogue, numbers: Mapping[str, int]) -> Numbers:
    """The numbers that a request asks for, by their options instead of their decisions."""
    options = {catalogue.name[catalogue.decision_of(option)]: option for option in catalogue.ranges}
    return {options[decision]: number for decision, number in numbers.items()}


def facts(numbers: Numbers, request: ox.NamedNode, graph: ox.NamedNode) -> list[ox.Quad]:
    """What rules read of the numbers that a request asks for."""
    said = []
    for i, (option, number) in enumerate(sorted(numbers.items())):
        wish = ox.NamedNode(f"urn:ontune:wish-{i}")
        said += [
            ox.Quad(request, ox.NamedNode(on("wish")), wish, graph),
            ox.Quad(wish, ox.NamedNode(RDF_TYPE), ox.NamedNode(on("Wish")), graph),
            ox.Quad(wish, ox.NamedNode(on("wishOf")), ox.NamedNode(option), graph),
            ox.Quad(wish, ox.NamedNode(on("number")), ox.Literal(str(number), datatype=XSD_INTEGER), graph),
        ]
    return said


def with_numbers(catalogue: Catalogue, asked: Mapping[str, int]) -> Catalogue:
    """The catalogue in which the options that stand for numbers are those that a request asks for, by
    decision.
    """
    if not asked:
        return catalogue
    numbers = options_of(catalogue, asked)
    other = copy.copy(catalogue)
    other.name, other.info = dict(catalogue.name), dict(catalogue.info)
    other.__dict__.pop("by_name", None)
    for option, number in numbers.items():
        info = catalogue.info[option]
        name = f"{catalogue.name[info.decision]}-{number}"
        applied = tuple(
            (how, manager, key, value.replace("{number}", str(number)))
            for how, manager, key, value in info.applications
        )
        other.name[option] = name
        other.info[option] = replace(
            info, name=name, label=info.label.replace("{number}", str(number)), applications=applied
        )
    return other
