"""What compiles CUDA code of version 13.0, on a machine with or without a GPU: nvidia/cu13/{bin,include,nvvm}.

It holds no driver, cuBLAS or NVRTC: libraries are linked to empty stand-ins, as this project's load the
real ones when they run.
"""

WHEELS = {
    "nvidia-cuda-nvcc==13.0.88": "56fe502eb77625a12f25172caa3cdddb4e4c8ba2c8c17dba44b164761b380f03",
    "nvidia-cuda-crt==13.0.88": "2c8043c7c9e02492716426e9919fc78d2c5b3b2a7a768a88e952676b08aa55a4",
    "nvidia-nvvm==13.0.88": "c5f41ffeb6466944a026dfa5317d7d85355c119bbec279205d22f1869d1054e0",
    "nvidia-cuda-runtime==13.0.96": "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
    "nvidia-cuda-cccl==13.0.85": "e0da7ad981f3a8aff08241b5bfc1af868742a63e2762f53a5171c492ef242649",
}
# dfdx's build script asks this for the GPU to compile for. The kernels are kept as PTX, which the driver
# compiles for the GPU that is there; 8.0 is the oldest that they compile for with CUDA 13. CUDA_COMPUTE_CAP overrides it.
SMI = "#!/bin/sh\necho compute_cap\necho 8.0\n"


def finish(whole):
    root = whole / "nvidia/cu13"
    for program in [*(root / "bin").iterdir(), *(root / "nvvm/bin").iterdir()]:
        if program.is_file():
            program.chmod(0o755)
    stubs = root / "lib64/stubs"
    stubs.mkdir(parents=True)
    for name in ("cuda", "nvrtc", "cublas", "cublasLt"):
        (stubs / f"lib{name}.a").write_bytes(b"!<arch>\n")
    smi = whole / "stand-in/nvidia-smi"
    smi.parent.mkdir()
    smi.write_text(SMI)
    smi.chmod(0o755)


# The static libraries of the runtime are of no use here.
fetch(WHEELS, lambda name: not name.endswith(".a") and "/cmake/" not in name, finish)
