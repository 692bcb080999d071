#include "control-plane/model/mapper.h"

#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "control-plane/model/suggest.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace tollgate::control {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using Kind = YamlNode::Kind;

constexpr size_t kMaxSuggestions = 50;  // past so many problems nobody reads them
constexpr absl::string_view kApiVersionKey = "apiVersion";  // the only key in camel case

absl::string_view Describe(const YamlNode& node) {
  switch (node.kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kScalar:
      return "a single value";
    case Kind::kSequence:
      return "a list";
    case Kind::kMapping:
      return "a mapping";
    case Kind::kBad:
      break;
  }
  return "something else";
}

std::string Join(absl::string_view path, absl::string_view key) {
  return absl::StrCat(path, path.empty() ? "" : ".", key);
}

std::vector<std::string> FieldNames(const Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return names;
}

// Whether a list of texts may be written as its only one.
bool MayBeOneWord(const FieldDescriptor& list) {
  return list.full_name() == "tollgate.model.v1.Plan.per";
}

// The one field that a message may be written as: an endpoint is its address. Null: none.
const FieldDescriptor* ShortForm(const Descriptor& type) {
  if (type.full_name() == "tollgate.model.v1.Endpoint") return type.FindFieldByName("address");
  if (type.full_name() == "tollgate.model.v1.Balance") return type.FindFieldByName("policy");
  if (type.full_name() == "tollgate.model.v1.Cost") return type.FindFieldByName("units");
  return nullptr;
}

class Mapper {
 public:
  Mapper(SourceDocument* source, std::vector<Problem>* problems)
      : source_(source), problems_(problems), before_(problems->size()) {}

  bool Map(const YamlNode& root) {
    if (root.kind != Kind::kMapping) {
      Report(root.line, "", "",
             absl::StrCat("expected a mapping with kind and name, found ", Describe(root)), "");
      return ok();
    }
    const FieldDescriptor* spec = FindSpec(root);
    model::v1::Document& document = source_->document;
    for (const YamlNode::Field& field : root.fields) {
      if (field.key == "name" && field.value.kind == Kind::kScalar) {
        document.set_name(field.value.scalar);  // first, so that problems can say whose they are
      }
    }
    if (spec == nullptr) return ok();
    // `spec: {}` of a kind without fields set is still that kind.
    Message* body = document.GetReflection()->MutableMessage(&document, spec);
    for (const YamlNode::Field& field : root.fields) MapTop(field, spec, body);
    return ok();
  }

 private:
  bool ok() const { return problems_->size() == before_; }

  void Report(uint32_t line, absl::string_view field, absl::string_view value,
              absl::string_view message, absl::string_view remedy) {
    problems_->push_back(
        {source_->file, line, source_->document.kind().empty() ? "" : DocumentId(source_->document),
         std::string(field), std::string(value), std::string(message), std::string(remedy)});
  }

  // The oneof member that `kind` names; reports what is wrong with `kind`.
  const FieldDescriptor* FindSpec(const YamlNode& root) {
    const YamlNode::Field* kind = nullptr;
    for (const YamlNode::Field& field : root.fields) {
      if (field.key == "kind") kind = &field;
    }
    if (kind == nullptr) {
      Report(root.line, "kind", "", "is missing", "Say what this document is, e.g. kind: Service");
      return nullptr;
    }
    if (kind->value.kind == Kind::kBad) return nullptr;
    if (kind->value.kind != Kind::kScalar) {
      Report(kind->line, "kind", "", absl::StrCat("expected a word, found ", Describe(kind->value)),
             "");
      return nullptr;
    }
    for (const std::string& known : Kinds()) {
      if (known != kind->value.scalar) continue;
      source_->document.set_kind(known);
      return model::v1::Document::descriptor()->FindFieldByLowercaseName(
          absl::AsciiStrToLower(known));
    }
    Report(kind->line, "kind", kind->value.scalar, "unknown kind",
           DidYouMean(kind->value.scalar, Kinds()));
    return nullptr;
  }

