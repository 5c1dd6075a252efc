#!/usr/bin/env bash
# Install shellcheck, which the tests hold every generated script against.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"

if command -v shellcheck >/dev/null; then
    say "already there: $(command -v shellcheck)"
    exit 0
fi
command -v apt-get >/dev/null || fail "no apt-get here: install shellcheck as your distribution does"
install_packages shellcheck
