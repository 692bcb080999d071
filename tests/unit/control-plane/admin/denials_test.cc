// Denials of tokens as an operator asks for them, without gRPC, and the record of who did.
#include <sstream>

#include "common/base/log.h"
#include "control-plane/admin/admin_api.h"
#include "gmock/gmock.h"
#include "spdlog/sinks/ostream_sink.h"
#include "tests/unit/control-plane/release/release_fixture.h"

namespace tollgate::control {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kBank[] = "https://login.bank.example/";

class AdminDenialsTest : public StoreFixture {
 protected:
  AdminDenialsTest()
      : peppers_(*Peppers::LoadOrCreate(files_, "/data/peppers")),
        releases_(MakeReleases()),
        credentials_(*store_, clock_, peppers_),
        denials_(*store_, clock_),
        state_(*StateView::Start(*store_, *releases_, nullptr, Backoff(1))),
        api_(*store_, *releases_, credentials_, denials_, fleet_, questions_, *state_) {
    sink_ = std::make_shared<spdlog::sinks::ostream_sink_mt>(log_);
    spdlog::default_logger()->sinks().push_back(sink_);
    Publish(kBank);
  }
  ~AdminDenialsTest() override { spdlog::default_logger()->sinks().pop_back(); }

  void Publish(const std::string& iss) {
    PublishRequest request;
    request.environment = "default";
    SourceDocument issuer;
    issuer.document.set_kind("Issuer");
    issuer.document.set_name("login");
    issuer.document.mutable_issuer()->set_issuer(iss);
    request.documents = {issuer};
    const auto published = releases_->Publish(request);
    ASSERT_TRUE(published.ok()) << published.status();
  }
  static admin::v1::AddDenialRequest Request(const std::string& claim, const std::string& value) {
    admin::v1::AddDenialRequest request;
    request.set_issuer("login");
    request.set_claim(claim);
    request.set_value(value);
    return request;
  }
  admin::v1::AddDenialResponse Add(const admin::v1::AddDenialRequest& request) {
    admin::v1::AddDenialResponse response;
    const absl::Status status = api_.AddDenial(alice_, request, &response);
    EXPECT_TRUE(status.ok()) << status;
    return response;
  }
  std::string WhyNot(const admin::v1::AddDenialRequest& request, absl::StatusCode code) {
    admin::v1::AddDenialResponse response;
    const absl::Status status = api_.AddDenial(alice_, request, &response);
    EXPECT_EQ(status.code(), code) << status;
    return std::string(status.message());
  }
  std::vector<admin::v1::Denial> List(const std::string& issuer = "") {
    admin::v1::ListDenialsRequest request;
    request.set_issuer(issuer);
    admin::v1::ListDenialsResponse response;
    EXPECT_TRUE(api_.ListDenials(request, &response).ok());
    return {response.denials().begin(), response.denials().end()};
  }

