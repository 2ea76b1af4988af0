// What libtorch's exceptions say, as one sentence for people.
#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <regex>
#include <string>

namespace palimpsest {

// A failure in words that need no translation.
struct Failure : std::exception {
  std::string message, help;
  bool of_user;
  explicit Failure(std::string message, std::string help = "", bool of_user = false)
      : message(std::move(message)), help(std::move(help)), of_user(of_user) {}
  const char* what() const noexcept override { return message.c_str(); }
};

// 1500 -> "1.5 s"
inline std::string seconds(int64_t ms) {
  std::string text = std::to_string(ms / 1000);
  if (ms % 1000) {
    std::string rest = std::to_string(1000 + ms % 1000).substr(1);
    text += "." + rest.substr(0, rest.find_last_not_of('0') + 1);
  }
  return text + " s";
}

// The first line, without places in source files and stacks.
inline std::string line_of(const std::exception& error) {
  const auto* known = dynamic_cast<const c10::Error*>(&error);
  std::string text = known ? known->what_without_backtrace() : error.what();
  text = text.substr(0, text.find("\nException raised from"));
  text = text.substr(0, text.find('\n'));
  static const std::regex place(R"(^(\[[^\]]*\.(cc|cpp|h|hpp):\d+\] ?)+)");
  return std::regex_replace(text, place, "");
}

inline bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

// Whether the other end of a connection is no more.
inline bool is_loss(const std::string& text) {
  return has(text, "Connection reset") || has(text, "Connection closed") || has(text, "Broken pipe") ||
      has(text, "Connection was likely closed") || has(text, "Connection is closed") || has(text, "EPIPE") ||
      has(text, "Socket closed") || has(text, "pair is not connected") || has(text, "Pair is not connected");
}

// The failure of an operation between the processes: `what` is as "the sum".
inline Failure of_operation(const std::exception& error, const std::string& what) {
  std::string text = line_of(error);
  static const std::regex late(R"(Timed out waiting (\d+)ms for (recv|send) operation)");
  std::smatch found;
  if (std::regex_search(text, found, late)) {
    return Failure("another process did not come to " + what + " within " + seconds(std::stoll(found[1])));
  }
  if (has(text, "Application timeout caused pair closure")) {
    return Failure("another process did not come to an operation before " + what + " in time");
  }
  if (is_loss(text)) return Failure("another process is gone (" + text + ")");
  return Failure(what + " failed in gloo: " + text);
}

// The failure of the store at which the processes meet, which `server` serves.
inline Failure of_store(const std::exception& error, const std::string& server) {
  std::string text = line_of(error);
  if (is_loss(text) || has(text, "Failed to recv") || has(text, "Failed to send")) {
    return Failure("the place where the processes meet is gone: " + server + " has ended");
  }
  return Failure("the place where the processes meet failed: " + text);
}

} // namespace palimpsest
