"""Real Apptainer: generated recipes are built and run, and nothing of the builder stays in an image."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import plans
import pytest
from conftest import require
from test_built_plans import planned

from bench.images import site_settings
from bench.images.apptainer import Apptainer
from bench.images.bases import make_base
from bench.images.build import Built
from bench.measure.runners.apptainer import ApptainerRunner
from generators.bundle import Bundle, write_bundle
from kb.errors import RunFailed
from kb.records.site import complete_site
from kb.values import replace

pytestmark = pytest.mark.apptainer

QUICK = ("--windows", "1", "--window-seconds", "0.2", "--warmup-steps", "1")
SECRET = "wholly-confidential"


@pytest.fixture(scope="session")
def built(
    apptainer: Apptainer, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Bundle, Built]]:
    """Bundles of planned configurations with their images, one for each framework, built once for this file
    and for `test_built_plans.py`.
    """
    folder, known = tmp_path_factory.mktemp("bundles"), dict[str, tuple[Bundle, Built]]()

    def build(framework: str) -> tuple[Bundle, Built]:
        if framework not in known:
            bundle = write_bundle(planned(f"{framework}-bf16"), folder / framework)
            known[framework] = bundle, ApptainerRunner(apptainer).prepare(bundle)
        return known[framework]

    return build


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_a_generated_image_trains_with_every_option_in_effect(
    framework: str, apptainer: Apptainer, built: Callable, tmp_path: Path
) -> None:
    bundle, image = built(framework)
    ran = ApptainerRunner(apptainer).run(bundle, QUICK, tmp_path / "result.json", 1)
    assert ran.outcome == "done" and ran.result is not None, ran.complaint
    assert ran.result["throughput"] > 0 and ran.result["parameter_count"] == 1_199_882
    effect = ran.result["in_effect"]
    assert effect["precision"] == "bf16" and effect["usable_cpus"] == 1 and effect["threads"] == 1
    assert effect["preloaded"] == {"libtcmalloc_minimal.so.4": True}
    assert effect["environment"]["OMP_NUM_THREADS"] == "1"
    wanted = {package.name: package.value for package in bundle.recipe.python_packages}
    assert ran.result["versions"][framework.replace("pytorch", "torch")] in wanted.values()
    assert image.bytes == bundle.image.stat().st_size


@pytest.mark.slow
def test_an_image_is_built_once_for_a_recipe(apptainer: Apptainer, built: Callable, tmp_path: Path) -> None:
    bundle, first = built("pytorch")
    # Another question, the same recipe: what the plan is called does not change what is built.
    again = write_bundle(
        replace(bundle.plan, plan_id="fedcba9876543210", knowledge={"sha256": "cd" * 32}),
        tmp_path / "again",
    )
    compiled = again.folder / "workload" / "__pycache__"  # by somebody who ran the bundle without a container
    compiled.mkdir()
    (compiled / "train.cpython-311.pyc").write_bytes(b"compiled")
    before = [Path(name).stat() for name in (first.path, first.log)]
    assert ApptainerRunner(apptainer).prepare(again) == first
    after = [Path(name).stat() for name in (first.path, first.log)]
    assert [(one.st_ino, one.st_mtime_ns) for one in after] == [
        (one.st_ino, one.st_mtime_ns) for one in before
    ], "nothing was built"
    assert again.image.samefile(first.path) or again.image.stat().st_size == first.bytes


@pytest.mark.slow
def test_labels_tell_which_plan_and_recipe_an_image_was_built_for(
    apptainer: Apptainer, built: Callable, tmp_path: Path
) -> None:
    bundle, image = built("pytorch")
    labels = apptainer.inspect(Path(image.path))["labels"]
    assert isinstance(labels, dict)
    assert {"ontune.plan-id", "ontune.knowledge-sha256"} <= labels.keys()
    assert f"grep -xF 'ontune.recipe: {labels['ontune.recipe']}'" in (bundle.folder / "job.sh").read_text()
    other = write_bundle(
        replace(bundle.plan, workload={**bundle.plan.workload, "parameters": {"batch": 7}}),
        tmp_path / "other",
    )
    other.image.symlink_to(image.path)
    variables = {**os.environ, "PATH": f"{apptainer.folder}:{os.environ['PATH']}"}
    done = subprocess.run(
        [str(other.folder / "job.sh")],
        env=variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4 and "was not built from the recipe" in done.stderr


@pytest.mark.slow
def test_the_bash_job_runs_the_image(apptainer: Apptainer, built: Callable, tmp_path: Path) -> None:
    bundle, _ = built("pytorch")
    variables = {
        **os.environ,
        "PATH": f"{apptainer.folder}:{os.environ['PATH']}",
        "ONTUNE_CONTAINER_FLAGS": " ".join(apptainer.run_flags),
    }
    command = [str(bundle.folder / "job.sh"), *QUICK, "--output", "result.json"]
    done = subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "result.json").stat().st_size > 100


@pytest.mark.slow
def test_a_run_that_takes_too_long_is_a_result(apptainer: Apptainer, built: Callable, tmp_path: Path) -> None:
    bundle, _ = built("pytorch")
    ran = ApptainerRunner(apptainer, limit_seconds=4).run(
        bundle, ("--windows", "100"), tmp_path / "result.json", None
    )
    assert (ran.outcome, ran.result) == ("timed-out", None) and ran.seconds < 20
    wrong = ApptainerRunner(apptainer).run(
        bundle, ("--setting", "precision=fp7"), tmp_path / "result.json", None
    )
    assert wrong.outcome == "failed" and "fp7" in wrong.complaint


PROBING = """Bootstrap: localimage
From: {{ base }}

