#include "control-plane/release/diff.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace tollgate::control {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr char kNone[] = "(none)";
constexpr size_t kMaxValue = 120;

// Compares two messages of one type; null stands for one that is not there.
class Differ {
 public:
  explicit Differ(std::vector<std::string>* out) : out_(out) {}

  // `skip`: a field that the path shows already.
  void Messages(const std::string& path, const Message* from, const Message* to,
                const FieldDescriptor* skip = nullptr) {
    const auto* type = (from != nullptr ? from : to)->GetDescriptor();
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* field = type->field(i);
      if (field == skip) continue;
      if (field->is_map()) {
        Map(Join(path, field), from, to, field);
      } else if (field->is_repeated() && field->message_type() != nullptr) {
        List(Join(path, field), from, to, field);
      } else if (field->message_type() != nullptr) {
        Submessage(path, from, to, field);
      } else {
        Scalar(Join(path, field), Show(from, field), Show(to, field), from, to, field);
      }
    }
  }

 private:
  static std::string Join(const std::string& path, const FieldDescriptor* field) {
    return path.empty() ? std::string(field->name()) : absl::StrCat(path, ".", field->name());
  }
  void Say(const std::string& path, absl::string_view from, absl::string_view to) {
    out_->push_back(absl::StrCat(path, ": ", from, " -> ", to));
  }

  static std::string Cut(const std::string& text) {
    std::string shown = absl::Utf8SafeCEscape(text);
    if (shown.size() <= kMaxValue) return shown;
    size_t end = kMaxValue;
    while (end > 0 && (static_cast<unsigned char>(shown[end]) & 0xc0) == 0x80) --end;
    return absl::StrCat(shown.substr(0, end), "...");
  }
  // Key sets may hold the secrets of symmetric algorithms.
  static bool IsSecret(const FieldDescriptor* field) {
    return field->full_name() == "tollgate.model.v1.Keys.jwks";
  }
  static std::string ShowOne(const Message& m, const FieldDescriptor* field, int index) {
    const Reflection* r = m.GetReflection();
    const bool repeated = index >= 0;
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        return repeated ? r->GetRepeatedString(m, field, index) : r->GetString(m, field);
      case FieldDescriptor::CPPTYPE_BOOL:
        return (repeated ? r->GetRepeatedBool(m, field, index) : r->GetBool(m, field)) ? "true"
                                                                                       : "false";
      case FieldDescriptor::CPPTYPE_UINT32:
        return absl::StrCat(repeated ? r->GetRepeatedUInt32(m, field, index)
                                     : r->GetUInt32(m, field));
      case FieldDescriptor::CPPTYPE_UINT64:
        return absl::StrCat(repeated ? r->GetRepeatedUInt64(m, field, index)
                                     : r->GetUInt64(m, field));
      case FieldDescriptor::CPPTYPE_INT32:
        return absl::StrCat(repeated ? r->GetRepeatedInt32(m, field, index)
                                     : r->GetInt32(m, field));
      case FieldDescriptor::CPPTYPE_INT64:
        return absl::StrCat(repeated ? r->GetRepeatedInt64(m, field, index)
                                     : r->GetInt64(m, field));
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return absl::StrCat(repeated ? r->GetRepeatedDouble(m, field, index)
                                     : r->GetDouble(m, field));
      case FieldDescriptor::CPPTYPE_FLOAT:
        return absl::StrCat(repeated ? r->GetRepeatedFloat(m, field, index)
                                     : r->GetFloat(m, field));
      case FieldDescriptor::CPPTYPE_ENUM:
        return (repeated ? r->GetRepeatedEnum(m, field, index) : r->GetEnum(m, field))->name();
      case FieldDescriptor::CPPTYPE_MESSAGE:
        break;
    }
    return m.ShortDebugString();
  }
  // The whole value, uncut, so that two that differ late are told apart.
  static std::string Show(const Message* m, const FieldDescriptor* field) {
    if (m == nullptr) return kNone;
    if (field->is_repeated()) {
      const int size = m->GetReflection()->FieldSize(*m, field);
      if (size == 0) return kNone;
      std::vector<std::string> values;
      for (int i = 0; i < size; ++i) values.push_back(ShowOne(*m, field, i));
      return absl::StrCat("[", absl::StrJoin(values, ", "), "]");
    }
    if (field->has_presence() && !m->GetReflection()->HasField(*m, field)) return kNone;
    const std::string value = ShowOne(*m, field, -1);
    return value.empty() ? kNone : value;
  }

  void Scalar(const std::string& path, const std::string& from, const std::string& to,
              const Message* from_message, const Message* to_message,
              const FieldDescriptor* field) {
    if (from == to) return;
    // `false` of a message that is not there is not news.
    if (!field->has_presence() && !field->is_repeated() &&
        (from_message == nullptr || to_message == nullptr)) {
      const Message* present = from_message != nullptr ? from_message : to_message;
      if (!present->GetReflection()->HasField(*present, field)) return;
    }
    if (!IsSecret(field)) return Say(path, Cut(from), Cut(to));
    if (from == kNone || to == kNone) {
      return Say(path, from == kNone ? kNone : "(set)", to == kNone ? kNone : "(set)");
    }
    out_->push_back(absl::StrCat(path, ": (changed)"));
  }

  static const Message* Sub(const Message* m, const FieldDescriptor* field) {
    if (m == nullptr || !m->GetReflection()->HasField(*m, field)) return nullptr;
    return &m->GetReflection()->GetMessage(*m, field);
  }
  void Submessage(const std::string& path, const Message* from, const Message* to,
                  const FieldDescriptor* field) {
    const Message* a = Sub(from, field);
    const Message* b = Sub(to, field);
    if (a == nullptr && b == nullptr) return;
    // In YAML the fields of `spec` stand at the top level.
    const auto* oneof = field->real_containing_oneof();
    const bool spec = oneof != nullptr && oneof->name() == "spec";
    const std::string sub_path = spec ? path : Join(path, field);
    const size_t before = out_->size();
    Messages(sub_path, a, b);
    if (out_->size() == before && (a == nullptr || b == nullptr)) {
      Say(Join(path, field), a == nullptr ? kNone : "{}", b == nullptr ? kNone : "{}");
    }
  }

  static std::map<std::string, std::string> ToMap(const Message* m, const FieldDescriptor* field) {
    std::map<std::string, std::string> map;
    if (m == nullptr) return map;
    const FieldDescriptor* key = field->message_type()->map_key();
    const FieldDescriptor* value = field->message_type()->map_value();
    for (int i = 0; i < m->GetReflection()->FieldSize(*m, field); ++i) {
      const Message& entry = m->GetReflection()->GetRepeatedMessage(*m, field, i);
      map[ShowOne(entry, key, -1)] = ShowOne(entry, value, -1);
    }
    return map;
  }
  void Map(const std::string& path, const Message* from, const Message* to,
           const FieldDescriptor* field) {
    const auto a = ToMap(from, field);
    const auto b = ToMap(to, field);
    std::set<std::string> keys;
    for (const auto& [key, value] : a) keys.insert(key);
    for (const auto& [key, value] : b) keys.insert(key);
    for (const std::string& key : keys) {
      const auto in_a = a.find(key);
      const auto in_b = b.find(key);
      if (in_a != a.end() && in_b != b.end() && in_a->second == in_b->second) continue;
      Say(absl::StrCat(path, "[", Cut(key), "]"),
          in_a == a.end() ? kNone : absl::StrCat("\"", Cut(in_a->second), "\""),
          in_b == b.end() ? kNone : absl::StrCat("\"", Cut(in_b->second), "\""));
    }
  }

  using Elements = std::vector<const Message*>;
  static Elements ToElements(const Message* m, const FieldDescriptor* field) {
    Elements elements;
    const int size = m == nullptr ? 0 : m->GetReflection()->FieldSize(*m, field);
    for (int i = 0; i < size; ++i) {
      elements.push_back(&m->GetReflection()->GetRepeatedMessage(*m, field, i));
    }
    return elements;
  }
  // What tells elements apart: a text that all have, and none has twice.
  static bool Names(const Elements& elements, const FieldDescriptor* field,
                    std::vector<std::string>* names) {
    std::set<std::string> seen;
    for (const Message* element : elements) {
      names->push_back(element->GetReflection()->GetString(*element, field));
      if (names->back().empty() || !seen.insert(names->back()).second) return false;
    }
    return true;
  }
  void List(const std::string& path, const Message* from, const Message* to,
            const FieldDescriptor* field) {
    const Elements a = ToElements(from, field);
    const Elements b = ToElements(to, field);
    for (const char* identity : {"name", "address"}) {
      const FieldDescriptor* by = field->message_type()->FindFieldByName(identity);
      std::vector<std::string> names_a, names_b;
      if (by != nullptr && by->cpp_type() == FieldDescriptor::CPPTYPE_STRING &&
          !by->is_repeated() && Names(a, by, &names_a) && Names(b, by, &names_b)) {
        return ListByName(path, a, names_a, b, names_b, by);
      }
    }
    for (size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
      Element(absl::StrCat(path, "[", i, "]"), i < a.size() ? a[i] : nullptr,
              i < b.size() ? b[i] : nullptr, nullptr);
    }
  }
  void ListByName(const std::string& path, const Elements& a,
                  const std::vector<std::string>& names_a, const Elements& b,
                  const std::vector<std::string>& names_b, const FieldDescriptor* by) {
    std::map<std::string, const Message*> old;
    for (size_t i = 0; i < a.size(); ++i) old[names_a[i]] = a[i];
    std::vector<std::string> kept_b;
    for (size_t i = 0; i < b.size(); ++i) {
      const auto it = old.find(names_b[i]);
      Element(absl::StrCat(path, "[", Cut(names_b[i]), "]"), it == old.end() ? nullptr : it->second,
              b[i], by);
      if (it != old.end()) kept_b.push_back(names_b[i]);
    }
    const std::set<std::string> kept(kept_b.begin(), kept_b.end());
    std::vector<std::string> kept_a;
    for (size_t i = 0; i < a.size(); ++i) {
      if (kept.contains(names_a[i])) {
        kept_a.push_back(names_a[i]);
      } else {
        Element(absl::StrCat(path, "[", Cut(names_a[i]), "]"), a[i], nullptr, by);
      }
    }
    if (kept_a != kept_b) {
      Say(absl::StrCat(path, ": order"), Cut(absl::StrCat("[", absl::StrJoin(kept_a, ", "), "]")),
          Cut(absl::StrCat("[", absl::StrJoin(kept_b, ", "), "]")));
    }
  }
  void Element(const std::string& path, const Message* from, const Message* to,
               const FieldDescriptor* by) {
    if (to == nullptr) {
      out_->push_back(absl::StrCat(path, ": removed"));
      return;
    }
    if (from == nullptr) out_->push_back(absl::StrCat(path, ": added"));
    Messages(path, from, to, by);
  }

  std::vector<std::string>* out_;
};

}  // namespace

