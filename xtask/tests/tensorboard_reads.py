#!/usr/bin/env python3
"""Checks that TensorBoard reads what `xtask` writes, a resumed run included.

Needs `pip install tensorboard`. From the root of the workspace: python3 xtask/tests/tensorboard_reads.py
"""

import os
import struct
import subprocess
import sys
import tempfile
import zlib

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.backend.event_processing import plugin_event_accumulator
except ImportError:
    sys.exit("skipped: the tensorboard package isn't installed")


def png(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(3 * width) for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


with tempfile.TemporaryDirectory() as folder:
    picture = png(3, 2)
    with open(os.path.join(folder, "sample.png"), "wb") as file:
        file.write(picture)
    command = ["cargo", "test", "--release", "-p", "xtask", "--", "--ignored", "write_for_python"]
    subprocess.run(command, check=True, env={**os.environ, "TENSORBOARD_TEST_DIR": folder})
    events = [name for name in os.listdir(folder) if name.startswith("events.out.tfevents.")]
    assert len(events) == 2, events

    # The reader of the older interface, and that of the web interface.
    old = EventAccumulator(folder)
    old.Reload()
    steps = {event.step: event.value for event in old.Scalars("loss")}
    expected = {step: float(step if step <= 20 else 100 + step) for step in range(1, 41)}
    assert steps == expected and len(old.Scalars("loss")) == 40, steps
    images = old.Images("samples")
    assert [image.step for image in images] == [10], "the image of step 30 was to be purged"
    assert (images[0].width, images[0].height) == (3, 2) and images[0].encoded_image_string == picture

    everything = {plugin_event_accumulator.TENSORS: 0}
    new = plugin_event_accumulator.EventAccumulator(folder, size_guidance=everything)
    new.Reload()
    assert new.PluginTagToContent("scalars").keys() == {"loss"}
    assert new.PluginTagToContent("images").keys() == {"samples"}
    assert new.PluginTagToContent("text").keys() == {"recipe/text_summary"}
    assert len(new.Tensors("loss")) == 40
    assert new.Tensors("recipe/text_summary")[0].tensor_proto.string_val[0] == b'    name = "test"'
print("ok: TensorBoard reads scalars, images and text, and purges the steps done twice")
