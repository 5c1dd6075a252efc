"""What is said of a plan, in words that the short and the whole view share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from kb.store.program_files import mentions
from ontune.cli.source_names import short_name

if TYPE_CHECKING:
    from reasoner.answers.plan import DecisionTaken, Plan, Reason

MOST_TELLING = ("request", "effect", "rule", "observation", "site", "fact", "default")


def departs(taken: DecisionTaken) -> bool:
    """Whether a decision does not simply stand at its default, with nothing but facts beside it."""
    kinds = {reason.kind for reason in taken.reasons}
    return "default" not in kinds or bool(kinds & {"request", "effect", "rule"})


def measured_against(taken: DecisionTaken) -> list[tuple[str, list[Reason]]]:
    """The options that measurements speak against, with what these say."""
    measured: list[tuple[str, list[Reason]]] = []
    for gone in taken.rejected:
        if effects := [reason for reason in gone.reasons if reason.kind == "effect"]:
            measured.append((gone.option, effects))
    return measured


def measured_rivals(taken: DecisionTaken) -> list[str]:
    """The options that measurements speak against, with what the best plan with each reaches of this one."""
    measured = {option for option, _ in measured_against(taken)}
    found = [(gone.option, gone.vs_best.get("value")) for gone in taken.rejected if gone.option in measured]
    return [
        f"{option} {value:.2f}" if value is not None else f"{option} no better" for option, value in found
    ]


def foremost_reason(taken: DecisionTaken) -> str:
    """The one reason that tells most, with the name of its source; beside the user's own wish also what it
    brings or costs.
    """
    ordered = sorted(taken.reasons, key=lambda reason: MOST_TELLING.index(reason.kind))
    wishes = [reason.text for reason in ordered if reason.kind == "request"]
    others = [reason for reason in ordered if reason.kind != "request"]
    effects = [reason for reason in others if reason.kind == "effect"]
    # Of effects the last is that of the most special situation; a wish needs no other reason than itself.
    told = effects[-1:] or ([] if wishes else others[:1])
    return "; ".join([*wishes, *(_reason_text(reason) for reason in told)])


def _reason_text(reason: Reason) -> str:
    text = reason.text.partition("; ")[2] or reason.text if reason.kind == "effect" else reason.text
    return f"{text} ({short_name(reason.sources[0])})" if reason.sources else text


def gain_of(plan: Plan, taken: DecisionTaken) -> str:
    """A decision's own part of the predicted gain; empty where it has none."""
    for part in plan.prediction["vs_default"].get("parts", ()):
        if part["options"].get(taken.decision) == taken.option and part["value"] != 1:
            return f"x {part['value']:.2f}"
    return ""


def parts_text(plan: Plan) -> str:
    """The ratio to the default as a product of what each option brings; empty where one brings it all."""
    parts = [part for part in plan.prediction["vs_default"].get("parts", ()) if part["value"] != 1]
    said = [f"{part['value']:.2f} {', '.join(part['options'].values())}" for part in parts]
    return " x ".join(said) if said else ""


def compared_with(plan: Plan) -> str:
    """What the ratio is compared with: the defaults that the plan departs from, as far as something is known
    of what that brings.
    """
    ratio = plan.prediction["vs_default"]
    default: Mapping[str, str] = ratio.get("default") or {}
    told = set(chain.from_iterable(part["options"] for part in ratio.get("parts", ()))) - {"framework"}
    framework = [
        default.get(taken.decision, taken.option) for taken in plan.decisions if taken.decision == "framework"
    ]
    named = [option for decision, option in default.items() if decision in told]
    others = "and all else" if named else "everything"
    return f"the default: {', '.join([*framework, *named])}, {others} left alone"


def prediction_lines(plan: Plan, exact: Plan | None) -> Iterator[str]:
    """What the plan is predicted to reach, in samples per second and against the default; where numbers
    change, also what is reached without.
    """
    throughput = plan.prediction["throughput"]
    if throughput["value"] is not None:
        yield throughput_text(throughput)
    for one in plan.prediction.get("time_to_target", ()):
        yield time_text(one)
    yield from plan.prediction.get("unsaid", ())
    yield f"predicted against the default: {against_default(plan)}"
    if exact is not None:
        yield f"with the numbers left alone (--numerics exact): {against_default(exact)}"


