#!/usr/bin/env bash
# Install shellcheck, which the tests hold every generated script against.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"

ensure_command shellcheck
