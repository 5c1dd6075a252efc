"""Dockerfiles before foreign judges: hadolint's parser judges texts as the reader does, and buildah builds
what is generated, all options in it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import plans
import pytest
from conftest import require

import bench.images.apptainer
from bench.images import site_settings
from bench.images.bases import make_base
from generators.bundle import write_bundle
from generators.read.containerfile import read_dockerfile
from kb.errors import BadInput
from kb.values import replace

ACCEPTED = {
    "base": "FROM debian:12\n",
    "small letters": "from debian:12\nrun true\n",
    "stages": "FROM debian:12 AS build\nRUN true\nFROM debian:12\nCOPY --from=build /a /b\n",
    "an argument before the base": "ARG TAG=12\nFROM debian:${TAG}\n",
    "an argument without a value": "ARG BASE\nFROM ${BASE}\n",
    "comments and blanks": "# syntax=docker/dockerfile:1\n\nFROM debian:12\n  # inside\nRUN true\n",
    "a platform": "FROM --platform=linux/amd64 debian:12\n",
    "scratch": "FROM scratch\nCOPY a /a\n",
    "continued": "FROM debian:12\nRUN a \\\n  b \\\n  c\n",
    "continued over a comment": "FROM debian:12\nRUN a \\\n# why\n  b\n",
    "indented": "  FROM debian:12\n\tRUN true\n",
    "labels": 'FROM debian:12\nLABEL a="b c" d=e\nLABEL f="\\"g\\" \\$h"\n',
    "variables": 'FROM debian:12\nENV A="b" C=d\nENV E f g\n',
    "words as a list": 'FROM debian:12\nENTRYPOINT ["/a", "b c"]\nCMD ["d"]\n',
    "words as a shell": "FROM debian:12\nENTRYPOINT exec a\n",
    "a secret": "FROM debian:12\nRUN --mount=type=secret,id=a,target=/b sh /c\n",
    "more instructions": "FROM debian:12\nMAINTAINER a\nEXPOSE 80/tcp\nADD a b\nVOLUME /a\nUSER a\nWORKDIR /a\nSTOPSIGNAL 9\n",
    "rare instructions": "FROM debian:12\nSHELL [\"a\"]\nHEALTHCHECK NONE\nONBUILD RUN a\n",
    "carriage returns": "FROM debian:12\r\nRUN true\r\n",
    "no end of line": "FROM debian:12\nRUN true",
}  # fmt: skip
REFUSED = {
    "a misspelt instruction": "FROM debian:12\nRUM true\n",
    "words": "hello\n",
    "an instruction of another file": "FROM debian:12\n%post\n",
    "a key": "Bootstrap: docker\nFrom: debian\n",
    "an instruction without its words": "FROM debian:12\nRUN\n",
    "a base without a name": "FROM\n",
    "a copy without a place": "FROM debian:12\nCOPY a\n",
    "a variable without a value": "FROM debian:12\nENV A\n",
    "a label without a value": "FROM debian:12\nLABEL\n",
    "continued into nothing that is an instruction": "FROM debian:12\nRUN a\n  b\n",
}


HERE_DOCUMENT = "FROM debian:12\nRUN <<EOF\necho a\nEOF\nRUN true\n"
"""Accepted by builders (BuildKit among them) and by the reader; hadolint's parser stumbles over the line
behind it.
"""


def hadolint(*files: Path) -> list[dict[str, object]]:
    """What hadolint finds; code DL1000 says that it cannot read a file."""
    program = Path(sys.executable).with_name("hadolint")
    require("hadolint", program.exists() or shutil.which("hadolint"), "make venv-dev")
    command = [program if program.exists() else "hadolint", "--no-fail", "--format", "json", *files]
    return list(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def test_hadolint_judges_as_the_reader_does(tmp_path: Path) -> None:
    for number, text in enumerate((ACCEPTED | REFUSED).values()):
        (tmp_path / f"{number}.Dockerfile").write_bytes(text.encode())
    broken = {
        finding["file"] for finding in hadolint(*sorted(tmp_path.iterdir())) if finding["code"] == "DL1000"
    }
    for number, (case, text) in enumerate((ACCEPTED | REFUSED).items()):
        assert (str(tmp_path / f"{number}.Dockerfile") in broken) == (case in REFUSED), case
        try:
            read_dockerfile(text, case)
        except BadInput:
            assert case in REFUSED, case
        else:
            assert case in ACCEPTED, case


def test_here_documents_are_read() -> None:
    assert [line.section for line in read_dockerfile(HERE_DOCUMENT, "x")] == ["from", "run", "run", "run"]


@pytest.mark.parametrize("framework", plans.FRAMEWORKS)
@pytest.mark.parametrize("base", plans.BASES)
def test_hadolint_finds_nothing(framework: str, base: str, tmp_path: Path) -> None:
    bundle = write_bundle(plans.plan(framework, base, name='it\'s $(odd) "name" \\'), tmp_path / "bundle")
    assert hadolint(bundle.folder / "Dockerfile") == []


@pytest.fixture
def buildah(tmp_path: Path) -> Iterator[list[str]]:
    """The beginning of a command of buildah that keeps everything in this test's folder."""
    require("buildah", shutil.which("buildah"))
    mounting = [
        "--storage-driver",
        "overlay",
        "--storage-opt",
        "overlay.mount_program=/usr/bin/fuse-overlayfs",
    ]
    command = ["buildah", "--root", str(tmp_path / "storage"), "--runroot", str(tmp_path / "run"), *mounting]
    yield command
    for leftover in ("rm", "rmi"):
        subprocess.run([*command, leftover, "--all"], capture_output=True, check=False)


