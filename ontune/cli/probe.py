"""`ontune probe`: a machine as target facts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kb.errors import BadInput
from ontune.cli.output import choice, emit_json, emit_rows, say, write_whole
from ontune.cli.request import pairs

if TYPE_CHECKING:
    from kb.records.target import Target

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def probe(
    cpuinfo: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Text of /proc/cpuinfo or lscpu of the machine.")
    ] = None,
    nvidia_smi: Annotated[
        Path | None, typer.Option(metavar="FILE", help="XML of `nvidia-smi -q -x`.")
    ] = None,
    rocm_smi: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON of `rocm-smi --json` or `amd-smi static --json`."),
    ] = None,
    sinfo: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Output of `sinfo`, `scontrol show node` or `pbsnodes -a`."),
    ] = None,
    partition: Annotated[
        str, typer.Option(metavar="NAME", help="The partition or queue of --sinfo whose nodes are meant.")
    ] = "",
    via: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND", help="Probe where this command runs programs, such as 'srun -p gpu'."
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set a fact by hand, such as cpu.usable_cores=8."),
    ] = None,
    network: Annotated[
        bool,
        typer.Option(
            "--network", help="Ask container registries whether they answer; nothing else uses the network."
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write a .json, .yaml or .ttl for `ontune plan -t`."
        ),
    ] = None,
    format: Annotated[
        str, choice("--format", "table", "json", "turtle", help="How to print the facts.")
    ] = "table",
) -> None:
    """Describe this machine, or the one whose dumps are given, as facts. Without --network nothing leaves the
    machine.
    """
    from kb.probe.machine import probe as run_probe

    target = run_probe(
        cpuinfo=cpuinfo,
        nvidia_smi=nvidia_smi,
        rocm_smi=rocm_smi,
        sinfo=sinfo,
        partition=partition,
        tell=say,
        overrides=pairs(set_ or [], "--set", "KEY=VALUE"),
        via=via,
        network=network,
    )
    if output is not None:
        write_whole(output, _file_text(target, output))
        say(f"written: {output}")
    elif format == "json":
        emit_json(target.to_json())
    elif format == "turtle":
        print(target.to_turtle())
    else:
        emit_rows(_rows(target.to_json()), ("fact", "value"))


def _file_text(target: Target, path: Path) -> str:
    import json

    match path.suffix:
        case ".json":
            return json.dumps(target.to_json(), indent=2) + "\n"
        case ".yaml" | ".yml":
            return target.to_yaml()
        case ".ttl":
            return target.to_turtle()
    raise BadInput("--output", f"'{path}' has no known suffix", expected=".json, .yaml or .ttl")


def _rows(facts: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each fact with the key that `--set` takes."""
    if isinstance(facts, dict) and facts:
        for key, value in facts.items():
            yield from _rows(value, f"{path}.{key}" if path else key)
    elif isinstance(facts, list) and facts and isinstance(facts[0], dict):
        for index, value in enumerate(facts):
            yield from _rows(value, f"{path}[{index}]")
    elif isinstance(facts, list):
        yield path, ", ".join(map(str, facts)) or "none"
    else:
        yield (
            path,
            "unknown"
            if facts is None
            else "none"
            if facts == {}
            else str(facts).lower()
            if isinstance(facts, bool)
            else str(facts),
        )
