#include "proxy/limit/address_key.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace tollgate::proxy {
namespace {

// Clears what stands behind the first `bits` of `bytes`.
void Mask(uint8_t* bytes, size_t size, uint32_t bits) {
  for (size_t i = 0; i < size; ++i) {
    const uint32_t before = static_cast<uint32_t>(i) * 8;
    if (bits >= before + 8) continue;
    const uint32_t kept = bits > before ? bits - before : 0;
    bytes[i] = static_cast<uint8_t>(bytes[i] & (0xff00u >> kept));
  }
}

void AppendIp4(const in_addr& address, uint32_t prefix, std::string* out) {
  in_addr ip = address;
  Mask(reinterpret_cast<uint8_t*>(&ip.s_addr), sizeof(ip.s_addr), prefix);
  char text[INET_ADDRSTRLEN];
  out->append(inet_ntop(AF_INET, &ip, text, sizeof(text)));
  if (prefix < 32) absl::StrAppend(out, "/", prefix);
}

}  // namespace

void AppendAddressKey(const Address& address, AddressPrefixes prefixes, std::string* out) {
  sockaddr_storage storage;
  switch (address.kind()) {
    case Address::Kind::kName:
      out->append(address.host());
      return;
    case Address::Kind::kUnix:
      out->append("unix");
      return;
    case Address::Kind::kIp4:
      if (prefixes.ip4 >= 32) {
        out->append(address.host());
        return;
      }
      address.ToSockaddr(&storage);
      AppendIp4(reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr, prefixes.ip4, out);
      return;
    case Address::Kind::kIp6:
      break;
  }
  address.ToSockaddr(&storage);
  in6_addr ip = reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&ip)) {
    in_addr mapped;
    std::copy_n(&ip.s6_addr[12], 4, reinterpret_cast<uint8_t*>(&mapped.s_addr));
    AppendIp4(mapped, prefixes.ip4, out);
    return;
  }
  Mask(ip.s6_addr, sizeof(ip.s6_addr), prefixes.ip6);
  char text[INET6_ADDRSTRLEN];
  absl::StrAppend(out, inet_ntop(AF_INET6, &ip, text, sizeof(text)), "/", prefixes.ip6);
}

}  // namespace tollgate::proxy
