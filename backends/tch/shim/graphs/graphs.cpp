// CUDA graphs: at::cuda::CUDAGraph behind C functions.
//
// A library of its own, which the backend carries inside itself and loads after libtorch_cuda: its symbols
// are libtorch_cuda's and libc10_cuda's, which a machine without CUDA doesn't have.
//
// Functions return 0 for success; `palimpsest_graphs_error` then tells why not.
#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/cuda/CUDACachingAllocator.h>

#include <exception>
#include <map>
#include <memory>
#include <mutex>
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
    error = "an exception that is no std::exception";
  }
  return 1;
}

// The stream that a device's graphs are captured and launched on. Capture is not allowed on the default
// one; and what libraries set up for a stream (cuBLAS's workspace) must be there before.
c10::Stream own_stream(const c10::impl::VirtualGuardImpl& cuda, c10::Device device) {
  static std::mutex mutex;
  static std::map<c10::DeviceIndex, c10::Stream> streams;
  std::lock_guard<std::mutex> lock(mutex);
  auto found = streams.find(device.index());
  if (found == streams.end()) {
    found = streams.emplace(device.index(), cuda.getStreamFromGlobalPool(device, false)).first;
  }
  return found->second;
}

// Work that is asked of `later` from now on waits for what was asked of `earlier`.
void order(const c10::Stream& earlier, const c10::Stream& later) {
  c10::Event event(c10::kCUDA);
  event.record(earlier);
  event.block(later);
}

// While it lives, this thread's work on a device goes to the device's own stream.
class OnOwnStream {
 public:
  explicit OnOwnStream(c10::DeviceIndex index)
      : cuda(c10::kCUDA),
        device_before(cuda.exchangeDevice(c10::Device(c10::kCUDA, index))),
        own(own_stream(cuda, c10::Device(c10::kCUDA, index))),
        before(cuda.getStream(c10::Device(c10::kCUDA, index))) {
    order(before, own);
    cuda.exchangeStream(own);
  }
  ~OnOwnStream() {
    try {
      cuda.exchangeStream(before);
      order(own, before);
      cuda.setDevice(device_before);
    } catch (...) {
      // CUDA is lost for this process; the next call says so.
    }
  }
  OnOwnStream(const OnOwnStream&) = delete;
  OnOwnStream& operator=(const OnOwnStream&) = delete;

  c10::impl::VirtualGuardImpl cuda;
  c10::Device device_before;
  c10::Stream own;
  c10::Stream before;
};

struct Graph {
  at::cuda::CUDAGraph graph;
  c10::DeviceIndex device = 0;
};

// Between begin and end, on the thread that began.
struct Section {
  explicit Section(c10::DeviceIndex index) : place(index) {}
  OnOwnStream place;
  std::unique_ptr<Graph> graph;
};

thread_local std::unique_ptr<Section> section;

}  // namespace

extern "C" {

const char* palimpsest_graphs_error() { return error.c_str(); }

int palimpsest_graphs_begin(int device, int capture) {
  return guarded([&] {
    TORCH_CHECK(section == nullptr, "a graph inside a graph");
    auto next = std::make_unique<Section>(static_cast<c10::DeviceIndex>(device));
    if (capture != 0) {
      next->place.cuda.synchronizeDevice(static_cast<c10::DeviceIndex>(device));
      next->graph = std::make_unique<Graph>();
      next->graph->device = static_cast<c10::DeviceIndex>(device);
      next->graph->graph.capture_begin();
    }
    section = std::move(next);
  });
}

// Writes the graph, or null after a section without capture.
int palimpsest_graphs_end(void** graph) {
  *graph = nullptr;
  return guarded([&] {
    TORCH_CHECK(section != nullptr, "no graph was begun");
    auto ended = std::move(section);
    if (ended->graph == nullptr) return;
    try {
      ended->graph->graph.capture_end();
    } catch (...) {
      // A capture that was broken off leaves its pool in use: the allocator must not give out of it.
      try {
        c10::cuda::CUDACachingAllocator::endAllocateToPool(ended->graph->device, ended->graph->graph.pool());
      } catch (...) {
      }
      throw;
    }
    *graph = ended->graph.release();
  });
}

int palimpsest_graphs_replay(void* graph) {
  return guarded([&] {
    auto& made = *static_cast<Graph*>(graph);
    OnOwnStream place(made.device);
    made.graph.replay();
  });
}

void palimpsest_graphs_free(void* graph) {
  guarded([&] { delete static_cast<Graph*>(graph); });
}
}
