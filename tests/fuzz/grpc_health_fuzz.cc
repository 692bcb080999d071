// What an endpoint answers to a gRPC health check: HTTP/2 frames and the message inside of them. The
// verdict does not depend on how the bytes arrive, and only one whole answer can be healthy.
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "proxy/http/grpc_health_call.h"

namespace tollgate::proxy {
namespace {

std::string Verdict(absl::string_view answer, size_t chunk) {
  GrpcHealthCall call("10.0.0.1:80", "payments");
  call.Output();
  for (size_t at = 0; at < answer.size() && !call.done(); at += chunk) {
    call.Feed(answer.substr(at, chunk));
    call.Output();
  }
  if (!call.done()) return "none";
  return call.failure() == nullptr ? "serving" : call.failure();
}

}  // namespace
}  // namespace tollgate::proxy

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  const bool whole = tollgate::proxy::Verdict(input, size + 1) == "serving";
  const bool bytewise = tollgate::proxy::Verdict(input, 1) == "serving";
  // In one piece, what is wrong behind the answer may be seen before the answer counts.
  if (whole && !bytewise) std::abort();
  return 0;
}
