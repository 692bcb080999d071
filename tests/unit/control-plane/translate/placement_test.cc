#include "control-plane/translate/placement.h"

#include "gmock/gmock.h"
#include "tests/unit/control-plane/model/model_testing.h"

namespace tollgate::control {
namespace {

using ::testing::HasSubstr;

constexpr absl::string_view kTwo = R"(
kind: Service
name: s
local: 127.0.0.1:9000
plaintext: true
endpoints:
  - {address: 10.0.0.1:80, instance: one, local: 127.0.0.1:9001}
  - {address: 10.0.0.2:80, instance: two}
)";

// "LISTEN -> LOCAL", or the error.
std::string PlaceOf(absl::string_view yaml, const NodeIdentity& node) {
  const auto placed = Place(ModelOf(yaml).services.at("s"), node);
  if (!placed.ok()) return std::string(placed.status().message());
  if (!placed->has_value()) return "nowhere";
  return absl::StrCat((*placed)->listen.ToString(), " -> ", (*placed)->local.ToString());
}

TEST(Place, IsByInstanceThenByAddress) {
  EXPECT_EQ(PlaceOf(kTwo, {"one", "s", ""}), "10.0.0.1:80 -> 127.0.0.1:9001");
  EXPECT_EQ(PlaceOf(kTwo, {"two", "s", ""}), "10.0.0.2:80 -> 127.0.0.1:9000");
  EXPECT_EQ(PlaceOf(kTwo, {"two", "s", "10.0.0.1:80"}), "10.0.0.2:80 -> 127.0.0.1:9000");
  EXPECT_EQ(PlaceOf(kTwo, {"three", "s", "10.0.0.1:80"}), "10.0.0.1:80 -> 127.0.0.1:9001");
}

TEST(Place, SaysWhatToDoWhenItCannotTell) {
  EXPECT_EQ(
      PlaceOf(kTwo, {"three", "s", ""}),
      "sidecar \"three\" of Service/s: none of the endpoints (10.0.0.1:80, 10.0.0.2:80) is "
      "known to be its own. Write instance: three beside its address in the Service, or start "
      "the sidecar with that address");
  EXPECT_THAT(PlaceOf(kTwo, {"three", "s", "nonsense"}), HasSubstr("no port"));
}

TEST(Place, IsTheOnlyEndpointUnlessThatIsAnothers) {
  EXPECT_EQ(PlaceOf("kind: Service\nname: s\nlocal: 127.0.0.1:1\nendpoints: [127.0.0.1:2]\n",
                    {"any", "s", ""}),
            "127.0.0.1:2 -> 127.0.0.1:1");
  constexpr absl::string_view kNamed =
      "kind: Service\nname: s\nlocal: 127.0.0.1:1\n"
      "endpoints: [{address: 127.0.0.1:2, instance: a}]\n";
  EXPECT_EQ(PlaceOf(kNamed, {"a", "s", ""}), "127.0.0.1:2 -> 127.0.0.1:1");
  EXPECT_THAT(PlaceOf(kNamed, {"b", "s", ""}), HasSubstr("none of the endpoints"));
}

TEST(Place, ListensWhereTheListenerSays) {
  const std::string listener =
      absl::StrCat(kTwo, "---\nkind: Listener\nname: s\naddress: 0.0.0.0:80\nplaintext: true\n");
  EXPECT_EQ(PlaceOf(listener, {"one", "s", ""}), "0.0.0.0:80 -> 127.0.0.1:9001");
  EXPECT_EQ(PlaceOf(listener, {"unknown", "s", ""}), "0.0.0.0:80 -> 127.0.0.1:9000");
  EXPECT_EQ(PlaceOf("kind: Service\nname: s\n---\nkind: Listener\nname: s\naddress: 127.0.0.1:80\n",
                    {"n", "s", ""}),
            "sidecar \"n\" of Service/s: nobody says where it delivers. Set local of the Service, "
            "e.g. local: 127.0.0.1:9000");
}

TEST(Place, NeedsAnAddressAndNotAName) {
  EXPECT_THAT(PlaceOf("kind: Service\nname: s\nlocal: 127.0.0.1:1\nplaintext: true\n"
                      "endpoints: [\"s.internal:80\"]\n",
                      {"n", "s", ""}),
              HasSubstr("cannot listen on the host name s.internal:80. Add a Listener document"));
}

TEST(Place, IsNowhereForAServiceThatNobodyCalls) {
  EXPECT_EQ(PlaceOf("kind: Service\nname: s\n", {"n", "s", ""}), "nowhere");
}

}  // namespace
}  // namespace tollgate::control
