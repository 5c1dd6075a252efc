#!/usr/bin/env bash
# make-frameworks.sh FOLDER: a virtual environment with the CPU builds of PyTorch and TensorFlow, which the tests of the workload programs run.
#
# The default wheel of PyTorch brings CUDA (several GB). Its CPU build has a local version, `+cpu`: it is taken from the find-links folders of the
# user's pip configuration where they offer one, else from PyTorch's own index of CPU wheels.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"

[ $# -eq 1 ] || fail "usage: make-frameworks.sh FOLDER"
folder=$1
CPU_INDEX=https://download.pytorch.org/whl/cpu
pip() { "$folder/bin/python" -m pip "$@" --disable-pip-version-check; }

if [ -e "$folder/.installed" ]; then
    say "already there: $folder"
    exit 0
fi
"${PYTHON:-python3}" -m venv "$folder"
tag=$("$folder/bin/python" -c 'import sys; print(f"cp{sys.version_info.major}{sys.version_info.minor}")')

# offered: the newest +cpu version among the wheels in pip's find-links folders that suit this Python.
offered() {
    local links entry
    links=$(pip config list | sed -n "s/^\(:env:\|global\|install\)\.find-links='\(.*\)'$/\2/p" | sed 's/\\n/ /g')
    for entry in $links; do
        find "${entry#file://}" -maxdepth 1 -name "torch-*+cpu-$tag-*_$(uname -m).whl" -printf '%f\n' 2>/dev/null
    done | cut -d- -f2 | sort -V | tail -1
}

say "installing PyTorch and TensorFlow for the CPU (a few minutes, about 2 GB)"
if version=$(offered) && [ -n "$version" ]; then
    pip install --quiet "torch==$version"
else
    pip install --quiet --index-url "$CPU_INDEX" torch
fi
pip install --quiet tensorflow-cpu scikit-learn
# Trainers of other people, which tests run jobs of; torchvision's default wheel does not fit the CPU build, and nothing here needs it.
pip install --quiet transformers accelerate lightning || say "without transformers, accelerate and Lightning"
touch "$folder/.installed"
say "ready: $folder"
