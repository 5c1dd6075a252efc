"""The grammar of definitions is Apptainer's own: the reader and the program judge a corpus, and texts that
hypothesis makes up, alike.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.images.apptainer import Apptainer
from generators.read.definition import read_definition
from kb.errors import BadInput

pytestmark = pytest.mark.apptainer

BASE = "Bootstrap: docker\nFrom: debian:12\n"
TWO = BASE + "Stage: one\n" + BASE + "Stage: two\n"

ACCEPTED = {
    "header": BASE,
    "case": "BOOTSTRAP: docker\nfrom: debian:12\n%POST\n echo\n",
    "comments": "# one\n\nBootstrap: docker # two\n# three\nFrom: debian:12\n\n# four\n%post\n# five\n",
    "arguments": "Bootstrap: docker\nFrom: debian:{{ release }}\n%arguments\nrelease=12\n%post\n# {{ unused }}\n",
    "an argument within blanks": "Bootstrap: docker\nFrom: debian:{{release}}{{  \trelease }}\n%arguments\n  release = 12 \n",
    "an argument in an argument": "Bootstrap: docker\nFrom: {{ whole }}\n%arguments\nrelease=12\nwhole=debian:{{ release }}\n",
    "an argument without a value": "Bootstrap: docker\nFrom: debian{{ tag }}\n%arguments\ntag=\n",
    "an argument that is repeated": "Bootstrap: {{ agent }}\nFrom: debian\n%arguments\nagent=x\nagent=docker\n",
    "no arguments at all": BASE + "%post\n echo {{ two words }} {{ a-b }} {{}} {{ a } } { { a }}\n",
    "an argument behind a comment sign": BASE + "%post\n echo a#b {{ x }} {{ y }}\n",
    "an argument in a comment of the header": "Bootstrap: docker\n# {{ x }}\nFrom: debian:12\n",
    "section arguments": BASE + "%post -c /bin/bash\n echo\n",
    "percents": BASE + "%%post\n echo\n",
    "numbered headers": BASE + "OtherURL1: https://x\nOtherURL22: https://y\n",
    "an odd header": BASE + "otherurl&n: x\n",
    "all headers": BASE
    + "".join(
        f"{key}: x\n" for key in ("IncludeCmd", "MirrorURL", "OSVersion", "Registry", "Namespace", "SetOpt")
    ),
    "a header with colons": "Bootstrap: docker\nFrom: docker.io/library/debian:12\nMirrorURL: http://a:b\n",
    "a header that is continued": "Bootstrap: docker\nFrom: debian\\\n:12\n",
    "a continued header at the end": BASE + "Include: a \\\n",
    "a header that is repeated": "Bootstrap: docker\nFrom: debian:11\nFrom: debian:12\n",
    "an indented header": "Bootstrap: docker\n\t  From: debian:12\n",
    "apps": BASE + "%appinstall one\n echo\n%apprun one\n echo\n",
    "an app without a name after a blank": BASE + "%appinstall \n echo\n",
    "an app with more words": BASE + "%appfiles one two three\n a b\n",
    "stages": TWO + "%files from one\n /a /b\n",
    "a stage that is a comment": "# only\n\n" + TWO,
    "a stage in capitals": BASE + "BOOTSTRAP: docker\nFrom: debian:12\n",
    "stages with arguments of their own": BASE
    + "%arguments\na=1\n%post\n echo {{ a }}\n"
    + BASE
    + "%arguments\nb=1\n%post\n echo {{ b }}\n",
    "files with words that are no stage": BASE + "%files from\n a b\n",
    "files with a comment for arguments": BASE + "%files # of mine\n a b\n",
    "quoted files": BASE + '%files\n "a b" \'c d\'\n plain\n # a comment "\n {{ }} x\n',
    "repeated sections": BASE + "%post\n echo one\n%post\n echo two\n",
    "no end of line": BASE + "%post\n echo",
    "carriage returns": BASE.replace("\n", "\r\n") + "%post\r\n echo\r\n",
    "empty section": BASE + "%help\n%post\n",
    "continued": BASE + "%post\n echo one \\\n   two\n",
    "labels without values": BASE + "%labels\n a\n # b\n c d e\n",
    "sixty thousand bytes": BASE + "%post\n" + " echo aaaaaaaa\n" * 4200 + "%test\n true\n",
    "bytes that are no text": BASE + "%post\n echo \udcff\udcfe\n",
    "bootstrap in a sentence": BASE + "%help\n Bootstrap: is not at the beginning\n",
    "every agent": "\n".join(
        f"Bootstrap: {agent}\nFrom: a:1\nStage: {agent}\n"
        for agent in ("docker", "library", "oras", "yum", "scratch")
    ),
    "form feed before a section": BASE + "%post\n echo\n\f\n",
}
REFUSED = {
    "empty": "",
    "only blanks": " \n\t\n",
    "only comments": "# nothing\n",
    "no header": "%post\n echo\n",
    "indented first section": "  %post\n echo\n",
    "no bootstrap": "From: debian:12\n",
    "headers before bootstrap": "Stage: x\n" + BASE,
    "words before bootstrap": "hello\n" + BASE,
    "a byte order mark": "\ufeff" + BASE,
    "an indented bootstrap in a stage of its own": "From: debian:12\n  %post\n",
    "unknown agent": "Bootstrap: dcoker\nFrom: debian:12\n",
    "an agent in capitals": "Bootstrap: Docker\nFrom: debian:12\n",
    "no agent": "Bootstrap:\nFrom: debian:12\n",
    "no image": "Bootstrap: docker\n",
    "unknown agent in the second stage": BASE + "Bootstrap: x\nFrom: y\n",
    "unknown header": BASE + "Form: debian:12\n",
    "header without value": BASE + "Stage\n",
    "a header behind a comment sign": BASE + "Stage # : x\n",
    "missing number": BASE + "OtherURL: https://x\n",
    "a number where none belongs": BASE + "Stage1: x\n",
    "a blank in a header": BASE + "Mirror URL: x\n",
    "a continued header before a blank line": "Bootstrap: docker\nFrom: debian\\\n\nStage: x\n",
    "a continued header before a comment": "Bootstrap: docker\nFrom: debian\\\n# here\n:12\n",
    "unknown section": BASE + "%pots\n echo\n",
    "indented section": BASE + "  %post\n echo\n",
    "indented by a tab": BASE + "\t%post\n echo\n",
    "tab after section": BASE + "%post\t-c\n echo\n",
    "a section without a name": BASE + "%\n echo\n",
    "a section with a blank": BASE + "% post\n echo\n",
    "percent in a here-document": BASE + "%post\n cat <<END\n%d\nEND\n",
    "percent after a continuation": BASE + "%post\n echo \\\n%d\n",
    "app without a name": BASE + "%appinstall\n echo\n",
    "an app in capitals": BASE + "%AppInstall one\n echo\n",
    "argument without a value": "Bootstrap: docker\nFrom: debian:{{ release }}\n",
    "an argument without an equals sign": "Bootstrap: docker\nFrom: debian:{{ release }}\n%arguments\nrelease 12\n",
    "an argument that is commented out": "Bootstrap: docker\nFrom: debian:{{ release }}\n%arguments\n# release=12\n",
    "argument in a script": BASE + "%post\n echo {{ release }} # {{ other }}\n",
    "an argument right behind a comment sign": BASE + "%post\n#{{ x }}\n",
    "an argument in an interpreter's line": BASE + "%post\n#!{{ x }}\n",
    "an argument of another stage": BASE + "%arguments\na=1\n" + BASE + "%post\n echo {{ a }}\n",
    "an argument that makes a section": BASE + "%arguments\nname=post\n%{{ name }}\n echo\n",
    "an argument that makes no agent": "Bootstrap: {{ agent }}\nFrom: x\n%arguments\nagent=nowhere\n",
    "a quote alone": BASE + '%files\n "\n',
    "a long line": BASE + "%post\n echo " + "x" * 70_000 + "\n",
    "a long section": BASE + "%post\n" + " echo aaaaaaaa\n" * 7000 + "%test\n true\n",
    "a long header": BASE + "# xxxxxxxxxxxxx\n" * 7000,
    "a stage that is not there": "Bootstrap: scratch\n%files from nowhere\n /a /b\n",
}
JUDGEMENTS = (
    "Unable to build from",
    "Unable to create build",
    "panic:",
    "could not parse reference",
    "unsupported transport",
    "was not found",
)
GOES_ON = ("conveyor failed to get", "library client configuration")


@pytest.fixture(scope="module")
def accepts(apptainer: Apptainer, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bool]:
    """Whether Apptainer goes on to fetch the base.

    Nothing that a case holds is run before that, and no base can be fetched.
    """
    folder = tmp_path_factory.mktemp("definitions")
    unreachable = {**os.environ, "https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}

    def judge(text: str) -> bool:
        (folder / "case.def").write_bytes(text.encode(errors="surrogateescape"))
        command = [apptainer.program, "build", "--fakeroot", "--force", "never.sif", "case.def"]
        said = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=unreachable,
        ).stderr
        refused = any(judgement in said for judgement in JUDGEMENTS)
        assert refused or any(going_on in said for going_on in GOES_ON), said
        return not refused

    return judge


def reads(text: str) -> bool:
    return not complaint(text)


def complaint(text: str) -> str:
    """What the reader says against a text."""
    try:
        read_definition(text.encode(errors="surrogateescape").decode(errors="replace"), "case.def")
    except BadInput as error:
        assert str(error).startswith("case.def")
        return str(error)
    return ""


def test_the_corpus_is_large() -> None:
    assert len(ACCEPTED) + len(REFUSED) >= 60


@pytest.mark.parametrize("case", ACCEPTED | REFUSED)
def test_a_text_is_judged_as_apptainer_does(case: str, accepts: Callable[[str], bool]) -> None:
    text = (ACCEPTED | REFUSED)[case]
    assert (accepts(text), reads(text)) == (case in ACCEPTED, case in ACCEPTED)


PIECES = [
    "Bootstrap: docker", "bootstrap: docker", "Bootstrap: {{ a }}", "From: debian:12", "From: {{ b }}", "Stage: one", "Include: x \\",
    "OtherURL3: x", "Nonsense: x", "# a comment {{ c }}", "#{{ d }}", "", "  ", "%post", "%post -c sh", " %post", "%files", "%files from one",
    "%arguments", "a=docker", "b = debian:{{ e }}", "e=12", "%labels", "%help", "%appinstall one", "%apprun", "%nothing", "%%test",
    "    echo {{ a }}", "    echo 'x' \"y", '    "', "word", "\r", "key: value # {{ a }}",
]  # fmt: skip


@pytest.mark.slow
@settings(
    max_examples=120,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.sampled_from(PIECES), max_size=9), st.booleans())
def test_texts_that_are_made_up_are_judged_as_apptainer_does(
    accepts: Callable[[str], bool], lines: list[str], begun: bool
) -> None:
    text = "\n".join([*(BASE.splitlines() if begun else []), *lines]) + "\n"
    against = complaint(text)
    # These two Apptainer finds when it has built the stages before, which it cannot do here.
    if "without its name" not in against and "no stage is called" not in against:
        assert accepts(text) == (not against)


def test_every_stage_needs_its_image() -> None:
    """Apptainer says so only when it gets there."""
    with pytest.raises(BadInput, match="x:3: a base of kind docker without its name; expected From"):
        read_definition(BASE + "Bootstrap: docker\n", "x")


def test_lines_keep_their_numbers_and_stages() -> None:
    found = read_definition(
        "# one\n" + TWO + "%post -c sh\n  echo a \\\n   b\n\n  # no\n  echo c\n%files from one\n  /a /b\n",
        "x",
    )
    assert [(line.number, line.stage, line.section, line.key, line.text) for line in found][2:] == [
        (4, 0, "header", "stage", "one"), (5, 1, "header", "bootstrap", "docker"), (6, 1, "header", "from", "debian:12"),
        (7, 1, "header", "stage", "two"), (9, 1, "post", "-c sh", "echo a     b"), (13, 1, "post", "-c sh", "echo c"),
        (15, 1, "files", "from one", "/a /b"),
    ]  # fmt: skip


def test_a_message_names_the_line_in_its_stage() -> None:
    with pytest.raises(BadInput, match=r"x:8: unknown section %pots; .*did you mean 'post'"):
        read_definition(TWO + "\n%pots\n", "x")
    with pytest.raises(BadInput, match=r"x:5: build argument here has no value"):
        read_definition(BASE + "%post\n echo\n echo {{ here }}\n", "x")
