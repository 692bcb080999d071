// The rules about Apis, versions and routes.
#include "gmock/gmock.h"
#include "tests/unit/control-plane/model/model_testing.h"

namespace tollgate::control {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::string_view kAround = R"(
kind: Service
name: s
local: 127.0.0.1:1
---
{kind: Plan, name: by-address, limit: 1/second, algorithm: gcra, per: address}
---
{kind: Plan, name: by-route, limit: 1/second, algorithm: gcra, per: route}
---
{kind: Plan, name: by-consumer, limit: 1/second, algorithm: gcra, per: consumer}
---
kind: Api
name: a
)";

// An Api of service s with API keys and these lines.
std::string Api(absl::string_view lines) {
  return ProblemsOf(absl::StrCat(
      kAround, "hosts: [a.example]\nservice: s\nauthenticate: [{api_key: {}}]\n", lines));
}
// ... with one version of these routes, each in braces.
std::string Routes(absl::string_view routes) {
  return Api(absl::StrCat("versions: [{name: v1, routes: [", routes, "]}]\n"));
}
std::string Versions(absl::string_view versions) {
  return Api(absl::StrCat("version_from: {header: X-V}\nversions: [", versions, "]\n"));
}
constexpr absl::string_view kRoute = "routes: [{name: r, match: GET /, require: [p]}]";

TEST(CompileApi, AcceptsTheSmallest) {
  EXPECT_EQ(Routes("{name: r, match: GET /, require: [p]}"), "");
  EXPECT_EQ(Routes("{name: r, match: GET /, public: true}"), "");
}

TEST(CompileApi, WantsHostsServiceAndVersions) {
  EXPECT_THAT(ProblemsOf(absl::StrCat(kAround, "hosts: []\n")),
              AllOf(HasSubstr("hosts: is missing"), HasSubstr("versions: is missing")));
  EXPECT_THAT(ProblemsOf(absl::StrCat(kAround, "hosts: [A.example]\nservice: t\n")),
              AllOf(HasSubstr("expected a host name in lower case"),
                    HasSubstr("service: \"t\": there is no Service of this name. Known: s")));
  EXPECT_THAT(ProblemsOf(absl::StrCat(kAround,
                                      "hosts: [a]\nversions: [{name: v1, routes: "
                                      "[{name: r, match: GET /, public: true}]}]\n")),
              HasSubstr("service: is missing"));
  EXPECT_EQ(ProblemsOf(absl::StrCat(kAround,
                                    "hosts: [a]\nversions: [{name: v1, routes: [{name: r, "
                                    "match: GET /, public: true, service: s}]}]\n")),
            "");
  EXPECT_THAT(Api("base_path: /x/\nversions: []\n"), HasSubstr("ends with a slash"));
}

TEST(CompileRoute, SaysWhoMay) {
  EXPECT_THAT(Routes("{name: r, match: GET /}"),
              HasSubstr("versions[0].routes[0].require: is missing: nobody would be permitted"));
  EXPECT_THAT(Routes("{name: r, match: GET /, require: [p], public: true}"),
              HasSubstr("stands beside require"));
  EXPECT_THAT(ProblemsOf(absl::StrCat(kAround, "hosts: [a]\nservice: s\nversions: [{name: v1, ",
                                      kRoute, "}]\n")),
              HasSubstr("authenticate: is missing, yet there are routes that require permissions"));
  EXPECT_EQ(ProblemsOf(absl::StrCat(kAround,
                                    "hosts: [a]\nservice: s\nversions: [{name: v1, routes: "
                                    "[{name: r, match: GET /, public: true}]}]\n")),
            "");
}

TEST(CompileRoute, ChecksMatches) {
  EXPECT_THAT(
      Routes("{name: r, match: FETCH /x, require: [p]}"),
      HasSubstr("Api/a: versions[0].routes[0].match: \"FETCH /x\": unknown method; expected "
                "one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS or ANY"));
  EXPECT_THAT(Routes("{name: r, require: [p]}"), HasSubstr("match: is missing"));
  EXPECT_THAT(Routes("{name: r, match: \"GET /p/{a}\", require: [p]}, "
                     "{name: q, match: \"GET /p/{b}\", require: [p]}"),
              HasSubstr("routes[1].match: \"GET /p/{b}\": takes the same requests as route \"r\" "
                        "(GET /p/{a})"));
  EXPECT_EQ(Routes("{name: r, match: \"GET /p/{a}\", require: [p]}, "
                   "{name: q, match: GET /p/b, require: [p]}, "
                   "{name: t, match: \"ANY /p/{a}\", require: [p]}"),
            "");
  EXPECT_THAT(
      Routes("{name: r, match: GET /a, require: [p]}, {name: r, match: GET /b, require: [p]}"),
      HasSubstr("routes[1].name: \"r\": is the name of routes[0] already"));
}

