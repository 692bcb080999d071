// Who may include whom: reads every #include of ours and holds it against the rules of
// ARCHITECTURE.md ("Who may include whom", "Libraries stay in their corner"). The tables below are
// those rules, and the only place to change them besides the document.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tollgate {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// folder -> folders that it may include, and through them what they may.
const std::map<std::string, std::vector<std::string>> kArrows = {
    {"common/base", {}},
    {"common/crypto", {"common/base"}},
    {"common/policy", {"common/crypto"}},

    {"proxy/event", {"common/base"}},
    {"proxy/net", {"proxy/event"}},
    {"proxy/http", {"proxy/net"}},
    {"proxy/limit", {"common/policy"}},
    {"proxy/route", {"proxy/http", "common/policy"}},
    {"proxy/auth", {"proxy/http", "common/policy"}},
    {"proxy/observe", {"proxy/http", "common/policy"}},
    {"proxy/filter", {"proxy/route", "proxy/auth", "proxy/limit", "proxy/observe", "proxy/http"}},
    {"proxy/snapshot", {"proxy/filter", "proxy/route", "proxy/auth", "proxy/limit"}},
    {"proxy/upstream", {"proxy/http", "proxy/net", "proxy/observe"}},  // and kSingleHeaders
    {"proxy/health", {"proxy/upstream", "proxy/http", "proxy/net"}},
    {"proxy/stream", {"proxy/snapshot", "proxy/upstream", "proxy/filter"}},
    {"proxy/control", {"common/policy"}},
    {"proxy/server", {"proxy/control", "proxy/stream", "proxy/health", "proxy/observe"}},
    {"proxy", {"proxy/server"}},  // main.cc

    {"control-plane/store", {"common/base"}},
    {"control-plane/model", {"common/policy"}},
    {"control-plane/release", {"control-plane/store", "control-plane/model"}},
    {"control-plane/translate", {"control-plane/model"}},
    {"control-plane/push", {"control-plane/translate", "control-plane/release"}},
    {"control-plane/admin", {"control-plane/push", "control-plane/release"}},
    {"control-plane/cli", {"control-plane/model", "control-plane/translate"}},
    {"control-plane", {"control-plane/admin", "control-plane/push"}},  // main.cc
};

// One header of a folder that is not reachable otherwise.
const std::set<std::pair<std::string, std::string>> kSingleHeaders = {
    {"proxy/upstream", "proxy/filter/permit.h"},
};

// An include that begins with (or, for ".grpc.pb.h", ends with) this may stand only in files whose
// path begins with one of these.
const std::map<std::string, std::vector<std::string>> kCorners = {
    {"openssl/", {"proxy/net/tls", "common/crypto/"}},
    {"llhttp.h", {"proxy/http/"}},
    {"nghttp2/", {"proxy/http/"}},
    {"grpc/",
     {"proxy/control/", "control-plane/push/", "control-plane/admin/", "control-plane/cli/"}},
    {"grpcpp/",
     {"proxy/control/", "control-plane/push/", "control-plane/admin/", "control-plane/cli/"}},
    {".grpc.pb.h",
     {"proxy/control/", "control-plane/push/", "control-plane/admin/", "control-plane/cli/"}},
    {"sqlite3.h", {"control-plane/store/"}},
    {"yaml-cpp/", {"control-plane/model/"}},
    {"simdjson.h", {"common/crypto/", "proxy/auth/"}},
};

bool StartsWith(const std::string& text, const std::string& prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}
bool EndsWith(const std::string& text, const std::string& suffix) {
  return text.size() >= suffix.size() &&
         text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}
bool IsOurs(const std::string& include) {
  return StartsWith(include, "common/") || StartsWith(include, "proxy/") ||
         StartsWith(include, "control-plane/");
}
// "proxy/net" of "proxy/net/tls/socket.h"; "proxy" of "proxy/main.cc".
std::string FolderOf(const std::string& path) {
  const size_t first = path.find('/');
  const size_t second = path.find('/', first + 1);
  return path.substr(0, second == std::string::npos ? first : second);
}

