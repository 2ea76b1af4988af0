#!/usr/bin/env python3
"""Images per second and memory of this project's loader beside webdataset's and datasets', on the same JPEGs.

    pip install webdataset datasets torch torchvision pillow
    cargo build --release -p palimpsest-datasets --example loader_speed
    datasets/benches/peers.py FOLDER [--height 512] [--images 12000] [--rounds 3]

FOLDER has a folder of JPEGs for each class. They are written once more as tars and as parquet (by the packages themselves), with
--height enlarged before. Each round runs every reader in turn, in processes of their own with two workers: random resized crop to
224 px (scale 0.67 to 1, bilinear), mirror, normalise, batches of 64. Memory is the largest sum of the proportional set sizes of a
reader's processes, sampled ten times a second. Orders differ: webdataset's is that of its shuffle buffer (1,000), the others' are
permutations of the whole.
"""

import argparse
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
OURS = ROOT / "target" / "release" / "examples" / "loader_speed"
BATCH, WORKERS, SIDE = 64, 2, 224
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def files(folder):
    return sorted(path for path in pathlib.Path(folder).glob("*/*") if path.suffix.lower() in (".jpg", ".jpeg"))


def enlarged(folder, height, out):
    from PIL import Image

    for path in files(folder):
        to = out / path.parent.name / path.name
        to.parent.mkdir(parents=True, exist_ok=True)
        image = Image.open(path).convert("RGB")
        image.resize((round(image.width * height / image.height), height), Image.Resampling.BICUBIC).save(to, quality=90)
    return out


def as_tars(folder, out):
    import webdataset

    out.mkdir()
    classes = sorted({path.parent.name for path in files(folder)})
    with webdataset.ShardWriter(str(out / "train-%06d.tar"), maxcount=1000, verbose=0) as shards:
        for number, path in enumerate(files(folder)):
            label = classes.index(path.parent.name)
            shards.write({"__key__": f"{number:06d}", "jpg": path.read_bytes(), "cls": str(label).encode()})


def as_parquet(folder, out):
    import datasets

    out.mkdir()
    classes = sorted({path.parent.name for path in files(folder)})
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=classes)})
    rows = {
        "image": [{"bytes": path.read_bytes(), "path": path.name} for path in files(folder)],
        "label": [classes.index(path.parent.name) for path in files(folder)],
    }
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(out / "train-00000-of-00001.parquet"))


def transform():
    from torchvision import transforms

    return transforms.Compose([
        transforms.RandomResizedCrop(SIDE, scale=(0.67, 1.0)),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ])


def of_webdataset(path):
    import webdataset

    shards = [str(shard) for shard in sorted(pathlib.Path(path).glob("*.tar"))]
    data = webdataset.WebDataset(shards, resampled=True, shardshuffle=False, nodesplitter=webdataset.split_by_node)
    change = transform()
    data = data.shuffle(1000).decode("pil").to_tuple("jpg", "cls").map_tuple(change, int).batched(BATCH)
    return iter(webdataset.WebLoader(data, batch_size=None, num_workers=WORKERS))


def of_datasets(path):
    import datasets
    import torch

    data = datasets.load_dataset("parquet", data_files=str(path / "*.parquet"), split="train", cache_dir=str(path / "cache"))
    change = transform()
    data.set_transform(lambda rows: {"image": [change(i.convert("RGB")) for i in rows["image"]], "label": rows["label"]})
    loader = torch.utils.data.DataLoader(data, batch_size=BATCH, shuffle=True, num_workers=WORKERS, drop_last=True)

    def forever():
        while True:
            for batch in loader:
                yield batch["image"], batch["label"]

    return forever()


def of_folder(path):
    import torch
    from torchvision.datasets import ImageFolder

    loader = torch.utils.data.DataLoader(
        ImageFolder(str(path), transform()), batch_size=BATCH, shuffle=True, num_workers=WORKERS, drop_last=True)

    def forever():
        while True:
            yield from loader

    return forever()


def worker(kind, path, images):
    import torch

    torch.set_num_threads(1)
    batches = {"webdataset": of_webdataset, "datasets": of_datasets, "torchvision": of_folder}[kind](pathlib.Path(path))
    next(batches)
    start, count = time.monotonic(), 0
    while count < images:
        count += len(next(batches)[0])
    print(count / (time.monotonic() - start))
    sys.stdout.flush()
    os._exit(0)


def memory(root):
    """The proportional set size of a process and all below it, in MB."""
    below, sum_kb = {}, 0
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError, ValueError):
            continue
        below.setdefault(parent, []).append(int(entry.name))
    todo = [root]
    while todo:
        one = todo.pop()
        todo += below.get(one, [])
        try:
            text = pathlib.Path(f"/proc/{one}/smaps_rollup").read_text()
        except OSError:
            continue
        sum_kb += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return sum_kb / 1024


def measured(command):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    most = [0.0]

    def sample():
        while process.poll() is None:
            most[0] = max(most[0], memory(process.pid))
            time.sleep(0.1)

    watch = threading.Thread(target=sample)
    watch.start()
    out, errors = process.communicate()
    watch.join()
    if process.returncode != 0:
        sys.exit(f"{command}: {errors}")
    return float(out.split()[-1]), most[0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--height", type=int)
    parser.add_argument("--images", type=int, default=12000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        folder = pathlib.Path(args.folder).resolve()
        if args.height:
            folder = enlarged(folder, args.height, scratch / "enlarged")
        tars, parquet = scratch / "tars", scratch / "parquet"
        as_tars(folder, tars)
        as_parquet(folder, parquet)
        ours = [str(OURS)]
        count = str(args.images)
        rest = [str(WORKERS), str(BATCH), count, "--recycle"]
        this = [sys.executable, __file__, "--worker"]
        commands = {
            "this project, folder": [*ours, str(folder), *rest],
            "this project, tars": [*ours, str(tars), *rest, "--reader=webdataset"],
            "this project, parquet": [*ours, str(parquet), *rest, "--reader=parquet"],
            "webdataset, tars": [*this, "webdataset", str(tars), count],
            "datasets, parquet": [*this, "datasets", str(parquet), count],
            "torchvision, folder": [*this, "torchvision", str(folder), count],
        }
        found = {name: [] for name in commands}
        for number in range(args.rounds):
            for name, command in commands.items():
                found[name].append(measured(command))
                speed, size = found[name][-1]
                print(f"round {number + 1}: {name:24} {speed:8.0f} images/s {size:7.0f} MB", flush=True)
        print()
        middle = lambda values: sorted(values)[len(values) // 2]
        for name, runs in found.items():
            print(f"{name:24} {middle([s for s, _ in runs]):8.0f} images/s {middle([m for _, m in runs]):7.0f} MB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    main()
