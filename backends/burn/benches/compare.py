"""Runs the example and its PyTorch twin in turn, so that both see the same machine.

compare.py <path of vit_step> [rounds] [steps] prints, per size and variant, the median over the
rounds of each process's median, the ratio, and the peak resident memory.
"""

import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
BINARY = sys.argv[1]
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 5
STEPS = sys.argv[3] if len(sys.argv) > 3 else "10"
ENVIRONMENT = dict(os.environ, RAYON_NUM_THREADS="2", OMP_NUM_THREADS="2")

# What is run for each size: name, command.
SIZES = sys.argv[4].split(",") if len(sys.argv) > 4 else ["ti", "quick"]


def run(command):
    out = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True).stdout
    return [float(x) for x in out.split()]


for size in SIZES:
    commands = {f"burn {v}": [BINARY, size, v, STEPS] for v in ("fused", "probs")}
    script = os.path.join(HERE, "pytorch_vit_step.py")
    commands |= {f"torch {v}": [sys.executable, script, size, v, STEPS] for v in ("manual", "sdpa", "probs")}
    results = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            results[name].append(run(command))
    median = {n: statistics.median(r[0] for r in rows) for n, rows in results.items()}
    for name, rows in results.items():
        spread = f"{min(r[0] for r in rows):.0f}-{max(r[0] for r in rows):.0f}"
        least, peak = min(r[1] for r in rows), max(r[2] for r in rows)
        twin = {"burn fused": ("torch manual", "torch sdpa"), "burn probs": ("torch probs",)}.get(name, ())
        ratios = " ".join(f"{median[name] / median[t]:.2f}x of {t}" for t in twin)
        print(f"{size:6} {name:13} median {median[name]:7.1f} ms ({spread}), least {least:7.1f}, peak {peak:5.0f} MiB  {ratios}")
