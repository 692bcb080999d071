// The rules about services, listeners, issuers, plans and consumers, and what holds between them.
#include "control-plane/model/compile.h"

#include "gmock/gmock.h"
#include "tests/unit/control-plane/model/model_testing.h"

namespace tollgate::control {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Service(absl::string_view more) {
  return ProblemsOf(absl::StrCat("kind: Service\nname: p\nlocal: 127.0.0.1:9000\n", more));
}

TEST(CompileService, FillsInDefaults) {
  const Model model = ModelOf(
      "kind: Service\nname: p\nlocal: 127.0.0.1:9000\n"
      "endpoints: [127.0.0.1:8080]\nuses: [p]\n");
  const ServiceModel& service = model.services.at("p");
  UpstreamPolicy upstream;
  upstream.name = "p";
  upstream.endpoints = {{*Address::Parse("127.0.0.1:8080"), 1}};
  EXPECT_EQ(service.upstream, upstream);
  EXPECT_EQ(service.outbound.ToString(), "127.0.0.1:15001");
  EXPECT_EQ(service.instances.at(0).local.ToString(), "127.0.0.1:9000");
  EXPECT_EQ(service.listener, ListenerModel());
}

TEST(CompileService, WantsPlaintextToBeSaidOffLoopback) {
  EXPECT_THAT(
      Service("endpoints: [10.0.0.1:80]\n"),
      HasSubstr("t.yaml:4: Service/p: endpoints[0].address: \"10.0.0.1:80\": plaintext that "
                "leaves the machine. Say plaintext: true"));
  EXPECT_THAT(Service("endpoints: [\"pay.internal:80\"]\n"), HasSubstr("plaintext that leaves"));
  EXPECT_THAT(Service("outbound: 0.0.0.0:15001\n"), HasSubstr("outbound: \"0.0.0.0:15001\""));
  EXPECT_EQ(Service("endpoints: [10.0.0.1:80]\nplaintext: true\n"), "");
  EXPECT_EQ(Service("endpoints: [\"unix:/run/p.sock\", \"[::1]:80\"]\n"), "");
}

TEST(CompileService, ChecksEndpoints) {
  EXPECT_THAT(Service("endpoints: [127.0.0.1:1, 127.0.0.1:1]\n"),
              HasSubstr("endpoints[1].address: \"127.0.0.1:1\": is the address of endpoints[0]"));
  EXPECT_THAT(Service("endpoints: [{address: 127.0.0.1:1, weight: 0}]\n"),
              HasSubstr("endpoints[0].weight: \"0\": expected 1 to 1000"));
  EXPECT_THAT(Service("endpoints: [{address: 127.0.0.1:1, weight: 1001}]\n"),
              HasSubstr("expected 1 to 1000"));
  EXPECT_THAT(Service("endpoints: [127.0.0.1:0]\n"), HasSubstr("port 0"));
  EXPECT_THAT(Service("endpoints: [127.0.0.1]\n"), HasSubstr("no port"));
  EXPECT_THAT(Service("endpoints: [{weight: 1}]\n"), HasSubstr("endpoints[0].address: is missing"));
  EXPECT_THAT(Service("endpoints:\n  - {address: 127.0.0.1:1, instance: a}\n"
                      "  - {address: 127.0.0.1:2, instance: a}\n"),
              HasSubstr("endpoints[1].instance: \"a\": is the instance of endpoints[0] already"));
  EXPECT_THAT(ProblemsOf("kind: Service\nname: p\nendpoints: [127.0.0.1:1]\n"),
              HasSubstr("nobody says where the sidecar of this endpoint delivers"));
  EXPECT_EQ(ProblemsOf("kind: Service\nname: p\n"
                       "endpoints: [{address: 127.0.0.1:1, local: 127.0.0.1:2}]\n"),
            "");
}

TEST(CompileService, ChecksWordsAndNumbers) {
  EXPECT_THAT(Service("protocol: http2\n"), HasSubstr("protocol: \"http2\": expected http1"));
  EXPECT_THAT(Service("balance: peak_ewma\n"), HasSubstr("Did you mean peak-ewma?"));
  EXPECT_THAT(Service("connect_timeout: 1 s\n"), HasSubstr("expected a duration"));
  EXPECT_THAT(Service("max_connections: 0\n"), HasSubstr("expected 1 to 1000000"));
  EXPECT_THAT(Service("retry_budget: {percent: 101}\n"), HasSubstr("expected 0 to 100"));
  EXPECT_THAT(Service("response_headers: {x-a: \"a\\nb\"}\n"), HasSubstr("no line end"));
  EXPECT_THAT(Service("response_headers: {X-A: a, x-a: b}\n"), HasSubstr("same header twice"));
  EXPECT_THAT(Service("response_headers: {Transfer-Encoding: chunked}\n"),
              HasSubstr("written by HTTP itself"));
  EXPECT_THAT(Service("uses: [q]\n"), HasSubstr("there is no Service of this name"));
  EXPECT_THAT(Service("uses: [p, p]\n"), HasSubstr("stands here twice"));
  EXPECT_THAT(Service("endpoints: [127.0.0.1:15001]\nuses: [p]\n"),
              HasSubstr("is the address of the outbound listener too"));
  const Model model = ModelOf("kind: Service\nname: p\nretry_budget: {percent: 0}\n");
  EXPECT_EQ(model.services.at("p").upstream.retry_budget, (RetryBudgetPolicy{0, 3}));
}

TEST(CompileListener, OverridesTheServiceOfItsName) {
  const std::string service = "kind: Service\nname: p\nlocal: 127.0.0.1:1\n---\n";
  const Model model = ModelOf(
      absl::StrCat(service, "kind: Listener\nname: p\naddress: 127.0.0.1:80\nmax_headers: 7\n"));
  EXPECT_EQ(model.services.at("p").listener.settings.max_headers, 7u);
  EXPECT_EQ(model.services.at("p").listener.address->ToString(), "127.0.0.1:80");
  EXPECT_THAT(ProblemsOf(absl::StrCat(service, "kind: Listener\nname: q\n")),
              HasSubstr("Listener/q: name: \"q\": there is no Service of this name. Known: p"));
  EXPECT_THAT(ProblemsOf(absl::StrCat(service, "kind: Listener\nname: p\n---\n",
                                      "kind: Listener\nname: q\nservice: p\n")),
              HasSubstr("Listener/p overrides the listener of this service already"));
  EXPECT_THAT(ProblemsOf(absl::StrCat(service, "kind: Listener\nname: p\naddress: 0.0.0.0:80\n")),
              HasSubstr("plaintext that leaves"));
  EXPECT_EQ(ProblemsOf(absl::StrCat(
                service, "kind: Listener\nname: p\naddress: 0.0.0.0:80\nplaintext: true\n")),
            "");
  EXPECT_THAT(ProblemsOf(absl::StrCat(service,
                                      "kind: Listener\nname: p\naddress: \"a.b:80\"\n"
                                      "plaintext: true\ntrusted_hops: 17\n")),
              AllOf(HasSubstr("not a host name"), HasSubstr("expected 0 to 16")));
}

std::string Plan(absl::string_view more) {
  return ProblemsOf(absl::StrCat("kind: Plan\nname: p\n", more));
}

TEST(CompilePlan, WantsAlgorithmAndPer) {
  EXPECT_EQ(Plan("limit: 1/second\nalgorithm: gcra\nper: consumer\nburst: 3\n"), "");
  EXPECT_THAT(Plan("limit: 1/second\n"),
              AllOf(HasSubstr("algorithm: is missing; expected gcra or sliding-window"),
                    HasSubstr("per: is missing")));
  EXPECT_THAT(Plan("algorithm: gcra\nper: key\n"), HasSubstr("limit: is missing"));
  EXPECT_THAT(Plan("limit: 1/second\nalgorithm: gcra\nper: key\nscope: fleet\n"),
              HasSubstr("it needs leases"));
  EXPECT_THAT(Plan("limit: 1/second\nalgorithm: sliding-window\nper: key\nburst: 2\n"),
              HasSubstr("only gcra has a burst"));
  EXPECT_THAT(Plan("limit: 1/second\nalgorithm: gcra\nper: key\nburst: 0\n"),
              HasSubstr("expected 1 to"));
  EXPECT_THAT(Plan("limit: 1/second\nalgorithm: gcra\nper: \"claim:\"\n"),
              HasSubstr("names no claim"));
  EXPECT_THAT(Plan("limit: 1/second\nalgorithm: gcra\nper: claim:NAME\n"),
              Not(HasSubstr("missing")));
  EXPECT_THAT(Plan("limit: 1/second\nalgorithm: gcra\nper: consumers\n"),
              HasSubstr("Did you mean consumer?"));
}

TEST(CompilePlan, ReadsAClaim) {
  const Model model =
      ModelOf("kind: Plan\nname: p\nlimit: 5/10s\nalgorithm: gcra\nper: claim:tenant\n");
  EXPECT_THAT(model.plans.at("p").per,
              testing::ElementsAre(LimitKeyPart(LimitKey::kClaim, "tenant")));
}

std::string Issuer(absl::string_view more) {
  return ProblemsOf(
      absl::StrCat("kind: Issuer\nname: i\nissuer: https://i/\naudiences: [a]\n", more));
}
constexpr absl::string_view kEcKey =
    "keys: {jwks: '{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\","
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}'}\n";  // RFC 7515 A.3
constexpr absl::string_view kHmacKey =
    "keys: {jwks: "
    "'{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwV"
    "MkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}]}'}\n";  // RFC 7515 A.1

