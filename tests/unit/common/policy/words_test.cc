#include "common/policy/words.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace tollgate::words {
namespace {

TEST(Words, AHeaderNameIsATokenInLowerCase) {
  for (const char* good : {"x-api-key", "idempotency-key", "a", "x~1"}) {
    EXPECT_TRUE(CheckHeaderName(good).ok()) << good;
  }
  for (const std::string& bad : {std::string(), std::string("X-Api-Key"), std::string("a b"),
                                 std::string("a:b"), std::string("a\r\nb"), std::string("a_b"),
                                 std::string("caf\xc3\xa9"), std::string(129, 'a')}) {
    EXPECT_FALSE(CheckHeaderName(bad).ok()) << bad;
  }
}

TEST(Words, AHeaderThatHttpOrTollgateWritesIsReserved) {
  for (const char* name : {"connection",
                           "keep-alive",
                           "proxy-authenticate",
                           "proxy-authorization",
                           "proxy-connection",
                           "te",
                           "trailer",
                           "transfer-encoding",
                           "upgrade",
                           "content-length",
                           "date",
                           "expect",
                           "host",
                           "via",
                           "authorization",
                           "deprecation",
                           "forwarded",
                           "retry-after",
                           "sunset",
                           "traceparent",
                           "tracestate",
                           "www-authenticate",
                           "x-forwarded-for",
                           "x-forwarded-host",
                           "x-forwarded-port",
                           "x-forwarded-proto",
                           "x-request-id",
                           "x-tollgate-consumer",
                           "tollgate-outcome",
                           "x-request-deadline-ms"}) {
    EXPECT_FALSE(CheckHeaderName(name).ok()) << name;
  }
}

TEST(Words, AHeaderValueCannotBeginAnotherField) {
  EXPECT_TRUE(CheckHeaderValue("a\tb \xc3\xa9").ok());
  EXPECT_TRUE(CheckHeaderValue(std::string(4096, 'a')).ok());
  for (const std::string& bad :
       {std::string(), std::string("a\nb"), std::string("a\rb"), std::string("a\0b", 3),
        std::string(" a"), std::string("a\t"), std::string("a\x7f"), std::string(4097, 'a')}) {
    EXPECT_FALSE(CheckHeaderValue(bad).ok()) << bad;
  }
}

TEST(Words, AnIdentifierHasNoSpacesAndAWordIsNoDotSegment) {
  EXPECT_TRUE(CheckIdentifier("spiffe://x/y").ok());
  EXPECT_TRUE(CheckIdentifier(std::string(255, 'a')).ok());
  for (const std::string& bad :
       {std::string(), std::string("a b"), std::string("a\n"), std::string(256, 'a')}) {
    EXPECT_FALSE(CheckIdentifier(bad).ok()) << bad;
  }
  EXPECT_TRUE(CheckWord("Payments_v1.2-x").ok());
  for (const char* bad : {"", ".", "..", "a/b", "a b", "a%2f"}) {
    EXPECT_FALSE(CheckWord(bad).ok()) << bad;
  }
}

TEST(Words, ANameBeginsAndEndsWithALetterOrADigit) {
  for (const char* good : {"a", "v1", "pay.cards-2"}) EXPECT_TRUE(CheckName(good).ok()) << good;
  for (const std::string& bad : {std::string(), std::string("-a"), std::string("a."),
                                 std::string("A"), std::string("a_b"), std::string(64, 'a')}) {
    EXPECT_FALSE(CheckName(bad).ok()) << bad;
  }
}

TEST(Words, APermissionIsAScopeToken) {
  EXPECT_TRUE(CheckPermission("https://x/payments.read").ok());
  for (const char* bad : {"", "a b", "a\"b", "a\\b", "caf\xc3\xa9"}) {
    EXPECT_FALSE(CheckPermission(bad).ok()) << bad;
  }
}

TEST(Words, AHostIsWrittenAsItIsCompared) {
  for (const char* good : {"*", "pay.example.com", "127.0.0.1", "[::1]", "a_b.local"}) {
    EXPECT_TRUE(CheckHost(good).ok()) << good;
  }
  for (const char* bad : {"", "*.example.com", "Pay.example.com", "pay.example.com.", "a:80",
                          "[0:0:0:0:0:0:0:1]", "::1", "-a.b", "a..b"}) {
    EXPECT_FALSE(CheckHost(bad).ok()) << bad;
  }
}

TEST(Words, ABasePathIsCanonicalAndReadTheSameByEveryServer) {
  for (const char* good : {"/", "/cards", "/a/b"}) EXPECT_TRUE(CheckBasePath(good).ok()) << good;
  for (const std::string& bad :
       {std::string(), std::string("cards"), std::string("/cards/"), std::string("/a/../b"),
        std::string("//a"), std::string("/a;b"), std::string("/a@b"), std::string("/a%40b"),
        std::string("/a%2Fb"), std::string("/%61"), absl::StrCat("/", std::string(255, 'a'))}) {
    EXPECT_FALSE(CheckBasePath(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace tollgate::words
