"""What a script itself requires: read in pip's forms, kept beside the plan's packages or refused with the
reason, never dropped in silence.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from generators.bundle import files_of
from kb.errors import BadInput, NoFeasiblePlan
from kb.records.package_requirements import disjoint, parsed, read_requirements
from kb.records.targets import load_target
from kb.records.workload import complete_workload, load_workload
from reasoner.answers.plan import Plan
from reasoner.reasoner import Reasoner


@cache
def reasoner() -> Reasoner:
    return Reasoner([])


def planned(requires: list[str], target: str = "zen5-virtual", **more: Any) -> Plan:
    """The plan of a convolutional job that requires some packages."""
    facts = {
        "traits": ["Training", "Convolutional"],
        "parameters": {"batch": 8},
        "requires": requires,
        "script": __file__,
    }
    facts |= {key: more.pop(key) for key in ("framework",) if key in more}
    return reasoner().plan(
        complete_workload("job", facts, "job"), load_target(target, reasoner().store), **more
    )


def written(plan: Plan) -> list[str]:
    """The lines of the bundle's requirements that pip reads."""
    text = files_of(plan, (), (), bill=False)["requirements.txt"].decode()
    return [line.partition(" #")[0].strip() for line in text.splitlines() if not line.startswith("#")]


def test_a_file_is_read_as_pip_reads_it(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "more.txt").write_text("scikit_learn[extra] >= 1.0\n")
    lines = [
        "# mine",
        "",
        "Torch>=2  # the plan's",
        "tqdm>=4 , \\",
        "  <5 ; python_version>='3.9'",
        "-r deeper/more.txt",
    ]
    lines.append("--requirement=deeper/more.txt")
    (tmp_path / "requirements.txt").write_text("\n".join(lines))
    assert read_requirements(tmp_path / "requirements.txt") == [
        "Torch>=2  # requirements.txt:3",
        "tqdm>=4 , <5 ; python_version>='3.9'  # requirements.txt:4",
        "scikit_learn[extra] >= 1.0  # deeper/more.txt:1",
        "scikit_learn[extra] >= 1.0  # deeper/more.txt:1",
    ]
    one = parsed("scikit_learn[extra] >= 1.0  # deeper/more.txt:1")
    assert (one.name, one.extras, one.where, str(one.versions)) == (
        "scikit-learn",
        {"extra"},
        "deeper/more.txt:1",
        ">=1.0",
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("--index-url http://evil", "where packages come from is said by the builder's pip configuration"),
        ("--extra-index-url https://download.pytorch.org/whl/cu121", "by the build that the plan takes"),
        ("-f wheels", "where packages come from"),
        ("-c limits.txt", "constraints are not read"),
        ("-e .", "points to a folder that the image does not have"),
        ("--pre", "options of pip are not kept"),
        ("numpy==1.26.4 --hash=sha256:abc", "hashes are those of the bundle's lock"),
        ("numpy --config-settings=a=b", "options of pip are not kept"),
        ("./wheel.whl", "an image is made of released packages"),
        ("tqdm @ https://evil/x.whl", "an image is made of released packages"),
        ("git+https://x/y", "an image is made of released packages"),
        ("clip @ git+https://github.com/x/y@abc", "an image is made of released packages"),
        ("a b", "is not a requirement"),
        ("tqdm>=", "is not a requirement"),
        ("tqdm; $(x)\x00", "cannot be printed"),
        ("-r gone.txt", "no file gone.txt"),
        ("-r requirements.txt", "names itself"),
        ("-r https://x/y.txt", "requirements of another machine"),
    ],
)
def test_a_line_that_cannot_be_kept_is_refused_with_its_place(line: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(f"tqdm\n{line}\n")
    with pytest.raises(BadInput) as refusal:
        read_requirements(tmp_path / "requirements.txt")
    assert str(refusal.value).startswith(f"{tmp_path}/requirements.txt:2: ") and reason in str(refusal.value)


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        (">=2", "<2", True), (">2", "<2.1", False), ("<2", ">=1.22", False), ("==1.26.*", "<2", False), ("~=1.26", "<1.26", True),
        ("!=1.2", "==1.2", True),
        ("", "<2", False), ("==2.1.0", ">=2.1,<2.2", False), ("!=1.22.*,>=1.22", "<2", False), ("==1.*", ">=1.24.3,<=1.24.3", False),
    ],
)  # fmt: skip
def test_ranges_are_compared_by_pythons_rules(one: str, other: str, apart: bool) -> None:
    assert disjoint(parsed(f"x{one}").versions, parsed(f"x{other}").versions) is apart
    assert disjoint(parsed(f"x{other}").versions, parsed(f"x{one}").versions) is apart


