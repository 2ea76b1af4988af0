#!/usr/bin/env bash
# PyTorch 2.11.0's wheel brings oneMKL 2024.0 (update 2). On an AMD processor with AVX-512 (seen on Zen 5), PyTorch says of itself
# "AVX512", and compiles its own loops for it, while MKL, which multiplies its f32 matrices, names no instruction set where
# it names AVX-512 on Intel's: "Intel(R) Architecture processors". Its products of f32 then run at the speed of AVX2 there,
# half of what the processor can do, and products of bfloat16, which oneDNN makes, do use AVX-512. So f32 against bf16, and
# anything against PyTorch's f32, come out otherwise on AMD than on Intel.
# Seen: capability AVX512, "for Intel(R) 64 architecture Intel(R) Architecture processors". Elsewhere it is passed over.
set -euo pipefail
if ! grep -q AuthenticAMD /proc/cpuinfo || ! grep -qw avx512f /proc/cpuinfo; then
    echo "passed over: no AMD processor with AVX-512"
    exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check numpy==2.2.6 torch==2.11.0
said=$(MKL_VERBOSE=1 "$folder/venv/bin/python" -c '
import torch
print("capability", torch.backends.cpu.get_cpu_capability())
torch.rand(256, 256) @ torch.rand(256, 256)
' 2>&1 | grep -E "^capability|oneMKL")
echo "$said"
grep -q "^capability AVX512" <<<"$said" || { echo "PyTorch has changed"; exit 1; }
grep -q "oneMKL 2024.0" <<<"$said" || { echo "the wheel brings another MKL"; exit 1; }
if grep "oneMKL" <<<"$said" | grep -qi "AVX"; then
    echo "MKL has changed"
    exit 1
fi
