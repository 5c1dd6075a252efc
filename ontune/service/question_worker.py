"""A worker that plans and explains: a reasoner of its own, so that questions are answered side by side."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Any

from kb.errors import OntuneError
from ontune.service import frames
from ontune.service.questions import Questions
from reasoner.reasoner import Reasoner


class QuestionWorker:
    """Answers the questions of `/api`, one after the other.

    Args:
        reasoner: what answers them; every worker has its own copy, as it is at the time of the fork.
    """

    def __init__(self, reasoner: Reasoner) -> None:
        self._questions = Questions(reasoner)
        self._warm_up()

    def work(self, connection: socket.socket) -> None:
        """Answer what comes over `connection` until it is closed."""
        while received := frames.receive(connection):
            asked = json.loads(received[1])
            connection.sendall(self.answer(asked["question"], asked["body"]))

    def answer(self, question: str, body: Mapping[str, Any]) -> bytes:
        """The answer to a question, or what is wrong with it, as frames."""
        try:
            text = json.dumps(self._questions.answer(question, body), ensure_ascii=False).encode()
        except OntuneError as error:
            return frames.packed_json(frames.FAILURE, {"kind": type(error).__name__} | error.to_json())
        except Exception as error:  # a fault of ours, which one question must not make the next one's
            return frames.fault(error)
        head = frames.packed_json(frames.HEAD, {"media_type": "application/json"})
        return head + frames.packed(frames.DATA, text) + frames.packed(frames.END)

    def _warm_up(self) -> None:
        """Plan once: what a reasoner works out at its first question is then there in every worker."""
        names = self._questions.answer("names", {})
        self.answer("plan", {"workload": names["workloads"][0], "target": names["targets"][0]})
