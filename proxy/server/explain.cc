#include "proxy/server/explain.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proxy/filter/context.h"
#include "proxy/http/chars.h"
#include "proxy/http/http1_target.h"

namespace tollgate::proxy {
namespace {

constexpr size_t kMaxFields = 64;

absl::Status Wrong(absl::string_view field, absl::string_view value, absl::string_view expected) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": \"", absl::CHexEscape(value), "\"; expected ", expected));
}

// What a codec would have refused before there was a request.
absl::Status CheckQuestion(const agent::v1::Explain& question) {
  if (!IsToken(question.method())) {
    return Wrong("method", question.method(), "an HTTP method such as GET");
  }
  if (!IsAuthority(question.host())) {
    return Wrong("host", question.host(), "a host name or address, with or without port");
  }
  if (question.path().empty() || question.path().find_first_of("?#") != std::string::npos) {
    return Wrong("path", question.path(), "a path without query, such as /payments");
  }
  if (static_cast<size_t>(question.fields_size()) > kMaxFields) {
    return Wrong("fields", absl::StrCat(question.fields_size()),
                 absl::StrCat("at most ", kMaxFields));
  }
  for (const agent::v1::Field& field : question.fields()) {
    if (!IsToken(field.name())) return Wrong("field", field.name(), "a header name");
    if (HasControl(field.value()))
      return Wrong(field.name(), field.value(), "no control character");
  }
  return absl::OkStatus();
}

void FillHead(const agent::v1::Explain& question, RequestHead* head) {
  head->method_name = question.method();
  head->method = MethodOf(question.method());
  head->authority = absl::AsciiStrToLower(question.host());
  head->path = question.path();
  for (const agent::v1::Field& field : question.fields()) {
    head->headers.Add(field.name(), field.value());
  }
}

absl::string_view StateOf(const RouteTablePolicy& version, const Lifecycle::Answer& lifecycle,
                          WallTime now) {
  if (lifecycle.gone) return "retired";
  const bool deprecated = version.state == VersionState::kDeprecated ||
                          (version.deprecated.has_value() && *version.deprecated <= now);
  return deprecated ? "deprecated" : "active";
}

uint64_t Millis(Duration d) { return static_cast<uint64_t>(d / std::chrono::milliseconds(1)); }

// What the steps found out, however far they came.
void FillFound(const RequestContext& c, agent::v1::Verdict* verdict) {
  if (c.api != nullptr) verdict->set_api(c.api->policy->api);
  if (c.version != nullptr) {
    verdict->set_version(c.version->policy->version);
    verdict->set_version_state(std::string(StateOf(*c.version->policy, c.lifecycle, c.wall)));
  }
  if (c.route != nullptr) {
    verdict->set_route(c.route->policy->name);
    verdict->set_path(c.route->policy->path);
  }
}

void FillForward(const RequestContext& c, agent::v1::Forward* forward) {
  const RoutePolicy& route = *c.route->policy;
  forward->set_upstream(c.route->upstream->name);
  forward->set_endpoints(static_cast<uint32_t>(c.route->upstream->endpoints.size()));
  forward->set_path(c.head.path);
  forward->set_timeout_ms(Millis(route.timeout));
  forward->set_attempt_timeout_ms(Millis(route.attempt_timeout));
  forward->set_max_retries(route.retry.max_retries);
}

void FillRefusal(const Filter& step, const LocalReply& reply, agent::v1::Refusal* refusal) {
  refusal->set_step(step.name());
  refusal->set_status(static_cast<uint32_t>(reply.status));
  refusal->set_reason(reply.reason);
  refusal->set_detail(reply.detail);
  for (const HeaderValue& field : reply.headers) {
    agent::v1::Field* out = refusal->add_fields();
    out->set_name(field.name);
    out->set_value(field.value);
  }
}

void Judge(const Snapshot& snapshot, const CompiledListener& listener,
           const agent::v1::Explain& question, WallTime now, agent::v1::Verdict* verdict) {
  verdict->set_listener(listener.policy->name);
  verdict->set_address(listener.policy->address.ToString());
  verdict->set_direction(listener.policy->direction == Direction::kInbound ? "inbound"
                                                                           : "outbound");
  RequestContext context;
  context.snapshot = &snapshot.tables();
  context.listener = &listener;
  context.wall = now;
  FillHead(question, &context.head);
  for (size_t i = 0; i < listener.chain->size(); ++i) {
    const Filter& step = listener.chain->step(i);
    std::vector<std::string> demands;
    StepResult result = step.Explain(context, demands);
    agent::v1::Step* out = verdict->add_steps();
    out->set_name(step.name());
    for (std::string& demand : demands) out->add_demands(std::move(demand));
    if (const LocalReply* reply = result.reply()) {
      FillRefusal(step, *reply, verdict->mutable_refusal());
      break;
    }
  }
  FillFound(context, verdict);
  if (!verdict->has_refusal() && context.route != nullptr) {
    FillForward(context, verdict->mutable_forward());
  }
}

agent::v1::Explanation Failed(absl::string_view why) {
  agent::v1::Explanation explanation;
  explanation.set_error(std::string(why));
  return explanation;
}

}  // namespace

agent::v1::Explanation ExplainRequest(const Snapshot* snapshot, const agent::v1::Explain& question,
                                      WallTime now) {
  if (snapshot == nullptr) return Failed("the sidecar has no policy yet");
  if (const absl::Status status = CheckQuestion(question); !status.ok()) {
    return Failed(status.message());
  }
  agent::v1::Explanation explanation;
  explanation.set_release(snapshot->policy().epoch.release);
  explanation.set_revision(snapshot->policy().epoch.revision);
  std::vector<absl::string_view> names;
  for (const auto& [name, policy] : snapshot->policy().listeners) {
    names.push_back(name);
    if (!question.listener().empty() && question.listener() != name) continue;
    Judge(*snapshot, *snapshot->FindListener(name), question, now, explanation.add_verdicts());
  }
  if (explanation.verdicts().empty() && !question.listener().empty()) {
    return Failed(absl::StrCat("listener: \"", absl::CHexEscape(question.listener()),
                               "\"; expected one of ", absl::StrJoin(names, ", ")));
  }
  return explanation;
}

}  // namespace tollgate::proxy
