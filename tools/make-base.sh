#!/usr/bin/env bash
# make-base.sh SUITE OUT [FOLDER]: a base root file system for `Bootstrap: localimage`, where no registry is reached.
#
# SUITE is the code name of a release of this machine's distribution, such as bookworm; OUT is the folder to make (left alone if it is there). It holds
# python3 with its venv module, as the suite has them now; or the packages of FOLDER, all of them and no other, as fetch-packages.sh has left them.
#
# What stays in it: the packages, and an apt source for each archive that the user's own apt configuration has of that release, without any user name
# or password of its URL, so that apt works in the image. Proxies, apt's credentials, certificates and name servers of this machine do not stay;
# Ontune hands them to a build while it runs. Device nodes are left out (a build in a user namespace cannot make them); /mnt is there to bind on.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"

[ $# -ge 2 ] || fail "usage: make-base.sh SUITE OUT [FOLDER]"
suite=$1 out=$2 from=${3:+$(realpath "$3")}
mkdir -p "$(dirname "$out")"
exec 9>"$out.lock"
flock 9
if [ -d "$out" ]; then
    say "already there: $out"
    exit 0
fi
needs_root "making a base"
install_packages mmdebstrap

mapfile -t sources < <(suite_sources "$suite")
[ ${#sources[@]} -gt 0 ] || fail "apt knows no archive of this distribution: bases of a registry are the way (Bootstrap: docker)"
variant=minbase include=(ca-certificates python3 python3-venv) made_from=("${sources[@]}")
if [ -n "$from" ]; then
    variant=apt # which adds nothing to what is named
    mapfile -t include < <(sed -n 's/^Package: //p' "$from/Packages")
    made_from=("deb [trusted=yes] copy:$from ./")
fi

say "making a base of $suite in $out, about 40 s"
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-315532800} # what writes a date writes this one: two bases of the same packages are equal
trap 'rm -rf "$out.part" "$out.apt"' EXIT
rm -rf "$out.part"
# How this machine's apt reaches its archives (proxies, certificates), for the time of the making only.
apt-config dump | grep -E '^Acquire::(https?|Check-|Retries)' >"$out.apt" || true
mmdebstrap --quiet --mode=root --format=directory --variant="$variant" --include="$(IFS=,; echo "${include[*]}")" --skip=output/dev \
    --aptopt="$out.apt" --hook-dir=/usr/share/mmdebstrap/hooks/maybe-merged-usr \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' "$suite" "$out.part" "${made_from[@]}" >&2 || fail "mmdebstrap could not make a base of $suite"

find "$out.part/dev" -mindepth 1 -delete
rm -f "$out.part/etc/resolv.conf" "$out.part/etc/hostname" "$out.part/etc/apt/apt.conf.d/99mmdebstrap"
# apt makes these again; their owner does not exist in a build's user namespace, which then could not copy them.
rm -rf "$out.part/var/cache/apt/archives/partial" "$out.part/var/lib/apt/lists/partial"
[ -z "$from" ] || find "$out.part/var/lib/apt/lists" -mindepth 1 -delete # they tell where FOLDER was
rm -f "$out.part"/etc/apt/sources.list.d/*
printf '%s\n' "${sources[@]}" | sed -E 's|\[signed-by=[^]]*\] ||; s|://[^/@ ]*@|://|' >"$out.part/etc/apt/sources.list"
mkdir -p "$out.part/mnt"
mv "$out.part" "$out"
say "ready: $out"
