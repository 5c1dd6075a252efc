"""The command line: `ontune COMMAND`. Each command is a module of this package, imported when it is used.

Data goes to stdout, progress and messages to stderr. Exit codes: 0 done, 1 internal error, 2 bad input, 3 no
feasible plan, 4 a build or a run failed.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

from kb import __version__
from kb.clean import Outgoing
from kb.errors import BadInput, DeprecatedName, OntuneError

# In the order of use; a command is offered where its module exists.
COMMANDS: Final = (
    "demo", "probe", "plan", "explain", "why-not", "what-if", "recipe", "fetch", "build", "bench", "run",
    "install", "tune", "report", "query", "check", "kb", "serve",
)  # fmt: skip
UNUSABLE_PATH: Final = (
    FileNotFoundError,
    FileExistsError,
    PermissionError,
    NotADirectoryError,
    IsADirectoryError,
)
PIPE_CLOSED: Final = 141  # what a shell reports for a process ended by SIGPIPE


def _module_of(command: str) -> str:
    return f"{__name__}.{command.replace('-', '_')}"


class LazyGroup(TyperGroup):
    """A group whose commands are modules: only the one that is called gets imported."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The commands whose modules exist, in the order of use."""
        return [name for name in COMMANDS if importlib.util.find_spec(_module_of(name))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name.

        Raises:
            BadInput: no such command.
        """
        known = self.list_commands(ctx)
        if cmd_name not in known:
            from ontune.cli.typed import no_such_command

            raise no_such_command("ontune", cmd_name, known)
        from ontune.cli.typed import refuse_repetitions

        command = get_command(importlib.import_module(_module_of(cmd_name)).app)
        command.name = cmd_name
        return refuse_repetitions(command)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a reader that closes the pipe early ends it silently."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(PIPE_CLOSED) from None
        return result


_OBJECTS_BETWEEN_COLLECTIONS = 500_000  # nearly all that a command makes lives to its end
_COLUMNS = 93  # of a refusal, beside the word before it

app = typer.Typer(
    cls=LazyGroup, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]}
)


def _print_version(asked: bool) -> None:
    if asked:
        from kb.version import shipped_version

        print(f"ontune {__version__}, knowledge {shipped_version()}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def ontune(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the versions of program and knowledge.",
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show a traceback where something fails; may stand anywhere.")
    ] = False,
) -> None:
    """Plan, explain, build and measure the fastest training deployment for a machine."""
    if context.invoked_subcommand is None:
        print(context.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave the process with its exit code.

    Args:
        arguments: what follows the program's name; those of the process where absent.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = words[: words.index("--")] if "--" in words else words
    debug = "--debug" in options
    if options[:1] == ["run"] and len(options) < len(words):
        from ontune.cli.import_path import leave_the_users_modules

        leave_the_users_modules()
    gc.enable()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    with _guarded(), _deprecations_shown():
        sys.exit(_exit_code(words, options, debug))


def _exit_code(words: list[str], options: list[str], debug: bool) -> int:
    """Run one command and tell what goes wrong."""
    if debug:
        words.remove("--debug")
        _log_everything()
    try:
        code = get_command(app).main(args=words, prog_name="ontune", standalone_mode=False)
    except Exception as error:
        told = _as_ours(error)
        code = told.exit_code
        if _asks_for_json(options):
            from ontune.cli.output import emit_json

            emit_json({"error": told.to_json()})
        if debug:
            import traceback

            traceback.print_exception(error)  # here, where the streams are guarded
        else:
            print(f"error: {told.laid_out(_COLUMNS)}", file=sys.stderr)
    return code if isinstance(code, int) else 0


@contextlib.contextmanager
def _guarded() -> Iterator[None]:
    """Let only clean text through to stdout and stderr: much of what is printed was written by others."""
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (stream and Outgoing(stream) for stream in streams)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams


@contextlib.contextmanager
def _deprecations_shown() -> Iterator[None]:
    """Say on stderr, once each, which names were given up and what takes their place; other warnings are
    printed as ever.
    """
    said: set[str] = set()

    def tell(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if not issubclass(category, DeprecatedName):
            as_ever(message, category, *where, **more)
        elif (text := f"note: {message}") not in said:
            said.add(text)
            print(text, file=sys.stderr)

    with warnings.catch_warnings():
        as_ever = warnings.showwarning
        warnings.simplefilter("always", DeprecatedName)
        warnings.showwarning = tell
        yield


def _asks_for_json(words: Sequence[str]) -> bool:
    """Whether `--format json` is among the words of a command line, which may be wrong in any other way."""
    pairs = zip(words, [*words[1:], ""], strict=True)
    return any(
        (word == "--format" and after.lower() == "json") or word.lower() == "--format=json"
        for word, after in pairs
    )


def _as_ours(error: Exception) -> OntuneError:
    """Whatever a command raised as an error of our own."""
    match error:
        case OntuneError():
            return error
        case typer.TyperException():
            from ontune.cli.typed import usage_error

            return usage_error(error)
        case typer.Abort():
            return BadInput("ontune", "aborted")
        case OSError(filename=str() | bytes() as path) if isinstance(error, UNUSABLE_PATH):
            return BadInput(os.fsdecode(path), (error.strerror or "not usable").lower())
        case _:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            return OntuneError(f"internal error: {text} (run again with --debug for the traceback)")


def _log_everything() -> None:
    import logging

    logging.basicConfig(
        level=logging.DEBUG, stream=sys.stderr, format="%(relativeCreated)6d ms %(name)s: %(message)s"
    )
