// The limit key of a client's address.
#pragma once

#include <string>

#include "common/base/address.h"

namespace tollgate::proxy {

// "192.0.2.1" for IPv4 and for IPv4 mapped into IPv6; "2001:db8:1:2::/64" for IPv6, since one
// subscriber commands at least a whole /64; "unix" for every Unix socket. Without the port.
std::string AddressKey(const Address& address);

}  // namespace tollgate::proxy
