// The limit key of a client's address.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/address.h"

namespace tollgate::proxy {

// How many leading bits of an address make its key. One IPv6 subscriber commands at least a /64.
struct AddressPrefixes {
  uint32_t ip4 = 32;
  uint32_t ip6 = 64;
};

// Appends "192.0.2.1" for IPv4 and for IPv4 mapped into IPv6, or "192.0.2.0/24" with a shorter
// prefix; "2001:db8:1:2::/64" for IPv6; "unix" for every Unix socket. Without the port.
void AppendAddressKey(const Address& address, AddressPrefixes prefixes, std::string* out);

inline std::string AddressKey(const Address& address, AddressPrefixes prefixes = {}) {
  std::string key;
  AppendAddressKey(address, prefixes, &key);
  return key;
}

}  // namespace tollgate::proxy
