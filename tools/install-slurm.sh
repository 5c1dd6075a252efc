#!/usr/bin/env bash
# Start a Slurm of one node on this machine, with munge, for the tests. Debian and Ubuntu; as root.
#
# A Slurm that answers already is left alone. What is started here is stopped by stop-slurm.sh; both keep its files in one folder:
#   STATE   default: /var/lib/ontune-slurm, whichever checkout this is
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"

answers() { timeout 5 sinfo --noheader --format=%t 2>/dev/null | grep -qE '^(idle|mix|alloc)'; }

if answers; then
    say "already running: $(sinfo --version)"
    exit 0
fi
command -v apt-get >/dev/null || fail "no apt-get here: install Slurm and munge as your distribution does"
needs_root "starting Slurm"
install_packages slurm-wlm munge slurm-wlm-torque
"$(dirname "$0")/stop-slurm.sh" 2>/dev/null

mkdir -p "$STATE"/{controller,node} /run/munge
chmod 755 "$STATE"
host=$(hostname -s)
memory=$(awk '/^MemTotal/ { print int($2 / 1024 * 0.9) }' /proc/meminfo)
cat >"$STATE/slurm.conf" <<CONF
ClusterName=ontune
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_interval=1,batch_sched_delay=0
JobRequeue=1
EnforcePartLimits=ANY
StateSaveLocation=$STATE/controller
SlurmdSpoolDir=$STATE/node
SlurmctldPidFile=$STATE/slurmctld.pid
SlurmdPidFile=$STATE/slurmd.pid
SlurmctldLogFile=$STATE/slurmctld.log
SlurmdLogFile=$STATE/slurmd.log
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc --all) RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
# Slurm's programs look here; a configuration of somebody else's is not touched.
if [ -e /etc/slurm/slurm.conf ] && [ ! -L /etc/slurm/slurm.conf ]; then fail "/etc/slurm/slurm.conf is there and its Slurm does not answer"; fi
mkdir -p /etc/slurm
ln -sfn "$STATE/slurm.conf" /etc/slurm/slurm.conf

[ -s /etc/munge/munge.key ] || mungekey --create
chown munge: /etc/munge/munge.key /run/munge
pgrep -x munged >/dev/null || setpriv --reuid=munge --regid=munge --init-groups /usr/sbin/munged --pid-file="/run/munge/munged.pid" \
    || fail "munged does not start"
say "starting slurmctld and slurmd"
slurmctld -c || fail "slurmctld does not start: see $STATE/slurmctld.log"
slurmd || fail "slurmd does not start: see $STATE/slurmd.log"
for _ in $(seq 60); do
    if answers; then
        say "ready: $(sinfo --version), node $host"
        exit 0
    fi
    sleep 0.5
done
fail "Slurm does not answer: see the logs in $STATE"
