#include "proxy/health/probe_exchange.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "proxy/http/codec.h"
#include "proxy/http/grpc_health_call.h"

namespace tollgate::proxy {
namespace {

// A GET whose status is all that counts: its body is not read, and a redirect is a status like any
// other.
class HttpExchange final : public ProbeExchange, private ClientCodecEvents {
 public:
  HttpExchange(const HealthCheckPolicy& policy, absl::string_view authority)
      : expect_(policy.expect),
        codec_(MakeHttp1ClientCodec(*this, CodecLimits{.max_header_bytes = 16384})) {
    request_.method_name = "GET";
    request_.authority = policy.host.empty() ? std::string(authority) : policy.host;
    const size_t query = std::min(policy.path.find('?'), policy.path.size());
    request_.path = policy.path.substr(0, query);
    request_.has_query = query < policy.path.size();
    if (request_.has_query) request_.query = policy.path.substr(query + 1);
    request_.headers.Add(HeaderId::kUserAgent, "tollgate-health-check");
  }

  void Write(WriteQueue& out) override {
    if (std::exchange(written_, true)) return;
    if (codec_->EncodeHead(request_, /*end=*/true, out) == 0) Finish("unsendable");
  }
  void Feed(absl::string_view bytes) override {
    if (!done_ && codec_->Feed(bytes).failed) Finish("protocol_error");
  }
  bool done() const override { return done_; }
  const char* failure() const override { return failure_; }

 private:
  void OnResponseInformational(StreamId, ResponseHead&) override {}
  void OnResponseHead(StreamId, ResponseHead& head, bool) override {
    const auto status = static_cast<uint32_t>(head.status);
    const bool expected = std::any_of(
        expect_.begin(), expect_.end(),
        [status](const StatusRange& range) { return range.from <= status && status <= range.to; });
    Finish(expected ? nullptr : "unexpected_status");
  }
  void OnResponseData(StreamId, absl::string_view, bool) override {}
  void OnResponseTrailers(StreamId, HeaderMap&) override {}
  void OnResponseReset(StreamId, ResetReason) override { Finish("stream_reset"); }
  void OnGoAway(StreamId) override {}

  void Finish(const char* failure) {
    if (std::exchange(done_, true)) return;
    failure_ = failure;
  }

  const std::vector<StatusRange> expect_;
  RequestHead request_;
  std::unique_ptr<ClientCodec> codec_;
  bool written_ = false;
  bool done_ = false;
  const char* failure_ = nullptr;
};

class GrpcExchange final : public ProbeExchange {
 public:
  GrpcExchange(const HealthCheckPolicy& policy, absl::string_view authority)
      : call_(authority, policy.service) {}

  void Write(WriteQueue& out) override { out.Append(call_.Output()); }
  void Feed(absl::string_view bytes) override { call_.Feed(bytes); }
  bool done() const override { return call_.done(); }
  const char* failure() const override { return call_.failure(); }

 private:
  GrpcHealthCall call_;
};

}  // namespace

std::unique_ptr<ProbeExchange> MakeProbeExchange(const HealthCheckPolicy& policy,
                                                 absl::string_view authority) {
  switch (policy.kind) {
    case HealthCheckPolicy::Kind::kHttp:
      return std::make_unique<HttpExchange>(policy, authority);
    case HealthCheckPolicy::Kind::kGrpc:
      return std::make_unique<GrpcExchange>(policy, authority);
    case HealthCheckPolicy::Kind::kTcp:
      return nullptr;
  }
  return nullptr;
}

}  // namespace tollgate::proxy
