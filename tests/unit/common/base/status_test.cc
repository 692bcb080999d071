#include "common/base/status.h"

#include <cerrno>

#include "absl/strings/match.h"
#include "gtest/gtest.h"

namespace tollgate {
namespace {

absl::StatusOr<int> Half(int n) {
  if (n % 2 != 0) return absl::InvalidArgumentError("odd");
  return n / 2;
}
absl::StatusOr<int> Quarter(int n) {
  ASSIGN_OR_RETURN(const int half, Half(n));
  ASSIGN_OR_RETURN(const int quarter, Half(half));
  return quarter;
}
absl::Status Both(int a, int b) {
  RETURN_IF_ERROR(Half(a).status());
  RETURN_IF_ERROR(Half(b).status());
  return absl::OkStatus();
}

TEST(StatusMacros, ReturnTheFirstError) {
  EXPECT_EQ(Quarter(8).value(), 2);
  EXPECT_EQ(Quarter(6).status().message(), "odd");
  EXPECT_EQ(Quarter(3).status().message(), "odd");
  EXPECT_TRUE(Both(2, 4).ok());
  EXPECT_FALSE(Both(2, 3).ok());
}

TEST(ErrnoStatus, SaysWhatAndWhy) {
  const absl::Status status = ErrnoStatus(ENOENT, "open x");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(absl::StrContains(status.message(), "open x")) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "No such file")) << status;
}

TEST(Annotate, PutsTheContextInFront) {
  const absl::Status status = Annotate(absl::NotFoundError("gone"), "route r");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "route r: gone");
  EXPECT_TRUE(Annotate(absl::OkStatus(), "route r").ok());
}

}  // namespace
}  // namespace tollgate
