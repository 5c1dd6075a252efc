#!/usr/bin/env bash
# make-base.sh SUITE OUT [PACKAGE...]: a base root file system for `Bootstrap: localimage`, where no registry is reached.
#
# SUITE is the code name of a release of this machine's distribution, such as bookworm; OUT is the folder to make (left alone if it is there);
# PACKAGEs are added to python3 and its venv module.
#
# What stays in it: the packages, and an apt source for each archive that the user's own apt configuration has of that release, without any user name
# or password of its URL, so that apt works in the image. Proxies, apt's credentials, certificates and name servers of this machine do not stay;
# Ontune hands them to a build while it runs. Device nodes are left out (a build in a user namespace cannot make them); /mnt is there to bind on.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"

[ $# -ge 2 ] || fail "usage: make-base.sh SUITE OUT [PACKAGE...]"
suite=$1 out=$2
shift 2
[[ $suite =~ ^[a-z]+$ ]] || fail "$suite: not a suite; expected a release's code name such as bookworm"
command -v apt-get >/dev/null || fail "bases are made with apt and mmdebstrap: neither is here"
mkdir -p "$(dirname "$out")"
exec 9>"$out.lock"
flock 9
if [ -d "$out" ]; then
    say "already there: $out"
    exit 0
fi
needs_root "making a base"
install_packages mmdebstrap

# The archives of the wanted release: those that apt has for this machine's release, with its name replaced.
# shellcheck source=/dev/null
here=$(. /etc/os-release && echo "$VERSION_CODENAME")
sources=()
while read -r uri archive keyring; do
    sources+=("deb [signed-by=$keyring] $uri ${archive/$here/$suite} main")
done < <(archive_sources)
[ ${#sources[@]} -gt 0 ] || fail "apt knows no archive of this distribution: bases of a registry are the way (Bootstrap: docker)"

say "making a base of $suite in $out, about 40 s"
trap 'rm -rf "$out.part" "$out.apt"' EXIT
rm -rf "$out.part"
# How this machine's apt reaches its archives (proxies, certificates), for the time of the making only.
apt-config dump | grep -E '^Acquire::(https?|Check-|Retries)' >"$out.apt" || true
include=$(IFS=,; echo "ca-certificates,python3,python3-venv${*:+,$*}")
mmdebstrap --quiet --mode=root --format=directory --variant=minbase --include="$include" --skip=output/dev --aptopt="$out.apt" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' "$suite" "$out.part" "${sources[@]}" >&2 || fail "mmdebstrap could not make a base of $suite"

find "$out.part/dev" -mindepth 1 -delete
rm -f "$out.part/etc/resolv.conf" "$out.part/etc/hostname" "$out.part/etc/apt/apt.conf.d/99mmdebstrap"
# apt makes these again; their owner does not exist in a build's user namespace, which then could not copy them.
rm -rf "$out.part/var/cache/apt/archives/partial" "$out.part/var/lib/apt/lists/partial"
rm -f "$out.part"/etc/apt/sources.list.d/*
printf '%s\n' "${sources[@]}" | sed -E 's|\[signed-by=[^]]*\] ||; s|://[^/@ ]*@|://|' >"$out.part/etc/apt/sources.list"
mkdir -p "$out.part/mnt"
mv "$out.part" "$out"
say "ready: $out"
