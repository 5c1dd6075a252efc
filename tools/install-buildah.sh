#!/usr/bin/env bash
# Install buildah, by which the tests build the Dockerfiles that are generated. A buildah that is there is left alone.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"

if command -v buildah >/dev/null; then
    say "already there: $(command -v buildah)"
elif command -v apt-get >/dev/null; then
    install_packages buildah fuse-overlayfs
elif command -v dnf >/dev/null; then
    needs_root "installing buildah"
    dnf install -y -q buildah fuse-overlayfs >&2
else
    fail "no apt-get and no dnf here: install buildah as your distribution does"
fi
