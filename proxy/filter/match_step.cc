// Which API, version and route this is. Both phases of matching stand here together while nothing
// but the request chooses the version; a Consumer's pin would split them (ARCHITECTURE.md).
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proxy/filter/context.h"
#include "proxy/filter/steps.h"

namespace tollgate::proxy {
namespace {

StepResult Refuse(RequestContext& context, int status, const char* reason, std::string detail) {
  context.reason = reason;
  return LocalReply{.status = status, .reason = reason, .detail = std::move(detail)};
}

void AddAll(const std::vector<HeaderValue>& fields, ResponseHead& head) {
  for (const HeaderValue& field : fields) head.headers.Set(field.name, field.value);
}

class MatchStep final : public Filter {
 public:
  const char* name() const override { return "match"; }
  uint8_t phases() const override { return kRequestHead | kResponseHead; }

  StepResult OnRequestHead(RequestContext& c, StepSlot&) const override {
    const ApiEntry* entry = c.listener->table.Match(c.head.authority, c.path);
    if (entry == nullptr)
      return Refuse(c, 404, "no_api", "No API is offered at this host and path.");
    if (c.listener->table.ReadsAsAnother(c.head.authority, c.path, *entry)) {
      return Refuse(c, 400, "ambiguous_path",
                    "But for letter case, the path is that of another API.");
    }
    c.api = &c.listener->apis[entry->index];

    const VersionFromPolicy& from = entry->version_from;
    std::optional<absl::string_view> header;
    if (!from.header.empty()) {
      if (c.head.headers.Count(from.header) > 1) {
        return Refuse(c, 400, "version_twice",
                      absl::StrCat("Send one ", from.header, " header at most."));
      }
      header = c.head.headers.Get(from.header);
    }
    const VersionMatch version = SelectVersion(*entry, c.path, header, &c.version_scratch);
    switch (version.kind) {
      case VersionMatch::Kind::kFound:
        break;
      case VersionMatch::Kind::kNotFound:
        return Refuse(c, 404, "no_version", "This API has no such version.");
      case VersionMatch::Kind::kUnknown:
        return Refuse(c, 400, "unknown_version",
                      absl::StrCat("The ", from.header, " header names no version of this API."));
      case VersionMatch::Kind::kContradiction:
        return Refuse(
            c, 400, "version_contradiction",
            absl::StrCat("The path and the ", from.header, " header ask for different versions."));
    }
    c.version = &c.api->versions[version.version];
    c.lifecycle = c.version->lifecycle.At(c.wall);
    if (c.lifecycle.gone) {
      return Refuse(c, 410, "version_gone", "This version of the API is no longer offered.");
    }

    if ((c.path_escapes & c.version->tree->reserved()) != 0) {
      return Refuse(c, 400, "ambiguous_path",
                    "The path escapes a character that tells resources of this API apart.");
    }
    const RouteMatch route = c.version->tree->Match(c.method, version.route_path);
    if (route.kind == RouteMatch::Kind::kMethodNotAllowed) {
      c.reason = "method_not_allowed";
      return LocalReply{.status = 405,
                        .reason = c.reason,
                        .detail = "The resource does not know this method.",
                        .headers = {{"allow", c.version->tree->Allow(version.route_path)}}};
    }
    if (!route.found()) return Refuse(c, 404, "no_route", "No such resource in this API.");
    if (c.version->tree->ReadsAsAnother(c.method, version.route_path, route.route)) {
      return Refuse(c, 400, "ambiguous_path",
                    "But for letter case or a slash at the end, the path is that of another "
                    "resource of this API.");
    }
    c.route = &c.version->routes[route.route];
    // "/" stands for nothing behind the base path: there is no such place in the whole path.
    c.route_path_at = version.upstream_path.size() -
                      std::min(version.route_path.size(), version.upstream_path.size());

    if (c.head.body.kind == BodySize::Kind::kLength &&
        c.head.body.length > c.route->policy->max_body_bytes) {
      return Refuse(
          c, 413, "body_too_large",
          absl::StrCat("A body has at most ", c.route->policy->max_body_bytes, " bytes here."));
    }
    // RFC 9110 7.8 lets a server ignore an upgrade; refusing plainly is safer than answering in
    // HTTP what was meant as another protocol. h2c is never let through: behind it a client would
    // speak to the service past every step here.
    if (!c.head.upgrade.empty() &&
        !(c.route->policy->allow_upgrade && absl::EqualsIgnoreCase(c.head.upgrade, "websocket"))) {
      return Refuse(c, 403, "upgrade_refused", "This resource does not allow this upgrade.");
    }
    // What is authorised is what is forwarded: the canonical path, without a stripped version.
    if (version.upstream_path != c.head.path) {
      c.head.path.assign(version.upstream_path.data(), version.upstream_path.size());
    }
    return kContinue;
  }

  // Nothing but the head and the policy decides here.
  StepResult Explain(RequestContext& c, std::vector<std::string>&) const override {
    StepSlot none;
    return OnRequestHead(c, none);
  }

  void OnResponseHead(RequestContext& c, StepSlot&, ResponseHead& head) const override {
    for (const HeaderValue& field : c.lifecycle.headers) head.headers.Add(field.name, field.value);
    if (c.route == nullptr) return;
    AddAll(c.route->upstream->response_headers, head);
    AddAll(c.route->policy->response_headers, head);
  }
};

}  // namespace

std::unique_ptr<const Filter> MakeMatchStep() { return std::make_unique<MatchStep>(); }

std::vector<std::unique_ptr<const Filter>> MakeSteps(const ListenerPolicy& listener) {
  std::vector<std::unique_ptr<const Filter>> steps;
  steps.push_back(MakeIdentifyStep(listener));
  steps.push_back(MakeMatchStep());
  if (listener.direction == Direction::kInbound) {
    steps.push_back(MakeEarlyLimitStep());
    steps.push_back(MakeAuthenticateStep());
    steps.push_back(MakePermissionStep());
    steps.push_back(MakeIdempotencyStep());
    steps.push_back(MakeConsumerLimitStep());
  } else {
    steps.push_back(MakeIdempotencyStep());
  }
  return steps;
}

}  // namespace tollgate::proxy
