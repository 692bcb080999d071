#include "proxy/filter/reply.h"

#include "absl/strings/str_cat.h"

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

absl::string_view ReasonPhrase(int status) {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 103: return "Early Hints";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
  }
}

std::string ProblemJson(const LocalReply& reply, absl::string_view request_id) {
  std::string out =
      absl::StrCat("{\"type\":\"about:blank\",\"title\":\"", ReasonPhrase(reply.status),
                   "\",\"status\":", reply.status, ",\"code\":\"", reply.reason, "\"");
  if (!reply.detail.empty()) {
    out += ",\"detail\":\"";
    AppendEscaped(&out, reply.detail);
    out += '"';
  }
  if (!request_id.empty()) {
    out += ",\"request_id\":\"";
    AppendEscaped(&out, request_id);
    out += '"';
  }
  out += "}\n";
  return out;
}

}  // namespace tollgate::proxy