  // A key beside `kind`: of the document, or of its kind.
  void MapTop(const YamlNode::Field& field, const FieldDescriptor* spec, Message* body) {
    const Descriptor& document = *model::v1::Document::descriptor();
    const bool of_document = field.key == "environment" || field.key == "kind" ||
                             field.key == "name" || field.key == "owner";
    if (field.key == kApiVersionKey) {
      MapField(field, document.FindFieldByName("api_version"), field.key, &source_->document);
    } else if (of_document) {
      MapField(field, document.FindFieldByName(field.key), field.key, &source_->document);
    } else if (const FieldDescriptor* found = spec->message_type()->FindFieldByName(field.key)) {
      MapField(field, found, field.key, body);
    } else {
      std::vector<std::string> known = FieldNames(*spec->message_type());
      for (const char* name : {"apiVersion", "environment", "kind", "name", "owner"}) {
        known.push_back(name);
      }
      Unknown(field, field.key, spec->message_type()->name(), known);
    }
  }

  void Unknown(const YamlNode::Field& field, absl::string_view path, absl::string_view type,
               const std::vector<std::string>& known) {
    Report(field.line, path, "", absl::StrCat("unknown field of ", type),
           problems_->size() < kMaxSuggestions ? DidYouMean(field.key, known) : "");
  }

  void MapMessage(const YamlNode& node, absl::string_view path, Message* message) {
    const Descriptor& type = *message->GetDescriptor();
    if (node.kind == Kind::kBad) return;
    if (const FieldDescriptor* short_form = ShortForm(type);
        short_form != nullptr && node.kind == Kind::kScalar) {
      SetScalar(node, node.line, std::string(path), short_form, message);
      return;
    }
    if (node.kind != Kind::kMapping) {
      Report(node.line, path, node.scalar,
             absl::StrCat("expected a mapping, found ", Describe(node)),
             absl::StrCat("Its fields: ", DidYouMean("", FieldNames(type))));
      return;
    }
    for (const YamlNode::Field& field : node.fields) {
      const std::string at = Join(path, field.key);
      if (const FieldDescriptor* found = type.FindFieldByName(field.key)) {
        MapField(field, found, at, message);
      } else {
        Unknown(field, at, type.name(), FieldNames(type));
      }
    }
  }

  void MapField(const YamlNode::Field& field, const FieldDescriptor* to, const std::string& path,
                Message* message) {
    source_->lines[path] = field.line;
    const YamlNode& node = field.value;
    if (node.kind == Kind::kBad) return;
    if (node.kind == Kind::kNull) {
      Report(field.line, path, "", "has no value", "Give it one, or leave the field out");
    } else if (to->is_map()) {
      MapTexts(node, path, to, message);
    } else if (to->is_repeated()) {
      MapList(node, path, to, message);
    } else if (to->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      MapMessage(node, path, message->GetReflection()->MutableMessage(message, to));
    } else {
      SetScalar(node, field.line, path, to, message);
    }
  }

  void MapList(const YamlNode& node, const std::string& path, const FieldDescriptor* to,
               Message* message) {
    if (node.kind == Kind::kScalar && MayBeOneWord(*to)) {
      SetText(node, node.line, path, to, message);
      return;
    }
    if (node.kind != Kind::kSequence) {
      Report(node.line, path, node.scalar, absl::StrCat("expected a list, found ", Describe(node)),
             node.kind == Kind::kScalar ? "Put it in brackets" : "Begin each entry with a dash");
      return;
    }
    for (size_t i = 0; i < node.items.size(); ++i) {
      const YamlNode& item = node.items[i];
      const std::string at = absl::StrCat(path, "[", i, "]");
      source_->lines[at] = item.line;
      if (item.kind == Kind::kBad) continue;
      if (item.kind == Kind::kNull) {
        Report(item.line, at, "", "has no value", "Give it one, or remove the entry");
      } else if (to->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        MapMessage(item, at, message->GetReflection()->AddMessage(message, to));
      } else {
        SetText(item, item.line, at, to, message);
      }
    }
  }

