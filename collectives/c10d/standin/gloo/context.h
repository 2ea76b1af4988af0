#pragma once
#include <chrono>
#include <memory>
namespace gloo {
// Defined in libtorch_cpu.so; opaque here but for the functions that are called.
class Context {
 public:
  Context() = delete;
  void setTimeout(std::chrono::milliseconds);
  void closeConnections();
};
namespace transport {
class UnboundBuffer;
}
} // namespace gloo
