// In place of CUDA's own: libtorch's headers want the runtime's functions and types of it, and its own would
// pull in what only nvcc's headers have.
#pragma once
#include <cuda_runtime_api.h>
