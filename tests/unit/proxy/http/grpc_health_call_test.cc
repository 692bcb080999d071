#include "proxy/http/grpc_health_call.h"

#include <nghttp2/nghttp2.h>

#include <map>
#include <string>

#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

// A gRPC server of one call, made with the server side of nghttp2: what it is to answer, and what
// it was asked.
class Server {
 public:
  struct Answer {
    std::string status = "200";
    std::string content_type = "application/grpc";
    std::string message = std::string("\0\0\0\0\2\x08\x01", 7);  // status: SERVING
    std::string grpc_status = "0";                               // "": no trailers
    bool trailers_only = false;
    bool reset = false;
    bool go_away = false;
  };

  explicit Server(Answer answer) : answer_(std::move(answer)) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t n,
                      const uint8_t* value, size_t v, uint8_t, void* user) {
          static_cast<Server*>(user)->fields[Text(name, n)] = Text(value, v);
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks,
        [](nghttp2_session*, uint8_t, int32_t, const uint8_t* data, size_t n, void* user) {
          static_cast<Server*>(user)->body += Text(data, n);
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
          if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 && frame->hd.type == NGHTTP2_DATA) {
            static_cast<Server*>(user)->Respond(frame->hd.stream_id);
          }
          return 0;
        });
    nghttp2_session_server_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  ~Server() { nghttp2_session_del(session_); }

  void Feed(const std::string& bytes) {
    ASSERT_EQ(nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()),
                                       bytes.size()),
              static_cast<ssize_t>(bytes.size()));
  }
  std::string Output() {
    std::string out;
    const uint8_t* data = nullptr;
    for (ssize_t n; (n = nghttp2_session_mem_send(session_, &data)) > 0;) {
      out.append(reinterpret_cast<const char*>(data), static_cast<size_t>(n));
    }
    return out;
  }

  std::map<std::string, std::string> fields;
  std::string body;

 private:
  static std::string Text(const uint8_t* data, size_t size) {
    return std::string(reinterpret_cast<const char*>(data), size);
  }
  static nghttp2_nv Field(const char* name, const std::string& value) {
    const auto bytes = [](const char* text) {
      return reinterpret_cast<uint8_t*>(const_cast<char*>(text));
    };
    return {bytes(name), bytes(value.data()), std::char_traits<char>::length(name), value.size(),
            NGHTTP2_NV_FLAG_NONE};
  }

  void Respond(int32_t stream) {
    if (answer_.go_away) {
      nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, nullptr, 0);
      return;
    }
    if (answer_.reset) {
      nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, NGHTTP2_REFUSED_STREAM);
      return;
    }
    nghttp2_nv head[] = {Field(":status", answer_.status),
                         Field("content-type", answer_.content_type),
                         Field("grpc-status", answer_.grpc_status)};
    if (answer_.trailers_only) {
      nghttp2_submit_response(session_, stream, head, 3, nullptr);
      return;
    }
    nghttp2_data_provider body_of{};
    body_of.read_callback = [](nghttp2_session* session, int32_t id, uint8_t* out, size_t,
                               uint32_t* flags, nghttp2_data_source*, void* user) -> ssize_t {
      Server& self = *static_cast<Server*>(user);
      const std::string& message = self.answer_.message;
      message.copy(reinterpret_cast<char*>(out), message.size());
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!self.answer_.grpc_status.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const nghttp2_nv trailer = Field("grpc-status", self.answer_.grpc_status);
        nghttp2_submit_trailer(session, id, &trailer, 1);
      }
      return static_cast<ssize_t>(message.size());
    };
    nghttp2_submit_response(session_, stream, head, 2, &body_of);
  }

  nghttp2_session* session_ = nullptr;
  const Answer answer_;
};

// What a call to such a server comes to; "serving", the word why not, or "no verdict".
std::string Verdict(const Server::Answer& answer, size_t chunk = 100000) {
  Server server(answer);
  GrpcHealthCall call("10.0.0.1:80", "payments");
  for (int turn = 0; turn < 10 && !call.done(); ++turn) {
    server.Feed(call.Output());
    const std::string output = server.Output();
    for (size_t at = 0; at < output.size(); at += chunk) call.Feed(output.substr(at, chunk));
  }
  if (!call.done()) return "no verdict";
  return call.failure() == nullptr ? "serving" : call.failure();
}