TEST(CompileIssuer, CompilesEveryKey) {
  EXPECT_EQ(Issuer(absl::StrCat("algorithms: [ES256]\nprofile: jwt\n", kEcKey)), "");
  EXPECT_THAT(Issuer(absl::StrCat("algorithms: [PS256]\nprofile: jwt\n", kEcKey)),
              HasSubstr("Issuer/i: keys.jwks: "));
  EXPECT_THAT(Issuer(absl::StrCat("algorithms: [ES999]\nprofile: jwt\n", kEcKey)),
              HasSubstr("algorithms: "));
  EXPECT_THAT(Issuer(absl::StrCat("profile: jwt\n", kEcKey)), HasSubstr("algorithms: "));
  EXPECT_THAT(Issuer("algorithms: [ES256]\nprofile: jwt\nkeys: {jwks: nonsense}\n"),
              HasSubstr("keys.jwks: "));
  EXPECT_THAT(Issuer("algorithms: [ES256]\nprofile: jwt\n"), HasSubstr("keys: is missing"));
}

TEST(CompileIssuer, RefusesFilesAndPrivateKeys) {
  EXPECT_THAT(Issuer("algorithms: [ES256]\nprofile: jwt\nkeys: {file: a.json}\n"),
              HasSubstr("the file was not read: it belongs to whoever applies. Apply with "
                        "tollgatectl"));
  EXPECT_THAT(Issuer("algorithms: [ES256]\nprofile: jwt\nkeys: {file: a.json, jwks: x}\n"),
              HasSubstr("stands beside jwks"));
  const std::string problem = Issuer(
      "algorithms: [ES256]\nprofile: jwt\nkeys: {jwks: '{\"keys\":[{\"kty\":\"EC\","
      "\"crv\":\"P-256\",\"alg\":\"ES256\","
      "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
      "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\","
      "\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}]}'}\n");
  EXPECT_THAT(problem, HasSubstr("holds a private key"));
  EXPECT_THAT(problem, Not(HasSubstr("jpsQ")));
}

