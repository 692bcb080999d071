// RenderJson of render.h (RFC 8259).
#include "absl/strings/str_cat.h"
#include "control-plane/model/render.h"
#include "control-plane/model/view.h"

namespace tollgate::control {
namespace {

void WriteText(absl::string_view text, std::string* out) {
  out->push_back('"');
  for (char c : text) {
    switch (c) {
      case '"':
        *out += "\\\"";
        break;
      case '\\':
        *out += "\\\\";
        break;
      case '\n':
        *out += "\\n";
        break;
      case '\r':
        *out += "\\r";
        break;
      case '\t':
        *out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          absl::StrAppend(out, "\\u", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad4));
        } else {
          out->push_back(c);
        }
    }
  }
  out->push_back('"');
}

void Write(const View& view, size_t indent, std::string* out) {
  const bool list = view.kind == View::Kind::kList;
  switch (view.kind) {
    case View::Kind::kText:
      WriteText(view.text, out);
      return;
    case View::Kind::kWord:
      out->append(view.text);
      return;
    case View::Kind::kList:
    case View::Kind::kMapping:
      break;
  }
  const size_t count = list ? view.items.size() : view.fields.size();
  out->append(list ? "[" : "{");
  for (size_t i = 0; i < count; ++i) {
    absl::StrAppend(out, i == 0 ? "\n" : ",\n", std::string(indent + 2, ' '));
    if (!list) {
      WriteText(view.fields[i].key, out);
      out->append(": ");
    }
    Write(list ? view.items[i] : view.fields[i].value, indent + 2, out);
  }
  if (count > 0) absl::StrAppend(out, "\n", std::string(indent, ' '));
  out->append(list ? "]" : "}");
}

}  // namespace

std::string RenderJson(const model::v1::Document& document) {
  std::string out;
  Write(ViewOf(document), 0, &out);
  out.push_back('\n');
  return out;
}

std::string RenderJson(const std::vector<model::v1::Document>& documents) {
  View list;
  list.kind = View::Kind::kList;
  for (const model::v1::Document& document : documents) list.items.push_back(ViewOf(document));
  std::string out;
  Write(list, 0, &out);
  out.push_back('\n');
  return out;
}

}  // namespace tollgate::control
