#!/usr/bin/env bash
# lock-packages.sh made|image SUITE PACKAGE... [-- PACKAGE...]: packages with all that they need, as the user's own archives have them now for SUITE.
# Nothing is fetched but lists, and nothing is installed.
#
#   made    the base is made of the first packages, and those behind -- are added to it
#   image   the base is an image of SUITE, and what it has is not known: all that the packages need is added, where the image lacks it
#
# Prints `vendor NAME`, then a line `package NAME VERSION ARCHITECTURE SHA256` for each of the base and `added ...` for each further one, sorted by name.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"

[ $# -ge 3 ] || fail "usage: lock-packages.sh made|image SUITE PACKAGE... [-- PACKAGE...]"
base=$1 suite=$2
shift 2
first=() more=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do first+=("$1") && shift; done
[ $# -eq 0 ] || more=("${@:2}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
apt_of "$suite" "$scratch"

# closure_of KIND PACKAGE...: a line for each package that apt would install where there is none.
closure_of() {
    local kind=$1 chosen
    shift
    apt-get install --simulate --yes "$@" >"$scratch/plan" 2>"$scratch/said" ||
        fail "$(tail -n 5 "$scratch/said" "$scratch/plan" | grep -E '^E:|^ ' || echo "apt cannot install $* in $suite")"
    mapfile -t chosen < <(sed -nE 's/^Inst ([^ ]+) \(([^ ]+) .*\[([a-z0-9]+)\].*$/\1=\2/p' "$scratch/plan")
    apt-cache show "${chosen[@]}" |
        awk -v kind="$kind" '$1 == "Package:" { name = $2 } $1 == "Version:" { version = $2 } $1 == "Architecture:" { architecture = $2 }
            $1 == "SHA256:" { sum = $2 } /^$/ && name { print kind, name, version, architecture, sum; name = "" }
            END { if (name) print kind, name, version, architecture, sum }' | LC_ALL=C sort -u
}

vendor=$(apt-get indextargets --format "\$(ORIGIN)" 'Created-By: Packages' | head -n 1)
echo "vendor ${vendor,,}"
if [ "$base" = image ]; then
    closure_of added "${first[@]}" "${more[@]}"
else
    # What make-base.sh installs (mmdebstrap's minbase), and the wanted ones. A base is made with merged folders, so what would merge them is not needed.
    mapfile -t merged < <(apt-cache pkgnames usr-is-merged)
    first+=('?essential' '?priority(^required$)' apt ca-certificates python3 python3-venv "${merged[@]}")
    closure_of package "${first[@]}" | tee "$scratch/base"
    if [ ${#more[@]} -gt 0 ]; then
        closure_of added "${first[@]}" "${more[@]}" >"$scratch/all"
        sed -i 's/^package/added/' "$scratch/base"
        LC_ALL=C comm -23 "$scratch/all" "$scratch/base"
    fi
fi
