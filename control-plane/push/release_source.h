// The real ResourceSource: the state in force (release), translated for each sidecar (translate).
// Each state is compiled once and translated once for each sidecar; equal resources are one copy,
// whatever sidecar and release they belong to. Thread-safe; the work is done by who calls
// Resources (the hub's thread).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>

#include "control-plane/model/model.h"
#include "control-plane/push/resource_set.h"
#include "control-plane/push/source.h"
#include "control-plane/release/state.h"

namespace tollgate::control {

class ReleaseSource final : public ResourceSource {
 public:
  // `peppers`: name -> bytes, for the sidecars that check keys hashed under them.
  explicit ReleaseSource(std::map<std::string, std::string> peppers)
      : peppers_(std::move(peppers)) {}

  // The callback of StateView::Start. Returns at once.
  void Update(const std::shared_ptr<const State>& state);

  Answer Resources(const NodeInfo& node) override;
  void OnChange(std::function<void()> changed) override;

 private:
  using Result = absl::StatusOr<std::shared_ptr<const ResourceSet>>;
  // What was made of one environment's state.
  struct Translated {
    std::shared_ptr<const EnvironmentState> state;
    absl::StatusOr<std::shared_ptr<const Model>> model = absl::UnknownError("not compiled");
    // By id, service, address, zone.
    std::map<std::tuple<std::string, std::string, std::string, std::string>, Result> sets;
  };

  Result TranslateFor(const NodeInfo& node, const std::string& incarnation,
                      const Translated& translated);

  const std::map<std::string, std::string> peppers_;
  ResourcePool pool_;

  std::mutex mutex_;  // of the two below
  std::shared_ptr<const State> state_;
  std::function<void()> changed_;

  std::mutex work_;  // of the rest: held while translating
  std::map<std::string, Translated> environments_;
};

}  // namespace tollgate::control
