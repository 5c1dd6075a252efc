"""The C library and the distribution."""

from __future__ import annotations

import shlex


def glibc(text: str | None) -> str | None:
    """The version in `glibc 2.36`; `none` where the system names another library, None where it is
    unknown.
    """
    words = (text or "").split()
    if len(words) != 2:
        return None
    return words[1] if words[0] == "glibc" else "none"


def distribution(os_release: str | None) -> str | None:
    """Identifier and version of the distribution from /etc/os-release, such as `debian 12`; None where it is
    unknown.
    """
    found = {}
    for line in (os_release or "").splitlines():
        name, sign, value = line.partition("=")
        if sign:
            try:
                found[name.strip()] = "".join(shlex.split(value))
            except ValueError:
                continue
    return " ".join(filter(None, (found.get("ID"), found.get("VERSION_ID")))) or None