TEST(CompileRoute, RefusesTablesThatAreSlowToMatch) {
  std::string routes;
  for (int i = 0; i < 1024; ++i) {  // at ten places, a literal or a parameter
    absl::StrAppend(&routes, i == 0 ? "" : ", ", "{name: r", i, ", public: true, match: \"GET ");
    for (int bit = 0; bit < 10; ++bit) {
      absl::StrAppend(&routes, (i >> bit & 1) ? "/a" : absl::StrCat("/{p", bit, "}"));
    }
    absl::StrAppend(&routes, "\"}");
  }
  EXPECT_THAT(Routes(routes), HasSubstr("mixes literals and parameters"));
}

TEST(CompileRoute, NeverSendsAPaymentTwice) {
  const auto with = [](absl::string_view method, absl::string_view more) {
    return Routes(absl::StrCat("{name: r, match: ", method, " /, require: [p], ", more, "}"));
  };
  constexpr absl::string_view kLost = "retry: {max_retries: 1, when: [not-sent, connection-lost]}";
  for (const char* method : {"POST", "PATCH", "ANY"}) {
    EXPECT_THAT(with(method, kLost), HasSubstr("a payment could happen twice")) << method;
    EXPECT_THAT(with(method, "retry: {max_retries: 1, when: [status-503]}"),
                HasSubstr("honoured_by: service"));
    EXPECT_EQ(with(method, "retry: {max_retries: 4, when: [not-sent]}"), "");
    EXPECT_EQ(with(method, absl::StrCat(kLost, ", idempotency: {honoured_by: service}")), "");
    EXPECT_THAT(with(method, absl::StrCat(kLost, ", idempotency: {required: true}")),
                HasSubstr("a payment could happen twice"));
  }
  for (const char* method : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}) {
    EXPECT_EQ(with(method, kLost), "") << method;
  }
}

TEST(CompileRoute, ChecksRetriesAndTimeouts) {
  const auto with = [](absl::string_view more) {
    return Routes(absl::StrCat("{name: r, match: GET /, require: [p], ", more, "}"));
  };
  EXPECT_THAT(with("retry: {max_retries: 5, when: [not-sent]}"), HasSubstr("expected 0 to 4"));
  EXPECT_THAT(with("retry: {when: [not-sent]}"), HasSubstr("retry.max_retries: is missing"));
  EXPECT_THAT(with("retry: {max_retries: 1}"), HasSubstr("retry.when: is missing"));
  EXPECT_THAT(with("retry: {max_retries: 1, when: [not-send]}"),
              HasSubstr("Did you mean not-sent?"));
  EXPECT_THAT(with("retry: {max_retries: 1, when: [not-sent, not-sent]}"),
              HasSubstr("when[1]: \"not-sent\": stands here twice"));
  EXPECT_THAT(with("idempotency: {honoured_by: proxy}"), HasSubstr("expected service"));
  EXPECT_THAT(with("idempotency: {header: Host}"), HasSubstr("written by HTTP itself"));
  EXPECT_THAT(with("timeout: 1s, attempt_timeout: 2s"), HasSubstr("is longer than the timeout"));
  EXPECT_THAT(with("timeout: never"), HasSubstr("expected a duration"));
  EXPECT_THAT(with("max_body: 1MB"), HasSubstr("expected a size"));
}

TEST(CompileRoute, ChecksWhatAPlanCounts) {
  const auto route = [](absl::string_view plan) {
    return Routes(absl::StrCat("{name: r, match: GET /, require: [p], plan: ", plan, "}"));
  };
  EXPECT_EQ(route("by-route"), "");
  EXPECT_EQ(route("by-address"), "");
  EXPECT_EQ(route("by-consumer"), "");
  EXPECT_THAT(route("by-rout"), HasSubstr("Did you mean by-route?"));
  const std::string versions = absl::StrCat("versions: [{name: v1, ", kRoute, "}]\n");
  EXPECT_EQ(Api(absl::StrCat("address_plan: by-address\n", versions)), "");
  EXPECT_THAT(Api(absl::StrCat("address_plan: by-route\n", versions)),
              HasSubstr("address_plan: \"by-route\": does not count per address"));
  EXPECT_THAT(Api(absl::StrCat("consumers: optional\n", versions)),
              HasSubstr("default_plan: is missing: strangers would have no limit"));
  EXPECT_THAT(Api(absl::StrCat("default_plan: by-consumer\n", versions)),
              HasSubstr("would never be used"));
  EXPECT_EQ(Api(absl::StrCat("consumers: optional\ndefault_plan: by-consumer\n", versions)), "");
}

