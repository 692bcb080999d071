#include "control-plane/push/release_source.h"

#include "absl/strings/str_cat.h"
#include "common/policy/policy.h"
#include "control-plane/model/compile.h"
#include "control-plane/release/document_set.h"

namespace tollgate::control {
namespace {

absl::StatusOr<std::shared_ptr<const Model>> CompileModel(const std::string& environment,
                                                          const DocumentSet& documents) {
  CompileResult result = Compile(environment, ToSourceDocuments(documents));
  if (result.ok()) return std::make_shared<const Model>(std::move(result.model));
  // It was valid when it was published: another version of this program did that.
  return absl::FailedPreconditionError(absl::StrCat(
      "the release in force does not compile here: ", ToString(result.problems.front()),
      "; publish a corrected one"));
}

Credentials CredentialsOf(const EnvironmentState& state,
                          const std::map<std::string, std::string>& peppers) {
  Credentials credentials;
  credentials.peppers = peppers;
  for (const KeyRecord& key : state.keys) {
    credentials.keys.push_back(
        {key.consumer, key.name, key.id, key.hash, key.not_after, key.pepper});
  }
  for (const KeyRecord& key : state.revoked) {
    credentials.revoked.push_back({key.consumer, key.id, static_cast<uint64_t>(key.revision)});
  }
  for (const DenialRecord& denied : state.denied) {
    credentials.denied.push_back({denied.denial, static_cast<uint64_t>(denied.revision)});
  }
  return credentials;
}

}  // namespace

void ReleaseSource::Update(const std::shared_ptr<const State>& state) {
  const std::lock_guard lock(mutex_);
  state_ = state;
  if (changed_ != nullptr) changed_();  // under the lock, so that OnChange(nullptr) can promise
}

void ReleaseSource::OnChange(std::function<void()> changed) {
  const std::lock_guard lock(mutex_);
  changed_ = std::move(changed);
}

ReleaseSource::Answer ReleaseSource::Resources(const NodeInfo& node) {
  const std::lock_guard work(work_);
  std::shared_ptr<const State> state;
  {
    const std::lock_guard lock(mutex_);
    state = state_;
  }
  if (state == nullptr) return {absl::UnavailableError("the store has not been read yet")};
  const auto it = state->environments.find(node.environment);
  if (it == state->environments.end() || it->second->release == 0) {
    return {absl::NotFoundError(
        absl::StrCat("environment \"", node.environment, "\" has no release yet; publish one"))};
  }
  Translated& translated = environments_[node.environment];
  if (translated.state != it->second) {
    const bool same_documents = translated.state != nullptr && translated.model.ok() &&
                                translated.state->documents == it->second->documents;
    if (!same_documents) {
      translated.model = CompileModel(node.environment, *it->second->documents);
    }
    translated.state = it->second;
    translated.sets.clear();
  }
  const auto [entry, is_new] = translated.sets.try_emplace(
      {node.id, node.service, node.address, node.zone}, absl::UnknownError("not translated"));
  if (is_new) entry->second = TranslateFor(node, state->incarnation, translated);
  return {entry->second, translated.state->release};
}

ReleaseSource::Result ReleaseSource::TranslateFor(const NodeInfo& node,
                                                  const std::string& incarnation,
                                                  const Translated& translated) {
  if (!translated.model.ok()) return translated.model.status();
  const EnvironmentState& state = *translated.state;
  const CutIdentity cut{incarnation, static_cast<uint64_t>(state.revision), state.release};
  const absl::StatusOr<config::v1::Bundle> bundle =
      Translate(**translated.model, CredentialsOf(state, peppers_),
                {node.id, node.service, node.address, node.zone}, cut);
  if (!bundle.ok()) return bundle.status();
  return MakeResourceSet(Serialize(*bundle), cut, bundle->epoch().schema(), &pool_);
}

}  // namespace tollgate::control
