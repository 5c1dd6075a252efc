"""Hostile texts in every field that a user or the knowledge base fills: refused with a message, or carried as
data; nothing else is ever written.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import plans
import pytest

from generators.bundle import files_of, write_bundle
from generators.writers.job import FILES, Job
from kb.errors import BadInput
from kb.records.fact_keys import fact_keys
from kb.records.site import complete_site
from kb.values import replace
from reasoner.answers.plan import Plan

COMMANDS = (
    "touch CANARY",
    "$(touch CANARY)",
    "`touch CANARY`",
    "${IFS}touch${IFS}CANARY",
    "<(touch CANARY)",
    "/bin/sh -c 'touch CANARY'",
)
BREAKS = ("\n", "\r\n", "\r", "\x0b", "\x0c", "\x00", "\x1b", "\x85", "\u2028", "\u2029", "\t")
LEADS = (
    "'",
    '"',
    "\\",
    "\\'",
    '\\"',
    ";",
    "&&",
    "||",
    "|",
    "&",
    "#",
    ")",
    "}",
    "]]",
    "$",
    "!",
    "*",
    "?",
    "~",
    "%",
    "{{",
    "{%",
    "{#",
    "--",
    "-",
    "=",
)
SECTIONS = (
    "%post\n touch CANARY", "%runscript", "%environment\nexport A=1", "#SBATCH --uid=0", "\n#SBATCH --uid=0", "\n#PBS -u root", "Bootstrap: yum",
    "{{ base }}", "{{base}}", "{{ cores }}", "{% raw %}", "{# x #}", "{{ ''.__class__ }}", "{cores}", "{cores}{cores}", "{devices}", "{unknown}",
)  # fmt: skip
PATHS = (
    "../../CANARY",
    "/CANARY",
    "..",
    ".",
    "",
    "~/CANARY",
    "a/../../CANARY",
    "//CANARY",
    "CON",
    "x" * 300,
    "/dev/null",
    "file:///CANARY",
    "./-rf",
)
OPTIONS = (
    "-e",
    "--help",
    "--output=CANARY",
    "-o CANARY",
    "--no-container",
    "-rf /",
    "--bind /:/mnt",
    "-",
    "--",
    "-c",
)
UNICODE = (
    "ünïcödé",
    "数据",
    "🚀",
    "\u202eevil",
    "\ufeffbom",
    "a\u0301",
    "\ud800",
    "\u200b",
    "\uff21",
    "ﬁ",
    "İ",
    "\U0010ffff",
)
LONG = ("a" * 1_000_000, "$(touch CANARY)" * 70_000, "'" * 40_000, "{" * 1_000_000, "\n" * 1_000_000)
NOT_TEXT: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    [],
    ["touch CANARY"],
    {},
    {"a": "$(touch CANARY)"},
    b"bytes",
)
HOSTILE: tuple[Any, ...] = (
    *COMMANDS,
    *(f"a{separator}{command}" for separator in BREAKS for command in COMMANDS),
    *(f"{lead}{command}{lead}" for lead in LEADS for command in COMMANDS[:4]),
    *SECTIONS, *PATHS, *OPTIONS, *UNICODE, *LONG, *NOT_TEXT,
)  # fmt: skip


def in_workload(key: str) -> Callable[[Any], Plan]:
    return lambda text: plans.plan(**{key: text})


def in_application(how: Any, name: str | None, manager: Any = "") -> Callable[[Any], Plan]:
    """A plan with the text as an application's value, or as its name where no name is given."""

    def made(text: Any) -> Plan:
        application = (
            plans.application(how, name, text, manager)
            if name
            else plans.application(how, text, "x", manager)
        )
        return plans.plan("pytorch", "debian-12", plans.taken("more", "hostile", application))

    return made


def _reasoned(source: Any) -> Plan:
    plan = plans.plan()
    reason = replace(plan.decisions[0].reasons[0], sources=(source,))
    return replace(plan, decisions=(replace(plan.decisions[0], reasons=(reason,)), *plan.decisions[1:]))