TEST(CompileApi, ChecksAuthenticators) {
  const auto with = [](absl::string_view authenticate) {
    return ProblemsOf(absl::StrCat(kAround, "hosts: [a]\nservice: s\nauthenticate: ", authenticate,
                                   "\nversions: [{name: v1, ", kRoute, "}]\n"));
  };
  EXPECT_THAT(with("[{}]"), HasSubstr("expected exactly one of jwt and api_key"));
  EXPECT_THAT(with("[{jwt: i, api_key: {}}]"),
              HasSubstr("expected exactly one of jwt and api_key"));
  EXPECT_THAT(with("[{jwt: i}]"), HasSubstr("there is no Issuer of this name"));
  EXPECT_THAT(with("[{api_key: {}}, {api_key: {header: x-api-key}}]"),
              HasSubstr("is the header of authenticate[0] already"));
  EXPECT_EQ(with("[{api_key: {}}, {api_key: {header: X-Other}}]"), "");
}

TEST(CompileApi, RefusesTwoIssuersThatATokenCouldMean) {
  std::vector<SourceDocument> documents = ReadExample("card-payments.yaml");
  SourceDocument twin;
  for (SourceDocument& source : documents) {
    if (source.document.has_issuer()) {
      twin = source;
      twin.document.set_name("twin");
    }
    if (source.document.has_api()) {
      source.document.mutable_api()->add_authenticate()->set_jwt("twin");
    }
  }
  documents.push_back(twin);
  EXPECT_THAT(ToString(Compile("default", documents).problems),
              HasSubstr("authenticate[2].jwt: \"twin\": has the same `iss` "
                        "(https://login.bank.example/) as authenticate[0]"));
}

TEST(CompileVersions, HaveAConsistentLife) {
  const auto with = [](absl::string_view more) {
    return Versions(
        absl::StrCat("{name: v2, ", kRoute, "}, {name: v1, routes_from: v2, ", more, "}"));
  };
  EXPECT_THAT(with("state: deprecated"), HasSubstr("versions[1].deprecated: is missing"));
  EXPECT_THAT(with("state: old"), HasSubstr("expected active or deprecated or retired"));
  EXPECT_THAT(with("state: deprecated, deprecated: \"2026-09-01T00:00:00Z\", sunset: "
                   "\"2026-08-31T00:00:00Z\""),
              HasSubstr("sunset: \"2026-08-31T00:00:00Z\": is earlier than deprecated"));
  EXPECT_THAT(with("sunset: \"2026-08-31T00:00:00Z\""), HasSubstr("an active version has none"));
  EXPECT_THAT(with("state: deprecated, deprecated: tomorrow"), HasSubstr("RFC 3339"));
  EXPECT_THAT(with("successor: v3"),
              HasSubstr("there is no version of this name. Did you mean v2?"));
  EXPECT_THAT(with("successor: v1"), HasSubstr("is this version itself"));
  EXPECT_THAT(with("link: ftp://x"), HasSubstr("expected a URL"));
  EXPECT_EQ(with("state: deprecated, deprecated: \"2026-09-01T00:00:00Z\", successor: v2, link: "
                 "https://docs.example/v1"),
            "");
  EXPECT_THAT(Versions(absl::StrCat("{name: v2, ", kRoute,
                                    ", successor: v1}, {name: v1, state: "
                                    "retired}")),
              HasSubstr("successor: \"v1\": is retired"));
}

