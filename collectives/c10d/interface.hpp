// The network as seen from here: which interface is on the way to the others, and whether something listens at a place.
#pragma once

#include "words.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

namespace palimpsest {

inline bool same_host(const sockaddr* a, const sockaddr* b) {
  if (!a || !b || a->sa_family != b->sa_family) return false;
  if (a->sa_family == AF_INET) {
    return reinterpret_cast<const sockaddr_in*>(a)->sin_addr.s_addr ==
        reinterpret_cast<const sockaddr_in*>(b)->sin_addr.s_addr;
  }
  if (a->sa_family == AF_INET6) {
    return !std::memcmp(
        &reinterpret_cast<const sockaddr_in6*>(a)->sin6_addr,
        &reinterpret_cast<const sockaddr_in6*>(b)->sin6_addr,
        sizeof(in6_addr));
  }
  return false;
}

// The interface by which the route to an address leaves; empty where there is none. No packet is sent: a connected datagram
// socket only has its own address chosen.
inline std::string route_to(const sockaddr* address, socklen_t length) {
  int probe = socket(address->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return "";
  sockaddr_storage own{};
  socklen_t own_length = sizeof own;
  bool chosen = connect(probe, address, length) == 0 &&
      getsockname(probe, reinterpret_cast<sockaddr*>(&own), &own_length) == 0;
  close(probe);
  if (!chosen) return "";
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return "";
  std::string name;
  bool local = own.ss_family == AF_INET &&
      (ntohl(reinterpret_cast<sockaddr_in*>(&own)->sin_addr.s_addr) >> 24) == 127;
  for (ifaddrs* one = all; one && name.empty(); one = one->ifa_next) {
    // All of 127.0.0.0/8 is the loopback's, under one address.
    bool loopback = local && one->ifa_addr && one->ifa_addr->sa_family == AF_INET &&
        (ntohl(reinterpret_cast<sockaddr_in*>(one->ifa_addr)->sin_addr.s_addr) >> 24) == 127;
    if (loopback || same_host(one->ifa_addr, reinterpret_cast<sockaddr*>(&own))) name = one->ifa_name;
  }
  freeifaddrs(all);
  return name;
}

// The interface of the default route: a documentation address that no network has stands for anything far away.
inline std::string default_route() {
  sockaddr_in far{};
  far.sin_family = AF_INET;
  far.sin_port = htons(9);
  inet_pton(AF_INET, "198.51.100.1", &far.sin_addr);
  return route_to(reinterpret_cast<sockaddr*>(&far), sizeof far);
}

// The addresses of a host.
inline std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(const std::string& host, const std::string& port, int kind) {
  addrinfo hints{};
  hints.ai_socktype = kind;
  addrinfo* found = nullptr;
  int failed = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (failed) {
    throw Failure(
        "the host `" + host + "` where the processes meet can't be resolved: " + gai_strerror(failed),
        "give its address as a number: --meet, or MASTER_ADDR",
        true);
  }
  return {found, freeaddrinfo};
}

// Whether something listens there now.
inline bool is_served(const std::string& host, uint16_t port) {
  auto found = addresses(host, std::to_string(port), SOCK_STREAM);
  for (addrinfo* one = found.get(); one; one = one->ai_next) {
    int probe = socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0) continue;
    int failed = 0;
    socklen_t length = sizeof failed;
    pollfd waiting{probe, POLLOUT, 0};
    bool connected = connect(probe, one->ai_addr, one->ai_addrlen) == 0 ||
        (errno == EINPROGRESS && poll(&waiting, 1, 300) == 1 &&
         getsockopt(probe, SOL_SOCKET, SO_ERROR, &failed, &length) == 0 && failed == 0);
    close(probe);
    if (connected) return true;
  }
  return false;
}

// The interface on the way to the host where the processes meet. Where that is this machine's loopback though there are
// processes on other machines, its name resolves to the loopback here alone (Debian writes 127.0.1.1): the default route's.
inline std::string interface_to(const std::string& host, bool alone) {
  auto found = addresses(host, "9", SOCK_DGRAM);
  std::string name;
  for (addrinfo* one = found.get(); one && name.empty(); one = one->ai_next) name = route_to(one->ai_addr, one->ai_addrlen);
  if (name == "lo" && !alone) name = default_route();
  if (name.empty()) {
    throw Failure(
        "there is no route to the host `" + host + "` where the processes meet",
        "name the network interface: --interface",
        true);
  }
  return name;
}

} // namespace palimpsest
