"""The digest that an image of a registry has now, by the interface of registries (OCI Distribution
Specification).
"""

from __future__ import annotations

import re
import urllib.request
from email.message import Message
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit

from kb.errors import BadInput, RunFailed
from kb.store.files import json_of

_TYPES = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "docker.distribution.manifest.list.v2",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.v2",
    )
)
_SECONDS = 10.0
_LARGEST_TOKEN = 1 << 20


def pinned(image: str) -> str:
    """An image by its digest.

    Args:
        image: `REGISTRY/NAME:TAG`, where the registry may be left out for Docker Hub, and the tag for
            `latest`. One with a digest is given back.

    Returns:
        `REGISTRY/NAME@sha256:...`

    Raises:
        RunFailed: the registry does not answer, asks for a password, or has no such image.
    """
    if "@" in image:
        return image
    name, _, tag = image.rpartition(":") if re.search(r":[^/]*$", image) else (image, "", "latest")
    host, _, path = name.partition("/")
    if not path or not re.search(r"[.:]|^localhost$", host):
        host, path = "docker.io", name if "/" in name else f"library/{name}"
    try:
        headers = _asked(f"{_address(host)}/v2/{path}/manifests/{tag}")
    except (OSError, ValueError, BadInput) as error:
        raise RunFailed(f"{image}: {host} does not tell its digest: {error}") from error
    digest = headers.get("Docker-Content-Digest", "")
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise RunFailed(f"{image}: {host} does not tell its digest")
    return f"{host}/{path}@{digest}"


def _address(host: str) -> str:
    """Where a registry listens.

    One on this machine need not have a certificate; Docker Hub's has a name of its own.
    """
    plain = urlsplit(f"//{host}").hostname in ("localhost", "127.0.0.1", "::1")
    return f"{'http' if plain else 'https'}://{'registry-1.docker.io' if host == 'docker.io' else host}"


def _asked(address: str) -> Message:
    """The headers of a manifest, asked for as anybody may."""
    # The address begins with http or https: `_address` made it.
    request = urllib.request.Request(address, method="HEAD", headers={"Accept": _TYPES})  # noqa: S310
    try:
        return _headers(request)
    except HTTPError as refused:
        asked = dict(re.findall(r'(\w+)="([^"]*)"', refused.headers.get("WWW-Authenticate", "")))
        realm = asked.pop("realm", "")
        if refused.code != 401 or not realm.startswith(("https://", address.partition("/v2/")[0])):
            raise
    with urllib.request.urlopen(f"{realm}?{urlencode(asked)}", timeout=_SECONDS) as answer:  # noqa: S310
        told = json_of(answer.read(_LARGEST_TOKEN).decode("utf-8", "replace"), realm)
    token = told.get("token") if isinstance(told, dict) else None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise ValueError(f"{realm} gives no token")
    request.add_header("Authorization", f"Bearer {token}")
    return _headers(request)


def _headers(request: urllib.request.Request) -> Message:
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
        headers: Message = answer.headers
        return headers