  const Caller alice_{"alice", "unix:"};
  Fleet fleet_{&clock_};
  Questions questions_;
  Peppers peppers_;
  std::unique_ptr<Releases> releases_;
  CredentialStore credentials_;
  DenialStore denials_;
  std::unique_ptr<StateView> state_;
  AdminApi api_;
  std::ostringstream log_;
  spdlog::sink_ptr sink_;
};

TEST_F(AdminDenialsTest, DeniesTheTokensOfAnIssuerByItsName) {
  auto request = Request("sub", "mallory");
  request.set_for_seconds(3600);
  request.set_reason("stolen phone");
  const admin::v1::AddDenialResponse added = Add(request);
  EXPECT_FALSE(added.existed());
  EXPECT_EQ(added.revision(), static_cast<uint64_t>(*store_->CurrentRevision()));
  ASSERT_THAT(List(), SizeIs(1));
  const admin::v1::Denial denial = List()[0];
  EXPECT_EQ(denial.id(), added.denial().id());
  EXPECT_EQ(denial.issuer(), "login");
  EXPECT_EQ(denial.iss(), kBank) << "what its tokens say";
  EXPECT_EQ(denial.claim(), "sub");
  EXPECT_EQ(denial.value(), "mallory");
  EXPECT_EQ(denial.until(), UnixSeconds(clock_.Wall()) + 3600);
  EXPECT_EQ(denial.author(), "alice");
  EXPECT_EQ(denial.reason(), "stolen phone");
  EXPECT_THAT(List("login"), SizeIs(1));
  EXPECT_THAT(List("other"), IsEmpty());
  EXPECT_TRUE(Add(request).existed());
  EXPECT_EQ(Add(Request("client_id", "shop")).denial().until(), 0) << "until it is lifted";
}

TEST_F(AdminDenialsTest, ARollbackLiftsNothingRemovingDoes) {
  const std::string id = Add(Request("jti", "t-1")).denial().id();
  Publish("https://elsewhere.example/");
  ASSERT_TRUE(releases_->Rollback("default", 1, "", "").ok());
  ASSERT_THAT(List(), SizeIs(1));
  admin::v1::RemoveDenialRequest request;
  request.set_id(id);
  admin::v1::RemoveDenialResponse response;
  ASSERT_TRUE(api_.RemoveDenial(alice_, request, &response).ok());
  EXPECT_EQ(response.denial().value(), "t-1");
  EXPECT_EQ(response.revision(), static_cast<uint64_t>(*store_->CurrentRevision()));
  EXPECT_THAT(List(), IsEmpty());
  EXPECT_TRUE(absl::IsNotFound(api_.RemoveDenial(alice_, request, &response)));
}

TEST_F(AdminDenialsTest, SaysWhatIsWrong) {
  auto request = Request("sub", "mallory");
  request.set_issuer("logni");
  EXPECT_THAT(WhyNot(request, absl::StatusCode::kFailedPrecondition),
              AllOf(HasSubstr("there is no Issuer/logni"), HasSubstr("it has [login]")));
  EXPECT_THAT(WhyNot(Request("subject", "x"), absl::StatusCode::kInvalidArgument),
              HasSubstr("expected jti, sub or client_id"));
  EXPECT_THAT(WhyNot(Request("sub", ""), absl::StatusCode::kInvalidArgument),
              HasSubstr("sub: is empty"));
  request = Request("sub", "mallory");
  request.set_for_seconds(-1);
  EXPECT_THAT(WhyNot(request, absl::StatusCode::kInvalidArgument),
              HasSubstr("for: -1 seconds; expected 0 to"));
  request.set_for_seconds(INT64_MAX);
  EXPECT_THAT(WhyNot(request, absl::StatusCode::kInvalidArgument), HasSubstr("ten years"));
  EXPECT_THAT(List(), IsEmpty());
}

TEST_F(AdminDenialsTest, TheAuditLogNamesWhoDidWhatAlsoWhenItFailed) {
  auto request = Request("sub", "mallory");
  request.set_reason("stolen\nphone");
  WhyNot(request, absl::StatusCode::kInvalidArgument);
  request.set_reason("stolen");
  const std::string id = Add(request).denial().id();
  admin::v1::RemoveDenialRequest remove;
  remove.set_id(id);
  admin::v1::RemoveDenialResponse removed;
  ASSERT_TRUE(api_.RemoveDenial({"bob", "unix:"}, remove, &removed).ok());
  EXPECT_THAT(log_.str(),
              AllOf(HasSubstr("call=AddDenial environment=\"default\" what=\"login "
                              "sub=\\\"mallory\\\" reason=\\\"stolen\\nphone\\\"\" "
                              "outcome=\"INVALID"),
                    HasSubstr("audit user=\"alice\" peer=\"unix:\" call=AddDenial"),
                    HasSubstr(absl::StrCat("what=\"login sub=\\\"mallory\\\" ", id,
                                           " reason=\\\"stolen\\\"\" outcome=\"OK\"")),
                    HasSubstr("audit user=\"bob\" peer=\"unix:\" call=RemoveDenial"),
                    HasSubstr(absl::StrCat("what=\"login sub=\\\"mallory\\\" ", id,
                                           "\" outcome=\"OK\""))));
}

}  // namespace
}  // namespace tollgate::control
