"""Every printed way out is taken: repairs, the ways out of refusals, offers, probes, and the commands that
texts name do what they promise.

Ways are told apart by their template: what is said with the names in it left out. Of each template the first
few are executed. The whole grid of shipped targets and workloads is a long campaign: of each decision every
reason that speaks against an option there is asked about twice, and each option once. A part of it runs always.
"""

from __future__ import annotations

import ast
import json
import math
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from kb.errors import NoFeasiblePlan
from kb.records.fact_keys import fact_keys
from kb.records.targets import load_target, target_names
from kb.records.workload import load_workload, workload_names
from ontune.cli import app, main
from reasoner.answers.plan import Plan
from reasoner.model.catalogue import SCALE
from reasoner.model.wishes import make_request
from reasoner.reasoner import Reasoner

ROOT = Path(__file__).resolve().parent.parent
QUICK = [("zen5-virtual", "mnist-cnn"), ("eos-h100", "resnet50"), ("mi300x-8", "transformer")]
ASKED = 2  # options of each decision that the quick run asks about
MET = 2  # options that the whole grid asks about for each reason of each decision
REFUSED: list[tuple[str, str, dict[str, Any]]] = [
    ("eos-h100", "mnist-cnn", {"pins": {"precision": "fp8"}}),
    ("eos-h100", "mnist-cnn", {"pins": {"precision": "bf16"}, "numerics": "exact"}),
    ("eos-h100", "resnet50", {"pins": {"wheel": "torch-2.14.1-rocm7.14"}}),
    ("genoa-node", "mnist-cnn", {"framework": "pytorch", "forbid": ("pytorch",)}),
    ("genoa-node", "mnist-cnn", {"framework": "tensorflow", "pins": {"memory_format": "channels_last"}}),
    ("genoa-node", "mnist-cnn", {"pins": {"mkl_dispatch": "mkl-intel-shim"}}),
    ("zen5-virtual", "mnist-cnn", {"pins": {"distributed": "ddp"}}),
    ("t4-cloud", "transformer", {"pins": {"attention": "flash-attention-2"}}),
]
PROMISED = re.compile(r" is taken, at (\d+\.\d\d) of the chosen plan$")


@dataclass
class Tally:
    """What was executed, by template, and what failed."""

    executed: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    met: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    options: set[str] = field(default_factory=set)

    def once(self, template: str, most: int = 2) -> bool:
        """Whether a way of this template is still to be executed."""
        if self.executed[template] >= most:
            return False
        self.executed[template] += 1
        return True

    def check(self, right: bool, what: str) -> None:
        if not right:
            self.failed.append(what)


@cache
def reasoner() -> Reasoner:
    return Reasoner([])


@dataclass(frozen=True)
class Asked:
    """A question as a user types it."""

    target: str
    workload: str
    wishes: Mapping[str, Any]

    def changed(self, add: Sequence[str], drop: Sequence[str]) -> Asked:
        """The question with arguments behind it, and without others."""
        wishes = {**self.wishes, "pins": dict(self.wishes.get("pins", {}))}
        for flag, value in zip(drop[::2], drop[1::2], strict=True):
            if flag == "--pin":
                del wishes["pins"][value.partition("=")[0]]
            elif flag == "--forbid":
                wishes["forbid"] = tuple(option for option in wishes["forbid"] if option != value)
            else:
                assert wishes.pop(flag.removeprefix("--")) == value
        for flag, value in zip(add[::2], add[1::2], strict=True):
            if flag == "--pin":
                decision, _, option = value.partition("=")
                wishes["pins"][decision] = option
            elif flag == "--allow":
                wishes["allow"] = (*wishes.get("allow", ()), value)
            else:
                wishes[flag.removeprefix("--")] = value
        return Asked(self.target, self.workload, wishes)

    def plan(self) -> Plan:
        store = reasoner().store
        return reasoner().plan(
            load_workload(self.workload, store), load_target(self.target, store), **self.wishes
        )

    def worth(self) -> int:
        """What the plan is worth, as a logarithm in the scale of the catalogue."""
        store = reasoner().store
        with reasoner()._requests.reasoned(
            make_request(load_workload(self.workload, store), load_target(self.target, store), **self.wishes)
        ) as (reasons, *_):
            return reasons.log_worth

    def words(self) -> list[str]:
        """The question as arguments of a command."""
        words = ["-w", self.workload, "-t", self.target]
        for decision, option in self.wishes.get("pins", {}).items():
            words += ["--pin", f"{decision}={option}"]
        for flag in ("forbid", "allow"):
            for option in self.wishes.get(flag, ()):
                words += [f"--{flag}", option]
        for flag in ("framework", "numerics"):
            words += [f"--{flag}", self.wishes[flag]] if self.wishes.get(flag) else []
        return words


