#!/usr/bin/env python3
"""The tables of docs/scale.md: what a step of data-parallel pre-training costs on many GPUs, by arithmetic.

    python3 docs/scale/model.py                          prints the tables
    python3 docs/scale/model.py --check docs/scale.md    exit status 1 where the document has others
    python3 docs/scale/model.py --write docs/scale.md    puts them there
    python3 docs/scale/model.py --measure                measures what this machine can (torch for the sums)

Every input stands in INPUTS with its origin: M is measured (the file or command is named), P published, A assumed.
Units: bytes, seconds, GB = 1e9 bytes, MAC = a multiplication with its addition (two operations).
"""

import json
import math
import pathlib
import re
import statistics
import sys
import time
from dataclasses import dataclass, replace

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
H200 = ROOT / "results" / "gpu-h200"


# Inputs


def bench():
    return json.loads((H200 / "bench-vit-b-tch.json").read_text())


def micro(mode):
    """Seconds of forward and backward pass and AdamW of a model of four blocks: both runs' median after five steps."""
    medians = []
    for run in (1, 2):
        lines = [json.loads(line) for line in (H200 / f"graph-{mode}-{run}.jsonl").read_text().splitlines()]
        phases = [line["phases"] for line in lines if "phases" in line][5:]
        medians.append(statistics.median(p["forward"] + p["backward"] + p["optimiser"] for p in phases))
    return statistics.mean(medians)


BENCH = bench()
PHASES = BENCH["phases"]
BENCH_BATCH = 128
MICRO_BLOCKS = 4
LLAMA_MTBF_GPU_HOURS = 54 * 24 * 16384 / 419
RSC_MTBF_GPU_HOURS = 1000 * 24 * 8 / 6.50
OPT_MTBF_GPU_HOURS = 61 * 24 * 992 / (35 + 70)


@dataclass
class Input:
    value: float
    unit: str
    mark: str
    what: str
    source: str
    digits: int = 3


