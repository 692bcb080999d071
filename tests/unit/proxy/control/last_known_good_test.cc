#include "proxy/control/last_known_good.h"

#include <future>

#include "common/base/log.h"
#include "common/crypto/sealed.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proxy/control/lkg_file.h"
#include "tests/fakes/crashing_files.h"
#include "tests/fakes/sample_bundle.h"
#include "tests/fakes/wire_set.h"

namespace tollgate::proxy {
namespace {

using fakes::CrashingDisk;
using fakes::CrashingFiles;
using fakes::SampleBundle;
using fakes::ToActiveSet;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

const char kDirectory[] = "/lkg";

SecretBytes Key(char c) { return SecretBytes(std::string(kSealKeyBytes, c)); }

class LastKnownGoodTest : public ::testing::Test {
 protected:
  absl::Status TryOpen(bool sealed, const std::string& node = "payments-1", char key = 'k') {
    lkg_.reset();
    LastKnownGood::Options options{kDirectory, node, std::nullopt};
    if (sealed) options.key = Key(key);
    auto opened = LastKnownGood::Open(std::move(options), &files_, &clock_);
    if (!opened.ok()) return opened.status();
    lkg_ = *std::move(opened);
    return absl::OkStatus();
  }
  void Open(bool sealed, const std::string& node = "payments-1", char key = 'k') {
    const absl::Status status = TryOpen(sealed, node, key);
    ASSERT_TRUE(status.ok()) << status;
  }
  absl::Status Save(const ActiveSet& set) {
    std::promise<absl::Status> done;
    lkg_->SavePolicy(std::make_shared<const ActiveSet>(set),
                     [&](absl::Status status) { done.set_value(std::move(status)); });
    return done.get_future().get();
  }
  absl::Status Save(const Revocations& revocations) {
    std::promise<absl::Status> done;
    lkg_->SaveRevocations(revocations,
                          [&](absl::Status status) { done.set_value(std::move(status)); });
    return done.get_future().get();
  }
  std::string Content(const std::string& name) {
    return *files_.Read(std::string(kDirectory) + "/" + name, kMaxLkgBytes);
  }
  absl::Status PolicyError() {
    const auto loaded = lkg_->Load();
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    if (!loaded.ok()) return absl::OkStatus();
    EXPECT_FALSE(loaded->has_policy);
    return loaded->policy_error;
  }
  uint64_t LoadedRelease() {
    const auto loaded = lkg_->Load();
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    return loaded.ok() ? loaded->bundle.epoch().release() : 0;
  }

