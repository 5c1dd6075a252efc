#!/usr/bin/env bash
# fetch-packages.sh SUITE OUT NAME=VERSION...: these packages of SUITE, from the user's own archives, in the folder OUT with an index that apt reads.
# Whoever calls it compares their hashes with what the lock says.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"

[ $# -ge 3 ] || fail "usage: fetch-packages.sh SUITE OUT NAME=VERSION..."
suite=$1 out=$2
shift 2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
apt_of "$suite" "$scratch"

cd "$out"
apt-get download -qq "$@" >"$scratch/said" 2>&1 || fail "$(grep '^E:' "$scratch/said" | head -n 8)"
for file in *.deb; do
    dpkg-deb --field "$file"
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$file" "$(stat -c %s "$file")" "$(sha256sum "$file" | cut -d ' ' -f 1)"
done >Packages