INPUTS = {
    "compute": Input(
        1e3 * (PHASES["forward"] + PHASES["backward"] + PHASES["optimiser"]), "ms", "M",
        "paper recipe, ViT-B, 128 images, bf16: forward, backward, AdamW", "`bench-vit-b-tch.json`"),
    "corruption": Input(
        1e3 * PHASES["corruption"], "ms", "M",
        "the same: planning, drawing noise on 16 cores, uploads", "`bench-vit-b-tch.json`"),
    "data": Input(
        1e3 * PHASES["data"], "ms", "M", "the same: waiting for (synthetic) images", "`bench-vit-b-tch.json`"),
    "peak": Input(BENCH["peak_bytes"] / 1e9, "GB", "M", "the same: peak memory", "`bench-vit-b-tch.json`"),
    "call": Input(
        1e3 * micro("off") / MICRO_BLOCKS, "ms", "M",
        "least time of a block's forward, backward and AdamW, call by call", "`graph-off-*.jsonl`, 4 blocks"),
    "graph": Input(
        1e3 * micro("on") / MICRO_BLOCKS, "ms", "M", "the same as part of a graph", "`graph-on-*.jsonl`, 4 blocks"),
    "copy": Input(10, "GB/s", "M", "copy in host memory, one thread, 25 MiB", "`--measure`, six runs: 8.7 to 15.6", 2),
    "gloo": Input(
        1.65, "GB/s", "M", "gloo, bus bandwidth of a rank with a core of its own, 25 MiB",
        "`--measure`, 2 ranks: 13.6 to 23.0 ms; 15.9 taken"),
    "gloo_hop": Input(
        25, "us", "M", "gloo, a hop of the ring", "`--measure`, 4 bytes: 8 ranks on 2 cores 14 hops in 0.32 to 0.80 ms", 2),
    "peak_flops": Input(989.4, "TFLOP/s", "P", "H200, bf16, dense", "NVIDIA's data sheet; `xtask/src/gpu.rs`", 4),
    "pinned": Input(
        53, "GB/s", "P", "GPU to pinned host memory, PCIe 5.0 x16, each of 8", "nvbandwidth #24, H100: 52.8", 2),
    "pageable": Input(
        9, "GB/s", "P", "the same, pageable: a sixth",
        "DeepSpeed #5301: pinning gave 6 times, in a node of 8 4 to 5 times", 2),
    "nvlink": Input(370, "GB/s", "P", "NCCL's bus bandwidth in a node of 8, ring", "nccl-tests #212, a maintainer"),
    "nic8": Input(
        350, "GB/s", "P", "the same, 400 Gb/s a GPU, 248 nodes of 8 H200",
        "nccl-tests #283: 512 MB; below 300 at times"),
    "nic1": Input(47, "GB/s", "P", "the same with one 400 Gb/s port a node", "nccl-tests #290: 46 to 48 a port", 2),
    "small": Input(
        0.6, "", "A", "share of NVLink and 8 ports that 25 MB buckets reach",
        "one port: 0.83, after nccl-tests #232", 2),
    "nccl_1": Input(13, "us", "A", "NCCL, least time of a sum in one node", "after a table in aws-k8s-tester #503", 2),
    "nccl_2": Input(47, "us", "P", "the same, two nodes; each doubling adds as much (A)", "nccl #1244", 2),
    "mfu": Input(
        30, "%", "A", "share of the peak, MAE's fused attention", "between MAE's own 11 (below) and Llama 3's 40", 2),
    "decode": Input(
        700, "/s", "P", "ImageNet's JPEGs decoded on a core",
        "Iglovikov and Kosarevsky 2026, arXiv 2605.08731: 577 to 735 on a Xeon 8581C"),
    "prepare": Input(0.5, "", "A", "of that with crop, resize and flip", "this project's loader was not measured", 2),
    "jpeg": Input(115, "kB", "P", "a file of ImageNet", "its archive: 147.9 GB of 1.28 million"),
    "nvme": Input(2, "GB/s", "A", "writing and syncing one file, local NVMe", "", 2),
    "nfs": Input(
        1, "GB/s", "P", "the same, a network file system", "0.35 to 2.6: report on 504 B200 (SKT and others, 2026)", 2),
    "hash": Input(10, "GB/s", "A", "SHA-256 on 16 cores", "", 2),
    "llama": Input(
        LLAMA_MTBF_GPU_HOURS / 1e3, "10^3 GPU h", "P", "between interruptions",
        "Llama 3 (2024): 419 in 54 days on 16,384 H100", 3),
    "rsc": Input(
        RSC_MTBF_GPU_HOURS / 1e3, "10^3 GPU h", "P", "the same",
        "Kokolis et al. 2024, arXiv 2410.21680: 6.5 in 1,000 node-days (RSC-1, A100)", 3),
    "opt": Input(
        OPT_MTBF_GPU_HOURS / 1e3, "10^3 GPU h", "P", "the same",
        "OPT (Zhang et al. 2022): 35 by hand and some 70 automatic in two months on 992 A100", 3),
    "restart": Input(
        11, "min", "P", "from a death to the next step, automatic", "the report on 504 B200: median between tries", 2),
}


def given(name):
    return INPUTS[name].value


# Models


