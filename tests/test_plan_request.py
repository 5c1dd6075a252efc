"""A plan carries its request: it can be asked again from its own file, and further wishes go on top of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import plans
import pytest
from test_modak import parallel

from generators.bundle import Bundle, write_bundle
from kb.errors import BadInput
from kb.records.request import Request, plan_id
from kb.records.site import load_site
from kb.records.targets import load_target
from kb.records.workload import load_workload
from kb.values import replace
from ontune.cli import main
from ontune.cli.bench import _opponent
from ontune.cli.request import RequestArguments
from ontune.service.questions import Questions
from reasoner.answers.plan import Plan
from reasoner.model.resolve import resolve
from reasoner.reasoner import Reasoner

MACHINE = "zen5-virtual"


@cache
def reasoner() -> Reasoner:
    return Reasoner()


@cache
def shipped_plan(workload: str, target: str) -> Plan:
    store = reasoner().store
    return reasoner().plan(load_workload(workload, store), load_target(target, store))


def planned(workload: str = "mnist-cnn", target: str = MACHINE, **wishes: Any) -> Plan:
    store = reasoner().store
    if not wishes:
        return shipped_plan(workload, target)
    return reasoner().plan(load_workload(workload, store), load_target(target, store), **wishes)


def read_again(plan: Plan) -> Plan:
    return Plan.from_json(json.loads(json.dumps(plan.to_json())))


def written(plan: Plan | Mapping[str, Any], folder: Path, name: str = "p.json") -> Path:
    file = folder / name
    file.write_text(json.dumps(plan.to_json() if isinstance(plan, Plan) else plan), encoding="utf-8")
    return file


def asked_with(plan: Plan, folder: Path, **typed: Any) -> Request:
    """The question of the command line with `--plan` and what else is typed, as it is understood."""
    file = written(replace(plan, decisions=()), folder)
    asked = RequestArguments(plan=file, **typed).question(reasoner())
    return Request.from_json(resolve(asked, reasoner().catalogue, reasoner().store).request.to_json())


@pytest.fixture
def ontune(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Any, str]]:
    """Run a command in this process: exit code, the object that it prints, stderr."""

    def run(*words: str) -> tuple[int, Any, str]:
        with pytest.raises(SystemExit) as ended:
            main([*words, "--format", "json"])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), json.loads(out), err

    return run


WISHES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "framework": {"framework": "TensorFlow"},
    "a pinned framework": {"pins": {"framework": "pytorch"}},
    "pins": {"pins": {"Precision": "fp32", "wait_policy": "wait-passive"}},
    "a number": {"pins": {"threads": "7"}},
    "forbid": {"forbid": ("tcmalloc", "allocator=jemalloc")},
    "numerics": {"numerics": "Exact"},
    "bits": {"numerics": "bitwise"},
    "allow": {"numerics": "lossy", "allow": ("mimalloc",)},
    "top": {"top": 2},
    "a site": {"site": load_site("lumi")},
    "many at once": {
        "framework": "pytorch", "pins": {"threads": "2"}, "forbid": ("tcmalloc",), "numerics": "exact", "site": load_site("puhti"), "top": 0
    },
}  # fmt: skip


@pytest.mark.parametrize("wishes", WISHES.values(), ids=WISHES)
def test_a_plan_is_asked_again_with_every_wish(wishes: Mapping[str, Any]) -> None:
    plan = planned(**wishes)
    again = reasoner().plan(read_again(plan))
    assert again.to_json() == plan.to_json()
    assert plan_id(plan.request, plan.knowledge) == plan.plan_id


def test_what_was_set_by_hand_is_asked_again() -> None:
    store = reasoner().store
    target = load_target(MACHINE, store).with_overrides(
        {"cpu.usable_cores": "1", "glibc": "null", "exclusive": "false"}
    )
    plan = reasoner().plan(load_workload("mlp", store), target)
    assert plan.request["target"]["overrides"] == {"cpu.usable_cores": 1, "glibc": None, "exclusive": False}
    assert reasoner().plan(read_again(plan)).to_json() == plan.to_json()


def test_all_spellings_of_a_wish_make_one_request() -> None:
    made = [planned(framework="pytorch"), planned(pins={"framework": "PyTorch"}), planned(framework="torch")]
    assert {json.dumps(plan.request) for plan in made} == {json.dumps(made[0].request)}
    assert (made[0].request["framework"], made[0].request["pins"]) == ("pytorch", {})


def test_a_request_says_which_number_was_asked_for() -> None:
    request = planned(pins={"threads": "7"}).request
    assert (request["pins"], request["numbers"]) == ({"threads": "threads-7"}, {"threads": 7})


def test_the_framework_that_a_workload_names_is_no_wish(tmp_path: Path) -> None:
    job = tmp_path / "job.yaml"
    job.write_text("extends: mnist-cnn\nframework: tensorflow\n")
    plan = planned(str(job))
    assert plan.option("framework") == "tensorflow" and plan.request["framework"] is None
    other = reasoner().request(read_again(plan), workload=load_workload("mnist-cnn"))
    assert reasoner().plan(other).option("framework") == planned().option("framework")


# ---- the identifier


def test_what_does_not_change_the_question_does_not_change_the_identifier() -> None:
    plan = planned("mlp")
    request = json.loads(json.dumps(plan.request))
    request["target"] |= {"name": "another", "memory_gib": 16.0}
    request["workload"]["name"] = "mine"
    request["top"] = 9
    del request["target"]["python"]  # unknown, as null is
    assert plan_id(request, plan.knowledge) == plan.plan_id
    assert plan_id(request, {"sha256": "ab" * 32}) != plan.plan_id


def changed(document: Any, *path: str, to: Any) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(document))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return copy


EDITED: dict[str, tuple[tuple[str, ...], Any]] = {
    "plan_id": (("plan_id",), "0" * 16),
    "request: pins": (("request", "pins"), {"precision": "fp32"}),
    "request: forbid": (("request", "forbid"), []),
    "request: target": (("request", "target", "memory_gib"), 64),
    "knowledge": (("knowledge", "sha256"), "ab" * 32),
    "workload": (("workload", "parameters", "batch"), 64),
    "target": (("target", "glibc"), "2.40"),
    "site": (("site",), {"name": "x", "iri": "urn:x"}),
    "objective": (("objective",), "energy"),
    "asked_numerics": (("asked_numerics",), "lossy"),
}


@pytest.mark.parametrize(("path", "value"), EDITED.values(), ids=EDITED)
def test_a_plan_whose_request_was_edited_is_refused(path: tuple[str, ...], value: Any) -> None:
    whole = planned(forbid=("tcmalloc",)).to_json()
    with pytest.raises(BadInput, match="the file was edited") as refused:
        Plan.from_json(changed(whole, *path, to=value), "p.json")
    assert "--plan FILE with --set, --pin" in str(refused.value)


WRONG: dict[str, Any] = {
    "workload": [], "target": "local", "site": 3, "framework": 1, "pins": {"precision": 1}, "forbid": [1], "objective": None, "numerics": [],
    "allow": 5, "numbers": {"threads": "7"}, "top": True,
}  # fmt: skip


@pytest.mark.parametrize("key", WRONG)
def test_every_key_of_a_request_is_checked(key: str) -> None:
    whole = planned().to_json()
    assert set(WRONG) == set(whole["request"])
    with pytest.raises(BadInput, match=f"^p.json: request: {key}"):
        Plan.from_json(changed(whole, "request", key, to=WRONG[key]), "p.json")
    without = changed(whole, "request", key, to=None)
    del without["request"][key]
    with pytest.raises(BadInput, match=f"^p.json: request: {key}: missing key"):
        Plan.from_json(without, "p.json")


@pytest.mark.parametrize(
    "path", [("request", "pin"), ("request", "workload", "netwrk"), ("request", "target", "cpu", "core")]
)
def test_an_unknown_key_of_a_request_is_named(path: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match=rf"^p.json: request.*{path[-1]}.*did you mean"):
        Plan.from_json(changed(planned().to_json(), *path, to={}), "p.json")


# ---- what starts from it


def test_what_a_plan_was_forbidden_is_not_said_to_be_chosen(ontune: Any, tmp_path: Path) -> None:
    file = str(written(planned(forbid=("tcmalloc",)), tmp_path))
    code, answer, _ = ontune("why-not", "tcmalloc", "--plan", file)
    assert (code, answer["status"], answer["reasons"][0]["kind"]) == (0, "conflict", "request")


@pytest.mark.parametrize(
    "wishes", [{"forbid": ("tcmalloc",)}, {"framework": "pytorch"}, {"pins": {"compiler": "eager"}}], ids=str
)
def test_what_why_not_says_of_a_plan_is_so(ontune: Any, tmp_path: Path, wishes: Mapping[str, Any]) -> None:
    """The words that it adds stand behind `--plan`, and what they take out of the plan's request they name."""
    file = str(written(planned(**wishes), tmp_path))
    option = "allocator=tcmalloc" if "forbid" in wishes else "compiler=xla"
    _, answer, _ = ontune("why-not", option, "--plan", file)
    assert answer["repair"] and all(way["drop"] == [] for way in answer["repair"])
    for way in answer["repair"]:
        code, plan, err = ontune("plan", "--plan", file, *way["add"])
        assert (code, err) == (0, ""), way
        assert f"{option}" in {f"{taken['decision']}={taken['option']}" for taken in plan["decisions"]}, way


