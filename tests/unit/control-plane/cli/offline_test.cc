// What tollgatectl does without a control plane: sources, tokens and keys, translation.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "common/base/file.h"
#include "common/crypto/jws.h"
#include "common/policy/from_proto.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/sources.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tollgate::control {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class OfflineTest : public ::testing::Test {
 protected:
  OfflineTest() {
    char name[] = "/tmp/tollgate-cli-XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~OfflineTest() override { std::filesystem::remove_all(directory_); }
  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  void WriteFile(const std::string& name, const std::string& text) {
    std::ofstream(Path(name)) << text;
  }
  // What `run` prints.
  template <typename Run>
  std::string Printed(Run run) {
    ::testing::internal::CaptureStdout();
    const ExitCode code = run();
    std::fflush(stdout);
    std::string text = ::testing::internal::GetCapturedStdout();
    EXPECT_EQ(code, ExitCode::kOk);
    return text;
  }

  std::string directory_;
  Session session_{GlobalFlags()};
};

constexpr char kIssuer[] =
    "kind: Issuer\nname: demo\nissuer: https://demo.example/\naudiences: [a]\n"
    "algorithms: [ES256]\nprofile: jwt\nkeys: {file: keys.json}\n";

TEST_F(OfflineTest, ReadsADirectoryInTheOrderOfNames) {
  WriteFile("b.yaml", "b");
  WriteFile("a.yml", "a");
  WriteFile("c.txt", "c");
  const auto sources = ReadSources({directory_});
  ASSERT_TRUE(sources.ok()) << sources.status();
  ASSERT_THAT(*sources, SizeIs(2));
  EXPECT_EQ((*sources)[0].file(), Path("a.yml"));
  EXPECT_EQ((*sources)[1].text(), "b");
}

TEST_F(OfflineTest, SaysWhatIsMissing) {
  EXPECT_THAT(ReadSources({Path("gone.yaml")}).status().message(), HasSubstr("gone.yaml"));
  EXPECT_THAT(ReadSources({directory_}).status().message(), HasSubstr("there is no *.yaml"));
}

TEST_F(OfflineTest, ReportsAFileThatADocumentNamesAndIsNotThere) {
  WriteFile("issuer.yaml", kIssuer);
  const auto sources = ReadSources({Path("issuer.yaml")});
  ASSERT_TRUE(sources.ok());
  const OfflineResult result = CompileOffline("default", *sources);
  ASSERT_THAT(result.problems, SizeIs(1));
  EXPECT_EQ(result.problems[0].line, 7u);
  EXPECT_EQ(result.problems[0].field, "keys.file");
}

TEST_F(OfflineTest, SignsTokensThatItsPublicKeysVerify) {
  for (const std::string alg : {"ES256", "RS256", "PS256", "EdDSA", "HS256"}) {
    const KeygenFlags keygen{alg, "demo", Path(alg + ".jwk"), Path(alg + ".json")};
    Printed([&] { return RunKeygen(session_, keygen); });
    PosixFileSystem files;
    EXPECT_EQ(files.Stat(keygen.private_file)->mode, 0600u);
    TokenFlags flags;
    flags.key_file = keygen.private_file;
    flags.issuer = "https://demo.example/";
    flags.subject = "shop-42";
    flags.scope = "a b";
    flags.claims = {"n=3", "text=x y"};
    flags.profile = "rfc9068";
    std::string token = Printed([&] { return RunToken(session_, flags); });
    token.pop_back();
    const std::vector<JwsAlgorithm> allowed = {*ParseJwsAlgorithm(alg)};
    const auto keys = JwkSet::Parse(*files.Read(keygen.public_file, 10'000), allowed);
    ASSERT_TRUE(keys.ok()) << alg << keys.status();
    JwsParser parser;
    Jws jws;
    ASSERT_EQ(parser.Parse(token, &jws), JwsFailure::kNone) << alg;
    EXPECT_EQ(VerifyJws(jws, *keys), JwsFailure::kNone) << alg;
    EXPECT_EQ(jws.typ, "at+jwt");
    const std::string payload(jws.payload);
    EXPECT_THAT(payload, HasSubstr(R"("client_id":"shop-42")"));
    EXPECT_THAT(payload, HasSubstr(R"("n":3)"));
    EXPECT_THAT(payload, HasSubstr(R"("text":"x y")"));
  }
}

TEST_F(OfflineTest, PublishesNoPrivateMember) {
  const KeygenFlags keygen{"ES256", "demo", Path("k.jwk"), Path("k.json")};
  Printed([&] { return RunKeygen(session_, keygen); });
  PosixFileSystem files;
  const auto info = InspectJwkSet(*files.Read(keygen.public_file, 10'000));
  ASSERT_TRUE(info.ok());
  EXPECT_FALSE(info->has_private);
  EXPECT_EQ(RunKeygen(session_, keygen), ExitCode::kFailed) << "a key is never overwritten";
}

TEST_F(OfflineTest, TranslatesWhatASidecarUnderstands) {
  const std::string examples = std::string(TOLLGATE_SOURCE_DIR) + "/deploy/examples/";
  const std::string json = Printed([&] {
    return RunTranslate(session_, {examples + "first-policy.yaml"}, "hello", "hello-1", "");
  });
  const auto bundle = BundleFromJson(json);
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  const PolicyOrErrors policy = FromBundle(*bundle);
  EXPECT_THAT(policy.errors, IsEmpty());
}

}  // namespace
}  // namespace tollgate::control
