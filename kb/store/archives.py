"""What others packed (gzip, members of zip archives), bounded before it is unpacked."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
import zlib
from pathlib import Path

from kb.errors import BadInput
from kb.store import files


def gzip_text(path: Path, most: int) -> str:
    """The text of a file that is compressed by gzip, unpacked at most `most` bytes of it.

    Raises BadInput where it is damaged or larger.
    """
    packed = io.BytesIO(files.read_bytes(path, most))
    try:
        with gzip.GzipFile(fileobj=packed) as file:
            content = file.read(most + 1)
        text = content.decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise BadInput(
            str(path), f"is damaged: {files.first_line(error)}", expected="a text compressed by gzip"
        ) from error
    if len(content) > most:
        raise BadInput(str(path), "is too large when it is unpacked", expected=f"at most {most} bytes")
    return text


def zip_member(path: Path, pattern: str, most: int, expected: str) -> tuple[str, int]:
    """The text of one member of an archive, and the bytes that all members have unpacked, by what the archive
    says; nothing is unpacked.

    Args:
        path: the archive.
        pattern: a regular expression that the member's whole name matches.
        most: bytes that the member may have.
        expected: what the archive should have been, for the error.

    Raises:
        BadInput: it is no archive, a damaged or an encrypted one, has no such member, or one that is too
            large.
    """
    texts, size = _unpacked(path, pattern, most, expected, first=True)
    return next(iter(texts.values())), size


def zip_texts(path: Path, pattern: str, most: int, expected: str) -> dict[str, str]:
    """The texts of all members of an archive whose whole names match, by their names; `most` bytes of all
    together. Else as `zip_member`.
    """
    return _unpacked(path, pattern, most, expected)[0]


def _unpacked(
    path: Path, pattern: str, most: int, expected: str, first: bool = False
) -> tuple[dict[str, str], int]:
    files.see_that_it_is_a_file(path)
    texts, left, last = {}, most, ""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            wanted = [member for member in members if re.fullmatch(pattern, member.filename)]
            for member in wanted[:1] if first else wanted:
                last = member.filename
                with archive.open(member) as file:
                    content = file.read(left + 1)
                left -= len(content)
                if left < 0:
                    break
                texts[last] = content.decode("utf-8", "replace")
            if not wanted:
                raise LookupError(pattern)
    except Exception as error:
        # Of an archive that somebody made: a bad sum, no password, an unknown compression, a wrong offset, a
        # bad name ...
        problem = (
            "is encrypted"
            if "encrypted" in str(error)
            else "is damaged, truncated, or no archive of this kind"
        )
        raise BadInput(str(path), problem, expected=expected) from error
    if left < 0:
        raise BadInput(
            str(path), f"has a member {files.printable(last):.80} of an unlikely size", expected=expected
        )
    return texts, sum(info.file_size for info in members)