def test_a_release_that_is_asked_for_is_taken_and_its_companions_follow() -> None:
    plan = planned(["torch==2.5.1", "torchvision", "torchaudio>=2", "tqdm"])
    assert plan.option("framework_release") == "torch-2.5.1"
    assert written(plan) == [
        "numpy==2.2.6",
        "torch==2.5.1+cpu",
        "torchvision==0.20.1+cpu",
        "torchaudio==2.5.1+cpu",
        "tqdm",
    ]
    assert [one["because"] for one in plan.requirements] == [
        "the plan installs torch 2.5.1+cpu", "the plan installs torchvision 0.20.1+cpu", "the plan installs torchaudio 2.5.1+cpu", "",
    ]  # fmt: skip


def test_a_companion_that_is_pinned_chooses_the_release_and_the_build_is_one() -> None:
    plan = planned(["torchvision==0.20.*"], target="eos-h100", framework="pytorch")
    assert plan.option("framework_release") == "torch-2.5.1"
    torch, vision = (
        next(line for line in written(plan) if line.startswith(name)) for name in ("torch==", "torchvision==")
    )
    assert torch.partition("+")[2] == vision.partition("+")[2] and "+cu" in vision


def test_companions_that_do_not_fit_are_refused_with_both() -> None:
    with pytest.raises(NoFeasiblePlan) as refusal:
        planned(["torch==2.5.1", "torchvision==0.21.0  # requirements.txt:7"], framework="pytorch")
    assert (
        "requirements ask for torchvision==0.21.0 (requirements.txt:7)" in str(refusal.value)
        and refusal.value.exit_code == 3
    )


def test_every_release_of_pytorch_has_its_companions() -> None:
    """A release that is added needs them: without, its torchvision would be whatever is newest."""
    asked = "?r on:releaseOf kb:pytorch ; on:version ?v ; skos:notation ?n . OPTIONAL { ?r on:companion|on:companionOfAnyBuild ?c }"
    found: dict[str, set[str]] = {}
    for row in reasoner().store.select(f"SELECT ?n ?c WHERE {{ {asked} }}"):
        found.setdefault(row["n"], set()).add(row.get("c", "").partition("==")[0])
    assert (
        len(found) > 15
        and {name for name, companions in found.items() if companions != {"torchvision", "torchaudio"}}
        == set()
    )


def test_numpy_that_is_asked_for_chooses_the_release_or_takes_the_place_of_the_plans() -> None:
    assert (
        planned(["numpy>=2"], framework="pytorch").requirements[0]["because"]
        == "the plan installs numpy 2.2.6"
    )
    old = planned(["numpy<2  # requirements.txt:3"], framework="pytorch")
    assert "numpy<2" in written(old) and not any(line.startswith("numpy==") for line in written(old))
    told = {
        "asked": "numpy<2",
        "where": "requirements.txt:3",
        "written": "numpy<2",
        "because": "in the place of numpy 2.2.6",
        "remark": "",
        "compiled": False,
    }
    assert old.requirements[0] == told
    with pytest.raises(
        NoFeasiblePlan, match=r"torch-2\.2\.2 takes numpy<2; the script's requirements ask for numpy>=2"
    ):
        planned(["numpy>=2"], pins={"framework_release": "torch-2.2.2"})


def test_a_users_own_program_is_not_told_to_take_another_framework() -> None:
    """Two of its requirements clash: both are named, of the release that is asked for, and no way out is a
    plan for another framework.
    """
    for requires, said in (
        (["torch==2.2.2", "numpy>=2"], "torch-2.2.2 takes numpy<2"),
        (["torch==2.3.1", "torchvision==0.17.2"], "with torch-2.3.1 goes torchvision==0.18.1"),
    ):
        with pytest.raises(NoFeasiblePlan, match=said) as refusal:
            planned(requires, framework="pytorch")
        assert refusal.value.repair and not any(
            word.startswith("framework=") for way in refusal.value.repair for word in way["add"] or ()
        )
        assert not any(
            "tensorflow" in way["change"] or "wish for" in way["change"] for way in refusal.value.repair
        )


def test_keras_and_numpy_choose_the_release_of_tensorflow() -> None:
    assert planned(["keras<3", "tensorflow"]).option("framework_release") == "tensorflow-2.15.1"
    plan = planned(["tensorflow==2.18.*", "numpy>=2"])
    assert plan.option("framework_release") == "tensorflow-2.18.1"
    assert written(plan) == ["tensorflow-cpu==2.18.1", "numpy>=2"]


def test_a_release_that_nobody_knows_is_bad_input_with_those_that_are() -> None:
    with pytest.raises(BadInput) as refusal:
        planned(["torch==1.9  # requirements.txt:1"])
    assert "requirements.txt:1: no release of torch that is known meets 'torch==1.9'; expected 1.1" in str(
        refusal.value
    )
    # A tool beside the framework is the script's affair.
    assert "torch==1.9" in written(planned(["torch==1.9"], framework="tensorflow"))


def test_the_framework_is_the_one_that_the_requirements_name() -> None:
    assert planned(["tensorflow"]).option("framework") == "tensorflow"
    assert planned(["torch"]).option("framework") == "pytorch"


