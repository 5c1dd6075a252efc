"""Linting: every rule fires on a case and keeps quiet on another, and nothing that is read is run.

The grammar: `test_definition.py`.
"""

from __future__ import annotations

import time
from pathlib import Path

import plans
import pytest
from conftest import ROOT

from generators.bundle import write_bundle
from generators.read.containerfile import read_dockerfile
from generators.read.lint import lint
from kb.errors import BadInput
from ontune.cli import main

BASE = "Bootstrap: docker\nFrom: debian:12\n"

# For each rule, a recipe that it fires on and one that it does not.
RULES = {
    "base-tag-moves": ("Bootstrap: docker\nFrom: debian\n", BASE),
    "base-without-digest": (BASE, f"Bootstrap: docker\nFrom: debian:12@sha256:{'ab' * 32}\n"),
    "remote-code-run": (
        BASE + "%post\n curl -sL https://x | sudo bash -s\n",
        BASE + "%post\n curl -o x https://x; sha256sum -c sums; bash x\n",
    ),
    "transport-unchecked": (
        BASE + "%post\n wget -q --no-check-certificate https://x\n",
        BASE + "%post\n wget https://x\n",
    ),
    "python-package-unpinned": (
        BASE + "%post\n pip install -q torch\n",
        BASE + "%post\n pip3 install -r r torch==2.4 'numpy==2.0' && echo a\n",
    ),
    "source-unpinned": (
        BASE + "%post\n git clone https://x/y\n",
        BASE + "%post\n git clone https://x/y\n cd y && git checkout abc\n",
    ),
    "tuned-for-the-builder": (
        BASE + "%post\n gcc -march=native x.c\n",
        BASE + "%post\n gcc -march=native x.c\n%labels\n isa x86-64-v3\n",
    ),
    "cuda-base-against-wheel": (
        "FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\nRUN pip install torch==2.4 --index-url https://x/whl/cu118\n",
        "FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\nRUN pip install torch==2.4 --index-url https://x/whl/cu121\n",
    ),
    "deepspeed-without-nvcc": (
        "FROM pytorch/pytorch:2.6.0-cuda12.4-cudnn9-runtime\nRUN pip install --no-cache-dir deepspeed==0.16.4\n",
        "FROM pytorch/pytorch:2.6.0-cuda12.4-cudnn9-devel\nRUN pip install --no-cache-dir deepspeed==0.16.4\n",
    ),
    "secret-in-recipe": (
        BASE + "%environment\n export API_KEY=abcdef123\n",
        BASE + "%environment\n export API_KEY=$API_KEY\n",
    ),
    "variable-lost": ("FROM debian:12\nRUN export A=1\n", "FROM debian:12\nRUN export A=1; make\n"),
    "package-lists-left": (
        BASE + "%post\n apt-get -q update\n",
        BASE + "%post\n apt-get update\n rm -rf /var/lib/apt/lists/*\n",
    ),
    "test-missing": (BASE, BASE + "%test\n true\n"),
    "misleading-package-name": (
        BASE + "%post\n pip install -q numpy==2.0 'tvm>=1'\n",
        BASE + "%post\n pip install apache-tvm==0.27 tvm-ffi==1\n",
    ),
    "site-variable-in-image": (
        "FROM debian:12\nENV NCCL_IB_HCA=mlx5_0\n",
        "FROM debian:12\nENV NCCL_NVLS_ENABLE=0\nRUN NCCL_IB_HCA=mlx5_0 ./test\n",
    ),
    "debugging-variable-in-image": (
        BASE + "%environment\n export NCCL_P2P_DISABLE=1\n",
        BASE + "%environment\n export XLA_FLAGS=--xla_gpu_autotune_level=4\n",
    ),
    "labels-missing": (BASE, "FROM debian:12\nLABEL a=b\n"),
    "install-asks": (BASE + "%post\n apt-get -q install git\n", BASE + "%post\n apt-get -q -y install git\n"),
    "python-package-in-home": (
        BASE + "%post\n pip3 install --user numpy==2.0\n",
        BASE + "%post\n pip3 install numpy==2.0\n",
    ),
    "home-at-run-time": (
        BASE + "%environment\n export PATH=/root/miniconda3/bin:$PATH\n",
        BASE
        + "%post\n PATH=/root/miniconda3/bin:$PATH make\n%environment\n export PATH=/opt/miniconda3/bin:$PATH HOME=/home/me\n",
    ),
    "sudo-in-build": (
        BASE + "%post\n sudo make install\n",
        BASE + "%setup\n sudo make\n%post\n make install\n",
    ),
    "folder-lost": (
        "FROM debian:12\nRUN cd /opt/src\nRUN make\n",
        "FROM debian:12\nRUN cd /opt/src && make\n",
    ),
    "package-cache-left": (
        "FROM rockylinux:9\nRUN dnf -y install git\n",
        "FROM rockylinux:9\nRUN dnf -y install git && dnf clean all\n",
    ),
    "pip-cache-left": (
        BASE + "%post\n pip install numpy==2.0\n",
        BASE + "%post\n pip install --no-cache-dir numpy==2.0\n",
    ),
    "signals-not-passed-on": (
        "FROM debian:12\nENTRYPOINT python train.py\n",
        'FROM debian:12\nENTRYPOINT ["python", "train.py"]\n',
    ),
}