def test_explain_and_what_if_start_from_the_request(ontune: Any, tmp_path: Path) -> None:
    file = str(written(planned(forbid=("tcmalloc",), framework="pytorch"), tmp_path))
    assert "tcmalloc" not in ontune("explain", "allocator", "--plan", file)[1]["conclusion"]
    answer = ontune("what-if", "exclusive=false", "--plan", file)[1]
    assert "tcmalloc" not in {
        answer["before"]["options"]["allocator"],
        answer["after"]["options"]["allocator"],
    }
    assert answer["before"]["plan_id"] == planned(forbid=("tcmalloc",), framework="pytorch").plan_id


def test_the_baseline_of_a_bench_is_at_the_plans_site(tmp_path: Path) -> None:
    plan = planned(site=load_site("puhti"), forbid=("tcmalloc",), pins={"precision": "bf16"})
    with _opponent(write_bundle(plan, tmp_path / "bundle"), None, "B1") as opponent:
        assert opponent.plan.site == plan.site and "partition" in (opponent.folder / "job.slurm").read_text()
        assert (opponent.plan.request["forbid"], opponent.plan.option("precision")) == (
            ["allocator=tcmalloc"],
            "fp32",
        )


def test_what_a_baseline_itself_takes_is_taken_whatever_a_plan_forbids() -> None:
    plan = planned(forbid=("jemalloc", "channels_last"))
    taken = reasoner().baseline("B1", plan)
    assert (taken.option("allocator"), taken.option("memory_format"), taken.request["forbid"]) == (
        "jemalloc",
        "channels_last",
        [],
    )