def throughput_text(throughput: Mapping[str, Any]) -> str:
    """Samples/s with their interval, and what they rest on where that is no measurement of the same."""
    value, low, high = (throughput[key] for key in ("value", "low", "high"))
    digits = ".0f" if value >= 100 else ".3g"
    interval = f" ({low:{digits}} to {high:{digits}})" if low is not None else ""
    basis = throughput.get("basis")
    behind = f", {basis}" if basis not in (None, "measured") else ""
    return f"predicted: {value:{digits}} {throughput['unit']}{interval}{behind}"


def time_text(one: Mapping[str, Any]) -> str:
    """How long a benchmark takes on some nodes, and what that rests on."""
    nodes = "1 node" if one["nodes"] == 1 else f"{one['nodes']} nodes"
    rows = len(one["observations"])
    behind = (
        f"{rows} published result{'s' * (rows != 1)} of the same" if rows else "published results of others"
    )
    return (
        f"predicted: {one['value']:.3g} {one['unit']} to the quality target "
        f"({one['low']:.3g} to {one['high']:.3g}) "
        f"on {one['accelerators']} accelerators of {nodes}, by {behind}"
    )


def against_default(plan: Plan) -> str:
    """The ratio to the default in words, or why there is none."""
    ratio = plan.prediction["vs_default"]
    return ratio_text(ratio) if ratio["value"] is not None else str(ratio.get("reason") or "nothing known")


def ratio_text(ratio: Mapping[str, Any]) -> str:
    """A ratio with its interval."""
    if ratio["value"] is None:
        return "nothing known"
    return f"x {ratio['value']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"


def options_text(options: Mapping[str, str]) -> str:
    """Options with their decisions."""
    return ", ".join(f"{decision}={option}" for decision, option in options.items())


def changes(changed: Sequence[Mapping[str, str]]) -> str:
    """What would change of a plan."""
    return ", ".join(f"{change['decision']}: {change['from']} -> {change['to']}" for change in changed)


def package_remarks(plan: Plan) -> Iterator[str]:
    """What the author of a script's requirements should know."""
    for one in plan.requirements:
        if one.get("remark"):
            yield f"{one['where'] or 'requires'}: {one['asked']}: {one['remark']}"


def by_whom(plan: Plan) -> Iterator[str]:
    """For a user's own program: which options it has to call for, and which reach it from outside."""
    if not (plan.workload.get("script") or plan.workload.get("command")):
        return
    named = {
        f"{taken.decision}={taken.option}": taken for taken in plan.decisions if taken.decision != "framework"
    }
    inside: list[str] = []
    own: list[str] = []
    outside: list[str] = []
    for name, taken in named.items():
        code = [one for one in taken.apply if one.how == "code"]
        if any(one.by != "user" for one in code):
            inside.append(name)
        if any(one.by == "user" for one in code):
            own.append(name)
        if len(code) < len(taken.apply):
            outside.append(name)
    yield from by_the_script(plan.workload.get("script"), inside, own)
    yield f"applied from outside: {', '.join(outside)}"


def by_the_script(script: str | None, inside: Sequence[str], own: Sequence[str]) -> Iterator[str]:
    """What a user's own script has to do.

    Args:
        script: its path, where one is known.
        inside: the options that one call of `ontune_settings.apply` sets up.
        own: those that nothing but lines of the user's own do.
    """
    if inside and script and mentions(script, "ontune_settings") is False:
        yield (
            f"by one call of ontune_settings.apply, which your script does not have yet: {', '.join(inside)}"
        )
    elif inside:
        yield f"your script applies these by one call of ontune_settings.apply: {', '.join(inside)}"
    if own:
        yield f"yours to do in the script, nothing else does it: {', '.join(own)}"
