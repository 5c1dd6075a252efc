"""The fields of a request: one table for the command line, REST and Python of what each is called, what it
takes and what it means.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from kb.errors import BadInput
from kb.values import Value

if TYPE_CHECKING:
    from kb.records.site import Site

Kind = Literal["plan", "described", "facts", "text", "texts", "pairs", "count"]
"""What a field takes:

plan: a plan, or the request that it carries (typed: a file of a plan);
described: a resource of the knowledge base by its name, or described by its facts (typed: a file of them);
facts: keys of facts with their values (typed: KEY=VALUE, repeated);
text: one text;
texts: texts (typed: repeated);
pairs: texts with a text each (typed: KEY=VALUE, repeated);
count: a whole number, 0 or more.
"""

MOST: Final = 1_000_000
"""The largest count that is a count of anything."""


class RequestField(Value, frozen=True):
    """One field.

    Attributes:
        name: what Python and REST call it.
        flag: what it is called where it is typed; a word in capitals has no flag and stands alone.
        kind: what it takes.
        meaning: what it says, as the beginning of a sentence.
        metavar: what stands for its value in `--help`.
        default: what holds where it is absent; None: nothing, or all.
        required: whether a question is none without it.
        unless: the field that makes it unnecessary.
    """

    name: str
    flag: str
    kind: Kind
    meaning: str
    metavar: str = ""
    default: str | int | None = None
    required: bool = False
    unless: str = ""

    @property
    def repeated(self) -> bool:
        """Whether it may be typed more than once."""
        return self.kind in ("facts", "texts", "pairs")

    @property
    def help(self) -> str:
        """The sentence of `--help`."""
        if self.kind == "described":
            return f"{self.meaning}: a shipped name or a file."
        return (
            f"{self.meaning}. May be repeated."
            if self.repeated and self.flag.startswith("-")
            else f"{self.meaning}."
        )

    def checked(self, value: Any, where: str) -> Any:
        """A value that is not None, as a request holds it.

        Args:
            where: what the asker calls the field, for the error.

        Raises:
            BadInput: it is something else than what the field takes.
        """
        match self.kind:
            case "text" if not isinstance(value, str):
                raise BadInput(where, "is no text", expected="a name")
            case "texts":
                return _texts(value, where)
            case "pairs" if not _is_object(value) or not all(
                isinstance(text, str) for text in value.values()
            ):
                raise BadInput(where, "is no object of texts", expected="decisions with the options to take")
            case "facts" | "plan" if not _is_object(value):
                expected = "a plan, or its request" if self.kind == "plan" else "fact keys with their values"
                raise BadInput(where, "is no object", expected=expected)
            case "count":
                return _count(value, where)
        return value


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


def _texts(value: Any, where: str) -> tuple[str, ...]:
    texts = (
        (value,)
        if isinstance(value, str)
        else tuple(value)
        if isinstance(value, list | tuple | set | frozenset)
        else (None,)
    )
    if not all(isinstance(text, str) for text in texts):
        raise BadInput(where, "is no list of options", expected="texts such as decision=option")
    return texts


def _count(value: Any, where: str) -> int:
    """A whole number; JSON knows one kind of number, in which 5.0 is 5."""
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or not 0 <= value <= MOST:
        raise BadInput(where, "is no count", expected=f"a whole number from 0 to {MOST}")
    return int(value)


PLAN: Final = RequestField(
    "plan",
    "--plan",
    "plan",
    "Start from the request that a plan carries; what else is given goes on top of it",
    "FILE",
)
WORKLOAD: Final = RequestField(
    "workload", "--workload", "described", "What is trained", required=True, unless="plan"
)
TARGET: Final = RequestField(
    "target", "--target", "described", "Where it is trained (`local`: on this machine)", default="local"
)
SET: Final = RequestField("set", "--set", "facts", "Set a fact of the target by hand", "KEY=VALUE")

WISHES: Final[tuple[RequestField, ...]] = (
    RequestField("site", "--site", "described", "The site whose conditions hold"),
    RequestField("framework", "--framework", "text", "Take this framework; without it the planner chooses"),
    RequestField("pins", "--pin", "pairs", "Take this option", "DECISION=OPTION"),
    RequestField("forbid", "--forbid", "texts", "Never take this option", "OPTION"),
    RequestField("objective", "--objective", "text", "What is maximised", default="throughput"),
    RequestField(
        "numerics",
        "--numerics",
        "text",
        "What may happen to the numbers by what is chosen, not from run to run: "
        "bitwise, exact, mixed or lossy; without it the evidence decides",
        "CLASS",
    ),
    RequestField("allow", "--allow", "texts", "Accept this unsupported or lossy option", "OPTION"),
    RequestField("top", "--top", "count", "How many alternatives to list", default=5),
)
"""What is asked of a plan beside workload and target: the keyword arguments of `Reasoner.plan`."""

DROP: Final = RequestField(
    "drop",
    "--drop",
    "texts",
    "Leave a wish of the plan out: "
    "framework, numerics, objective, site, pin=DECISION, forbid=OPTION or allow=OPTION",
    "WISH",
)

REQUEST: Final = (WORKLOAD, TARGET, SET, *WISHES, PLAN, DROP)
"""What every question has."""

QUESTIONS: Final[Mapping[str, tuple[RequestField, ...]]] = MappingProxyType(
    {
        "plan": (),
        "why-not": (
            RequestField(
                "option",
                "OPTION",
                "text",
                "decision=option, or the option alone where that is unique",
                required=True,
            ),
        ),
        "explain": (
            RequestField(
                "subject",
                "SUBJECT",
                "text",
                "A decision, an option, or a line of a generated file: its text, or ontune.def:12",
                required=True,
            ),
        ),
        "what-if": (
            RequestField("changes", "KEY=VALUE", "facts", "Facts of the target, such as cpu.usable_cores=1"),
            RequestField(
                "without",
                "--without",
                "texts",
                "Leave this out of the knowledge base, such as rule:NAME",
                "RESOURCE",
            ),
        ),
    }
)
"""What each question has of its own."""

FIELDS: Final[Mapping[str, RequestField]] = MappingProxyType(
    {entry.name: entry for entry in itertools.chain(REQUEST, *QUESTIONS.values())}
)
"""Every field by its name."""


class Wishes(TypedDict, total=False):
    """`WISHES` as types of Python; None is as good as absent."""

    site: Site | None
    framework: str | None
    pins: Mapping[str, str] | None
    forbid: str | Sequence[str] | None
    objective: str | None
    numerics: str | None
    allow: str | Sequence[str] | None
    top: int | None
    drop: str | Sequence[str] | None
    """What of the wishes of a plan is left out."""
    places: Mapping[str, str] | None
    """What the asker calls the wishes, for errors; no wish itself."""
