// The store of libtorch at which the processes of a run meet: who has come, what is shared, last words, and who has left.
#pragma once

#include "interface.hpp"
#include "words.hpp"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

namespace palimpsest {

using Ms = std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using Bytes = std::vector<uint8_t>;

inline Bytes bytes_of(const std::string& text) { return Bytes(text.begin(), text.end()); }

struct Place {
  int rank, size;
  bool served;
  std::string host;
  uint16_t port;
  std::string session;
  Ms limit;
};

struct Late {};

// Runs something that may stand for ever where a network is cut or a process is stopped: c10d's limits don't hold in all of
// its calls. What doesn't end in time goes on without anybody.
template <class F>
auto bounded(Ms time, F body) -> decltype(body()) {
  std::packaged_task<decltype(body())()> task(std::move(body));
  auto result = task.get_future();
  std::thread(std::move(task)).detach();
  if (result.wait_for(time) != std::future_status::ready) throw Late{};
  return result.get();
}

// Threads that outlast a limit keep it.
class Meeting : public std::enable_shared_from_this<Meeting> {
 public:
  // Serves the store, or finds it. Another run's keys have another prefix.
  explicit Meeting(const Place& place) : place_(place) {
    c10d::TCPStoreOptions options;
    options.port = place.port;
    options.isServer = serves();
    options.numWorkers = place.size;
    // Rank 0 would stand in the constructor until all have come, and could say nothing of those that haven't.
    options.waitWorkers = false;
    options.timeout = place.limit;
    try {
      std::string host = place.host;
      auto store = bounded(place.limit + SLACK, [=] { return c10::make_intrusive<c10d::TCPStore>(host, options); });
      store->setTimeout(place.limit);
      store_ = c10::make_intrusive<c10d::PrefixStore>("palimpsest/" + place.session, store);
    } catch (const Late&) {
      // Its client tries twice where nobody listens, and waits without a limit for the first answer of whoever does.
      if (!is_served(place.host, place.port)) throw of_opening("timed out");
      throw Failure(
          "what serves " + where() + " does not answer as the store of libtorch where processes meet",
          "choose another port: --meet HOST:PORT, or MASTER_PORT",
          true);
    } catch (const std::exception& error) {
      throw of_opening(line_of(error));
    }
  }

  c10::intrusive_ptr<c10d::Store> store() const { return store_; }
  bool serves() const { return !place_.served && place_.rank == 0; }

  // Returns once every rank has come. Whoever's time runs out first tells the others who is missing.
  void come() {
    try {
      bounded(place_.limit + SLACK, [self = shared_from_this()] { self->come_unbounded(); });
    } catch (const Late&) {
      throw silent();
    }
  }

  // Rank 0's bytes for all.
  Bytes share(const std::string& key, const Bytes& value, const std::function<bool()>& given_up) {
    std::string name = "share/" + key;
    if (place_.rank == 0) {
      guarded([&] { store_->set(name, value); });
      return value;
    }
    try {
      auto self = shared_from_this();
      return bounded(place_.limit + SLACK, [=] { return self->await(name, self->place_.limit, given_up); });
    } catch (const Late&) {
      throw Failure("rank 0 did not say its `" + key + "` within " + seconds(place_.limit.count()));
    }
  }

  // Whether a rank has left words.
  bool has_left(int rank) {
    return guarded([&] { return store_->check({left(rank)}); });
  }

  // Last words, in a line. It is sent and not answered: whether it arrived is not known.
  void leave_words(std::string words) {
    for (char& letter : words) {
      if (letter == '\n' || letter == '\r') letter = ' ';
    }
    auto store = store_;
    std::string key = left(place_.rank);
    within(Ms(1000), [=] { store->set(key, bytes_of(words)); });
  }

  // Who left which words, a line each, once all have or the time is over.
  std::string words_left(Ms time) {
    auto store = store_;
    int size = place_.size;
    auto found = std::make_shared<std::string>();
    auto end = Clock::now() + time;
    std::function<void()> look = [=] {
      std::vector<bool> known(size);
      int missing = size;
      for (Ms pause(5);; pause = std::min(pause * 2, Ms(50))) {
        for (int rank = 0; rank < size; rank++) {
          if (known[rank] || !store->check({left(rank)})) continue;
          Bytes value = store->get(left(rank));
          *found += std::to_string(rank) + " " + std::string(value.begin(), value.end()) + "\n";
          known[rank] = true;
          missing--;
        }
        if (missing == 0 || Clock::now() + pause > end) return;
        std::this_thread::sleep_for(pause);
      }
    };
    if (!within(time + Ms(1000), look)) throw Failure("the place where the processes meet does not answer");
    return *found;
  }

  // Returns once every rank has nothing more under way, so that none closes connections on which another still waits for
  // bytes: gloo's are closed with what is in them.
  void part(Ms time) {
    auto store = store_;
    Place place = place_;
    within(time, [=] {
      if (store->add("done", 1) == place.size) store->set("all-done", bytes_of("1"));
      store->wait({"all-done"}, time);
    });
  }

