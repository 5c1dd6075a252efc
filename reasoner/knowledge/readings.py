"""The readings of many rules at once: what was read before is kept (`reasoner.knowledge.kept_readings`), the
rest is read by processes of their own.

Reading takes some hundredths of a second for a rule, and rdflib, which nothing but compiling needs. A text
that somebody wrote who means no good may also take for ever, or end the process that reads it: so it is
another one, which can be killed.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyoxigraph as ox

from kb.store.store import KnowledgeStore
from kb.store.terms import PREFIXES, on
from reasoner.knowledge import kept_readings
from reasoner.knowledge.kept_readings import Kind
from reasoner.knowledge.rule_reading import READINGS, RuleReading

Read = RuleReading | str
"""What a text says, or what is wrong with it."""

_CONSTRUCT = PREFIXES["sh"] + "construct"
_TEXTS = "SELECT ?rule ?text WHERE { ?rule sh:construct ?text } ORDER BY ?rule"
_SECONDS = 20.0
"""How long one text may be read: it takes some hundredths of a second."""
_BYTES = 2 << 30
_FOR_ONE = 16
"""So many texts are worth a process."""
_PROBLEM = "!"
_UNREAD = f"its text cannot be read: it takes more than {_SECONDS:g} s, or more than {_BYTES >> 30} GiB"
_ROOT = str(Path(__file__).resolve().parents[2])
_SERVER = (
    "import sys; sys.path.insert(0, sys.argv[1]); from reasoner.knowledge.readings import serve; serve()"
)


def rule_texts(store: KnowledgeStore) -> list[tuple[str, str]]:
    """Every rule of a store with its text."""
    return [(row["rule"], row["text"]) for row in store.select(_TEXTS)]


def keep_readings(store: KnowledgeStore) -> list[tuple[str, str]]:
    """Add to a store, as data, what each of its rules says; gives the rules that rules may not be, with the
    problem.
    """
    rules = rule_texts(store)
    found = readings({text for _, text in rules})
    good = [(rule, reading) for rule, text in rules if isinstance(reading := found[text], RuleReading)]
    graph = ox.NamedNode(READINGS)
    store.add(
        ox.Quad(ox.NamedNode(rule), ox.NamedNode(on("reading")), ox.Literal(reading.to_json()), graph)
        for rule, reading in good
    )
    return _problems(rules, found)


def keep_readable(store: KnowledgeStore) -> None:
    """As `keep_readings`; rules that rules may not be lose their text, so that the others can be run."""
    for rule, _ in keep_readings(store):
        store.remove(
            list(store.store.quads_for_pattern(ox.NamedNode(rule), ox.NamedNode(_CONSTRUCT), None, None))
        )


def unreadable_rules(store: KnowledgeStore) -> list[tuple[str, str]]:
    """The rules of a store that rules may not be, with the problem."""
    rules = rule_texts(store)
    return _problems(rules, readings({text for _, text in rules}))


def readings(texts: Collection[str], kind: Kind = "rule") -> dict[str, Read]:
    """What texts say, or what is wrong with each."""
    kept = kept_readings.kept()
    keys = {text: kept_readings.key_of(kind, text) for text in texts}
    found = {text: _from_line(kept[key]) for text, key in keys.items() if key in kept}
    missing = [text for text in texts if text not in found]
    if missing:
        read = _by_processes(missing, kind)
        found |= read
        # What ended its process may have been ended by something else: it is read again the next time.
        kept_readings.keep(
            {keys[text]: _to_line(reading) for text, reading in read.items() if reading != _UNREAD}
        )
    return found


def lines_of(texts: Collection[str], kind: Kind = "rule") -> dict[str, str]:
    """Good texts as `kept_readings` keeps them, read anew, whatever is kept of them.

    Raises:
        ValueError: one is none that rules may have, or could not be read.
    """
    read = _by_processes(list(texts), kind)
    if wrong := {text: problem for text, problem in read.items() if isinstance(problem, str)}:
        raise ValueError("\n".join(f"{problem}: {text}" for text, problem in wrong.items()))
    return {kept_readings.key_of(kind, text): _to_line(reading) for text, reading in read.items()}


def _problems(rules: Sequence[tuple[str, str]], found: dict[str, Read]) -> list[tuple[str, str]]:
    return [(rule, problem) for rule, text in rules if isinstance(problem := found[text], str)]


def _to_line(read: Read) -> str:
    return f"{_PROBLEM}{read}" if isinstance(read, str) else read.to_json()


def _from_line(line: str) -> Read:
    return line[1:] if line.startswith(_PROBLEM) else RuleReading.from_json(line)


def _by_processes(texts: Sequence[str], kind: Kind) -> dict[str, Read]:
    """Read texts in as many processes as are worth it."""
    processes = max(1, min(len(os.sched_getaffinity(0)), round(len(texts) / _FOR_ONE)))
    with ThreadPoolExecutor(processes) as pool:
        shares = [texts[number::processes] for number in range(processes)]
        found: dict[str, Read] = {}
        for share in pool.map(lambda some: dict(_by_process(some, kind)), shares):
            found |= share
        return found


def _by_process(texts: Sequence[str], kind: Kind) -> Iterator[tuple[str, Read]]:
    """Read texts in a process of its own, one after the other; what ends it, or takes too long, is what is
    wrong with a text.
    """
    left = list(texts)
    while left:
        with tempfile.TemporaryFile() as given:
            given.write(json.dumps([kind, left]).encode())
            given.seek(0)
            process = _started(given.fileno())
        for _ in range(len(left)):
            timer = threading.Timer(_SECONDS, process.kill)
            timer.start()
            line = process.stdout.readline() if process.stdout else b""
            timer.cancel()
            if not line.endswith(b"\n"):
                process.kill()
                yield left.pop(0), _UNREAD
                break
            yield left.pop(0), _from_line(json.loads(line))
        process.communicate()


def _started(given: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-c", _SERVER, _ROOT],
        stdin=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def serve() -> None:
    """The other process: reads texts from its standard input and writes what each says, a line for each."""
    from reasoner.knowledge.rule_algebra import read_closure_rule, read_rule

    resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
    kind, texts = json.loads(sys.stdin.buffer.read())
    for text in texts:
        try:
            read: Read = read_closure_rule(text) if kind == "closure" else read_rule(text)
        except ValueError as error:
            read = str(error)
        print(json.dumps(_to_line(read)), flush=True)