%arguments
    base=nowhere

%post
    . /mnt/ontune/environment.sh
    grep -q index.invalid "$PIP_CONFIG_FILE" && echo 'pip is told'
    case $no_proxy in *.invalid) grep -q 'extra-index-url.*invalid/x' "$PIP_CONFIG_FILE" && echo 'the site is told' ;; esac
    test -r "$SSL_CERT_FILE" && echo 'certificates are there'
    apt-config dump | grep -q 'APT::Sandbox::User "root"' && echo 'apt is told'
    apt-get update -qq && apt-get install -y -qq --no-install-recommends libtcmalloc-minimal4 && echo 'apt installs'
"""


def test_the_builders_settings_reach_post_and_do_not_stay(
    apptainer: Apptainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = tmp_path / "ca.pem"
    certificates.write_text(f"{SECRET} certificate")
    monkeypatch.setenv("PIP_INDEX_URL", f"https://{SECRET}@index.invalid/simple")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates))
    for name in ("PIP_CERT", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    definition, image, log = tmp_path / "probing.def", tmp_path / "probing.sif", tmp_path / "log"
    definition.write_text(PROBING)
    base = make_base("bookworm")
    folder = tmp_path / f"{SECRET} is no name".replace(" ", "-")
    folder.mkdir()
    packages = {"extra_python_indexes": [f"https://{SECRET}.invalid/x"]}
    facts = {"proxies": {"none": f"{SECRET}.invalid"}, "packages": packages, "build_folder": str(folder)}
    with site_settings.of_site(complete_site(facts, "site")), site_settings.laid_out(None, tmp_path) as binds:
        apptainer.build(definition, image, log, arguments={"base": str(base)}, binds=binds)
    said = log.read_text()
    for line in ("pip is told", "the site is told", "certificates are there", "apt is told", "apt installs"):
        assert f"\n{line}\n" in said
    search = f"grep -rlsF {SECRET} / --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev; env; ls -A /mnt"
    found = apptainer.execute(image, ["sh", "-c", search])
    assert [line for line in found.splitlines() if line.startswith("/")] == []
    assert not [word for word in (SECRET, "mnt/ontune", "PIP_CONFIG_FILE", "APT_CONFIG") if word in found]


def test_a_failed_build_tells_its_last_lines_and_leaves_no_image(
    apptainer: Apptainer, tmp_path: Path
) -> None:
    definition, image, log = tmp_path / "broken.def", tmp_path / "broken.sif", tmp_path / "log"
    definition.write_text(PROBING.split("%post")[0] + "%post\n    echo 'this is why' >&2\n    exit 7\n")
    with pytest.raises(RunFailed, match="this is why") as error:
        apptainer.build(definition, image, log, arguments={"base": str(make_base("bookworm"))})
    assert str(log) in str(error.value) and "exit status 7" in str(error.value)
    assert not image.exists()


@pytest.mark.slow
def test_an_image_whose_base_is_made_at_the_build_trains(
    apptainer: Apptainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("debootstrap", shutil.which("debootstrap"))
    (tmp_path / "train.py").write_text(
        "import fastnet\nprint('trained with', fastnet.NAME, 'tcmalloc' in open('/proc/self/maps').read())\n"
    )
    plans.make_wheel(tmp_path, "fastnet", "2.0", module="NAME = 'fastnet'\n")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    # An image of an earlier run would prove nothing.
    monkeypatch.setenv("ONTUNE_CACHE_HOME", str(tmp_path / "cache"))
    plan = plans.tiny("fastnet", "2.0", script=str(tmp_path / "train.py"))
    made = plans.taken("image_source", "debootstrap", plans.application("image", "Bootstrap", "debootstrap"))
    plan = replace(
        plan, decisions=tuple(made if taken.decision == "image_source" else taken for taken in plan.decisions)
    )
    bundle = write_bundle(plan, tmp_path / "bundle")
    built = ApptainerRunner(apptainer).prepare(bundle)
    assert "I: Base system installed successfully." in Path(built.log).read_text(errors="replace")
    command = [apptainer.program, "--quiet", "run", *apptainer.run_flags, "--containall", str(bundle.image)]
    assert (
        subprocess.run(command, capture_output=True, text=True, check=True).stdout
        == "trained with fastnet True\n"
    )


def test_what_is_no_image_is_named(apptainer: Apptainer, tmp_path: Path) -> None:
    (tmp_path / "no.sif").write_text("not an image")
    with pytest.raises(RunFailed, match=r"no\.sif"):
        apptainer.inspect(tmp_path / "no.sif")
    with pytest.raises(RunFailed, match=r"no\.sif"):
        apptainer.execute(tmp_path / "no.sif", ["true"])


def test_a_base_keeps_nothing_of_the_machine(apptainer: Apptainer) -> None:
    base = make_base("bookworm")
    assert not (base / "etc/resolv.conf").exists() and not (base / "etc/hostname").exists()
    assert list((base / "dev").iterdir()) == [] and (base / "mnt").is_dir()
    sources = (base / "etc/apt/sources.list").read_text()
    assert " bookworm main" in sources and "@" not in sources and "signed-by" not in sources
    assert all("Acquire::http" not in path.read_text() for path in (base / "etc/apt/apt.conf.d").iterdir())