  // map<string, string>: the only kind of map in the model.
  void MapTexts(const YamlNode& node, const std::string& path, const FieldDescriptor* to,
                Message* message) {
    if (node.kind != Kind::kMapping) {
      Report(node.line, path, node.scalar,
             absl::StrCat("expected a mapping of names to texts, found ", Describe(node)), "");
      return;
    }
    for (const YamlNode::Field& field : node.fields) {
      const std::string at = Join(path, field.key);
      source_->lines[at] = field.line;
      Message* entry = message->GetReflection()->AddMessage(message, to);
      entry->GetReflection()->SetString(entry, to->message_type()->map_key(), field.key);
      SetText(field.value, field.line, at, to->message_type()->map_value(), entry);
    }
  }

  void SetScalar(const YamlNode& node, uint32_t line, const std::string& path,
                 const FieldDescriptor* to, Message* message) {
    switch (to->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        SetText(node, line, path, to, message);
        return;
      case FieldDescriptor::CPPTYPE_BOOL:
        SetBool(node, line, path, to, message);
        return;
      case FieldDescriptor::CPPTYPE_UINT32:
        SetNumber(node, line, path, to, message);
        return;
      default:
        Report(line, path, node.scalar, "cannot be written in YAML", "");
        return;
    }
  }

  void SetText(const YamlNode& node, uint32_t line, absl::string_view path,
               const FieldDescriptor* to, Message* message) {
    if (node.kind == Kind::kBad) return;
    if (node.kind != Kind::kScalar) {
      Report(line, path, "", absl::StrCat("expected a text, found ", Describe(node)), "");
    } else if (node.plain && LooksBoolean(node.scalar)) {
      Report(line, path, node.scalar, "expected a text; YAML readers take this for a boolean",
             absl::StrCat("Put it in quotes: \"", node.scalar, "\""));
    } else if (node.scalar.empty()) {
      Report(line, path, "", "is an empty text", "Give it a value, or leave the field out");
    } else if (to->is_repeated()) {
      message->GetReflection()->AddString(message, to, node.scalar);
    } else {
      message->GetReflection()->SetString(message, to, node.scalar);
    }
  }

  void SetBool(const YamlNode& node, uint32_t line, absl::string_view path,
               const FieldDescriptor* to, Message* message) {
    if (node.kind == Kind::kScalar && node.plain &&
        (node.scalar == "true" || node.scalar == "false")) {
      message->GetReflection()->SetBool(message, to, node.scalar == "true");
      return;
    }
    const bool quoted = node.kind == Kind::kScalar && !node.plain;
    Report(line, path, node.scalar, "expected true or false",
           quoted ? "Leave the quotes out" : "Other spellings of booleans are refused");
  }

  void SetNumber(const YamlNode& node, uint32_t line, absl::string_view path,
                 const FieldDescriptor* to, Message* message) {
    const std::string& text = node.scalar;
    uint32_t number = 0;
    const bool digits = node.kind == Kind::kScalar && node.plain && !text.empty() &&
                        text.find_first_not_of("0123456789") == std::string::npos &&
                        (text == "0" || text[0] != '0');
    if (digits && absl::SimpleAtoi(text, &number)) {
      message->GetReflection()->SetUInt32(message, to, number);
    } else if (digits) {
      Report(line, path, text,
             absl::StrCat("is too large; at most ", std::numeric_limits<uint32_t>::max()), "");
    } else {
      Report(line, path, text, "expected a whole number in decimal digits",
             node.kind == Kind::kScalar && !node.plain ? "Leave the quotes out" : "");
    }
  }

  SourceDocument* source_;
  std::vector<Problem>* problems_;
  const size_t before_;
};

}  // namespace

bool MapDocument(const YamlNode& root, SourceDocument* source, std::vector<Problem>* problems) {
  return Mapper(source, problems).Map(root);
}

}  // namespace tollgate::control
