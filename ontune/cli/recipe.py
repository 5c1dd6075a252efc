"""`ontune recipe`: the bundle of a plan; `ontune recipe lint`: check a recipe."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kb.errors import BadInput
from kb.values import replace
from ontune.cli.elsewhere import accept_option, agree_to_bundle
from ontune.cli.output import FINDINGS, choice, emit, emit_rows, say
from ontune.cli.plan_words import by_the_script, package_remarks
from ontune.cli.request import RequestArguments, pairs, takes_request

if TYPE_CHECKING:
    from generators.bundle import Bundle
    from generators.modak.job_request import ModakRequest
    from generators.provenance.lock import Lock
    from kb.records.target import Target
    from reasoner.answers.plan import Plan
    from reasoner.reasoner import Reasoner

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.callback(invoke_without_command=True)
@takes_request
def recipe(
    request: RequestArguments,
    context: typer.Context,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="The folder of the bundle; new, empty, or a bundle."
        ),
    ] = None,
    from_modak: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Take workload and job from a request to MODAK (.json, .opt)."),
    ] = None,
    to: Annotated[str, typer.Option(metavar="FORMAT,...", help="Recipes to write.")] = "apptainer,dockerfile",
    job: Annotated[
        str, typer.Option(metavar="SCHEDULER,...", help="Job scripts to write.")
    ] = "bash,slurm,pbs",
    locked: Annotated[
        bool,
        typer.Option("--locked", help="Pin every package by version and hash; a lock that still fits stays."),
    ] = False,
    update_lock: Annotated[
        bool, typer.Option("--update-lock", help="As --locked, with what archives and indexes have now.")
    ] = False,
    ask: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="What the job asks for; `--ask help` lists the names."),
    ] = None,
    accept_files: Annotated[bool, accept_option()] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Write into a folder that holds something else.")
    ] = False,
    format: Annotated[
        str, choice("--format", "table", "json", help="How to print what was written.")
    ] = "table",
) -> None:
    """Write the image definition, run script and job scripts of a plan into a folder."""
    if context.invoked_subcommand is not None:
        return
    if ask == ["help"]:
        _show_wishes(format)
        return
    if output is None:
        raise BadInput("--output", "nothing is said of where the bundle goes", expected="-o DIR")
    from generators.bundle import write_bundle
    from generators.writers.job import left_open

    jobs = _words(job)
    asked = {
        name: _value(text)
        for name, text in pairs(
            ask or [], "--ask", "NAME=VALUE, of which `--ask help` lists the names"
        ).items()
    }
    if from_modak is not None:
        plan, scheduler, wanted = _plan_for_modak(request, from_modak)
        jobs, asked = [scheduler] if scheduler in jobs else jobs, wanted | asked
    elif (given := request.given_plan()) and not request.adds_to_plan:
        plan = given
    else:
        reasoner = request.reasoner()
        plan = reasoner.plan(request.question(reasoner))
    if request.plan is not None:
        agree_to_bundle(plan, str(request.plan), accept_files, request.named_files(plan))
    lock = _lock(plan, output, update_lock) if locked or update_lock else None
    formats = _words(to)
    bundle = write_bundle(plan, output, formats, jobs, wishes=asked, lock=lock, force=force)
    for line in (*_left_to_others(bundle, formats), *left_open(plan, asked)):
        typer.echo(line, err=True)
    files = sorted(
        str(path.relative_to(bundle.folder)) for path in bundle.folder.rglob("*") if path.is_file()
    )
    document = {"plan_id": plan.plan_id, "folder": str(bundle.folder), "files": files}
    emit(document, format, lambda: emit_rows([(file,) for file in files], (f"written to {bundle.folder}",)))


def _show_wishes(format: str) -> None:
    """Print what `--ask` takes."""
    from generators.writers.job import wishes_known

    known = wishes_known()
    document = {
        "wishes": [
            {"name": name, "default": default, "meaning": meaning}
            for name, (default, meaning) in known.items()
        ]
    }
    rows = ((name, json.dumps(default), meaning) for name, (default, meaning) in known.items())
    emit(document, format, lambda: emit_rows(rows, ("--ask", "without a wish", "meaning")))


def _left_to_others(bundle: Bundle, formats: Sequence[str]) -> Iterator[str]:
    """What an output of the bundle does not apply, and what the user's own script has to call for."""
    from generators.bundle import FORMATS
    from generators.recipe.limits import unapplied

    recipe = bundle.recipe
    for output, file in {**{name: FORMATS[name] for name in formats}, "install": "install.sh"}.items():
        yield from (f"{file}: not applied: {line}" for line in unapplied(recipe, output))
    for requirement in bundle.plan.requirements:
        if requirement["because"]:
            yield f"{requirement['where'] or 'requires'}: {requirement['asked']}: {requirement['because']}"
    yield from package_remarks(bundle.plan)
    if recipe.program.own:
        inside = [entry.because for entry in recipe.settings]
        own = [entry.because for entry in recipe.left_to_user]
        yield from by_the_script(bundle.plan.workload.get("script"), inside, own)


def _with_indexes_of_site(plan: Plan) -> AbstractContextManager[None]:
    """What resolves packages asks the indexes of the plan's site."""
    from bench.images.site_settings import with_variables
    from kb.records.site import complete_site

    return with_variables(complete_site(plan.site, "plan: site").builder_variables() if plan.site else {})