// `folder` and all that its arrows reach.
std::set<std::string> Reachable(const std::string& folder) {
  std::set<std::string> reached = {folder};
  std::vector<std::string> left = {folder};
  while (!left.empty()) {
    const std::string next = left.back();
    left.pop_back();
    for (const std::string& to : kArrows.at(next)) {
      if (reached.insert(to).second) left.push_back(to);
    }
  }
  return reached;
}

struct Include {
  std::string path;
  bool quoted;
};
std::vector<Include> IncludesOf(const fs::path& file) {
  std::vector<Include> includes;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    size_t at = line.find_first_not_of(" \t");
    if (at == std::string::npos || line[at] != '#') continue;
    at = line.find_first_not_of(" \t", at + 1);
    if (at == std::string::npos || line.compare(at, 7, "include") != 0) continue;
    const size_t open = line.find_first_of("<\"", at);
    if (open == std::string::npos) continue;
    const size_t close = line.find_first_of(">\"", open + 1);
    includes.push_back({line.substr(open + 1, close - open - 1), line[open] == '"'});
  }
  return includes;
}

// What is wrong with one include of `file`; empty: nothing.
std::string Judge(const std::string& file, const Include& include) {
  for (const auto& [library, corners] : kCorners) {
    if (!StartsWith(include.path, library) && !EndsWith(include.path, library)) continue;
    if (std::none_of(corners.begin(), corners.end(),
                     [&](const std::string& corner) { return StartsWith(file, corner); })) {
      return "the library has its corner elsewhere";
    }
  }
  if (!include.quoted) return "";
  if (include.path.find("..") != std::string::npos) return "a path that goes up";
  if (!IsOurs(include.path)) {
    const bool names_a_folder = include.path.find('/') != std::string::npos;
    const bool is_library = kCorners.contains(include.path);
    return names_a_folder || is_library ? "" : "ours are included by their path from the root";
  }
  const std::string folder = FolderOf(file);
  if (kSingleHeaders.contains({folder, include.path})) return "";
  if (!Reachable(folder).contains(FolderOf(include.path))) return "no arrow leads there";
  return "";
}

// One line a violation, in the tree under `root`.
std::vector<std::string> Violations(const fs::path& root, size_t* includes = nullptr) {
  std::vector<std::string> violations;
  for (const char* top : {"common", "proxy", "control-plane"}) {
    if (!fs::exists(root / top)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
      const std::string extension = entry.path().extension();
      if (!entry.is_regular_file() || (extension != ".h" && extension != ".cc")) continue;
      const std::string file = fs::relative(entry.path(), root).generic_string();
      if (!kArrows.contains(FolderOf(file))) {
        violations.push_back(file + ": a folder that the table of arrows does not know");
        continue;
      }
      for (const Include& include : IncludesOf(entry.path())) {
        if (includes != nullptr) ++*includes;
        const std::string why = Judge(file, include);
        if (!why.empty()) violations.push_back(file + " includes " + include.path + ": " + why);
      }
    }
  }
  std::sort(violations.begin(), violations.end());
  return violations;
}

TEST(Layering, OursKeepsTheRules) {
  size_t includes = 0;
  EXPECT_THAT(Violations(TOLLGATE_SOURCE_DIR, &includes), IsEmpty());
  EXPECT_GT(includes, 100u) << "the test did not find the sources";
}

TEST(Layering, ArrowsMakeNoCircle) {
  for (const auto& [folder, direct] : kArrows) {
    for (const std::string& to : direct) {
      ASSERT_TRUE(kArrows.contains(to)) << to;
      EXPECT_FALSE(Reachable(to).contains(folder)) << folder << " <-> " << to;
    }
  }
}

