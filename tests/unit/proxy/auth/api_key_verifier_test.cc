#include "proxy/auth/api_key_verifier.h"

#include "absl/strings/str_cat.h"
#include "common/crypto/api_key.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

using ::testing::HasSubstr;

constexpr char kPepper[] = "a pepper of enough bytes";
const WallTime kNow = FromUnixSeconds(1'700'000'000);

class ApiKeys : public ::testing::Test {
 protected:
  ApiKeys() {
    policy_.secrets["pepper"] = kPepper;
    policy_.consumers["shop-42"].name = "shop-42";
    policy_.consumers["shop-43"].name = "shop-43";
  }
  GeneratedApiKey Issue(const std::string& consumer,
                        std::optional<WallTime> not_after = std::nullopt) {
    const GeneratedApiKey key = GenerateApiKey();
    policy_.consumers[consumer].api_keys.push_back(
        {.id = key.id,
         .hash = std::string(AsBytes(HashApiKeySecret(kPepper, key.secret))),
         .name = "till",
         .not_after = not_after,
         .pepper = "pepper"});
    return key;
  }
  ApiKeyResult Check(absl::string_view text, const DenyList& denied = DenyList(),
                     WallTime now = kNow) {
    index_ = std::make_unique<ConsumerIndex>(ConsumerIndex::Build(policy_).value());
    return ApiKeyVerifier::Compile(policy_, index_.get())->Check(text, denied, now);
  }
  std::string Refusal() {
    const auto index = ConsumerIndex::Build(policy_);
    if (!index.ok()) return std::string(index.status().message());
    const auto verifier = ApiKeyVerifier::Compile(policy_, &*index);
    return verifier.ok() ? "accepted" : std::string(verifier.status().message());
  }

  Policy policy_;
  std::unique_ptr<ConsumerIndex> index_;
};

TEST_F(ApiKeys, NameTheirConsumer) {
  const GeneratedApiKey a = Issue("shop-42"), b = Issue("shop-43");
  const std::string text = a.text();
  const ApiKeyResult result = Check(text);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.consumer->name, "shop-42");
  EXPECT_EQ(result.key->id, a.id);
  EXPECT_EQ(result.id, a.id);
  EXPECT_EQ(Check(b.text()).consumer->name, "shop-43");
}

TEST_F(ApiKeys, TwoOfOneNameLiveAtOnce) {
  const GeneratedApiKey old_key = Issue("shop-42"), new_key = Issue("shop-42");
  EXPECT_TRUE(Check(old_key.text()).ok());
  EXPECT_TRUE(Check(new_key.text()).ok());
}

TEST_F(ApiKeys, AreRefusedForTheirReason) {
  const GeneratedApiKey a = Issue("shop-42"), b = Issue("shop-43");
  EXPECT_EQ(Check("nonsense").failure, ApiKeyFailure::kMalformed);
  EXPECT_EQ(Check("tg_unknown." + a.secret).failure, ApiKeyFailure::kUnknown);
  EXPECT_EQ(Check(a.id + "." + b.secret).failure, ApiKeyFailure::kSecret);
  std::string flipped = a.text();
  flipped.back() = flipped.back() == 'a' ? 'b' : 'a';
  const ApiKeyResult result = Check(flipped);
  EXPECT_EQ(result.failure, ApiKeyFailure::kSecret);
  EXPECT_EQ(result.consumer, nullptr);
  EXPECT_EQ(result.key, nullptr);
}

TEST_F(ApiKeys, UnknownIdsAreToldForTheReport) {
  const std::string text = "tg_unknown." + std::string(30, 'a');
  const ApiKeyResult result = Check(text);
  EXPECT_EQ(result.id, "tg_unknown");
  EXPECT_EQ(ToString(result.failure), "unknown-key");
}

TEST_F(ApiKeys, StopAtOnceWhenRevoked) {
  const GeneratedApiKey key = Issue("shop-42"), other = Issue("shop-42");
  const DenyList denied(7, {key.id});
  EXPECT_EQ(denied.revision(), 7u);
  EXPECT_EQ(Check(key.text(), denied).failure, ApiKeyFailure::kRevoked);
  EXPECT_TRUE(Check(other.text(), denied).ok());
  // Also once its entry has left the policy.
  policy_.consumers["shop-42"].api_keys.clear();
  EXPECT_EQ(Check(key.text(), denied).failure, ApiKeyFailure::kRevoked);
  EXPECT_EQ(Check(key.text()).failure, ApiKeyFailure::kUnknown);
}

