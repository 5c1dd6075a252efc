"""A university-style data set of any size, after the Lehigh University Benchmark: an OWL 2 RL schema,
generated people, courses and papers.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

_SCHEMA = """
@prefix u: <http://example.org/university#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .

u:Person a owl:Class . u:Organization a owl:Class . u:Work a owl:Class ; owl:disjointWith u:Person .
u:Employee rdfs:subClassOf u:Person . u:Faculty rdfs:subClassOf u:Employee . u:Professor rdfs:subClassOf u:Faculty .
u:FullProfessor rdfs:subClassOf u:Professor . u:AssociateProfessor rdfs:subClassOf u:Professor . u:Lecturer rdfs:subClassOf u:Faculty .
u:Student rdfs:subClassOf u:Person . u:Undergraduate rdfs:subClassOf u:Student . u:Graduate rdfs:subClassOf u:Student .
u:University rdfs:subClassOf u:Organization . u:Department rdfs:subClassOf u:Organization . u:ResearchGroup rdfs:subClassOf u:Organization .
u:Course rdfs:subClassOf u:Work . u:Publication rdfs:subClassOf u:Work .
u:Scholar owl:equivalentClass [ a owl:Class ; owl:unionOf ( u:Faculty u:Graduate ) ] .
u:Chair owl:equivalentClass [ a owl:Class ; owl:intersectionOf (
    u:Person [ a owl:Restriction ; owl:onProperty u:headOf ; owl:someValuesFrom u:Department ] ) ] .
u:TeachingAssistant owl:equivalentClass [ a owl:Class ; owl:intersectionOf (
    u:Person [ a owl:Restriction ; owl:onProperty u:assistantOf ; owl:someValuesFrom u:Course ] ) ] .
u:Author owl:equivalentClass [ a owl:Restriction ; owl:onProperty u:authorOf ; owl:someValuesFrom owl:Thing ] .
u:subOrganizationOf a owl:ObjectProperty , owl:TransitiveProperty ; rdfs:domain u:Organization ; rdfs:range u:Organization .
u:memberOf a owl:ObjectProperty ; owl:inverseOf u:member . u:worksFor rdfs:subPropertyOf u:memberOf . u:headOf rdfs:subPropertyOf u:worksFor .
u:degreeFrom a owl:ObjectProperty ; rdfs:domain u:Person ; rdfs:range u:University ; owl:inverseOf u:hasAlumnus .
u:undergraduateDegreeFrom rdfs:subPropertyOf u:degreeFrom . u:doctoralDegreeFrom rdfs:subPropertyOf u:degreeFrom .
u:publicationAuthor rdfs:domain u:Publication ; rdfs:range u:Person ; owl:inverseOf u:authorOf .
u:advisor a owl:ObjectProperty ; rdfs:domain u:Person ; rdfs:range u:Professor .
u:affiliatedWith owl:propertyChainAxiom ( u:memberOf u:subOrganizationOf ) .
u:email a owl:DatatypeProperty , owl:InverseFunctionalProperty . u:takesCourse a owl:ObjectProperty . u:teacherOf a owl:ObjectProperty .
"""


def university(triples: int, seed: int = 1) -> str:
    """Turtle of about `triples` triples: the schema, and as many departments as are needed; the same for the
    same arguments.
    """
    rng = random.Random(seed)
    parts = [_SCHEMA]
    count = 0
    number = 0
    while count < triples:
        lines = list(_department(number, rng))
        parts.append("\n".join(lines))
        count += len(lines)
        number += 1
    return "\n".join(parts)


def _department(number: int, rng: random.Random) -> Iterator[str]:
    university = f"u:university{number // 15}"
    here = f"u:department{number}"
    yield f"{university} a u:University ."
    yield f"{here} a u:Department ."
    yield f"{here} u:subOrganizationOf {university} ."
    for n in range(10):
        yield f"{here}g{n} a u:ResearchGroup ."
        yield f"{here}g{n} u:subOrganizationOf {here} ."
    faculty = [f"{here}f{n}" for n in range(30)]
    courses = [f"{here}c{n}" for n in range(60)]
    yield f"{faculty[0]} u:headOf {here} ."
    for n, person in enumerate(faculty):
        yield f"{person} a u:{('FullProfessor', 'AssociateProfessor', 'Lecturer')[n % 3]} ."
        yield f"{person} u:worksFor {here} ."
        yield f'{person} u:email "f{n}@{number}.example.org" .'
        yield f"{person} u:doctoralDegreeFrom u:university{rng.randrange(number // 15 + 1)} ."
        for course in courses[2 * n : 2 * n + 2]:
            yield f"{course} a u:Course ."
            yield f"{person} u:teacherOf {course} ."
        for paper in range(8):
            yield f"{person}p{paper} u:publicationAuthor {person} ."
    for n in range(300):
        student = f"{here}s{n}"
        graduate = n % 5 == 0
        yield f"{student} a u:{'Graduate' if graduate else 'Undergraduate'} ."
        yield f"{student} u:memberOf {here} ."
        yield f'{student} u:email "s{n}@{number}.example.org" .'
        for course in rng.sample(courses, 3):
            yield f"{student} u:takesCourse {course} ."
        if graduate:
            yield f"{student} u:advisor {rng.choice(faculty)} ."
            yield f"{student} u:undergraduateDegreeFrom u:university{rng.randrange(number // 15 + 1)} ."
            yield f"{student} u:assistantOf {rng.choice(courses)} ."