def test_the_service_takes_up_a_plan() -> None:
    plan = planned(forbid=("tcmalloc",)).to_json()
    questions = Questions(reasoner())
    for carried in (plan, plan["request"]):
        assert questions.answer("why-not", {"plan": carried, "option": "tcmalloc"})["status"] == "conflict"
        assert questions.answer("plan", {"plan": carried})["plan_id"] == plan["plan_id"]
        assert (
            questions.answer("plan", {"plan": carried, "drop": ["forbid=tcmalloc"]})["plan_id"]
            == planned().plan_id
        )
        body = {
            "plan": carried,
            "workload": "mlp",
            "target": "genoa-node",
            "set": {"exclusive": False},
            "pins": {"allocator": "tcmalloc"},
        }
        asked = questions.answer("plan", body)["request"]
        assert (asked["workload"]["name"], asked["target"]["name"], asked["target"]["exclusive"]) == (
            "mlp",
            "genoa-node",
            False,
        )
        assert (asked["pins"], asked["forbid"]) == ({"allocator": "tcmalloc"}, [])
    with pytest.raises(BadInput, match="body: drop"):
        questions.answer("plan", {"workload": "mlp", "target": MACHINE, "drop": ["numerics"]})
    with pytest.raises(BadInput, match=r"body: plan: plan_id: is .*edited"):
        questions.answer("plan", {"plan": plan | {"plan_id": "0" * 16}})


# ---- plans that keep none


def old(plan: Plan) -> dict[str, Any]:
    return {key: value for key, value in plan.to_json().items() if key != "request"}


def test_a_plan_of_an_older_version_is_read_and_what_is_not_known_is_named(
    ontune: Any, tmp_path: Path
) -> None:
    file = written(old(planned(forbid=("tcmalloc",), site=load_site("puhti"))), tmp_path)
    assert ontune("recipe", "--plan", str(file), "-o", str(tmp_path / "bundle"))[0] == 0
    other = ("recipe", "-o", str(tmp_path / "other"), "--top", "1")
    for words in (
        ("why-not", "tcmalloc"),
        ("explain", "allocator"),
        ("what-if", "exclusive=false"),
        ("plan",),
        other,
    ):
        code, answer, _ = ontune(*words, "--plan", str(file))
        assert code == 2 and "its wishes are not known" in answer["error"]["message"], words
        assert answer["error"]["where"] == f"{file}: request"
    with _opponent(Bundle.read(tmp_path / "bundle"), None, None) as opponent:
        assert opponent.plan.site["name"] == "puhti"