TEST_F(ApiKeys, LastUntilTheirEnd) {
  const std::string key = Issue("shop-42", kNow).text();
  EXPECT_TRUE(Check(key, DenyList(), kNow - std::chrono::seconds(1)).ok());
  EXPECT_TRUE(Check(key, DenyList(), kNow).ok());
  EXPECT_EQ(Check(key, DenyList(), kNow + std::chrono::seconds(1)).failure,
            ApiKeyFailure::kExpired);
}

TEST_F(ApiKeys, MayHaveDifferentPeppers) {
  const GeneratedApiKey a = Issue("shop-42");
  const GeneratedApiKey b = Issue("shop-42");
  policy_.secrets["new-pepper"] = "another pepper of enough bytes";
  ApiKeyPolicy& second = policy_.consumers["shop-42"].api_keys[1];
  second.pepper = "new-pepper";
  EXPECT_EQ(Check(b.text()).failure, ApiKeyFailure::kSecret);
  second.hash = std::string(AsBytes(HashApiKeySecret(policy_.secrets["new-pepper"], b.secret)));
  EXPECT_TRUE(Check(a.text()).ok());
  EXPECT_TRUE(Check(b.text()).ok());
}

TEST_F(ApiKeys, RefusePoliciesThatDoNotHoldTogether) {
  Issue("shop-42");
  ApiKeyPolicy& key = policy_.consumers["shop-42"].api_keys[0];
  EXPECT_EQ(Refusal(), "accepted");
  key.pepper = "missing";
  EXPECT_THAT(Refusal(), HasSubstr("pepper 'missing' is no secret of this policy"));
  key.pepper = "pepper";
  key.hash = "short";
  EXPECT_THAT(Refusal(), HasSubstr("hash has 5 bytes; expected 32"));
  key.hash = std::string(32, 'h');
  policy_.secrets["pepper"] = "short";
  EXPECT_THAT(Refusal(), HasSubstr("at least 16"));
  policy_.secrets["pepper"] = kPepper;
  policy_.consumers["shop-43"].api_keys.push_back(key);
  EXPECT_THAT(Refusal(), HasSubstr("both have the API key"));
}

ConsumerPolicy Consumer(const std::string& name, std::vector<TokenIdentity> tokens) {
  ConsumerPolicy consumer;
  consumer.name = name;
  consumer.tokens = std::move(tokens);
  return consumer;
}

TEST(ConsumerIndex, FindsByIssuerAndValue) {
  Policy policy;
  policy.consumers["a"] = Consumer("a", {{"bank", "1"}, {"other", "2"}});
  policy.consumers["b"] = Consumer("b", {{"bank", "2"}});
  const ConsumerIndex index = ConsumerIndex::Build(policy).value();
  EXPECT_EQ(index.FindByToken("bank", "1")->name, "a");
  EXPECT_EQ(index.FindByToken("other", "2")->name, "a");
  EXPECT_EQ(index.FindByToken("bank", "2")->name, "b");
  EXPECT_EQ(index.FindByToken("other", "1"), nullptr);
  EXPECT_EQ(index.FindByToken("bank", ""), nullptr);
  EXPECT_EQ(index.FindByKeyId("tg_x").key, nullptr);
}

TEST(ConsumerIndex, RefusesAnIdentityOfTwoConsumersOrOfNobody) {
  Policy policy;
  policy.consumers["a"] = Consumer("a", {{"bank", "1"}});
  policy.consumers["b"] = Consumer("b", {{"bank", "1"}});
  EXPECT_THAT(
      ConsumerIndex::Build(policy).status().message(),
      HasSubstr("consumers 'a' and 'b' both claim the token identity '1' of issuer 'bank'"));
  policy.consumers["b"].tokens = {{"bank", ""}};
  EXPECT_THAT(ConsumerIndex::Build(policy).status().message(), HasSubstr("empty value"));
}

}  // namespace
}  // namespace tollgate::proxy
