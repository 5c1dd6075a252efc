#!/usr/bin/env bash
# lock-packages.sh SUITE PACKAGE...: every package of a base of SUITE that has PACKAGEs too, as the user's own archives have it now. Nothing is fetched
# but lists, and nothing is installed.
#
# Prints `vendor NAME`, then a line `package NAME VERSION ARCHITECTURE SHA256` for each, sorted by name.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"

[ $# -ge 2 ] || fail "usage: lock-packages.sh SUITE PACKAGE..."
suite=$1
shift
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
apt_of "$suite" "$scratch"

# What make-base.sh installs (mmdebstrap's minbase), and the wanted ones. A base is made with merged folders, so what would merge them is not needed.
merged=$(apt-cache pkgnames usr-is-merged)
# shellcheck disable=SC2086  # no word, or one
apt-get install --simulate --yes '?essential' '?priority(^required$)' apt ca-certificates python3 python3-venv $merged "$@" >"$scratch/plan" 2>"$scratch/said" ||
    fail "$(tail -n 5 "$scratch/said" "$scratch/plan" | grep -E '^E:|^ ' || echo "apt cannot install $* in $suite")"
mapfile -t chosen < <(sed -nE 's/^Inst ([^ ]+) \(([^ ]+) .*\[([a-z0-9]+)\].*$/\1=\2/p' "$scratch/plan")

vendor=$(apt-get indextargets --format "\$(ORIGIN)" 'Created-By: Packages' | head -n 1)
echo "vendor ${vendor,,}"
apt-cache show "${chosen[@]}" |
    awk '$1 == "Package:" { name = $2 } $1 == "Version:" { version = $2 } $1 == "Architecture:" { architecture = $2 }
        $1 == "SHA256:" { sum = $2 } /^$/ && name { print "package", name, version, architecture, sum; name = "" }
        END { if (name) print "package", name, version, architecture, sum }' | LC_ALL=C sort -u