TEST(CompileIssuer, TellsSymmetricKeySets) {
  const std::string head =
      "kind: Issuer\nname: i\nissuer: https://i/\naudiences: [a]\nprofile: jwt\n";
  EXPECT_TRUE(
      ModelOf(absl::StrCat(head, "algorithms: [HS256]\n", kHmacKey)).issuers.at("i").symmetric);
  EXPECT_FALSE(
      ModelOf(absl::StrCat(head, "algorithms: [ES256]\n", kEcKey)).issuers.at("i").symmetric);
}

TEST(CompileIssuer, ChecksProfileAndLeeway) {
  const auto with = [](absl::string_view more) {
    return Issuer(absl::StrCat("algorithms: [ES256]\n", kEcKey, more));
  };
  EXPECT_THAT(with(""), HasSubstr("profile: is missing; expected jwt or rfc9068"));
  EXPECT_THAT(with("profile: fapi2\n"), HasSubstr("expected jwt or rfc9068"));
  EXPECT_THAT(with("profile: jwt\nleeway: 61s\n"), HasSubstr("at most 60s"));
  EXPECT_THAT(with("profile: jwt\nleeway: 1500ms\n"), HasSubstr("whole seconds"));
  EXPECT_EQ(with("profile: jwt\nleeway: 60s\n"), "");
  EXPECT_EQ(with("profile: jwt\nleeway: 0s\n"), "");
}

