"""Put the pages together and write them into a folder."""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import jinja2
import pyoxigraph as ox

from kb.errors import BadInput
from kb.store.files import read_bytes
from kb.store.paths import shipped
from kb.store.query_library import NamedQuery
from kb.store.scratch import scratch
from kb.store.sources import Source
from kb.store.terms import PREFIXES, RDF_TYPE, on, prefixed
from ontune.html.facts import Chapter, Stated
from ontune.html.markup import Writer, laid_out

_HERE = Path(__file__).parent
_GENERATOR = "ontune kb export"
_OLD = ".old"
_PARTS = {
    "ontology": "Ontology",
    "rules": "Rules",
    "kb/facts": "Facts",
    "kb/evidence": "Evidence",
    "additions": "Additions",
}
_SET_APART = frozenset(
    {
        RDF_TYPE,
        PREFIXES["rdfs"] + "label",
        PREFIXES["skos"] + "definition",
        PREFIXES["sh"] + "construct",
        PREFIXES["sh"] + "prefixes",
        on("message"),
    }
)
_TEXT_FOLDERS = {
    "rules/closure": "OWL 2 RL closure",
    "rules/checks": "Quality queries",
    "rules/recipes": "Smells of recipes",
}
_LISTED = {
    "decisions": ["Decision"], "options": ["Option"], "derivations": ["Derivation"],
    "conflict_rules": ["ConflictRule"], "conflicts": ["Conflict"], "effects": ["Effect"],
}  # fmt: skip
_PROPERTIES = {
    "rdf_type": ("rdf", "type"), "definition_property": ("skos", "definition"),
    "construct_property": ("sh", "construct"), "source_property": ("dct", "source"),
    "derived_from": ("prov", "wasDerivedFrom"),
}  # fmt: skip
_HEADER_LINE = re.compile(r"^# (?:(\w+): )?(.*)$")


@dataclass(frozen=True)
class TextRule:
    """A closure rule, a quality query or a smell: a file of SPARQL whose header says what it is about."""

    name: str
    header: tuple[tuple[str, str], ...]
    text: str


def write_site(
    folder: Path, sources: Sequence[Source], queries: Mapping[str, NamedQuery], knowledge: Mapping[str, str]
) -> int:
    """Write the pages; gives their number. The folder appears whole or not at all.

    Args:
        folder: a new or empty folder, or one that holds such pages, which are replaced.
        sources: the files to show.
        queries: the named queries to show.
        knowledge: `version` and `sha256` of the knowledge base.

    Raises:
        BadInput: the folder holds something else, or cannot be written.
    """
    if folder.exists() and not _is_ours(folder):
        raise BadInput(
            str(folder),
            "holds something else",
            expected="a new folder, or one that `ontune kb export --format html` has written",
        )
    pages = dict(_pages(Stated(sources), sources, queries, knowledge))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with scratch("pages", folder.parent) as made:
            for name, text in pages.items():
                (made / name).write_text(text, encoding="utf-8")
            for static in ("style.css", "filter.js"):
                shutil.copyfile(_HERE / "templates" / static, made / static)
            made.chmod(0o755)
            if folder.exists():  # what was there goes only when the new pages are complete
                folder.rename(made / _OLD)
            made.rename(folder)
            shutil.rmtree(folder / _OLD, ignore_errors=True)
    except OSError as error:
        raise BadInput(
            str(folder),
            f"cannot be written ({(error.strerror or str(error)).lower()})",
            expected="a folder that is writable",
        ) from error
    return len(pages)


def _is_ours(folder: Path) -> bool:
    """Whether a folder is empty or holds pages that this module has written."""
    index = folder / "index.html"
    return folder.is_dir() and (
        not any(folder.iterdir()) or (index.is_file() and _GENERATOR.encode() in read_bytes(index))
    )


