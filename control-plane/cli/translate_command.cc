// translate: what one sidecar would receive, as the file that `tollgate-proxy --policy` reads.
#include "absl/strings/str_cat.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/sources.h"
#include "control-plane/translate/translate.h"
#include "google/protobuf/util/json_util.h"

namespace tollgate::control {

ExitCode RunTranslate(Session& session, const std::vector<std::string>& paths,
                      const std::string& service, const std::string& instance,
                      const std::string& address) {
  const absl::StatusOr<std::vector<admin::v1::Source>> sources = ReadSources(paths);
  if (!sources.ok()) return session.Fail(sources.status());
  OfflineResult compiled = CompileOffline(session.environment(), *sources);
  if (!compiled.problems.empty()) return session.FailWithProblems(std::move(compiled.problems));
  // API keys live in the control plane's store, never in documents: here there are none.
  const absl::StatusOr<config::v1::Bundle> bundle = Translate(
      compiled.model, Credentials(), {.id = instance, .service = service, .address = address},
      {.incarnation = "offline", .revision = 1, .release = 1});
  if (!bundle.ok()) return session.Fail(bundle.status());
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  std::string json;
  if (const auto status = google::protobuf::util::MessageToJsonString(*bundle, &json, options);
      !status.ok()) {
    return session.Fail(absl::InternalError(absl::StrCat("as JSON: ", status.ToString())));
  }
  session.Print(json);
  return ExitCode::kOk;
}

}  // namespace tollgate::control