FROM = "FROM debian:12\n"

# What is valid or harmless, from recipes that people published; none of it is a finding of the rule that it
# once was.
HARMLESS = {
    "an account without a password": ("secret-in-recipe", FROM + "RUN adduser --disabled-password --gecos '' user1\n"),
    "and with the name behind": ("secret-in-recipe", FROM + "RUN adduser --disabled-password user1 && passwd -d root\n"),
    "sudo without asking": ("secret-in-recipe", FROM + "RUN sed -i -e 's| ALL$| NOPASSWD: ALL|' /etc/sudoers\n"),
    "a switch of a library": ("secret-in-recipe", FROM + "ENV TOKENIZERS_PARALLELISM=false HF_TOKENIZERS=abcd MAX_TOKEN=4096 PAD_TOKEN=0000\n"),
    "no password for a database": ("secret-in-recipe", FROM + "ENV MYSQL_ALLOW_EMPTY_PASSWORD=yes-please\n"),
    "a secret of the build": ("secret-in-recipe", FROM + "RUN --mount=type=secret,id=token HF_TOKEN=$(cat /run/secrets/token) ./fetch\n"),
    "a path to one": ("secret-in-recipe", FROM + "ENV API_KEY=/run/secrets/key\n"),
    "an argument without a value": ("secret-in-recipe", FROM + "ARG GITHUB_TOKEN\nRUN git clone https://${GITHUB_TOKEN}@github.com/a/b -b v1\n"),
    "a comment on a secret": ("secret-in-recipe", BASE + "%post\n echo a # never write password=hunter2 here\n"),
    "the package of its time": ("misleading-package-name", FROM + "RUN pip install tensorflow-gpu==2.1\n"),
    "and below a bound": ("misleading-package-name", FROM + 'RUN pip install "tensorflow-gpu>=1.7,<1.8"\n'),
    "a package in a comment": ("misleading-package-name", BASE + "%post\n true # not: pip install tvm\n"),
    "a folder of that name": ("misleading-package-name", FROM + "RUN pip install -v --no-cache-dir ./apex glow/\n"),
    "settings of a build": ("python-package-unpinned", FROM + 'RUN pip install --config-settings "--build-option=--cpp_ext --cuda_ext" ./apex\n'),
    "the older option": ("python-package-unpinned", FROM + 'RUN pip install --global-option="--cpp_ext" --global-option "--cuda_ext" ./apex\n'),
    "a comment on pip": ("python-package-unpinned", BASE + "%post\n true # pip install torch\n"),
    "what is said": ("python-package-unpinned", FROM + "RUN echo pip install torch && printf 'pip install x'\n"),
    "a bound above": ("python-package-unpinned", FROM + "RUN pip install 'cython<3.0.0' 'numpy~=1.26'\n"),
    "a file of constraints": ("python-package-unpinned", FROM + "RUN pip install -c limits.txt torch torchvision\n"),
    "a folder of wheels": ("python-package-unpinned", FROM + "RUN pip install --no-index --find-links /wheels torch\n"),
    "a wheel with extras": ("python-package-unpinned", FROM + "RUN pip install tritonclient-2.35.0-py3-none-any.whl[all]\n"),
    "a name that xargs gives": ("python-package-unpinned", FROM + "RUN ls *.whl | xargs -I {} pip install {}[all]\n"),
    "an address": ("python-package-unpinned", FROM + "RUN pip install 'clip @ git+https://github.com/a/b@abc' git+https://x/y@v1\n"),
    "values of options": ("python-package-unpinned", FROM + "RUN pip3 --no-cache-dir install --timeout 900 -i https://x/y numpy==1.26\n"),
    "two q answer yes": ("install-asks", FROM + "RUN apt-get install -qq git && apt-get -q -q install make && apt-get -q=2 install gcc\n"),
    "yes behind": ("install-asks", FROM + "RUN DEBIAN_FRONTEND=noninteractive apt-get install --no-install-recommends git --yes\n"),
    "yes before": ("install-asks", FROM + "RUN yes | apt-get install git\n"),
    "yes for all": ("install-asks", FROM + "RUN echo 'APT::Get::Assume-Yes \"true\";' >/etc/apt/apt.conf.d/90yes\nRUN apt-get install git\n"),
    "yes by the word": ("install-asks", FROM + "RUN apt-get -o APT::Get::Assume-Yes=true install git\n"),
    "options that a variable gives": ("install-asks", FROM + "RUN apt-get $APT_OPTIONS install git\n"),
    "a manual": ("install-asks", FROM + "RUN echo apt-get install git; apt-mark hold git; apt-get update; ./apt-install x\n"),
    "yes of another system": ("install-asks", FROM + "RUN dnf -y install git && yum install -y make && zypper -n install gcc\n"),
    "conda, which takes the end of its input for yes": ("install-asks", FROM + "RUN conda install -c conda-forge mpi4py\n"),
    "the home of a user who is there": ("python-package-in-home", FROM + "USER me\nRUN pip install --user numpy==2.0\n"),
    "a builder's home": ("python-package-in-home", "FROM debian:12 AS b\nRUN pip install --user a==1\n" + FROM + "COPY --from=b /root /opt\n"),
    "a home by a variable": ("python-package-in-home", FROM + "ENV PYTHONUSERBASE=/opt/python\nRUN pip install --user numpy==2.0\n"),
    "no home": ("python-package-in-home", FROM + "RUN pip install --no-user --user-agent-of=x numpy==2.0 # --user\n"),
    "another root": ("home-at-run-time", BASE + "%environment\n export A=/opt/root/bin B=/rootfs/x C=/homes/a # /root/x\n"),
    "where root runs it": ("home-at-run-time", FROM + "ENV PATH=/root/.cargo/bin:$PATH\n"),
    "sudo of a user": ("sudo-in-build", FROM + "USER me\nRUN sudo apt-get -y install git\n"),
    "sudo as a package": ("sudo-in-build", FROM + "RUN apt-get -y install sudo && echo 'me ALL=(ALL) ALL' >/etc/sudoers.d/me\n"),
    "caches of the builder": ("pip-cache-left", FROM + "RUN --mount=type=cache,target=/root/.cache pip install a==1\n"),
    "no cache by a variable": ("pip-cache-left", FROM + "ENV PIP_NO_CACHE_DIR=1\nRUN pip install a==1\n"),
    "a cache that is taken away": ("pip-cache-left", FROM + "RUN pip install a==1 && rm -rf /root/.cache\n"),
    "a program that takes the shell's place": ("signals-not-passed-on", FROM + "ENTRYPOINT exec python train.py\n"),
    "a stage's name": ("base-tag-moves", "FROM debian:12 AS build-base\nFROM build-base\n"),
    "in other letters": ("base-tag-moves", "FROM debian:12 as Build\nFROM build\n"),
    "chosen by a variable": ("base-tag-moves", "FROM debian:12 AS for-a\nFROM debian:11 AS for-b\nARG K\nFROM for-${K}\n"),
    "a base by an argument": ("base-tag-moves", "ARG BASE=nvcr.io/nvidia/pytorch:22.04-py3\nFROM ${BASE}\n"),
    "a platform": ("base-tag-moves", "FROM --platform=${BUILDPLATFORM} debian:12\n"),
    "a tag that begins so": ("base-tag-moves", "FROM cargo-chef:latest-rust-1.85.1\n"),
    "a stage's digest": ("base-without-digest", f"FROM debian@sha256:{'ab' * 32} AS a\nFROM a\n"),
    "lists of a builder": ("package-lists-left", "FROM debian:12 AS build\nRUN apt-get update\nFROM debian:12\nCOPY --from=build a b\n"),
    "of a definition's builder": ("package-lists-left", BASE + "Stage: build\n%post\n apt-get update\n" + BASE + "Stage: last\n%post\n true\n"),
    "lists in a cache": ("package-lists-left", FROM + "RUN --mount=type=cache,target=/var/lib/apt/lists apt-get update\n"),
    "cleaned otherwise": ("package-lists-left", FROM + "RUN apt-get update && rm -rf /var/lib/{apt,dpkg,cache}\n"),
    "exported and used": ("variable-lost", FROM + "RUN <<EOF\nexport A=1\nmake\nEOF\n"),
    "a file that exports": ("variable-lost", FROM + "RUN cat <<'EOF' > /etc/profile.d/x.sh\nexport A=1\nEOF\n"),
    "a file that clones": ("source-unpinned", BASE + "%post\n cat > x.sh <<EOF\ngit clone https://x/y\nEOF\n sh x.sh\n"),
    "switched to": ("source-unpinned", FROM + "RUN git clone https://x/y && cd y && git switch --detach v1\n"),
    "JSON that is read": ("remote-code-run", FROM + "RUN curl -s https://x | python3 -c 'import json' && curl -s https://x | python3 -m json.tool\n"),
    "a checksum": ("remote-code-run", FROM + "RUN curl -s https://x | sha256sum -c\n"),
    "a name with k": ("transport-unchecked", FROM + "RUN curl -Lo pkg-k https://x/pkg-k && curl -fsSL https://x/-k\n"),
    "what must not be": ("transport-unchecked", BASE + "%post\n wget https://x # never --no-check-certificate\n"),
    "flags that are named": ("tuned-for-the-builder", FROM + "ENV CC_OPT_FLAGS=-march=haswell\nRUN bazel build --config=opt //x\n"),
    "a builder's switches": ("debugging-variable-in-image", "FROM debian:12 AS test\nENV NCCL_P2P_DISABLE=1\nFROM debian:12\n"),
}  # fmt: skip

