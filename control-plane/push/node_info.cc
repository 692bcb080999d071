#include "control-plane/push/node_info.h"

#include <cmath>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/policy/words.h"

namespace tollgate::control {
namespace {

constexpr size_t kMaxNameBytes = 256;

// Ids and names are shown to operators and written to logs.
absl::Status CheckName(absl::string_view field, absl::string_view value, bool mandatory) {
  if (value.empty() && mandatory) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": expected a name, got none"));
  }
  if (value.size() > kMaxNameBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ": ", value.size(), " bytes; expected at most ", kMaxNameBytes));
  }
  for (const char c : value) {
    if (c <= ' ' || c > '~') {
      return absl::InvalidArgumentError(absl::StrCat(
          field, ": \"", absl::CHexEscape(value), "\"; expected printable ASCII without spaces"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Text(const google::protobuf::Struct& metadata, const char* key) {
  const auto it = metadata.fields().find(key);
  if (it == metadata.fields().end()) return std::string();
  const std::string field = absl::StrCat("node.metadata.", key);
  if (it->second.kind_case() != google::protobuf::Value::kStringValue) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": expected a text"));
  }
  RETURN_IF_ERROR(CheckName(field, it->second.string_value(), false));
  return it->second.string_value();
}

}  // namespace

absl::StatusOr<NodeInfo> ParseNode(const envoy::service::discovery::v3::Node& node) {
  NodeInfo info;
  RETURN_IF_ERROR(CheckName("node.id", node.id(), true));
  RETURN_IF_ERROR(CheckName("node.cluster", node.cluster(), true));
  info.id = node.id();
  info.service = node.cluster();
  info.zone = node.locality().zone();
  if (!info.zone.empty()) {
    // It becomes a part of the sidecar's policy.
    RETURN_IF_ERROR(Annotate(words::CheckIdentifier(info.zone), "node.locality.zone"));
  }
  ASSIGN_OR_RETURN(info.address, Text(node.metadata(), "address"));
  ASSIGN_OR_RETURN(info.version, Text(node.metadata(), "version"));
  ASSIGN_OR_RETURN(std::string environment, Text(node.metadata(), "environment"));
  if (!environment.empty()) info.environment = std::move(environment);
  const auto schema = node.metadata().fields().find("schema");
  const double level = schema == node.metadata().fields().end() ? 0 : schema->second.number_value();
  if (!(level >= 1 && level <= 1e6) || level != std::floor(level)) {
    return absl::InvalidArgumentError(
        "node.metadata.schema: expected the language level that the sidecar understands, a whole "
        "number from 1");
  }
  info.schema = static_cast<uint32_t>(level);
  return info;
}

}  // namespace tollgate::control
