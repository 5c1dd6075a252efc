"""What all tests share: surroundings of their own, and the components that some of them need.

A test that needs a component asks for its fixture, or calls `require`. Where the component is missing the
test is skipped with how to get it; with CI=true it fails.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

import bench.images.apptainer
from bench.images.apptainer import Apptainer

if TYPE_CHECKING:
    from tests.checked import Checked

pytest_plugins = ["durations"]
ROOT = Path(__file__).resolve().parent.parent

# How fast this machine is at the moment says nothing about what is tested.
settings.register_profile(
    "any-machine", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any-machine")


def require(component: str, present: object, how_to_get: str = "make tools") -> None:
    """Skip the test where `present` is false; fail it where that must not happen (CI=true)."""
    if not present:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            f"{component} is missing; get it by: {how_to_get}"
        )


@pytest.fixture(scope="session", autouse=True)
def _own_surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests neither read a user's additions and observations nor leave any; tables are as wide as in any
    pipe, and what the tests serve on this machine is not asked for through a proxy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONTUNE_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        for name in ("ONTUNE_KB_PATH", "COLUMNS"):
            patch.delenv(name, raising=False)
        without = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
        patch.setenv("no_proxy", ",".join(filter(None, (without, "127.0.0.1", "localhost"))))
        yield


@pytest.fixture(scope="session")
def checked() -> Checked:
    """The one check of what is shipped that all tests look at, with what it took."""
    from tests.checked import check_shipped

    return check_shipped()


@pytest.fixture(scope="session")
def frameworks() -> Path:
    """The Python of a virtual environment with PyTorch and TensorFlow."""
    python = Path(os.environ.get("ONTUNE_FRAMEWORKS", ROOT / ".venv-frameworks")) / "bin" / "python"
    require("a virtual environment with PyTorch and TensorFlow", python.exists())
    return python


@pytest.fixture(scope="session")
def slurm() -> None:
    """A running one-node Slurm."""
    require("Slurm", shutil.which("sbatch") and shutil.which("sinfo"))


@pytest.fixture(scope="session")
def apptainer() -> Apptainer:
    """The installed Apptainer."""
    found = bench.images.apptainer.find()
    require("Apptainer", found)
    assert found is not None
    return found


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: a worker that begins one last leaves the other without work."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
