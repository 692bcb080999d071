#include "proxy/http/grpc_health_call.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "absl/strings/match.h"

namespace tollgate::proxy {
namespace {

constexpr char kPath[] = "/grpc.health.v1.Health/Check";
constexpr size_t kMaxFields = 16 << 10;  // decoded
constexpr size_t kMaxMessage = 1024;     // a HealthCheckResponse has two bytes
constexpr size_t kPrefix = 5;            // a flag, and the length in four bytes
constexpr uint64_t kServing = 1;

void AppendVarint(uint64_t value, std::string* out) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

std::string Request(absl::string_view service) {
  std::string message;
  if (!service.empty()) {
    message.push_back(0x0a);  // field 1, length-delimited
    AppendVarint(service.size(), &message);
    message.append(service.data(), service.size());
  }
  std::string framed(kPrefix, '\0');  // not compressed
  const auto size = static_cast<uint32_t>(message.size());
  for (int i = 0; i < 4; ++i) framed[4 - i] = static_cast<char>(size >> (8 * i));
  framed.append(message);
  return framed;
}

std::optional<uint64_t> TakeVarint(absl::string_view* bytes) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && !bytes->empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes->front());
    bytes->remove_prefix(1);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

// Field 1 of a HealthCheckResponse, 0 (UNKNOWN) when it is absent; nullopt: it is not one message.
std::optional<uint64_t> ServingStatus(absl::string_view framed) {
  if (framed.size() < kPrefix || framed[0] != 0) return std::nullopt;
  uint32_t size = 0;
  for (int i = 1; i <= 4; ++i) size = size << 8 | static_cast<uint8_t>(framed[i]);
  absl::string_view message = framed.substr(kPrefix);
  if (message.size() != size) return std::nullopt;
  uint64_t status = 0;
  while (!message.empty()) {
    const auto tag = TakeVarint(&message);
    if (!tag.has_value()) return std::nullopt;
    uint64_t skip = 0;
    switch (*tag & 7) {
      case 0: {
        const auto value = TakeVarint(&message);
        if (!value.has_value()) return std::nullopt;
        if (*tag >> 3 == 1) status = *value;
        break;
      }
      case 1:
        skip = 8;
        break;
      case 2: {
        const auto length = TakeVarint(&message);
        if (!length.has_value()) return std::nullopt;
        skip = *length;
        break;
      }
      case 5:
        skip = 4;
        break;
      default:
        return std::nullopt;
    }
    if (skip > message.size()) return std::nullopt;
    message.remove_prefix(skip);
  }
  return status;
}

nghttp2_nv Field(absl::string_view name, absl::string_view value) {
  const auto bytes = [](absl::string_view text) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

}  // namespace

struct GrpcHealthCall::Callbacks {
  static GrpcHealthCall& Of(void* user) { return *static_cast<GrpcHealthCall*>(user); }

  static ssize_t Read(nghttp2_session*, int32_t, uint8_t* out, size_t size, uint32_t* flags,
                      nghttp2_data_source*, void* user) {
    GrpcHealthCall& call = Of(user);
    const size_t n = std::min(size, call.request_.size() - call.sent_);
    std::memcpy(out, call.request_.data() + call.sent_, n);
    call.sent_ += n;
    if (call.sent_ == call.request_.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(n);
  }

  static int OnHeader(nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t, void* user) {
    GrpcHealthCall& call = Of(user);
    const absl::string_view field(reinterpret_cast<const char*>(name), name_size);
    // A byte of HPACK may stand for kilobytes (RFC 9113 section 10.5.1 says how they are counted).
    call.fields_size_ += name_size + value_size + 32;
    if (call.fields_size_ > kMaxFields) {
      call.Finish("response_too_long");
      return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    std::string* const known = field == ":status"        ? &call.http_status_
                               : field == "content-type" ? &call.content_type_
                               : field == "grpc-status"  ? &call.grpc_status_
                                                         : nullptr;
    if (known != nullptr) known->assign(reinterpret_cast<const char*>(value), value_size);
    return 0;
  }

  static int OnData(nghttp2_session*, uint8_t, int32_t, const uint8_t* data, size_t size,
                    void* user) {
    GrpcHealthCall& call = Of(user);
    call.response_.append(reinterpret_cast<const char*>(data), size);
    if (call.response_.size() > kPrefix + kMaxMessage) call.Finish("response_too_long");
    return 0;
  }

  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    const bool of_response = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (of_response && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) Of(user).ended_ = true;
    return 0;
  }

  static int OnClose(nghttp2_session*, int32_t, uint32_t error, void* user) {
    Of(user).OnStreamClosed(error == NGHTTP2_NO_ERROR);
    return 0;
  }
};

GrpcHealthCall::GrpcHealthCall(absl::string_view authority, absl::string_view service)
    : request_(Request(service)) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, &Callbacks::OnHeader);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &Callbacks::OnData);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &Callbacks::OnFrame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &Callbacks::OnClose);
  nghttp2_session_client_new(&session_, callbacks, this);
  nghttp2_session_callbacks_del(callbacks);

  // The peer pushes nothing and sends little.
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                             {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 16384}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  const nghttp2_nv fields[] = {Field(":method", "POST"),
                               Field(":scheme", "http"),
                               Field(":path", kPath),
                               Field(":authority", authority),
                               Field("te", "trailers"),
                               Field("content-type", "application/grpc"),
                               Field("user-agent", "tollgate-health-check")};
  nghttp2_data_provider body{};
  body.read_callback = &Callbacks::Read;
  if (nghttp2_submit_request(session_, nullptr, fields, std::size(fields), &body, nullptr) < 0) {
    Finish("protocol_error");
  }
}

GrpcHealthCall::~GrpcHealthCall() { nghttp2_session_del(session_); }

std::string GrpcHealthCall::Output() {
  std::string out;
  const uint8_t* data = nullptr;
  for (ssize_t n; (n = nghttp2_session_mem_send(session_, &data)) != 0;) {
    if (n < 0) {
      Finish("protocol_error");
      break;
    }
    out.append(reinterpret_cast<const char*>(data), static_cast<size_t>(n));
  }
  // It said GOAWAY, for what the peer sent is not HTTP/2.
  if (nghttp2_session_want_read(session_) == 0) Finish("protocol_error");
  return out;
}

void GrpcHealthCall::Feed(absl::string_view bytes) {
  if (done_) return;
  const ssize_t n = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (n < 0) Finish("protocol_error");
}

void GrpcHealthCall::OnStreamClosed(bool in_order) {
  if (!in_order || !ended_) return Finish("stream_reset");
  if (http_status_ != "200" || !absl::StartsWith(content_type_, "application/grpc")) {
    return Finish("not_grpc");
  }
  if (grpc_status_ != "0") return Finish("grpc_error");
  const auto status = ServingStatus(response_);
  if (!status.has_value()) return Finish("bad_response");
  Finish(*status == kServing ? nullptr : "not_serving");
}

void GrpcHealthCall::Finish(const char* failure) {
  if (done_) return;
  done_ = true;
  failure_ = failure;
}

}  // namespace tollgate::proxy