def _pages(
    stated: Stated, sources: Sequence[Source], queries: Mapping[str, NamedQuery], knowledge: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    writer = Writer(stated)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {name: PREFIXES[prefix] + local for name, (prefix, local) in _PROPERTIES.items()}
    environment.globals |= {"stated": stated, "writer": writer, "chapters": _by_part(stated.chapters)}
    environment.globals |= {"knowledge": knowledge, "generator": _GENERATOR}
    environment.globals |= {
        "prefixed": prefixed,
        "on": on,
        "named": ox.NamedNode,
        "laid_out": laid_out,
        "first": _first,
    }
    environment.globals |= {
        "facts_of": lambda iri: _facts(stated, iri),
        "said_of": lambda iri: _uses_of(stated, iri),
    }

    def page(name: str, template: str, title: str, **context: Any) -> tuple[str, str]:
        return name, environment.get_template(template).render(title=title, **context)

    texts = {
        title: [*_text_rules(shipped(path.split("/")[0]) / path.split("/")[1])]
        for path, title in _TEXT_FOLDERS.items()
    }
    topics: dict[str, list[NamedQuery]] = defaultdict(list)
    for query in sorted(queries.values(), key=lambda query: query.path.parent.name == "counts"):
        topics[query.path.parent.name].append(query)
    listed = {name: stated.of_class(*map(on, classes)) for name, classes in _LISTED.items()}
    counts = {name.replace("_", " "): len(iris) for name, iris in listed.items()} | {
        "questions": len(queries),
        "source files": len(sources),
    }
    subjects = chain.from_iterable(chapter.subjects for chapter in stated.chapters)
    names = sorted((prefixed(iri), iri) for iri in subjects)
    yield page("index.html", "index.html.j2", "Ontune's knowledge base", counts=counts)
    yield page("decisions.html", "decisions.html.j2", "Decisions and options", decisions=_decisions(stated))
    yield page("rules.html", "rules.html.j2", "Rules", listed=listed)
    yield page("effects.html", "effects.html.j2", "Effects", effects=_effects(stated, listed["effects"]))
    yield page("questions.html", "questions.html.j2", "Questions", topics=topics)
    yield page("checks.html", "checks.html.j2", "Closure, quality queries, smells", texts=texts)
    yield page("names.html", "names.html.j2", "All names", names=names)
    for chapter in stated.chapters:
        yield page(chapter.page, "chapter.html.j2", chapter.name, chapter=chapter)


def _by_part(chapters: Sequence[Chapter]) -> dict[str, list[Chapter]]:
    """The chapters by the part of the knowledge base that they are in."""
    parts: dict[str, list[Chapter]] = {title: [] for title in _PARTS.values()}
    for chapter in chapters:
        title = next(title for folder, title in _PARTS.items() if chapter.name.startswith(folder))
        parts[title].append(chapter)
    return {title: listed for title, listed in parts.items() if listed}


def _facts(stated: Stated, iri: str) -> dict[str, list[Any]]:
    """The properties of a resource that have no place of their own on its card."""
    found: dict[str, list[Any]] = defaultdict(list)
    for property_, value in stated.about[ox.NamedNode(iri)]:
        if property_ not in _SET_APART and value not in found[property_]:
            found[property_].append(value)
    return {property_: values for property_, values in found.items() if values}


def _uses_of(stated: Stated, iri: str) -> dict[str, list[str]]:
    """The named resources of which this one is a value, or of a part of theirs, by property."""
    found: dict[str, list[str]] = defaultdict(list)
    for subject, property_ in stated.mentions.get(iri, ()):
        owner = stated.named_owner(subject)
        if owner is not None and owner != iri and owner not in found[property_]:
            found[property_].append(owner)
    return {property_: sorted(owners, key=prefixed) for property_, owners in found.items() if owners}


def _decisions(stated: Stated) -> list[tuple[str, str, list[str]]]:
    """Each decision with its default and its options, in the order in which a person would take them."""
    options: dict[str, list[str]] = defaultdict(list)
    for option in stated.of_class(on("Option")):
        options[stated.text(option, on("optionOf"))].append(option)
    decisions = sorted(
        stated.of_class(on("Decision")),
        key=lambda iri: float(stated.text(iri, PREFIXES["sh"] + "order") or 0),
    )
    return [(iri, stated.text(iri, on("default")), options[iri]) for iri in decisions]


def _effects(stated: Stated, effects: Sequence[str]) -> list[tuple[str, dict[str, list[Any]]]]:
    """Each effect with its properties, by the option that it is about."""
    return [
        (iri, _facts(stated, iri))
        for iri in sorted(effects, key=lambda iri: (stated.text(iri, on("option")), iri))
    ]


def _text_rules(folder: Path) -> Iterator[TextRule]:
    for path in sorted(path for path in folder.iterdir() if path.suffix in (".rq", ".ru")):
        lines = path.read_text(encoding="utf-8").splitlines()
        header = [line for line in lines if line.startswith("#")]
        pairs = tuple((match[1] or "", match[2]) for line in header if (match := _HEADER_LINE.match(line)))
        yield TextRule(
            path.stem, pairs, "\n".join(line for line in lines if not line.startswith("#")).strip()
        )


def _first(values: Sequence[Any], number: int) -> tuple[Sequence[Any], Sequence[Any]]:
    """The first values, and the others."""
    return values[:number], values[number:]
