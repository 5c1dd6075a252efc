"""The builder's own settings, lent to an image's build: package mirrors, certificates, proxies. Nothing of
them stays in the image.

They lie in a folder that is bound at `/mnt` while the build runs. Its `environment.sh`, which generated
definitions source in `%post`, tells the programs there to use them. Proxies need no help: Apptainer hands
their variables on.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from kb.errors import BadInput
from kb.probe.storage import storage_of
from kb.records.site import Site
from kb.store.files import read_text
from kb.store.scratch import scratch

MOUNT = "/mnt"
INSIDE = f"{MOUNT}/ontune"

IN_MEMORY = "/dev/shm/ontune"  # noqa: S108 (of the build, which nobody else shares)
"""Where `as_script` lays the settings out."""
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")

_CERTIFICATE_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_FOLDER_VARIABLES = ("APPTAINER_TMPDIR", "SINGULARITY_TMPDIR")
# Apptainer makes a folder of its own in each of them.
_TEMPORARY_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108
_PIP_SETTINGS = (
    "index-url",
    "extra-index-url",
    "find-links",
    "trusted-host",
    "proxy",
    "timeout",
    "retries",
    "no-index",
    "pre",
    "prefer-binary",
)
_APT_SETTINGS = re.compile(r"^Acquire::(https?|Check-|Retries|ForceIPv)")
_APT_CERTIFICATES = re.compile(r"::(CaInfo|CaPath|SslCert|SslKey) ", re.IGNORECASE)


@contextmanager
def of_site(site: Site | None, *, on_node: bool = False) -> Iterator[None]:
    """Let the programs of a build be told of a site for a while: its proxies, indexes, certificates and
    folders, as variables of this process.

    Args:
        site: the place; None leaves everything as this machine's user has it.
        on_node: unpack the image on a disk of this machine, whatever the folder for temporary files is,
            unless the site names a folder.

    Raises:
        BadInput: the folder for the build is not there, or lies on network storage, where a build without
            privileges cannot change owners.
    """
    variables = site.builder_variables() if site else {}
    if site and site.facts["build_folder"]:
        _check_build_folder(site.facts["build_folder"], f"site {site.name}: build_folder")
    elif on_node:
        variables |= dict.fromkeys(_FOLDER_VARIABLES, _folder_on_this_machine())
    with with_variables(variables):
        yield


@contextmanager
def with_variables(variables: Mapping[str, str]) -> Iterator[None]:
    """Let this process and its children have these variables for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _check_build_folder(folder: str, where: str) -> None:
    if not Path(folder).is_dir():
        raise BadInput(
            where, f"no such folder here: {folder}", expected="a folder of the machine that builds"
        )
    kind, storage = storage_of(folder)
    if storage == "network":
        raise BadInput(
            where,
            f"{folder} lies on {kind}, which is network storage",
            expected="a folder on a disk of the machine that builds",
        )


def _folder_on_this_machine() -> str:
    for folder in _TEMPORARY_FOLDERS:
        if os.access(folder, os.W_OK) and storage_of(folder)[1] != "network":
            return folder
    problem = f"none of {', '.join(_TEMPORARY_FOLDERS)} is on a disk of this machine"
    raise BadInput("build folder", problem, expected="build_folder in the site's file")


@contextmanager
def laid_out(wheels: Path | None, disk: Path, packages: Path | None = None) -> Iterator[tuple[str, ...]]:
    """Lay out the settings of this machine and this user, for a while. Gives the binds, `HOST:CONTAINER`, in
    the order in which they are mounted.

    Args:
        wheels: a folder with every wheel that the image installs; pip then uses nothing else. None: pip uses
            the user's own indexes.
        disk: an existing folder on a local disk, in which the settings lie while they are lent.
        packages: a folder with the Debian packages that the image may get; apt then uses nothing else.

    Raises:
        BadInput: a folder cannot be bound because of its name.
    """
    with scratch("site", disk) as stage:
        inside = stage / "ontune"
        inside.mkdir()
        binds = [_bind(stage, MOUNT)]
        environment = _variables(INSIDE)
        certificates = _certificates()
        if certificates:
            shutil.copyfile(certificates, inside / "certificates.pem")
            environment |= dict.fromkeys(_CERTIFICATE_VARIABLES, f"{INSIDE}/certificates.pem")
        if packages is not None:
            (inside / "packages").mkdir()
            binds.append(_bind(packages, f"{INSIDE}/packages"))
        (inside / "apt.conf").write_text(_apt_settings(bool(certificates)), encoding="utf-8")
        if wheels is not None:
            (inside / "wheels").mkdir()
            binds.append(_bind(wheels, f"{INSIDE}/wheels"))
        else:
            text, folders = _pip_settings(_pip_configuration())
            (inside / "pip.conf").write_text(text, encoding="utf-8")
            environment["PIP_CONFIG_FILE"] = f"{INSIDE}/pip.conf"
            for name, host in folders.items():
                (inside / name).mkdir()
                binds.append(_bind(host, f"{INSIDE}/{name}"))
        (inside / "environment.sh").write_text(_exports(environment), encoding="utf-8")
        # The builder's user in the image need not be this user.
        for path in stage.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        stage.chmod(0o755)
        yield tuple(binds)


