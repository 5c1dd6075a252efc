#!/usr/bin/env bash
# Stop the Slurm that install-slurm.sh has started. munge is left running.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"

for name in slurmd slurmctld; do
    pid=$(cat "$STATE/$name.pid" 2>/dev/null || true)
    # A file that a machine has kept over its end may name a process of somebody else's.
    if [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$name" ] && kill "$pid" 2>/dev/null; then
        for _ in $(seq 40); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.25
        done
        say "$name stopped"
    fi
    rm -f "$STATE/$name.pid"
done
if [ "$(readlink /etc/slurm/slurm.conf 2>/dev/null)" = "$STATE/slurm.conf" ]; then rm -f /etc/slurm/slurm.conf; fi