TEST(CompileConsumer, ChecksReferences) {
  const std::string plan =
      "kind: Plan\nname: standard\nlimit: 1/second\nalgorithm: gcra\nper: consumer\n---\n";
  EXPECT_THAT(ProblemsOf(absl::StrCat(plan, "kind: Consumer\nname: c\nplan: standart\n")),
              HasSubstr("t.yaml:9: Consumer/c: plan: \"standart\": there is no Plan of this name. "
                        "Did you mean standard?"));
  EXPECT_THAT(ProblemsOf("kind: Consumer\nname: c\ntokens: [{issuer: i, value: v}]\n"),
              HasSubstr("tokens[0].issuer: \"i\": there is no Issuer of this name. There is no "
                        "Issuer yet"));
  EXPECT_THAT(ProblemsOf("kind: Consumer\nname: c\napi_keys: [a, a]\ngrants: [\"x y\"]\n"),
              AllOf(HasSubstr("api_keys[1]: \"a\": stands here twice"),
                    HasSubstr("grants[0]: \"x y\": expected a permission")));
  EXPECT_THAT(ProblemsOf("kind: Plan\nname: r\nlimit: 1/second\nalgorithm: gcra\nper: route\n---\n"
                         "kind: Consumer\nname: c\nplan: r\n"),
              HasSubstr("does not count per consumer, key or claim:NAME"));
}

TEST(CompileConsumer, OneTokenIdentityIsOneConsumer) {
  const std::string issuer = absl::StrCat(
      "kind: Issuer\nname: i\nissuer: https://i/\naudiences: [a]\nprofile: jwt\n"
      "algorithms: [ES256]\n",
      kEcKey, "---\n");
  EXPECT_THAT(ProblemsOf(absl::StrCat(
                  issuer, "kind: Consumer\nname: a\ntokens: [{issuer: i, value: v}]\n---\n",
                  "kind: Consumer\nname: b\ntokens: [{issuer: i, value: v}]\n")),
              HasSubstr("Consumer/b: tokens[0].value: \"v\": is Consumer/a already (issuer i): a "
                        "token names one Consumer"));
  EXPECT_THAT(ProblemsOf(absl::StrCat(issuer,
                                      "kind: Consumer\nname: a\ntokens: [{issuer: i, "
                                      "value: v}, {issuer: i, value: v}]\n")),
              HasSubstr("tokens[1].value: \"v\": stands here twice"));
}

TEST(Compile, ChecksTheEnvelope) {
  EXPECT_THAT(ProblemsOf("apiVersion: tollgate/v9\nkind: Service\nname: p\n"),
              HasSubstr("apiVersion: \"tollgate/v9\": expected tollgate/v1"));
  EXPECT_THAT(ProblemsOf("environment: prod\nkind: Service\nname: p\n"),
              HasSubstr("this set is for environment \"default\""));
  EXPECT_THAT(ProblemsOf("kind: Service\nname: P\n"), HasSubstr("lower-case letters"));
  EXPECT_THAT(ProblemsOf("kind: Service\n"), HasSubstr("name: is missing"));
  EXPECT_THAT(ProblemsOf("kind: Service\nname: p\n---\nkind: Service\nname: p\n"),
              HasSubstr("t.yaml:5: Service/p: name: \"p\": there is a Service of this name already "
                        "(t.yaml:1)"));
  // A name is one of its kind only.
  EXPECT_EQ(ProblemsOf("kind: Service\nname: p\n---\nkind: Consumer\nname: p\n"), "");
}

TEST(Compile, RefusesADocumentThatDisagreesWithItself) {
  SourceDocument source;
  source.document.set_kind("Service");
  source.document.set_name("p");
  source.document.mutable_plan();
  EXPECT_THAT(ToString(Compile("default", {source}).problems),
              HasSubstr("its fields are those of Plan"));
  source.document.clear_plan();
  EXPECT_THAT(ToString(Compile("default", {source}).problems),
              HasSubstr("its fields are those of no kind"));
}

TEST(Compile, StopsAfterAThousandProblems) {
  std::string yaml = "kind: Service\nname: p\nuses:\n";
  for (size_t i = 0; i < 2 * kMaxProblems; ++i) absl::StrAppend(&yaml, "  - s", i, "\n");
  const ParseResult parsed = ParseDocuments("t.yaml", yaml);
  const std::vector<Problem> problems = Compile("default", parsed.documents).problems;
  ASSERT_EQ(problems.size(), kMaxProblems + 1);
  EXPECT_EQ(problems[kMaxProblems - 1].line, 3 + kMaxProblems);
  EXPECT_THAT(ToString(problems.back()), HasSubstr("the rest is not shown"));
}

TEST(Compile, KnowsBrokenDocumentsByName) {
  const std::string problems = ProblemsOf(
      "kind: Service\nname: p\nlocal: 127.0.0.1:1\nuses: [q]\n---\nkind: Service\nname: q\nlocl: "
      "x\n");
  EXPECT_THAT(problems, HasSubstr("Did you mean local?"));
  EXPECT_THAT(problems, HasSubstr("could not be read as a whole"));
  EXPECT_THAT(problems, Not(HasSubstr("there is no Service")));
}

}  // namespace
}  // namespace tollgate::control
