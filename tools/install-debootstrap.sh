#!/usr/bin/env bash
# Install debootstrap, by which Apptainer makes a base while it builds an image (Bootstrap: debootstrap). A debootstrap that is there is left alone.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"

if command -v debootstrap >/dev/null; then
    say "already there: $(command -v debootstrap)"
    exit 0
fi
command -v apt-get >/dev/null || fail "no apt-get here: install debootstrap as your distribution does"
install_packages debootstrap
