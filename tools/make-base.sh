#!/usr/bin/env bash
# make-base.sh NAME OUT [PACKAGE...]: a base root file system for `Bootstrap: localimage`, where no registry is reached.
#
# NAME is a Debian release such as debian-12; OUT is the folder to make (left alone if it is there); PACKAGEs are added to python3 and its venv module.
#
# What stays in it: the packages, and an apt source for each archive that the user's own apt configuration has of that release, without any user name
# or password of its URL, so that apt works in the image. Proxies, apt's credentials, certificates and name servers of this machine do not stay;
# Ontune hands them to a build while it runs. Device nodes are left out (a build in a user namespace cannot make them); /mnt is there to bind on.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"

[ $# -ge 2 ] || fail "usage: make-base.sh NAME OUT [PACKAGE...]"
name=$1 out=$2
shift 2
[[ $name =~ ^debian-[0-9]+$ ]] || fail "$name: not a base that can be made here; expected debian-<release number>"
command -v apt-get >/dev/null || fail "bases are made with apt and mmdebstrap: neither is here"
mkdir -p "$(dirname "$out")"
exec 9>"$out.lock"
flock 9
if [ -d "$out" ]; then
    say "already there: $out"
    exit 0
fi
needs_root "making a base"
install_packages mmdebstrap distro-info-data debian-archive-keyring
release=$(awk -F, -v version="${name#debian-}" '$1 == version { print $3 }' /usr/share/distro-info/debian.csv)
[ -n "$release" ] || fail "$name: no such release of Debian"

# The archives of the wanted release: those that apt has for this machine's release, with its name replaced.
# shellcheck source=/dev/null
here=$(. /etc/os-release && echo "$VERSION_CODENAME")
sources=()
while read -r uri suite keyring; do
    sources+=("deb [signed-by=$keyring] $uri ${suite/$here/$release} main")
done < <(archive_sources)
[ ${#sources[@]} -gt 0 ] || fail "apt knows no Debian archive here: bases of a registry are the way (Bootstrap: docker)"

say "making $name ($release) in $out, about 40 s"
trap 'rm -rf "$out.part" "$out.apt"' EXIT
rm -rf "$out.part"
# How this machine's apt reaches its archives (proxies, certificates), for the time of the making only.
apt-config dump | grep -E '^Acquire::(https?|Check-|Retries)' >"$out.apt" || true
include=$(IFS=,; echo "ca-certificates,python3,python3-venv${*:+,$*}")
mmdebstrap --quiet --mode=root --format=directory --variant=minbase --include="$include" --skip=output/dev --aptopt="$out.apt" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' "$release" "$out.part" "${sources[@]}" >&2 || fail "mmdebstrap could not make $name"

find "$out.part/dev" -mindepth 1 -delete
rm -f "$out.part/etc/resolv.conf" "$out.part/etc/hostname" "$out.part/etc/apt/apt.conf.d/99mmdebstrap"
# apt makes these again; their owner does not exist in a build's user namespace, which then could not copy them.
rm -rf "$out.part/var/cache/apt/archives/partial" "$out.part/var/lib/apt/lists/partial"
rm -f "$out.part"/etc/apt/sources.list.d/*
printf '%s\n' "${sources[@]}" | sed -E 's|\[signed-by=[^]]*\] ||; s|://[^/@ ]*@|://|' >"$out.part/etc/apt/sources.list"
mkdir -p "$out.part/mnt"
mv "$out.part" "$out"
say "ready: $out"
