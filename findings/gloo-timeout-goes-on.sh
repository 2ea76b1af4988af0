#!/usr/bin/env bash
# In torch 2.11.0 Work.wait(timeout) of an all_reduce over gloo raises "Operation timed out!" when the time is over, and the
# sum goes on: it still writes into the tensor when the late process comes, though wait has failed and returned. Whoever
# catches the error and uses the tensor, or gives its memory to something else, gets values that change under their hands.
# (A process group's own timeout does end the sum.)
# Seen, rank 1 comes 3 s late, rank 0 waits for 1 s: "Operation timed out!", the tensor is 1.0; 4 s later it is 2.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.11.0 numpy==2.2.6
cat > "$folder/late.py" <<'P'
import datetime
import os
import sys
import time

import torch
import torch.distributed as dist


def run(rank, folder):
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    values = torch.ones(1000)
    dist.barrier()
    if rank == 1:
        time.sleep(3)
        dist.all_reduce(values)
        # The other looks at its tensor for a while yet.
        time.sleep(4)
        return
    work = dist.all_reduce(values, async_op=True)
    said = None
    try:
        work.wait(datetime.timedelta(seconds=1))
    except RuntimeError as error:
        said = str(error)
    after = values.unique().tolist()
    time.sleep(4)
    later = values.unique().tolist()
    print(f"wait says {said!r}; the tensor is {after} then, and {later} 4 s later")
    assert said and "timed out" in said, "torch has changed: the wait did not fail"
    assert after == [1.0] and later == [2.0], "torch has changed"


if __name__ == "__main__":
    torch.multiprocessing.spawn(run, (sys.argv[1],), nprocs=2)
P
"$folder/venv/bin/python" "$folder/late.py" "$folder"
