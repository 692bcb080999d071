// Checker: what the compilation of one document works with: it reads values, says what is wrong
// with them and where, and knows which other documents there are. One thread; lives as long as the
// check of its document.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/base/address.h"
#include "control-plane/model/document.h"
#include "control-plane/model/model.h"
#include "control-plane/model/problem.h"
#include "google/protobuf/map.h"
#include "google/protobuf/repeated_field.h"

namespace tollgate::control {

using Texts = google::protobuf::RepeatedPtrField<std::string>;

// The names of each kind, sorted.
using NameIndex = std::map<std::string, std::vector<std::string>>;

class Checker {
 public:
  // All outlive the checker.
  Checker(const SourceDocument& source, const NameIndex& names, std::vector<Problem>* problems)
      : source_(source), names_(names), problems_(problems) {}

  const std::string& name() const { return source_.document.name(); }
  size_t problem_count() const { return problems_->size(); }

  void Report(absl::string_view field, absl::string_view value, absl::string_view message,
              absl::string_view remedy = "");
  // Reports a status that is not OK. Whether it was.
  bool Check(absl::string_view field, absl::string_view value, const absl::Status& status);

  // These read a value; an empty one is `fallback`. What is wrong is reported, and gives
  // `fallback`.
  Duration TakeDuration(absl::string_view field, absl::string_view text, Duration fallback);
  uint64_t TakeSize(absl::string_view field, absl::string_view text, uint64_t fallback);
  uint32_t TakeNumber(absl::string_view field, bool present, uint32_t number, uint32_t fallback,
                      uint32_t least, uint32_t most);
  std::optional<Address> TakeAddress(absl::string_view field, absl::string_view text);
  std::string TakeHeaderName(absl::string_view field, absl::string_view text,
                             absl::string_view fallback);
  std::optional<WallTime> TakeDate(absl::string_view field, absl::string_view text);
  // Sorted by name.
  std::vector<HeaderValue> TakeHeaders(
      absl::string_view field, const google::protobuf::Map<std::string, std::string>& headers);
  // `check` on each; no value twice.
  std::vector<std::string> TakeTexts(absl::string_view field, const Texts& texts,
                                     absl::Status (*check)(absl::string_view));
  // The index of `text` in `words`; reports an unknown one (and an empty one, unless there is a
  // fallback) and gives the fallback, or 0.
  size_t TakeWord(absl::string_view field, absl::string_view text,
                  const std::vector<std::string>& words, std::optional<size_t> fallback);

  // Reports an address that leaves the machine without `plaintext: true`.
  void NeedPlaintext(absl::string_view field, const Address& address, bool plaintext);

  // Whether a document `kind`/`name` exists; reports a dangling name.
  bool Refer(absl::string_view field, const std::string& kind, const std::string& name);
  // Reports `name` if it is not one of `known`, which are `what` ("version").
  bool Among(absl::string_view field, absl::string_view name, absl::string_view what,
             const std::vector<std::string>& known);

 private:
  void ReportUnknown(absl::string_view field, absl::string_view name, absl::string_view what,
                     const std::vector<std::string>& known);

  const SourceDocument& source_;
  const NameIndex& names_;
  std::vector<Problem>* problems_;
};

// "routes[3]", "routes[3].match".
std::string At(absl::string_view list, size_t index, absl::string_view field = "");

}  // namespace tollgate::control
