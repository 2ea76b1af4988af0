#!/usr/bin/env bash
# torch 2.11.0's all_reduce over gloo with MAX or MIN keeps a NaN of one process in 1/N of the elements only, whichever
# process has it; SUM keeps all. Of a tensor with one element it depends on the rank: rank 0's NaN stays, rank 1's is gone,
# on every rank. So "the largest loss of all ranks is finite" says little. (gloo's max is a comparison, in which the value
# that was there wins over a NaN, and each part of the tensor starts at another rank.)
# Seen, of 1,000 elements that are NaN on one rank: 2 processes 500 NaN, 4 processes 250, by MAX and by MIN; by SUM 1,000.
# MAX of one element on 2 processes: NaN on rank 0 gives NaN, NaN on rank 1 gives the 1.0 of rank 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.11.0 numpy==2.2.6
cat > "$folder/nan.py" <<'P'
import os
import sys

import torch
import torch.distributed as dist


def reduced(rank, holder, op, count):
    """The result of an all-reduce of 1.0 with NaN on one rank."""
    values = torch.full((count,), float("nan") if rank == holder else 1.0)
    dist.all_reduce(values, getattr(dist.ReduceOp, op))
    return values


def run(rank, size, folder):
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet-{size}", rank=rank, world_size=size)
    for holder in (0, size - 1):
        for op, kept in (("MAX", 1000 // size), ("MIN", 1000 // size), ("SUM", 1000)):
            lost = int(reduced(rank, holder, op, 1000).isnan().sum())
            if rank == 0:
                print(f"{size} processes, {op}, NaN on rank {holder}: {lost} of 1000 elements are NaN")
            assert lost == kept, "torch has changed"
    if size == 2:
        single = [reduced(rank, holder, "MAX", 1).item() for holder in (0, 1)]
        if rank == 0:
            print(f"MAX of one element, NaN on rank 0, and on rank 1: {single}")
        assert single[0] != single[0] and single[1] == 1.0, "torch has changed"
    dist.destroy_process_group()


if __name__ == "__main__":
    for size in (2, 4):
        torch.multiprocessing.spawn(run, (size, sys.argv[1]), nprocs=size)
P
"$folder/venv/bin/python" "$folder/nan.py" "$folder"
