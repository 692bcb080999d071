// Bundles as JSON: read strictly, shown redacted. Declared in from_proto.h.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/base/status.h"
#include "common/policy/from_proto.h"
#include "common/policy/json_members.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"

namespace tollgate {
namespace {

constexpr absl::string_view kRedacted = "<redacted>";
// How the protobuf JSON mapping writes these bytes in a field of type bytes.
constexpr absl::string_view kRedactedBase64 = "\"PHJlZGFjdGVkPg==\"";

// Members of a JWK that hold a private or symmetric key (RFC 7518 sections 6.2.2, 6.3.2, 6.4.1).
bool IsPrivateMember(absl::string_view name) {
  for (absl::string_view member : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}) {
    if (name == member) return true;
  }
  return false;
}

void RedactJwk(google::protobuf::Value* value) {
  if (value->has_struct_value()) {
    for (auto& [name, member] : *value->mutable_struct_value()->mutable_fields()) {
      if (IsPrivateMember(name)) {
        member.set_string_value(std::string(kRedacted));
      } else {
        RedactJwk(&member);
      }
    }
  } else if (value->has_list_value()) {
    for (auto& element : *value->mutable_list_value()->mutable_values()) RedactJwk(&element);
  }
}

std::string RedactJwks(const std::string& jwks) {
  google::protobuf::Value value;
  std::string text;
  if (!google::protobuf::util::JsonStringToMessage(jwks, &value).ok()) {
    return std::string(kRedacted);  // who knows what it is
  }
  RedactJwk(&value);
  if (!google::protobuf::util::MessageToJsonString(value, &text).ok()) {
    return std::string(kRedacted);
  }
  return text;
}

// The parser shows the value that it refuses; where the field holds bytes, that is a secret.
std::string WithoutBytes(const std::string& message) {
  const size_t value = message.find("invalid value");
  if (value == std::string::npos || !absl::StrContains(message, "TYPE_BYTES")) return message;
  return absl::StrCat(message.substr(0, value), "the value (not shown) is not base64");
}

}  // namespace

absl::StatusOr<config::v1::Bundle> BundleFromJson(absl::string_view json) {
  RETURN_IF_ERROR(internal::CheckJsonMembers(json));
  config::v1::Bundle bundle;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = false;
  const auto status = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(json.data(), json.size()), &bundle, options);
  if (!status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a config.v1.Bundle: ", WithoutBytes(std::string(status.message()))));
  }
  return bundle;
}

std::string BundleToRedactedJson(const config::v1::Bundle& bundle) {
  config::v1::Bundle shown = bundle;
  for (config::v1::Secret& secret : *shown.mutable_secrets()) {
    secret.set_value(std::string(kRedacted));
  }
  for (config::v1::ConsumerShard& shard : *shown.mutable_consumer_shards()) {
    for (config::v1::Consumer& consumer : *shard.mutable_consumers()) {
      for (config::v1::ApiKey& key : *consumer.mutable_api_keys()) {
        key.set_hash(std::string(kRedacted));
      }
    }
  }
  for (config::v1::PolicySet& set : *shown.mutable_policy_sets()) {
    for (config::v1::Issuer& issuer : *set.mutable_issuers()) {
      if (!issuer.jwks().empty()) issuer.set_jwks(RedactJwks(issuer.jwks()));
    }
  }
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(shown, &text, options).ok()) return "{}";
  return absl::StrReplaceAll(text, {{kRedactedBase64, absl::StrCat("\"", kRedacted, "\"")}});
}

}  // namespace tollgate
