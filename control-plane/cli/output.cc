#include "control-plane/cli/output.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "common/crypto/json.h"
#include "control-plane/model/render.h"

namespace tollgate::control {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Width on a terminal: code points, which is right for what names and messages hold here.
size_t Width(const std::string& text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

std::string Cell(const std::string& text) {
  if (text.empty()) return "-";
  std::string out;
  for (char c : text) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      out += absl::CHexEscape(absl::string_view(&c, 1));
    } else {
      out += c;
    }
  }
  return out;
}

std::string Quoted(absl::string_view text) {
  std::string out;
  AppendJsonString(text, &out);
  return out;
}

// One element of `field`; index -1: the field is not repeated.
std::string Scalar(const Message& message, const FieldDescriptor* field, int index) {
  const Reflection* reflection = message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return Quoted(index < 0 ? reflection->GetString(message, field)
                              : reflection->GetRepeatedString(message, field, index));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->GetBool(message, field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(reflection->GetUInt32(message, field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(reflection->GetUInt64(message, field));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(reflection->GetInt64(message, field));
    default:
      return "null";  // the admin API has no other type
  }
}

std::string Indented(const std::string& text, size_t by) {
  return absl::StrJoin(absl::StrSplit(text, '\n'), absl::StrCat("\n", std::string(by, ' ')));
}

std::string ToJson(const Message& message);

std::string ElementToJson(const Message& message, const FieldDescriptor* field, int index) {
  if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return Scalar(message, field, index);
  const Reflection* reflection = message.GetReflection();
  return ToJson(index < 0 ? reflection->GetMessage(message, field)
                          : reflection->GetRepeatedMessage(message, field, index));
}

std::string ToJson(const Message& message) {
  if (const auto* document = dynamic_cast<const model::v1::Document*>(&message)) {
    std::string text = RenderJson(*document);
    absl::StripTrailingAsciiWhitespace(&text);
    return text;
  }
  std::vector<std::string> members;
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    std::string value;
    if (field->is_repeated()) {
      std::vector<std::string> items;
      const int size = message.GetReflection()->FieldSize(message, field);
      for (int j = 0; j < size; ++j) items.push_back(ElementToJson(message, field, j));
      value = items.empty()
                  ? "[]"
                  : absl::StrCat("[\n  ", Indented(absl::StrJoin(items, ",\n"), 2), "\n]");
    } else if (field->has_presence() && !message.GetReflection()->HasField(message, field)) {
      value = "null";
    } else {
      value = ElementToJson(message, field, -1);
    }
    members.push_back(absl::StrCat(Quoted(field->name()), ": ", value));
  }
  if (members.empty()) return "{}";
  return absl::StrCat("{\n  ", Indented(absl::StrJoin(members, ",\n"), 2), "\n}");
}

// JSON texts and numbers are YAML's too (YAML 1.2 section 1.3).
std::string ToYaml(const Message& message) {
  if (const auto* document = dynamic_cast<const model::v1::Document*>(&message)) {
    std::string text = RenderYaml(*document);
    absl::StripTrailingAsciiWhitespace(&text);
    return text;
  }
  std::vector<std::string> lines;
  const Reflection* reflection = message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    const bool nested = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (field->has_presence() && !reflection->HasField(message, field)) {
      lines.push_back(absl::StrCat(field->name(), ": null"));
      continue;
    }
    if (!field->is_repeated()) {
      lines.push_back(
          nested ? absl::StrCat(field->name(), ":\n  ",
                                Indented(ToYaml(reflection->GetMessage(message, field)), 2))
                 : absl::StrCat(field->name(), ": ", Scalar(message, field, -1)));
      continue;
    }
    const int size = reflection->FieldSize(message, field);
    lines.push_back(absl::StrCat(field->name(), size == 0 ? ": []" : ":"));
    for (int j = 0; j < size; ++j) {
      const std::string item =
          nested ? Indented(ToYaml(reflection->GetRepeatedMessage(message, field, j)), 2)
                 : Scalar(message, field, j);
      lines.push_back(absl::StrCat("- ", item));
    }
  }
  return lines.empty() ? "{}" : absl::StrJoin(lines, "\n");
}

}  // namespace

std::string Table::ToString() const {
  std::vector<size_t> widths(rows_.front().size());
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(Cell(row[i])));
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string cell = Cell(row[i]);
      const bool last = i + 1 == row.size();
      absl::StrAppend(&line, cell, last ? "" : std::string(widths[i] - Width(cell) + 2, ' '));
    }
    absl::StrAppend(&out, line, "\n");
  }
  return out;
}

std::string Age(Duration age) {
  const int64_t seconds = std::max<int64_t>(0, age / std::chrono::seconds(1));
  if (seconds < 120) return absl::StrCat(seconds, "s");
  if (seconds < 120 * 60) return absl::StrCat(seconds / 60, "m");
  if (seconds < 48 * 3600) return absl::StrCat(seconds / 3600, "h");
  return absl::StrCat(seconds / 86400, "d");
}

std::string Counted(uint64_t count, absl::string_view one, absl::string_view many) {
  return absl::StrCat(count, " ", count == 1 ? one : many);
}

uint32_t Milliseconds32(Duration length) {
  constexpr int64_t kMost = std::numeric_limits<uint32_t>::max();
  return static_cast<uint32_t>(
      std::clamp<int64_t>(length / std::chrono::milliseconds(1), 1, kMost));
}

bool ParseCliDuration(const std::string& text, Duration* out) {
  absl::Duration parsed;
  int32_t days = 0;
  if (!text.empty() && text.back() == 'd' &&
      absl::SimpleAtoi(absl::string_view(text).substr(0, text.size() - 1), &days)) {
    parsed = absl::Hours(24) * days;
  } else if (!absl::ParseDuration(text, &parsed)) {
    return false;
  }
  if (absl::AbsDuration(parsed) > absl::Hours(24 * 3660)) return false;
  *out = Duration(absl::ToInt64Nanoseconds(parsed));
  return true;
}

bool ParseCliNumber(absl::string_view text, uint64_t* out) {
  return absl::c_all_of(text, [](unsigned char c) { return absl::ascii_isdigit(c); }) &&
         absl::SimpleAtoi(text, out);
}

std::string MessageToJson(const Message& message) { return absl::StrCat(ToJson(message), "\n"); }
std::string MessageToYaml(const Message& message) { return absl::StrCat(ToYaml(message), "\n"); }

}  // namespace tollgate::control
