#include "proxy/http/http1_head.h"

#include <algorithm>
#include <cstring>

#include "proxy/http/chars.h"

namespace tollgate::proxy {
namespace {

// Room in a request line for what is not the target: method, version, spaces.
constexpr size_t kRequestLineSlack = 64;

bool Refuse(ProtocolError& error, int status, const char* reason) {
  error = {status, reason};
  return false;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// "HTTP/1.0" and "HTTP/1.1"; other versions that are well-formed are told apart (505).
bool ParseVersion(absl::string_view text, uint8_t& minor, ProtocolError& error) {
  if (text.size() != 8 || text.substr(0, 5) != "HTTP/" || !IsDigit(text[5]) || text[6] != '.' ||
      !IsDigit(text[7])) {
    return Refuse(error, 400, "bad_version");
  }
  if (text[5] != '1' || text[7] > '1') return Refuse(error, 505, "unsupported_version");
  minor = static_cast<uint8_t>(text[7] - '0');
  return true;
}

// method SP request-target SP HTTP-version, single spaces (RFC 9112 3).
bool ParseRequestLine(absl::string_view line, const CodecLimits& limits, StartLine& start,
                      ProtocolError& error) {
  const size_t method_end = line.find(' ');
  if (method_end == absl::string_view::npos || !IsToken(line.substr(0, method_end))) {
    return Refuse(error, 400, "bad_method");
  }
  const size_t target_end = line.find(' ', method_end + 1);
  if (target_end == absl::string_view::npos) return Refuse(error, 400, "bad_request_line");
  const absl::string_view target = line.substr(method_end + 1, target_end - method_end - 1);
  if (target.size() > limits.max_target_bytes) return Refuse(error, 414, "target_too_long");
  if (target.empty() || !IsVisibleAscii(target)) return Refuse(error, 400, "bad_target");
  start.method_size = static_cast<uint32_t>(method_end);
  start.target_size = static_cast<uint32_t>(target.size());
  return ParseVersion(line.substr(target_end + 1), start.minor, error);
}

// HTTP-version SP status-code SP [ reason-phrase ] (RFC 9112 4). Servers that leave out the last
// space are common, and harmless.
bool ParseStatusLine(absl::string_view line, StartLine& start, ProtocolError& error) {
  if (line.size() < 12 || line[8] != ' ') return Refuse(error, 400, "bad_status_line");
  if (!ParseVersion(line.substr(0, 8), start.minor, error)) return false;
  if (!IsDigit(line[9]) || !IsDigit(line[10]) || !IsDigit(line[11]) ||
      (line.size() > 12 && line[12] != ' ') || HasControl(line.substr(12))) {
    return Refuse(error, 400, "bad_status_line");
  }
  start.status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  if (start.status < 100 || start.status > 599) return Refuse(error, 400, "bad_status");
  return true;
}

}  // namespace

void HeadReader::Reset() {
  held_.clear();
  scanned_ = 0;
  line_start_ = 0;
  fields_ = 0;
  first_line_ = kind_ == HeadKind::kRequest || kind_ == HeadKind::kResponse;
}

HeadReader::Result HeadReader::Read(absl::string_view bytes) {
  Result result{State::kMore, bytes.size(), {}, {}};
  if (held_.empty()) {
    result.state = Scan(bytes, result.error);
    if (result.state == State::kMore) held_.assign(bytes.data(), bytes.size());
    if (result.state == State::kDone) {
      result.consumed = scanned_;
      result.head = bytes.substr(0, scanned_);
    }
    return result;
  }
  // Never hold more than the limit: one byte above it decides.
  const size_t before = held_.size();
  const size_t room = size_t{limits_.max_header_bytes} + 1 - before;
  held_.append(bytes.data(), std::min(bytes.size(), room));
  result.state = Scan(held_, result.error);
  if (result.state == State::kDone) {
    held_.resize(scanned_);
    result.consumed = scanned_ - before;
    result.head = held_;
  }
  return result;
}

// Every limit and check is applied at the end of a line, or as soon as an unfinished line is longer
// than a complete one may be: so the cut of the bytes into reads does not show.
bool HeadReader::CheckSize(size_t line_end, ProtocolError& error) const {
  if (first_line_ && kind_ == HeadKind::kRequest) {
    const size_t line_limit = limits_.max_target_bytes + kRequestLineSlack;
    if (line_limit <= limits_.max_header_bytes && line_end - line_start_ > line_limit) {
      return Refuse(error, 414, "target_too_long");
    }
  }
  if (line_end > limits_.max_header_bytes) return Refuse(error, 431, "head_too_large");
  return true;
}

HeadReader::State HeadReader::Scan(absl::string_view bytes, ProtocolError& error) {
  const char* const base = bytes.data();
  while (true) {
    const void* found = scanned_ < bytes.size()
                            ? std::memchr(base + scanned_, '\n', bytes.size() - scanned_)
                            : nullptr;
    if (found == nullptr) {
      scanned_ = bytes.size();
      return CheckSize(bytes.size(), error) ? State::kMore : State::kFailed;
    }
    const size_t end = static_cast<size_t>(static_cast<const char*>(found) - base);
    scanned_ = end + 1;
    if (!CheckSize(scanned_, error)) return State::kFailed;
    // RFC 9112 2.2 lets a recipient take a bare LF for a line end; strict peers are all we serve.
    if (end == line_start_ || base[end - 1] != '\r') {
      error = {400, "bare_lf"};
      return State::kFailed;
    }
    const absl::string_view line(base + line_start_, end - 1 - line_start_);
    if (line.empty() && !first_line_) return State::kDone;
    if (!EndLine(line, error)) return State::kFailed;
    line_start_ = scanned_;
  }
}

bool HeadReader::EndLine(absl::string_view line, ProtocolError& error) {
  if (first_line_) {
    first_line_ = false;
    return kind_ == HeadKind::kRequest ? ParseRequestLine(line, limits_, start_, error)
                                       : ParseStatusLine(line, start_, error);
  }
  if (IsOws(line.front())) {  // RFC 9112 2.2 and 5.2
    return Refuse(error, 400, fields_ == 0 ? "space_before_first_field" : "obs_fold");
  }
  if (++fields_ > limits_.max_headers) return Refuse(error, 431, "too_many_fields");
  return true;
}

const llhttp_settings_t& HeadParser::Settings() {
  static const llhttp_settings_t settings = [] {
    llhttp_settings_t s;
    llhttp_settings_init(&s);
    s.on_url = &HeadParser::OnTarget;
    s.on_header_field = &HeadParser::OnName;
    s.on_header_value = &HeadParser::OnValue;
    s.on_headers_complete = &HeadParser::OnComplete;
    return s;
  }();
  return settings;
}

bool HeadParser::Parse(absl::string_view head, const HeadReader& reader, ConnectionFields& fields,
                       ProtocolError& error) {
  fields_ = &fields;
  target_ = {};
  name_ = {};
  value_ = {};
  count_ = 0;
  complete_ = false;
  error_ = {400, "malformed_head"};
  llhttp_init(&llhttp_, kind_ == HeadKind::kRequest ? HTTP_REQUEST : HTTP_RESPONSE, &Settings());
  llhttp_.data = this;
  const llhttp_errno_t code = llhttp_execute(&llhttp_, head.data(), head.size());
  if (code != HPE_PAUSED || !complete_) {
    error = Explain(code);
    return false;
  }
  // Both readings must agree on what this head is.
  bool agree = count_ == reader.fields() && llhttp_.http_major == 1 &&
               llhttp_.http_minor == reader.start_line().minor;
  if (kind_ == HeadKind::kRequest) {
    agree = agree && target_.data() == reader.start_line().target(head).data() &&
            target_.size() == reader.start_line().target_size;
  } else {
    agree = agree && llhttp_.status_code == reader.start_line().status;
  }
  return agree || Refuse(error, 400, "malformed_head");
}

int HeadParser::OnTarget(llhttp_t* parser, const char* at, size_t size) {
  static_cast<HeadParser*>(parser->data)->target_ = {at, size};
  return 0;
}

int HeadParser::OnName(llhttp_t* parser, const char* at, size_t size) {
  auto* self = static_cast<HeadParser*>(parser->data);
  if (self->name_.data() != nullptr && !self->EndField()) return HPE_USER;
  self->name_ = {at, size};
  self->value_ = {};
  return 0;
}

int HeadParser::OnValue(llhttp_t* parser, const char* at, size_t size) {
  static_cast<HeadParser*>(parser->data)->value_ = {at, size};
  return 0;
}

int HeadParser::OnComplete(llhttp_t* parser) {
  auto* self = static_cast<HeadParser*>(parser->data);
  if (self->name_.data() != nullptr && !self->EndField()) return -1;
  self->complete_ = true;
  return HPE_PAUSED;  // bodies are BodyDecoder's
}

// Checks that name, colon and value are all there is on this line. (llhttp takes a space before the
// colon into the name, where ConnectionFields::Add refuses it: RFC 9112 5.1.)
bool HeadParser::EndField() {
  ++count_;
  const char* p = name_.data() + name_.size();
  if (*p++ != ':') return Refuse(error_, 400, "malformed_head");
  while (IsOws(*p)) ++p;
  if (value_.empty()) {
    value_ = {p, 0};
  } else if (p != value_.data()) {
    return Refuse(error_, 400, "malformed_head");
  }
  const absl::string_view value = TrimOws(value_);
  p = value.data() + value.size();
  while (IsOws(*p)) ++p;
  if (p[0] != '\r' || p[1] != '\n') return Refuse(error_, 400, "bad_field_value");
  return fields_->Add(name_, value, error_);
}

// llhttp stops at the first fault it sees; ours (a callback that stopped it) are kept in error_.
ProtocolError HeadParser::Explain(llhttp_errno_t code) const {
  switch (code) {
    case HPE_INVALID_METHOD:
    case HPE_INVALID_CONSTANT:  // the start line was checked: a method of another protocol (RTSP)
      return {kind_ == HeadKind::kRequest ? 501 : 400, "unknown_method"};
    case HPE_INVALID_URL:
      return {400, "bad_target"};
    case HPE_UNEXPECTED_CONTENT_LENGTH:
      return {400, fields_->transfer_encoding_seen() || (llhttp_.flags & F_TRANSFER_ENCODING)
                       ? "te_and_cl"
                       : "duplicate_content_length"};
    case HPE_INVALID_CONTENT_LENGTH:
      return {400, "bad_content_length"};
    case HPE_INVALID_TRANSFER_ENCODING:
      return {400, "bad_transfer_encoding"};
    case HPE_LF_EXPECTED:
    case HPE_STRICT:
      return {400, "bare_cr"};
    case HPE_INVALID_HEADER_TOKEN:
      return {400, "bad_field"};
    default:
      return error_;
  }
}

bool ParseTrailers(absl::string_view section, ConnectionFields& fields, ProtocolError& error) {
  while (true) {
    const size_t end = section.find("\r\n");
    if (end == 0 || end == absl::string_view::npos) return true;
    const absl::string_view line = section.substr(0, end);
    const size_t colon = line.find(':');
    if (colon == absl::string_view::npos) return Refuse(error, 400, "bad_field");
    if (!fields.Add(line.substr(0, colon), TrimOws(line.substr(colon + 1)), error)) return false;
    section.remove_prefix(end + 2);
  }
}

}  // namespace tollgate::proxy
