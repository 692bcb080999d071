// One call of grpc.health.v1.Health/Check over HTTP/2 with prior knowledge (RFC 9113 section 3.3),
// sans I/O: the owner sends what Output gives and feeds what it received, until there is a verdict.
// For health probes only: it can carry nothing else. Any one thread.
//
// The protocol is the one of the gRPC project (doc/health-checking.md, doc/PROTOCOL-HTTP2.md). Only
// an answer that is complete, says grpc-status 0 and SERVING, is healthy.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

struct nghttp2_session;

namespace tollgate::proxy {

class GrpcHealthCall {
 public:
  // `service`: "" asks about the whole server.
  GrpcHealthCall(absl::string_view authority, absl::string_view service);
  ~GrpcHealthCall();
  GrpcHealthCall(const GrpcHealthCall&) = delete;
  GrpcHealthCall& operator=(const GrpcHealthCall&) = delete;

  // What is to be sent now; "" when nothing is.
  std::string Output();
  // What the peer sent. After it, ask for Output, which may also end the call.
  void Feed(absl::string_view bytes);

  bool done() const { return done_; }
  // When done: nullptr: serving; else a stable word why not.
  const char* failure() const { return failure_; }

 private:
  struct Callbacks;
  void Finish(const char* failure);
  void OnStreamClosed(bool in_order);

  nghttp2_session* session_ = nullptr;
  std::string request_;  // the message with its prefix
  size_t sent_ = 0;
  std::string response_;  // likewise
  std::string http_status_;
  std::string content_type_;
  size_t fields_size_ = 0;  // decoded
  std::string grpc_status_;
  bool ended_ = false;  // END_STREAM came
  bool done_ = false;
  const char* failure_ = nullptr;
};

}  // namespace tollgate::proxy