def test_a_plan_made_by_hand_has_no_request() -> None:
    assert plans.plan().request == {}
    with pytest.raises(BadInput, match="does not keep what was asked for"):
        reasoner().plan(plans.plan())


# ---- further wishes on top


ON_TOP: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "a pin in place of that of its decision": ({"pins": {"precision": "fp32"}}, {"pin": ["precision=bf16"]}, {"pins": {"precision": "bf16"}}),
    "a pin beside another": ({"pins": {"precision": "fp32"}}, {"pin": ["Threads=1"]}, {"pins": {"precision": "fp32", "threads": "threads-1"}}),
    "a pin in place of a wish against it": (
        {"forbid": ("tcmalloc", "jemalloc")}, {"pin": ["allocator=tcmalloc"]}, {"pins": {"allocator": "tcmalloc"}, "forbid": ("allocator=jemalloc",)}
    ),
    "a number in place of another": (
        {"pins": {"threads": "7"}}, {"pin": ["threads=5"]}, {"pins": {"threads": "threads-5"}, "numbers": {"threads": 5}}
    ),
    "no number in place of one": ({"pins": {"threads": "7"}}, {"pin": ["threads=1"]}, {"pins": {"threads": "threads-1"}, "numbers": {}}),
    "forbid beside another": ({"forbid": ("tcmalloc",)}, {"forbid": ["jemalloc"]}, {"forbid": ("allocator=jemalloc", "allocator=tcmalloc")}),
    "forbid in place of a pin": ({"pins": {"allocator": "tcmalloc"}}, {"forbid": ["tcmalloc"]}, {"pins": {}, "forbid": ("allocator=tcmalloc",)}),
    "forbid in place of a framework": (
        {"framework": "pytorch"}, {"forbid": ["framework=pytorch"]}, {"framework": None, "forbid": ("framework=pytorch",)}
    ),
    "a framework in place of another": ({"framework": "pytorch"}, {"framework": "tensorflow"}, {"framework": "tensorflow", "pins": {}}),
    "a pinned framework in place of another": ({"framework": "pytorch"}, {"pin": ["framework=tensorflow"]}, {"framework": "tensorflow", "pins": {}}),
    "allow beside another": ({"allow": ("mimalloc",)}, {"allow": ["jemalloc"]}, {"allow": ("allocator=jemalloc", "allocator=mimalloc")}),
    "numerics": ({"numerics": "lossy"}, {"numerics": "exact"}, {"numerics": "exact"}),
    "objective": ({}, {"objective": "throughput"}, {"objective": "throughput"}),
    "top": ({"top": 2}, {"top": 1}, {"top": 1}),
    "no framework": ({"framework": "pytorch"}, {"drop": ["framework"]}, {"framework": None}),
    "no pins": ({"pins": {"precision": "fp32", "threads": "7"}}, {"drop": ["pin=precision", "pin=threads=7"]}, {"pins": {}, "numbers": {}}),
    "no wish against": ({"forbid": ("tcmalloc", "jemalloc")}, {"drop": ["forbid=tcmalloc"]}, {"forbid": ("allocator=jemalloc",)}),
    "no opt-in": ({"allow": ("mimalloc",)}, {"drop": ["allow=allocator=mimalloc"]}, {"allow": ()}),
    "no numerics": ({"numerics": "exact"}, {"drop": ["numerics"]}, {"numerics": None}),
    "no site": ({"site": load_site("puhti")}, {"drop": ["site"]}, {"site": None}),
}  # fmt: skip


