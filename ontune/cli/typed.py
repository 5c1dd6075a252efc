"""What was typed and cannot be understood, as an error that says what is meant; and options that were typed
twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import typer
from typer.core import TyperOption

from kb.errors import BadInput
from kb.records.names import folded


def refuse_repetitions(command: Any) -> Any:
    """Let a command and those below it refuse an option that takes one value and is given twice: the last one
    would win in silence.

    Args:
        command: a Typer command, which is changed.

    Returns:
        The same command.
    """
    make = command.make_parser

    def make_parser(context: Any) -> Any:
        parser = make(context)
        parse = parser.parse_args

        def parse_args(args: list[str]) -> Any:
            words = list(args)
            values, rest, order = parse(args=args)
            for parameter in dict.fromkeys(order):
                single = isinstance(parameter, TyperOption) and not (
                    parameter.multiple or parameter.is_flag or parameter.count
                )
                if single and order.count(parameter) > 1:
                    raise BadInput(_typed(parameter, words), "is given more than once", expected="one value")
            return values, rest, order

        parser.parse_args = parse_args
        return parser

    command.make_parser = make_parser
    for below in getattr(command, "commands", {}).values():
        refuse_repetitions(below)
    return command


def _typed(parameter: TyperOption, words: Iterable[str]) -> str:
    """The form of an option that was typed."""
    names = (word.partition("=")[0] for word in words)
    return next((name for name in names if name in parameter.opts), max(parameter.opts, key=len))


def usage_error(error: typer.TyperException) -> BadInput:
    """A usage error of the command line as one of our own, with the option that is likely meant."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "ontune"
    given = getattr(error, "option_name", None)
    parameters = context.command.get_params(context) if context is not None else []
    options: list[str] = []
    for parameter in parameters:
        names = (*parameter.opts, *parameter.secondary_opts)
        options += [name for name in names if name.startswith("-")]
    if given and context is not None and given not in options:
        return _no_such_option(command, given, options)
    said = " ".join(error.format_message().split())
    if (named := re.match(r"No such command '([^']+)'", said)) and context is not None:
        return no_such_command(command, named[1], context.command.list_commands(context))
    if "unexpected extra argument" in said and "--workload" in options:
        return BadInput(command, f"{said[4:]}; what is trained stands behind -w, the machine behind -t")
    if parameter := getattr(error, "param", None):
        return BadInput(parameter.opts[0], said, expected=f"what '{command} --help' says")
    return BadInput(command, said.removesuffix("."), expected=f"what '{command} --help' says")


def no_such_command(group: str, given: str, known: Iterable[str]) -> BadInput:
    """What to say where nothing below a group of commands has the name.

    Args:
        group: `ontune`, or one of its commands that has others below it.
        given: what was typed behind it.
        known: the commands there are.
    """
    words = " ".join([*group.split()[1:], given])
    meant = [notation for notation, _ in _led_to(words) if not notation.startswith("-")]
    return BadInput(
        group,
        f"no command '{given}'",
        expected=f"one of '{group} --help'",
        given=given,
        known=known,
        meant=meant,
    )


def _no_such_option(command: str, given: str, options: list[str]) -> BadInput:
    for notation, advice in _led_to(given):
        if notation in options:
            return BadInput(command, f"no option '{given}'", expected=advice, given=given, meant=[notation])
    return BadInput(
        command, f"no option '{given}'", expected=f"one of '{command} --help'", given=given, known=options
    )


def _led_to(given: str) -> list[tuple[str, str]]:
    """The options that those mean who type another tool's, each with how it is used, as
    `kb/facts/command_line.ttl` tells.
    """
    import pyoxigraph as ox

    from kb.store import paths
    from kb.store.terms import PREFIXES

    store = ox.Store()
    store.load(
        path=str(paths.shipped("facts") / "command_line.ttl"), format=ox.RdfFormat.TURTLE, base_iri="file:"
    )
    query = (
        "SELECT ?option ?word ?advice { ?o skos:notation ?option ; skos:hiddenLabel ?word ."
        " OPTIONAL { ?o skos:scopeNote ?advice } }"
    )
    rows: Any = store.query(query, prefixes=PREFIXES)
    return sorted(
        (row["option"].value, getattr(row["advice"], "value", ""))
        for row in rows
        if folded(row["word"].value) == folded(given)
    )
