#!/usr/bin/env python3
"""Copies a run so many times, each with its own seed, rate, scores and metrics: what a long search leaves behind.

python3 docs/runs/many.py RUN FOLDER COUNT [LINES]

The copies have LINES (200) lines of metrics and an empty file for each checkpoint: `run list` reads neither weights nor
images.
"""

import json
import pathlib
import random
import re
import sys

run, folder, count = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
lines = int(sys.argv[4]) if len(sys.argv) > 4 else 200
draw = random.Random(0)
recipe = (run / "config.toml").read_text()
environment = (run / "env.json").read_text()
logged = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
step = next(line for line in logged if "loss" in line)
summary = run / "summary.json"
summary = json.loads(summary.read_text()) if summary.exists() else {"loss": 1.0, "steps": 1, "eval": None}
for number in range(count):
    copy = folder / f"group-{number // 100:03}" / f"run-{number:05}"
    rate = 10 ** draw.uniform(-4, -2)
    score = draw.uniform(0.5, 0.9)
    for name in ("checkpoints", "samples", "tb"):
        (copy / name).mkdir(parents=True, exist_ok=True)
    text = re.sub(r"(?m)^seed = .*$", f"seed = {number}", recipe, count=1)
    text = re.sub(r"(?m)^lr = .*$", f"lr = {rate:.3e}", text, count=1)
    (copy / "config.toml").write_text(text)
    (copy / "env.json").write_text(environment)
    (copy / "train.log").write_text("trained\n")
    for saved in (0, lines):
        (copy / "checkpoints" / f"step-{saved:09}.safetensors").touch()
    text = ""
    for i in range(1, lines + 1):
        text += json.dumps({**step, "step": i, "epoch": i / 100, "loss": score + 1 / i}) + "\n"
    scores = {side: {"knn": {"accuracy": value}} for side, value in (("pretrained", score), ("random", 0.5))}
    text += json.dumps({"step": lines, "epoch": lines / 100, "eval": scores}) + "\n"
    (copy / "metrics.jsonl").write_text(text)
    if number % 10:
        told = {**summary, "loss": score, "steps": lines, "eval": scores}
        (copy / "summary.json").write_text(json.dumps(told))
print(f"{count} runs in {folder}")
