"""Puts the processor's part of libtorch 2.11.0 into a folder: torch/{lib,include} and nvidia/cu13/lib.

The wheels come through pip, pinned and checked by their hashes; of the 1.2 GB in them, what the
processor's part loads and what is compiled against it is kept (0.5 GB). The folder appears whole or not at all.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

# One Python's wheel serves all: its Python part is not kept.
WHEELS = {
    "torch==2.11.0": "0f68f4ac6d95d12e896c3b7a912b5871619542ec54d3649cf48cc1edd4dd2756",
    "nvidia-cuda-cupti==13.0.85": "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
    "nvidia-cuda-runtime==13.0.96": "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
}
KEEP = (
    "torch/lib/libtorch_cpu.so",
    "torch/lib/libc10.so",
    "torch/lib/libgomp",
    "torch/include/",
    "torch/version.py",
    "torch-2.11.0.dist-info/licenses/",
    "torch-2.11.0.dist-info/LICENSE",
    "nvidia/cu13/lib/libcupti.so.13",
    "nvidia/cu13/lib/libcudart.so.13",
)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        scratch = pathlib.Path(scratch)
        wanted = scratch / "requirements.txt"
        wanted.write_text("".join(f"{name} --hash=sha256:{sha}\n" for name, sha in WHEELS.items()))
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes"]
        pip += ["--python-version", "312", "--platform", "manylinux_2_28_x86_64", "--platform", "manylinux_2_25_x86_64"]
        pip += ["--platform", "manylinux_2_17_x86_64"]
        wheels = scratch / "wheels"
        subprocess.run([*pip, "--dest", wheels, "--quiet", "--requirement", wanted], check=True)
        whole = scratch / "whole"
        for wheel in sorted(wheels.iterdir()):
            with zipfile.ZipFile(wheel) as archive:
                for name in archive.namelist():
                    if name.startswith(KEEP):
                        archive.extract(name, whole)
        # What torch-sys links to by name.
        (whole / "torch/lib/libtorch.so").write_text("INPUT(-ltorch_cpu)\n")
        (whole / "torch/build-version").write_text("2.11.0\n")
        if folder.exists():
            shutil.rmtree(folder)
        whole.rename(folder)


main()
