"""A worker that plans and explains: a reasoner of its own, so that questions are answered side by side."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from typing import Any

from kb.errors import OntuneError
from kb.query_library import named_queries
from kb.target import target_names
from kb.workload import workload_names
from ontune.service import frames
from ontune.service.questions import Questions
from reasoner.reasoner import Reasoner


class QuestionWorker:
    """Answers the questions of `/api`, one after the other.

    Args:
        reasoner: what answers them; every worker has its own copy, as it is at the time of the fork.
    """

    def __init__(self, reasoner: Reasoner) -> None:
        self._reasoner = reasoner
        questions = Questions(reasoner)
        self._answers: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "plan": questions.plan,
            "why-not": questions.why_not,
            "explain": questions.explain,
            "what-if": questions.what_if,
            "names": lambda _: self._names(),
        }
        self._warm_up()

    def work(self, connection: socket.socket) -> None:
        """Answer what comes over `connection` until it is closed."""
        while received := frames.receive(connection):
            asked = json.loads(received[1])
            connection.sendall(self._answer(asked["question"], asked["body"]))

    def _answer(self, question: str, body: Mapping[str, Any]) -> bytes:
        try:
            text = json.dumps(self._answers[question](body), ensure_ascii=False).encode()
        except OntuneError as error:
            return frames.packed_json(frames.FAILURE, {"kind": type(error).__name__} | error.to_json())
        head = frames.packed_json(frames.HEAD, {"media_type": "application/json"})
        return head + frames.packed(frames.DATA, text) + frames.packed(frames.END)

    def _names(self) -> dict[str, Any]:
        queries = [{"name": query.name, "title": query.title, "parameters": dict(query.parameters)} for query in named_queries().values()]
        return {"workloads": workload_names(self._reasoner.store), "targets": target_names(self._reasoner.store), "queries": queries}

    def _warm_up(self) -> None:
        """Plan once: what a reasoner works out at its first question is then there in every worker."""
        names = self._names()
        self._answer("plan", {"workload": names["workloads"][0], "target": names["targets"][0]})