absl::string_view ToString(DocumentChange::Action action) {
  switch (action) {
    case DocumentChange::Action::kCreated:
      return "created";
    case DocumentChange::Action::kUpdated:
      return "updated";
    case DocumentChange::Action::kDeleted:
      return "deleted";
  }
  return "unknown";
}

std::vector<std::string> DiffFields(const model::v1::Document& from,
                                    const model::v1::Document& to) {
  std::vector<std::string> lines;
  Differ(&lines).Messages("", &from, &to);
  return lines;
}

std::vector<DocumentChange> Diff(const DocumentSet& from, const DocumentSet& to) {
  using Action = DocumentChange::Action;
  std::vector<DocumentChange> changes;
  auto a = from.begin();
  auto b = to.begin();
  while (a != from.end() || b != to.end()) {
    if (b == to.end() || (a != from.end() && a->first < b->first)) {
      changes.push_back({.key = a->first, .action = Action::kDeleted, .fields = {}});
      ++a;
    } else if (a == from.end() || b->first < a->first) {
      changes.push_back({.key = b->first, .action = Action::kCreated, .fields = {}});
      ++b;
    } else {
      if (a->second != b->second) {
        changes.push_back({.key = a->first,
                           .action = Action::kUpdated,
                           .fields = DiffFields(*a->second.document, *b->second.document)});
      }
      ++a;
      ++b;
    }
  }
  return changes;
}

}  // namespace tollgate::control
