#!/bin/sh
# Makes the environment of plan 0123456789abcdef beside this script, for a machine without containers.
#   install.sh            Python packages; system packages that are missing are named, and nothing else is changed
#   install.sh --system   system packages too (as root; this is how the Dockerfile uses it)
# Not applied here: Bootstrap docker (image_source: registry): this machine's own system is used.
# Not applied here: From docker.io/library/python:3.11-slim-bookworm (base_image: python-3.11-slim): this machine's own system is used.
# Not applied here: Suite bookworm (base_image: python-3.11-slim): this machine's own system is used.
set -eu
prefix=$(cd "$(dirname "$0")" && pwd)
# The builder's own settings (mirrors, proxies, certificates) are bound at /mnt/ontune during the build, and nowhere else.
# shellcheck source=/dev/null
if [ -r /mnt/ontune/environment.sh ]; then . /mnt/ontune/environment.sh; fi
# Bytecode is told from its source by content, not by the time of this installation; what writes a date takes that of the oldest zip archives.
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-315532800}"
if [ "${1:-}" = --system ]; then
    # System packages: what the base already has is left alone.
    missing=
    need() { # NAME [VERSION]
        installed=$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$1" 2>/dev/null || true)
        [ "$installed" = "installed ${2:-${installed#installed }}" ] || missing="$missing $1${2:+=$2}"
    }
    need libtcmalloc-minimal4                                # allocator: tcmalloc
    if [ -n "$missing" ]; then
        export DEBIAN_FRONTEND=noninteractive
        apt-get update
        # shellcheck disable=SC2086  # one word a package
        apt-get install -y --no-install-recommends -o APT::Sandbox::User=root $missing
        apt-get clean
        rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/cache/debconf/*-old
    fi
    if command -v dpkg-query >/dev/null; then dpkg-query -W >"$prefix/system-packages.txt"; fi
    :
elif command -v dpkg-query >/dev/null; then
    # System packages: what the base already has is left alone.
    missing=
    need() { # NAME [VERSION]
        installed=$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$1" 2>/dev/null || true)
        [ "$installed" = "installed ${2:-${installed#installed }}" ] || missing="$missing $1${2:+=$2}"
    }
    need libtcmalloc-minimal4                                # allocator: tcmalloc
    if [ -n "$missing" ]; then echo "install.sh: the plan also wants these system packages:$missing" >&2; fi
fi
# Python packages, exactly as pinned, in an environment of their own.
python3 -m venv "$prefix/venv"
set --
for wheels in /mnt/ontune/wheels "$prefix/fetched/wheels"; do
    if [ -d "$wheels" ]; then set -- --no-index --find-links "$wheels"; fi
done
"$prefix/venv/bin/python" -m pip install --no-cache-dir --no-input --disable-pip-version-check --progress-bar off \
    "$@" --requirement "$prefix/requirements.txt"
"$prefix/venv/bin/python" -m pip freeze --all --disable-pip-version-check >"$prefix/python-packages.txt"
