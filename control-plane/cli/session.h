// Session: what every command works with: the global flags, the connection, and how to print. One
// thread; lives as long as the command.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "control-plane/cli/client.h"
#include "control-plane/cli/exit_code.h"
#include "control-plane/cli/output.h"
#include "control-plane/model/problem.h"
#include "tollgate/admin/v1/admin.pb.h"

namespace tollgate::control {

struct GlobalFlags {
  std::string server = "unix:/run/tollgate/admin.sock";
  std::string environment = "default";
  OutputFormat format = OutputFormat::kTable;
  Duration timeout = std::chrono::seconds(10);
};

class Session {
 public:
  explicit Session(const GlobalFlags& flags) : flags_(flags) {}

  const GlobalFlags& flags() const { return flags_; }
  const std::string& environment() const { return flags_.environment; }
  bool table() const { return flags_.format == OutputFormat::kTable; }
  WallTime now() const { return clock_.Wall(); }

  absl::StatusOr<Client*> Connect();

  // To standard output.
  void Print(absl::string_view text) const;
  void PrintMessage(const google::protobuf::Message& message) const;  // as JSON or YAML
  // To standard error.
  void Note(absl::string_view text) const;

  // Prints an error; gives its exit code.
  ExitCode Fail(const absl::Status& status) const;
  // Prints each on a line and how many they are.
  ExitCode FailWithProblems(std::vector<Problem> problems) const;

 private:
  const GlobalFlags flags_;
  const SystemClock clock_;
  std::unique_ptr<Client> client_;
};

void AddProblem(const Problem& problem, admin::v1::DiffResponse* response);
std::vector<Problem> FromWire(
    const google::protobuf::RepeatedPtrField<admin::v1::Problem>& problems);

}  // namespace tollgate::control
