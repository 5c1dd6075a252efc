"""Names: every reference by name goes through one resolver, in files, on the command line and in calls.

What is a name is not listed here: the keys and their classes are walked as the ontology states them.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest
from test_cli import ontune as ontune  # the fixture

from generators.modak.job_request import read_request
from kb.errors import BadInput, NoFeasiblePlan
from kb.records.fact_keys import fact_keys
from kb.records.fact_values import Key
from kb.records.names import Entry, Names, Vocabulary, folded
from kb.records.request import plan_id
from kb.records.site import complete_site, load_site
from kb.records.target import complete_target
from kb.records.targets import load_target
from kb.records.workload import complete_workload, load_workload
from kb.store import paths
from kb.store.terms import PREFIXES, on, prefixed
from reasoner.answers.plan import Plan
from reasoner.reasoner import Reasoner

MODULES = ("hardware", "workloads", "sites")
WRONG = "no-such-thing-7"


@functools.cache
def reasoner() -> Reasoner:
    return Reasoner()


def names() -> Names:
    return reasoner().store.names


def below(key: Key) -> Iterator[Key]:
    for member in key.members.values():
        yield member
        yield from below(member)


NAMED = [(module, key) for module in MODULES for key in below(fact_keys(module).root) if key.names]
SPELT = [(module, key) for module in MODULES for key in below(fact_keys(module).root) if key.spelling]


def spellings(entry: Entry) -> list[str]:
    """Three or more spellings of one thing: its name in another case and with other signs between its words,
    its IRI, and what else it is called.
    """
    turned = entry.name.upper().replace("-", " ").replace("_", "-")
    return [entry.name, turned, prefixed(entry.iri), f"<{entry.iri}>", *entry.labels, *entry.alternatives]


def described(path: str, value: str) -> dict[str, Any]:
    """Facts in which one key has a value."""
    name, _, rest = path.partition(".")
    inner: Any = described(rest, value) if rest else value
    if not name.endswith("[]"):
        return {name: inner}
    return {name[:-2]: [{"path": "/scratch"} | inner if name == "storage[]" else inner]}


def planned(module: str, facts: dict[str, Any]) -> Plan:
    """The plan for a request in which one of its three parts is described so, or is a known one with these
    facts.
    """
    workload, target = (
        load_workload("mnist-cnn", reasoner().store),
        load_target("genoa-node", reasoner().store),
    )
    if module == "workloads":
        workload = complete_workload("job", facts, "job.yaml")
    if module == "hardware":
        if "cpu" in facts:  # what else the node says of its processor would contradict another one
            target = target.with_overrides(
                {
                    f"cpu.{key}": None
                    for key in ("isa_level", "microarchitecture", "features", "vendor", "model")
                }
            )
        target = complete_target("node", laid_over(target.facts, facts), "node.yaml")
    return reasoner().plan(
        workload, target, site=complete_site(facts, "site.yaml") if module == "sites" else None
    )


def laid_over(start: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    return start | {
        key: laid_over(start[key], value) if isinstance(value, dict) else value
        for key, value in facts.items()
    }


def outcome(module: str, facts: dict[str, Any]) -> str:
    """Everything that comes of a request: its plan, or why there is none."""
    try:
        plan = planned(module, facts)
    except NoFeasiblePlan as error:
        return str(error)
    return json.dumps(
        [plan.plan_id, plan.workload, plan.target, plan.site, [taken.option for taken in plan.decisions]]
    )


@pytest.mark.parametrize(("module", "key"), NAMED, ids=[f"{module}-{key.path}" for module, key in NAMED])
def test_every_spelling_of_a_name_in_a_file_is_one_plan(module: str, key: Key) -> None:
    vocabulary = names().vocabulary(key.names)
    for entry in (vocabulary.entries[0], vocabulary.entries[-1]):
        mine = [spelling for spelling in spellings(entry) if vocabulary.meant(spelling) == [entry]]
        assert len(mine) >= 3
        assert len({outcome(module, described(key.path, spelling)) for spelling in mine}) == 1


@pytest.mark.parametrize(("module", "key"), NAMED, ids=[f"{module}-{key.path}" for module, key in NAMED])
def test_a_wrong_name_in_a_file_is_an_error_that_names_file_and_key(module: str, key: Key) -> None:
    with pytest.raises(BadInput) as refused:
        planned(module, described(key.path, WRONG))
    file = {"hardware": "node.yaml", "workloads": "job.yaml", "sites": "site.yaml"}[module]
    assert refused.value.exit_code == 2
    assert refused.value.where == f"{file}: key '{key.path.replace('[].', '[0].').removesuffix('[]')}'"
    assert WRONG in refused.value.problem and refused.value.expected


@pytest.mark.parametrize(("module", "key"), SPELT, ids=[f"{module}-{key.path}" for module, key in SPELT])
def test_what_nobody_lists_whole_is_read_whatever_its_case(module: str, key: Key) -> None:
    quads = reasoner().store.store.quads_for_pattern(None, ox.NamedNode(key.spelling), None, None)
    known = sorted({str(getattr(quad.object, "value", "")) for quad in quads})
    for value in (known[0], known[-1]):
        assert outcome(module, described(key.path, value)) == outcome(
            module, described(key.path, value.upper())
        )


def test_the_ontology_says_of_every_name_what_it_names() -> None:
    paths_of = {f"{module}:{key.path}" for module, key in NAMED}
    assert {
        "workloads:traits[]",
        "workloads:frameworks[]",
        "hardware:cpu.microarchitecture",
        "sites:provides[]",
        "sites:storage[].class",
    } <= paths_of
    assert all(names().knows(key.names) for _, key in NAMED)


def test_what_is_asked_of_a_plan_is_named_as_what_is_described() -> None:
    workload, target = (
        load_workload("wl:mnist-cnn", reasoner().store),
        load_target("Genoa Node", reasoner().store),
    )
    asked: list[tuple[str, list[Any], Any]] = [
        ("framework", ["pytorch", "PyTorch", "torch", "kb:pytorch", "PYTORCH"], "pytroch"),
        (
            "pins",
            [{"precision": "fp32"}, {"Precision": "FP-32"}, {"kb:precision": "float32"}],
            {"precision": "fp33"},
        ),
        (
            "pins",
            [
                {"memory_format": "channels_last"},
                {"memory format": "Channels-Last"},
                {"memory-format": "NHWC"},
            ],
            {"memory_fromat": "NHWC"},
        ),
        ("forbid", [["tcmalloc"], ["allocator=TCMalloc"], ["kb:tcmalloc"]], ["tcmaloc"]),
        ("allow", [["fp8"], ["precision=FP8"], ["KB:FP8"]], ["fp9"]),
        ("objective", ["throughput", "Throughput", "samples per second"], "througput"),
        ("numerics", ["exact", "Exact", "on:Exact"], "exat"),
        ("site", [load_site(text, reasoner().store) for text in ("lumi", "LUMI", "site:lumi")], None),
    ]
    for wish, right, wrong in asked:
        assert len({reasoner().plan(workload, target, **{wish: value}).plan_id for value in right}) == 1, wish
        if wrong is not None:
            with pytest.raises(BadInput) as refused:
                reasoner().plan(workload, target, **{wish: wrong})
            assert refused.value.where == wish and refused.value.nearest, wish


def test_a_plan_has_one_spelling_whatever_was_typed() -> None:
    job = complete_workload(
        "job",
        {"framework": "TORCH", "traits": ["Convolutional network", "sit:Training", "training"]},
        "job.yaml",
    )
    plan = reasoner().plan(job, load_target("genoa-node", reasoner().store))
    assert plan.workload["framework"] == "pytorch"
    assert plan.workload["traits"] == ["convolutional", "training"]
    assert Plan.from_json(plan.to_json()).workload == plan.workload


# ---- what is meant


@pytest.mark.parametrize(
    ("of_class", "text", "meant"),
    [
        ("Framework", "keras", ["jax", "pytorch", "tensorflow"]),
        ("Framework", "Lightning", ["pytorch"]),
        ("Framework", "tensorflow-gpu", ["tensorflow"]),
        ("WorkloadTrait", "GRU", ["recurrent"]),
        ("WorkloadTrait", "convolutoinal", ["convolutional"]),
        ("Microarchitecture", "genoa", ["zen4"]),
        ("InstructionSetLevel", "AVX-512", ["x86_64_v4"]),
        ("StorageClass", "lustre", ["network"]),
        ("StorageClass", "NVMe", ["local"]),
        ("Scheduler", "qsub", ["pbs"]),
        ("AcceleratorMaker", "GeForce", ["nvidia"]),
        ("Numerics", "exat", ["exact"]),
    ],
)
def test_a_name_of_something_else_leads_to_what_is_meant(of_class: str, text: str, meant: list[str]) -> None:
    with pytest.raises(BadInput) as refused:
        names().find(on(of_class), text, "here")
    assert refused.value.nearest == meant


def test_an_accelerator_leads_to_the_machines_that_have_it() -> None:
    for text in ("h100", "H100", "NVIDIA H100"):
        with pytest.raises(BadInput) as refused:
            load_target(text, reasoner().store, "--target")
        assert "eos-h100" in refused.value.nearest and refused.value.where == "--target"


def test_what_describes_a_machine_is_no_trait_of_a_workload() -> None:
    for text in ("gpu", "Hopper", "several accelerators", "sit:Cpu"):
        with pytest.raises(BadInput, match=r"situation of a machine: .*describe the machine") as refused:
            reasoner().plan(
                complete_workload("job", {"traits": [text]}, "job.yaml"),
                load_target("genoa-node", reasoner().store),
            )
        assert refused.value.where == "job.yaml: key 'traits'"


def test_every_situation_is_said_of_somebody() -> None:
    query = """SELECT ?situation (COUNT(?kind) AS ?kinds) WHERE { ?situation a on:Situation .
        OPTIONAL { VALUES ?kind { on:WorkloadTrait on:MachineSituation on:JointSituation } ?situation a ?kind } } GROUP BY ?situation"""
    rows = reasoner().store.select(query)
    assert len(rows) > 30 and {row["kinds"] for row in rows} == {"1"}


def test_one_name_of_two_things_is_told() -> None:
    things = Vocabulary(
        [Entry("urn:one", "a-b"), Entry("urn:two", "a_b"), Entry("urn:three", "c", ("A label",))]
    )
    assert things.find("a-b", "here", "thing").iri == "urn:one"
    assert things.find("a label", "here", "thing").name == "c"
    with pytest.raises(BadInput, match="'A B' may mean several things; expected a-b or a_b"):
        things.find("A B", "here", "thing")


# ---- files


def written(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def test_traits_are_added_to_inherited_ones_or_taken_away(tmp_path: Path) -> None:
    def traits(text: str) -> Any:
        return load_workload(
            written(tmp_path, "job.yaml", f"extends: ResNet50\n{text}"), reasoner().store
        ).facts["traits"]

    assert traits("") == ["convolutional", "deep-convolutional", "training"]
    assert traits("traits: [Dynamic shapes, training]") == [
        "convolutional",
        "deep-convolutional",
        "dynamic-shapes",
        "training",
    ]
    assert traits("traits: [inference]\nwithout_traits: [TRAINING]") == [
        "convolutional",
        "deep-convolutional",
        "inference",
    ]
    with pytest.raises(BadInput, match="key 'without_traits': 'dense' is not inherited"):
        traits("without_traits: [dense]")
    with pytest.raises(BadInput, match=r"key 'extends': unknown workload 'resnet51'.*'resnet50'"):
        load_workload(written(tmp_path, "job.yaml", "extends: resnet51"), reasoner().store)


def test_a_file_may_start_from_a_file(tmp_path: Path) -> None:
    written(tmp_path, "base.yaml", "extends: mlp\nparameters: {batch: 7}\n")
    job = load_workload(
        written(tmp_path, "job.yaml", "extends: base.yaml\ntraits: [tiny]\n"), reasoner().store
    )
    assert job.facts["parameters"]["batch"] == 7 and job.facts["traits"] == ["dense", "tiny", "training"]
    written(tmp_path, "base.yaml", "extends: job.yaml\n")
    with pytest.raises(BadInput, match=r"'job\.yaml' extends this file"):
        load_workload(str(tmp_path / "job.yaml"), reasoner().store)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("job.yaml", "traits: [dense]\ntraits: [training]\n"),
        ("job.json", '{"traits": ["dense"], "traits": []}'),
    ],
)
def test_a_key_that_is_given_twice_is_refused(name: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=rf"{name}.*key 'traits' is given more than once"):
        load_workload(written(tmp_path, name, text))


def test_the_example_of_the_how_to_is_worth_what_it_promises(tmp_path: Path) -> None:
    text = "framework: pytorch\ntraits: [{}]\nparameters: {{batch: 64}}\n"
    target = load_target("zen5-virtual", reasoner().store)
    with_traits, without = (
        reasoner().plan(
            load_workload(written(tmp_path, "job.yaml", text.format(traits)), reasoner().store), target
        )
        for traits in ("training, convolutional", "")
    )
    assert (
        with_traits.prediction["vs_default"]["value"] > 2.5 > (without.prediction["vs_default"]["value"] or 0)
    )
    assert with_traits.option("precision") == "bf16"


# ---- the command line


def refused(ended: tuple[int, str, str]) -> dict[str, Any]:
    """The error object of a command that was refused; stderr has its message in one line."""
    code, out, err = ended
    error: dict[str, Any] = json.loads(out)["error"]
    assert code == error["exit_code"] == 2
    assert err == f"error: {error['message']}\n"
    return error


def test_an_error_is_an_object_where_json_is_asked_for(ontune: Any) -> None:
    for words, where, given, nearest in (
        (("--framework", "pytoch"), "--framework", "pytoch", ["pytorch"]),
        (("--pin", "precision=bf61"), "--pin", "bf61", ["bf16"]),
        (("--forbid", "tcmaloc"), "--forbid", "tcmaloc", ["tcmalloc"]),
        (("--site", "lumy"), "--site", "lumy", ["lumi"]),
        (("-t", "eos-h10"), "--target", "eos-h10", ["eos-h100"]),
        (("--objective", "throughptu"), "--objective", "throughptu", ["throughput"]),
        (("--set", "cpu.vendor=Intle"), "cpu.vendor", "Intle", ["GenuineIntel"]),
        (("--gpu", "h100"), "ontune plan", "--gpu", ["--target"]),
        (("--bf16",), "ontune plan", "--bf16", ["--pin"]),
        (("--worklaod", "mlp"), "ontune plan", "--worklaod", ["--workload"]),
    ):
        target = () if "-t" in words else ("-t", "genoa-node")
        error = refused(ontune("plan", "-w", "mlp", *target, *words, "--format", "json"))
        assert (error["where"], error["given"], error["nearest"]) == (where, given, nearest)
    assert refused(ontune("plam", "--format=json"))["nearest"] == ["plan"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-w", "torch"), "unknown workload 'torch' (that is a framework: name it by --framework, "),
        (("-w", "keras"), "unknown workload 'keras' (that is a framework: name it by --framework, "),
        (
            ("-w", "H100"),
            "unknown workload 'H100' (that is an accelerator: name a machine that has it by -t, ",
        ),
        (("-w", "eos-h100"), "unknown workload 'eos-h100' (that is a target: name it by -t)"),
        (("-w", "convolutional"), "unknown workload 'convolutional' (that is a trait of a workload: "),
        (("-w", "mlp", "-t", "resnet50"), "unknown target 'resnet50' (that is a workload: name it by -w)"),
        (("-w", "mlp", "-t", "pytorch"), "unknown target 'pytorch' (that is a framework: "),
    ],
)
def test_what_stands_in_the_wrong_place_is_said_to_be_what_it_is(
    words: tuple[str, ...], said: str, ontune: Any
) -> None:
    assert said in ontune("plan", *words)[2]


def test_other_failures_are_objects_too(ontune: Any) -> None:
    words = (
        "plan",
        "-w",
        "mnist-cnn",
        "-t",
        "genoa-node",
        "--pin",
        "framework=pytorch",
        "--pin",
        "compiler=tf-graph",
        "--format",
        "JSON",
    )
    code, out, _ = ontune(*words)
    assert code == json.loads(out)["error"]["exit_code"] == 3
    assert "Smallest ways out" in json.loads(out)["error"]["message"]


@pytest.mark.parametrize(
    ("words", "flag"),
    [
        (("plan", "-t", "local", "-t", "eos-h100"), "-t"),
        (("plan", "--objective", "throughput", "--objective=time"), "--objective"),
        (("plan", "--top", "1", "--top", "1"), "--top"),
        (("probe", "--format", "json", "--format", "table"), "--format"),
        (("recipe", "-o", "a", "--output", "b"), "-o"),
        (("kb", "export", "-o", "a", "-o", "b"), "-o"),
        (("bench", "x", "--rounds", "1", "--rounds", "2"), "--rounds"),
        (("plan", "--pin", "precision=fp32", "--pin", "precision=bf16", "-w", "mlp"), "--pin"),
        (("probe", "--set", "cpu.cores=1", "--set", "cpu.cores=2"), "--set"),
    ],
)
def test_an_option_of_one_value_is_not_given_twice(ontune: Any, words: tuple[str, ...], flag: str) -> None:
    code, out, err = ontune(*words)
    assert code == 2 and "given more than once" in out + err and f"error: {flag}: " in err


def test_two_wishes_for_one_decision_are_told(ontune: Any) -> None:
    words = ("plan", "-w", "mlp", "-t", "genoa-node", "--framework", "torch")
    assert ontune(*words, "--pin", "framework=PyTorch", "--format", "json")[0] == 0
    assert refused(ontune(*words, "--pin", "framework=jax", "--format", "json"))["where"] == "--framework"
    assert (
        "Precision is asked to be" in ontune(*words, "--pin", "precision=bf16", "--pin", "Precision=fp32")[2]
    )


def test_what_leads_to_an_option_leads_to_one_that_is_there(ontune: Any) -> None:
    store = ox.Store()
    store.load(
        path=str(paths.shipped("facts") / "command_line.ttl"), format=ox.RdfFormat.TURTLE, base_iri="file:"
    )
    helped = {command: ontune(command, "--help")[1] for command in ("plan", "recipe", "probe")}
    words: dict[str, str] = {}
    for quad in store.quads_for_pattern(None, ox.NamedNode(PREFIXES["skos"] + "notation"), None, None):
        assert isinstance(quad.object, ox.Literal)
        option = quad.object.value
        if option.startswith("-"):
            assert any(f"{option} " in text for text in helped.values()), option
        else:
            assert f"Usage: ontune {option} " in ontune(*option.split(), "--help")[1], option
        for led in store.quads_for_pattern(
            quad.subject, ox.NamedNode(PREFIXES["skos"] + "hiddenLabel"), None, None
        ):  # type: ignore[arg-type]
            word = folded(getattr(led.object, "value", ""))
            assert words.setdefault(word, option) == option, f"{word} leads to two options"


@pytest.mark.parametrize(
    ("words", "where", "meant"),
    [
        ("lint x", "ontune", "recipe lint"),
        ("kb rm x", "ontune kb", "kb remove"),
        ("kb remov x", "ontune kb", "remove"),
        ("add x", "ontune", "kb add"),
    ],
)
def test_a_command_of_another_name_leads_to_the_one_that_is_meant(
    words: str, where: str, meant: str, ontune: Any
) -> None:
    error = refused(ontune(*words.split(), "--format", "json"))
    assert (error["where"], error["given"], error["nearest"]) == (where, words.split()[-2], [meant])


def test_a_plan_file_with_a_wrong_name_is_refused_with_its_key(ontune: Any, tmp_path: Path) -> None:
    """Whoever writes a request by hand, its identifier too, is told what names in it mean nothing."""
    plan = (
        reasoner()
        .plan(load_workload("mlp", reasoner().store), load_target("genoa-node", reasoner().store))
        .to_json()
    )
    plan["workload"]["traits"] = plan["request"]["workload"]["traits"] = ["dens"]
    plan["plan_id"] = plan_id(plan["request"], plan["knowledge"])
    error = refused(
        ontune(
            "explain",
            "precision",
            "--plan",
            written(tmp_path, "plan.json", json.dumps(plan)),
            "--format",
            "json",
        )
    )
    assert error["where"].endswith("plan.json: request: workload: key 'traits'") and error["nearest"] == [
        "dense"
    ]


def test_a_modak_request_is_read_by_the_same_names(tmp_path: Path) -> None:
    def read(framework: str, scheduler: str, site: str) -> Any:
        training = {"config": {"ai_framework": framework}}
        request = {
            "target": {"name": site, "job_scheduler_type": scheduler},
            "application": {"executable": "python3", "arguments": "train.py"},
            "optimisation": {"app_type": "ai_training", "app_type-ai_training": training},
        }
        found = read_request(
            Path(written(tmp_path, "job.json", json.dumps({"job": request}))), reasoner().store
        )
        return found.framework, found.scheduler, found.target, found.workload.facts["traits"]

    spelt = (
        ("pytorch", "torque", "sodalite-testbed"),
        ("PyTorch", "PBS Pro", "SODALITE_Testbed"),
        ("torch", "OpenPBS", "site:sodalite-testbed"),
    )
    assert {json.dumps(read(*words)) for words in spelt} == {
        json.dumps(("pytorch", "pbs", "sodalite-testbed", ["training"]))
    }
    with pytest.raises(BadInput, match=r"ai_framework: 'pytroch' is not known.*did you mean 'pytorch'"):
        read("pytroch", "slurm", "")
    with pytest.raises(
        BadInput, match=r"job_scheduler_type: unknown scheduler 'slrum'.*did you mean 'slurm'"
    ):
        read("torch", "slrum", "")
