#include "proxy/limit/address_key.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

#include "absl/strings/str_cat.h"

namespace tollgate::proxy {

std::string AddressKey(const Address& address) {
  switch (address.kind()) {
    case Address::Kind::kIp4:
    case Address::Kind::kName:
      return address.host();
    case Address::Kind::kUnix:
      return "unix";
    case Address::Kind::kIp6:
      break;
  }
  sockaddr_storage storage;
  address.ToSockaddr(&storage);
  in6_addr ip = reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr;
  char text[INET6_ADDRSTRLEN];
  if (IN6_IS_ADDR_V4MAPPED(&ip)) {
    return inet_ntop(AF_INET, &ip.s6_addr[12], text, sizeof(text));
  }
  std::memset(&ip.s6_addr[8], 0, 8);
  return absl::StrCat(inet_ntop(AF_INET6, &ip, text, sizeof(text)), "/64");
}

}  // namespace tollgate::proxy
