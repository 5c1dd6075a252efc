"""The description of the service (OpenAPI 3.1): bodies by the table of request fields, answers by
`answers.yaml`, failures by their statuses.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from kb import __version__
from kb.records.fact_keys import fact_keys
from kb.records.fact_schema import schema_of
from kb.records.request_fields import MOST, QUESTIONS, REQUEST, RequestField
from kb.store.files import read_text, yaml_of
from ontune.service.failures import MEANING
from ontune.service.protocol import DIRECT, FORM
from ontune.service.results import GRAPHS, TABLES, plain

Schema = dict[str, Any]

ALWAYS: Final = (405, 421, 500)
_ASKED: Final = (400, *ALWAYS, 503, 504)
_SENT: Final = (*_ASKED, 413, 415)
_DESCRIBED: Final = {"workload": "Workload", "target": "Target", "site": "Site"}
_TOLD: Final = {
    "plan": ("Plan", "The plan for a workload on a target (absent: the server's machine)."),
    "why-not": ("WhyNot", "What speaks against an option, and what would admit it."),
    "explain": ("Proof", "The proof of a decision or an option, down to facts and sources."),
    "what-if": ("WhatIf", "The plan with some facts changed, or some knowledge gone, as a difference."),
}
_EXAMPLES: Final[Mapping[str, Schema]] = {
    "plan": {"framework": "pytorch", "pins": {"precision": "fp32"}, "top": 3},
    "why-not": {"option": "compiler=xla"},
    "explain": {"subject": "precision"},
    "what-if": {"changes": {"cpu.usable_cores": 1}},
}
_LINK: Final = "#/components/schemas/"


@functools.cache
def document(token: bool) -> dict[str, Any]:
    """The OpenAPI document.

    Args:
        token: whether the service asks for one.
    """
    described: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Ontune",
            "version": __version__,
            "description": "Plans the fastest training deployment for a machine, and says why.",
        },
        "paths": _paths(token),
        "components": {"schemas": _schemas()},
    }
    if token:
        described["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        described["security"] = [{"token": []}]
    return described


def _paths(token: bool) -> dict[str, Any]:
    guarded = (401,) if token else ()

    def answered(media: dict[str, Schema], statuses: Iterable[int]) -> dict[str, Any]:
        return _responses(media, (*statuses, *guarded))

    def get(summary: str, schema: str, statuses: Iterable[int], **more: Any) -> dict[str, Any]:
        return {
            "get": {
                "summary": summary,
                **more,
                "responses": answered({"application/json": {"$ref": _LINK + schema}}, statuses),
            }
        }

    asked = [
        _parameter("query", "query", "The query.", required=True),
        *map(_dataset_parameter, ("default-graph-uri", "named-graph-uri")),
    ]
    results = answered(_results(), (*_ASKED, 403, 406))
    direct = {DIRECT: {"schema": {"type": "string"}}, FORM: {"schema": _form()}}
    name = _parameter(
        "path", "name", "The name of a query, as `/api/names` lists them.", required=True, example="options"
    )
    fixed = _parameter(
        "query", "parameters", "Variables of the query with their values.", style="form", explode=True
    )
    fixed["schema"] = {"type": "object", "additionalProperties": {"type": "string"}}
    page = _responses({"text/html": {"type": "string"}}, ALWAYS)
    itself = _responses({"application/json": {"type": "object"}}, ALWAYS)
    return {
        "/": {"get": {"summary": "A page to plan by.", "security": [], "responses": page}},
        "/sparql": {
            "get": {
                "summary": "A query by the SPARQL 1.1 protocol.",
                "parameters": asked,
                "responses": results,
            },
            "post": {
                "summary": "A query by the SPARQL 1.1 protocol.",
                "parameters": [*map(_dataset_parameter, ("default-graph-uri", "named-graph-uri"))],
                "requestBody": {"required": True, "content": direct},
                "responses": answered(_results(), (*_SENT, 403, 406)),
            },
        },
        "/api/openapi.json": {"get": {"summary": "This document.", "security": [], "responses": itself}},
        "/api/names": get(
            "What can be named: workloads, targets, sites, and queries with their parameters.",
            "Names",
            _ASKED,
        ),
        "/api/stats": get("How much the knowledge base holds.", "Stats", _ASKED),
        "/api/queries/{name}": get(
            "The rows of a named query.", "Rows", (*_ASKED, 404), parameters=[name, fixed]
        ),
        **{f"/api/{question}": {"post": _operation(question, answered)} for question in QUESTIONS},
    }


def _operation(question: str, answered: Any) -> dict[str, Any]:
    answer, summary = _TOLD[question]
    fields = (*REQUEST, *QUESTIONS[question])
    body: Schema = {
        "type": "object",
        "additionalProperties": False,
        "required": [entry.name for entry in fields if entry.required and not entry.unless],
        "properties": {entry.name: _field(entry) for entry in fields},
        "allOf": [_one_of((entry.name, entry.unless)) for entry in fields if entry.unless],
    }
    if question == "what-if":
        body["allOf"].append(_one_of(entry.name for entry in QUESTIONS[question]))
    example = {"workload": "mnist-cnn", "target": "eos-h100", **_EXAMPLES[question]}
    return {
        "summary": summary,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": body, "example": example}},
        },
        "responses": answered({"application/json": {"$ref": _LINK + answer}}, (*_SENT, 409)),
    }


def _one_of(names: Iterable[str]) -> Schema:
    """At least one of some fields is there."""
    return {"anyOf": [{"required": [name]} for name in names]}


def _field(entry: RequestField) -> Schema:
    """What a field of a body may be; one that is not required may be null."""
    text, texts = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
    forms: list[Schema]
    match entry.kind:
        case "plan":
            forms = [
                {"$ref": f"{_LINK}Request"},
                {"type": "object", "required": ["plan_id"], "description": "a whole Plan"},
            ]
        case "described":
            forms = [text, {"$ref": _LINK + _DESCRIBED[entry.name]}]
        case "facts":
            forms = [{"type": "object"}]
        case "text":
            forms = [text]
        case "texts":
            forms = [text, texts]
        case "pairs":
            forms = [{"type": "object", "additionalProperties": text}]
        case "count":
            forms = [{"type": "integer", "minimum": 0, "maximum": MOST}]
    said: Schema = {"description": f"{entry.meaning} (`{entry.flag}` of the command line)."}
    if entry.default is not None:
        said["default"] = entry.default
    forms = forms if entry.required and not entry.unless else [*forms, {"type": "null"}]
    return {**(forms[0] if len(forms) == 1 else {"anyOf": forms}), **said}


def _schemas() -> dict[str, Schema]:
    found: dict[str, Schema] = yaml_of(read_text(Path(__file__).with_name("answers.yaml")), "answers.yaml")
    name = {"type": "string", "minLength": 1}
    iri = {"type": "string", "description": "the resource that options say they are offered by"}
    overrides = {"type": ["object", "null"], "description": "facts that were set by hand, with their values"}
    return {
        "Workload": _with(schema_of(fact_keys("workloads"), local_files=False), "A training job.", name=name),
        "PlannedWorkload": _with(
            schema_of(fact_keys("workloads")), "A training job, as it was planned for.", name=name
        ),
        "Target": _with(
            schema_of(fact_keys("hardware")),
            "What is known of a machine; null is unknown.",
            name=name,
            overrides=overrides,
        ),
        "Site": _with(schema_of(fact_keys("sites")), "What a place imposes.", name=name, iri=iri),
        **found,
    }


def _with(schema: Schema, meaning: str, **more: Schema) -> Schema:
    return {**schema, "description": meaning, "properties": {**more, **schema["properties"]}}


def _responses(media: dict[str, Schema], statuses: Iterable[int]) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": f"{_LINK}Error"}}}
    failed = {
        str(status): {"description": MEANING[status], "content": error, **_headers(status)}
        for status in sorted(set(statuses))
    }
    return {
        "200": {
            "description": "the answer",
            "content": {name: {"schema": schema} for name, schema in media.items()},
        },
        **failed,
    }


def _headers(status: int) -> dict[str, Any]:
    named = {
        401: ("WWW-Authenticate", "string", "how to say who asks"),
        405: ("Allow", "string", "the methods that are taken"),
        503: ("Retry-After", "integer", "seconds after which there may be room"),
    }.get(status)
    return {"headers": {named[0]: {"schema": {"type": named[1]}, "description": named[2]}}} if named else {}


def _parameter(place: str, name: str, meaning: str, *, required: bool = False, **more: Any) -> dict[str, Any]:
    return {
        "in": place,
        "name": name,
        "description": meaning,
        "required": required,
        "schema": {"type": "string"},
        **more,
    }


def _dataset_parameter(name: str) -> dict[str, Any]:
    schema = {"type": "array", "items": {"type": "string", "format": "uri"}}
    return {
        "in": "query",
        "name": name,
        "description": "A graph of the dataset of the query.",
        "required": False,
        "schema": schema,
    }


def _form() -> Schema:
    graphs = {"type": "array", "items": {"type": "string", "format": "uri"}}
    properties = {"query": {"type": "string"}, "default-graph-uri": graphs, "named-graph-uri": graphs}
    return {"type": "object", "required": ["query"], "properties": properties}


def _results() -> dict[str, Schema]:
    """Every form that the answer to a query may have."""
    text: Schema = {"type": "string"}
    found = {plain(format): text for format in (*TABLES, *GRAPHS)}
    return {**found, plain(TABLES[0]): {"$ref": f"{_LINK}SparqlResults"}, "application/ld+json": {}}