def test_markers_and_extras_are_kept() -> None:
    plan = planned(
        [
            "numpy<1; python_version<'3'",
            "numpy>=2; sys_platform=='linux'",
            "torch[opt-einsum]>=2",
            "tqdm; platform_machine=='arm'",
        ]
    )
    assert [one["written"] for one in plan.requirements] == [
        "numpy<1; python_version<'3'",
        "",
        "torch[opt-einsum]",
        "tqdm; platform_machine=='arm'",
    ]
    assert "torch[opt-einsum]" in written(plan)


def test_a_plan_remembers_its_requirements_and_one_without_them_writes_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import torch\n")
    (tmp_path / "requirements.txt").write_text("tqdm\n")
    job = [
        "framework: pytorch",
        "script: train.py",
        "traits: [Training]",
        "requirements: requirements.txt",
        "requires: [rich]",
    ]
    (tmp_path / "job.yaml").write_text("\n".join(job))
    workload = load_workload(str(tmp_path / "job.yaml"), reasoner().store)
    assert workload.facts["requires"] == ["tqdm  # requirements.txt:1", "rich"]
    plan = reasoner().plan(workload, load_target("zen5-virtual", reasoner().store))
    (tmp_path / "requirements.txt").unlink()
    again = Plan.from_json(plan.to_json())
    assert written(again)[-2:] == ["tqdm", "rich"]
    with pytest.raises(BadInput, match="says nothing of what becomes of the script's requirements"):
        files_of(Plan.from_json(plan.to_json() | {"requirements": []}), (), ())


@pytest.mark.parametrize(
    "line", ["--index-url=http://evil", "tqdm\nevil", "$(evil)", "x @ file:///etc/passwd"]
)
def test_what_a_plan_file_says_is_written_is_a_requirement(line: str) -> None:
    plan = planned(["tqdm"]).to_json()
    plan["requirements"][0]["written"] = line
    with pytest.raises(BadInput):
        files_of(Plan.from_json(plan), (), ())


# ---- what is known of packages


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "pytorch==2.3  # r.txt:1",
            r"^r.txt:1: pytorch==2.3: the package pytorch only fails when it is installed; expected torch==2.3$",
        ),
        ("PyTorch", r"the package pytorch only fails when it is installed; expected torch$"),
        ("sklearn", "expected scikit-learn"),
        ("tensorflow-gpu>=2.13", "expected tensorflow>=2.13"),
    ],
)
def test_a_package_that_cannot_be_meant_is_refused_with_what_is_meant(line: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        planned([line], framework="pytorch")


@pytest.mark.parametrize(
    ("target", "lines", "said"),
    [
        (
            "zen5-virtual",
            ["torhc==2.5.1", "torchx", "torh", "numpy", "numpi"],
            ["torch", "", "torch", "", ""],
        ),
        ("zen5-virtual", ["pytroch"], ["is torch meant"]),
        ("zen5-virtual", ["glow"], ["meant is no package: GLOW is built from its source"]),
        (
            "eos-h100",
            ["flash-attn", "flash_attn>=2"],
            ["nvcc compiles it, for up to hours", "nothing of this plan brings that (ontune query providers"],
        ),
        ("eos-h100", ["tqdm"], [""]),
    ],
)
def test_what_an_author_should_know_of_a_package_is_said(
    target: str, lines: list[str], said: list[str]
) -> None:
    remarks = [one["remark"] for one in planned(lines, target, framework="pytorch").requirements]
    assert all(
        (words in remark) if words else not remark for words, remark in zip(said, remarks, strict=True)
    ), remarks


def test_where_the_plan_brings_the_compiler_nothing_is_said() -> None:
    wanting = planned(["deepspeed==0.19.8"], "eos-h100", framework="pytorch")
    bringing = planned(
        ["deepspeed==0.19.8"], "eos-h100", framework="pytorch", pins={"distributed": "deepspeed-zero"}
    )
    assert (
        "compiles its operators with nvcc" in wanting.requirements[0]["remark"]
        and not bringing.requirements[0]["remark"]
    )


def test_a_pinned_package_brings_the_release_that_it_was_built_for() -> None:
    plan = planned(["xformers==0.0.29.post3  # r.txt:3"], "eos-h100", framework="pytorch")
    assert plan.option("framework_release") == "torch-2.6.0"
    both = r"^r.txt:3: no version meets both torch==2.6.0, which xformers==0.0.29.post3 takes and torch==2.5.1 \(r.txt:1\); expected one of them"
    with pytest.raises(BadInput, match=both):
        planned(
            ["torch==2.5.1  # r.txt:1", "xformers==0.0.29.post3  # r.txt:3"], "eos-h100", framework="pytorch"
        )
    with pytest.raises(BadInput, match="no version meets both numpy<2 and numpy>=2"):
        planned(["numpy>=2", "numpy<2"])


def test_the_commands_that_remarks_name_exist() -> None:
    from kb.store.query_library import named_query

    remark = planned(["deepspeed"], "eos-h100", framework="pytorch").requirements[0]["remark"]
    assert "(ontune query providers --param capability=device-compiler)" in remark
    found = reasoner().full_store.select(named_query("providers").filled({"capability": "device-compiler"}))
    assert {row["decision"] for row in found} == {"base_image"}
