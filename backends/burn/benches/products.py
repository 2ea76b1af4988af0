"""Runs `examples/products.rs` and its PyTorch twin in turn, so that both see the same machine.

products.py <path of products> [rounds] [seconds] prints, for f32 and bf16 and for one thread and two, the GFLOP/s of both at
each size (the best of the rounds) and their ratio: for a layer's product, and for products of the sizes of its gradients,
whose operands lie as a layer's do.
"""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
BINARY = sys.argv[1]
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 2
SECONDS = sys.argv[3] if len(sys.argv) > 3 else "0.2"
TYPES = sys.argv[4].split(",") if len(sys.argv) > 4 else ["f32", "bf16"]
THREADS = sys.argv[5].split(",") if len(sys.argv) > 5 else ["1", "2"]


def run(command, threads):
    environment = dict(os.environ, RAYON_NUM_THREADS=threads, OMP_NUM_THREADS=threads)
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in out.splitlines()]
    return {tuple(map(int, row[:3])): list(map(float, row[3:])) for row in rows}


for dtype in TYPES:
    for threads in THREADS:
        commands = {
            "burn": [BINARY, dtype, SECONDS],
            "torch": [sys.executable, os.path.join(HERE, "pytorch_products.py"), dtype, SECONDS],
        }
        best = {}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                for size, times in run(command, threads).items():
                    old = best.setdefault((name, size), times)
                    best[name, size] = [min(pair) for pair in zip(old, times)]
        for size in [size for name, size in best if name == "burn"]:
            work = 2e-6 * size[0] * size[1] * size[2]
            ours, theirs = ([work / t for t in best[name, size]] for name in ("burn", "torch"))
            told = "  ".join(f"{a:6.0f} {b:6.0f} {a / b:5.2f}" for a, b in zip(ours, theirs))
            print(f"{dtype:4} threads {threads}  {str(size):18}  {told}", flush=True)
