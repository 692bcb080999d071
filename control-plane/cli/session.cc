#include "control-plane/cli/session.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace tollgate::control {

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ExitCode::kOk;
    case absl::StatusCode::kAborted:
      return ExitCode::kConflict;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return ExitCode::kUnreachable;
    default:
      return ExitCode::kFailed;
  }
}

absl::StatusOr<Client*> Session::Connect() {
  if (client_ == nullptr) {
    const auto timeout = std::chrono::duration_cast<std::chrono::milliseconds>(flags_.timeout);
    ASSIGN_OR_RETURN(client_, Client::Make(flags_.server, timeout));
  }
  return client_.get();
}

void Session::Print(absl::string_view text) const {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void Session::PrintMessage(const google::protobuf::Message& message) const {
  Print(flags_.format == OutputFormat::kYaml ? MessageToYaml(message) : MessageToJson(message));
}

void Session::Note(absl::string_view text) const {
  std::fflush(stdout);  // so that both streams read in order on a terminal
  std::fwrite(text.data(), 1, text.size(), stderr);
}

ExitCode Session::Fail(const absl::Status& status) const {
  Note(absl::StrCat("tollgatectl: ", status.message(), "\n"));
  return ExitCodeOf(status);
}

ExitCode Session::FailWithProblems(std::vector<Problem> problems) const {
  const size_t count = problems.size();
  Note(absl::StrCat(ToString(std::move(problems)), count, count == 1 ? " problem" : " problems",
                    "; nothing was changed\n"));
  return ExitCode::kProblems;
}

void AddProblem(const Problem& problem, admin::v1::DiffResponse* response) {
  admin::v1::Problem* wire = response->add_problems();
  wire->set_file(problem.file);
  wire->set_line(problem.line);
  wire->set_document(problem.document);
  wire->set_field(problem.field);
  wire->set_value(problem.value);
  wire->set_message(problem.message);
  wire->set_remedy(problem.remedy);
}

std::vector<Problem> FromWire(
    const google::protobuf::RepeatedPtrField<admin::v1::Problem>& problems) {
  std::vector<Problem> out;
  for (const admin::v1::Problem& wire : problems) {
    Problem& problem = out.emplace_back();
    problem.file = wire.file();
    problem.line = wire.line();
    problem.document = wire.document();
    problem.field = wire.field();
    problem.value = wire.value();
    problem.message = wire.message();
    problem.remedy = wire.remedy();
  }
  return out;
}

}  // namespace tollgate::control
