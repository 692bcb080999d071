// Listeners.
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/policy/convert.h"

namespace tollgate::internal {
namespace {

constexpr EnumValue<Direction> kDirections[] = {
    {config::v1::DIRECTION_INBOUND, Direction::kInbound},
    {config::v1::DIRECTION_OUTBOUND, Direction::kOutbound}};

void ConvertAddress(const config::v1::Listener& from, const Policy& policy, ListenerPolicy& to,
                    Errors& errors) {
  const At root;
  const At at = root["address"];
  auto address = Address::Parse(from.address());
  if (!address.ok()) {
    errors.Add(from.address().empty() ? Code::kMissing : Code::kInvalid, at,
               std::string(address.status().message()));
    return;
  }
  to.address = *std::move(address);
  if (to.address.kind() == Address::Kind::kName) {
    errors.Add(Code::kInvalid, at,
               absl::StrCat(from.address(), " is a name; expected an IP address or unix:/path"));
  } else if (!to.address.is_local() && !from.plaintext()) {
    errors.Add(Code::kConflict, at,
               absl::StrCat(from.address(),
                            " is off loopback and would accept plaintext; expected "
                            "a loopback address, or plaintext: true"));
  }
  for (const auto& [name, other] : policy.listeners) {
    if (to.address.Overlaps(other.address)) {
      errors.Add(Code::kConflict, at,
                 absl::StrCat(from.address(), " is taken by listener ", name, " (",
                              other.address.ToString(), ")"));
    }
  }
}

// Two APIs at one host and base path could not be told apart. Letter case tells nothing apart to
// many servers.
void CheckPlaces(const ListenerPolicy& listener, Errors& errors) {
  const At root;
  std::map<std::pair<std::string, std::string>, size_t> places;
  for (size_t i = 0; i < listener.apis.size(); ++i) {
    const ApiBindingPolicy& api = listener.apis[i];
    const At at = root("apis", static_cast<int>(i));
    for (size_t k = 0; k < api.hosts.size(); ++k) {
      const auto [it, is_new] =
          places.try_emplace({api.hosts[k], absl::AsciiStrToLower(api.base_path)}, i);
      if (is_new) continue;
      errors.Add(it->second == i ? Code::kDuplicate : Code::kConflict,
                 at("hosts", static_cast<int>(k)),
                 absl::StrCat("\"", api.hosts[k], "\" with base path \"", api.base_path,
                              "\" belongs to apis[", it->second, "] already (letter case aside)"));
    }
  }
}

ListenerPolicy ConvertListener(const config::v1::Listener& from, const Policy& policy,
                               Errors& errors) {
  const At at;
  ListenerPolicy to;
  to.name = from.name();
  ConvertAddress(from, policy, to, errors);
  to.direction = CheckEnum(from.direction(), kDirections, at["direction"], errors);
  for (int i = 0; i < from.apis_size(); ++i) {
    const At place = at("apis", i);
    to.apis.push_back(ConvertBinding(from.apis(i), to.direction, place, policy, errors));
  }
  CheckPlaces(to, errors);
  to.max_connections = from.max_connections();
  CheckRange(from.max_connections(), 1, 10'000'000, at["max_connections"], errors);
  to.header_timeout =
      CheckMillis(from.header_timeout_ms(), 1, kDayMs, at["header_timeout_ms"], errors);
  to.idle_timeout = CheckMillis(from.idle_timeout_ms(), 1, kDayMs, at["idle_timeout_ms"], errors);
  to.body_timeout = CheckMillis(from.body_timeout_ms(), 1, kDayMs, at["body_timeout_ms"], errors);
  to.max_stream_duration = CheckMillis(from.max_stream_duration_ms(), 1, 31 * kDayMs,
                                       at["max_stream_duration_ms"], errors);
  to.max_header_bytes = from.max_header_bytes();
  CheckRange(from.max_header_bytes(), 1024, 1 << 20, at["max_header_bytes"], errors);
  to.max_headers = from.max_headers();
  CheckRange(from.max_headers(), 1, 1000, at["max_headers"], errors);
  to.trusted_hops = from.trusted_hops();
  CheckRange(from.trusted_hops(), 0, 16, at["trusted_hops"], errors);
  return to;
}

}  // namespace

void ConvertListeners(const config::v1::Bundle& bundle, Policy& policy, Errors& errors) {
  for (int i = 0; i < bundle.listeners_size(); ++i) {
    const config::v1::Listener& from = bundle.listeners(i);
    const bool unique = EnterResource("Listener", from.name(), i, policy.listeners, "name", errors);
    ListenerPolicy to = ConvertListener(from, policy, errors);
    if (unique) policy.listeners.emplace(from.name(), std::move(to));
  }
}

}  // namespace tollgate::internal