def _lock(plan: Plan, folder: Path, anew: bool) -> Lock:
    """The lock for a plan: the one that lies in the folder where it fits and is not wanted anew."""
    from bench.images.locking import lock_for
    from generators.provenance.lock import Lock

    with _with_indexes_of_site(plan):
        return lock_for(plan, None if anew else Lock.read(folder), say)


def _value(text: str) -> Any:
    """A number, a truth value or a list where the text is one in JSON, else the text."""
    from kb.store.files import json_of

    try:
        return json_of(text, "--ask")
    except BadInput:
        return text


def _plan_for_modak(request: RequestArguments, file: Path) -> tuple[Plan, str, dict[str, Any]]:
    """The plan for a request to MODAK, the scheduler that it is for, and what it asks of that."""
    from generators.modak.job_request import read_request
    from generators.modak.parallel_program import plan_of
    from kb.records.workload import load_workload

    if request.plan is not None:
        raise BadInput("--plan", "cannot be combined with --from-modak", expected="one of them")
    reasoner = request.reasoner()
    wanted = read_request(file, reasoner.full_store)
    if not wanted.workload.facts.get("command") and request.workload is None:
        raise BadInput(
            str(file),
            "nothing is said of what is run",
            expected="application: executable; or -w, which says what is trained",
        )
    if wanted.workload.facts.get("command") and request.workload is not None:
        raise BadInput("--workload", f"{file.name} says what is run", expected="one of them")
    for note in wanted.notes:
        typer.echo(f"{file.name}: {note}", err=True)
    if wanted.parallel is not None:
        if others := [flag for flag in request.typed if flag != "--endpoint"]:
            raise BadInput(
                others[0],
                f"{file.name} is for what MPI starts, of which nothing is chosen here",
                expected="the request alone",
            )
        plan = plan_of(
            wanted.parallel,
            wanted.workload,
            wanted.scheduler,
            reasoner.full_store,
            reasoner.knowledge,
            str(file),
        )
        return plan, wanted.scheduler, dict(wanted.wishes)
    request, target = _at_its_place(request, wanted, reasoner, file)
    asked = dict(wanted.wishes)
    gpus = target.facts.get("gpus")
    if wanted.accelerated and gpus is None:
        typer.echo(
            f"{file.name}: it asks for an accelerator,"
            f" and it is not known whether target {target.name} has one",
            err=True,
        )
    elif wanted.accelerated and not gpus:
        typer.echo(
            f"{file.name}: it asks for an accelerator, and target {target.name} has none:"
            " name the machine with --target",
            err=True,
        )
        asked.pop("gpus", None)
    workload = wanted.workload
    if request.workload is not None:
        workload = load_workload(request.workload, reasoner.store)
        said = workload.facts.get("framework")
        if wanted.framework and request.framework is None and said not in (None, wanted.framework):
            problem = f"{request.workload} is written for {said}, and {file.name} asks for {wanted.framework}"
            raise BadInput("--workload", problem, expected="one framework, or --framework")
        request = replace(request, framework=request.framework or wanted.framework or None)
    return reasoner.plan(workload, target, **request.wishes(reasoner)), wanted.scheduler, asked


def _at_its_place(
    request: RequestArguments, wanted: ModakRequest, reasoner: Reasoner, file: Path
) -> tuple[RequestArguments, Target]:
    """The request and the target of a MODAK request: a machine of the name that it gives, or whatever stands
    at the site of that name.

    Raises:
        BadInput: the name is that of no target and of no site.
    """
    from kb.records.site import site_names
    from kb.records.target import complete_target
    from kb.records.targets import target_names

    name = wanted.target
    if name and request.site is None and name in site_names(reasoner.store):
        request = replace(request, site=name)
    if not name or request.target is not None:
        return request, request.asked_target(reasoner)
    if name in target_names(reasoner.store):
        request = replace(request, target=name)
        return request, request.asked_target(reasoner)
    if not wanted.at_known_site:
        known = [*target_names(reasoner.store), *site_names(reasoner.store)]
        expected = (
            "the name of a target or a site (`ontune query targets`, `ontune query sites`), or --target"
        )
        raise BadInput(
            f"{file}: target: name", f"unknown target '{name}'", expected=expected, given=name, known=known
        )
    typer.echo(
        f"{file.name}: {name} is a known site, of whose machines nothing is known here:"
        " describe one with --target",
        err=True,
    )
    target = complete_target(name, {"scheduler": wanted.scheduler}, str(file))
    return request, target.with_overrides(pairs(request.set_ or (), "--set", "KEY=VALUE"))


@app.command("lint")
def lint_recipe(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An Apptainer definition or a Dockerfile.")],
    format: Annotated[
        str, choice("--format", "table", "json", help="How to print what was found.")
    ] = "table",
) -> None:
    """Check a recipe against its grammar and the rules of the knowledge base. Nothing in it is run. Exit code
    5 where something is an error.
    """
    from generators.read.lint import lint

    smells = lint(file)
    document = {"file": str(file), "smells": [asdict(smell) for smell in smells]}
    rows = [(str(smell.line or ""), smell.severity, smell.text, smell.repair) for smell in smells]
    emit(document, format, lambda: emit_rows(rows, ("line", "severity", "smell", "repair")))
    if any(smell.severity == "error" for smell in smells):
        raise typer.Exit(FINDINGS)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