  CrashingDisk disk_{1};
  CrashingFiles files_{&disk_};
  FakeClock clock_;
  std::unique_ptr<LastKnownGood> lkg_;
};

TEST_F(LastKnownGoodTest, SaysWhenNothingWasKept) {
  Open(true);
  EXPECT_TRUE(absl::IsNotFound(lkg_->Load().status()));
}

TEST_F(LastKnownGoodTest, GivesBackEverythingUnderABootstrapKey) {
  Open(true);
  const ActiveSet set = ToActiveSet(SampleBundle(3));
  ASSERT_TRUE(Save(set).ok());
  const Revocations revocations{
      {{"revoked", {"v", 7, {"tg_a", "tg_b"}}}}, {{"tg_old", 5}, {"tg_ever", kForever}}, "life-1"};
  ASSERT_TRUE(Save(revocations).ok());
  clock_.Advance(std::chrono::hours(2));
  Open(true);
  const auto loaded = lkg_->Load();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_TRUE(loaded->complete);
  EXPECT_TRUE(loaded->has_policy);
  EXPECT_EQ(clock_.Wall() - loaded->written, std::chrono::hours(2));
  EXPECT_EQ(loaded->active.epoch_version, set.epoch_version);
  for (size_t i = 0; i < kCutTypes; ++i) {
    EXPECT_EQ(Versions(loaded->active.types[i]), Versions(set.types[i]));
  }
  EXPECT_EQ(loaded->revocations, revocations);
  EXPECT_EQ(loaded->bundle.secrets(0).value(), "a pepper that nobody may see");
  EXPECT_TRUE(FromBundle(loaded->bundle).ok());
}

TEST_F(LastKnownGoodTest, NothingIsReadableInASealedFile) {
  Open(true);
  ASSERT_TRUE(Save(ToActiveSet(SampleBundle(3))).ok());
  EXPECT_THAT(Content("policy.lkg"), Not(HasSubstr("pepper")));
  EXPECT_THAT(Content("policy.lkg"), Not(HasSubstr("shop-42")));
}

TEST_F(LastKnownGoodTest, KeepsNoSecretAndNoKeyWithoutABootstrapKey) {
  Open(false);
  ASSERT_TRUE(Save(ToActiveSet(SampleBundle(3))).ok());
  EXPECT_THAT(Content("policy.lkg"), Not(HasSubstr("a pepper")));
  EXPECT_THAT(Content("policy.lkg"), Not(HasSubstr("hhhhhhhh")));
  Open(false);
  const auto loaded = lkg_->Load();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_FALSE(loaded->complete);
  const PolicyOrErrors policy = FromBundle(loaded->bundle);
  ASSERT_TRUE(policy.ok()) << ToString(policy.errors[0]);
  EXPECT_THAT(policy.policy.consumers.at("shop-42").api_keys, IsEmpty());
  EXPECT_EQ(policy.policy.epoch.release, 3u);
  // What was changed is not listed, and so is sent again.
  EXPECT_THAT(loaded->active.epoch_version, IsEmpty());
  EXPECT_THAT(loaded->active.types[Index(ResourceType::kConsumerShard)], IsEmpty());
  EXPECT_EQ(loaded->active.types[Index(ResourceType::kRouteTable)].size(), 1u);
}

TEST_F(LastKnownGoodTest, WithoutItsSecretAnIssuerAcceptsNoToken) {
  config::v1::Bundle bundle = SampleBundle(3);
  const std::string jwks =
      R"({"keys":[{"kty":"oct","kid":"1","alg":"HS256","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}]})";
  bundle.add_secrets()->set_name("jwks/bank");
  bundle.mutable_secrets(1)->set_value(jwks);
  config::v1::Issuer* issuer = bundle.mutable_policy_sets(0)->add_issuers();
  issuer->set_name("bank");
  issuer->set_issuer("https://bank.example/");
  issuer->add_audiences("cards");
  issuer->add_algorithms("HS256");
  issuer->set_jwks_secret("jwks/bank");
  issuer->set_profile(config::v1::PROFILE_JWT);
  issuer->set_consumer_claim("sub");
  issuer->set_permissions_claim("scope");
  ASSERT_TRUE(FromBundle(bundle).ok()) << ToString(FromBundle(bundle).errors[0]);
  Open(false);
  ASSERT_TRUE(Save(ToActiveSet(bundle)).ok());
  EXPECT_THAT(Content("policy.lkg"), Not(HasSubstr("c2VjcmV0")));
  const auto first = lkg_->Load();
  const auto second = lkg_->Load();
  ASSERT_TRUE(first.ok() && second.ok());
  const PolicyOrErrors policy = FromBundle(first->bundle);
  ASSERT_TRUE(policy.ok()) << ToString(policy.errors[0]);
  EXPECT_NE(policy.policy.issuers.at("bank").jwks, jwks);
  // Drawn at each boot, written nowhere.
  EXPECT_NE(policy.policy.issuers.at("bank").jwks,
            FromBundle(second->bundle).policy.issuers.at("bank").jwks);
}

TEST_F(LastKnownGoodTest, RefusesAnotherNodesFile) {
  Open(true);
  ASSERT_TRUE(Save(ToActiveSet(SampleBundle(3))).ok());
  Open(true, "payments-2");
  const absl::Status status = PolicyError();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("payments-1"));
}

TEST_F(LastKnownGoodTest, RefusesAnotherKeyNoKeyAndAKeyTooMany) {
  Open(true);
  ASSERT_TRUE(Save(ToActiveSet(SampleBundle(3))).ok());
  Open(true, "payments-1", 'x');
  EXPECT_TRUE(absl::IsUnauthenticated(PolicyError()));
  Open(false);
  EXPECT_TRUE(absl::IsFailedPrecondition(PolicyError()));
  ASSERT_TRUE(Save(ToActiveSet(SampleBundle(4))).ok());
  Open(true);
  EXPECT_TRUE(absl::IsFailedPrecondition(PolicyError()));
}

