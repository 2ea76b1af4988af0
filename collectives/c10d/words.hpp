// What libtorch's exceptions say, as one sentence for people.
#pragma once

#include <c10/util/Exception.h>

#include <cstdlib>
#include <exception>
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

inline bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

// The first line, without places in source files, as `[/gloo/transport/tcp/pair.cc:538] `, and without a stack.
inline std::string line_of(const std::exception& error) {
  const auto* known = dynamic_cast<const c10::Error*>(&error);
  std::string text = known ? known->what_without_backtrace() : error.what();
  text = text.substr(0, text.find("\nException raised from"));
  text = text.substr(0, text.find('\n'));
  while (!text.empty() && text[0] == '[') {
    size_t end = text.find(']');
    std::string place = text.substr(0, end);
    if (end == std::string::npos || !(has(place, ".cc:") || has(place, ".cpp:") || has(place, ".h:"))) break;
    text.erase(0, text.find_first_not_of(' ', end + 1));
  }
  return text;
}

// The number of milliseconds behind some words; -1 without them.
inline int64_t number_behind(const std::string& text, const std::string& words) {
  size_t at = text.find(words);
  if (at == std::string::npos) return -1;
  size_t begin = at + words.size(), end = text.find_first_not_of("0123456789", begin);
  return end == begin ? -1 : std::strtoll(text.substr(begin, end - begin).c_str(), nullptr, 10);
}

// Whether the other end of a connection is no more.
inline bool is_loss(const std::string& text) {
  return has(text, "Connection reset") || has(text, "Connection closed") || has(text, "Broken pipe") ||
      has(text, "Connection was likely closed") || has(text, "Connection is closed") || has(text, "EPIPE") ||
      has(text, "Socket closed") || has(text, "pair is not connected") || has(text, "Pair is not connected");
}

// The failure of an operation between the processes: `what` is as "the sum".
inline Failure of_operation(const std::exception& error, const std::string& what) {
  std::string text = line_of(error);
  int64_t late = number_behind(text, "Timed out waiting ");
  if (late >= 0) return Failure("another process did not come to " + what + " within " + seconds(late));
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
