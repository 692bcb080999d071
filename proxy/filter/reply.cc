#include "proxy/filter/reply.h"

#include "absl/strings/str_cat.h"
#include "proxy/http/reason_phrase.h"

namespace tollgate::proxy {
namespace {

// JSON string contents (RFC 8259 section 7): quotes, backslash and controls escaped.
void AppendEscaped(std::string* out, absl::string_view s) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (char c : s) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (u < 0x20) {
      absl::StrAppend(out, "\\u00");
      out->push_back(kHex[u >> 4]);
      out->push_back(kHex[u & 15]);
    } else {
      out->push_back(c);
    }
  }
}

}  // namespace

std::string ProblemJson(const LocalReply& reply, absl::string_view request_id) {
  std::string out =
      reply.type.empty()
          ? absl::StrCat("{\"type\":\"about:blank\",\"title\":\"", ReasonPhrase(reply.status))
          : absl::StrCat("{\"type\":\"", reply.type, "\",\"title\":\"", reply.title);
  absl::StrAppend(&out, "\",\"status\":", reply.status, ",\"code\":\"", reply.reason, "\"");
  if (!reply.detail.empty()) {
    out += ",\"detail\":\"";
    AppendEscaped(&out, reply.detail);
    out += '"';
  }
  out += reply.members;
  if (!request_id.empty()) {
    out += ",\"request_id\":\"";
    AppendEscaped(&out, request_id);
    out += '"';
  }
  out += "}\n";
  return out;
}

}  // namespace tollgate::proxy