TEST_F(LastKnownGoodTest, RefusesADamagedFileWhateverByteIsDamaged) {
  Open(false);
  ASSERT_TRUE(Save(ToActiveSet(SampleBundle(3))).ok());
  const std::string path = std::string(kDirectory) + "/policy.lkg";
  const std::string content = Content("policy.lkg");
  for (size_t i = 0; i < content.size(); i += 7) {
    std::string bad = content;
    bad[i] = static_cast<char>(bad[i] ^ 0x20);
    ASSERT_TRUE(files_.Write(path, bad).ok());
    EXPECT_TRUE(absl::IsDataLoss(PolicyError())) << "byte " << i;
  }
  for (size_t size = 0; size < content.size(); size += 11) {
    ASSERT_TRUE(files_.Write(path, content.substr(0, size)).ok());
    EXPECT_TRUE(absl::IsDataLoss(PolicyError())) << size << " bytes";
  }
}

TEST_F(LastKnownGoodTest, GivesBackEveryDenialOfTokens) {
  Open(true);
  const WallTime until = FromUnixSeconds(1'800'000'000);
  const auto token = [](DeniedClaim claim, const std::string& value) {
    return DeniedToken{"https://login.bank.example/", claim, value};
  };
  Revocations revocations;
  revocations.listed["denied"] = {"v",
                                  9,
                                  {},
                                  {{token(DeniedClaim::kTokenId, "t-1"), until},
                                   {token(DeniedClaim::kSubject, "mallory"), kNoEnd},
                                   {token(DeniedClaim::kClient, "shop"), kNoEnd}},
                                  "life-1"};
  revocations.listed["revoked"] = {"w", 7, {"tg_a"}};
  revocations.lingering["tg_old"] = 5;
  revocations.incarnation = "life-1";
  revocations.lingering_tokens[{token(DeniedClaim::kSubject, "eve"), "life-1"}] = {4, until};
  revocations.lingering_tokens[{token(DeniedClaim::kSubject, "eve"), "life-0"}] = {4, kNoEnd};
  revocations.lingering_tokens[{token(DeniedClaim::kClient, "old"), "life-1"}] = {3, kNoEnd};
  ASSERT_TRUE(Save(revocations).ok());
  const auto loaded = lkg_->Load();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->revocations, revocations);
  EXPECT_THAT(Content("revocations.lkg"), Not(HasSubstr("mallory")));
}

TEST_F(LastKnownGoodTest, ServesNothingWhenItsRevocationsAreDamaged) {
  Open(true);
  ASSERT_TRUE(Save(ToActiveSet(SampleBundle(3))).ok());
  ASSERT_TRUE(files_.Write(std::string(kDirectory) + "/revocations.lkg", "rubbish").ok());
  EXPECT_TRUE(absl::IsDataLoss(lkg_->Load().status()));
}

TEST_F(LastKnownGoodTest, ADamagedPolicyCostsNoRevocation) {
  Open(true);
  ASSERT_TRUE(Save(ToActiveSet(SampleBundle(3))).ok());
  ASSERT_TRUE(Save(Revocations{{{"revoked", {"v", 7, {"tg_a"}}}}, {{"tg_old", 5}}}).ok());
  ASSERT_TRUE(files_.Write(std::string(kDirectory) + "/policy.lkg", "rubbish").ok());
  const auto loaded = lkg_->Load();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_THAT(KeyIds(loaded->revocations), UnorderedElementsAre("tg_a", "tg_old"));
  EXPECT_FALSE(loaded->has_policy);
  EXPECT_TRUE(absl::IsDataLoss(loaded->policy_error)) << loaded->policy_error;
  EXPECT_THAT(std::string(loaded->policy_error.message()), HasSubstr("/lkg/policy.lkg"));
}

TEST_F(LastKnownGoodTest, RevocationsThatCannotBeReadAreAnErrorWithItsRemedy) {
  Open(true);
  ASSERT_TRUE(Save(Revocations{{{"revoked", {"v", 7, {"tg_a"}}}}, {}}).ok());
  Open(true, "payments-1", 'x');
  EXPECT_TRUE(absl::IsUnauthenticated(lkg_->Load().status()));
  Open(true, "payments-2");
  const absl::Status status = lkg_->Load().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("/lkg/revocations.lkg: of node"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("restore the file"));
}

TEST_F(LastKnownGoodTest, RevocationsAloneAreLoaded) {
  Open(false);
  ASSERT_TRUE(Save(Revocations{{{"revoked", {"v", 7, {"tg_a"}}}}, {}}).ok());
  const auto loaded = lkg_->Load();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_FALSE(loaded->has_policy);
  EXPECT_THAT(KeyIds(loaded->revocations), ElementsAre("tg_a"));
}

