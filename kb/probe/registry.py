"""Whether a container registry answers from here. Only asked when a user says so (`--network`)."""

from __future__ import annotations

import urllib.error
import urllib.request

from kb.probe import recognised

_TIMEOUT = 5.0


def reached() -> bool | None:
    """True where a registry answers, even if it asks for a login; False where none does; None where no
    registry is known.
    """
    addresses = recognised.registries()
    if not addresses:
        return None
    return any(_answers(address) for address in addresses)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT):  # noqa: S310 (shipped addresses, https)
            return True
    except urllib.error.HTTPError as error:
        # A proxy that refuses answers 403 or 407; a registry asks for a login with 401.
        return error.code == 401
    except (OSError, ValueError):
        return False