  // The last that is done with the store. Who serves it stays until the others have gone: `expected` of them.
  void go(int expected, Ms time) {
    auto store = store_;
    if (!serves()) {
      within(time, [=] { store->add("gone", 1); });
      return;
    }
    auto end = Clock::now() + time;
    within(time, [=] {
      while (store->add("gone", 0) < expected && Clock::now() < end) std::this_thread::sleep_for(Ms(5));
    });
  }

 private:
  // What is granted beside the limit, so that c10d's own words come first.
  static constexpr Ms SLACK{1000};

  void come_unbounded() {
    std::string rank = std::to_string(place_.rank);
    if (guarded([&] { return store_->add("came/" + rank, 1); }) > 1) {
      throw Failure(
          "rank " + rank + " has come to " + where() + " already: two processes have one number, or another run meets there",
          "give each process its own number, and each run its own port", true);
    }
    guarded([&] {
      store_->set("here/" + std::to_string(place_.rank), bytes_of("1"));
      if (store_->add("here", 1) == place_.size) store_->set("all", bytes_of("here"));
    });
    std::string all;
    try {
      Bytes value = await("all", place_.limit, [] { return false; });
      all.assign(value.begin(), value.end());
    } catch (const Late&) {
      all = guarded([&] { return missing(); });
      guarded([&] { store_->set("all", bytes_of(all)); });
    }
    if (all == "here") return;
    // They read it before the place is closed.
    if (serves()) std::this_thread::sleep_for(Ms(300));
    throw Failure(all);
  }

  std::string where() const { return place_.host + ":" + std::to_string(place_.port); }

  Failure silent() const { return Failure("the place where the processes meet, " + where() + ", does not answer"); }

  static std::string left(int rank) { return "left/" + std::to_string(rank); }

  std::string server() const { return place_.served ? "who serves it (torchrun's agent)" : "rank 0, which serves it,"; }

  // Waits for a key in pieces: a wait holds the connection, which another thread may need for last words.
  Bytes await(const std::string& key, Ms limit, const std::function<bool()>& given_up) {
    auto end = Clock::now() + limit;
    while (!given_up()) {
      auto left = std::chrono::duration_cast<Ms>(end - Clock::now());
      if (left.count() <= 0) throw Late{};
      try {
        store_->wait({key}, std::max(std::min(left, Ms(250)), Ms(1)));
        return store_->get(key);
      } catch (const std::exception& error) {
        if (!has(line_of(error), "wait timeout")) throw of_store(error, server());
      }
    }
    throw Failure("the connection to the other processes was closed");
  }

  template <class F>
  auto guarded(F body) -> decltype(body()) {
    try {
      return body();
    } catch (const std::exception& error) {
      throw of_store(error, server());
    }
  }

  // "ranks 2, 3 did not come within 20 s"
  std::string missing() {
    std::string list;
    int count = 0;
    for (int rank = 0; rank < place_.size; rank++) {
      if (store_->check({"here/" + std::to_string(rank)})) continue;
      if (++count <= 8) list += (list.empty() ? "" : ", ") + std::to_string(rank);
    }
    if (count > 8) list += " and " + std::to_string(count - 8) + " more";
    // The last came while this was asked.
    if (count == 0) return "here";
    return (count == 1 ? "rank " : "ranks ") + list + " did not come within " + seconds(place_.limit.count());
  }

  Failure of_opening(const std::string& text) const {
    if (has(text, "EADDRINUSE") || has(text, "already in use")) {
      return Failure(
          "port " + std::to_string(place_.port) + " is in use on this machine, so that the processes can't meet there",
          "choose another one: --meet HOST:PORT, or MASTER_PORT",
          true);
    }
    if (has(text, "failed to listen") || has(text, "EACCES")) {
      return Failure("rank 0 can't serve " + where() + ": " + text, "choose another port: --meet HOST:PORT, or MASTER_PORT", true);
    }
    if (has(text, "timed out") || has(text, "Connection refused") || has(text, "timeout")) {
      std::string late = seconds(place_.limit.count());
      if (place_.served) return Failure("the launcher's store at " + where() + " did not answer within " + late);
      if (place_.rank == 0) {
        return Failure("rank 0 can't reach itself at " + where() + " within " + late, "give the address of its own machine: --meet, or MASTER_ADDR", true);
      }
      return Failure("rank 0 did not come to " + where() + " within " + late);
    }
    return Failure("the processes can't meet at " + where() + ": " + text);
  }

  // Whether something ended in time.
  static bool within(Ms time, std::function<void()> body) {
    try {
      bounded(time, std::move(body));
      return true;
    } catch (const Late&) {
      return false;
    } catch (const std::exception& said) {
      throw of_store(said, "who serves it");
    }
  }

  Place place_;
  c10::intrusive_ptr<c10d::Store> store_;
};

} // namespace palimpsest
