#!/usr/bin/env bash
# The sum of four constant tensors by torch 2.11.0's all_reduce over gloo is not a constant tensor: where an element lies in
# the tensor decides the order in which the processes' values are added. All ranks and all repetitions agree, so it is no
# noise; but a parameter's gradient changes in its last bit with its place in the bucket that it travels in (another
# bucket_cap_mb, another layer), and two runs part. With two processes the order doesn't matter.
# Seen, of 0.1, 0.2, 0.3 and 0.7 on four ranks: 500 elements 1.2999999523162842 and 500 elements 1.3000000715255737. Of 1 and
# three times 2^-9 in bfloat16: 1.0 and 1.0078125.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.11.0 numpy==2.2.6
cat > "$folder/constant.py" <<'P'
import os
import sys

import torch
import torch.distributed as dist


def distinct(rank, parts, dtype):
    """The different values in the sum of constant tensors, and how many elements have each."""
    values = torch.full((1000,), parts[rank], dtype=dtype)
    dist.all_reduce(values)
    found, counts = values.double().unique(return_counts=True)
    return dict(zip(found.tolist(), counts.tolist()))


def run(rank, folder):
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=4)
    single = [distinct(rank, (0.1, 0.2, 0.3, 0.7), torch.float32) for _ in range(3)]
    half = distinct(rank, (1.0, 2.0**-9, 2.0**-9, 2.0**-9), torch.bfloat16)
    if rank == 0:
        print("float32:", single[0])
        print("bfloat16:", half)
    assert single[0] == {1.2999999523162842: 500, 1.3000000715255737: 500} and single[0] == single[1] == single[2], (
        "torch has changed"
    )
    assert set(half) == {1.0, 1.0078125}, "torch has changed"
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.multiprocessing.spawn(run, (sys.argv[1],), nprocs=4)
P
"$folder/venv/bin/python" "$folder/constant.py" "$folder"