def options_of(plan: Plan) -> dict[str, str]:
    return {taken.decision: taken.option for taken in plan.decisions}


def template(way: Mapping[str, Any]) -> str:
    """What a way says without the names in it."""
    if way["add"] is None:
        return "stated: " + re.sub(r"[\w.-]+ becomes possible", "becomes possible", way["then"])
    flags = [word for word in way["add"] if word.startswith("--")]
    dropped = [word for word in way["drop"] if word.startswith("--")]
    promise = (
        "told apart"
        if PROMISED.search(way["then"])
        else "alike"
        if "nothing that is known" in way["then"]
        else "possible"
    )
    return f"add {sorted(set(flags))} drop {sorted(set(dropped))}: {promise}"


def take(way: Mapping[str, Any], asked: Asked, option: str, tally: Tally) -> None:
    """Execute a repair as it is printed and compare what comes of it with what was promised."""
    what = f"{asked} {option}: {way['change']}: {way['then']}"
    try:
        after = asked.changed(way["add"], way["drop"])
        plan = after.plan()
    except Exception as error:
        tally.failed.append(f"{what}: {error}")
        return
    if not option:
        return
    decision, _, name = option.partition("=")
    tally.check(options_of(plan)[decision] == name, f"{what}: took {options_of(plan)[decision]}")
    ratio = math.exp((after.worth() - asked.worth()) / SCALE)
    promised = PROMISED.search(way["then"])
    tally.check(abs(ratio - (float(promised[1]) if promised else 1)) < 0.0051, f"{what}: reached {ratio:.3f}")


def stated_rightly(way: Mapping[str, Any], tally: Tally) -> None:
    """What no wish brings about promises no command of its own, and names facts that exist."""
    known = {path.replace("[]", "") for path in fact_keys("hardware").all_paths()}
    named = [
        key.replace("[]", "")
        for found in re.findall(r"\(fact ([^)]*)\)", way["change"])
        for key in found.split(", ")
    ]
    tally.check(set(named) <= known and way["drop"] is None and "--pin" not in way["change"], str(way))