TEST(CompileVersions, HaveRoutesOrAnothers) {
  EXPECT_THAT(Versions("{name: v1}"), HasSubstr("versions[0].routes: is missing"));
  EXPECT_THAT(Versions("{name: v1, routes_from: v2}"), HasSubstr("there is no version"));
  EXPECT_THAT(
      Versions(absl::StrCat("{name: v2, ", kRoute, "}, {name: v1, routes_from: v2, ", kRoute, "}")),
      HasSubstr("routes_from: \"v2\": stands beside routes"));
  EXPECT_THAT(Versions(absl::StrCat("{name: v3, ", kRoute,
                                    "}, {name: v2, routes_from: v3}, "
                                    "{name: v1, routes_from: v2}")),
              HasSubstr("has no routes of its own"));
  EXPECT_THAT(Versions("{name: v1, routes_from: v1}"), HasSubstr("has no routes of its own"));
  EXPECT_THAT(Versions(absl::StrCat("{name: v1, ", kRoute, "}, {name: v1, ", kRoute, "}")),
              HasSubstr("there is a version of this name already"));
  EXPECT_EQ(Versions(absl::StrCat("{name: v2, ", kRoute, "}, {name: v1, state: retired}")), "");
}

TEST(CompileVersions, AreBoundedInNumberAndRoutes) {
  std::string many, shared = "{name: base, routes: [";
  for (int i = 0; i <= 100; ++i) absl::StrAppend(&many, "{name: v", i, ", ", kRoute, "}, ");
  EXPECT_THAT(Versions(many), HasSubstr("versions: has 101 versions; at most 100"));
  for (int i = 0; i < 1100; ++i) {
    absl::StrAppend(&shared, "{name: r", i, ", match: GET /", i, ", public: true}, ");
  }
  absl::StrAppend(&shared, "]}, ");
  for (int i = 0; i < 98; ++i) absl::StrAppend(&shared, "{name: v", i, ", routes_from: base}, ");
  EXPECT_THAT(Versions(shared), HasSubstr("have 108900 routes"));
}

TEST(CompileVersions, AreTakenFromTheRequest) {
  const std::string two =
      absl::StrCat("versions: [{name: v2, ", kRoute, "}, {name: v1, ", kRoute, "}]\n");
  EXPECT_THAT(Api(two), HasSubstr("version_from: is missing: there is more than one version"));
  EXPECT_EQ(Api(absl::StrCat("version_from: {path: \"/{version}/\", strip: true}\n", two)), "");
  EXPECT_THAT(Api(absl::StrCat("version_from: {path: /v/}\n", two)),
              HasSubstr("expected \"/{version}/\""));
  EXPECT_THAT(Api(absl::StrCat("version_from: {header: X-V, strip: true}\n", two)),
              HasSubstr("nothing to strip"));
  EXPECT_THAT(Api(absl::StrCat("version_from: {header: X-V, default_version: v3}\n", two)),
              HasSubstr("there is no version of this name"));
}

TEST(CompileApi, KeepsHostsApart) {
  const auto api = [](absl::string_view name, absl::string_view more) {
    return absl::StrCat("---\nkind: Api\nname: ", name,
                        "\nservice: s\nversions: [{name: v1, routes: "
                        "[{name: r, match: GET /, public: true}]}]\n",
                        more, "\n");
  };
  const std::string service = "kind: Service\nname: s\nlocal: 127.0.0.1:1\n";
  EXPECT_THAT(ProblemsOf(absl::StrCat(service, api("a", "hosts: [x]"), api("b", "hosts: [z, x]"))),
              HasSubstr("Api/b: hosts[1]: \"x\": with base_path \"/\" is Api/a already"));
  const std::string good =
      absl::StrCat(service, api("a", "hosts: [x]"), api("b", "hosts: [x]\nbase_path: /b"));
  EXPECT_EQ(ProblemsOf(good), "");
  // Each base path of the service's name leads to one of them ...
  EXPECT_THAT(ModelOf(good).apis.at("a").aliases, ElementsAre("s"));
  EXPECT_THAT(ModelOf(good).apis.at("b").aliases, ElementsAre("s"));
  // ... but what could mean two things means neither, and what is written comes first.
  const Model two = ModelOf(absl::StrCat(service, api("a", "hosts: [x]"), api("b", "hosts: [z]")));
  EXPECT_THAT(two.apis.at("a").aliases, IsEmpty());
  EXPECT_THAT(two.apis.at("b").aliases, IsEmpty());
  EXPECT_THAT(ModelOf(absl::StrCat(service, api("a", "hosts: [s]"))).apis.at("a").aliases,
              IsEmpty());
  EXPECT_THAT(ModelOf(absl::StrCat(service, api("a", "hosts: [\"*\"]"))).apis.at("a").aliases,
              IsEmpty());
}

}  // namespace
}  // namespace tollgate::control
