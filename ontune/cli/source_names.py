"""Short names for sources: who says it and where, in a few letters, from the address alone."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

_PACKAGE = re.compile(r"pkg:(?P<kind>\w+)/(?P<name>[^@?#]+)(?:@(?P<version>[^?#]+))?")
_FORGE = re.compile(
    r"/(?P<repository>[^/]+/[^/]+)/(?:-/)?(?:issues|pull|pulls|merge_requests|discussions)/(?P<number>\d+)"
)
_OWN = "w3id.org"
_DOI = "doi.org"
_HOST = re.compile(r"^(?:www|docs)\.|\.(?:com|org|io|net|dev|ai)$")


def short_name(source: str) -> str:
    """A readable name of a source: `pytorch/pytorch#44943`, `torch 2.15.0`, `pytorch.org: tuning_guide`,
    `series zen5-vm`.
    """
    if package := _PACKAGE.match(source):
        return f"{unquote(package['name'])} {package['version'] or ''}".rstrip()
    address = urlsplit(source)
    if not address.netloc:
        return source
    if thread := _FORGE.match(address.path):
        return f"{thread['repository']}#{thread['number']}"
    steps = [
        re.sub(r"\.(?:html?|md|pdf|rst)$", "", step)
        for step in unquote(address.path).split("/")
        if step not in ("", "index.html")
    ]
    if address.netloc == _OWN and len(steps) > 1:
        return f"{'series' if steps[-2] == 'observation' else steps[-2]} {steps[-1]}"
    if address.netloc == _DOI:
        return f"doi:{'/'.join(steps)}"
    return f"{_HOST.sub('', address.netloc)}: {steps[-1]}" if steps else address.netloc
