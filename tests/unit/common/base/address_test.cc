#include "common/base/address.h"
#include "absl/strings/str_cat.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include "absl/container/flat_hash_set.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tollgate {
namespace {

using ::testing::HasSubstr;
using Kind = Address::Kind;

Address Parse(absl::string_view text) {
  auto address = Address::Parse(text);
  EXPECT_TRUE(address.ok()) << address.status();
  return address.value_or(Address());
}

TEST(Address, ParsesEachKindAndPrintsItBack) {
  const std::tuple<absl::string_view, Kind, absl::string_view, int> cases[] = {
      {"10.0.1.11:8080", Kind::kIp4, "10.0.1.11", 8080},
      {"0.0.0.0:0", Kind::kIp4, "0.0.0.0", 0},
      {"[::1]:80", Kind::kIp6, "::1", 80},
      {"[2001:db8::ff]:65535", Kind::kIp6, "2001:db8::ff", 65535},
      {"pay.internal:443", Kind::kName, "pay.internal", 443},
      {"my_service-1:80", Kind::kName, "my_service-1", 80},
      {"unix:/run/x.sock", Kind::kUnix, "/run/x.sock", 0},
  };
  for (const auto& [text, kind, host, port] : cases) {
    const Address address = Parse(text);
    EXPECT_EQ(address.kind(), kind) << text;
    EXPECT_EQ(address.host(), host);
    EXPECT_EQ(address.port(), port);
    EXPECT_EQ(address.ToString(), text);
  }
}

TEST(Address, IsCanonical) {
  EXPECT_EQ(Parse("[2001:DB8:0:0::1]:80").ToString(), "[2001:db8::1]:80");
  EXPECT_EQ(Parse("Pay.Internal:80").ToString(), "pay.internal:80");
  EXPECT_EQ(Parse("[::1]:80"), Parse("[0:0:0:0:0:0:0:1]:80"));
}

TEST(Address, RefusesWhatIsNone) {
  for (absl::string_view text : {"",
                                 ":",
                                 "host",
                                 "host:",
                                 "host:x",
                                 "host:-1",
                                 "host:+1",
                                 "host:65536",
                                 "host:000080",
                                 "1.2.3:80",
                                 "1.2.3.4.5:80",
                                 "256.1.1.1:80",
                                 "01.2.3.4:80",
                                 "::1:80",
                                 "[::1]",
                                 "[::1:80",
                                 "[]:80",
                                 "[1.2.3.4]:80",
                                 "[fe80::1%eth0]:80",
                                 "-a/b:80",
                                 "a..b:80",
                                 ".a:80",
                                 ":80",
                                 "unix:",
                                 "unix:run/x",
                                 "http://a:80",
                                 "a b:80"}) {
    const auto address = Address::Parse(text);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_THAT(std::string(address.status().message()), HasSubstr("expected HOST:PORT")) << text;
  }
}

TEST(Address, LimitsNamesAndSocketPaths) {
  EXPECT_TRUE(Address::Parse(absl::StrCat(std::string(63, 'a'), ":80")).ok());
  EXPECT_FALSE(Address::Parse(absl::StrCat(std::string(64, 'a'), ":80")).ok());
  const size_t longest = sizeof(sockaddr_un::sun_path) - 1;
  EXPECT_TRUE(Address::Parse("unix:/" + std::string(longest - 1, 'a')).ok());
  EXPECT_FALSE(Address::Parse("unix:/" + std::string(longest, 'a')).ok());
  EXPECT_FALSE(Address::Parse(absl::string_view("unix:/a\0b", 9)).ok());
}

TEST(Address, KnowsWhatStaysOnTheMachine) {
  for (absl::string_view text :
       {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "unix:/x", "localhost:1"}) {
    EXPECT_TRUE(Parse(text).is_local()) << text;
  }
  for (absl::string_view text :
       {"0.0.0.0:1", "10.0.0.1:1", "[::]:1", "[2001:db8::1]:1", "127.example:1"}) {
    EXPECT_FALSE(Parse(text).is_local()) << text;
  }
}

TEST(Address, GoesThroughSockaddrUnchanged) {
  for (absl::string_view text : {"10.0.1.11:8080", "[2001:db8::ff]:443", "unix:/run/x.sock"}) {
    const Address address = Parse(text);
    sockaddr_storage storage;
    const socklen_t length = address.ToSockaddr(&storage);
    ASSERT_GT(length, 0u);
    auto again = Address::FromSockaddr(reinterpret_cast<const sockaddr*>(&storage), length);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(*again, address);
  }
}

TEST(Address, ANameHasNoSockaddr) {
  sockaddr_storage storage;
  EXPECT_EQ(Parse("pay.internal:80").ToSockaddr(&storage), 0u);
}

TEST(Address, TakesAMappedAddressForIp4) {
  sockaddr_in6 mapped{};
  mapped.sin6_family = AF_INET6;
  mapped.sin6_port = htons(80);
  inet_pton(AF_INET6, "::ffff:10.0.0.1", &mapped.sin6_addr);
  auto address = Address::FromSockaddr(reinterpret_cast<const sockaddr*>(&mapped), sizeof(mapped));
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->ToString(), "10.0.0.1:80");
}

TEST(Address, RefusesOtherFamiliesAndShortSockaddrs) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  EXPECT_FALSE(Address::FromSockaddr(reinterpret_cast<const sockaddr*>(&in), 4).ok());
  in.sin_family = AF_NETLINK;
  EXPECT_FALSE(Address::FromSockaddr(reinterpret_cast<const sockaddr*>(&in), sizeof(in)).ok());
}

TEST(Address, AnUnnamedPeerOfAUnixSocketHasNoPath) {
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  auto address =
      Address::FromSockaddr(reinterpret_cast<const sockaddr*>(&un), sizeof(un.sun_family));
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->ToString(), "unix:");
}

TEST(Address, OverlapsWhereBothCouldNotListen) {
  const auto overlap = [](absl::string_view a, absl::string_view b) {
    EXPECT_EQ(Parse(a).Overlaps(Parse(b)), Parse(b).Overlaps(Parse(a))) << a << " " << b;
    return Parse(a).Overlaps(Parse(b));
  };
  EXPECT_TRUE(overlap("127.0.0.1:80", "127.0.0.1:80"));
  EXPECT_TRUE(overlap("0.0.0.0:80", "127.0.0.1:80"));
  EXPECT_TRUE(overlap("[::]:80", "[::1]:80"));
  EXPECT_TRUE(overlap("unix:/run/a", "unix:/run/a"));
  EXPECT_FALSE(overlap("127.0.0.2:80", "127.0.0.1:80"));
  EXPECT_FALSE(overlap("0.0.0.0:80", "127.0.0.1:81"));
  EXPECT_FALSE(overlap("0.0.0.0:80", "[::1]:80"));
  EXPECT_FALSE(overlap("127.0.0.1:0", "127.0.0.1:0"));
  EXPECT_FALSE(overlap("unix:/run/a", "unix:/run/b"));
}

TEST(Address, IsAKey) {
  absl::flat_hash_set<Address> set = {Parse("a:1"), Parse("a:2"), Parse("A:1"), Parse("b:1")};
  EXPECT_EQ(set.size(), 3u);
  EXPECT_LT(Parse("a:1"), Parse("a:2"));
}

}  // namespace
}  // namespace tollgate