# What looks like it and is one.
HARMFUL = {
    "a password": ("secret-in-recipe", FROM + "ENV DB_PASSWORD hunter2hunter2\n"),
    "an option": ("secret-in-recipe", FROM + "RUN ./login --password hunter2hunter2\n"),
    "a token": ("secret-in-recipe", FROM + "ENV HF_TOKEN=hf_abcdefghij\n"),
    "in an address": ("secret-in-recipe", FROM + "RUN git clone https://me:abc123def@x/y -b v1\n"),
    "for root": ("secret-in-recipe", FROM + "RUN echo 'root:hunter2' | chpasswd\n"),
    "the empty package": (
        "misleading-package-name",
        FROM + "RUN python3 -m pip install tensorflow-gpu==2.12.0\n",
    ),
    "or whichever": ("misleading-package-name", FROM + "RUN pip install --upgrade tensorflow_gpu\n"),
    "behind a variable": ("install-asks", FROM + "RUN DEBIAN_FRONTEND=noninteractive apt-get install git\n"),
    "the shorter program": ("install-asks", FROM + "RUN apt update && apt install python3-pip --reinstall\n"),
    "one of two": ("install-asks", FROM + "RUN apt-get install -y git && apt-get install make\n"),
    "by sudo, of another system": ("install-asks", FROM + "RUN sudo -E yum --quiet install git\n"),
    "by python": ("python-package-in-home", FROM + "RUN python3 -m pip --quiet install --user numpy==2.0\n"),
    "in what is run": ("home-at-run-time", BASE + "%runscript\n exec /home/me/venv/bin/python train.py\n"),
    "a quoted name": (
        "python-package-unpinned",
        FROM + 'RUN /opt/venv/bin/pip3.11 install -q "torch" && uv pip install rich\n',
    ),
    "in a here document": ("python-package-unpinned", FROM + "RUN <<EOF\npip install torch\nEOF\n"),
    "lists of a base stage": ("package-lists-left", "FROM debian:12 AS a\nRUN apt-get update\nFROM a\n"),
    "insecure": ("transport-unchecked", FROM + "RUN curl -fsSLk https://x -o y\n"),
    "latest by an argument": ("base-tag-moves", "ARG BASE=debian:latest\nFROM ${BASE}\n"),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_what_is_harmless_is_no_finding(case: str, tmp_path: Path) -> None:
    rule, text = HARMLESS[case]
    assert rule not in rules_of(tmp_path, text)


@pytest.mark.parametrize("case", HARMFUL)
def test_what_only_looks_otherwise_is_one(case: str, tmp_path: Path) -> None:
    rule, text = HARMFUL[case]
    assert rule in rules_of(tmp_path, text)


def test_what_is_newest_is_named_in_its_order(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text(FROM + "RUN pip install numpy==2.0 tqdm rich[jupyter] 'future>=0.17'; pip install six\n")
    found = [smell.text for smell in lint(file) if smell.rule == "python-package-unpinned"]
    assert found == ["pip takes whatever is newest: tqdm rich[jupyter] future>=0.17 six"]


@pytest.mark.parametrize(
    "text",
    [
        "FROM debian:12\nRUN apt-get install -y \\\n\n  curl \\  \n  # a comment\n  git\nUSER me\n",
        "# escape=`\nFROM debian:12\nRUN dir `\n  c:\\\nUSER me\n",
        "\ufeff# syntax=docker/dockerfile:1\nFROM debian:12\nCOPY <<a <<b /x/\nRUN no instruction\na\nNOR this\nb\nUSER me\n",
    ],
)
def test_what_dockers_own_parser_takes_is_read(text: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(text)
    assert not [smell for smell in lint(tmp_path / "Dockerfile") if smell.severity == "error"]
    assert read_dockerfile(text, "Dockerfile")[-1].section == "user"


def test_build_arguments_may_be_open_in_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "x.def").write_text(
        "Bootstrap: docker\nFrom: {{ BASE }}\n%post\n pip install --no-cache-dir torch=={{ VERSION }}\n"
    )
    assert {smell.rule for smell in lint(tmp_path / "x.def")} == {"labels-missing", "test-missing"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "job.slurm",
            "#!/bin/bash\n#SBATCH --nodes=2\nexport A=1\nsrun python train.py\n",
            "2: #SBATCH: this is a job script",
        ),
        ("job.def", "#!/bin/bash -l\n\n#PBS -l nodes=2\nmpirun a\n", "3: #PBS: this is a job script"),
        ("Dockerfile", "#BSUB -n 4\njsrun a\n", "1: #BSUB: this is a job script"),
        ("run", "#!/usr/bin/env python3\nimport torch\n", "1: #!/usr/bin/env python3: this is a program"),
    ],
)
def test_a_job_script_is_known_by_what_it_holds(
    name: str, text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SystemExit) as ended:
        main(["recipe", "lint", str(tmp_path / name)])
    assert ended.value.code == 2 and f"{tmp_path / name}:{said}" in capsys.readouterr().err