def _required(**hostile: Any) -> Plan:
    """A plan with a requirement of the script, settled in a hostile way."""
    settled = {"asked": "tqdm", "where": "requirements.txt:1", "written": "tqdm", "because": "", **hostile}
    return replace(plans.plan(script=__file__, requires=["tqdm"]), requirements=(settled,))


FIELDS: dict[str, Callable[[Any], Plan]] = {
    "workload name": in_workload("name"),
    "network": in_workload("network"),
    "parameter name": lambda text: (
        plans.plan(parameters={text: 1}) if isinstance(text, str) else plans.plan(parameters=text)
    ),
    "parameter": lambda text: plans.plan(parameters={"batch": text}),
    "data": in_workload("data"),
    "script": in_workload("script"),
    "script argument": lambda text: plans.plan(script=__file__, arguments=[text]),
    "further files": lambda text: plans.plan(script=__file__, files=[text]),
    "requirement": lambda text: _required(written=text),
    "reason of a requirement": lambda text: _required(because=text),
    "command": lambda text: plans.plan(command=["printf", "%s\\0", text]),
    "build source": lambda text: plans.plan(command=["echo"], build_source=text, build_command="make"),
    "build command": lambda text: plans.plan(command=["echo"], build_command=text),
    "source of a reason": lambda text: _reasoned(text),
    "plan id": lambda text: replace(plans.plan(), plan_id=text),
    "knowledge": lambda text: replace(plans.plan(), knowledge={"sha256": text}),
    "decision": lambda text: plans.plan(
        "pytorch", "debian-12", plans.taken(text, "o", plans.application("env", "A", "1"))
    ),
    "option": lambda text: plans.plan(
        "pytorch", "debian-12", plans.taken("d", text, plans.application("package", "curl", "", "apt"))
    ),
    "variable": in_application("env", "HOSTILE"),
    "variable name": in_application("env", None),
    "system package": in_application("package", None, "apt"),
    "system package version": in_application("package", "curl", "apt"),
    "python package": in_application("package", None, "pip"),
    "python package version": in_application("package", "hostile", "pip"),
    "index": in_application("package", "index", "index"),
    "setting": in_application("code", "hostile"),
    "setting name": in_application("code", None),
    "flag": in_application("flag", "--hostile"),
    "flag name": in_application("flag", None),
    "launcher": in_application("launcher", None),
    "base": in_application("image", "Hostile"),
}


def test_there_are_hostile_values_enough() -> None:
    assert len({repr(text) for text in HOSTILE}) >= 200


def structure(files: dict[str, bytes]) -> dict[str, list[str]]:
    """Of every file, the lines that mean something to its reader whatever stands in them: sections, headers,
    instructions, directives.
    """
    marks = {
        "ontune.def": r"^\s*%\w+|^\w+:.*",
        "Dockerfile": r"^(?!ENV )[A-Z]+ ",
        "job.slurm": r"^#SBATCH --[\w-]+",
        "job.pbs": r"^#PBS -\w+",
        "requirements.txt": r"^-.*",
    }
    return {
        name: re.findall(mark, files[name].decode().replace("\r", "\n"), re.MULTILINE)
        for name, mark in marks.items()
    }


EXPECTED = structure(files_of(plans.plan(), ("apptainer", "dockerfile"), tuple(FILES)))


@functools.cache
def accepted(field: str) -> list[tuple[Any, dict[str, bytes]]]:
    """The hostile texts that a field takes, each with the files that carry it.

    A refusal must be a message for the user.
    """
    taken = []
    for text in HOSTILE:
        try:
            taken.append(
                (text, files_of(FIELDS[field](text), ("apptainer", "dockerfile"), tuple(FILES), bill=False))
            )
        except BadInput as refusal:
            assert len(str(refusal)) < 1000, "a refusal repeats a long text"
            assert str(refusal).isprintable(), f"a refusal repeats what cannot be printed: {refusal!r}"
    return taken


@pytest.mark.parametrize("field", FIELDS)
def test_no_text_adds_a_section_or_a_directive(field: str) -> None:
    for text, files in accepted(field):
        assert structure(files) == EXPECTED, f"{field}: {text!r:.80}"


