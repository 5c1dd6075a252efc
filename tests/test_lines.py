"""Every line of a generated file says where it comes from: its options, the request, facts of the target, or
that it is the same in every bundle.
"""

from __future__ import annotations

import itertools
import json
import re
from functools import cache
from pathlib import Path

import plans
import pytest

from generators.bundle import write_bundle
from generators.provenance.lines import WrittenLine, explain, find, lines_of
from kb.errors import BadInput
from kb.records.site import complete_site
from kb.records.targets import load_target
from kb.records.workload import load_workload
from reasoner.answers.plan import Plan
from reasoner.reasoner import Reasoner

COMMENT = re.compile(r"# ([a-z_]+): ([^\s,]+)(, [a-z_]+: [^\s,]+)*$")


@cache
def reasoner() -> Reasoner:
    return Reasoner([])


def planned(workload: str, target: str, **wishes: object) -> Plan:
    store = reasoner().store
    return reasoner().plan(load_workload(workload, store), load_target(target, store), **wishes)


@cache
def some_plans() -> tuple[Plan, ...]:
    made = [plans.plan(framework, base) for framework in plans.FRAMEWORKS for base in plans.BASES]
    return (
        *made,
        planned("mnist-cnn", "zen5-virtual", framework="pytorch"),
        planned("resnet50", "v100-node"),
        planned("transformer", "mi300x-8"),
    )


@cache
def lines(number: int) -> tuple[WrittenLine, ...]:
    return tuple(lines_of(some_plans()[number]))


def of(line: WrittenLine) -> set[str]:
    return {origin.name for origin in line.origins}


@pytest.mark.parametrize("number", range(7))
def test_a_line_with_its_options_in_a_comment_depends_on_them(number: int) -> None:
    named = [(line, match) for line in lines(number) if (match := COMMENT.search(line.text))]
    assert len(named) > 10
    for line, match in named:
        assert f"{match[1]}={match[2]}" in of(line), line


def test_what_differs_between_two_plans_is_explained() -> None:
    """A line that another plan's bundle does not have comes from something. Compared are plans for a CPU, and
    plans for a GPU: what an option leaves away on one of them has no origin in the other."""
    for first, second in [*itertools.permutations(range(5), 2), (5, 6), (6, 5)]:
        others = {(line.file, line.text.strip()) for line in lines(second)}
        unexplained = [
            line
            for line in lines(first)
            if line.text.strip() and (line.file, line.text.strip()) not in others and not line.origins
        ]
        assert not unexplained


def test_lines_of_every_kind_of_file_are_explained_down_to_sources() -> None:
    workload, target = (
        load_workload("mnist-cnn", reasoner().store),
        load_target("zen5-virtual", reasoner().store),
    )
    wanted = {
        "export LD_PRELOAD=libtcmalloc_minimal.so.4": "allocator = tcmalloc",
        "From: docker.io/library/": "base_image = ",
        "--setting precision=bf16": "precision = bf16",
        "ENV LD_PRELOAD=": "allocator = tcmalloc",
        "torch==": "wheel = torch-",
        "need libtcmalloc-minimal4": "allocator = tcmalloc",
    }
    for subject, conclusion in wanted.items():
        proof = explain(reasoner(), subject, workload, target, framework="pytorch")
        assert any(premise["conclusion"].startswith(conclusion) for premise in proof["premises"]), subject
        assert "https://" in json.dumps(proof["premises"])
    cores = explain(reasoner(), "#SBATCH --cpus-per-task=", workload, target)
    assert [premise["conclusion"] for premise in cores["premises"]] == [
        f"target: cpu: usable_cores: {target.facts['cpu']['usable_cores']}"
    ]
    batch = explain(reasoner(), "--parameter batch=128", workload, target)
    assert batch["premises"][0]["by"] == {
        "kind": "request",
        "id": "workload: parameters: batch",
        "sources": [],
    }
    same = explain(reasoner(), "set -euo pipefail", workload, target)
    assert "the same in every bundle" in same["premises"][0]["conclusion"]


def test_a_flag_of_the_container_comes_from_the_options_that_need_the_device() -> None:
    found = find(planned("resnet50", "v100-node"), '("$container" run')
    assert {line.file for line in found} == {"job.sh", "job.slurm", "job.pbs"}
    assert all(
        any(name.startswith("wheel=") or name.startswith("base_image=") for name in of(line))
        for line in found
    )


def test_a_place_names_one_line_as_the_bundle_holds_it(tmp_path: Path) -> None:
    plan = plans.plan()
    bundle = write_bundle(plan, tmp_path / "bundle")
    for name in (
        "ontune.def",
        "Dockerfile",
        "run.sh",
        "install.sh",
        "job.slurm",
        "job.pbs",
        "job.sh",
        "requirements.txt",
    ):
        text = (bundle.folder / name).read_text().splitlines()
        for number in (1, len(text) // 2, len(text)):
            (line,) = find(plan, f"{name}:{number}")
            assert line.text == text[number - 1]
    for place in ("run.sh:9999", "run.sh:0", "run.sh:00"):
        with pytest.raises(BadInput, match=r"run\.sh has \d+ lines; expected run\.sh:1 to"):
            find(plan, place)


def test_what_no_file_holds_is_refused() -> None:
    with pytest.raises(BadInput, match="nothing is known as 'export NOTHING=1'"):
        find(plans.plan(), "export NOTHING=1")
    with pytest.raises(BadInput, match="did you mean 'allocator'"):
        find(plans.plan(), "alocator", ["allocator"])


def test_the_module_of_a_users_script_is_explained(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("print('mine')\n")
    plan = plans.plan("pytorch", "debian-12", network=None, script=str(script), arguments=["--epochs", "3"])
    (line,) = find(plan, "'precision': 'bf16',")
    assert (line.file, of(line)) == ("workload/ontune_settings.py", {"precision=bf16", "workload: script"})
    assert {"workload: script"} <= of(find(plan, '"$python" "$here/workload/"train.py')[0])


def test_a_line_that_the_site_asks_for_is_traced_to_the_site() -> None:
    site = complete_site({"account": "p42", "scheduler": "slurm"}, "test")
    plan = planned("mnist-cnn", "eos-h100", site=site)
    (line,) = find(plan, "#SBATCH --account=p42", [])
    assert "site: account" in of(line)
    found = explain(reasoner(), "#SBATCH --account=p42", plan)
    assert ["p42" in premise["conclusion"] for premise in found["premises"]] == [True]
