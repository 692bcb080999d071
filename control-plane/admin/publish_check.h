// PublishCheck: what must hold before a set of documents becomes a release: it compiles, it
// injects faults only where the environment allows them, and every sidecar that is connected and
// served now could be served from it. Owned by main, which hands it
// to Releases. Thread-safe.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "control-plane/model/document.h"
#include "control-plane/model/problem.h"
#include "control-plane/push/fleet.h"
#include "control-plane/release/releases.h"

namespace tollgate::control {

class PublishCheck {
 public:
  // The documents in force in an environment; an empty set when nothing was published.
  using HeadDocuments = std::function<DocumentSet(absl::string_view environment)>;

  // Borrows the fleet. `faults` are the environments that may have routes with faults.
  PublishCheck(const Fleet& fleet, HeadDocuments head, std::set<std::string> faults = {})
      : fleet_(fleet), head_(std::move(head)), faults_(std::move(faults)) {}

  // All problems; empty: it may be published. A sidecar that the head cannot serve either (a
  // stranger, or one that waits for its service) holds nothing up.
  std::vector<Problem> operator()(absl::string_view environment,
                                  absl::Span<const SourceDocument> documents) const;

 private:
  const Fleet& fleet_;
  const HeadDocuments head_;
  const std::set<std::string> faults_;
};

}  // namespace tollgate::control
