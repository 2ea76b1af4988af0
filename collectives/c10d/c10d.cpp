// gloo, as libtorch brings it with its distributed package (c10d), behind Palimpsest's table of functions.
//
// Built against the headers of libtorch 2.11.0, which lack gloo's: standin/ has what is needed of them. Links to libtorch_cpu
// and libc10 alone, and holds none of libtorch's classes in a layout of its own, but the group itself, whose header is torch's.
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include <ATen/ops/from_blob.h>
#include <c10/util/Logging.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/version.h>

#include "interface.hpp"
#include "meeting.hpp"
#include "palimpsest.h"
#include "words.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#if TORCH_VERSION_MAJOR != 2 || TORCH_VERSION_MINOR != 11 || TORCH_VERSION_PATCH != 0
#error "c10d.cpp is for libtorch 2.11.0: another version's classes may lie otherwise in memory"
#endif

C10_DECLARE_int(caffe2_log_level);

using namespace palimpsest;

namespace {

using Gloo = c10d::ProcessGroupGloo;

// Where operations tell that they have ended, and whoever aborts that it is over.
struct Signal {
  std::mutex mutex;
  std::condition_variable changed;
  bool aborted = false;
  int under_way = 0;

  bool is_aborted() {
    std::lock_guard<std::mutex> lock(mutex);
    return aborted;
  }
};

struct Work {
  c10::intrusive_ptr<c10d::Work> work;
  // Theirs is the memory of the host.
  std::vector<at::Tensor> kept;
  std::shared_ptr<bool> ended = std::make_shared<bool>(false);
  const char* what;
};

struct Instance {
  std::shared_ptr<Meeting> meeting;
  c10::intrusive_ptr<Gloo> group;
  std::shared_ptr<Signal> signal = std::make_shared<Signal>();
  Place place;
  std::string interface;

  bool is_aborted() const { return signal->is_aborted(); }

