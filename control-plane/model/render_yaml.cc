// RenderYaml of render.h.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "control-plane/model/render.h"
#include "control-plane/model/view.h"
#include "control-plane/model/yaml_tree.h"

namespace tollgate::control {
namespace {

// Texts that every YAML reader takes for the text that it is. What could be a number, a date, a
// boolean or null is quoted.
bool IsPlain(absl::string_view text) {
  if (text.empty() || text.size() > 100) return false;
  if (!absl::ascii_isalnum(text.front()) && text.front() != '/') return false;
  if (text.back() == ':' || text.back() == ' ') return false;
  if (absl::StrContains(text, ": ") || absl::StrContains(text, " #")) return false;
  if (LooksBoolean(text) || absl::EqualsIgnoreCase(text, "null")) return false;
  if (text.find_first_not_of("0123456789.:eE_+-TZxo") == absl::string_view::npos) return false;
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || absl::StrContains("_./:+-{}*;=@ ", static_cast<char>(c));
  });
}

// Lines of printable text, which a literal block keeps as they are.
bool IsBlock(absl::string_view text) {
  if (!absl::StrContains(text, '\n') || absl::ascii_isspace(text.front())) return false;
  if (absl::EndsWith(text, "\n\n")) return false;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, "\t") || (line.empty() ? false : line.back() == ' ')) return false;
  }
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); });
}

std::string Quoted(absl::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        out.push_back(c);
    }
  }
  out.push_back('"');
  return out;
}

void WriteText(absl::string_view text, size_t indent, std::string* out) {
  if (IsPlain(text)) {
    absl::StrAppend(out, text, "\n");
  } else if (IsBlock(text)) {
    absl::StrAppend(out, absl::EndsWith(text, "\n") ? "|\n" : "|-\n");
    if (absl::EndsWith(text, "\n")) text.remove_suffix(1);
    for (absl::string_view line : absl::StrSplit(text, '\n')) {
      if (!line.empty()) absl::StrAppend(out, std::string(indent, ' '), line);
      out->push_back('\n');
    }
  } else {
    absl::StrAppend(out, Quoted(text), "\n");
  }
}

void WriteFields(const View& view, size_t indent, bool first_inline, std::string* out);

// What follows "key:" or "-" on its line; collections go to the next lines, at `indent`.
void WriteValue(const View& view, size_t indent, std::string* out) {
  switch (view.kind) {
    case View::Kind::kText:
      out->push_back(' ');
      WriteText(view.text, indent, out);
      return;
    case View::Kind::kWord:
      absl::StrAppend(out, " ", view.text, "\n");
      return;
    case View::Kind::kList:
      if (view.items.empty()) {
        absl::StrAppend(out, " []\n");
        return;
      }
      out->push_back('\n');
      for (const View& item : view.items) {
        absl::StrAppend(out, std::string(indent, ' '), "-");
        if (item.kind == View::Kind::kMapping && !item.fields.empty()) {
          out->push_back(' ');
          WriteFields(item, indent + 2, true, out);
        } else {
          WriteValue(item, indent + 2, out);
        }
      }
      return;
    case View::Kind::kMapping:
      if (view.fields.empty()) {
        absl::StrAppend(out, " {}\n");
        return;
      }
      out->push_back('\n');
      WriteFields(view, indent, false, out);
      return;
  }
}

void WriteFields(const View& view, size_t indent, bool first_inline, std::string* out) {
  for (const auto& [key, value] : view.fields) {
    if (!first_inline) out->append(indent, ' ');
    first_inline = false;
    absl::StrAppend(out, IsPlain(key) ? key : Quoted(key), ":");
    WriteValue(value, indent + 2, out);
  }
}

}  // namespace

std::string RenderYaml(const model::v1::Document& document) {
  std::string out;
  WriteFields(ViewOf(document), 0, false, &out);
  return out;
}

std::string RenderYaml(const std::vector<model::v1::Document>& documents) {
  std::string out;
  for (const model::v1::Document& document : documents) {
    if (!out.empty()) absl::StrAppend(&out, "---\n");
    absl::StrAppend(&out, RenderYaml(document));
  }
  return out;
}

}  // namespace tollgate::control
