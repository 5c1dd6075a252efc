"""Rules that read too early: what they ask for is concluded by a rule of a later stratum, and they never see
it.

Where a rule asks for the absence of such a thing it is refused when rules are loaded
(`reasoner.knowledge.rules`); where it asks for the thing, it is silent.
"""

from __future__ import annotations

from collections.abc import Iterator

from kb.store.terms import local_name, on, prefixed
from reasoner.check.finding import Finding, KnowledgeUnderCheck
from reasoner.knowledge.rule_reading import THIS, Signature
from reasoner.knowledge.rules import Rule, load_rules


def findings(knowledge: KnowledgeUnderCheck) -> Iterator[Finding]:
    """One finding for each pair of a rule and a later one that concludes what it reads.

    Raises:
        BadInput: a rule cannot be loaded.
    """
    rules = load_rules(knowledge.compiled)
    for reader in rules:
        for writer in rules:
            if writer.order > reader.order and (read := next(_read_too_early(reader, writer), None)):
                names = " ".join(local_name(iri) for iri in (read.predicate, read.object) if iri)
                yield knowledge.finding(
                    reader.iri,
                    f"rule {prefixed(reader.iri)} reads '{names}' in stratum {reader.order:g}, "
                    f"and {prefixed(writer.iri)} concludes it in stratum {writer.order:g}: "
                    f"it does not see it; give it a sh:order of at least {writer.order:g}",
                    "warning",
                )


def _read_too_early(reader: Rule, writer: Rule) -> Iterator[Signature]:
    for pattern in reader.reading.body:
        # What is concluded of a request is read where a rule speaks of its focus; all else is concluded when
        # a request comes.
        if pattern.negated or (pattern.subject != THIS and (reader.per_request or writer.per_request)):
            continue
        for read in pattern.signatures:
            if read.object != on("Request") and any(read.meets(concluded) for concluded in writer.concludes):
                yield read
