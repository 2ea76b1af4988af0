"""The control of `cargo xtask compare --pytorch`: the same recipe, weights, batches, plans and noise in PyTorch.

    python3 pytorch.py INPUTS.safetensors eager|compile|ddp|count DEVICE THREADS

Reads a number of steps from each line of standard input, does them, and prints a line of JSON for each; `count`
prints the floating-point operations of the first step alone, as PyTorch counts them. `ddp` is one of several processes
that train by DistributedDataParallel, as RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT say: each has its part of every
step's images, and rank 0 alone prints: the mean loss of all, and the norm of the mean gradient. The model
is that of reference.py beside this file, with attention fused where no loss looks at its probabilities, and without
loops over images.
"""

import datetime
import json
import math
import resource
import sys
import time

STARTED = time.perf_counter()

import torch  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import reference  # noqa: E402


# Whether plans have noised tokens.
NOISED = False


class Attention(reference.Attention):
    """Probabilities only where they are looked at."""

    def forward(self, x, bias):
        if self.looked_at:
            return super().forward(x, bias)
        n, t, d = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=None if bias is None else bias[None].expand(n, -1, -1, -1))
        return self.proj(y.transpose(1, 2).reshape(n, t, d)), None


def disruption(form, attention, roles):
    """As reference.disruption, over whole batches."""
    partner = 2 if NOISED else 0
    masked, other = (F.pad((roles == r).to(attention[0].dtype), (1, 0))[:, None] for r in (reference.MASKED, partner))
    gaps, there, back = [], [], []
    for probs in attention:
        gaps.append((math.log(probs.shape[-1]) - torch.special.entr(probs).sum(-1)).mul(masked).sum())
        if form != "row-entropy":
            there.append(probs.mul(other[:, :, None]).sum(-1).mul(masked).sum())
            back.append(probs.mul(masked[:, :, None]).sum(-1).mul(other).sum())
    rows = [len(attention) * attention[0].shape[1] * weight.sum() for weight in (masked, other)]
    if form == "row-entropy":
        return sum(gaps) / rows[0]
    there, back = sum(there) / rows[0], sum(back) / rows[1]
    return back if form == "one-way" else 0.5 * there + 0.5 * back


