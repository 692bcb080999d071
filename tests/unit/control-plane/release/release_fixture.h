// A store on a CrashingDisk, and short ways to write documents.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "control-plane/release/releases.h"
#include "control-plane/store/sqlite_store.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "tests/fakes/crashing_files.h"
#include "tests/fakes/crashing_vfs.h"

namespace tollgate::control {

// kind: Plan{limit}. Any kind would do: releases do not look inside.
inline SourceDocument PlanOf(const std::string& name, const std::string& limit,
                             const std::string& owner = "") {
  SourceDocument source;
  source.document.set_kind("Plan");
  source.document.set_name(name);
  source.document.set_owner(owner);
  source.document.mutable_plan()->set_limit(limit);
  source.file = name + ".yaml";
  source.line = 1;
  return source;
}

inline model::v1::Document ParseDocument(const std::string& text) {
  model::v1::Document document;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &document)) << text;
  return document;
}

class StoreFixture : public testing::Test {
 protected:
  explicit StoreFixture(uint64_t seed = 1) : disk_(seed), files_(&disk_), vfs_(&disk_) { Boot(); }

  void Boot() {
    store_.reset();
    auto store = SqliteStore::Open(
        {.path = "/data/store.db", .vfs = vfs_.name(), .sweep_interval = Duration::zero()}, files_,
        clock_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  // Keys below "/tollgate/v1/default/", e.g. "blob/", to see what a test left in the store.
  size_t Count(const std::string& prefix) {
    return store_->Range({.prefix = absl::StrCat("/tollgate/v1/default/", prefix)})->kvs.size();
  }
  std::unique_ptr<Releases> MakeReleases() {
    return std::make_unique<Releases>(
        *store_, clock_, [this](absl::string_view, absl::Span<const SourceDocument> documents) {
          const std::lock_guard<std::mutex> lock(validating_);
          validated_.assign(documents.begin(), documents.end());
          return problems_;
        });
  }

  fakes::CrashingDisk disk_;
  fakes::CrashingFiles files_;
  fakes::CrashingVfs vfs_;
  FakeClock clock_;
  std::unique_ptr<SqliteStore> store_;
  std::mutex validating_;  // two Releases of a test may race
  std::vector<Problem> problems_;
  std::vector<SourceDocument> validated_;
};

// "Plan/a=5/second" of each, in order.
inline std::vector<std::string> Describe(const DocumentSet& documents) {
  std::vector<std::string> lines;
  for (const auto& [key, stored] : documents) {
    EXPECT_EQ(stored.document->name(), key.name);
    lines.push_back(absl::StrCat(ToString(key), "=", stored.document->plan().limit()));
  }
  return lines;
}

}  // namespace tollgate::control
