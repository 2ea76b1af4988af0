#!/usr/bin/env bash
# In a Slurm job array the last task's SLURM_JOB_ID is the number of the whole array: a task that requeues itself by
# `scontrol requeue $SLURM_JOB_ID`, as scripts of single jobs do, has every other task run again, those that had ended well
# too. The other tasks' SLURM_JOB_IDs are their own. Slurm 22.05.8 of Debian 12.
# Seen: task 0 ended well and ran once more after task 1 had requeued itself; with ARRAY_TASK numbers it did not.
# Needs root on Debian 12, for a Slurm of one machine: all is installed and run in an overlay that nobody else sees.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/up" "$folder/work" "$folder/root"
cat > "$folder/inside.sh" <<'I'
set -eu
mount -t proc proc /proc
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
version=22.05.8-4+deb12u3
export DEBIAN_FRONTEND=noninteractive
install="apt-get install -qq -y --no-install-recommends slurmctld=$version slurmd=$version slurm-client=$version munge"
$install > /dev/null 2>&1 || { apt-get update -qq && $install > /dev/null 2>&1; }
mkdir -p /run/munge /var/spool/slurmd /var/spool/slurmctld /etc/munge /var/log/slurm
head -c 1024 /dev/urandom > /etc/munge/munge.key
chmod 400 /etc/munge/munge.key
chown -R root:root /etc/munge /run/munge /var/log/munge /var/lib/munge
munged --force 2> /dev/null
mount -t tmpfs tmpfs /sys/fs/cgroup
printf 'CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n' > /etc/slurm/cgroup.conf
cat > /etc/slurm/slurm.conf <<C
ClusterName=test
SlurmctldHost=$(hostname)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
ReturnToService=2
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
SlurmctldLogFile=/var/log/slurm/controller
SlurmdLogFile=/var/log/slurm/daemon
JobAcctGatherType=jobacct_gather/none
NodeName=$(hostname) CPUs=2 State=UNKNOWN
PartitionName=p Nodes=ALL Default=YES State=UP
C
slurmctld
slurmd
sleep 4
cd /tmp
# Task 0 ends well at once; the last one, 1, puts itself back in the queue, once.
for by in '$SLURM_JOB_ID' '${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID'; do
    printf '#!/bin/bash\n[ $SLURM_ARRAY_TASK_ID = 0 ] && exit 0\nsleep 5\nscontrol requeue "%s"\nsleep 60\n' "$by" > job
    job=$(sbatch --parsable --requeue --output=/dev/null --array=0-1 job)
    sleep 12
    restarts() { scontrol show job "${job}_$1" | grep -oE 'Restarts=[0-9]+' | cut -d= -f2; }
    echo "requeue $by: task 0 started again $(restarts 0) times, task 1 $(restarts 1) times"
    scancel "$job"
    sleep 2
done
I
cp "$folder/inside.sh" "$folder/up/inside.sh"
unshare --mount --pid --fork --propagation private bash -c "
    mount -t overlay overlay -o 'lowerdir=/,upperdir=$folder/up,workdir=$folder/work' '$folder/root'
    mount --rbind /dev '$folder/root/dev'
    mount --bind /sys '$folder/root/sys'
    exec chroot '$folder/root' bash /inside.sh" | tee "$folder/seen"
cat > "$folder/due" <<'D'
requeue $SLURM_JOB_ID: task 0 started again 1 times, task 1 1 times
requeue ${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID: task 0 started again 0 times, task 1 1 times
D
diff "$folder/due" "$folder/seen" || { echo "Slurm has changed"; exit 1; }