def synchronize(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


# Tensors of a step whose images are counted in another dimension than the first.
IMAGES_IN = {"drop": 2}


def part(step, rank, size):
    """The images of one of several processes, of [N, ...] tensors and of drop path's factors [depth, 2, N]."""
    return {name: t.chunk(size, IMAGES_IN.get(name, 0))[rank].contiguous() for name, t in step.items()}


def together(device):
    """Meets the other processes: this one's number and how many there are."""
    limit = datetime.timedelta(seconds=120)
    # Of GPUs, PyTorch's users take NCCL.
    torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=limit)
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    path, mode, device, threads = sys.argv[1], sys.argv[2], torch.device(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(threads)
    with reference.safe_open(path, "pt") as file:
        told = file.metadata()
    recipe, weights, steps = reference.load(path, torch.float32)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    rank, ranks = together(device) if mode == "ddp" else (0, 1)
    steps = [part(step, rank, ranks) for step in steps]
    recipe["encoder"].update(json.loads(told["encoder"]))
    reference.Attention, reference.disruption = Attention, disruption
    tables = {}
    slow_index = reference.relative_index
    reference.relative_index = lambda h, w: tables.setdefault((h, w), slow_index(h, w).to(device))
    model = reference.build(recipe, weights, torch.float32).to(device)
    # Histograms of gradients are made once, on the processor: PyTorch is given them.
    if any(objective.get("target", {}).get("kind") == "hog" for objective in recipe["objective"].values()):
        for step in steps:
            step["hog"] = reference.hog(step["batch"], model.p)
    visible = [int((step["roles"][0] != reference.MASKED).sum()) for step in steps]
    steps = [{name: t.to(device) for name, t in step.items()} for step in steps]
    for step, count in zip(steps, visible):
        step["visible"] = count
    global NOISED
    NOISED = bool((steps[0]["roles"] == 2).any())
    at = (recipe.get("noise") or {}).get("at", "")
    first = int(at[6:]) if at.startswith("block:") else 0
    objectives = [(name, dict(o, first=first)) for name, o in sorted(recipe["objective"].items())]
    looked_at = [o["first"] if o["first_block"] < 0 else o["first_block"] for _, o in objectives if o["kind"] == "disruption"]
    for i, block in enumerate(model.blocks):
        block.attn.looked_at = bool(looked_at) and i >= min(looked_at)
    for block in getattr(getattr(model, "decoder", None), "blocks", []):
        block.attn.looked_at = False
    o = recipe["optimizer"]
    named = list(model.named_parameters())
    optimizer = torch.optim.AdamW(
        [{"params": [p for n, p in named if reference.decays(n)], "weight_decay": o["weight_decay"]},
         {"params": [p for n, p in named if not reference.decays(n)], "weight_decay": 0.0}],
        lr=o["lr"], betas=(o["beta1"], o["beta2"]), eps=o["eps"], fused=True)
    bf16 = recipe["precision"] == "bf16"
    called = model

    def forward(step):
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            predictions, attention, noised = called(step)
        parts = [reference.objective_loss(obj, predictions, attention, noised, step, model.p) for _, obj in objectives]
        return sum(obj.get("weight", 1.0) * part for (_, obj), part in zip(objectives, parts))

    if mode == "count":
        from torch.nn.attention import SDPBackend, sdpa_kernel
        from torch.utils.flop_counter import FlopCounterMode
        # Attention as plain products: a flash kernel's backward counts what it computes a second time.
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            loss = forward(steps[0])
            ahead = counter.get_total_flops()
            loss.backward()
        print(json.dumps({"forward": ahead, "backward": counter.get_total_flops() - ahead}))
        return
    if ranks > 1:
        # A parameter that no loss depends on would be waited for.
        forward(steps[0]).backward()
        unused = any(p.grad is None for p in model.parameters())
        optimizer.zero_grad(set_to_none=True)
        # Gradients are the sums' own memory, so that none is copied back.
        called = torch.nn.parallel.DistributedDataParallel(
            model, gradient_as_bucket_view=True, broadcast_buffers=False, find_unused_parameters=unused)
    if mode == "compile":
        forward = torch.compile(forward)

    def say(told):
        if rank == 0:
            print(json.dumps(told), flush=True)

    def all_here():
        if ranks > 1:
            torch.distributed.barrier()

    info = {"name": f"pytorch-{mode}", "version": torch.__version__, "description": "PyTorch " + mode}
    info["instructions"] = torch.backends.cpu.get_cpu_capability()
    say({"ready": time.perf_counter() - STARTED, "info": info})
    done, total, per_epoch = 0, int(told["total_steps"]), int(told["steps_per_epoch"])
    for line in sys.stdin:
        # What the others do later than this one is no part of a step.
        all_here()
        for left in reversed(range(int(line))):
            step = steps[done % len(steps)]
            for group in optimizer.param_groups:
                group["lr"] = reference.rate(recipe, done, total, per_epoch)
            synchronize(device)
            marks = [time.perf_counter()]
            loss = forward(step)
            synchronize(device)
            marks.append(time.perf_counter())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            synchronize(device)
            marks.append(time.perf_counter())
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), o["clip"] if o["clip"] > 0 else math.inf)
            optimizer.step()
            value, norm = loss.item(), norm.item()
            synchronize(device)
            marks.append(time.perf_counter())
            done += 1
            if ranks > 1:
                # To be told, not to train with: no part of the step's time.
                mean = torch.tensor(value, dtype=torch.float64, device=device)
                torch.distributed.all_reduce(mean)
                value = mean.item() / ranks
            spans = [b - a for a, b in zip(marks, marks[1:])]
            phases = dict(zip(("forward", "backward", "optimiser"), spans), data=0.0, corruption=0.0)
            peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
            if left == 0:
                # The next candidate's turn begins when all have come to the end of this one.
                all_here()
            say({"step": done, "loss": value, "grad_norm": norm, "seconds": marks[-1] - marks[0],
                 "phases": phases, "host_peak": peak_bytes(), "device_peak": peak})
    if ranks > 1:
        torch.distributed.destroy_process_group()


main()
