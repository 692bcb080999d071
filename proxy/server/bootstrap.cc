#include "proxy/server/bootstrap.h"

#include <google/protobuf/util/json_util.h>
#include <sched.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "common/base/address.h"
#include "common/base/log.h"
#include "common/base/status.h"
#include "common/policy/words.h"

namespace tollgate::proxy {
namespace {

absl::Status Bad(absl::string_view field, absl::string_view value, absl::string_view expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("bootstrap: ", field, " \"", value, "\": ", expected));
}

absl::Status CheckLocal(absl::string_view field, const std::string& text) {
  auto address = Address::Parse(text);
  if (!address.ok()) return Annotate(address.status(), absl::StrCat("bootstrap: ", field));
  if (!address->is_local()) {
    return Bad(field, text,
               "plaintext is for this machine only; use a loopback address or unix:/path");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<config::v1::Bootstrap> ParseBootstrap(absl::string_view json) {
  config::v1::Bootstrap bootstrap;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = false;
  const auto status = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(json.data(), json.size()), &bootstrap, options);
  if (!status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("bootstrap: ", std::string(status.message()),
                     "; expected the JSON form of tollgate.config.v1.Bootstrap"));
  }
  return bootstrap;
}

absl::Status CompleteBootstrap(config::v1::Bootstrap* b, bool standalone) {
  config::v1::Bootstrap::Node& node = *b->mutable_node();
  if (node.environment().empty()) node.set_environment("default");
  if (b->access_log().empty()) b->set_access_log("-");
  if (b->log_level().empty()) b->set_log_level("info");
  if (b->workers() == 0) b->set_workers(CpuQuota());
  if (b->drain_deadline_seconds() == 0) b->set_drain_deadline_seconds(30);
  if (b->buffer_budget_bytes() == 0) b->set_buffer_budget_bytes(uint64_t{256} << 20);
  if (b->limit_keys() == 0) b->set_limit_keys(1'000'000);
  if (b->limit_bytes() == 0) b->set_limit_bytes(uint64_t{512} << 20);

  if (b->workers() > 256) {
    return Bad("workers", absl::StrCat(b->workers()), "expected 1 to 256, or 0 for the CPU quota");
  }
  if (b->buffer_budget_bytes() < (1 << 20)) {
    return Bad("buffer_budget_bytes", absl::StrCat(b->buffer_budget_bytes()),
               "expected at least 1048576");
  }
  if (b->limit_keys() < 1000 || b->limit_keys() > 100'000'000) {
    return Bad("limit_keys", absl::StrCat(b->limit_keys()), "expected 1000 to 100000000");
  }
  if (b->limit_bytes() < (1 << 20)) {
    return Bad("limit_bytes", absl::StrCat(b->limit_bytes()), "expected at least 1048576");
  }
  for (absl::string_view level : {"trace", "debug", "info", "warn", "error", ""}) {
    if (level.empty()) {
      return Bad("log_level", b->log_level(), "expected trace, debug, info, warn or error");
    }
    if (level == b->log_level()) break;
  }
  if (!b->admin().empty()) RETURN_IF_ERROR(CheckLocal("admin", b->admin()));
  if (!node.address().empty()) {
    RETURN_IF_ERROR(Annotate(Address::Parse(node.address()).status(), "bootstrap: node.address"));
  }
  if (!node.zone().empty()) {
    const absl::Status checked = words::CheckIdentifier(node.zone());
    if (!checked.ok()) return Bad("node.zone", node.zone(), checked.message());
  }
  if (!b->state_key_file().empty() && b->state_dir().empty()) {
    return Bad("state_key_file", b->state_key_file(),
               "it seals what state_dir keeps; set that too");
  }
  if (standalone) {
    if (!b->control().empty()) {
      return Bad("control", b->control(),
                 "a policy from a file (--policy) excludes a control plane");
    }
    return absl::OkStatus();
  }
  if (b->control().empty()) {
    return Bad("control", "",
               "name the control plane, e.g. unix:/run/tollgate/control.sock, or "
               "serve a policy from a file with --policy");
  }
  RETURN_IF_ERROR(CheckLocal("control", b->control()));
  if (node.id().empty()) return Bad("node.id", "", "give this sidecar a unique name (--node)");
  if (node.service().empty()) {
    return Bad("node.service", "", "name the service that this sidecar stands beside (--service)");
  }
  return absl::OkStatus();
}

uint32_t CpuQuota() {
  cpu_set_t set;
  uint32_t cpus = 1;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    cpus = std::max(1, CPU_COUNT(&set));
  }
  // cgroup v2: "max 100000" or "150000 100000".
  if (FILE* file = std::fopen("/sys/fs/cgroup/cpu.max", "re")) {
    unsigned long long quota = 0, period = 0;
    if (std::fscanf(file, "%llu %llu", &quota, &period) == 2 && period > 0) {
      cpus = std::min<uint64_t>(cpus, std::max<uint64_t>(1, (quota + period - 1) / period));
    }
    std::fclose(file);
  }
  return cpus;
}

}  // namespace tollgate::proxy