// A tree in a temporary folder, to see that the test can fail.
class Fixture : public ::testing::Test {
 protected:
  Fixture()
      : root_(fs::path(::testing::TempDir()) /
              (std::string("layering_") +
               ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(root_);
  }
  ~Fixture() override { fs::remove_all(root_); }
  void Write(const std::string& file, const std::string& line) {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << "#pragma once\n" << line << "\n";
  }
  const fs::path root_;
};

TEST_F(Fixture, AllowsArrowsAndWhatTheyReach) {
  Write("proxy/server/a.cc", "#include \"proxy/event/loop.h\"");
  Write("proxy/upstream/b.cc", "#include \"proxy/filter/permit.h\"");
  Write("proxy/main.cc", "#include \"proxy/server/server.h\"");
  Write("common/crypto/c.cc", "#include <openssl/evp.h>");
  Write("proxy/net/tls_d.cc", "#include <openssl/ssl.h>");
  Write("proxy/auth/e.cc", "#include \"simdjson.h\"");
  Write("control-plane/cli/f.cc", "#include \"tollgate/admin/v1/admin.grpc.pb.h\"");
  EXPECT_THAT(Violations(root_), IsEmpty());
}

TEST_F(Fixture, RefusesArrowsThatRunBack) {
  Write("common/policy/a.h", "#include \"proxy/route/route_tree.h\"");
  Write("common/base/b.h", "  #  include \"common/crypto/digest.h\"");
  Write("proxy/http/c.cc", "#include \"proxy/stream/stream.h\"");
  Write("proxy/upstream/d.cc", "#include \"proxy/filter/chain.h\"");
  Write("proxy/control/e.cc", "#include \"proxy/server/server.h\"");
  Write("control-plane/store/f.cc", "#include \"control-plane/model/model.h\"");
  EXPECT_THAT(
      Violations(root_),
      ElementsAre("common/base/b.h includes common/crypto/digest.h: no arrow leads there",
                  "common/policy/a.h includes proxy/route/route_tree.h: no arrow leads there",
                  "control-plane/store/f.cc includes control-plane/model/model.h: no arrow leads "
                  "there",
                  "proxy/control/e.cc includes proxy/server/server.h: no arrow leads there",
                  "proxy/http/c.cc includes proxy/stream/stream.h: no arrow leads there",
                  "proxy/upstream/d.cc includes proxy/filter/chain.h: no arrow leads there"));
}

TEST_F(Fixture, RefusesThatTheTwoPlanesMeet) {
  Write("proxy/control/a.cc", "#include \"control-plane/push/session.h\"");
  Write("control-plane/push/b.cc", "#include \"proxy/control/ads_client.h\"");
  EXPECT_EQ(Violations(root_).size(), 2u);
}

TEST_F(Fixture, RefusesLibrariesOutOfTheirCorner) {
  Write("proxy/stream/a.cc", "#include <openssl/evp.h>");
  Write("proxy/net/b.cc", "#include <llhttp.h>");
  Write("proxy/server/c.cc", "#include <grpcpp/grpcpp.h>");
  Write("proxy/filter/d.cc", "#include \"tollgate/agent/v1/agent.grpc.pb.h\"");
  Write("control-plane/release/e.cc", "#include <sqlite3.h>");
  Write("control-plane/cli/f.cc", "#include <yaml-cpp/yaml.h>");
  Write("proxy/http/g.cc", "#include <simdjson.h>");
  EXPECT_EQ(Violations(root_).size(), 7u);
}

TEST_F(Fixture, RefusesFoldersAndPathsThatNobodyKnows) {
  Write("proxy/misc/a.cc", "");
  Write("proxy/net/b.cc", "#include \"socket.h\"");
  Write("proxy/net/c.cc", "#include \"../server/server.h\"");
  EXPECT_THAT(Violations(root_),
              ElementsAre("proxy/misc/a.cc: a folder that the table of arrows does not know",
                          "proxy/net/b.cc includes socket.h: ours are included by their path from "
                          "the root",
                          "proxy/net/c.cc includes ../server/server.h: a path that goes up"));
}

}  // namespace
}  // namespace tollgate
