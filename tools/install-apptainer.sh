#!/usr/bin/env bash
# Install Apptainer, by which images are built and run. Nothing calls this behind a user's back.
#
# A working apptainer or singularity is left alone, and a distribution's own package is preferred. Debian has one in its unstable suite only, built
# for a newer C library than the stable releases bring; it goes, with that library, into a private prefix, never into `/`.
#
#   PREFIX   where that is (default: ${ONTUNE_TOOLS:-<checkout>/.tools}/apptainer); put its usr/bin on the PATH, or let Ontune find it there
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"
PREFIX=${PREFIX:-$TOOLS/apptainer}

works() { "$1" --version >/dev/null 2>&1; }

# Root in a container often lacks CAP_SYS_RESOURCE; fakeroot builds then need root's own line of subordinate ids.
allow_fakeroot() {
    local file user
    user=$(id -un)
    for file in /etc/subuid /etc/subgid; do
        grep -q "^$user:" "$file" 2>/dev/null && continue
        needs_root "giving $user subordinate ids in $file"
        printf '%s:%s:65536\n' "$user" 1000000 >>"$file"
    done
}

install_with_dnf() {
    needs_root "installing apptainer"
    dnf install -y -q apptainer >&2 || fail "dnf has no apptainer: enable EPEL, or see https://apptainer.org/docs/admin/main/installation.html"
}

install_in_prefix() {
    local uri keyring scratch
    install_packages squashfs-tools squashfuse fuse2fs fuse-overlayfs fakeroot uidmap patchelf ca-certificates
    read -r uri _ keyring < <(archive_sources) || fail "apt knows no archive of this distribution: run apt-get update first"
    scratch=$(mktemp -d)
    # shellcheck disable=SC2064
    trap "rm -rf '$scratch' '$PREFIX.part'" EXIT
    mkdir -p "$scratch/lists" "$scratch/cache" "$scratch/packages"
    echo "deb [signed-by=$keyring] $uri sid main" >"$scratch/sources.list"
    local apt=(apt-get -qq -o "Dir::Etc::SourceList=$scratch/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$scratch/lists"
        -o "Dir::Cache=$scratch/cache" -o Acquire::Languages=none -o APT::Sandbox::User=root)
    say "fetching apptainer and the C library it was built for"
    "${apt[@]}" update >&2 || fail "the unstable suite is not to be had from $uri"
    (cd "$scratch/packages" && "${apt[@]}" download apptainer libc6 libseccomp2 libsqlite3-0 >&2) || fail "apptainer could not be fetched"

    rm -rf "$PREFIX.part"
    mkdir -p "$PREFIX.part"
    local package
    for package in "$scratch"/packages/*.deb; do dpkg-deb -x "$package" "$PREFIX.part"; done
    relocate "$PREFIX.part"
    rm -rf "$PREFIX"
    mv "$PREFIX.part" "$PREFIX"
}

# relocate FOLDER: make the unpacked packages run from PREFIX with their own C library.
relocate() {
    local folder=$1 triplet loader program
    triplet=$(basename "$(dirname "$(find "$folder/usr/lib" -name libseccomp.so.2 | head -1)")")
    loader=$(basename "$(find "$folder/usr/lib/$triplet" -name 'ld-linux*.so.*' | head -1)")
    for program in "$folder/usr/bin/apptainer" "$(find "$folder/usr" -path '*/apptainer/bin/starter' | head -1)"; do
        patchelf --set-interpreter "$PREFIX/usr/lib/$triplet/$loader" --force-rpath --set-rpath "$PREFIX/usr/lib/$triplet" "$program"
    done
    # The programs look for their configuration and state beside themselves.
    ln -sfn ../etc "$folder/usr/etc"
    ln -sfn ../../etc "$folder/usr/lib/etc"
    mkdir -p "$folder/var/lib/apptainer/mnt/session"
    ln -sfn ../var "$folder/usr/var"
    ln -sfn ../../var "$folder/usr/lib/var"
    # Upstream's package has this link, Debian's does not; spython calls the program by its old name.
    ln -sfn apptainer "$folder/usr/bin/singularity"
}

if works "$PREFIX/usr/bin/apptainer"; then
    say "already there: $PREFIX/usr/bin/apptainer"
elif works apptainer || works singularity; then
    say "already there: $(command -v apptainer || command -v singularity)"
    exit 0
elif command -v dnf >/dev/null; then
    install_with_dnf
    exit 0
elif ! command -v apt-get >/dev/null; then
    fail "no apt-get and no dnf here: see https://apptainer.org/docs/admin/main/installation.html"
elif [ -n "$(apt-cache madison apptainer 2>/dev/null)" ]; then
    install_packages apptainer
elif [ "$(. /etc/os-release && echo "$ID")" = debian ]; then
    install_in_prefix
else
    fail "this distribution has no apptainer package: see https://apptainer.org/docs/admin/main/installation.html"
fi
allow_fakeroot
works "$PREFIX/usr/bin/apptainer" || works apptainer || fail "apptainer was installed and does not start"
say "ready"
