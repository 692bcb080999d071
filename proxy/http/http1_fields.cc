#include "proxy/http/http1_fields.h"

#include <limits>

#include "proxy/http/chars.h"

namespace tollgate::proxy {
namespace {

constexpr size_t kMaxNameSize = 256;
constexpr size_t kMaxNominated = 16;

bool Refuse(ProtocolError& error, int status, const char* reason) {
  error = {status, reason};
  return false;
}

// Calls `each` with every element of a comma-separated list, also empty ones.
template <typename Each>
void ForEachElement(absl::string_view list, Each each) {
  while (true) {
    const size_t comma = list.find(',');
    each(TrimOws(list.substr(0, comma)));
    if (comma == absl::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

// protocol-name ["/" protocol-version] (RFC 9110 7.8).
bool IsProtocol(absl::string_view text) {
  const size_t slash = text.find('/');
  return IsToken(text.substr(0, slash)) &&
         (slash == absl::string_view::npos || IsToken(text.substr(slash + 1)));
}

bool IsKnownCoding(absl::string_view coding) {
  for (absl::string_view known : {"gzip", "x-gzip", "deflate", "compress", "x-compress"}) {
    if (EqualsLower(coding, known)) return true;
  }
  return false;
}

// Fields of the connection that this codec consumes whether Connection names them or not.
bool IsHopByHop(HeaderId id) {
  using enum HeaderId;
  return id == kConnection || id == kKeepAlive || id == kProxyConnection || id == kTe ||
         id == kTransferEncoding || id == kUpgrade || id == kTrailer;
}

// Fields that would change framing, routing, authentication or the meaning of a message whose head
// has been acted upon (RFC 9110 6.5.1). Every field that the data path itself asks for is among
// them.
bool IsForbiddenInTrailers(HeaderId id, absl::string_view name) {
  if (id != HeaderId::kOther) return id != HeaderId::kETag;
  for (absl::string_view known :
       {"age", "authentication-info", "content-location", "content-range", "expires", "if-match",
        "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "max-forwards",
        "pragma", "proxy-authenticate", "proxy-authentication-info", "proxy-authorization", "range",
        "warning"}) {
    if (name == known) return true;
  }
  return false;
}

}  // namespace

void ConnectionFields::Begin(HeadKind kind, absl::string_view head, HeaderMap& out) {
  kind_ = kind;
  out_ = &out;
  head_ = head.data();
  copy_ = out.Import(head);
  length_seen_ = false;
  codings_seen_ = codings_malformed_ = chunked_ = other_coding_ = unknown_coding_ = false;
  close_ = keep_alive_ = upgrade_option_ = false;
  upgrade_ = {};
  nominated_.clear();
  host_count_ = 0;
  host_ = {};
  expect_continue_ = expect_unknown_ = false;
}

bool ConnectionFields::Add(absl::string_view name, absl::string_view value, ProtocolError& error) {
  if (name.empty()) return Refuse(error, 400, "bad_field_name");
  if (name.size() > kMaxNameSize) return Refuse(error, 431, "field_name_too_long");
  char* const lowered = copy_ + (name.data() - head_);
  const unsigned flaws = LowerName(name, lowered);
  if (flaws & kNotToken) return Refuse(error, 400, "bad_field_name");
  // Gateways that fold names into variables (CGI) can't tell "_" from "-".
  if ((kind_ == HeadKind::kRequest || kind_ == HeadKind::kRequestTrailers) &&
      (flaws & kUnderscore)) {
    return Refuse(error, 400, "underscore_in_name");
  }
  if (HasControl(value)) return Refuse(error, 400, "bad_field_value");

  const absl::string_view lower(lowered, name.size());
  const absl::string_view copied(copy_ + (value.data() - head_), value.size());
  const HeaderId id = IdOf(lower);
  if (kind_ == HeadKind::kRequestTrailers || kind_ == HeadKind::kResponseTrailers) {
    if (!IsForbiddenInTrailers(id, lower)) out_->AddWithin(id, lower, copied);
    return true;
  }
  switch (id) {
    case HeaderId::kContentLength:
      return AddContentLength(value, error);
    case HeaderId::kTransferEncoding:
      AddTransferEncoding(value);
      return true;
    case HeaderId::kConnection:
      return AddConnection(value, error);
    case HeaderId::kUpgrade:
      if (upgrade_.empty()) {
        const absl::string_view protocol = TrimOws(value.substr(0, value.find(',')));
        if (IsProtocol(protocol)) upgrade_ = protocol;
      }
      return true;
    case HeaderId::kHost:
      ++host_count_;
      host_ = value;
      return true;
    case HeaderId::kKeepAlive:
    case HeaderId::kProxyConnection:
    case HeaderId::kTe:
      return true;
    case HeaderId::kExpect:
      if (kind_ == HeadKind::kRequest) {
        (EqualsLower(value, "100-continue") ? expect_continue_ : expect_unknown_) = true;
      }
      return true;
    default:
      out_->AddWithin(id, lower, copied);
      return true;
  }
}

// 1*DIGIT, once, below 2^63 (RFC 9112 6.3; a list of equal lengths is refused too).
bool ConnectionFields::AddContentLength(absl::string_view value, ProtocolError& error) {
  if (length_seen_) return Refuse(error, 400, "duplicate_content_length");
  length_seen_ = true;
  if (value.empty()) return Refuse(error, 400, "bad_content_length");
  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  uint64_t length = 0;
  for (char c : value) {
    if (c < '0' || c > '9') return Refuse(error, 400, "bad_content_length");
    const auto digit = static_cast<uint64_t>(c - '0');
    if (length > (kMax - digit) / 10) return Refuse(error, 400, "content_length_too_large");
    length = length * 10 + digit;
  }
  length_ = length;
  return true;
}

void ConnectionFields::AddTransferEncoding(absl::string_view value) {
  codings_seen_ = true;
  ForEachElement(value, [this](absl::string_view coding) {
    if (!IsToken(coding) || chunked_) {
      codings_malformed_ = true;
    } else if (EqualsLower(coding, "chunked")) {
      chunked_ = true;
    } else {
      other_coding_ = true;
      unknown_coding_ |= !IsKnownCoding(coding);
    }
  });
}

bool ConnectionFields::AddConnection(absl::string_view value, ProtocolError& error) {
  bool ok = true;
  ForEachElement(value, [&](absl::string_view option) {
    if (option.empty() || !ok) return;
    if (!IsToken(option)) {
      ok = Refuse(error, 400, "bad_connection");
    } else if (EqualsLower(option, "close")) {
      close_ = true;
    } else if (EqualsLower(option, "keep-alive")) {
      keep_alive_ = true;
    } else if (EqualsLower(option, "upgrade")) {
      upgrade_option_ = true;
    } else {
      nominated_.push_back(option);
    }
  });
  return ok;
}

// A client must not be able to have a proxy drop what the message depends on: RFC 9110 7.6.1
// forbids to nominate fields that are meant for every recipient. From a server it does no harm:
// ignored.
bool ConnectionFields::Finish(ProtocolError& error) {
  if (nominated_.empty()) return true;
  if (nominated_.size() > kMaxNominated) return Refuse(error, 400, "bad_connection");
  for (absl::string_view& option : nominated_) {
    char buffer[kMaxNameSize];
    if (option.size() > kMaxNameSize) return Refuse(error, 400, "bad_connection");
    for (size_t i = 0; i < option.size(); ++i) buffer[i] = TokenLower(option[i]);
    const HeaderId id = IdOf({buffer, option.size()});
    if (id == HeaderId::kOther) continue;
    if (!IsHopByHop(id) && kind_ == HeadKind::kRequest) {
      return Refuse(error, 400, "connection_nominates_end_to_end_field");
    }
    option = {};
  }
  out_->RemoveIf([this](const HeaderMap::Field& field) {
    for (absl::string_view option : nominated_) {
      if (EqualsLower(option, field.name)) return true;
    }
    return false;
  });
  return true;
}

bool ConnectionFields::BodyOf(uint8_t minor, BodySize& body, ProtocolError& error) const {
  body = {};
  if (codings_seen_) {
    if (length_seen_) return Refuse(error, 400, "te_and_cl");
    if (minor == 0) return Refuse(error, 400, "te_on_http_1_0");
    if (codings_malformed_) return Refuse(error, 400, "bad_transfer_encoding");
    if (other_coding_ && (chunked_ || unknown_coding_)) {
      return Refuse(error, 501, "unknown_transfer_coding");
    }
    if (!chunked_) return Refuse(error, 400, "te_not_chunked");
    body.kind = BodySize::Kind::kUnknown;
  } else if (length_seen_) {
    body = {BodySize::Kind::kLength, length_};
  }
  return true;
}

}  // namespace tollgate::proxy