TEST_F(LastKnownGoodTest, OneProcessAtATime) {
  Open(true);
  LastKnownGood::Options options{kDirectory, "payments-1", std::nullopt};
  EXPECT_TRUE(absl::IsFailedPrecondition(
      LastKnownGood::Open(std::move(options), &files_, &clock_).status()));
}

TEST_F(LastKnownGoodTest, TheNewestWins) {
  Open(true);
  for (uint64_t release = 1; release < 50; ++release) {
    lkg_->SavePolicy(std::make_shared<const ActiveSet>(ToActiveSet(SampleBundle(release))),
                     [](const absl::Status&) {});
  }
  ASSERT_TRUE(Save(ToActiveSet(SampleBundle(50))).ok());
  EXPECT_EQ(LoadedRelease(), 50u);
}

TEST_F(LastKnownGoodTest, WritesWhatIsPendingBeforeItEnds) {
  Open(true);
  lkg_->SavePolicy(std::make_shared<const ActiveSet>(ToActiveSet(SampleBundle(9))),
                   [](const absl::Status&) {});
  Open(true);
  EXPECT_EQ(LoadedRelease(), 9u);
}

// Crashes at every change of the disk in turn, in each way of losing what was not synced.
TEST(LastKnownGoodCrash, TheOldOrTheNewPolicyLoadsAndNoAcknowledgedRevocationIsLost) {
  // Every failed write is logged, as it should be: hundreds of lines here.
  const auto level = spdlog::get_level();
  spdlog::set_level(spdlog::level::off);
  int crashes = 0;
  for (const auto loss :
       {CrashingDisk::Loss::kAll, CrashingDisk::Loss::kRandom, CrashingDisk::Loss::kNone}) {
    for (uint32_t step = 1; step < 40; ++step) {
      SCOPED_TRACE(::testing::Message() << "loss " << static_cast<int>(loss) << " step " << step);
      CrashingDisk disk(step);
      CrashingFiles files(&disk);
      FakeClock clock;
      const auto open = [&] {
        LastKnownGood::Options options{kDirectory, "n", Key('k')};
        auto opened = LastKnownGood::Open(std::move(options), &files, &clock);
        EXPECT_TRUE(opened.ok()) << opened.status();
        return opened.ok() ? *std::move(opened) : nullptr;
      };
      auto lkg = open();
      ASSERT_NE(lkg, nullptr);
      uint64_t saved = 0, tried = 0;
      std::set<std::string> acknowledged;
      Revocations revocations;
      disk.CrashAfter(step);
      for (uint64_t i = 1; i <= 4 && !disk.crashed(); ++i) {
        std::promise<bool> policy;
        tried = i;
        lkg->SavePolicy(std::make_shared<const ActiveSet>(ToActiveSet(SampleBundle(i))),
                        [&](const absl::Status& status) { policy.set_value(status.ok()); });
        if (policy.get_future().get()) saved = i;
        const std::string id = "tg_" + std::to_string(i);
        revocations.listed["revoked"].key_ids.push_back(id);
        revocations.listed["revoked"].version = id;
        std::promise<bool> revoked;
        lkg->SaveRevocations(revocations,
                             [&](const absl::Status& status) { revoked.set_value(status.ok()); });
        if (revoked.get_future().get()) acknowledged.insert(id);
      }
      if (disk.crashed()) ++crashes;
      disk.Crash();
      lkg.reset();
      disk.Restart(loss);
      lkg = open();
      ASSERT_NE(lkg, nullptr);
      const auto loaded = lkg->Load();
      if (saved == 0 && acknowledged.empty() && absl::IsNotFound(loaded.status())) continue;
      ASSERT_TRUE(loaded.ok()) << loaded.status();
      EXPECT_GE(loaded->bundle.epoch().release(), saved);
      EXPECT_LE(loaded->bundle.epoch().release(), tried);
      const std::vector<std::string> ids = KeyIds(loaded->revocations);
      for (const std::string& id : acknowledged) EXPECT_THAT(ids, ::testing::Contains(id));
    }
  }
  spdlog::set_level(level);
  EXPECT_GT(crashes, 60);
}

}  // namespace
}  // namespace tollgate::proxy