  void must_be_open() const {
    if (is_aborted()) throw Failure("the connection to the other processes was closed");
  }
};

std::string text_of(PalimpsestStr text) { return std::string(reinterpret_cast<const char*>(text.ptr), text.len); }

// No exception passes the interface.
template <class F> uint32_t guarded(PalimpsestError* error, F body) {
  try {
    body();
    return PALIMPSEST_CODE_OK;
  } catch (const Failure& failure) {
    uint32_t code = failure.of_user ? PALIMPSEST_CODE_USER : PALIMPSEST_CODE_FAILURE;
    return palimpsest_fail(error, code, failure.message.c_str(), nullptr, failure.help.c_str());
  } catch (const std::exception& failure) {
    return palimpsest_fail(error, PALIMPSEST_CODE_FAILURE, line_of(failure).c_str(), nullptr, nullptr);
  } catch (...) {
    return palimpsest_fail(error, PALIMPSEST_CODE_FAILURE, "an exception of an unknown kind", nullptr, nullptr);
  }
}

// c10d prints what is an error of ours anyway, with a stack of C++ each time.
void hush() {
  if (std::getenv("TORCH_CPP_LOG_LEVEL")) {
    c10::initLogging();
  } else {
    FLAGS_caffe2_log_level = 3;
  }
}

void check_version() {
  uint64_t loaded = aoti_torch_abi_version();
  if (loaded >> 32 == TORCH_ABI_VERSION >> 32 && (loaded >> 40) == (TORCH_ABI_VERSION >> 40)) return;
  auto part = [&](int shift) { return std::to_string((loaded >> shift) & 0xff); };
  throw Failure(
      "the loaded libtorch is " + part(56) + "." + part(48) + "." + part(40) + ", the engine gloo was built for " TORCH_VERSION,
      "python3 -m pip install torch==" TORCH_VERSION ", or name a folder of it in LIBTORCH",
      true);
}

uint32_t about(PalimpsestInfo* info, PalimpsestError* error) {
  return guarded(error, [&] {
    hush();
    check_version();
    info->name = PalimpsestStr PALIMPSEST_TEXT("gloo");
    info->version = PalimpsestStr PALIMPSEST_TEXT(TORCH_VERSION);
    info->description = PalimpsestStr PALIMPSEST_TEXT("gloo over TCP, in libtorch " TORCH_VERSION "'s c10d: sums on the processor");
  });
}

// The interfaces that the user names, by argument or as libtorch's own programs are told, or the one on the way.
std::vector<std::string> interfaces(const PalimpsestWorld* world, const Place& place) {
  std::string named = text_of(world->interface);
  const char* variable = std::getenv("GLOO_SOCKET_IFNAME");
  if (named.empty() && variable) named = variable;
  if (named.empty()) {
    bool alone = !PALIMPSEST_HAS(world, PalimpsestWorld, local_size) || world->local_size >= world->size;
    named = interface_to(place.host, alone);
  }
  std::vector<std::string> all;
  std::istringstream parts(named);
  for (std::string part; std::getline(parts, part, ',');) all.push_back(part);
  return all;
}

void connect(Instance& instance, const PalimpsestWorld* world) {
  auto options = Gloo::Options::create(instance.place.limit);
  for (const std::string& name : interfaces(world, instance.place)) {
    try {
      options->devices.push_back(Gloo::createDeviceForInterface(name, false));
    } catch (const std::exception&) {
      throw Failure("the network interface `" + name + "` has no address here", "choose one that `ip address` lists: --interface", true);
    }
    instance.interface += (instance.interface.empty() ? "" : ",") + name;
  }
  instance.meeting = std::make_shared<Meeting>(instance.place);
  instance.meeting->come();
  try {
    auto keys = c10::make_intrusive<c10d::PrefixStore>("gloo", instance.meeting->store());
    int rank = instance.place.rank, size = instance.place.size;
    // A connection and the exchange of addresses have a limit each.
    instance.group = bounded(3 * instance.place.limit, [=] { return c10::make_intrusive<Gloo>(keys, rank, size, options); });
  } catch (const Late&) {
    throw Failure("the processes met, but were not connected by `" + instance.interface + "` in time");
  } catch (const std::exception& error) {
    std::string text = line_of(error);
    if (is_loss(text)) throw Failure("another process is gone (" + text + ")");
    throw Failure(
        "the processes met, but can't be connected by `" + instance.interface + "`: " + text,
        "name the network interface that reaches the other machines: --interface");
  }
}

uint32_t open(PalimpsestOpaque* out, const PalimpsestWorld* world, PalimpsestError* error) {
  return guarded(error, [&] {
    hush();
    check_version();
    if (world->address.len == 0) {
      throw Failure("gloo needs a place where the processes meet", "name one: --meet HOST:PORT, or MASTER_ADDR and MASTER_PORT", true);
    }
    auto instance = std::make_unique<Instance>();
    instance->place = Place{
        static_cast<int>(world->rank), static_cast<int>(world->size), world->served != 0, text_of(world->address),
        static_cast<uint16_t>(world->port), text_of(world->session), Ms(world->limit_ms)};
    connect(*instance, world);
    *out = instance.release();
  });
}

at::Tensor view(uint8_t* data, uint64_t count, uint32_t dtype) {
  if (dtype > 1) throw Failure("gloo sums f32 and f64 here, not type " + std::to_string(dtype));
  auto options = at::TensorOptions().dtype(dtype == 0 ? at::kFloat : at::kDouble);
  return at::from_blob(data, {static_cast<int64_t>(count)}, options);
}

// Has the end of an operation told to whoever waits for it.
void watch(const Instance& instance, Work& work) {
  auto signal = instance.signal;
  auto ended = work.ended;
  {
    std::lock_guard<std::mutex> lock(signal->mutex);
    signal->under_way++;
  }
  work.work->getFuture()->addCallback([signal, ended](c10::ivalue::Future&) {
    std::lock_guard<std::mutex> lock(signal->mutex);
    signal->under_way--;
    *ended = true;
    signal->changed.notify_all();
  });
}

void begin(Instance& instance, const PalimpsestTransfer* transfer, Work& work) {
  Ms limit = instance.place.limit;
  if (transfer->count == 0) return;
  work.kept.push_back(view(transfer->data, transfer->count, transfer->dtype));
  switch (transfer->op) {
    case PALIMPSEST_ALL_REDUCE: {
      work.what = "the sum";
      c10d::AllreduceOptions options;
      options.reduceOp = c10d::ReduceOp::SUM;
      options.timeout = limit;
      work.work = instance.group->allreduce(work.kept, options);
      break;
    }
    case PALIMPSEST_BROADCAST: {
      work.what = "the copy";
      c10d::BroadcastOptions options;
      options.rootRank = transfer->root;
      options.timeout = limit;
      work.work = instance.group->broadcast(work.kept, options);
      break;
    }
    case PALIMPSEST_ALL_TO_ALL: {
      work.what = "the exchange";
      work.kept.push_back(view(transfer->to, transfer->count, transfer->dtype));
      std::vector<int64_t> even;
      c10d::AllToAllOptions options;
      options.timeout = limit;
      work.work = instance.group->alltoall_base(work.kept[1], work.kept[0], even, even, options);
      break;
    }
    default:
      throw Failure("gloo has no operation " + std::to_string(transfer->op) + " here");
  }
  watch(instance, work);
}

uint32_t start(PalimpsestOpaque opaque, const PalimpsestTransfer* transfer, PalimpsestOpaque* out, PalimpsestError* error) {
  auto& instance = *static_cast<Instance*>(opaque);
  auto work = std::make_unique<Work>();
  work->what = "the operation";
  return guarded(error, [&] {
    instance.must_be_open();
    try {
      begin(instance, transfer, *work);
    } catch (const Failure&) {
      throw;
    } catch (const std::exception& said) {
      throw of_operation(said, work->what);
    }
    *out = work.release();
  });
}

constexpr Ms ASK(50);

// Until the operation has ended. It has a limit of its own, after which gloo lets go of the memory; c10d's wait with a limit
// would return while gloo still writes.
void finish(Instance& instance, Work& work, uint32_t (*go_on)(void*), void* context) {
  if (!work.work) return;
  {
    auto& signal = *instance.signal;
    std::unique_lock<std::mutex> lock(signal.mutex);
    auto over = [&] { return *work.ended || signal.aborted; };
    while (!over()) {
      if (!go_on) {
        signal.changed.wait(lock, over);
      } else if (!signal.changed.wait_for(lock, ASK, over)) {
        lock.unlock();
        bool stay = go_on(context);
        lock.lock();
        if (!stay && !over()) throw Failure("the process was asked to stop while it waited for " + std::string(work.what));
      }
    }
    if (!*work.ended) throw Failure("the connection to the other processes was closed");
  }
  try {
    work.work->wait(kNoTimeout);
  } catch (const std::exception& said) {
    throw of_operation(said, work.what);
  }
}

uint32_t wait(PalimpsestOpaque opaque, PalimpsestOpaque pending, uint32_t (*go_on)(void*), void* context, PalimpsestError* error) {
  std::unique_ptr<Work> work(static_cast<Work*>(pending));
  return guarded(error, [&] { finish(*static_cast<Instance*>(opaque), *work, go_on, context); });
}

uint32_t barrier(PalimpsestOpaque opaque, PalimpsestError* error) {
  auto& instance = *static_cast<Instance*>(opaque);
  return guarded(error, [&] {
    instance.must_be_open();
    Work work;
    work.what = "the barrier";
    try {
      c10d::BarrierOptions options;
      options.timeout = instance.place.limit;
      work.work = instance.group->barrier(options);
    } catch (const std::exception& said) {
      throw of_operation(said, work.what);
    }
    watch(instance, work);
    finish(instance, work, nullptr, nullptr);
  });
}

void give(const uint8_t* data, size_t length, uint8_t* out, size_t room, size_t* out_length) {
  if (length > room) throw Failure(std::to_string(length) + " bytes do not fit in " + std::to_string(room));
  if (length) std::memcpy(out, data, length);
  *out_length = length;
}

uint32_t share(
    PalimpsestOpaque opaque, PalimpsestStr key, const uint8_t* value, size_t length, uint8_t* out, size_t room, size_t* out_length,
    PalimpsestError* error) {
  auto& instance = *static_cast<Instance*>(opaque);
  return guarded(error, [&] {
    instance.must_be_open();
    if (instance.place.rank == 0 && length > room) give(value, length, out, room, out_length);
    auto over = [signal = instance.signal, meeting = instance.meeting.get()] { return signal->is_aborted() || meeting->has_left(0); };
    Bytes all = instance.meeting->share(text_of(key), Bytes(value, value + length), over);
    give(all.data(), all.size(), out, room, out_length);
  });
}

// c10d's groups have no way to be closed but their end, which waits for operations under way; their connections have.
struct Connections : Gloo {
  static void close(Gloo& group) {
    for (auto& context : group.*(&Connections::contexts_)) context->closeConnections();
  }
};

void abort_with(PalimpsestOpaque opaque, PalimpsestStr words) {
  auto& instance = *static_cast<Instance*>(opaque);
  guarded(nullptr, [&] {
    {
      std::lock_guard<std::mutex> lock(instance.signal->mutex);
      if (instance.signal->aborted) return;
      instance.signal->aborted = true;
      instance.signal->changed.notify_all();
    }
    Connections::close(*instance.group);
    instance.meeting->leave_words(text_of(words));
  });
}

uint32_t fates(PalimpsestOpaque opaque, uint64_t wait_ms, uint8_t* out, size_t room, size_t* out_length, PalimpsestError* error) {
  auto& instance = *static_cast<Instance*>(opaque);
  return guarded(error, [&] {
    std::string lines = instance.meeting->words_left(Ms(wait_ms));
    lines = lines.substr(0, room);
    give(reinterpret_cast<const uint8_t*>(lines.data()), lines.size(), out, room, out_length);
  });
}

constexpr Ms GOODBYE(3000), HURRIED(500);

void close_one(PalimpsestOpaque opaque) {
  std::unique_ptr<Instance> instance(static_cast<Instance*>(opaque));
  guarded(nullptr, [&] {
    Meeting& meeting = *instance->meeting;
    if (instance->is_aborted()) {
      // As many as left words live and want to read the others'.
      std::string words = meeting.serves() ? meeting.words_left(Ms(0)) : "";
      int alive = static_cast<int>(std::count(words.begin(), words.end(), '\n'));
      meeting.go(alive - 1, HURRIED);
      return;
    }
    meeting.part(GOODBYE);
    meeting.go(instance->place.size - 1, GOODBYE);
  });
  std::lock_guard<std::mutex> lock(instance->signal->mutex);
  if (instance->signal->under_way > 0) {
    // The group's end would wait for its threads, and these for a process that may be gone: it stays until the program's end.
    instance->group.release();
  }
}

uint32_t interface(PalimpsestOpaque opaque, uint8_t* out, size_t room, size_t* out_length, PalimpsestError* error) {
  auto& instance = *static_cast<Instance*>(opaque);
  return guarded(error, [&] {
    give(reinterpret_cast<const uint8_t*>(instance.interface.data()), instance.interface.size(), out, room, out_length);
  });
}

const PalimpsestCollectiveTable table = {
    PALIMPSEST_HEAD(PalimpsestCollectiveTable), about, open, start, wait, barrier, share, abort_with, fates, close_one, interface};

} // namespace

extern "C" const PalimpsestEntry palimpsest_entry = {
    PALIMPSEST_HEAD(PalimpsestEntry), PALIMPSEST_MAJOR, PALIMPSEST_MINOR, PALIMPSEST_KIND_COLLECTIVE, 1,
    PALIMPSEST_TEXT("C++ " __VERSION__ ", libtorch " TORCH_VERSION), &table};
