"""The recipe: what a plan asks of an image and of a run, checked and sorted, as all writers share it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePath
from typing import Any, Self

from generators.provenance.lock import Lock
from generators.writers import quoting
from kb.errors import BadInput
from kb.records.package_requirements import parsed
from reasoner.answers.plan import Application, DecisionTaken, How, Manager, Plan, idle

PREFIX = "/opt/ontune"
"""Where everything that a recipe adds lies inside an image."""

# How many devices a job asks for, and that it enters no container; every job script heeds both, so no step is
# left to somebody else.
_ALWAYS_HEEDED = ("devices", "no-container")
COMPILED = "requirements-compiled.txt"
"""The file of the packages that are compiled against the framework once it is installed."""

RUNTIMES = ("apptainer", "docker", "podman", "none")
"""What job scripts can start an image with, by the names of the options; the last one means that there is no
image.
"""

# Packages in a user's home are none of the plan's.
_ALWAYS = {"PYTHONNOUSERSITE": "1"}
_MEETING = ("nodes", "rendezvous", "job")
RUN_TIME = {
    name: name
    for name in ("cores", "devices", "numa_node", "cache", "tasks", "rank", "local_rank", *_MEETING)
}
"""Placeholders of values that only a run can fill, with the shell variables that `run.sh` gives them."""

JOB_TIME = {"cores": "cores", "tasks": "total", "tasks_per_node": "tasks_per_node"}
"""As `RUN_TIME`, for the launchers that a job script starts, with its own variables."""

# No launcher at all, and those that start containers.
_NOT_BEFORE_THE_PROGRAM = ("python", "srun", "mpirun")
_BUILD_ARGUMENTS = {"localimage": ("base",), "debootstrap": ("mirror",)}
BOOTSTRAPS = ("docker", "oras", "library", *_BUILD_ARGUMENTS)
"""The kinds of base that the writers tell apart."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a recipe: a name with its value, the options that asked for it, such as `allocator:
    tcmalloc`, and who applies it.
    """

    name: str
    value: str
    because: str
    by: str = ""

    @property
    def at_run_time(self) -> bool:
        """Whether the value depends on what a run finds, such as its cores."""
        return bool(self.placeholders)

    @property
    def placeholders(self) -> frozenset[str]:
        """What of a run the value asks for, by the names of `RUN_TIME`."""
        return frozenset(name for name in RUN_TIME if f"{{{name}}}" in self.value)

    @property
    def pinned(self) -> str:
        """A Python requirement: the name with its exact version, where there is one."""
        return f"{self.name}=={self.value}" if self.value else self.name


_Merge = Callable[[Entry, Entry, str], Entry]


@dataclass(frozen=True, slots=True)
class Program:
    """What is run: one of the shipped networks, or the user's own script.

    Attributes:
        title: the workload's name.
        framework: the framework's short name, empty for a command that trains nothing.
        network: the shipped network, empty for a user's script.
        parameters: the network's parameters, such as the batch.
        script: the user's script as a path, empty for a shipped network.
        command: a command of the user's, whose program stays in the folder that the job is submitted from.
        arguments: the script's arguments.
        folder: the folder that the script and its files keep their places below; empty for that of the
            script.
        files: further files of the script: files, folders and patterns below the folder.
        requires: what the script asks for beside the packages of the plan: a requirement, and the reason for
            it as a comment; the requirement is empty where a package of the plan meets it.
        compiled: those of its requirements that are compiled against the framework once it is installed.
        data: what it trains on: `synthetic`, `digits` or a folder; empty for the program's default.
        build_source: where the source of the command's program is fetched from, or empty.
        build_command: the shell command that builds it in the image, or empty.
    """

    title: str
    framework: str
    network: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    script: str = ""
    command: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    folder: str = ""
    files: tuple[str, ...] = ()
    requires: tuple[tuple[str, str], ...] = ()
    compiled: tuple[tuple[str, str], ...] = ()
    data: str = ""
    build_source: str = ""
    build_command: str = ""

    @property
    def own(self) -> bool:
        """Whether the user's own program is run, and no shipped network."""
        return bool(self.script or self.command)

    @property
    def script_place(self) -> str:
        """Where the script lies in the bundle's `workload/`: its place below the program's folder, or its
        name where it lies elsewhere.
        """
        script, folder = PurePath(self.script), self.folder or PurePath(self.script).parent
        return script.relative_to(folder).as_posix() if script.is_relative_to(folder) else script.name


@dataclass(frozen=True, slots=True)
class Recipe:
    """What every writer writes, each in its own language. All texts are checked: names by their grammar,
    values as one printable line.

    Attributes:
        plan_id: the plan's identifier.
        knowledge: the hash of the knowledge base.
        program: what is run.
        headers: the container base: `Bootstrap`, `From`, and the release of its packages, `Suite`.
        system_packages: Debian packages with their versions.
        python_packages: distributions with their exact versions.
        compiled_packages: those that are compiled against the framework once it is installed.
        framework_in_base: whether the base brings the framework, and nothing of the plan installs it.
        indexes: further indexes that wheels come from.
        environment: variables of the training process.
        settings: what the training program itself does, or the module that a user's own one calls.
        left_to_user: what nothing of the bundle does: the user's own program has to.
        flags: flags of the container's runtime.
        steps: what a job does around the training, such as staging its data.
        launchers: commands that start the training program's processes.
        build_packages: Debian packages that only the installation of Python packages needs, such as
            compilers.
        python: the version of the interpreter that the Python packages are for, empty where the plan does not
            say.
        sources: where the knowledge behind the options comes from.
        modules: the site's modules that bring what an image would.
        runtime: what starts the image: one of `RUNTIMES`.
        accelerated: whether the program computes on an accelerator.
        idle: what of the target the plan leaves unused, a sentence each.
        lock: exact versions and hashes of all that the image gets, where the bundle is locked.
    """

    plan_id: str
    knowledge: str
    program: Program
    headers: tuple[Entry, ...]
    system_packages: tuple[Entry, ...]
    python_packages: tuple[Entry, ...]
    indexes: tuple[Entry, ...]
    environment: tuple[Entry, ...]
    settings: tuple[Entry, ...]
    left_to_user: tuple[Entry, ...]
    flags: tuple[Entry, ...]
    steps: tuple[Entry, ...]
    launchers: tuple[Entry, ...]
    compiled_packages: tuple[Entry, ...] = ()
    framework_in_base: bool = False
    build_packages: tuple[Entry, ...] = ()
    python: str = ""
    sources: tuple[str, ...] = ()
    modules: tuple[Entry, ...] = ()
    runtime: str = RUNTIMES[0]
    accelerated: bool = False
    idle: tuple[str, ...] = ()
    lock: Lock | None = None

    @classmethod
    def from_plan(cls, plan: Plan, where: str = "plan", lock: Lock | None = None) -> Self:
        """Sort a plan's applications by what they change.

        Raises:
            BadInput: a name or a value that no generated file can carry, or two options that want different
                things of the same place.
        """

        def entries(
            how: How, kind: str, manager: Manager | None = None, merge: _Merge = _only_once
        ) -> tuple[Entry, ...]:
            return _merged(_entries(plan, how, kind, manager, where), merge, where)

        settings, flags = entries("code", "word"), _distinct(_entries(plan, "flag", "flag", None, where))
        return cls(
            plan_id=quoting.name("identifier", plan.plan_id, f"{where}: plan_id"),
            knowledge=quoting.name(
                "identifier", plan.knowledge.get("sha256", "unknown"), f"{where}: knowledge: sha256"
            ),
            program=_program(plan, f"{where}: workload"),
            headers=entries("image", "header"),
            system_packages=entries("package", "system package", "apt"),
            python_packages=entries("package", "python package", "pip"),
            indexes=entries("package", "word", "index"),
            environment=entries("env", "variable", merge=_joined),
            settings=tuple(entry for entry in settings if entry.name != "framework" and entry.by != "user"),
            left_to_user=tuple(entry for entry in settings if entry.by == "user"),
            flags=tuple(entry for entry in flags if entry.name.startswith("-")),
            steps=tuple(
                entry
                for entry in flags
                if not entry.name.startswith("-") and entry.name not in _ALWAYS_HEEDED
            ),
            launchers=entries("launcher", "word"),
            compiled_packages=entries("package", "python package", "source"),
            framework_in_base=not _has_wheels(plan),
            build_packages=_build_packages(plan, f"{where}: workload: build_packages"),
            python=next(
                (
                    quoting.name("word", taken.option, f"{where}: python")
                    for taken in plan.decisions
                    if taken.decision == "python"
                ),
                "",
            ),
            sources=_sources(plan, where),
            modules=entries("module", "module"),
            runtime=_runtime(plan, where),
            accelerated=bool(plan.target.get("gpus")) or any(_brings_a_device(entry) for entry in flags),
            idle=tuple(idle(plan)),
            lock=lock,
        )

    @property
    def labels(self) -> dict[str, str]:
        """The image's labels: the keys of the Open Container Initiative, the plan and the knowledge it came
        from.
        """
        base, _, digest = ("" if self.build_arguments else self.base).partition("@")
        title, kind = self.program.title, "Environment"
        if self.program.framework:
            title, kind = f"{title} ({self.program.framework})", "Training environment"
        return {
            "org.opencontainers.image.title": title,
            "org.opencontainers.image.description": f"{kind} of plan {self.plan_id}",
            "org.opencontainers.image.vendor": "Ontune",
            "org.opencontainers.image.version": self.plan_id,
            **({"org.opencontainers.image.base.name": base} if base else {}),
            **({"org.opencontainers.image.base.digest": digest} if digest else {}),
            "ontune.plan-id": self.plan_id,
            "ontune.knowledge-sha256": self.knowledge,
            **({"ontune.sources": " ".join(self.sources)} if self.sources else {}),
        }

    @property
    def packages_to_install(self) -> tuple[Entry, ...]:
        """Debian packages for the run and for the installation."""
        needed = {package.name for package in self.system_packages}
        return (
            *self.system_packages,
            *(package for package in self.build_packages if package.name not in needed),
        )

    @property
    def compiles(self) -> bool:
        """Whether Python packages are compiled against the framework, in a step of their own."""
        return bool(self.compiled_packages or self.program.compiled)

    @property
    def build_arguments(self) -> tuple[str, ...]:
        """What the builder must say that the plan leaves open, such as the path of a base image: `apptainer
        build --build-arg NAME=VALUE`.
        """
        named = self.bootstrap == "localimage" and self.header("From").startswith("/")  # an image of the site
        return () if named else _BUILD_ARGUMENTS.get(self.bootstrap, ())

    @property
    def of_registry(self) -> bool:
        """Whether the base is an image that a registry has."""
        return self.bootstrap in BOOTSTRAPS and self.bootstrap not in _BUILD_ARGUMENTS

    @property
    def packages_to_add(self) -> tuple[Entry, ...]:
        """Debian packages that are added to the base from those that the lock names, with what they need."""
        if not (self.lock and self.lock.added):
            return ()
        return self.build_packages if self.lock.system else self.packages_to_install

    @property
    def image_environment(self) -> tuple[Entry, ...]:
        """The variables that an image can set by itself; `run.sh` sets those that depend on more of a run
        than its cores.
        """
        return tuple(entry for entry in self.environment if entry.placeholders <= {"cores"})

    @property
    def placeholders(self) -> frozenset[str]:
        """What `run.sh` must find out, by the names of `RUN_TIME`."""
        return frozenset().union(
            *(entry.placeholders for entry in (*self.environment, *self.settings, *self.inner_launchers))
        )

    @property
    def inner_launchers(self) -> tuple[Entry, ...]:
        """The launchers that stand before the program itself, in the order of the decisions; job scripts
        start the others.
        """
        return tuple(entry for entry in self.launchers if entry.name not in _NOT_BEFORE_THE_PROGRAM)

    @property
    def in_container(self) -> bool:
        """Whether jobs run an image; else the site's modules or an environment beside the scripts bring what
        one would.
        """
        return not self.modules and self.runtime != RUNTIMES[-1]

    @property
    def meets(self) -> bool:
        """Whether the processes of several nodes must be told where to meet."""
        return not self.placeholders.isdisjoint(_MEETING)

    @property
    def mpirun(self) -> Entry | None:
        """The launcher of an MPI library, where it starts the processes."""
        return next((entry for entry in self.launchers if entry.name == "mpirun"), None)

    @property
    def worker_launcher(self) -> str:
        """The name of the launcher that starts a process for each device inside a container; empty where the
        program is started directly.
        """
        return next((entry.name for entry in self.inner_launchers if "devices" in entry.placeholders), "")

    @property
    def staging(self) -> Entry | None:
        """The step that copies the data to storage of the node, where there is one."""
        return next((step for step in self.steps if step.name == "stage-data"), None)

    @property
    def staged_folder(self) -> str:
        """The folder that is copied; empty where nothing is, or where the training has no folder of data by
        its whole path.
        """
        return self.program.data if self.staging and self.program.data.startswith("/") else ""

    @property
    def bootstrap(self) -> str:
        """How the base is had. Where it is made here and locked, that happens before the build: only so the
        packages are those of the lock.
        """
        return "localimage" if self.lock and self.lock.system else self.header("Bootstrap")

    @property
    def base(self) -> str:
        """The image of a registry that the plan begins from, with its digest where that is locked; empty
        where it names none.
        """
        return (self.lock.image if self.lock else "") or self.header("From")

    @property
    def always(self) -> Mapping[str, str]:
        """The variables that every run gets, where no option wants another value."""
        wanted = {entry.name: entry.value for entry in self.environment}
        return {name: value for name, value in _ALWAYS.items() if wanted.get(name, value) == value}

    def beside_always(self, entries: Iterable[Entry]) -> tuple[Entry, ...]:
        """Those of some variables that not every run gets anyway: none is set twice."""
        return tuple(entry for entry in entries if self.always.get(entry.name) != entry.value)

    def header(self, key: str) -> str:
        """The value of the definition's header `key`, or empty."""
        return next((entry.value for entry in self.headers if entry.name.lower() == key.lower()), "")


def _has_wheels(plan: Plan) -> bool:
    """Whether pip installs the framework; else the base has it."""
    wheels = chain.from_iterable(taken.apply for taken in plan.decisions if taken.decision == "wheel")
    return any(application.manager == "pip" for application in wheels)


def _build_packages(plan: Plan, where: str) -> tuple[Entry, ...]:
    names = _listed(plan.workload.get("build_packages") or (), where)
    return tuple(
        Entry(quoting.name("system package", name, where), "", "workload: build_packages") for name in names
    )


def _sources(plan: Plan, where: str) -> tuple[str, ...]:
    """The sources behind the options that do something, as words of a label."""
    found: set[str] = set()
    for taken in plan.decisions:
        here = f"{where}: {taken.decision}: sources"
        for reason in taken.reasons if taken.apply else ():
            found |= {quoting.plain(quoting.value(source, here), here) for source in reason.sources}
    return tuple(sorted(source for source in found if " " not in source))


def _because(taken: DecisionTaken, where: str) -> str:
    decision = quoting.name("word", taken.decision, f"{where}: decision")
    option = quoting.name("word", taken.option, f"{where}: option")
    return f"{decision}: {option}"


def _entries(plan: Plan, how: How, kind: str, manager: Manager | None, where: str) -> Iterable[Entry]:
    for number, taken in enumerate(plan.decisions):
        here = f"{where}: decisions[{number}]"
        for position, application in enumerate(taken.apply):
            if application.how == how and manager in (None, application.manager):
                yield _checked(application, kind, _because(taken, here), f"{here}: apply[{position}]")


def _checked(application: Application, kind: str, because: str, where: str) -> Entry:
    text = quoting.value(application.value, f"{where}: value")
    if application.how == "package" and text:
        text = quoting.name(
            "address" if application.manager == "index" else "version", text, f"{where}: value"
        )
    return Entry(quoting.name(kind, application.name, f"{where}: name"), text, because, application.by)


def _runtime(plan: Plan, where: str) -> str:
    found = next(
        (taken.option for taken in plan.decisions if taken.decision == "container_runtime"), RUNTIMES[0]
    )
    if found not in RUNTIMES:
        raise BadInput(
            f"{where}: container_runtime",
            f"no job is written for {found}",
            expected=", ".join(RUNTIMES),
            given=found,
            known=RUNTIMES,
        )
    return found


def _brings_a_device(flag: Entry) -> bool:
    """Whether a flag of the container's runtime is there for what the program computes on, and not for the
    runtime's own sake.
    """
    return flag.name.startswith("-") and not flag.because.startswith("container_runtime:")


def _distinct(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Flags may be given several times with different values, such as one for each device."""
    by_flag: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        before = by_flag.get((entry.name, entry.value))
        by_flag[entry.name, entry.value] = (
            entry if before is None else Entry(entry.name, entry.value, f"{before.because}, {entry.because}")
        )
    return tuple(by_flag.values())


def _merged(entries: Iterable[Entry], merge: _Merge, where: str) -> tuple[Entry, ...]:
    by_name: dict[str, Entry] = {}
    for entry in entries:
        before = by_name.get(entry.name)
        by_name[entry.name] = entry if before is None else merge(before, entry, where)
    return tuple(by_name.values())


def _only_once(before: Entry, after: Entry, where: str) -> Entry:
    """Two options may want the same thing; a version or value that only one of them names holds for both."""
    if before.value and after.value and before.value != after.value:
        problem = f"{before.because} wants {before.name} {before.value}, {after.because} wants {after.value}"
        raise BadInput(where, problem, expected="one value")
    return Entry(before.name, before.value or after.value, f"{before.because}, {after.because}")


def _joined(before: Entry, after: Entry, where: str) -> Entry:
    """Variables that several options set hold lists (of libraries to preload, of compiler flags), and those
    are separated by blanks.
    """
    words = list(dict.fromkeys([*before.value.split(), *after.value.split()]))
    return Entry(before.name, " ".join(words), f"{before.because}, {after.because}")


def _program(plan: Plan, where: str) -> Program:
    workload = plan.workload
    title = quoting.plain(workload.get("name") or workload.get("network") or "workload", f"{where}: name")
    trains_nothing = workload.get("command") and not any(
        taken.decision == "framework" for taken in plan.decisions
    )
    framework = (
        ""
        if trains_nothing
        else quoting.name("word", _option(plan, "framework", where), f"{where}: framework")
    )
    data = quoting.value(workload.get("data") or "", f"{where}: data")
    if workload.get("script") or workload.get("command"):
        return Program(
            title,
            framework,
            script=quoting.value(workload.get("script") or "", f"{where}: script"),
            command=_listed(workload.get("command") or (), f"{where}: command"),
            arguments=_listed(workload.get("arguments") or (), f"{where}: arguments"),
            folder=quoting.value(workload.get("folder") or "", f"{where}: folder"),
            files=_listed(workload.get("files") or (), f"{where}: files"),
            requires=_requires(plan, where, compiled=False),
            compiled=_requires(plan, where, compiled=True),
            data=data,
            build_source=_source(workload.get("build_source") or "", f"{where}: build_source"),
            build_command=quoting.value(workload.get("build_command") or "", f"{where}: build_command"),
        )
    network = quoting.name("word", workload.get("network") or workload.get("name"), f"{where}: network")
    return Program(title, framework, network, _parameters(workload, where), data=data)


def _requires(plan: Plan, where: str, *, compiled: bool) -> tuple[tuple[str, str], ...]:
    """The requirements of the script as the plan settled them: those that are compiled, or the others.

    Raises:
        BadInput: the plan has none settled, though the workload has requirements: it was made before they
            were read.
    """
    asked = plan.workload.get("requires") or ()
    if len(asked) != len(plan.requirements) or (
        plan.workload.get("requirements") and "requires" not in plan.workload
    ):
        problem = "the plan says nothing of what becomes of the script's requirements"
        raise BadInput(
            f"{where}: requirements",
            problem,
            expected="a plan made anew by `ontune plan` or `ontune recipe -w`",
        )
    return tuple(
        _settled(one, f"{where}: requirements[{number}]")
        for number, one in enumerate(plan.requirements)
        if bool(one.get("compiled")) == compiled
    )


def _settled(one: Mapping[str, Any], where: str) -> tuple[str, str]:
    written, asked = quoting.value(one.get("written", ""), where), quoting.value(one.get("asked", ""), where)
    if written:
        parsed(written)
    reasons = [
        asked if asked != written else "",
        quoting.value(one.get("where", ""), where) or "requires",
        quoting.value(one.get("because", ""), where),
    ]
    return written, ": ".join(reason for reason in reasons if reason)


def _source(address: object, where: str) -> str:
    return quoting.name("source", address, where) if address else ""


def _parameters(workload: Mapping[str, Any], where: str) -> tuple[tuple[str, str], ...]:
    given = workload.get("parameters") or {}
    if not isinstance(given, Mapping):
        raise BadInput(f"{where}: parameters", "not an object", expected="names with values")
    return tuple(
        (
            quoting.name("word", key, f"{where}: parameters"),
            quoting.value(item, f"{where}: parameters: {key}"),
        )
        for key, item in given.items()
        if item is not None
    )


def _listed(given: object, where: str) -> tuple[str, ...]:
    if not isinstance(given, list | tuple):
        raise BadInput(where, "not a list", expected="a list of texts")
    return tuple(quoting.value(item, f"{where}[{index}]") for index, item in enumerate(given))


def _option(plan: Plan, decision: str, where: str) -> str:
    if all(taken.decision != decision for taken in plan.decisions):
        raise BadInput(where, f"the plan takes no decision '{decision}'", expected="a plan that names it")
    return plan.option(decision)
