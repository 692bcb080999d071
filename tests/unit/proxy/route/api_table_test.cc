#include "proxy/route/api_table.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

using Kind = VersionMatch::Kind;
using Source = VersionMatch::Source;

ApiBindingPolicy Api(std::string name, std::vector<std::string> hosts, std::string base) {
  ApiBindingPolicy api;
  api.api = name;
  api.hosts = std::move(hosts);
  api.base_path = std::move(base);
  api.route_tables = {name + "/v1", name + "/v2"};
  return api;
}

class Apis : public ::testing::Test {
 protected:
  explicit Apis() {
    apis_ = {Api("cards", {"pay.example.com"}, "/cards"),
             Api("cards-admin", {"pay.example.com"}, "/cards/admin"),
             Api("pay", {"pay.example.com", "alias.example"}, "/"),
             Api("any", {"*"}, "/public"),
             Api("six", {"[2001:db8::1]"}, "/"),
             Api("narrow", {"narrow.example"}, "/x")};
    auto table = ApiTable::Build(apis_);
    EXPECT_TRUE(table.ok()) << table.status();
    table_.emplace(*std::move(table));
  }
  std::string Match(absl::string_view host, absl::string_view path) {
    const ApiEntry* entry = table_->Match(host, path);
    return entry ? apis_[entry->index].api : "404";
  }
  std::vector<ApiBindingPolicy> apis_;
  std::optional<ApiTable> table_;
};

TEST_F(Apis, MatchTheLongestBasePath) {
  EXPECT_EQ(Match("pay.example.com", "/cards/admin/keys"), "cards-admin");
  EXPECT_EQ(Match("pay.example.com", "/cards/admin"), "cards-admin");
  EXPECT_EQ(Match("pay.example.com", "/cards/1"), "cards");
  EXPECT_EQ(Match("pay.example.com", "/cards"), "cards");
  EXPECT_EQ(Match("pay.example.com", "/cards/"), "cards");
  EXPECT_EQ(Match("pay.example.com", "/"), "pay");
  EXPECT_EQ(Match("pay.example.com", "/other/and/a/very/long/path"), "pay");
}

TEST_F(Apis, MatchOnSegmentBoundariesOnly) {
  EXPECT_EQ(Match("pay.example.com", "/cardsharp"), "pay");
  EXPECT_EQ(Match("pay.example.com", "/cards/administrator"), "cards");
  EXPECT_EQ(Match("narrow.example", "/xy"), "404");
}

TEST_F(Apis, KnowAPathThatIsAnotherApiButForLetterCase) {
  apis_.push_back(Api("upper", {"pay.example.com"}, "/Refunds"));
  table_.emplace(*ApiTable::Build(apis_));
  const auto ambiguous = [&](absl::string_view host, absl::string_view path) {
    return table_->ReadsAsAnother(host, path, *table_->Match(host, path));
  };
  for (const char* path : {"/Cards", "/CARDS/1", "/cards/Admin/keys", "/refunds/1", "/REFUNDS"}) {
    EXPECT_TRUE(ambiguous("pay.example.com", path)) << path;
  }
  for (const char* path : {"/cards/1", "/cards/X", "/cards/admin/X", "/Refunds/X", "/CardSharp"}) {
    EXPECT_FALSE(ambiguous("pay.example.com", path)) << path;
  }
}

TEST_F(Apis, MatchHostsWithoutCasePortAndTrailingDot) {
  for (absl::string_view host : {"alias.example", "ALIAS.Example", "alias.example:8080",
                                 "alias.example.", "Alias.example.:443"}) {
    EXPECT_EQ(Match(host, "/"), "pay") << host;
  }
  EXPECT_EQ(Match("[2001:DB8::1]:8080", "/"), "six");
  EXPECT_EQ(Match("[2001:db8::1]", "/"), "six");
  EXPECT_EQ(Match("alias.example..", "/"), "404");
  EXPECT_EQ(Match("xalias.example", "/"), "404");
}

