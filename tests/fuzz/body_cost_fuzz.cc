// What a request costs by its body: a JSON Pointer up to the first line feed, then the body. The
// pointer comes from operators, the body from clients. What is read twice is the same, whatever the
// parser has read before, and dividing never makes it more.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "common/policy/json_pointer.h"
#include "proxy/limit/body_cost.h"

namespace {

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tollgate;         // NOLINT
  using namespace tollgate::proxy;  // NOLINT
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t line = text.find('\n');
  if (line == absl::string_view::npos) return 0;
  CostPolicy policy;
  policy.units = 0;
  policy.json = std::string(text.substr(0, line));
  const absl::string_view body = text.substr(line + 1);
  const bool valid = ParseJsonPointer(policy.json).ok();
  StrictJson parser;
  uint32_t units = 0;
  const BodyCost::Result result = BodyCost(policy).Of(body, parser, &units);
  Require(valid || result != BodyCost::Result::kOk, "a pointer that is none finds nothing");
  policy.divide = 100;
  uint32_t divided = 0;
  Require(BodyCost(policy).Of(body, parser, &divided) == result, "it is read alike twice");
  if (result == BodyCost::Result::kOk) Require(divided <= units, "dividing makes it no more");
  return 0;
}
