#include "control-plane/model/view.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace tollgate::control {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

View ViewOfMessage(const Message& message);

View Text(std::string text) { return {View::Kind::kText, std::move(text), {}, {}}; }
View Word(std::string text) { return {View::Kind::kWord, std::move(text), {}, {}}; }

View ViewOfMap(const Message& message, const FieldDescriptor* field) {
  std::map<std::string, std::string> sorted;
  for (int i = 0; i < message.GetReflection()->FieldSize(message, field); ++i) {
    const Message& entry = message.GetReflection()->GetRepeatedMessage(message, field, i);
    const auto* type = field->message_type();
    sorted[entry.GetReflection()->GetString(entry, type->map_key())] =
        entry.GetReflection()->GetString(entry, type->map_value());
  }
  View out;
  out.kind = View::Kind::kMapping;
  for (auto& [key, value] : sorted) out.fields.push_back({key, Text(value)});
  return out;
}

View ViewOfList(const Message& message, const FieldDescriptor* field) {
  const auto* reflection = message.GetReflection();
  View out;
  out.kind = View::Kind::kList;
  for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
    out.items.push_back(field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE
                            ? ViewOfMessage(reflection->GetRepeatedMessage(message, field, i))
                            : Text(reflection->GetRepeatedString(message, field, i)));
  }
  return out;
}

View ViewOfField(const Message& message, const FieldDescriptor* field) {
  if (field->is_map()) return ViewOfMap(message, field);
  if (field->is_repeated()) return ViewOfList(message, field);
  const auto* reflection = message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return ViewOfMessage(reflection->GetMessage(message, field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return Word(reflection->GetBool(message, field) ? "true" : "false");
    case FieldDescriptor::CPPTYPE_UINT32:
      return Word(absl::StrCat(reflection->GetUInt32(message, field)));
    default:
      return Text(reflection->GetString(message, field));
  }
}

View ViewOfMessage(const Message& message) {
  View out;
  out.kind = View::Kind::kMapping;
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);  // by number
  for (const FieldDescriptor* field : fields) {
    out.fields.push_back({field->name(), ViewOfField(message, field)});
  }
  return out;
}

}  // namespace

View ViewOf(const model::v1::Document& document) {
  View out = ViewOfMessage(document);
  if (!out.fields.empty() && out.fields.front().key == "api_version") {
    out.fields.front().key = "apiVersion";
  }
  if (document.spec_case() != model::v1::Document::SPEC_NOT_SET) {
    // The last field is the spec (its numbers are the highest): its fields stand at the top.
    View spec = std::move(out.fields.back().value);
    out.fields.pop_back();
    for (auto& field : spec.fields) out.fields.push_back(std::move(field));
  }
  return out;
}

}  // namespace tollgate::control
