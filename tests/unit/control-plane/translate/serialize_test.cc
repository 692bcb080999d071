#include <algorithm>
#include <set>

#include "common/policy/resource_type.h"
#include "gmock/gmock.h"
#include "tests/unit/control-plane/translate/translate_testing.h"

namespace tollgate::control {
namespace {

using ::testing::ElementsAre;

std::vector<NamedResource> Payments(const std::vector<SourceDocument>& documents,
                                    const Credentials& credentials = TestCredentials()) {
  const auto bundle =
      Translate(ModelOf(documents), credentials, {"payments-1", "payments", ""}, TestCut());
  EXPECT_TRUE(bundle.ok()) << bundle.status().message();
  return Serialize(bundle.value());
}

TEST(Serialize, GivesEqualBytesForEqualContent) {
  std::vector<SourceDocument> documents = ReadExample("card-payments.yaml");
  Credentials credentials = TestCredentials();
  const std::vector<NamedResource> resources = Payments(documents, credentials);
  std::reverse(documents.begin(), documents.end());
  std::reverse(credentials.keys.begin(), credentials.keys.end());
  std::reverse(credentials.revoked.begin(), credentials.revoked.end());
  EXPECT_EQ(resources, Payments(documents, credentials));
}

TEST(Serialize, IsInTheOrderOfACut) {
  std::vector<std::string> types;
  std::set<std::pair<std::string, std::string>> names;
  for (const NamedResource& resource : Payments(ReadExample("card-payments.yaml"))) {
    EXPECT_TRUE(names.emplace(resource.type_url, resource.name).second);
    EXPECT_EQ(resource.version.size(), 64u);
    const std::string type(TypeName(ParseTypeUrl(resource.type_url).value()));
    if (types.empty() || types.back() != type) types.push_back(type);
  }
  EXPECT_THAT(types, ElementsAre("Upstream", "Endpoints", "Secret", "ConsumerShard", "PolicySet",
                                 "RouteTable", "Listener", "Revocation", "Epoch"));
}

TEST(Serialize, ClosesWithTheDigestOfEveryType) {
  const std::vector<NamedResource> resources = Payments(ReadExample("card-payments.yaml"));
  config::v1::Epoch epoch;
  ASSERT_TRUE(epoch.ParseFromString(resources.back().bytes));
  EXPECT_EQ(resources.back().name, kEpochName);
  EXPECT_EQ(epoch.incarnation(), "incarnation-1");
  EXPECT_EQ(epoch.revision(), 17u);
  EXPECT_EQ(epoch.release(), 4u);
  EXPECT_EQ(epoch.schema(), kSchema);
  EXPECT_EQ(epoch.digests_size(), static_cast<int>(kCutTypes) + 1);
  std::map<std::string, std::string> revocations;
  for (const NamedResource& resource : resources) {
    if (resource.type_url == TypeUrl(ResourceType::kRevocation)) {
      revocations[resource.name] = resource.version;
    }
  }
  EXPECT_EQ(epoch.digests().at(std::string(TypeUrl(ResourceType::kRevocation))),
            SetDigest(revocations));
  const std::string url(TypeUrl(ResourceType::kRouteTable));
  std::map<std::string, std::string> tables;
  for (const NamedResource& resource : resources) {
    if (resource.type_url == url) tables[resource.name] = resource.version;
  }
  EXPECT_EQ(tables.size(), 2u);
  EXPECT_EQ(epoch.digests().at(url), SetDigest(tables));
}

TEST(Serialize, SaysAlsoThatThereIsNothingOfAType) {
  const auto bundle = Translate(ModelOf("kind: Service\nname: s\n"), {}, {"n", "s", ""}, TestCut());
  const std::vector<NamedResource> resources = Serialize(bundle.value());
  ASSERT_EQ(resources.size(), 1u);
  config::v1::Epoch epoch;
  ASSERT_TRUE(epoch.ParseFromString(resources.back().bytes));
  EXPECT_EQ(epoch.digests().at(std::string(TypeUrl(ResourceType::kListener))), SetDigest({}));
  EXPECT_EQ(epoch.digests().at(std::string(TypeUrl(ResourceType::kRevocation))), SetDigest({}));
}

TEST(Serialize, ChangesOnlyWhatChanged) {
  std::vector<SourceDocument> documents = ReadExample("card-payments.yaml");
  const std::vector<NamedResource> before = Payments(documents);
  for (SourceDocument& source : documents) {
    if (source.document.name() == "guessing") source.document.mutable_plan()->set_burst(101);
  }
  const std::vector<NamedResource> after = Payments(documents);
  ASSERT_EQ(before.size(), after.size());
  std::vector<std::string> changed;
  for (size_t i = 0; i < before.size(); ++i) {
    if (before[i] != after[i]) changed.push_back(after[i].name);
  }
  EXPECT_THAT(changed, ElementsAre("policy", "epoch"));
}

}  // namespace
}  // namespace tollgate::control
