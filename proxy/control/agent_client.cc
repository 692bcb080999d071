#include "proxy/control/agent_client.h"

#include <utility>

#include "common/policy/policy.h"

namespace tollgate::proxy {
namespace {

constexpr Duration kStable = std::chrono::seconds(5);

}  // namespace

AgentClient::AgentClient(Options options, AgentTransport* transport,
                         std::shared_ptr<Executor> executor, const Clock* clock)
    : options_(std::move(options)),
      transport_(transport),
      executor_(std::move(executor)),
      clock_(clock),
      backoff_(options_.seed) {}

void AgentClient::Start() {
  executor_->Post([this] { Reconnect(); });
}

void AgentClient::Reconnect() {
  executor_->PostAfter(backoff_.Next(), [this] { Connect(); });
}

void AgentClient::Connect() {
  const uint64_t number = ++stream_number_;
  opened_ = clock_->Mono();
  const std::shared_ptr<Executor> executor = executor_;
  stream_ = transport_->Open({[this, number, executor](agent::v1::Question question) {
                                executor->Post([this, number, question = std::move(question)] {
                                  OnQuestion(number, question);
                                });
                              },
                              [this, number, executor](const absl::Status&) {
                                executor->Post([this, number] { OnClosed(number); });
                              }});
  agent::v1::Report hello;
  hello.mutable_hello()->set_node(options_.node.id);
  hello.mutable_hello()->set_service(options_.node.service);
  hello.mutable_hello()->set_version(options_.node.version);
  hello.mutable_hello()->set_schema(kSchema);
  hello.mutable_hello()->set_environment(options_.node.environment);
  hello.mutable_hello()->set_explains(options_.explainer != nullptr);
  stream_->Send(std::move(hello));
  if (last_apply_.has_value()) {
    agent::v1::Report report;
    *report.mutable_apply() = *last_apply_;
    stream_->Send(std::move(report));
  }
  Tick(number);
}

void AgentClient::OnClosed(uint64_t stream) {
  if (stream != stream_number_ || stream_ == nullptr) return;
  if (clock_->Mono() - opened_ >= kStable) backoff_.Succeeded();
  stream_ = nullptr;
  Reconnect();
}

void AgentClient::OnQuestion(uint64_t stream, const agent::v1::Question& question) {
  if (stream != stream_number_ || stream_ == nullptr) return;
  if (!question.has_explain() || options_.explainer == nullptr) {
    // A newer control plane asks what we do not understand: whoever waits is told.
    agent::v1::Explanation refusal;
    refusal.set_error("this sidecar does not understand the question; upgrade it");
    Answer(stream, question.id(), std::move(refusal));
    return;
  }
  options_.explainer->Explain(
      question.explain(),
      [this, stream, id = question.id(), executor = executor_](agent::v1::Explanation explanation) {
        executor->Post([this, stream, id, explanation = std::move(explanation)] {
          Answer(stream, id, explanation);
        });
      });
}

void AgentClient::Answer(uint64_t stream, uint64_t question, agent::v1::Explanation explanation) {
  if (stream != stream_number_ || stream_ == nullptr) return;
  agent::v1::Report report;
  *report.mutable_explanation() = std::move(explanation);
  report.mutable_explanation()->set_id(question);
  stream_->Send(std::move(report));
}

void AgentClient::ReportApply(const agent::v1::ApplyStatus& status) {
  last_apply_ = status;
  if (stream_ == nullptr) return;
  agent::v1::Report report;
  *report.mutable_apply() = status;
  stream_->Send(std::move(report));
}

void AgentClient::ReportUnknownKey(absl::string_view key_id) {
  if (key_id.empty() || key_id.size() > kMaxKeyIdBytes) return;
  for (const char c : key_id) {
    if (c <= ' ' || c > '~') return;  // came from a stranger's header; protobuf wants UTF-8
  }
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock() || unknown_keys_.size() >= kMaxUnknownKeys) return;
  unknown_keys_.emplace(key_id);
}

void AgentClient::Tick(uint64_t stream) {
  if (stream != stream_number_ || stream_ == nullptr) return;
  if (options_.usage != nullptr) {
    agent::v1::Report report;
    *report.mutable_usage() = options_.usage();
    stream_->Send(std::move(report));
  }
  if (options_.limits != nullptr) {
    agent::v1::Report report;
    *report.mutable_limits() = options_.limits();
    stream_->Send(std::move(report));
  }
  std::set<std::string> keys;
  {
    const std::lock_guard lock(mutex_);
    keys.swap(unknown_keys_);
  }
  if (!keys.empty()) {
    agent::v1::Report report;
    for (const std::string& key : keys) report.mutable_unknown_keys()->add_key_ids(key);
    stream_->Send(std::move(report));
  }
  executor_->PostAfter(options_.usage_interval, [this, stream] { Tick(stream); });
}

}  // namespace tollgate::proxy
