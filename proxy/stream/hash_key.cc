#include "proxy/stream/hash_key.h"

#include <algorithm>

#include "absl/strings/string_view.h"
#include "common/base/stable_hash.h"

namespace tollgate::proxy {
namespace {

// The n-th segment, counted from 0, of a path without its leading part; empty: there is none.
absl::string_view SegmentAt(absl::string_view path, int n) {
  for (; n >= 0 && !path.empty(); --n) {
    path.remove_prefix(1);  // the slash
    const size_t end = std::min(path.find('/'), path.size());
    if (n == 0) return path.substr(0, end);
    path.remove_prefix(end);
  }
  return {};
}

std::optional<uint64_t> HashOfField(const RequestHead& request, absl::string_view name) {
  const std::optional<absl::string_view> value = request.headers.Get(name);
  if (!value.has_value() || value->empty()) return std::nullopt;
  return StableHash(*value);
}

}  // namespace

std::optional<uint64_t> HashKeyOf(const RequestContext& context, const RequestHead& request) {
  if (context.route == nullptr) return std::nullopt;
  const HashKeyPolicy& policy = context.route->upstream->balancing.hash;
  switch (policy.kind) {
    case HashKeyPolicy::Kind::kNone:
      return std::nullopt;
    case HashKeyPolicy::Kind::kConsumer:
      return HashOfField(request, "x-tollgate-consumer");
    case HashKeyPolicy::Kind::kHeader:
      return HashOfField(request, policy.name);
    case HashKeyPolicy::Kind::kPathParameter: {
      const absl::string_view path = request.path;
      if (context.route->hash_segment < 0 || context.route_path_at > path.size()) {
        return std::nullopt;
      }
      const absl::string_view segment =
          SegmentAt(path.substr(context.route_path_at), context.route->hash_segment);
      if (segment.empty()) return std::nullopt;
      return StableHash(segment);
    }
  }
  return std::nullopt;
}

}  // namespace tollgate::proxy
