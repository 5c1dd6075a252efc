#!/usr/bin/env bash
# Trains as the plan chose it, inside the image or in the environment that install.sh made beside this script.
# Arguments are passed on to the training program.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

cores=$(sh "$here/usable_cores.sh")
export PYTHONNOUSERSITE=1
export OMP_NUM_THREADS="$cores"                          # threads: threads-usable
export LD_PRELOAD=libtcmalloc_minimal.so.4               # allocator: tcmalloc

python=${ONTUNE_PYTHON:-$here/venv/bin/python}
[ -x "$python" ] || { echo "run.sh: no Python at $python: run install.sh first, or name one in ONTUNE_PYTHON" >&2; exit 4; }

command=(
    "$python" "$here/workload/train.py"
    --framework pytorch
    --network mnist-cnn
    --parameter batch=128
    --setting compiler=eager                             # compiler: eager
    --setting precision=bf16                             # precision: bf16
    --setting memory_format=channels_last                # memory_format: channels_last
    --setting threads="$cores"                           # threads: threads-usable
)
exec "${command[@]}" "$@"