def assert_parsed(scripts: list[bytes], folder: Path) -> None:
    """Bash parses them, many in one process: as the bodies of functions that are never called."""
    whole = folder / "all.sh"
    whole.write_bytes(
        b"".join(b"f%d() {\n%s\n}\n" % (number, script) for number, script in enumerate(scripts))
    )
    done = subprocess.run(["bash", "-n", whole], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("field", FIELDS)
def test_every_script_stays_a_script(field: str, tmp_path: Path) -> None:
    texts = {
        content
        for _, files in accepted(field)
        for name, content in files.items()
        if name.endswith((".sh", ".slurm", ".pbs"))
    }
    assert_parsed(list(texts), tmp_path)


# A program in the place of Python that says what it was given.
WITNESS = """#!/bin/sh
printf '%s\\0' "HOSTILE=${HOSTILE-}" "$@"
"""


@pytest.mark.parametrize("field", ["parameter", "data", "setting", "variable", "script argument", "command"])
def test_what_is_accepted_arrives_as_it_was(field: str, tmp_path: Path) -> None:
    scenario = tmp_path / "scenario"
    scenario.write_text(WITNESS)
    scenario.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    (home / "usable_cores.sh").write_text("echo 3\n")
    texts = accepted(field)
    assert len(texts) > 20
    for text, files in texts:
        (home / "run.sh").write_bytes(files["run.sh"])
        variables = {"PATH": "/usr/bin:/bin", "ONTUNE_PYTHON": str(scenario)}
        done = subprocess.run(["bash", "run.sh"], cwd=home, capture_output=True, check=False, env=variables)
        assert done.returncode == 0, f"{text!r:.80}: {done.stderr!r}"
        words = done.stdout.decode().split("\0")
        said = str(text).lower() if isinstance(text, bool) else str(text)
        filled = said.replace("{cores}", "3").replace("{devices}", "1")
        carried = {
            "parameter": f"batch={said}",
            "setting": f"hostile={filled}",
            "variable": f"HOSTILE={filled}",
        }
        carried["command"] = said.replace("${IFS}", " \t\n")  # a command's own variables are those of its job
        assert carried.get(field, said) in words or text in (None, [], {}, 0), f"{text!r:.80}"
        assert sorted(path.name for path in home.iterdir()) == ["run.sh", "usable_cores.sh"], (
            f"{text!r:.80} ran a command"
        )


def wish(key: str, text: Any) -> dict[str, Any]:
    return {key: [text] if isinstance(getattr(Job(), key), tuple) else text}


def assert_only_directives(files: dict[str, bytes], text: Any) -> None:
    """Whatever a scheduler reads from a script is a directive of a known form."""
    directives = [
        line
        for name in ("job.slurm", "job.pbs")
        for line in files[name].decode().splitlines()
        if line.startswith(("#SBATCH", "#PBS"))
    ]
    assert all(
        re.fullmatch(r"#(SBATCH --[a-z-]+(=[\w%.:,@|&+-]+)?|PBS -\w [\w:=.,@|&+-]+)", line)
        for line in directives
    ), f"{text!r:.80}"


@pytest.mark.parametrize("key", [field.name for field in dataclasses.fields(Job)])
def test_no_wish_for_a_job_adds_a_directive_or_runs_a_command(key: str, tmp_path: Path) -> None:
    scripts = []
    for text in HOSTILE:
        try:
            files = files_of(plans.plan(), (), tuple(FILES), wish(key, text), bill=False)
        except BadInput:
            continue
        assert_only_directives(files, text)
        scripts += [files[name] for name in FILES.values()]
    assert_parsed(scripts, tmp_path)


# ---- a site's description: every key, at every place where it may stand

SITE_KEYS = [path for path in fact_keys("sites").all_paths() if path not in ("partitions[]", "storage[]")]


def described(path: str, text: Any) -> dict[str, Any]:
    """A site's facts with the text at one key, and what must stand beside it."""
    beside = {"storage[].path": {"class": "local"}, "storage[].class": {"path": "/scratch"}}.get(path, {})
    holder, _, last = path.rpartition(".")
    value = [text] if last.endswith("[]") else text
    if holder.endswith("[]"):
        return {holder[:-2]: [{last: value, **beside}]}
    return (
        {holder: {last[:-2] if last.endswith("[]") else last: value}}
        if holder
        else {last.removesuffix("[]"): value}
    )


@pytest.mark.parametrize("path", [*SITE_KEYS, "name", "iri"])
def test_no_text_in_a_site_adds_a_directive_or_runs_a_command(path: str, tmp_path: Path) -> None:
    plan = plans.plan(
        "pytorch",
        "debian-12",
        plans.taken("data", "staged", plans.application("flag", "stage-data", "node-local")),
        data="/data",
    )
    scripts: list[bytes] = []
    for text in HOSTILE:
        try:
            site = complete_site(described(path, text), "site.yaml")
            files = files_of(
                replace(plan, site=site.to_json()),
                ("apptainer", "dockerfile"),
                tuple(FILES),
                bill=False,
            )
        except BadInput as refusal:
            assert len(str(refusal)) < 1000 and str(refusal).isprintable(), f"{text!r:.80}"
            continue
        assert_only_directives(files, text)
        assert structure(files)["ontune.def"] == EXPECTED["ontune.def"], f"{text!r:.80}"
        scripts += [files[name] for name in (*FILES.values(), "stage.sh")]
        assert all("\n" not in value for value in site.builder_variables().values())
    assert_parsed(scripts, tmp_path)


def test_a_hostile_folder_of_a_site_is_made_and_nothing_else(tmp_path: Path) -> None:
    """What the shape of sites admits as a storage area is a folder's name to the job, whatever it looks like."""
    data, room = tmp_path / "data", tmp_path / "room"
    data.mkdir()
    staged = plans.taken("data", "staged", plans.application("flag", "stage-data", "node-local"))
    plan = plans.plan("pytorch", "debian-12", staged, data=str(data))
    taken = 0
    for text in (*COMMANDS, *(f"{lead}x{lead}" for lead in LEADS), *OPTIONS, *PATHS[:8], *UNICODE):
        shutil.rmtree(room, ignore_errors=True)
        room.mkdir()
        try:
            site = complete_site({"storage": [{"path": f"{room}/{text}", "class": "local"}]}, "site.yaml")
            files = files_of(replace(plan, site=site.to_json()), ("apptainer",), ("bash",), bill=False)
        except BadInput:
            continue
        taken += 1
        for name in ("job.sh", "stage.sh", "ontune.def"):
            (tmp_path / name).write_bytes(files[name])
        (tmp_path / "ontune.sif").touch()
        (tmp_path / "apptainer").write_text(f'#!/bin/sh\n[ "$1" = inspect ] && {plans.LABELS}; exit 0\n')
        (tmp_path / "apptainer").chmod(0o755)
        before = sorted(path.name for path in tmp_path.iterdir())
        subprocess.run(
            ["bash", "job.sh"],
            cwd=tmp_path,
            capture_output=True,
            check=False,
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        )
        assert sorted(path.name for path in tmp_path.iterdir()) == before, f"{text!r}"
        assert not [path for path in tmp_path.rglob("CANARY") if path.is_file()], f"{text!r}"
    assert taken > 20


def test_nothing_is_written_outside_the_folder(tmp_path: Path) -> None:
    room = tmp_path / "room"
    room.mkdir()
    for text in (*COMMANDS, *SECTIONS, *PATHS, *OPTIONS):
        for field in ("workload name", "parameter", "variable"):
            with contextlib.suppress(BadInput):
                write_bundle(FIELDS[field](text), room / "bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["room"]
    assert [path.name for path in room.iterdir()] == ["bundle"]
    assert not [path for path in room.rglob("*CANARY*")]


def test_packages_that_build_are_names_of_packages() -> None:
    """They bring a second stage, so their definition is compared with one of a harmless package."""
    expected = structure(
        files_of(plans.plan(build_packages=["g++"]), ("apptainer", "dockerfile"), tuple(FILES), bill=False)
    )
    for text in HOSTILE:
        try:
            files = files_of(
                plans.plan(build_packages=[text]), ("apptainer", "dockerfile"), tuple(FILES), bill=False
            )
        except BadInput:
            continue
        assert structure(files) == expected, f"{text!r:.80}"