def test_findings_have_an_exit_code_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text, code in ((FROM + "RUN pip install tvm\n", 5), (FROM + "RUN pip install torch\n", 0)):
        (tmp_path / "Dockerfile").write_text(text)
        with pytest.raises(SystemExit) as ended:
            main(["recipe", "lint", str(tmp_path / "Dockerfile")])
        assert (ended.value.code or 0) == code
    assert "meant is apache-tvm" in capsys.readouterr().out


def rules_of(tmp_path: Path, text: str) -> set[str]:
    file = tmp_path / ("case.def" if text.lower().startswith("bootstrap") else "Dockerfile")
    file.write_text(text)
    return {smell.rule for smell in lint(file)}


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_fires_and_keeps_quiet(rule: str, tmp_path: Path) -> None:
    fires, quiet = RULES[rule]
    assert rule in rules_of(tmp_path, fires)
    assert rule not in rules_of(tmp_path, quiet)


def test_every_rule_has_its_cases() -> None:
    assert {path.stem for path in (ROOT / "rules" / "recipes").glob("*.rq")} == set(RULES)


@pytest.mark.parametrize("framework", plans.FRAMEWORKS)
@pytest.mark.parametrize("base", plans.BASES)
def test_what_is_generated_has_no_smell_but_the_missing_digest(
    framework: str, base: str, tmp_path: Path
) -> None:
    bundle = write_bundle(plans.plan(framework, base), tmp_path / "bundle")
    found = {smell.rule for name in ("ontune.def", "Dockerfile") for smell in lint(bundle.folder / name)}
    assert found <= {"base-without-digest"}


