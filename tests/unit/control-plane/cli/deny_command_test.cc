#include "control-plane/cli/deny_command.h"

#include "control-plane/cli/commands.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tollgate::control {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

DenyFlags Flags() {
  DenyFlags flags;
  flags.issuer = "login";
  return flags;
}

TEST(DenyCommand, NamesTheClaimThatIsDenied) {
  DenyFlags flags = Flags();
  flags.subject = "mallory";
  flags.reason = "stolen phone";
  flags.lasts = std::chrono::hours(12);
  const auto request = ToRequest(flags, "staging");
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->environment(), "staging");
  EXPECT_EQ(request->issuer(), "login");
  EXPECT_EQ(request->claim(), "sub");
  EXPECT_EQ(request->value(), "mallory");
  EXPECT_EQ(request->for_seconds(), 43'200);
  EXPECT_EQ(request->reason(), "stolen phone");
  flags = Flags();
  flags.token_id = "t-1";
  EXPECT_EQ(ToRequest(flags, "")->claim(), "jti");
  EXPECT_EQ(ToRequest(flags, "")->for_seconds(), 0) << "until it is removed";
  flags = Flags();
  flags.client = "shop";
  EXPECT_EQ(ToRequest(flags, "")->claim(), "client_id");
}

TEST(DenyCommand, WantsOneClaimNeitherNoneNorTwo) {
  DenyFlags flags = Flags();
  EXPECT_THAT(std::string(ToRequest(flags, "").status().message()), HasSubstr("what is denied?"));
  flags.subject = "mallory";
  flags.client = "shop";
  EXPECT_THAT(std::string(ToRequest(flags, "").status().message()), HasSubstr("not several"));
  Session session{GlobalFlags()};  // it asks nobody
  EXPECT_EQ(RunDenyAdd(session, flags), ExitCode::kUsage);
}

TEST(DenyCommand, WantsAnEndThatIsToCome) {
  DenyFlags flags = Flags();
  flags.subject = "mallory";
  flags.lasts = std::chrono::seconds(-1);
  EXPECT_THAT(std::string(ToRequest(flags, "").status().message()), HasSubstr("--for"));
  flags.lasts = std::chrono::milliseconds(1);
  EXPECT_EQ(ToRequest(flags, "")->for_seconds(), 1) << "not for ever";
}

admin::v1::Denial Denial() {
  admin::v1::Denial denial;
  denial.set_id("dn-1");
  denial.set_issuer("login");
  denial.set_iss("https://login.bank.example/");
  denial.set_claim("sub");
  denial.set_value("mallory");
  denial.set_created(1'700'000'000 - 7200);
  denial.set_author("alice");
  denial.set_reason("stolen");
  return denial;
}

TEST(DenyCommand, SaysWhatIsDeniedNowAndForHowLong) {
  admin::v1::AddDenialResponse response;
  *response.mutable_denial() = Denial();
  response.set_revision(9);
  EXPECT_EQ(DescribeAdded(response),
            "denied: tokens of login with sub \"mallory\", until lifted (dn-1, revision 9); no "
            "rollback lifts it\n");
  response.set_existed(true);
  response.mutable_denial()->set_until(1'700'000'000);
  EXPECT_EQ(DescribeAdded(response),
            "denied already, now: tokens of login with sub \"mallory\", until 2023-11-14 22:13:20Z "
            "(dn-1, revision 9); no rollback lifts it\n");
}

TEST(DenyCommand, ListsWhatIsDeniedAndWhatIsOver) {
  admin::v1::ListDenialsResponse response;
  *response.add_denials() = Denial();
  *response.add_denials() = Denial();
  response.mutable_denials(1)->set_until(1'700'000'000);
  response.mutable_denials(1)->set_value("e\x1bve");
  const std::string table = DenialsTable(response, FromUnixSeconds(1'700'000'000));
  EXPECT_EQ(table.substr(0, table.find('\n')).find("ID"), 0u);
  const size_t second = table.rfind("dn-1");
  EXPECT_THAT(table.substr(0, second),
              AllOf(HasSubstr("mallory"), HasSubstr("2h"), HasSubstr("lifted"), HasSubstr("denied"),
                    HasSubstr("alice"), HasSubstr("stolen"), Not(HasSubstr("over"))));
  EXPECT_THAT(table.substr(second), AllOf(HasSubstr("2023-11-14 22:13:20Z"), HasSubstr("over")));
  EXPECT_THAT(table, Not(HasSubstr("\x1b"))) << "a value writes no terminal sequences";
}

}  // namespace
}  // namespace tollgate::control
