#!/usr/bin/env bash
# Install a Java runtime, which HermiT needs (`ontune check --dl`, and its test). A Java that is there is left alone.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"

if command -v java >/dev/null; then
    say "already there: $(command -v java)"
elif command -v apt-get >/dev/null; then
    install_packages default-jre-headless
else
    fail "no apt-get here: install a Java runtime as your distribution does"
fi
