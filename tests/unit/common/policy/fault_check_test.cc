#include "common/policy/fault_check.h"

#include "tests/unit/common/policy/bundle_for_test.h"

namespace tollgate {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(RefuseFaults, FindsNoneInAPolicyWithoutThem) {
  const PolicyOrErrors good = FromBundle(GoodBundle());
  ASSERT_TRUE(good.ok());
  EXPECT_THAT(RefuseFaults(good.policy), IsEmpty());
}

TEST(RefuseFaults, NamesEachRouteAndTheRemedy) {
  config::v1::Bundle bundle = GoodBundle();
  for (int route : {0, 1}) {
    config::v1::FaultDelay* delay =
        bundle.mutable_route_tables(0)->mutable_routes(route)->mutable_faults()->mutable_delay();
    delay->set_duration_ms(100);
    delay->set_per_ten_thousand(1);
  }
  const PolicyOrErrors read = FromBundle(bundle);
  ASSERT_TRUE(read.ok()) << ToString(read.errors[0]);
  const std::vector<ResourceError> errors = RefuseFaults(read.policy);
  ASSERT_EQ(errors.size(), 2u);
  EXPECT_EQ(errors[0].type_url, "type.googleapis.com/tollgate.config.v1.RouteTable");
  EXPECT_EQ(errors[0].name, "cards/v2");
  EXPECT_EQ(errors[0].code, "FAULTS_NOT_ALLOWED");
  EXPECT_EQ(errors[0].field_path, "routes[0].faults");
  EXPECT_THAT(errors[0].message, HasSubstr("route create injects faults"));
  EXPECT_THAT(errors[0].message, HasSubstr("--allow-faults"));
  EXPECT_EQ(errors[1].field_path, "routes[1].faults");
}

}  // namespace
}  // namespace tollgate
