"""A Rich console whose text is clean; Rich's own controls, which it writes beside the text, pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from kb.clean import clean


class CleanConsole(Console):
    """A console for texts that others wrote."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As Rich renders it, with every text as it may leave."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=clean(segment.text))


def on(stream: Any, **settings: Any) -> CleanConsole:
    """A console on a stream itself, whatever guards the stream."""
    return CleanConsole(file=getattr(stream, "unguarded", stream), **settings)
