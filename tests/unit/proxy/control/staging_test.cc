#include "proxy/control/staging.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/sample_bundle.h"
#include "tests/fakes/wire_set.h"

namespace tollgate::proxy {
namespace {

using fakes::CutBetween;
using fakes::SampleBundle;
using fakes::ToActiveSet;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::shared_ptr<const ActiveSet> Shared(ActiveSet set) {
  return std::make_shared<const ActiveSet>(std::move(set));
}

// Stages everything but the Epoch; closes with the Epoch.
Staging::Closed Feed(Staging* staging, const std::vector<fakes::DeltaDiscoveryResponse>& cut) {
  for (size_t i = 0; i + 1 < cut.size(); ++i) {
    EXPECT_THAT(staging->Stage(*ParseTypeUrl(cut[i].type_url()), cut[i]), IsEmpty());
  }
  return staging->Close(cut.back());
}

std::vector<std::string> Codes(const std::vector<ResourceError>& errors) {
  std::vector<std::string> codes;
  for (const ResourceError& error : errors) codes.push_back(error.code + " " + error.field_path);
  return codes;
}

TEST(Staging, AWholeCutBecomesTheSetThatItsEpochVouchesFor) {
  Staging staging(Shared({}));
  const ActiveSet want = ToActiveSet(SampleBundle(1));
  const Staging::Closed closed = Feed(&staging, CutBetween({}, want, "1"));
  ASSERT_THAT(closed.errors, IsEmpty());
  EXPECT_EQ(closed.epoch.release(), 1u);
  EXPECT_EQ(closed.set->epoch_version, want.epoch_version);
  for (size_t i = 0; i < kCutTypes; ++i) {
    EXPECT_EQ(Versions(closed.set->types[i]), Versions(want.types[i]));
  }
  const BundleOrErrors bundle = ToBundle(*closed.set);
  EXPECT_THAT(bundle.errors, IsEmpty());
  EXPECT_EQ(bundle.bundle.route_tables(0).routes(0).name(), "get");
}

TEST(Staging, OverlaysWhatIsActiveWithChangesAndRemovals) {
  config::v1::Bundle before = SampleBundle(1);
  before.add_secrets()->set_name("gone");
  const ActiveSet have = ToActiveSet(before);
  const ActiveSet want = ToActiveSet(SampleBundle(2));
  Staging staging(Shared(have));
  const auto cut = CutBetween(have, want, "2");
  EXPECT_EQ(cut.size(), 5u);  // upstream, secrets, policy set, route table, epoch
  const Staging::Closed closed = Feed(&staging, cut);
  ASSERT_THAT(closed.errors, IsEmpty());
  EXPECT_FALSE(closed.set->types[Index(ResourceType::kSecret)].contains("gone"));
  // Endpoints were not sent, and are still there.
  EXPECT_EQ(closed.set->types[Index(ResourceType::kEndpoints)].size(), 1u);
}

TEST(Staging, AMissingPartIsADigestMismatchOfItsType) {
  Staging staging(Shared({}));
  auto cut = CutBetween({}, ToActiveSet(SampleBundle(1)), "1");
  cut.erase(cut.begin() + 5);  // the route table
  const Staging::Closed closed = Feed(&staging, cut);
  EXPECT_EQ(closed.set, nullptr);
  EXPECT_THAT(Codes(closed.errors), ElementsAre("DIGEST_MISMATCH digests[RouteTable]"));
}

TEST(Staging, DropsEverythingAfterARefusedCut) {
  Staging staging(Shared({}));
  auto broken = CutBetween({}, ToActiveSet(SampleBundle(1)), "1");
  broken.pop_back();
  broken.push_back(fakes::EpochResponse(ToActiveSet(SampleBundle(2)), "wrong"));
  EXPECT_EQ(Feed(&staging, broken).set, nullptr);
  // The next one builds on what is active (nothing), not on the rests of the broken one.
  const Staging::Closed closed = Feed(&staging, CutBetween({}, ToActiveSet(SampleBundle(3)), "3"));
  EXPECT_THAT(closed.errors, IsEmpty());
}

TEST(Staging, RefusesALowerRevisionOfTheSameIncarnation) {
  Staging staging(Shared(ToActiveSet(SampleBundle(7))));
  const ActiveSet old = ToActiveSet(SampleBundle(6));
  const Staging::Closed closed = Feed(&staging, CutBetween(*staging.active(), old, "6"));
  EXPECT_THAT(Codes(closed.errors), ElementsAre("LOWER_REVISION revision"));
}

TEST(Staging, AcceptsALowerRevisionOfARestoredStore) {
  Staging staging(Shared(ToActiveSet(SampleBundle(7))));
  const ActiveSet restored = ToActiveSet(SampleBundle(3, "life-2"));
  EXPECT_THAT(Feed(&staging, CutBetween(*staging.active(), restored, "3")).errors, IsEmpty());
}

TEST(Staging, AcceptsTheSameRevisionAgain) {
  // What a last-known-good without secrets needs: the same Epoch, with what was not kept.
  const ActiveSet want = ToActiveSet(SampleBundle(7));
  ActiveSet kept = want;
  kept.types[Index(ResourceType::kSecret)].clear();
  kept.epoch_version.clear();
  Staging staging(Shared(kept));
  EXPECT_THAT(Feed(&staging, CutBetween(kept, want, "7")).errors, IsEmpty());
}

TEST(Staging, RefusesAnEpochThatItDoesNotUnderstand) {
  const auto codes = [](auto change) {
    Staging staging(Shared({}));
    ActiveSet set = ToActiveSet(SampleBundle(1));
    config::v1::Epoch epoch;
    EXPECT_TRUE(epoch.ParseFromString(set.epoch_bytes));
    change(&epoch);
    set.epoch_bytes = epoch.SerializeAsString();
    return Codes(Feed(&staging, CutBetween({}, set, "1")).errors);
  };
  EXPECT_THAT(codes([](auto* e) { e->set_schema(kSchema + 1); }),
              ElementsAre("UNSUPPORTED_SCHEMA schema"));
  EXPECT_THAT(codes([](auto* e) { e->set_schema(0); }), ElementsAre("UNSUPPORTED_SCHEMA schema"));
  EXPECT_THAT(codes([](auto* e) { e->clear_incarnation(); }), ElementsAre("MISSING incarnation"));
  EXPECT_THAT(codes([](auto* e) { e->set_revision(0); }), ElementsAre("MISSING revision"));
  EXPECT_THAT(codes([](auto* e) { (*e->mutable_digests())["type.googleapis.com/x.Y"] = "00"; }),
              ElementsAre("UNKNOWN_VALUE digests"));
  // Which lists it vouches for is the RevocationBook's to compare: newer ones may have come.
  EXPECT_THAT(codes([](auto* e) {
                (*e->mutable_digests())[std::string(TypeUrl(ResourceType::kRevocation))] = "00";
              }),
              IsEmpty());
}

TEST(Staging, ATypeWithoutResourcesNeedsNoDigest) {
  config::v1::Bundle bundle = SampleBundle(1);
  bundle.clear_secrets();
  ActiveSet set = ToActiveSet(bundle);
  config::v1::Epoch epoch;
  ASSERT_TRUE(epoch.ParseFromString(set.epoch_bytes));
  epoch.mutable_digests()->erase(std::string(TypeUrl(ResourceType::kSecret)));
  set.epoch_bytes = epoch.SerializeAsString();
  Staging staging(Shared({}));
  EXPECT_THAT(Feed(&staging, CutBetween({}, set, "1")).errors, IsEmpty());
}

TEST(Staging, ARefusedPartRefusesTheCutAtItsEpoch) {
  Staging staging(Shared({}));
  const ActiveSet want = ToActiveSet(SampleBundle(1));
  auto cut = CutBetween({}, want, "1");
  auto bad = cut[0];
  bad.mutable_resources(0)->mutable_resource()->set_type_url("type.googleapis.com/x.Y");
  bad.mutable_resources()->Add()->set_name("");
  EXPECT_THAT(Codes(staging.Stage(ResourceType::kUpstream, bad)),
              ElementsAre("INVALID resource.type_url", "MISSING name"));
  const Staging::Closed closed = Feed(&staging, cut);  // whole, but the first part stays refused
  EXPECT_EQ(closed.set, nullptr);
  EXPECT_THAT(Codes(closed.errors), ElementsAre("INVALID resource.type_url", "MISSING name"));
}

TEST(Staging, RefusesAResponseThatIsNotExactlyOneEpoch) {
  Staging staging(Shared({}));
  EXPECT_THAT(Codes(staging.Close(fakes::EmptyResponse(ResourceType::kEpoch, "1")).errors),
              ElementsAre("INVALID "));
}

TEST(ToBundle, RefusesBytesThatAreNoMessageAndForeignNames) {
  ActiveSet set = ToActiveSet(SampleBundle(1));
  auto& upstreams = set.types[Index(ResourceType::kUpstream)];
  upstreams["other"] = upstreams["local/payments"];
  upstreams["broken"] = {"v", std::make_shared<const std::string>("\xff\xff")};
  const BundleOrErrors bundle = ToBundle(set);
  EXPECT_THAT(Codes(bundle.errors), ElementsAre("INVALID ", "INVALID name"));
}

}  // namespace
}  // namespace tollgate::proxy
