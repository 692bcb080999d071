// Tools of from_proto: where an error is, a sink for errors, and checks of single values. Internal
// to common/policy. Not thread-safe: one FromBundle call owns them.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"
#include "common/policy/from_proto.h"

namespace tollgate::internal {

// A place in a resource: a chain on the stack, spelled out only when there is an error.
class At {
 public:
  At() = default;  // the resource itself
  At operator[](absl::string_view field) const { return At(this, field, kNoIndex); }
  At operator()(absl::string_view field, int index) const { return At(this, field, index); }
  std::string ToString() const;  // "routes[3].retry.max_retries"

 private:
  static constexpr int kNoIndex = -1;
  At(const At* up, absl::string_view field, int index) : up_(up), field_(field), index_(index) {}
  const At* up_ = nullptr;  // must outlive this: chain only named places
  absl::string_view field_;
  int index_ = kNoIndex;
};

enum class Code {
  kUnknownField,
  kUnknownValue,
  kMissing,
  kDangling,
  kDuplicate,
  kConflict,
  kOutOfRange,
  kInvalid,
  kUnsupportedSchema,
};

// Collects errors; each concerns the resource that was entered last.
class Errors {
 public:
  // `type` is a message name, "RouteTable". A resource without a name is told by its place.
  void Enter(absl::string_view type, absl::string_view name, int index);
  void Add(Code code, const At& at, std::string message);
  const std::string& resource() const { return name_; }
  std::vector<ResourceError> Take() { return std::move(errors_); }

 private:
  std::string type_url_;
  std::string name_;
  std::vector<ResourceError> errors_;
};

// Fields that this build does not know, in `message` or below (what a newer control plane means by
// them must not be ignored).
void CheckUnknownFields(const google::protobuf::Message& message, const At& at, Errors& errors);

// Each check adds one error at most and says whether the value is good.

// The rules of common/policy/words.h.
bool CheckIdentifier(absl::string_view text, const At& at, Errors& errors);
bool CheckWord(absl::string_view text, const At& at, Errors& errors);
bool CheckPermission(absl::string_view text, const At& at, Errors& errors);
bool CheckHeaderName(absl::string_view text, const At& at, Errors& errors);
bool CheckHost(absl::string_view text, const At& at, Errors& errors);
bool CheckBasePath(absl::string_view text, const At& at, Errors& errors);
bool CheckRange(uint64_t value, uint64_t min, uint64_t max, const At& at, Errors& errors);
// What a reference needs: `found`, or the error says what `what` is missing.
bool CheckReference(bool found, absl::string_view what, absl::string_view name, const At& at,
                    Errors& errors);
// Adds `text` to `seen`; a repetition is an error.
bool CheckDistinct(absl::string_view text, absl::flat_hash_set<std::string>& seen, const At& at,
                   Errors& errors);

Duration CheckMillis(uint64_t ms, uint64_t min, uint64_t max, const At& at, Errors& errors);
inline constexpr uint64_t kDayMs = 86'400'000;

// Unix seconds, 0 for none; until the year 2200, so that nanoseconds hold it.
std::optional<WallTime> CheckDate(int64_t seconds, const At& at, Errors& errors);

std::vector<HeaderValue> CheckHeaders(
    const google::protobuf::RepeatedPtrField<config::v1::Header>& headers, const At& at,
    Errors& errors);

// The value of a wire enum; `value` is none when it is unset or unknown.
template <typename E>
struct EnumValue {
  int wire;
  E value;
};
// Looks `wire` up in `table`. `E{}` after an error.
template <typename E, size_t N>
E CheckEnum(int wire, const EnumValue<E> (&table)[N], const At& at, Errors& errors) {
  for (const EnumValue<E>& row : table) {
    if (row.wire == wire) return row.value;
  }
  if (wire == 0) {
    errors.Add(Code::kMissing, at, "is not set");
  } else {
    errors.Add(Code::kUnknownValue, at, std::to_string(wire) + " is not a value known here");
  }
  return E{};
}

}  // namespace tollgate::internal
