#include "control-plane/admin/audit.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/base/log.h"

namespace tollgate::control {

void Audit(const Caller& caller, absl::string_view call, absl::string_view environment,
           absl::string_view what, const absl::Status& outcome) {
  const auto quoted = [](absl::string_view text) {
    // Nobody forges a second line.
    return absl::StrCat("\"", absl::StrReplaceAll(absl::CHexEscape(text), {{"\\'", "'"}}), "\"");
  };
  // Its own level: --log-level must not silence the record of who issued or revoked a key.
  const auto& sinks = spdlog::default_logger()->sinks();
  spdlog::logger audit(spdlog::default_logger()->name(), sinks.begin(), sinks.end());
  audit.flush_on(spdlog::level::info);
  audit.info(absl::StrCat("audit user=", quoted(caller.user), " peer=", quoted(caller.peer),
                          " call=", call, " environment=", quoted(environment),
                          " what=", quoted(what), " outcome=", quoted(outcome.ToString())));
}

}  // namespace tollgate::control
