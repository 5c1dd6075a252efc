#!/usr/bin/env bash
# Runs plan 0123456789abcdef on this machine. Arguments are passed on to the training program.
set -euo pipefail
fail() { echo "${0##*/}: $*" >&2; exit 4; }
bundle=${ONTUNE_BUNDLE:-$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)}
image=${ONTUNE_IMAGE:-$bundle/ontune.sif}
container=$(command -v apptainer || command -v singularity) || fail "neither apptainer nor singularity is on the PATH"
[ -r "$image" ] || fail "no image at $image: build it first (ontune build), or name one in ONTUNE_IMAGE"
"$container" inspect --labels "$image" | grep -xF 'ontune.recipe: DIGEST' >/dev/null || fail "$image was not built from the recipe of plan 0123456789abcdef"
read -ra more <<<"${ONTUNE_CONTAINER_FLAGS:-}" # Bash 4.3 and older take no empty list as it is
enter=("$container" run --bind "$PWD" --pwd "$PWD" ${more[@]+"${more[@]}"})
start=("${enter[@]}" "$image")
exec "${start[@]}" "$@"
