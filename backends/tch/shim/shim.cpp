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
#include <sys/mman.h>
#include <unistd.h>

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
  double beta1, beta2, eps, decay, factor;
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

// One step of AdamW, in place. Its changing numbers lie beside the parameter: learning rate, number of the
// step, factor on the gradient (which the caller has applied), 1 to leave everything as it is, weight of the
// new parameter in the average. The average may be null. The others are dense and alike in shape, type and device.
int palimpsest_tch_adamw(at::Tensor* parameter, const at::Tensor* gradient, at::Tensor* first,
                         at::Tensor* second, at::Tensor* average, const at::Tensor* rates,
                         const PalimpsestAdamw* constants) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    auto rate = [&](int64_t i) { return rates->select(0, i); };
    // The processor's kernel takes the rate in double, a GPU's all three in float.
    auto lr = rate(0);
    if (constants->factor != 1.0) lr = lr.to(at::kDouble).mul(constants->factor);
    if (!parameter->is_cpu()) lr = lr.to(at::kFloat);
    auto skip = rate(3).to(at::kFloat);
    at::_fused_adamw_({*parameter}, {*gradient}, {*first}, {*second}, {}, {rate(1).to(at::kFloat)}, lr,
                      constants->beta1, constants->beta2, constants->decay, constants->eps,
                      /*amsgrad=*/false, /*maximize=*/false, /*grad_scale=*/{}, /*found_inf=*/skip);
    // Where the step is left out the parameter may be apart from its average, which stays.
    if (average != nullptr) {
      average->lerp_(*parameter, rate(4).mul(skip.neg().add(1)).to(parameter->scalar_type()));
    }
  });
}

// Shared with src/graph_library.rs; see shim/graphs/graphs.cpp.
struct PalimpsestGraphs {
  const char* (*error)();
  int (*begin)(int device, int capture);
  int (*end)(void** graph);
  int (*replay)(void* graph);
  void (*free)(void* graph);
};

// Loads the library of graphs out of its bytes, for good: it lies in no file of its own.
int palimpsest_tch_load_graphs(const unsigned char* bytes, size_t count, PalimpsestGraphs* functions) {
  return guarded([&] {
    int file = memfd_create("palimpsest-graphs", MFD_CLOEXEC);
    TORCH_CHECK(file >= 0, "no memory for the library of graphs");
    for (size_t written = 0; written < count;) {
      ssize_t more = write(file, bytes + written, count - written);
      TORCH_CHECK(more > 0, "no memory for the library of graphs");
      written += static_cast<size_t>(more);
    }
    std::string path = "/proc/self/fd/" + std::to_string(file);
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    const char* why = library != nullptr ? nullptr : dlerror();
    close(file);
    TORCH_CHECK(library != nullptr, why != nullptr ? why : "the loader gives no reason");
    auto find = [&](const char* name) {
      void* symbol = dlsym(library, name);
      TORCH_CHECK(symbol != nullptr, "the library of graphs has no ", name);
      return symbol;
    };
    functions->error = reinterpret_cast<decltype(functions->error)>(find("palimpsest_graphs_error"));
    functions->begin = reinterpret_cast<decltype(functions->begin)>(find("palimpsest_graphs_begin"));
    functions->end = reinterpret_cast<decltype(functions->end)>(find("palimpsest_graphs_end"));
    functions->replay = reinterpret_cast<decltype(functions->replay)>(find("palimpsest_graphs_replay"));
    functions->free = reinterpret_cast<decltype(functions->free)>(find("palimpsest_graphs_free"));
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
