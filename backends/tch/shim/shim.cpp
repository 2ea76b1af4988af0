// What tch has no binding for, over libtorch's own headers. No CUDA headers are needed: what touches a
// CUDA device goes through interfaces that libtorch_cuda fills in when it is loaded.
//
// Functions that can fail return 0 for success; `palimpsest_tch_error` then tells why not.
#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <dlfcn.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <string>

namespace {

thread_local std::string error;

// No exception may cross into Rust.
template <class F>
int guarded(F work) {
  try {
    work();
    return 0;
  } catch (const std::exception& e) {
    error = e.what();
  } catch (...) {
    error = "an exception of unknown type";
  }
  return 1;
}

}  // namespace

extern "C" {

// Shared with src/shim.rs.
struct PalimpsestAdamw {
  double lr, beta1, beta2, eps, decay, step;
};

// The calling thread's last error; valid until its next call of a function here.
const char* palimpsest_tch_error() { return error.c_str(); }

// Whether no other tensor, view or recorded graph shares this tensor's memory.
int palimpsest_tch_is_sole(const at::Tensor* tensor) {
  bool sole = tensor->use_count() == 1 && tensor->has_storage() && tensor->storage().use_count() == 1;
  // A reference that another thread gave up was read before it was; so that it stays before.
  std::atomic_thread_fence(std::memory_order_acquire);
  return sole;
}

// One step of AdamW, in place. All four are dense and alike in shape, type and device.
int palimpsest_tch_adamw(at::Tensor* parameter, const at::Tensor* gradient, at::Tensor* first,
                         at::Tensor* second, const PalimpsestAdamw* rates) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    // The kernels want the number of the step as a tensor beside the parameter.
    auto step = at::full({}, rates->step, parameter->options().dtype(at::kFloat));
    at::_fused_adamw_({*parameter}, {*gradient}, {*first}, {*second}, {}, {step}, rates->lr, rates->beta1,
                      rates->beta2, rates->decay, rates->eps, /*amsgrad=*/false, /*maximize=*/false);
  });
}

// Whether products and convolutions of 32-bit floats on CUDA may round their operands to TF32.
int palimpsest_tch_allow_tf32(int allowed) {
  return guarded([&] {
    at::globalContext().setFloat32MatmulPrecision(allowed ? "high" : "highest");
    at::globalContext().setAllowTF32CuDNN(allowed != 0);
  });
}

// Bytes that tensors hold on a CUDA device, now and at their most.
int palimpsest_tch_cuda_memory(int device, uint64_t* in_use, uint64_t* peak) {
  return guarded([&] {
    auto stats = c10::getDeviceAllocator(c10::kCUDA)->getDeviceStats(static_cast<c10::DeviceIndex>(device));
    const auto& bytes =
        stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)];
    *in_use = static_cast<uint64_t>(bytes.current);
    *peak = static_cast<uint64_t>(bytes.peak);
  });
}

// The path of the libtorch_cpu that this process has loaded, or null. The string lives as long as it.
const char* palimpsest_tch_library() {
  Dl_info info;
  return dladdr(reinterpret_cast<void*>(&at::globalContext), &info) != 0 ? info.dli_fname : nullptr;
}

// Loads a library for good, its symbols visible to all.
int palimpsest_tch_load(const char* path) {
  if (dlopen(path, RTLD_NOW | RTLD_GLOBAL) != nullptr) return 0;
  const char* why = dlerror();
  error = why != nullptr ? why : "the loader gives no reason";
  return 1;
}
}
