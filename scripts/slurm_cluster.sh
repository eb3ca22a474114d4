#!/usr/bin/env bash
# Start a Slurm cluster of two virtual nodes on this machine, for tests:
#
#   scripts/slurm_cluster.sh start FOLDER [PORT]   then: export SLURM_CONF=FOLDER/slurm.conf
#   scripts/slurm_cluster.sh node FOLDER NAME      start node1 or node2 again after it was killed
#   scripts/slurm_cluster.sh stop FOLDER
#
# It needs Debian's slurm-wlm and munge (apt-get install slurm-wlm munge) and no configuration of the system. All files
# are in FOLDER: configuration, keys, logs, and the process ids of munged, slurmctld, node1 and node2 (NAME.pid).
set -euo pipefail
command=${1:?start, node or stop} folder=$(realpath -m "${2:?a folder}")
export SLURM_CONF=$folder/slurm.conf
PATH=$PATH:/usr/sbin:/sbin

start_node() { slurmd -N "$1"; }

case $command in
start)
  port=${3:-17700} user=$(id -un)
  mkdir -p "$folder"/{state,node1,node2}
  chmod 700 "$folder"
  head -c 128 /dev/urandom > "$folder/munge.key"
  chmod 600 "$folder/munge.key"
  cat > "$SLURM_CONF" << END
ClusterName=temper
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmctldPort=$port
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmctldPidFile=$folder/slurmctld.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdSpoolDir=$folder/%n
SlurmdPidFile=$folder/%n.pid
SlurmdLogFile=$folder/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
SlurmdTimeout=10
KillWait=5
MinJobAge=10
JobRequeue=1
NodeName=node[1-2] NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + 2))] CPUs=$(nproc)
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
  munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
    --log-file="$folder/munged.log" --seed-file="$folder/munged.seed" 2> "$folder/munged.stderr"
  slurmctld
  start_node node1
  start_node node2
  for _ in $(seq 60); do
    [ "$(sinfo --noheader --Node --states=idle 2> /dev/null | wc -l)" = 2 ] && exit
    sleep 1
  done
  sinfo >&2 || true
  tail "$folder"/*.log >&2
  exit 1
  ;;
node) start_node "${3:?node1 or node2}" ;;
stop)
  # The processes of a job that runs now would outlive the daemons.
  timeout 30 bash -c 'scancel --me; while squeue --noheader | grep --quiet .; do sleep 0.2; done' 2> /dev/null || true
  for name in node1 node2 slurmctld munged; do
    [ -f "$folder/$name.pid" ] && kill "$(cat "$folder/$name.pid")" 2> /dev/null || true
  done
  ;;
*) echo "Unknown command $command; write start, node or stop." >&2 && exit 2 ;;
esac
