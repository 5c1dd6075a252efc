"""Why a line of a generated file is there: files are written again with each part of the plan changed, and
what then differs comes from that part.

Nothing has to be kept beside the templates, and nothing can disagree with them: an origin is what a line
really depends on.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from generators.bundle import FORMATS, files_of
from generators.recipe.recipe import BOOTSTRAPS
from generators.writers import job
from kb.errors import BadInput
from kb.values import replace
from reasoner.answers.plan import DecisionTaken, Plan
from reasoner.model.resolve import find_decision

if TYPE_CHECKING:
    from kb.records.target import Target
    from reasoner.planner import Asked
    from reasoner.reasoner import Reasoner

_OTHER = "otherwise"
_PLACE = re.compile(r"([\w./-]+):([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Origin:
    """A part of a plan that lines of generated files come from.

    Attributes:
        kind: `option`, or `request` (workload and wishes), `fact` (of the target), `site` (its conditions) or
            `plan` (its identifiers).
        name: `decision=option`, or the path to the part, such as `workload: parameters: batch`.
        value: the part's value, as text; empty for an option.
    """

    kind: str
    name: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class WrittenLine:
    """A line of a generated file.

    Attributes:
        file: the file's path in the bundle.
        number: the line's number, from 1.
        text: the line.
        origins: what it depends on; empty for a line that is the same in every such bundle.
    """

    file: str
    number: int
    text: str
    origins: tuple[Origin, ...]


def explain(
    reasoner: Reasoner,
    subject: str,
    asked: Asked,
    target: Target | None = None,
    *,
    plan: Plan | None = None,
    **wishes: Any,
) -> dict[str, Any]:
    """The proof tree for a decision, an option, or a line of a generated file, as `Reasoner.explain` gives
    it.

    Args:
        subject: a decision, an option, a place such as `ontune.def:12`, or the text of a line or of a part of
            it.
        asked, target, wishes: the question, as `Reasoner.request` takes it.
        plan: the plan whose files are meant; else `asked`, where it is a plan and nothing is asked beside it,
            and else the one that answers the question.

    Raises:
        BadInput: the subject is none of these.
        NoFeasiblePlan: no configuration meets the request.
    """
    catalogue = reasoner.catalogue
    request = reasoner.request(asked, target, **wishes)
    # A line may look like an option (`NAME=value`): only what begins with a decision is one.
    if find_decision(catalogue, subject.partition("=")[0]) or catalogue.all_option_names.meant(subject):
        return reasoner.explain(subject, request)
    if plan is None:
        plan = asked if isinstance(asked, Plan) and target is None and not wishes else reasoner.plan(request)
    found = find(
        plan, subject, [*(catalogue.name[decision] for decision in catalogue.options), *catalogue.by_name]
    )
    origins = dict.fromkeys(chain.from_iterable(line.origins for line in found))
    premises = [
        reasoner.explain(origin.name, request)
        if origin.kind == "option"
        else _leaf(f"{origin.name}: {origin.value}", origin.kind, origin.name)
        for origin in origins
    ]
    places = ", ".join(f"{line.file}:{line.number}" for line in found)
    if not premises:
        premises = [
            _leaf(
                "it is the same in every bundle of this kind: no part of the plan changes it",
                "plan",
                "template",
            )
        ]
    return {
        "conclusion": found[0].text.strip(),
        "by": {"kind": "plan", "id": places, "sources": []},
        "premises": premises,
    }


def find(plan: Plan, subject: str, names: list[str] | None = None) -> list[WrittenLine]:
    """The lines that a subject means: one place, else every line with that text, else every line that holds
    it.

    Raises:
        BadInput: there is none; `names` are what else a user may have meant.
    """
    texts, text = _texts(plan), subject.strip()
    if (place := _PLACE.fullmatch(subject)) and place[1] in texts:
        number, last = int(place[2]), len(texts[place[1]])
        if not 1 <= number <= last:
            raise BadInput(
                "SUBJECT", f"{place[1]} has {last} lines", expected=f"{place[1]}:1 to {place[1]}:{last}"
            )
        wanted = {(place[1], number)}
    else:
        places: list[tuple[str, int, str]] = []
        for file, lines in texts.items():
            places += [(file, number, line) for number, line in enumerate(lines, 1)]
        wanted = {(file, number) for file, number, line in places if line.strip() == text}
        wanted = wanted or {(file, number) for file, number, line in places if len(text) > 2 and text in line}
    if not wanted:
        expected = (
            "a decision, an option, or a line of a generated file"
            " (its text, or a place such as ontune.def:12)"
        )
        raise BadInput(
            "SUBJECT",
            f"nothing is known as '{subject:.80}'",
            expected=expected,
            given=subject,
            known=names or [],
        )
    written = lines_of(plan, {file for file, _ in wanted})
    return [line for line in written if (line.file, line.number) in wanted]


def lines_of(plan: Plan, files: Collection[str] = ()) -> list[WrittenLine]:
    """Every line of the texts that are generated from a plan (all, or those of `files`), with its origins."""
    # The reasons against other options make up nearly all of a plan, and no text depends on them.
    decisions = tuple(replace(taken, rejected=()) for taken in plan.decisions)
    plan = replace(plan, decisions=decisions, alternatives=(), unknowns=(), on_request=())
    texts = _texts(plan, files)
    origins: dict[tuple[str, int], dict[Origin, None]] = {}
    for origin, changed in _changed(plan):
        for other in changed:
            # Nothing can be written without some parts: they are changed in another way.
            with contextlib.suppress(BadInput):
                after = _texts(other, files)
                for file, lines in texts.items():
                    for index in _differing(lines, after.get(file, [])):
                        origins.setdefault((file, index), {})[origin] = None
    found: list[WrittenLine] = []
    for file, lines in texts.items():
        for index, line in enumerate(lines):
            found.append(WrittenLine(file, index + 1, line, tuple(origins.get((file, index), ()))))
    return found


def _texts(plan: Plan, files: Collection[str] = ()) -> dict[str, list[str]]:
    """The generated texts, as lines.

    Programs are copied, not generated, but for the module that applies options.
    """
    formats, jobs = _kinds_of(FORMATS, files), _kinds_of(job.FILES, files)
    written = files_of(plan, formats, jobs, bill=False)
    generated = (
        name
        for name in written
        if name != "plan.json" and (not name.startswith("workload/") or name.endswith("/ontune_settings.py"))
    )
    return {name: written[name].decode().splitlines() for name in generated if not files or name in files}


def _kinds_of(known: Mapping[str, str], files: Collection[str]) -> list[str]:
    """The kinds whose file is wanted; every one where no files are named."""
    return [kind for kind, name in known.items() if not files or name in files]


def _changed(plan: Plan) -> Iterator[tuple[Origin, list[Plan]]]:
    """Each part of a plan, with the plans that differ in that part alone."""
    for number, taken in enumerate(plan.decisions):
        before, behind = plan.decisions[:number], plan.decisions[number + 1 :]
        ways = [(), *((other,) for other in _otherwise(taken))]
        changed = [replace(plan, decisions=(*before, *way, *behind)) for way in ways]
        yield Origin("option", f"{taken.decision}={taken.option}"), changed
    for key, kind in (("workload", "request"), ("target", "fact"), ("site", "site")):
        for path, value, without in _parts(getattr(plan, key)):
            others = [_replaced(getattr(plan, key), path, _another(value)), without]
            name = ": ".join((key, *path))
            with_others: list[dict[str, Any]] = [{key: other} for other in others]
            yield (
                Origin(kind, name, str(value)),
                [replace(plan, **changed) for changed in with_others],
            )
    yield Origin("plan", "plan_id", plan.plan_id), [replace(plan, plan_id=_OTHER)]
    unsourced = tuple(replace(taken, reasons=()) for taken in plan.decisions)
    yield Origin("plan", "reasons", "their sources"), [replace(plan, decisions=unsourced)]
    yield (
        Origin("plan", "knowledge", plan.knowledge.get("sha256", "")),
        [replace(plan, knowledge={})],
    )


def _otherwise(taken: DecisionTaken) -> Iterator[DecisionTaken]:
    """Another option in its place: one that does nothing; and for container bases, without which little can
    be written, others of their kind.
    """
    yield replace(taken, option=_OTHER, apply=())
    if any(application.how == "image" for application in taken.apply):
        for value in (_OTHER, *BOOTSTRAPS):
            yield replace(
                taken,
                option=_OTHER,
                apply=tuple(replace(each, value=value) for each in taken.apply),
            )


def _parts(facts: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any, dict[str, Any]]]:
    """Each stated part of a description: its path, its value, and the description without it."""
    for key, value in facts.items():
        if isinstance(value, Mapping):
            for path, part, without in _parts(value):
                yield (key, *path), part, {**facts, key: without}
        elif value not in (None, [], ""):
            yield (key,), value, {other: item for other, item in facts.items() if other != key}


def _another(value: Any) -> Any:
    if isinstance(value, int | float):
        return not value if isinstance(value, bool) else value + 1
    return [*value, *value] if isinstance(value, list) else _OTHER


def _replaced(facts: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    head, *rest = path
    return {**facts, head: _replaced(facts[head], tuple(rest), value) if rest else value}


def _differing(before: list[str], after: list[str]) -> Iterator[int]:
    """The indices of the lines that are not there afterwards, or not between the same neighbours."""
    if before == after:
        return
    for tag, begin, end, _, _ in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag in ("replace", "delete"):
            yield from (index for index in range(begin, end) if before[index].strip())


def _leaf(conclusion: str, kind: str, name: str) -> dict[str, Any]:
    return {"conclusion": conclusion, "by": {"kind": kind, "id": name, "sources": []}, "premises": []}
