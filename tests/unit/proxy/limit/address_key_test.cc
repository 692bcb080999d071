#include "proxy/limit/address_key.h"

#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

std::string KeyOf(absl::string_view text) { return AddressKey(*Address::Parse(text)); }

TEST(AddressKey, IsTheAddressForIpv4) { EXPECT_EQ(KeyOf("192.0.2.1:443"), "192.0.2.1"); }

TEST(AddressKey, IsTheSlash64ForIpv6) {
  EXPECT_EQ(KeyOf("[2001:db8:1:2:3:4:5:6]:443"), "2001:db8:1:2::/64");
  EXPECT_EQ(KeyOf("[2001:db8:1:2::9]:80"), "2001:db8:1:2::/64");
  EXPECT_EQ(KeyOf("[2001:db8:1:3::9]:80"), "2001:db8:1:3::/64");
  EXPECT_EQ(KeyOf("[::1]:80"), "::/64");
}

TEST(AddressKey, MappedIpv4IsIpv4) { EXPECT_EQ(KeyOf("[::ffff:192.0.2.1]:80"), "192.0.2.1"); }

TEST(AddressKey, MayBeOfShorterOrLongerPrefixes) {
  const auto key = [](absl::string_view text, AddressPrefixes prefixes) {
    return AddressKey(*Address::Parse(text), prefixes);
  };
  EXPECT_EQ(key("192.0.2.77:1", {.ip4 = 24}), "192.0.2.0/24");
  EXPECT_EQ(key("[::ffff:192.0.2.77]:1", {.ip4 = 24}), "192.0.2.0/24");
  EXPECT_EQ(key("192.0.255.77:1", {.ip4 = 17}), "192.0.128.0/17");
  EXPECT_EQ(key("192.0.2.77:1", {.ip4 = 1}), "128.0.0.0/1");
  EXPECT_EQ(key("[2001:db8:1:2:3::9]:80", {.ip6 = 48}), "2001:db8:1::/48");
  EXPECT_EQ(key("[2001:db8:1:ffff::9]:80", {.ip6 = 50}), "2001:db8:1:c000::/50");
  EXPECT_EQ(key("[2001:db8::9]:80", {.ip6 = 128}), "2001:db8::9/128");
}

TEST(AddressKey, UnixSocketsShareOne) { EXPECT_EQ(KeyOf("unix:/run/a.sock"), "unix"); }

}  // namespace
}  // namespace tollgate::proxy
