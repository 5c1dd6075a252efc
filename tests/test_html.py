"""The knowledge base as HTML: nothing is missing, no link dangles, nothing is loaded from a network, and no
text of a file becomes markup.
"""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from kb.errors import BadInput
from kb.store.query_library import named_queries
from kb.store.sources import Source, shipped_sources
from kb.store.terms import PREFIXES
from ontune.html import write_site
from ontune.html.markup import laid_out
from tests.documents import run
from tests.test_knowledge import PREFIX_LINES, shipped

KNOWLEDGE = {"version": "0.0", "sha256": "0" * 64}
ANCHOR = re.compile(r"[^\w:.~-]")


class Page(HTMLParser):
    """Identifiers, links, loaded resources and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.tags: Counter[str] = Counter()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        given = {name: value or "" for name, value in attrs}
        self.ids += [given["id"]] if "id" in given else []
        if tag == "a":
            self.links.append(given["href"])
        self.loaded += [given[name] for name in ("src", "srcset", "action") if name in given] + (
            [given["href"]] if tag == "link" else []
        )

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Page]:
    folder = tmp_path_factory.mktemp("site")
    write_site(folder, shipped_sources(), named_queries([]), KNOWLEDGE)
    return {path.name: Page(path.read_text(encoding="utf-8")) for path in folder.glob("*.html")}


def test_no_link_dangles_and_no_identifier_is_given_twice(site: dict[str, Page]) -> None:
    for name, page in site.items():
        assert [twice for twice, times in Counter(page.ids).items() if times > 1] == [], name
        for link in page.links:
            if link.startswith(("http://", "https://")):
                continue
            target, _, fragment = unquote(link).partition("#")
            assert (target or name) in site, f"{name}: {link}"
            assert not fragment or fragment in site[target or name].ids, f"{name}: {link}"


def test_nothing_is_loaded_from_elsewhere(site: dict[str, Page]) -> None:
    assert {source for page in site.values() for source in page.loaded} == {"style.css", "filter.js"}
    static = Path(__file__).resolve().parent.parent / "ontune" / "html" / "templates"
    assert not re.search(
        r"url\(|@import|https?:", (static / "style.css").read_text() + (static / "filter.js").read_text()
    )


@pytest.mark.parametrize(
    "pattern",
    [
        "VALUES ?kind { owl:Class owl:ObjectProperty owl:DatatypeProperty owl:AnnotationProperty owl:NamedIndividual } ?x a ?kind",
        "?x a sh:SPARQLRule",
        "VALUES ?kind { on:Effect on:Conflict on:Decision on:Capability on:Target on:Workload on:Accelerator on:Microarchitecture } ?x a ?kind",
        "?x on:optionOf ?decision",
        "?x a on:Situation",
    ],
)
def test_everything_has_its_place(pattern: str, site: dict[str, Page]) -> None:
    own = tuple(namespace for namespace in PREFIXES.values() if "w3id.org/ontune" in namespace)
    named = {
        row["x"]
        for row in shipped().full_store.select(f"SELECT DISTINCT ?x WHERE {{ {pattern} FILTER(ISIRI(?x)) }}")
    }
    anchors = {identifier for page in site.values() for identifier in page.ids}
    prefixes = sorted(
        ((namespace, prefix) for prefix, namespace in PREFIXES.items()), key=lambda pair: -len(pair[0])
    )
    missing = []
    for iri in named:
        if iri.startswith(own):
            short = next(
                f"{prefix}:{iri.removeprefix(namespace)}"
                for namespace, prefix in prefixes
                if iri.startswith(namespace)
            )
            missing += [iri] if ANCHOR.sub("-", short) not in anchors else []
    assert named
    assert missing == []


def test_a_rule_shows_message_sources_and_text_with_links_to_its_terms(site: dict[str, Page]) -> None:
    page = site["rules-conflicts-lifecycle.html"]
    assert "development of option ended (date)" in page.text.replace("  ", " ")
    assert "https://github.com/pytorch/glow/issues/6135" in page.links
    assert "ontology-core.html#on:ended" in page.links
    for source in shipped_sources():
        if source.name.startswith(("rules/closure", "rules/checks", "rules/recipes")):
            assert source.path.stem in site["checks.html"].ids
    for name in named_queries([]):
        assert name in site["questions.html"].ids


def test_links_lead_in_both_directions(site: dict[str, Page]) -> None:
    assert "kb-facts-allocators.html#kb:tcmalloc" in site["kb-facts-effects-memory_cpu.html"].links
    assert "kb-facts-effects-memory_cpu.html#eff:tcmalloc-conv" in site["kb-facts-allocators.html"].links
    assert "rules-derivations-situations.html#rule:shared-node" in site["ontology-hardware.html"].links


def test_what_a_file_says_is_never_markup(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    addition = tmp_path / "mine.ttl"
    addition.write_text(
        f"# {hostile}\n{PREFIX_LINES}"
        f'kb:x a on:Option ; on:optionOf kb:allocator ; rdfs:label "{hostile}" ; skos:definition "{hostile}" ; dct:source <javascript:alert(1)> .\n'
        f'rule:x a sh:SPARQLRule , on:ConflictRule ; rdfs:label "x" ; on:message "{hostile} {{?{hostile}}}" ; sh:construct "# {hostile}" .\n'
    )
    queries = tmp_path / "queries"
    queries.mkdir()
    (queries / "q.rq").write_text(f"# title: {hostile}\nSELECT ('{hostile}' AS ?x) {{}}")
    few = [
        source
        for source in shipped_sources()
        if source.name in ("ontology/core.ttl", "kb/facts/allocators.ttl", "kb/facts/decisions.ttl")
    ]
    before = write_site(tmp_path / "site", few, {}, KNOWLEDGE)
    sources = [*few, Source(addition, "additions/0/mine.ttl", added=True)]
    assert write_site(tmp_path / "site", sources, named_queries([queries]), KNOWLEDGE) == before + 1
    for path in (tmp_path / "site").glob("*.html"):
        page = Page(path.read_text(encoding="utf-8"))
        assert page.tags["script"] == 1
        assert not any(link.startswith("javascript:") for link in page.links)
    assert hostile in Page((tmp_path / "site" / "additions-0-mine.html").read_text(encoding="utf-8")).text


def test_a_folder_with_something_else_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(BadInput, match="holds something else"):
        write_site(tmp_path, shipped_sources()[:3], {}, KNOWLEDGE)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    code, said = run(["kb", "export", "--format", "html", "-o", str(tmp_path)], capsys)
    assert (code, "holds something else" in said) == (2, True)
    code, said = run(["kb", "export", "--format", "html"], capsys)
    assert (code, "-o FOLDER" in said) == (2, True)


def test_a_rules_text_is_laid_out_without_being_changed() -> None:
    texts = [
        row["text"] for row in shipped().full_store.select("SELECT ?text WHERE { ?r sh:construct ?text }")
    ]
    assert texts
    for text in texts:
        assert "".join(laid_out(text).split()) == "".join(text.split())
        assert laid_out(text).count("\n") >= 4
