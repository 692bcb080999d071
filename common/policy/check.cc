#include "common/policy/check.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/policy/words.h"

namespace tollgate::internal {
namespace {

using google::protobuf::FieldDescriptor;

absl::string_view ToString(Code code) {
  switch (code) {
    case Code::kUnknownField:
      return "UNKNOWN_FIELD";
    case Code::kUnknownValue:
      return "UNKNOWN_VALUE";
    case Code::kMissing:
      return "MISSING";
    case Code::kDangling:
      return "DANGLING";
    case Code::kDuplicate:
      return "DUPLICATE";
    case Code::kConflict:
      return "CONFLICT";
    case Code::kOutOfRange:
      return "OUT_OF_RANGE";
    case Code::kInvalid:
      return "INVALID";
    case Code::kUnsupportedSchema:
      return "UNSUPPORTED_SCHEMA";
  }
  return "INVALID";
}

// What an error shows of a value: printable, and not the whole of a long one.
std::string Quote(absl::string_view text) {
  constexpr size_t kMost = 80;
  return absl::StrCat("\"", absl::CHexEscape(text.substr(0, kMost)),
                      text.size() > kMost ? "...\"" : "\"");
}

// One error, with the value and what was expected, unless `status` is OK.
bool Good(absl::string_view text, const absl::Status& status, const At& at, Errors& errors) {
  if (status.ok()) return true;
  if (text.empty()) {
    errors.Add(Code::kMissing, at, absl::StrCat("is empty; ", status.message()));
  } else {
    errors.Add(Code::kInvalid, at, absl::StrCat(Quote(text), "; ", status.message()));
  }
  return false;
}

}  // namespace

std::string At::ToString() const {
  if (up_ == nullptr) return "";
  std::string text = up_->ToString();
  absl::StrAppend(&text, text.empty() ? "" : ".", field_);
  if (index_ != kNoIndex) absl::StrAppend(&text, "[", index_, "]");
  return text;
}

void Errors::Enter(absl::string_view type, absl::string_view name, int index) {
  type_url_ = absl::StrCat(kTypePrefix, type);
  name_ = name.empty() ? absl::StrCat("[", index, "]") : std::string(name);
}

void Errors::Add(Code code, const At& at, std::string message) {
  errors_.push_back(
      {type_url_, name_, std::string(internal::ToString(code)), at.ToString(), std::move(message)});
}

void CheckUnknownFields(const google::protobuf::Message& message, const At& at, Errors& errors) {
  const google::protobuf::Reflection* reflection = message.GetReflection();
  const google::protobuf::UnknownFieldSet& unknown = reflection->GetUnknownFields(message);
  for (int i = 0; i < unknown.field_count(); ++i) {
    errors.Add(Code::kUnknownField, at,
               absl::StrCat("field number ", unknown.field(i).number(), " of ",
                            message.GetDescriptor()->name(), " is not known to schema ", kSchema));
  }
  const google::protobuf::Descriptor* descriptor = message.GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* field = descriptor->field(i);
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) continue;
    if (field->is_repeated()) {
      for (int k = 0; k < reflection->FieldSize(message, field); ++k) {
        CheckUnknownFields(reflection->GetRepeatedMessage(message, field, k), at(field->name(), k),
                           errors);
      }
    } else if (reflection->HasField(message, field)) {
      CheckUnknownFields(reflection->GetMessage(message, field), at[field->name()], errors);
    }
  }
}

bool CheckIdentifier(absl::string_view text, const At& at, Errors& errors) {
  return Good(text, words::CheckIdentifier(text), at, errors);
}

bool CheckWord(absl::string_view text, const At& at, Errors& errors) {
  return Good(text, words::CheckWord(text), at, errors);
}

bool CheckPermission(absl::string_view text, const At& at, Errors& errors) {
  return Good(text, words::CheckPermission(text), at, errors);
}

bool CheckHeaderName(absl::string_view text, const At& at, Errors& errors) {
  return Good(text, words::CheckHeaderName(text), at, errors);
}

bool CheckHost(absl::string_view text, const At& at, Errors& errors) {
  return Good(text, words::CheckHost(text), at, errors);
}

bool CheckBasePath(absl::string_view text, const At& at, Errors& errors) {
  return Good(text, words::CheckBasePath(text), at, errors);
}

bool CheckRange(uint64_t value, uint64_t min, uint64_t max, const At& at, Errors& errors) {
  if (value >= min && value <= max) return true;
  errors.Add(Code::kOutOfRange, at, absl::StrCat(value, "; expected ", min, " to ", max));
  return false;
}

bool CheckReference(bool found, absl::string_view what, absl::string_view name, const At& at,
                    Errors& errors) {
  if (found) return true;
  if (name.empty()) {
    errors.Add(Code::kMissing, at, absl::StrCat("is empty; expected the name of ", what));
  } else {
    errors.Add(Code::kDangling, at, absl::StrCat(Quote(name), " is not the name of ", what));
  }
  return false;
}

bool CheckDistinct(absl::string_view text, absl::flat_hash_set<std::string>& seen, const At& at,
                   Errors& errors) {
  if (seen.emplace(text).second) return true;
  errors.Add(Code::kDuplicate, at, absl::StrCat(Quote(text), " stands here already"));
  return false;
}

Duration CheckMillis(uint64_t ms, uint64_t min, uint64_t max, const At& at, Errors& errors) {
  if (!CheckRange(ms, min, max, at, errors)) return Duration::zero();
  return std::chrono::milliseconds(ms);
}

std::optional<WallTime> CheckDate(int64_t seconds, const At& at, Errors& errors) {
  constexpr int64_t kYear2200 = 7'258'118'400;
  if (seconds == 0) return std::nullopt;
  if (seconds > 0 && seconds < kYear2200) return FromUnixSeconds(seconds);
  errors.Add(Code::kOutOfRange, at,
             absl::StrCat(seconds, "; expected Unix seconds from 1 to ", kYear2200 - 1));
  return std::nullopt;
}

std::vector<HeaderValue> CheckHeaders(
    const google::protobuf::RepeatedPtrField<config::v1::Header>& headers, const At& at,
    Errors& errors) {
  std::vector<HeaderValue> values;
  absl::flat_hash_set<std::string> seen;
  for (int i = 0; i < headers.size(); ++i) {
    const config::v1::Header& header = headers[i];
    const At place = at("response_headers", i);
    const At name = place["name"];
    if (CheckHeaderName(header.name(), name, errors)) {
      CheckDistinct(header.name(), seen, name, errors);
    }
    Good(header.value(), words::CheckHeaderValue(header.value()), place["value"], errors);
    values.push_back({header.name(), header.value()});
  }
  return values;
}

}  // namespace tollgate::internal
