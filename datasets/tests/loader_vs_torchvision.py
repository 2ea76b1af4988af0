#!/usr/bin/env python3
"""Images per second of this loader and of a torchvision DataLoader, in one interleaved run.

Both read the same JPEGs with two workers and batches of 64: RandomResizedCrop(224, scale=(0.67, 1)),
horizontal flip, to [3, 224, 224] floats, normalised. The two take turns, so that a change of the
machine's load meets both; the medians are compared.

    cargo build --release -p palimpsest-datasets --example loader_speed
    python3 datasets/tests/loader_vs_torchvision.py FOLDER [TURNS] [IMAGES A TURN]

FOLDER has a sub-folder per class. `loader_speed` is looked for in $CARGO_TARGET_DIR or `target`.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import time

WORKERS, BATCH = 2, 64


def main():
    try:
        import torch
        from torchvision import datasets, transforms
    except (ImportError, OSError) as error:
        print(f"skipped: {error}")
        return
    folder = sys.argv[1]
    turns = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    images = int(sys.argv[3]) if len(sys.argv) > 3 else 3000
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"))
    ours = target / "release" / "examples" / "loader_speed"
    torch.set_num_threads(1)
    transform = transforms.Compose([
        transforms.RandomResizedCrop(224, scale=(0.67, 1.0)),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ])
    data = datasets.ImageFolder(folder, transform)
    loader = torch.utils.data.DataLoader(
        data, BATCH, shuffle=True, num_workers=WORKERS, drop_last=True, persistent_workers=True
    )

    def batches():
        while True:
            yield from loader

    source = batches()

    def theirs_once():
        # Workers work ahead while they wait: those batches don't count.
        for _ in range(2 * WORKERS + 1):
            next(source)
        start, count = time.perf_counter(), 0
        while count < images:
            count += len(next(source)[0])
        rate = count / (time.perf_counter() - start)
        # Let the workers fill their queues, or they would run beside the next turn.
        time.sleep(3)
        return rate

    def ours_once(*flags):
        words = [ours, folder, WORKERS, BATCH, images, *flags]
        return float(subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True).stdout)

    figures = {"torchvision": [], "palimpsest": [], "palimpsest, recycled": []}
    for turn in range(turns):
        figures["torchvision"].append(theirs_once())
        figures["palimpsest"].append(ours_once())
        figures["palimpsest, recycled"].append(ours_once("--recycle"))
        print(f"turn {turn}: " + ", ".join(f"{name} {rates[-1]:.0f}/s" for name, rates in figures.items()), flush=True)
    base = statistics.median(figures["torchvision"])
    for name, rates in figures.items():
        middle = statistics.median(rates)
        print(f"{name}: {middle:.0f} images/s ({min(rates):.0f}..{max(rates):.0f}), {middle / base:.2f}x")


main()