def as_script() -> str:
    """The settings of this machine and this user in one script, for builds into which no folder can be bound:
    it lays them out in the build's own memory. A folder of wheels on this machine is not seen there."""
    settings = {
        "apt.conf": _apt_settings(bool(certificates := _certificates())),
        "pip.conf": _pip_settings(_pip_configuration())[0],
    }
    environment = {**_variables(IN_MEMORY), "PIP_CONFIG_FILE": f"{IN_MEMORY}/pip.conf"}
    environment |= {name: value for name, value in os.environ.items() if name.lower() in _PROXY_VARIABLES}
    if certificates:
        settings["certificates.pem"] = read_text(certificates)
        environment |= dict.fromkeys(_CERTIFICATE_VARIABLES, f"{IN_MEMORY}/certificates.pem")
    settings = {name: text.replace(INSIDE, IN_MEMORY) for name, text in settings.items()}
    laid_out = "".join(
        f"printf %s {shlex.quote(text)} >{IN_MEMORY}/{name}\n" for name, text in settings.items()
    )
    return f"mkdir -p {IN_MEMORY}\n{laid_out}{_exports(environment)}"


def _variables(folder: str) -> dict[str, str]:
    """What every build is told, with the settings in a folder."""
    told = {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "APT_CONFIG": f"{folder}/apt.conf",
    }
    return told | {name: os.environ[name] for name in ("SOURCE_DATE_EPOCH",) if name in os.environ}


def _exports(variables: Mapping[str, str]) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def _bind(host: Path, inside: str) -> str:
    if re.search(r"[:,\s]", str(host.absolute())):
        raise BadInput(
            str(host),
            "the folder's name cannot be bound into a container",
            expected="a path without ':', ',' and blanks",
        )
    return f"{host.absolute()}:{inside}"  # builds go on in another folder


def _certificates() -> Path | None:
    """The user's bundle of certificates, where one is set by a variable."""
    return next(
        (
            Path(value)
            for name in _CERTIFICATE_VARIABLES
            if (value := os.environ.get(name)) and Path(value).is_file()
        ),
        None,
    )


def _apt_settings(with_certificates: bool) -> str:
    """How this machine's apt reaches its archives.

    `apt-config` may be missing: the image's distribution need not be this one.
    """
    lines = ['APT::Sandbox::User "root";']
    if shutil.which("apt-config"):
        dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
        told = (line for line in dump.splitlines() if _APT_SETTINGS.match(line) and not line.endswith(' "";'))
        lines += [line for line in told if not _APT_CERTIFICATES.search(line)]
    if with_certificates:
        lines.append(f'Acquire::https::CaInfo "{INSIDE}/certificates.pem";')
    return "\n".join(lines) + "\n"


def _pip_configuration() -> dict[str, str]:
    """What pip is told by its configuration files and variables; a variable wins over a command's section,
    that over the global one.
    """
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    found: dict[str, tuple[int, str]] = {}
    for line in listed.splitlines():
        if match := re.fullmatch(r"(global|install|:env:)\.([a-z-]+)='(.*)'", line):
            section, key, value = match.groups()
            rank = ("global", "install", ":env:").index(section)
            if key in _PIP_SETTINGS and rank >= found.get(key, (-1, ""))[0]:
                found[key] = (rank, value.replace("\\n", " ").strip())
    return {key: value for key, (_, value) in found.items()}


def _pip_settings(configuration: Mapping[str, str]) -> tuple[str, dict[str, Path]]:
    """The text of a pip.conf for the inside of the build, and the host's folders that it speaks of, by their
    name under the settings' folder.
    """
    folders: dict[str, Path] = {}

    def inside(word: str) -> str:
        path = Path(unquote(urlsplit(word).path)) if word.startswith("file:") else Path(word)
        if not path.is_dir():
            return word
        name = f"folder-{len(folders)}"
        folders[name] = path.resolve()
        return f"file://{INSIDE}/{name}" if word.startswith("file:") else f"{INSIDE}/{name}"

    lines = ["[global]"]
    for key, value in configuration.items():
        lines.append(f"{key} =" if " " in value else f"{key} = {inside(value)}")
        if " " in value:
            lines += [f"    {inside(word)}" for word in value.split()]
    return "\n".join(lines) + "\n", folders
