#include "proxy/http/reason_phrase.h"

#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

TEST(ReasonPhrase, KnowsEveryStatusThatTollgateAnswersWith) {
  for (const int status : {100, 200, 400, 401, 403, 404, 405, 408, 410, 413, 414,
                           417, 421, 429, 431, 500, 501, 502, 503, 504, 505}) {
    EXPECT_FALSE(ReasonPhrase(status).empty()) << status;
  }
  EXPECT_EQ(ReasonPhrase(413), "Content Too Large");  // RFC 9110's name, not RFC 2616's
}

TEST(ReasonPhrase, HasNoneForAStatusThatNobodyRegistered) {
  for (const int status : {0, 99, 299, 418, 599, 999}) {
    EXPECT_EQ(ReasonPhrase(status), "") << status;
  }
}

}  // namespace
}  // namespace tollgate::proxy
