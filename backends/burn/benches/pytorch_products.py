"""The control of `examples/products.rs`: the same products by torch.nn.functional.linear.

pytorch_products.py <f32|bf16> <seconds> prints the same lines. The number of threads is OMP_NUM_THREADS.
"""

import os
import sys
import time

import torch

SIZES = [
    (1152, 96, 288), (1152, 96, 96), (1152, 96, 384), (1152, 384, 96),
    (1576, 192, 576), (1576, 192, 192), (1576, 192, 768), (1576, 768, 192),
    (788, 768, 2304), (788, 768, 768), (788, 768, 3072), (788, 3072, 768),
]
dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[sys.argv[1]]
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 0.5
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))


def least(run):
    best, started = float("inf"), time.perf_counter()
    while time.perf_counter() - started < seconds:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best * 1e3


with torch.no_grad():
    for rows, inputs, outputs in SIZES:
        x, weight, dy = (torch.rand(s).sub(0.5).to(dtype) for s in ((rows, inputs), (outputs, inputs), (rows, outputs)))
        linear = torch.nn.functional.linear
        turned, columns, across = weight.T.contiguous(), dy.T.contiguous(), x.T.contiguous()
        figures = [least(lambda: linear(x, weight)), least(lambda: linear(dy, turned)), least(lambda: linear(columns, across))]
        print(rows, inputs, outputs, *(f"{figure:.4f}" for figure in figures), flush=True)
