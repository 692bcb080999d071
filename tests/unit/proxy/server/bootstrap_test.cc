#include "proxy/server/bootstrap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tollgate::proxy {
namespace {

using testing::HasSubstr;

absl::StatusOr<config::v1::Bootstrap> Complete(absl::string_view json) {
  auto bootstrap = ParseBootstrap(json);
  if (!bootstrap.ok()) return bootstrap.status();
  const absl::Status status = CompleteBootstrap(&*bootstrap, /*standalone=*/true);
  if (!status.ok()) return status;
  return bootstrap;
}

TEST(Bootstrap, SaysHowMuchMemoryLimitCountersMayTake) {
  EXPECT_EQ(Complete("{}")->limit_keys(), 1'000'000u);
  EXPECT_EQ(Complete("{}")->limit_bytes(), uint64_t{512} << 20);
  const auto own = Complete(R"({"limit_keys": 5000, "limit_bytes": "4194304"})");
  EXPECT_EQ(own->limit_keys(), 5000u);
  EXPECT_EQ(own->limit_bytes(), uint64_t{4} << 20);
  EXPECT_THAT(std::string(Complete(R"({"limit_keys": 999})").status().message()),
              HasSubstr("limit_keys \"999\": expected 1000 to 100000000"));
  EXPECT_THAT(std::string(Complete(R"({"limit_bytes": 1000})").status().message()),
              HasSubstr("limit_bytes \"1000\": expected at least 1048576"));
}

}  // namespace
}  // namespace tollgate::proxy
