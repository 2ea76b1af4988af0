"""The processor's part of libtorch 2.11.0: torch/{lib,include} and nvidia/cu13/lib.

Of the 1.2 GB in the wheels, what that part loads and what is compiled against it is kept (0.5 GB).
"""

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
    "nvidia/cu13/include/",
)


def finish(whole):
    # What torch-sys links to by name.
    (whole / "torch/lib/libtorch.so").write_text("INPUT(-ltorch_cpu)\n")
    (whole / "torch/build-version").write_text("2.11.0\n")


fetch(WHEELS, lambda name: name.startswith(KEEP), finish)