@pytest.mark.parametrize(("before", "typed", "after"), ON_TOP.values(), ids=ON_TOP)
def test_a_later_wish_goes_on_top_of_the_plans(
    tmp_path: Path, before: Mapping[str, Any], typed: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    asked = asked_with(planned(**before), tmp_path, **typed)
    assert {key: getattr(asked, key) for key in after} == after
    untouched = {"framework", "pins", "forbid", "numerics", "allow"} - after.keys() - before.keys()
    fresh = Request.from_json(planned().request)
    assert all(getattr(asked, key) == getattr(fresh, key) for key in untouched)


def test_workload_target_facts_and_site_go_on_top(tmp_path: Path) -> None:
    store = reasoner().store
    target = load_target(MACHINE, store).with_overrides({"memory_gib": 8})
    plan = reasoner().plan(load_workload("mnist-cnn", store), target, forbid=("tcmalloc",))
    asked = asked_with(plan, tmp_path, set_=["exclusive=false"])
    assert asked.target.facts["overrides"] == {"memory_gib": 8, "exclusive": False}
    asked = asked_with(plan, tmp_path, target="genoa-node", set_=["exclusive=false"])
    assert (asked.target.name, asked.target.facts["overrides"]) == ("genoa-node", {"exclusive": False})
    asked = asked_with(plan, tmp_path, workload="mlp", site="lumi")
    assert asked.site is not None
    assert (asked.workload.name, asked.site.name, asked.target.facts["memory_gib"]) == ("mlp", "lumi", 8)
    assert asked.forbid == ("allocator=tcmalloc",)


def test_nothing_that_is_typed_beside_a_plan_is_ignored(tmp_path: Path) -> None:
    """Every option that makes up a request changes it, those that will be added too."""
    plan = planned(forbid=("tcmalloc",), pins={"wait_policy": "wait-passive"})
    typed: dict[str, Any] = {
        "workload": "mlp", "target": "genoa-node", "set_": ["exclusive=false"], "site": "lumi", "framework": "tensorflow", "pin": ["precision=fp32"],
        "forbid": ["jemalloc"], "objective": "setup", "numerics": "exact", "allow": ["mimalloc"], "top": 1, "drop": ["forbid=tcmalloc"],
    }  # fmt: skip
    options = set(RequestArguments.__struct_fields__) - {"plan", "endpoint"}
    assert set(typed) == options
    for name in sorted(options - {"objective"}):
        assert asked_with(plan, tmp_path, **{name: typed[name]}).to_json() != plan.request, name
    with pytest.raises(BadInput, match="--objective: unknown objective"):
        asked_with(plan, tmp_path, objective="speed")


@pytest.mark.parametrize(
    "words",
    [
        ("--forbid", "tcmalocc"),
        ("--pin", "precision=bf61"),
        ("--drop", "forbid=jemalloc"),
        ("--drop", "precision"),
    ],
)
def test_a_wrong_wish_beside_a_plan_is_named_as_typed(
    ontune: Any, tmp_path: Path, words: tuple[str, str]
) -> None:
    file = str(written(planned(forbid=("tcmalloc",)), tmp_path))
    code, answer, _ = ontune("plan", "--plan", file, *words)
    assert (code, answer["error"]["where"]) == (2, words[0])


def test_a_wish_can_only_be_left_out_of_a_plan(ontune: Any) -> None:
    code, answer, _ = ontune("plan", "-w", "mlp", "-t", MACHINE, "--drop", "numerics")
    assert (code, answer["error"]["where"]) == (2, "--drop")


def test_a_recipe_has_what_is_asked_beside_its_plan(ontune: Any, tmp_path: Path) -> None:
    plan = planned(forbid=("tcmalloc",))
    file = str(written(plan, tmp_path))
    assert ontune("recipe", "--plan", file, "-o", str(tmp_path / "same"))[1]["plan_id"] == plan.plan_id
    _, made, _ = ontune("recipe", "--plan", file, "-o", str(tmp_path / "other"), "--pin", "precision=fp32")
    other = Bundle.read(tmp_path / "other").plan
    assert made["plan_id"] == other.plan_id != plan.plan_id
    assert (other.option("precision"), other.request["forbid"]) == ("fp32", ["allocator=tcmalloc"])
    modak = ontune("recipe", "--plan", file, "-o", str(tmp_path / "m"), "--from-modak", file)
    assert modak[0] == 2 and modak[1]["error"]["where"] == "--plan"


def test_other_knowledge_than_the_plans_is_told(ontune: Any, tmp_path: Path) -> None:
    whole = planned("mlp").to_json()
    whole["knowledge"]["sha256"] = "ab" * 32
    whole["plan_id"] = plan_id(whole["request"], whole["knowledge"])
    code, answer, err = ontune("plan", "--plan", str(written(whole, tmp_path)))
    assert (code, answer["plan_id"]) == (0, planned("mlp").plan_id)
    assert "was made with other knowledge" in err


def test_nothing_that_is_typed_beside_a_request_for_mpi_is_ignored(ontune: Any, tmp_path: Path) -> None:
    file = tmp_path / "mpi.json"
    file.write_text(json.dumps(parallel()), encoding="utf-8")
    for words in (("--pin", "precision=bf16"), ("-t", MACHINE), ("--top", "1")):
        code, answer, _ = ontune("recipe", "--from-modak", str(file), "-o", str(tmp_path / "bundle"), *words)
        assert code == 2 and "for what MPI starts" in answer["error"]["message"], words
    assert ontune("recipe", "--from-modak", str(file), "-o", str(tmp_path / "bundle"))[0] == 0
    assert Bundle.read(tmp_path / "bundle").plan.request == {}
