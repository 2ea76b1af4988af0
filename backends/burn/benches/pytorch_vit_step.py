"""The training step of tests/conformance/src/vit_step.rs in PyTorch eager.

pytorch_vit_step.py <ti|quick> <manual|sdpa|probs> <steps> prints the median and least
milliseconds per step, the peak resident memory in MiB and the last loss.
"""

import resource
import statistics
import sys
import time

import torch
import torch.nn.functional as F

torch.set_num_threads(2)
torch.manual_seed(0)

SIZES = {
    "ti": dict(batch=8, tokens=197, dim=192, depth=12, heads=3, pixels=768),
    "quick": dict(batch=32, tokens=36, dim=96, depth=4, heads=3, pixels=16),
}


class Block(torch.nn.Module):
    def __init__(self, dim, heads, mode):
        super().__init__()
        self.heads, self.mode = heads, mode
        self.norm1 = torch.nn.LayerNorm(dim, eps=1e-6)
        self.qkv = torch.nn.Linear(dim, 3 * dim)
        self.proj = torch.nn.Linear(dim, dim)
        self.norm2 = torch.nn.LayerNorm(dim, eps=1e-6)
        self.fc1 = torch.nn.Linear(dim, 4 * dim)
        self.fc2 = torch.nn.Linear(4 * dim, dim)

    def forward(self, x):
        b, n, d = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(b, n, 3, self.heads, d // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        entropy = None
        if self.mode == "sdpa":
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            p = ((q * (d // self.heads) ** -0.5) @ k.transpose(-2, -1)).softmax(-1)
            if self.mode == "probs":
                entropy = -(p * p.clamp(min=1e-37).log()).sum(-1).mean()
            y = p @ v
        x = x + self.proj(y.transpose(1, 2).reshape(b, n, d))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x)))), entropy


class Model(torch.nn.Module):
    def __init__(self, mode, tokens, dim, depth, heads, pixels, batch):
        super().__init__()
        self.embed = torch.nn.Linear(pixels, dim)
        # With probabilities, the first two blocks use fused attention, as in the example.
        modes = ["sdpa" if mode == "probs" and i < 2 else mode for i in range(depth)]
        self.blocks = torch.nn.ModuleList(Block(dim, heads, m) for m in modes)
        self.norm = torch.nn.LayerNorm(dim, eps=1e-6)
        self.head = torch.nn.Linear(dim, pixels)

    def forward(self, x, target):
        x = self.embed(x)
        total = None
        for block in self.blocks:
            x, entropy = block(x)
            if entropy is not None:
                total = entropy if total is None else total + entropy
        loss = (self.head(self.norm(x)) - target).abs().mean()
        return loss if total is None else loss - 0.01 * total


def main():
    size, mode, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
    sizes = SIZES[size]
    model = Model(mode, **sizes)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.05)
    x = torch.randn(sizes["batch"], sizes["tokens"], sizes["pixels"])
    target = torch.randn_like(x)
    times = []
    for _ in range(steps + 2):
        start = time.perf_counter()
        optimiser.zero_grad(set_to_none=True)
        loss = model(x, target)
        last = loss.item()
        loss.backward()
        optimiser.step()
        times.append((time.perf_counter() - start) * 1e3)
    times = sorted(times[2:])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{statistics.median(times):.1f} {times[0]:.1f} {peak:.0f} {last:.6f}")


main()