@dataclass
class Vit:
    name: str
    patch: int
    width: int
    depth: int
    heads: int
    # torchvision 0.26's table of weights, for 224 px and 1,000 classes. timm 1.0 on torch's meta device has the same
    # parameters, and torch.utils.flop_counter the same MACs.
    known_parameters: int
    known_gmacs: float

    @property
    def patches(self):
        return (224 // self.patch) ** 2

    @property
    def pixels(self):
        return 3 * self.patch**2


MODELS = [
    Vit("ViT-B/16", 16, 768, 12, 12, 86_567_656, 17.564),
    Vit("ViT-L/16", 16, 1024, 24, 16, 304_326_632, 61.555),
    Vit("ViT-H/14", 14, 1280, 32, 16, 632_045_800, 167.295),
]
DECODER_WIDTH, DECODER_DEPTH = 512, 8
RECIPES = ["paper", "mae"]
GPUS = [8, 64, 1000]
NODE = 8
GLOBAL_BATCH = 4096
IMAGENET = 1_281_167
BUCKET = 25 * 2**20


def block_parameters(width):
    # qkv, projection, two layers of four times the width, two norms
    return 12 * width**2 + 13 * width


def block_macs(tokens, width):
    return 12 * tokens * width**2 + 2 * tokens**2 * width


def encoder_parameters(m):
    # class token and patch embedding; the last norm. Positions: sines or in the attention here.
    return m.depth * block_parameters(m.width) + m.pixels * m.width + m.width + m.width + 2 * m.width


def parameters(m, recipe):
    if recipe == "paper":
        return encoder_parameters(m) + m.width * m.pixels + m.pixels
    decoder = DECODER_DEPTH * block_parameters(DECODER_WIDTH) + (m.width + 1) * DECODER_WIDTH
    return encoder_parameters(m) + decoder + DECODER_WIDTH * 3 + (DECODER_WIDTH + 1) * m.pixels


def encoder_macs(m, kept):
    return m.depth * block_macs(kept + 1, m.width) + m.patches * m.pixels * m.width


def forward_macs(m, recipe):
    if recipe == "paper":
        return encoder_macs(m, m.patches) + m.patches * m.width * m.pixels
    kept = m.patches // 4
    tokens = m.patches + 1
    decoder = DECODER_DEPTH * block_macs(tokens, DECODER_WIDTH) + (kept + 1) * m.width * DECODER_WIDTH
    return encoder_macs(m, kept) + decoder + m.patches * DECODER_WIDTH * m.pixels


def step_flops(m, recipe):
    # Backward is twice forward: one product for each of the two factors.
    return 3 * 2 * forward_macs(m, recipe)


def paper_mfu():
    return step_flops(MODELS[0], "paper") * BENCH_BATCH / (given("compute") / 1e3) / (given("peak_flops") * 1e12)


def mfu(recipe):
    return paper_mfu() if recipe == "paper" else given("mfu") / 100


def blocks(m, recipe):
    return m.depth + (DECODER_DEPTH if recipe == "mae" else 0)


# A step


@dataclass(frozen=True)
class Design:
    """What the host does, and how gradients travel. The defaults are the design's."""

    device_noise: bool = False
    ahead: bool = False  # batches are on the device before they are needed
    engine: str = "gloo"  # or nccl
    buffers: str = "copied"  # pinned, device
    overlapped: bool = False  # sums go on under the backward pass
    graph: bool = False
    ports: int = 8  # of 400 Gb/s in a node
    width: int = 4  # bytes of a gradient

    def floor(self):
        return given("graph" if self.graph else "call") / 1e3


# One change after the other; the last is what a step can be.
CHANGES = [
    ("today", {}),
    ("noise drawn on the device (`noise.values`)", {"device_noise": True}),
    ("batches uploaded ahead", {"ahead": True}),
    ("NCCL on today's host buckets", {"engine": "nccl"}),
    ("pinned buckets, no copies between", {"buffers": "pinned"}),
    ("device buffers", {"buffers": "device"}),
    ("overlapped with the backward pass", {"overlapped": True}),
    ("the step as a graph", {"graph": True}),
]


def designs():
    settings = {}
    for name, change in CHANGES:
        settings |= change
        yield name, Design(**settings)


TODAY = Design()
DIRECT = replace(TODAY, device_noise=True, ahead=True, engine="nccl", buffers="device")
FULL = list(designs())[-1][1]


def compute(m, recipe, images, design):
    """Seconds of forward and backward pass and AdamW; as many micro-batches as memory asks for."""
    parts = math.ceil(images / images_that_fit(m, recipe, sharded=None))
    work = step_flops(m, recipe) * images / (mfu(recipe) * given("peak_flops") * 1e12)
    return max(parts * blocks(m, recipe) * design.floor(), work)


def host_work(m, recipe, images, design):
    """Seconds of drawing noise (by how many numbers it has), of uploads, and of waiting for data."""
    b = MODELS[0]
    if recipe == "paper" and not design.device_noise:
        drawn = given("corruption") / 1e3 / BENCH_BATCH * (m.patches * m.width) / (b.patches * b.width)
    else:
        drawn = 0 if design.ahead else upload(4 * 3 * 224**2)
    waited = 0 if design.ahead else given("data") / 1e3 / BENCH_BATCH
    return (drawn + waited) * images


def gradient_bytes(m, recipe, width=4):
    return width * parameters(m, recipe)


def buckets(m, recipe, width=4):
    return math.ceil(gradient_bytes(m, recipe, width) / BUCKET)


# Copies of a gradient on its way through the code: see the document.
DOWN_COPIES, UP_COPIES, CHECKPOINT_COPIES = 4, 3, 3


def download(bytes_, copies=DOWN_COPIES):
    return bytes_ / 1e9 * (1 / given("pageable") + copies / given("copy"))


def upload(bytes_):
    return bytes_ / 1e9 * (1 / given("pageable") + UP_COPIES / given("copy"))


def staging(m, recipe, design=TODAY):
    """Seconds in which gradients go to the host and back."""
    size = gradient_bytes(m, recipe)
    if design.buffers == "device":
        return 0.0
    # NCCL's library takes host buckets to the device and back once more.
    crossings = 4 if design.engine == "nccl" else 2
    if design.buffers == "pinned":
        return crossings * size / 1e9 / given("pinned")
    return download(size) + upload(size) + (crossings - 2) * size / 1e9 / given("pageable")


def ring_bytes(bytes_, n):
    return 2 * (n - 1) / n * bytes_


def hops(n):
    return 2 * (n - 1) * given("gloo_hop") / 1e6


def gloo(m, recipe, n):
    """Seconds of all sums: a flat ring, two at once."""
    sent = ring_bytes(gradient_bytes(m, recipe), n)
    return sent / 1e9 / given("gloo") + buckets(m, recipe) / 2 * hops(n)


def figures(m, recipe, n):
    """Seconds of gathering, of every rank, which parameters have gradients: 16 tensors a block, 8 bytes each."""
    return ring_bytes(8 * n * 16 * blocks(m, recipe), n) / 1e9 / given("gloo") + hops(n)


def nccl_latency(n):
    nodes = max(1, n / NODE)
    return (given("nccl_1") + (given("nccl_2") - given("nccl_1")) * math.log2(nodes)) / 1e6


def nccl(m, recipe, n, ports=8, width=4):
    if n <= NODE:
        bandwidth = given("nvlink") * given("small")
    else:
        bandwidth = given("nic8") * given("small") if ports == 8 else given("nic1") * 0.83
    sent = ring_bytes(gradient_bytes(m, recipe, width), n)
    return sent / 1e9 / bandwidth + buckets(m, recipe, width) * nccl_latency(n)


def reduction(m, recipe, n, design, computed):
    """Seconds by which the sums make a step longer."""
    if n == 1:
        return 0.0
    staged = staging(m, recipe, design)
    if design.engine == "gloo":
        summed, gathered = gloo(m, recipe, n), figures(m, recipe, n)
    else:
        summed, gathered = nccl(m, recipe, n, design.ports, design.width), nccl_latency(n)
    # The first bucket's copies and the last one's stand alone.
    alone = (staged + summed) / buckets(m, recipe)
    if design.overlapped:
        # Under the backward pass, two thirds of the step.
        return max(0.0, max(staged, summed) - computed * 2 / 3) + alone + gathered
    if not staged:
        return summed + gathered
    return max(staged, summed) + alone + gathered


def step(m, recipe, n, images, design):
    computed = compute(m, recipe, images, design)
    return computed + host_work(m, recipe, images, design) + reduction(m, recipe, n, design, computed)


# Memory

MEMORY = 141e9
USABLE = 0.9


def activation_formula(tokens, width, depth, heads, kept_probabilities):
    """Korthikanti et al. 2022: s b h (34 + 5 a s / h) bytes a block, of 16-bit activations."""
    probabilities = 5 * heads * tokens / width if kept_probabilities else 0
    return depth * tokens * width * (34 + probabilities)


def measured_activations():
    """Measured bytes of an image, in the formula's."""
    b = MODELS[0]
    held = given("peak") * 1e9 - 18 * parameters(b, "paper")
    return held / BENCH_BATCH / activation_formula(b.patches + 1, b.width, b.depth, b.heads, True)


def activation_bytes(m, recipe):
    if recipe == "paper":
        formula = activation_formula(m.patches + 1, m.width, m.depth, m.heads, True)
    else:
        formula = activation_formula(m.patches // 4 + 1, m.width, m.depth, m.heads, False)
        formula += activation_formula(m.patches + 1, DECODER_WIDTH, DECODER_DEPTH, 16, False)
    return measured_activations() * formula


def state_bytes(m, recipe, sharded):
    """Weights and gradients in f32, a bf16 copy of the weights, two moments (of N ranks, each keeps a part)."""
    moments = 8 / sharded if sharded else 8
    return (4 + 4 + 2 + moments) * parameters(m, recipe)


def images_that_fit(m, recipe, sharded):
    return int((USABLE * MEMORY - state_bytes(m, recipe, sharded)) / activation_bytes(m, recipe))


# Checkpoints and failures


def checkpoint_bytes(m, recipe):
    return 12 * parameters(m, recipe)


def checkpoint_copy(m, recipe):
    return download(checkpoint_bytes(m, recipe), CHECKPOINT_COPIES)


def checkpoint_write(m, recipe, disk):
    size = checkpoint_bytes(m, recipe) / 1e9
    return size * (1 / given("copy") + 1 / given("hash") + 1 / given(disk))


def mtbf(name, n):
    return given(name) * 1e3 / n * 3600


def young(stall, between):
    return math.sqrt(2 * stall * between)


def lost(stall, interval, between):
    """The share of time that checkpoints, repeated work and restarts take."""
    return stall / interval + (interval / 2 + given("restart") * 60) / between


def goodput(stall, interval, between):
    return f"{100 * (1 - lost(stall, interval, between)):.2f} %"


# Tables


def number(value, digits=3):
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    rounded = round(value, digits - 1 - size)
    if size >= digits - 1:
        return f"{rounded:,.0f}"
    return f"{rounded:,.{digits - 1 - size}f}"


def ms(seconds):
    return number(seconds * 1e3, 2 if seconds < 0.0995 else 3)


def percent(share):
    value = 100 * share
    if value >= 99.95:
        return "> 99.9 %"
    return f"{value:.1f} %" if value < 9.95 or value >= 99.5 else f"{value:.0f} %"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def per_gpu(n):
    return GLOBAL_BATCH // n


def table_inputs():
    rows = [
        (entry.mark, entry.what, f"{number(entry.value, entry.digits)} {entry.unit}".strip(), entry.source)
        for entry in INPUTS.values()
    ]
    return table(["", "what", "value", "from"], rows)


def table_models():
    rows = []
    for m in MODELS:
        # As it counts: positions learned, a classifier of 1,000.
        whole = encoder_parameters(m) + (m.patches + 1) * m.width + (m.width + 1) * 1000
        macs = (encoder_macs(m, m.patches) + m.width * 1000) / 1e9
        assert abs(whole / m.known_parameters - 1) < 1e-3 and abs(macs / m.known_gmacs - 1) < 1e-3
        row = [m.name, f"{whole / 1e6:.2f} ({m.known_parameters / 1e6:.2f})", f"{macs:.2f} ({m.known_gmacs:.2f})"]
        for recipe in RECIPES:
            row += [f"{parameters(m, recipe) / 1e6:.1f}", f"{forward_macs(m, recipe) / 1e9:.1f}"]
        rows.append(row)
    return table(
        ["", "10^6 parameters (known)", "GMAC forward (known)", "paper: 10^6", "GMAC", "MAE: 10^6", "GMAC"], rows)


def table_compute():
    rows = []
    for recipe in RECIPES:
        for m in MODELS:
            cells = [recipe, m.name, f"{step_flops(m, recipe) / 1e9:,.0f}", percent(mfu(recipe))]
            cells += [ms(compute(m, recipe, per_gpu(n), TODAY)) for n in GPUS]
            cells += [ms(compute(m, recipe, per_gpu(1000), FULL))]
            rows.append(cells)
    heads = [f"{per_gpu(n)} images" for n in GPUS]
    return table(["recipe", "", "GFLOP an image", "MFU"] + heads + [f"{per_gpu(1000)}, as a graph"], rows)


def table_traffic():
    rows = []
    for m in MODELS:
        for n in GPUS:
            sent = ring_bytes(gradient_bytes(m, "paper"), n)
            one = "(NVLink)" if n <= NODE else ms(nccl(m, "paper", n, ports=1))
            rows.append([
                m.name, f"{n:,}", number(sent / 1e9), ms(staging(m, "paper")),
                ms(staging(m, "paper", Design(buffers="pinned"))), ms(gloo(m, "paper", n)),
                ms(nccl(m, "paper", n)), one, ms(nccl(m, "paper", n, width=2)),
            ])
    return table(
        ["", "GPUs", "GB sent by each", "staging", "pinned, no copies", "gloo", "NCCL, 8 ports", "1 port",
         "8 ports, bf16"], rows)


def table_step(recipe):
    rows = []
    for m in MODELS:
        for n in GPUS:
            images = per_gpu(n)
            today, full = step(m, recipe, n, images, TODAY), step(m, recipe, n, images, FULL)
            computed = compute(m, recipe, images, TODAY)
            rows.append([
                m.name, f"{n:,}", images, ms(host_work(m, recipe, images, TODAY)), ms(computed),
                ms(reduction(m, recipe, n, TODAY, computed)), ms(today), number(n * images / today),
                ms(full), number(n * images / full),
            ])
    return table(
        ["", "GPUs", "images each", "host", "compute", "sums", "**step**", "images/s", "**all changes**", "images/s"],
        rows)


def table_strong():
    rows = []
    for recipe in RECIPES:
        for m in MODELS:
            cells = [recipe, m.name]
            for design in (TODAY, FULL):
                alone = GLOBAL_BATCH / step(m, recipe, 1, GLOBAL_BATCH, design)
                for n in GPUS:
                    rate = n * per_gpu(n) / step(m, recipe, n, per_gpu(n), design)
                    cells.append(percent(rate / alone / n))
            rows.append(cells)
    return table(
        ["recipe", ""] + [f"today, {n:,}" for n in GPUS] + [f"all changes, {n:,}" for n in GPUS], rows)


def table_weak():
    rows = []
    chosen = [
        ("today", TODAY), ("device buffers", DIRECT), ("the same, one port a node", replace(DIRECT, ports=1)),
        ("all changes", FULL),
    ]
    for m in MODELS:
        for name, design in chosen:
            alone = step(m, "paper", 1, BENCH_BATCH, design)
            cells = [percent(alone / step(m, "paper", n, BENCH_BATCH, design)) for n in GPUS]
            rows.append([m.name, name, ms(alone)] + cells)
    return table(["", "design", "1 GPU, ms"] + [f"{n:,}" for n in GPUS], rows)


def table_changes():
    rows = []
    for name, design in designs():
        cells = [name]
        for recipe in RECIPES:
            for m in MODELS:
                cells.append(ms(step(m, recipe, 64, 64, design)))
        rows.append(cells)
    bf16 = replace(FULL, overlapped=False, width=2)
    rows.append(["(bf16 gradients, not overlapped)"] + [ms(step(m, r, 64, 64, bf16)) for r in RECIPES for m in MODELS])
    return table([""] + [f"{recipe}, {m.name}" for recipe in RECIPES for m in MODELS], rows)


def table_overlap():
    rows = []
    for m in MODELS:
        images, n = 64, 64
        computed = compute(m, "paper", images, TODAY)
        plain = computed + reduction(m, "paper", n, TODAY, computed)
        staged, summed = staging(m, "paper"), gloo(m, "paper", n)
        again = computed * 4 / 3
        # Copies are the main thread's: the device waits for them. Sums go on under the passes again and backward.
        exposed = staged + max(0.0, summed - staged - computed) + figures(m, "paper", n)
        rows.append([m.name, ms(computed), ms(plain), ms(again), ms(again + exposed)])
    return table(["", "compute", "with sums after", "recomputed", "with sums under"], rows)


def table_memory():
    rows = []
    for recipe in RECIPES:
        for m in MODELS:
            cells = [recipe, m.name]
            cells += [number(state_bytes(m, recipe, sharded) / 1e9) for sharded in (None, 8, 1000)]
            cells += [number(activation_bytes(m, recipe) / 1e6)]
            cells += [f"{images_that_fit(m, recipe, sharded):,}" for sharded in (None, 8)]
            rows.append(cells)
    return table(
        ["recipe", "", "state, GB", "ZeRO-1, 8 ranks", "1,000 ranks", "MB an image", "images that fit",
         "with ZeRO-1 of 8"],
        rows)


def table_zero():
    rows = []
    for m in MODELS:
        all_ = gradient_bytes(m, "paper")
        for n in (8, 64):
            # Each rank takes its part from its device, and puts all others' there.
            staged = download(all_ / n) + upload(all_)
            summed = all_ * (n - 1) / n / 1e9 / given("gloo")
            device = all_ * (n - 1) / n / 1e9 / ((given("nvlink") if n <= NODE else given("nic8")) * given("small"))
            saved = 8 * parameters(m, "paper") * (1 - 1 / n)
            rows.append([m.name, n, number(saved / 1e9), ms(max(staged, summed)), ms(device)])
    return table(["", "ranks", "saves, GB", "costs today, ms", "costs on device buffers, ms"], rows)


def table_checkpoint():
    rows = []
    for recipe in RECIPES:
        for m in MODELS:
            copy, size = checkpoint_copy(m, recipe), checkpoint_bytes(m, recipe) / 1e9
            # The copy, and the file as it is made.
            cells = [recipe, m.name, number(size), number(2 * size), number(copy, 2)]
            cells += [number(copy + checkpoint_write(m, recipe, disk), 2) for disk in ("nvme", "nfs")]
            rows.append(cells)
    return table(
        ["recipe", "", "file, GB", "host memory, GB", "copy, s", "copy and write, NVMe, s", "network, s"], rows)


def table_failures():
    rows = []
    for n in GPUS:
        for name, source in (("llama", "Llama 3"), ("rsc", "RSC-1"), ("opt", "OPT")):
            between = mtbf(name, n)
            cells = [f"{n:,}", source, number(between / 3600)]
            for m in (MODELS[0], MODELS[2]):
                copy = checkpoint_copy(m, "paper")
                cells += [number(young(copy, between) / 60, 2), goodput(copy, young(copy, between), between)]
            huge = checkpoint_copy(MODELS[2], "paper")
            whole = huge + checkpoint_write(MODELS[2], "paper", "nfs")
            cells += [goodput(whole, young(whole, between), between), goodput(huge, 3600, between)]
            rows.append(cells)
    return table(
        ["GPUs", "rate of", "MTBF, h", "ViT-B: every, min", "goodput", "ViT-H: every, min", "goodput",
         "H, stall of the whole writing", "H, every hour"], rows)


def table_ordered():
    rows = []
    m = MODELS[0]
    for n in (4, 8, 64, 1000):
        summed = gloo(m, "paper", n)
        staged = staging(m, "paper")
        plain = reduction(m, "paper", n, TODAY, 0.0)
        # An exchange, one message to each rank, then a broadcast from each, of log2(N) hops, all under way at once.
        bandwidth = ring_bytes(gradient_bytes(m, "paper"), n) / 1e9 / given("gloo")
        messages = buckets(m, "paper") * (2 * n + math.log2(n)) * given("gloo_hop") / 1e6
        adding = gradient_bytes(m, "paper") / 1e9 * 3 / given("copy")
        ordered = staged + bandwidth + messages + adding + figures(m, "paper", n)
        rows.append([f"{n:,}", number(BUCKET / n / 1e3), ms(plain), ms(ordered), f"{ordered / plain:.1f}"])
    return table(["ranks", "kB in a shard", "engine's sum, ms", "ordered, ms", "ratio"], rows)


def table_loading():
    rows = []
    core = given("decode") * given("prepare")
    for recipe in RECIPES:
        for m in MODELS:
            cells = [recipe, m.name]
            for design in (TODAY, FULL):
                images = BENCH_BATCH
                node = NODE * images / step(m, recipe, NODE, images, design)
                cells += [number(node), math.ceil(node / core), number(node * given("jpeg") / 1e6, 2)]
            rows.append(cells)
    return table(
        ["recipe", "", "today: images/s", "cores", "GB/s read", "all changes: images/s", "cores", "GB/s read"], rows)


def table_runs():
    rows = []
    for m in MODELS:
        for n in GPUS:
            cells = [m.name, f"{n:,}"]
            for design in (TODAY, FULL):
                images = per_gpu(n)
                rate = n * images / step(m, "paper", n, images, design)
                hours = 400 * IMAGENET / rate / 3600
                cells += [number(hours), number(hours * n)]
            cells += [number(hours * 3600 / mtbf("rsc", n), 2)]
            rows.append(cells)
    return table(
        ["", "GPUs", "today: hours", "GPU hours", "all changes: hours", "GPU hours", "interruptions (RSC-1)"], rows)


def table_published():
    """What MAE's repository tells of ViT-L: 800 epochs in about 42 hours on 64 V100 (125 TFLOP/s of fp16)."""
    l = MODELS[1]
    images = 800 * IMAGENET
    rate = images / (42 * 3600 * 64)
    achieved = rate * step_flops(l, "mae") / 1e12
    return table(
        ["ViT-L, MAE, 64 V100", "images/s a GPU", "TFLOP/s", "of 125"],
        [["published", number(rate), number(achieved), percent(achieved / 125)]])


TABLES = {
    "inputs": table_inputs,
    "models": table_models,
    "published": table_published,
    "compute": table_compute,
    "traffic": table_traffic,
    "paper": lambda: table_step("paper"),
    "mae": lambda: table_step("mae"),
    "strong": table_strong,
    "weak": table_weak,
    "changes": table_changes,
    "overlap": table_overlap,
    "memory": table_memory,
    "zero": table_zero,
    "checkpoint": table_checkpoint,
    "failures": table_failures,
    "ordered": table_ordered,
    "loading": table_loading,
    "runs": table_runs,
}

PLACE = re.compile(r"(<!-- table: (\w+) -->\n)(.*?)(<!-- end -->)", re.S)


def filled(text):
    used = []

    def put(match):
        used.append(match[2])
        return f"{match[1]}{TABLES[match[2]]()}\n{match[4]}"

    text = PLACE.sub(put, text)
    missing = sorted(set(TABLES) - set(used))
    if missing or len(used) != len(TABLES):
        sys.exit(f"the document has tables {used}; missing: {missing}")
    return text


def measure():
    """Copies in memory, and gloo's sums on this machine: the least of several."""
    size = 25 * 2**20
    source, target = bytearray(b"x" * size), bytearray(size)

    def least(work, times=15):
        seconds = []
        for _ in range(times):
            started = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - started)
        return min(seconds)

    def over():
        target[:] = source

    for what, work in (("over other memory", over), ("to new", lambda: bytes(source))):
        print(f"copy {what}: {size / least(work) / 1e9:.1f} GB/s")
    import torch.multiprocessing

    for ranks in (2, 4, 8):
        torch.multiprocessing.spawn(measure_sums, args=(ranks, 29500 + ranks), nprocs=ranks)


def measure_sums(rank, ranks, port):
    import torch
    import torch.distributed as distributed

    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=ranks)
    for count in (1, 25 * 2**18):
        values, seconds = torch.ones(count), []
        for _ in range(20):
            distributed.barrier()
            started = time.perf_counter()
            distributed.all_reduce(values)
            seconds.append(time.perf_counter() - started)
        if rank == 0:
            print(f"gloo, {ranks} ranks, {4 * count} bytes: {min(seconds) * 1e3:.3f} ms")
    distributed.destroy_process_group()


def main(arguments):
    match arguments:
        case []:
            for name, make in TABLES.items():
                print(f"{name}\n\n{make()}\n")
        case ["--check", path]:
            text = pathlib.Path(path).read_text()
            if filled(text) != text:
                sys.exit(f"{path}: a table is not what docs/scale/model.py gives; run it with --write {path}")
        case ["--write", path]:
            page = pathlib.Path(path)
            page.write_text(filled(page.read_text()))
        case ["--measure"]:
            measure()
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
