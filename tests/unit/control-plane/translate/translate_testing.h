// What the tests of translation share.
#pragma once

#include <string>

#include "common/policy/from_proto.h"
#include "control-plane/translate/translate.h"
#include "tests/unit/control-plane/model/model_testing.h"

namespace tollgate::control {

inline CutIdentity TestCut() { return {"incarnation-1", 17, 4}; }

// Two live keys of Consumer/shop-42, one of a consumer that no model here has, and three revoked.
inline Credentials TestCredentials() {
  Credentials credentials;
  credentials.keys = {{"shop-42", "till", "tg_b", std::string(32, 'h'), 1900000000, "pepper-1"},
                      {"shop-42", "till", "tg_a", std::string(32, 'g'), 0, "pepper-1"},
                      {"stranger", "x", "tg_c", std::string(32, 's'), 0, "pepper-2"}};
  credentials.peppers = {{"pepper-1", "salt"}, {"pepper-2", "more salt"}};
  credentials.revoked = {{"shop-42", "tg_z", 9}, {"shop-42", "tg_y", 12}, {"gone", "tg_x", 13}};
  return credentials;
}

// What the sidecar would compile; fails the test when it would refuse.
inline Policy PolicyOf(const config::v1::Bundle& bundle) {
  PolicyOrErrors result = FromBundle(bundle);
  for (const ResourceError& error : result.errors) ADD_FAILURE() << ToString(error);
  return std::move(result.policy);
}

}  // namespace tollgate::control