def test_a_smell_names_its_line_and_masks_the_secret(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text(
        "FROM debian:12\n# a comment\nRUN apt-get install -y \\\n  # inside\n  curl\nENV DB_PASSWORD=hunter2hunter2\n"
    )
    smell = next(smell for smell in lint(file) if smell.rule == "secret-in-recipe")
    assert (smell.line, smell.severity) == (6, "error")
    assert "hunter2" not in smell.text


def test_dockerfiles_are_read_with_stages_and_here_documents(tmp_path: Path) -> None:
    text = "ARG TAG=12\nFROM debian:${TAG} AS build\nRUN <<EOF\ncurl https://x | sh\nEOF\nFROM build\nCOPY --from=build a b\n"
    assert rules_of(tmp_path, text) == {"remote-code-run", "labels-missing", "base-without-digest"}


@pytest.mark.parametrize("text", ["", "RUN x\nFROM y\n", "FROM x\nRUM y\n", "FROM x\n\0"])
def test_what_is_no_dockerfile_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text(text)
    with pytest.raises(BadInput, match="Dockerfile"):
        lint(file)


def test_nothing_that_is_read_is_run(tmp_path: Path) -> None:
    file = tmp_path / "x.def"
    file.write_text(
        BASE
        + f"%setup\n touch {tmp_path}/CANARY\n%post\n $(touch {tmp_path}/CANARY) `touch {tmp_path}/CANARY`\n"
        + "x" * 60_000
        + "\n"
    )
    lint(file)
    assert [path.name for path in tmp_path.iterdir()] == ["x.def"]


@pytest.mark.parametrize(
    "line",
    [
        "RUN apt-get update && dnf install x && pip install --user x && git clone u",
        "RUN cd /x && sudo a && export B=c",
        "ENV A=b C=d",
    ],
)
def test_a_recipe_of_four_times_the_lines_takes_no_sixteen_times_as_long(line: str, tmp_path: Path) -> None:
    """No rule asks of each line about all others: three hundred lines once took forty seconds."""

    def seconds(lines: int) -> float:
        file = tmp_path / "Dockerfile"
        file.write_text("FROM a\n" + f"{line}\n" * lines)
        begin = time.process_time()
        lint(file)
        return time.process_time() - begin

    assert seconds(1600) < 10 * min(seconds(400) for _ in range(3))
