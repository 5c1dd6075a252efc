"""Whole numbers in what people and programs write."""

from __future__ import annotations

_MOST_DIGITS = 15
MOST_DEVICES = 4096
"""More accelerators than one machine has: a text that says so is damaged."""


def whole(text: str | None) -> int | None:
    """The number that some ASCII digits write; None for any other text, and for one of absurdly many digits.

    `str.isdigit` takes characters that `int` refuses, such as a superscript, and `int` refuses more than some
    thousand digits.
    """
    stated = (text or "").strip()
    return int(stated) if stated.isascii() and stated.isdigit() and len(stated) <= _MOST_DIGITS else None


def positive(text: str | None) -> int | None:
    """As `whole`, for numbers above zero."""
    return whole(text) or None
