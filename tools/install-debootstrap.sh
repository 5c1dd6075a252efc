#!/usr/bin/env bash
# Install debootstrap, by which Apptainer makes a base while it builds an image (Bootstrap: debootstrap). A debootstrap that is there is left alone.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"

ensure_command debootstrap
