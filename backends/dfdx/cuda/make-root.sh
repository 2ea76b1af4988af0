#!/bin/bash
# Makes a folder with what dfdx needs to compile for CUDA on a machine that has no toolkit, driver
# or GPU: NVIDIA's compiler from PyPI, stand-ins for the libraries that are linked to, and an
# nvidia-smi that names the target's compute capability.
#
#   cuda/make-root.sh FOLDER [COMPUTE_CAPABILITY, by default 9.0]
#   . FOLDER/env.sh
#   cargo build --release -p palimpsest-dfdx --features cuda
set -euo pipefail

root=$(readlink -m "$1")
capability=${2:-9.0}
mkdir -p "$root/wheels" "$root/bin"

# A newer nvcc writes PTX that a driver of CUDA 13.0 refuses.
python3 -m pip download --quiet --no-deps --dest "$root/wheels" \
    nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88 \
    nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85
for wheel in "$root"/wheels/*.whl; do
    python3 -m zipfile -e "$wheel" "$root/toolkit"
done
rm -r "$root/wheels"
toolkit=$root/toolkit/nvidia/cu13
chmod +x "$toolkit"/bin/* "$toolkit"/nvvm/bin/*

# cudarc links to these by name; the machine that runs the program has the real ones. Its build
# script looks for the folder only once: make it before the first build, or `cargo clean -p cudarc`.
cargo fetch
source=$(ls -d "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/cudarc-0.9.15/src | head -n 1)
mkdir -p "$toolkit/lib64/stubs"
stand_in() { # module, name of the real library, name at link time
    grep -oE 'pub fn (cu|nvrtc)[A-Za-z0-9_]*' "$source/$1/sys.rs" | sort -u |
        awk '{ print "int " $3 "(void) { return 999; }" }' |
        gcc -shared -fPIC -w -Wl,-soname,"$2" -x c - -o "$toolkit/lib64/stubs/$3"
}
stand_in driver libcuda.so.1 libcuda.so
stand_in nvrtc libnvrtc.so.13 libnvrtc.so
stand_in cublas libcublas.so.13 libcublas.so
stand_in cublaslt libcublasLt.so.13 libcublasLt.so

# dfdx's build script asks it, whatever CUDA_COMPUTE_CAP says.
printf '#!/bin/sh\necho compute_cap\necho %s\n' "$capability" > "$root/bin/nvidia-smi"
chmod +x "$root/bin/nvidia-smi"
echo "export CUDA_PATH=$toolkit PATH=$root/bin:$toolkit/bin:\$PATH" > "$root/env.sh"
echo "made $root; now: . $root/env.sh"