TEST(GrpcHealthCall, AsksTheHealthService) {
  Server server({});
  GrpcHealthCall call("10.0.0.1:80", "payments");
  server.Feed(call.Output());
  EXPECT_EQ(server.fields[":method"], "POST");
  EXPECT_EQ(server.fields[":path"], "/grpc.health.v1.Health/Check");
  EXPECT_EQ(server.fields[":scheme"], "http");
  EXPECT_EQ(server.fields[":authority"], "10.0.0.1:80");
  EXPECT_EQ(server.fields["te"], "trailers");
  EXPECT_EQ(server.fields["content-type"], "application/grpc");
  EXPECT_EQ(server.body, std::string("\0\0\0\0\x0a\x0a\x08payments", 15));
}

TEST(GrpcHealthCall, TheWholeServerIsAnEmptyMessage) {
  Server server({});
  GrpcHealthCall call("a", "");
  server.Feed(call.Output());
  EXPECT_EQ(server.body, std::string(5, '\0'));
}

TEST(GrpcHealthCall, ServingIsHealthy) {
  EXPECT_EQ(Verdict({}), "serving");
  EXPECT_EQ(Verdict({}, 1), "serving") << "byte by byte";
  EXPECT_EQ(Verdict({.content_type = "application/grpc+proto"}), "serving");
  EXPECT_EQ(Verdict({.message = std::string("\0\0\0\0\5\x12\x01x\x08\x01", 10)}), "serving")
      << "an unknown field is passed over";
}

TEST(GrpcHealthCall, EverythingElseIsNot) {
  const auto message = [](absl::string_view bytes) {
    return Server::Answer{.message = std::string(bytes)};
  };
  using absl::string_view;
  EXPECT_EQ(Verdict(message(string_view("\0\0\0\0\2\x08\x02", 7))), "not_serving");
  EXPECT_EQ(Verdict(message(string_view("\0\0\0\0\2\x08\x03", 7))), "not_serving");
  EXPECT_EQ(Verdict(message(string_view("\0\0\0\0\0", 5))), "not_serving") << "UNKNOWN";
  EXPECT_EQ(Verdict(message(string_view("\1\0\0\0\2\x08\x01", 7))), "bad_response") << "compressed";
  EXPECT_EQ(Verdict(message(string_view("\0\0\0\0\3\x08\x01", 7))), "bad_response") << "cut off";
  EXPECT_EQ(Verdict(message(string_view("\0\0\0\0\2\x08\x81", 7))), "bad_response");
  EXPECT_EQ(Verdict(message("")), "bad_response");
  EXPECT_EQ(Verdict(message(std::string(2000, 'x'))), "response_too_long");
  EXPECT_EQ(Verdict({.status = "503"}), "not_grpc");
  EXPECT_EQ(Verdict({.content_type = "text/html"}), "not_grpc");
  EXPECT_EQ(Verdict({.grpc_status = ""}), "grpc_error") << "no trailers";
  EXPECT_EQ(Verdict({.grpc_status = "14"}), "grpc_error");
  EXPECT_EQ(Verdict({.grpc_status = "5", .trailers_only = true}), "grpc_error") << "not known";
  EXPECT_EQ(Verdict({.grpc_status = "0", .trailers_only = true}), "bad_response");
  EXPECT_EQ(Verdict({.reset = true}), "stream_reset");
  EXPECT_EQ(Verdict({.go_away = true}), "stream_reset");
}

TEST(GrpcHealthCall, FieldsThatUnpackToMuchAreRefused) {
  Server::Answer answer;
  answer.content_type = std::string(20'000, 'a');
  EXPECT_EQ(Verdict(answer), "response_too_long");
}

TEST(GrpcHealthCall, AnotherProtocolIsAnError) {
  for (const char* bytes :
       {"HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-OpenSSH\r\n\r\n........"}) {
    GrpcHealthCall call("a", "");
    call.Output();
    call.Feed(bytes);
    call.Output();
    EXPECT_TRUE(call.done()) << bytes;
    EXPECT_STREQ(call.failure(), "protocol_error") << bytes;
  }
}

}  // namespace
}  // namespace tollgate::proxy
