"""The recipe: what a plan asks of an image and of a run, checked and sorted, as all writers share it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Self

from generators.provenance.lock import Lock
from generators.recipe.entries import MEETING, Entry, Merge, distinct, entries_of, joined, merged, only_once
from generators.recipe.program import Program, listed, program_of
from generators.writers import quoting
from kb.errors import BadInput
from reasoner.answers.plan import How, Manager, Plan, idle

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


# No launcher at all, and those that start containers.
_NOT_BEFORE_THE_PROGRAM = ("python", "srun", "mpirun")
_BUILD_ARGUMENTS = {"localimage": ("base",), "debootstrap": ("mirror",)}
BOOTSTRAPS = ("docker", "oras", "library", *_BUILD_ARGUMENTS)
"""The kinds of base that the writers tell apart."""


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
            how: How, kind: str, manager: Manager | None = None, merge: Merge = only_once
        ) -> tuple[Entry, ...]:
            return merged(entries_of(plan, how, kind, manager, where), merge, where)

        settings, flags = entries("code", "word"), distinct(entries_of(plan, "flag", "flag", None, where))
        return cls(
            plan_id=quoting.name("identifier", plan.plan_id, f"{where}: plan_id"),
            knowledge=quoting.name(
                "identifier", plan.knowledge.get("sha256", "unknown"), f"{where}: knowledge: sha256"
            ),
            program=program_of(plan, f"{where}: workload"),
            headers=entries("image", "header"),
            system_packages=entries("package", "system package", "apt"),
            python_packages=entries("package", "python package", "pip"),
            indexes=entries("package", "word", "index"),
            environment=entries("env", "variable", merge=joined),
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
        return not self.placeholders.isdisjoint(MEETING)

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
    names = listed(plan.workload.get("build_packages") or (), where)
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