def ends() -> Iterator[str]:
    """Options to ask about: the ends of each decision's list, where different reasons are met."""
    catalogue = reasoner().catalogue
    for decision, options in catalogue.options.items():
        chosen = dict.fromkeys([*options[1 : ASKED // 2 + 1], *options[-(ASKED - ASKED // 2) :]])
        yield from (f"{catalogue.name[decision]}={catalogue.name[option]}" for option in chosen)


def not_met_before(plan: Plan, tally: Tally) -> Iterator[tuple[str, bool]]:
    """The options of a plan that are rejected for reasons, of their decision, that were not asked about twice
    yet, or that were never asked about; and whether a pin of it may be refused, once for each reason: those
    too have no ratio which nothing known tells apart.
    """
    for decision in plan.decisions:
        for rejected in decision.rejected:
            reasons = sorted(
                {reason.id if reason.kind == "rule" else reason.kind for reason in rejected.reasons}
            )
            possible = bool(rejected.vs_best) or reasons == ["default"]
            met = tally.met[f"{decision.decision}: {', '.join(reasons)}"]
            new = rejected.option not in met and len(met) < MET
            if new or rejected.option not in tally.options:
                first = not met
                met.add(rejected.option)
                tally.options.add(rejected.option)
                yield f"{decision.decision}={rejected.option}", first and not possible


def follow_why_nots(asked: Asked, questions: Iterable[str], tally: Tally, most: int = 3) -> None:
    store = reasoner().store
    workload, target = load_workload(asked.workload, store), load_target(asked.target, store)
    for option in questions:
        answer = reasoner().why_not(option, workload, target, **asked.wishes)
        for way in answer["repair"]:
            name = f"why-not {answer['status']}: {template(way)}"
            if way["add"] is None:
                stated_rightly(way, tally)
            elif tally.once(name, most):
                take(way, asked, option, tally)


def follow_plan(asked: Asked, before: Plan, tally: Tally) -> None:
    """The offers and the probes of a plan."""
    for offer in before.on_request:
        if tally.once(f"on request: {offer['decision']}", 1):
            flag, value = offer["accept"].split()
            after = asked.changed([flag, value], []).plan()
            tally.check(after.option(offer["decision"]) == offer["option"], f"{asked}: {offer}")
            ratio = math.exp((asked.changed([flag, value], []).worth() - asked.worth()) / SCALE)
            tally.check(
                ratio == pytest.approx(offer["vs_best"]["value"], abs=0.006),
                f"{asked}: {offer} reached {ratio}",
            )
    for unknown in before.unknowns:
        if unknown["would_change"] and tally.once(f"probe: {unknown['fact']}", 1):
            tally.check(set_fact(asked, unknown) == changed_options(before, unknown), f"{asked}: {unknown}")


def changed_options(before: Plan, unknown: Mapping[str, Any]) -> dict[str, str]:
    return {**options_of(before), **{change["decision"]: change["to"] for change in unknown["would_change"]}}


def set_fact(asked: Asked, unknown: Mapping[str, Any]) -> dict[str, str]:
    """What is taken with the fact set as the probe says."""
    import shlex

    flag, setting = shlex.split(unknown["probe"])
    assert flag == "--set"
    key, _, value = setting.partition("=")
    store = reasoner().store
    target = load_target(asked.target, store).with_overrides({key: value})
    return options_of(reasoner().plan(load_workload(asked.workload, store), target, **asked.wishes))


def follow_refusal(asked: Asked, tally: Tally, most: int = 3) -> bool:
    """Take the ways out of a refusal. Gives whether there was one."""
    try:
        asked.plan()
    except NoFeasiblePlan as refused:
        tally.check(bool(refused.repair), f"{asked}: refused without a way out")
        for way in refused.repair:
            tally.check(way["change"] in str(refused), f"{asked}: {way} is not said")
            if way["add"] is None:
                stated_rightly(way, tally)
            elif tally.once(f"refusal: {template(way)}", most):
                take(way, asked, "", tally)
        return True
    return False


def report(tally: Tally) -> None:
    print(
        f"{sum(tally.executed.values())} printed ways out of {len(tally.executed)} templates executed, {len(tally.failed)} failed"
    )
    for name, number in sorted(tally.executed.items()):
        print(f"  {number} x {name}")
    assert tally.failed == []


def test_a_part_of_the_grid_keeps_what_it_promises() -> None:
    tally = Tally()
    for target, workload in QUICK:
        asked = Asked(target, workload, {})
        follow_plan(asked, asked.plan(), tally)
        follow_why_nots(asked, ends(), tally)
    for target, workload, wishes in REFUSED:
        assert follow_refusal(Asked(target, workload, wishes), tally), (target, workload, wishes)
    report(tally)
    assert len(tally.executed) >= 8


@pytest.mark.long
def test_the_whole_grid_keeps_what_it_promises() -> None:
    tally, refusals = Tally(), 0
    for target in target_names():
        for workload in workload_names():
            asked = Asked(target, workload, {})
            plan = asked.plan()
            follow_plan(asked, plan, tally)
            new = dict(not_met_before(plan, tally))
            follow_why_nots(asked, new, tally, most=6)
            for option in (option for option, refused in new.items() if refused):
                decision, _, name = option.partition("=")
                refusals += follow_refusal(asked.changed(["--pin", f"{decision}={name}"], []), tally, most=6)
    print(
        f"{len(tally.options)} options and {len(tally.met)} reasons of decisions asked about, {refusals} refusals"
    )
    assert refusals >= 50
    report(tally)


@pytest.mark.parametrize(
    "key", ["cpu.features", "exclusive", "registry", "scheduler", "storage.tmpdir", "cpu.isa_level"]
)
def test_an_unknown_fact_is_settled_by_what_is_printed(key: str) -> None:
    store = reasoner().store
    workload = load_workload("mnist-cnn", store)
    target = load_target("zen5-virtual", store).with_overrides({key: None})
    try:
        before = reasoner().plan(workload, target)
    except NoFeasiblePlan as refused:
        assert key in str(refused)  # nothing runs on an unknown instruction set, and the refusal says so
        return
    for unknown in before.unknowns:
        flag, _, setting = unknown["probe"].partition(" ")
        fact, _, value = setting.strip("'").partition("=")
        assert flag == "--set" and "present" not in value
        after = reasoner().plan(workload, target.with_overrides({fact: value}))
        assert options_of(after) == changed_options(before, unknown)


def cli(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(words)
    return int(ended.value.code or 0), *capsys.readouterr()


def test_the_command_line_does_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ONTUNE_DATA_HOME", str(tmp_path))
    job = [
        "-w",
        "llama-7b",
        "-t",
        "eos-h100",
    ]  # described: no shipped program, which would have no setting for fp8
    [way] = json.loads(cli(["why-not", "fp8", *job, "--format", "json"], capsys)[1])["repair"]
    code, out, _ = cli(["plan", *job, *way["add"], "--format", "json"], capsys)
    assert (code, {"precision": "fp8"}) == (
        0,
        {d["decision"]: d["option"] for d in json.loads(out)["decisions"] if d["decision"] == "precision"},
    )
    code, _, err = cli(["plan", *job, "--pin", "precision=fp8"], capsys)
    assert code == 3 and "\nSmallest way out:\n  --allow precision=fp8\n" in err
    assert max(map(len, err.splitlines())) <= 100 and err.startswith(
        "error: no configuration meets the request:\n  "
    )
    assert cli(["plan", *job, "--pin", "precision=fp8", "--allow", "precision=fp8"], capsys)[0] == 0


def test_a_new_process_does_what_it_prints(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "ontune",
        "plan",
        "-w",
        "mnist-cnn",
        "-t",
        "eos-h100",
        "--pin",
        "precision=bf16",
        "--format",
        "json",
    ]
    done = subprocess.run(
        [*command, "--numerics", "exact"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 3
    [way] = json.loads(done.stdout)["error"]["repair"]
    assert way["add"] == ["--allow", "precision=bf16"] and way["change"] in done.stderr
    assert (
        subprocess.run(
            [*command, "--numerics", "exact", *way["add"]], capture_output=True, cwd=ROOT, check=False
        ).returncode
        == 0
    )


def test_a_pin_that_a_conflict_forbids_is_never_promised() -> None:
    store = reasoner().store
    workload, target = load_workload("mnist-cnn", store), load_target("genoa-node", store)
    answer = reasoner().why_not("gomp-cpu-affinity", workload, target, framework="pytorch")
    assert answer["status"] == "conflict" and "GOMP_CPU_AFFINITY" in " ".join(
        reason["text"] for reason in answer["reasons"]
    )
    assert all(way["add"] is None or "--framework" in way["drop"] for way in answer["repair"])


def test_a_conflict_is_named_where_it_is_why_a_configuration_is_worse() -> None:
    store = reasoner().store
    workload, target = load_workload("mnist-cnn", store), load_target("genoa-node", store)
    answer = reasoner().why_not("max-autotune", workload, target, pins={"framework": "pytorch"})
    catalogue = reasoner().catalogue
    named = [reason["text"] for reason in answer["reasons"]]
    if answer["status"] == "beaten":
        assert named[0].endswith("of the chosen one") or any(
            store.label(iri) in named[0] for iri in catalogue.conflicts
        )


# ---- commands that texts name


def _texts() -> Iterator[tuple[str, str]]:
    """Every text of the product that a person may see, with where it stands."""
    for folder in ("kb", "reasoner", "generators", "bench", "ontune", "rules", "ontology"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix == ".py":
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                    if isinstance(node, ast.Constant) and isinstance(node.value, str):
                        yield str(path.relative_to(ROOT)), node.value
            elif path.suffix in (".j2", ".ttl", ".rq", ".html", ".sh", ".md"):
                yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def _command(words: Sequence[str]) -> Any:
    """The command that words name, with its group's subcommand; None where there is none."""
    command: Any = get_command(app)
    context = typer.Context(command)
    for word in words:
        if word.startswith("-") or not hasattr(command, "list_commands"):
            break
        if word not in command.list_commands(context):
            return None
        command = command.get_command(context, word)
    return command


def test_every_command_that_a_text_names_exists_with_its_flags() -> None:
    named: dict[str, set[str]] = defaultdict(set)
    for where, text in _texts():
        for quoted in re.findall(r"[`'(>]ontune ((?:[a-z][a-z-]*)[^`'<)\n]*)[`'<)]", text):
            named[quoted].add(where)
    wrong = []
    for quoted, places in named.items():
        words = quoted.replace("[", " ").replace("]", " ").split()
        command = _command(words)
        flags = {
            flag
            for parameter in getattr(command, "params", ())
            for flag in (*parameter.opts, *parameter.secondary_opts)
        }
        if command is None or not {word.partition("=")[0] for word in words if word.startswith("-")} <= {
            *flags,
            "--",
        }:
            wrong.append((quoted, sorted(places)))
    print(f"{len(named)} commands named in texts, {len(wrong)} that do not exist")
    assert len(named) >= 15 and wrong == []


def test_every_flag_that_a_text_advises_exists() -> None:
    known = {
        flag
        for name in ("plan", "recipe")
        for parameter in _command([name]).params
        for flag in parameter.opts
    }
    for where, text in _texts():
        if where.startswith(("reasoner", "generators/modak", "bench/measure/runners", "rules/conflicts")):
            advised = set(
                re.findall(r"(?<![\w-])--(?:pin|forbid|allow|numerics|framework|set|objective|site)\b", text)
            )
            assert advised <= known, where


def test_nothing_known_is_never_a_ratio_of_one() -> None:
    for target in target_names():
        for workload in ("mnist-cnn", "lstm"):
            plan = Asked(target, workload, {}).plan()
            ratio = plan.prediction["vs_default"]
            for one in (
                ratio,
                *(other["vs_best"] for other in plan.alternatives),
                *(offer["vs_best"] for offer in plan.on_request),
            ):
                assert (one["value"], one["low"], one["high"]) != (1.0, 1.0, 1.0), (target, workload)
            if ratio["value"] is None:
                assert ratio["reason"] and not ratio["parts"] and ratio["low"] is ratio["high"] is None
            else:
                product = math.prod(part["value"] for part in ratio["parts"])
                assert ratio["reason"] is None and product == pytest.approx(ratio["value"], rel=5e-3)
                assert all(
                    len(part["options"]) == 1 and part["low"] <= part["value"] <= part["high"]
                    for part in ratio["parts"]
                )


def test_what_is_measured_with_another_framework_only_is_named() -> None:
    shared = Asked("shared-quota-node", "mnist-cnn", {"framework": "tensorflow"}).plan()
    named = {(one["decision"], one["option"]): one["known_with"] for one in shared.not_measured}
    assert named[("wait_policy", "wait-default")] == ["pytorch"]  # spinning beside busy neighbours
    own = Asked("shared-quota-node", "mnist-cnn", {"framework": "pytorch"}).plan()
    assert "wait_policy" not in {one["decision"] for one in own.not_measured}


def test_modak_advises_commands_that_exist(tmp_path: Path) -> None:
    from generators.modak.job_request import read_request

    file = tmp_path / "request.json"
    file.write_text(json.dumps({"optimisation": {"enable_autotuning": True, "app_type": "ai_training",
                                                 "app_type-ai_training": {"config": {"ai_framework": "pytorch"}}}}))  # fmt: skip
    [note] = [note for note in read_request(file).notes if "autotuning" in note]
    assert [_command(words.split()[1:]) is not None for words in re.findall(r"`(ontune [^`]*)`", note)] == [
        True
    ]
