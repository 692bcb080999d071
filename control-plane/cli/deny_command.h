// deny add, remove, list: tokens that are refused although they verify. Values and functions of
// them; the commands themselves are in commands.h.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "tollgate/admin/v1/admin.pb.h"

namespace tollgate::control {

struct DenyFlags {
  std::string issuer;
  std::string token_id, subject, client;  // one of them
  Duration lasts = Duration::zero();      // zero: until it is lifted
  std::string reason;
};

// InvalidArgument, in the words of the command line, when not exactly one of the three is there.
absl::StatusOr<admin::v1::AddDenialRequest> ToRequest(const DenyFlags& flags,
                                                      const std::string& environment);

// "denied: tokens of login with sub \"mallory\" ..."
std::string DescribeAdded(const admin::v1::AddDenialResponse& response);
std::string DenialsTable(const admin::v1::ListDenialsResponse& response, WallTime now);

}  // namespace tollgate::control