TEST_F(Apis, MatchTheExactHostBeforeAnyHost) {
  EXPECT_EQ(Match("pay.example.com", "/public/x"), "pay");
  EXPECT_EQ(Match("narrow.example", "/public/x"), "any");
  EXPECT_EQ(Match("unknown", "/public"), "any");
  EXPECT_EQ(Match("*", "/public"), "any");
  EXPECT_EQ(Match("", "/public"), "any");
  EXPECT_EQ(Match("unknown", "/"), "404");
  EXPECT_EQ(Match(std::string(10'000, 'a'), "/public"), "any");
  EXPECT_EQ(Match("[", "/public"), "any");
}

TEST(ApiTable, RefusesTwoApisAtOnePlace) {
  const auto table =
      ApiTable::Build(std::vector{Api("a", {"h", "g"}, "/x"), Api("b", {"other", "g"}, "/x")});
  ASSERT_FALSE(table.ok());
  EXPECT_THAT(std::string(table.status().message()), ::testing::HasSubstr("host \"g\""));
}

TEST(ApiTable, EmptyMatchesNothing) { EXPECT_EQ(ApiTable::Build({})->Match("h", "/"), nullptr); }

TEST(ApiTable, OutlivesThePolicyAndMoves) {
  auto table = ApiTable::Build(std::vector{Api("a", {"h"}, "/x")});
  const ApiTable moved = *std::move(table);
  ASSERT_NE(moved.Match("h", "/x/y"), nullptr);
}

VersionFromPolicy From(bool path, std::string header = "", bool strip = false) {
  VersionFromPolicy from;
  from.path = path;
  from.header = std::move(header);
  from.strip = strip;
  return from;
}

ApiEntry Entry(std::string base, VersionFromPolicy from, int default_version = -1) {
  ApiEntry entry;
  entry.base_path = std::move(base);
  entry.version_from = std::move(from);
  entry.versions = {"v1", "v2", "2026-11-20", "beta"};
  entry.default_version = default_version;
  return entry;
}
constexpr int kNoDefault = -1;

TEST(SelectVersion, ByPathLeavesThePathForTheUpstream) {
  const ApiEntry entry = Entry("/", From(true));
  std::string scratch;
  const VersionMatch match = SelectVersion(entry, "/v2/payments/42", {}, &scratch);
  ASSERT_TRUE(match.found());
  EXPECT_EQ(match.source, Source::kPath);
  EXPECT_EQ(match.version, 1u);
  EXPECT_EQ(match.route_path, "/payments/42");
  EXPECT_EQ(match.upstream_path, "/v2/payments/42");
  EXPECT_EQ(SelectVersion(entry, "/2026-11-20/x", {}, &scratch).version, 2u);
}

TEST(SelectVersion, StripCutsTheSegmentOut) {
  std::string scratch;
  const ApiEntry root = Entry("/", From(true, "", true));
  EXPECT_EQ(SelectVersion(root, "/v2/payments", {}, &scratch).upstream_path, "/payments");
  EXPECT_EQ(SelectVersion(root, "/v2", {}, &scratch).upstream_path, "/");
  EXPECT_EQ(SelectVersion(root, "/v2/", {}, &scratch).upstream_path, "/");

  const ApiEntry based = Entry("/cards", From(true, "", true));
  const VersionMatch match = SelectVersion(based, "/cards/v1/payments", {}, &scratch);
  EXPECT_EQ(match.upstream_path, "/cards/payments");
  EXPECT_EQ(match.route_path, "/payments");
  EXPECT_EQ(SelectVersion(based, "/cards/v1", {}, &scratch).upstream_path, "/cards");
  EXPECT_EQ(SelectVersion(based, "/cards/v1", {}, &scratch).route_path, "/");
  EXPECT_EQ(SelectVersion(based, "/cards/v1/", {}, &scratch).upstream_path, "/cards/");
}

TEST(SelectVersion, ByPathNeedsAVersionThatExists) {
  const ApiEntry entry = Entry("/", From(true));
  std::string scratch;
  EXPECT_EQ(SelectVersion(entry, "/v9/payments", {}, &scratch).kind, Kind::kNotFound);
  EXPECT_EQ(SelectVersion(entry, "/payments", {}, &scratch).kind, Kind::kNotFound);
  EXPECT_EQ(SelectVersion(entry, "/", {}, &scratch).kind, Kind::kNotFound);
  EXPECT_EQ(SelectVersion(entry, "/v22/payments", {}, &scratch).kind, Kind::kNotFound);
}

TEST(SelectVersion, ByHeader) {
  const ApiEntry entry = Entry("/cards", From(false, "x-api-version"));
  std::string scratch;
  const VersionMatch match = SelectVersion(entry, "/cards/payments", "v1", &scratch);
  ASSERT_TRUE(match.found());
  EXPECT_EQ(match.source, Source::kHeader);
  EXPECT_EQ(match.version, 0u);
  EXPECT_EQ(match.route_path, "/payments");
  EXPECT_EQ(match.upstream_path, "/cards/payments");
  EXPECT_EQ(SelectVersion(entry, "/cards", "v1", &scratch).route_path, "/");
}

TEST(SelectVersion, AnUnknownHeaderIsABadRequest) {
  const ApiEntry entry = Entry("/", From(false, "x-api-version"), 0);
  std::string scratch;
  for (absl::string_view header : {"v9", "", "v1,v2", "V1", " v1"}) {
    EXPECT_EQ(SelectVersion(entry, "/payments", header, &scratch).kind, Kind::kUnknown) << header;
  }
}

TEST(SelectVersion, AHeaderThatSelectsNothingHereIsIgnored) {
  const ApiEntry entry = Entry("/", From(true));
  std::string scratch;
  EXPECT_EQ(SelectVersion(entry, "/v1/payments", "v9", &scratch).version, 0u);
}

TEST(SelectVersion, EveryPairOfSelectors) {
  struct Case {
    absl::string_view path;
    std::optional<absl::string_view> header;
    int default_version;
    Kind kind;
    Source source;
    uint32_t version;
  };
  const Case cases[] = {
      {"/v1/p", "v1", kNoDefault, Kind::kFound, Source::kPath, 0},
      {"/v1/p", "v2", kNoDefault, Kind::kContradiction, {}, 0},
      {"/v1/p", "v2", 1, Kind::kContradiction, {}, 0},
      {"/v1/p", "v9", 1, Kind::kUnknown, {}, 0},
      {"/v1/p", {}, 1, Kind::kFound, Source::kPath, 0},
      {"/p", "v2", 0, Kind::kFound, Source::kHeader, 1},
      {"/p", "v2", kNoDefault, Kind::kFound, Source::kHeader, 1},
      {"/p", {}, 1, Kind::kFound, Source::kDefault, 1},
      {"/p", {}, kNoDefault, Kind::kNotFound, {}, 0},
      {"/V2/p", {}, 1, Kind::kNotFound, {}, 0},  // a server may take it for v2
      {"/Beta/p", {}, 1, Kind::kNotFound, {}, 0},
      {"/v9/p", {}, 1, Kind::kNotFound, {}, 0},    // never the default version's /{x}/p
      {"/v9/p", "v1", 1, Kind::kNotFound, {}, 0},  // nor the header's
      {"/vault/p", {}, 1, Kind::kFound, Source::kDefault, 1},
      {"/", {}, 1, Kind::kFound, Source::kDefault, 1},
  };
  for (const Case& c : cases) {
    const ApiEntry entry = Entry("/", From(true, "x-api-version"), c.default_version);
    std::string scratch;
    const VersionMatch match = SelectVersion(entry, c.path, c.header, &scratch);
    SCOPED_TRACE(testing::Message() << c.path << " header " << c.header.value_or("none"));
    EXPECT_EQ(match.kind, c.kind);
    if (match.found()) {
      EXPECT_EQ(match.source, c.source);
    }
    EXPECT_EQ(match.version, c.version);
  }
}

TEST(SelectVersion, TakesTheOnlyVersionWhereNothingSelects) {
  ApiBindingPolicy api = Api("a", {"h"}, "/");
  api.route_tables = {"outbound/a/v1"};
  std::string scratch;
  const auto plain = ApiTable::Build(std::vector{api});
  const VersionMatch match = SelectVersion(*plain->Match("h", "/p"), "/p", {}, &scratch);
  EXPECT_TRUE(match.found());
  EXPECT_EQ(match.route_path, "/p");
  api.version_from.path = true;
  const auto by_path = ApiTable::Build(std::vector{api});
  EXPECT_FALSE(SelectVersion(*by_path->Match("h", "/p"), "/p", {}, &scratch).found());
}

TEST(VersionUri, IsWhereAVersionStarts) {
  EXPECT_EQ(VersionUri(Entry("/", From(true)), "v2"), "/v2/");
  EXPECT_EQ(VersionUri(Entry("/cards", From(true)), "v2"), "/cards/v2/");
  EXPECT_EQ(VersionUri(Entry("/", From(true)), "v9"), "");
  EXPECT_EQ(VersionUri(Entry("/", From(false, "x-api-version")), "v2"), "");
}

}  // namespace
}  // namespace tollgate::proxy