def does(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


SCRIPT = """
import json, os, pathlib, sys, tomli
maps = pathlib.Path("/proc/self/maps").read_text()
print(json.dumps({"tcmalloc": "libtcmalloc" in maps, "threads": os.environ["OMP_NUM_THREADS"], "prefix": sys.prefix, "arguments": sys.argv[1:]}))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="buildah mounts as root here")
def test_buildah_builds_what_is_generated(buildah: list[str], tmp_path: Path) -> None:
    """System and Python packages, variables, labels and the entry point of a user's own script; the base
    stands in for the registry's image.
    """
    require("a base", bench.images.apptainer.find())
    base = does(*buildah, "from", "scratch").strip()
    does(*buildah, "copy", "--quiet", base, make_base("bookworm"), "/")
    does(*buildah, "commit", "--quiet", base, "localhost/base")
    (tmp_path / "train.py").write_text(SCRIPT)
    small = plans.taken("wheel", "small", plans.application("package", "tomli", "2.0.1", "pip"))
    plan = plans.plan(
        "pytorch", "debian-12", network=None, script=str(tmp_path / "train.py"), arguments=["it's"]
    )
    plan = replace(
        plan, decisions=tuple(small if taken.decision == "wheel" else taken for taken in plan.decisions)
    )
    bundle = write_bundle(plan, tmp_path / "bundle")
    (tmp_path / "environment.sh").write_text(site_settings.as_script())
    secret = f"id=environment,src={tmp_path}/environment.sh"
    told = [
        "--isolation",
        "chroot",
        "--build-arg",
        "BASE=localhost/base",
        "--secret",
        secret,
        "--tag",
        "localhost/made",
    ]
    try:
        does(*buildah, "bud", *told, bundle.folder)
    finally:  # this isolation lends the machine's own memory, where others give each step its own
        shutil.rmtree(site_settings.IN_MEMORY, ignore_errors=True)
    image = json.loads(does(*buildah, "inspect", "--type", "image", "localhost/made"))["OCIv1"]["config"]
    assert (
        image["Entrypoint"] == ["/opt/ontune/run.sh"]
        and "LD_PRELOAD=libtcmalloc_minimal.so.4" in image["Env"]
    )
    assert (
        image["Labels"]["ontune.plan-id"] == plan.plan_id
        and image["Labels"]["org.opencontainers.image.title"] == "mnist-cnn (pytorch)"
    )
    made = does(*buildah, "from", "localhost/made").strip()
    said = does(*buildah, "run", "--isolation", "chroot", made, "--", *image["Entrypoint"], "--more")
    cores = does("sh", bundle.folder / "usable_cores.sh").strip()
    assert json.loads(said) == {
        "tcmalloc": True,
        "threads": cores,
        "prefix": "/opt/ontune/venv",
        "arguments": ["it's", "--more"],
    }
    left = does(
        *buildah,
        "run",
        "--isolation",
        "chroot",
        made,
        "--",
        "sh",
        "-c",
        "ls -A /mnt; cat /etc/apt/apt.conf.d/* | grep -c Sandbox || true",
    )
    assert left.split() == ["ontune", "0"] or left.split() == ["0"]
