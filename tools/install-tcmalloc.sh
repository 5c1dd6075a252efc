#!/usr/bin/env bash
# Install TCMalloc, which a plan that runs without an image preloads from this machine, and which the tests of such plans need.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"

command -v apt-get >/dev/null || fail "no apt-get here: install TCMalloc as your distribution does"
install_packages libtcmalloc-minimal4
