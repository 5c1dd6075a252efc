"""A registry of containers on this machine, for tests: it holds images of one layer and serves them as the
OCI's distribution interface says.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import platform
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_TYPE = "application/vnd.oci.image.{}"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass
class Registry:
    """What is served, by the path behind `/v2/`.

    Attributes:
        host: where it listens, such as `127.0.0.1:5000`.
        files: what lies at a path: the media type and the file.
        asked: the paths that were asked for.
    """

    host: str
    files: dict[str, tuple[str, Path]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def add(self, name: str, tag: str, root: Path, scratch: Path) -> str:
        """Put a root file system into the registry as an image. Gives its digest, `sha256:...`."""
        layer = scratch / "layer.tar.gz"
        plain = hashlib.sha256()

        class Hashed:
            """Takes a tar archive, whose hash the configuration tells."""

            def write(self, data: bytes) -> int:
                plain.update(data)
                return squeezed.write(data)

        with (
            gzip.open(layer, "wb", compresslevel=1) as squeezed,
            tarfile.open(fileobj=Hashed(), mode="w|", format=tarfile.GNU_FORMAT) as archive,
        ):
            archive.add(root, arcname=".")
        machine = {"architecture": _MACHINES.get(platform.machine(), platform.machine()), "os": "linux"}
        layers = {"type": "layers", "diff_ids": [f"sha256:{plain.hexdigest()}"]}
        configuration = self._put(name, scratch / "config", {**machine, "config": {}, "rootfs": layers})
        described = [
            self._describe("config.v1+json", configuration),
            self._describe("layer.v1.tar+gzip", self._keep(name, layer)),
        ]
        manifest = scratch / "manifest"
        kind = _TYPE.format("manifest.v1+json")
        manifest.write_text(
            json.dumps(
                {"schemaVersion": 2, "mediaType": kind, "config": described[0], "layers": described[1:]}
            )
        )
        digest = f"sha256:{_hash(manifest)}"
        for reference in (tag, digest):
            self.files[f"{name}/manifests/{reference}"] = kind, manifest
        return digest

    def _put(self, name: str, file: Path, content: dict[str, object]) -> Path:
        file.write_text(json.dumps(content))
        return self._keep(name, file)

    def _keep(self, name: str, file: Path) -> Path:
        self.files[f"{name}/blobs/sha256:{_hash(file)}"] = "application/octet-stream", file
        return file

    def _describe(self, kind: str, file: Path) -> dict[str, object]:
        return {
            "mediaType": _TYPE.format(kind),
            "digest": f"sha256:{_hash(file)}",
            "size": file.stat().st_size,
        }


def _hash(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@contextmanager
def serving() -> Iterator[Registry]:
    """An empty registry, for a while."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry.asked.append(self.path)
            found = registry.files.get(self.path.removeprefix("/v2/"))
            if self.path == "/v2/":
                self.send_response(200)
                self.end_headers()
                return
            if found is None:
                self.send_error(404)
                return
            kind, file = found
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(file.stat().st_size))
            self.send_header("Docker-Content-Digest", f"sha256:{_hash(file)}")
            self.end_headers()
            if self.command == "GET":
                with file.open("rb") as content:
                    while piece := content.read(1 << 20):
                        self.wfile.write(piece)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        registry = Registry(f"127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield registry
        server.shutdown()
