"""Progress on standard error, for everything that takes more than two seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kb.clean import clean

_QUIET_SECONDS = 10.0
_WIDTH = 110

Tell = Callable[[str], None]


@contextmanager
def doing(what: str) -> Iterator[Tell]:
    """Say what is being done while the block runs, and how long it took.

    The block gets a function that tells the latest news (one line of text). A terminal shows a spinner with
    the news; a log gets at most one line of news in ten seconds.
    """
    begin = time.monotonic()
    with _spinner(what) if sys.stderr.isatty() else _lines(what) as tell:
        try:
            yield tell
        except BaseException:
            print(f"{clean(what)}: stopped after {time.monotonic() - begin:.0f} s", file=sys.stderr)
            raise
    print(f"{clean(what)}: {time.monotonic() - begin:.1f} s", file=sys.stderr)


@contextmanager
def _spinner(what: str) -> Iterator[Tell]:
    from rich.console import Console
    from rich.markup import escape

    console = Console(file=getattr(sys.stderr, "unguarded", sys.stderr))  # it writes controls of its own
    with console.status(escape(clean(what))) as status:
        yield lambda news: status.update(escape(clean(f"{what}: {news.strip()}")[:_WIDTH]))


@contextmanager
def _lines(what: str) -> Iterator[Tell]:
    print(f"{clean(what)} ...", file=sys.stderr)
    last = time.monotonic()

    def tell(news: str) -> None:
        nonlocal last
        if time.monotonic() - last >= _QUIET_SECONDS:
            last = time.monotonic()
            print(clean(f"  {news.strip()}")[:_WIDTH], file=sys.stderr)

    yield tell
