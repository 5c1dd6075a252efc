"""Jobs for PBS in both dialects: the directives that each understands, and several nodes and modules in the
bare environment that a task gets.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import plans
import pytest
from test_generators import MODULE, TORCHRUN, stub, written

from generators.bundle import write_bundle
from generators.writers.job import Job
from kb.values import replace

# What each dialect's qsub takes, as its manual says: the options of a directive line, and the forms of a list
# of resources behind -l.
_SIZE, _TIME = r"\d+[kmgt]?b", r"\d+:\d\d:\d\d"
OPTIONS = {"nodes": "N o e l q A t", "select": "N o e l q A J"}
RESOURCES = {
    "nodes": (r"nodes=\d+:ppn=\d+(:gpus=\d+)?", rf"mem={_SIZE}", rf"walltime={_TIME}"),
    "select": (
        rf"select=\d+:ncpus=\d+:mpiprocs=\d+(:ngpus=\d+)?(:mem={_SIZE})?",
        r"place=scatter(:excl)?",
        rf"walltime={_TIME}",
    ),
}
ARRAYS = {"nodes": r"\d+(-\d+)?(,\d+(-\d+)?)*(%\d+)?", "select": r"\d+-\d+"}
WISHES: tuple[dict[str, object], ...] = (
    {},
    {"nodes": 2, "gpus": 4, "memory_gib": 8, "queue": "fast", "account": "p42", "time": "1-00:30:00"},
    {
        "nodes": 3,
        "tasks_per_node": 2,
        "exclusive": True,
        "array": "0-7",
        "name": "a-name-of-more-than-15-signs",
        "modules": ["apptainer/1.4"],
    },
)


@pytest.mark.parametrize("dialect", OPTIONS)
@pytest.mark.parametrize("wishes", WISHES, ids=str)
def test_every_directive_is_one_of_the_dialect(dialect: str, wishes: dict[str, object]) -> None:
    script = written(plans.plan(), **{**wishes, "resource_syntax": dialect})["job.pbs"]
    directives = re.findall(r"^#PBS (.*)", script, re.MULTILINE)
    for directive in directives:
        option, _, value = directive.removeprefix("-").partition(" ")
        assert directive.startswith("-") and option in OPTIONS[dialect].split() and value, directive
        if option == "l":
            assert any(re.fullmatch(form, value) for form in RESOURCES[dialect]), directive
        elif option in ("t", "J"):
            assert re.fullmatch(ARRAYS[dialect], value), directive
        elif option == "N":
            assert re.fullmatch(r"[A-Za-z]\S{0,14}", value), directive
    named = [directive.split()[0] for directive in directives if not directive.startswith("-l ")]
    assert len(named) == len(set(named)), "asked for once"
    body = script.partition("\nset -euo")[2]
    assert "#PBS" not in body, "directives end at the first command"


@pytest.mark.parametrize(
    ("where", "dialect"),
    [("torque", "nodes"), ("pbspro", "select"), ("openpbs", "select"), ("pbs", "nodes"), (None, "nodes")],
)
def test_the_scheduler_says_which_dialect(where: str | None, dialect: str) -> None:
    plan = plans.plan()
    on_target = replace(plan, target={**plan.target, "scheduler": where})
    at_site = replace(plan, site={"scheduler": where} if where else {})
    assert {Job.for_plan(one).resource_syntax for one in (on_target, at_site)} == {dialect}
    other = {"nodes": "select", "select": "nodes"}[dialect]
    stated = replace(at_site, site={**at_site.site, "resource_syntax": other})
    assert Job.for_plan(stated).resource_syntax == other
    assert Job.for_plan(at_site, {"resource_syntax": other}).resource_syntax == other


# Runs a task as pbsdsh does: on the node of one line of the list, with hardly any environment.
PBSDSH = """[ "$1 $3" = "-n --" ] || exit 64
node=$(sed -n "$(($2 + 1))p" "$PBS_NODEFILE"); shift 3
exec env -i PBS_JOBID="$PBS_JOBID" PBS_TASKNUM=7 PBS_NODENUM=1 HOSTNAME="$node" "$@\""""
SAYS = """echo "$HOSTNAME task $PBS_TASKNUM of $ONTUNE_NODES at $ONTUNE_HEAD:$ONTUNE_PORT $MODULE_LOADED $*"
[ "${ONTUNE_FAILS:-}" != "$HOSTNAME" ]"""


def on_two_nodes(folder: Path, dialect: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The job of a bundle on two nodes with two lines each, started as PBS starts it; the site's modules are
    brought by a file only.
    """
    wishes = {"nodes": 2, "resource_syntax": dialect, "module_paths": [str(folder / "modules")]}
    bundle = write_bundle(
        plans.plan("pytorch", "debian-12", MODULE, TORCHRUN), folder / "bundle", wishes=wishes
    )
    (folder / "nodes").write_text("node1\nnode1\nnode2\nnode2\n")
    (folder / "init").mkdir()
    (folder / "init" / "bash").write_text(
        'module() { [ "$1" != load ] || export MODULE_LOADED="$2:$UNSET_IS_NO_ERROR"; }\n'
    )
    stub(folder / "pbsdsh", PBSDSH)
    stub(folder / "torchrun", SAYS)
    stub(folder / "python3", "exit 0")
    given = {
        "PATH": f"{folder}:/usr/bin:/bin",
        "PBS_JOBID": "123.head",
        "PBS_NODEFILE": str(folder / "nodes"),
        "MODULESHOME": str(folder),
    }
    given |= {
        "PBS_O_WORKDIR": str(folder),
        "ONTUNE_BUNDLE": str(bundle.folder),
        "PBS_NODENUM": "0",
        "PBS_TASKNUM": "1",
        **variables,
    }
    command = [str(shutil.which("bash")), str(bundle.folder / "job.pbs"), "--windows", "2"]
    return subprocess.run(command, env=given, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("dialect", OPTIONS)
def test_several_nodes_run_once_each_from_a_bare_environment(dialect: str, tmp_path: Path) -> None:
    done = on_two_nodes(tmp_path, dialect)
    assert done.returncode == 0, done.stderr
    told = sorted(line.partition(" --no-python")[0] for line in done.stdout.splitlines())
    assert told == [f"{node} task 7 of 2 at node1:20123 pytorch/2.5:" for node in ("node1", "node2")]
    assert all(line.endswith("--windows 2") for line in done.stdout.splitlines())
    assert not list(tmp_path.glob(".ontune-*"))


def test_a_node_that_fails_fails_the_job(tmp_path: Path) -> None:
    done = on_two_nodes(tmp_path, "select", ONTUNE_FAILS="node2")
    assert done.returncode == 4 and "node node2 has ended with exit code 1" in done.stderr
    assert not list(tmp_path.glob(".ontune-*"))


def test_fewer_nodes_than_asked_for_are_no_success(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("node1\nnode1\n")
    done = on_two_nodes(tmp_path, "nodes", PBS_NODEFILE=str(tmp_path / "one"))
    assert done.returncode == 4 and "the job has 1 nodes, and asked for 2" in done.stderr


def test_a_place_without_modules_is_told(tmp_path: Path) -> None:
    done = on_two_nodes(tmp_path, "nodes", MODULESHOME=str(tmp_path / "none"))
    assert done.returncode == 4 and "there is no command 'module' here" in done.stderr
