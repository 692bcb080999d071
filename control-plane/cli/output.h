// What tollgatectl prints: tables for people, JSON and YAML for programs. Stateless.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/base/clock.h"
#include "google/protobuf/message.h"

namespace tollgate::control {

enum class OutputFormat { kTable, kJson, kYaml };

// Columns padded to their widest cell, two spaces between, nothing wrapped, "-" for an empty cell.
// Control characters are escaped.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_({std::move(header)}) {}
  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string ToString() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// "4s", "12m", "3h", "5d"; "-4s" for what is to come is the caller's to word.
std::string Age(Duration age);
// "1 retry", "2 retries".
std::string Counted(uint64_t count, absl::string_view one, absl::string_view many);

// For a field of the admin API: the most that fits, when it is longer; 1 at least, since 0 is the
// default there.
uint32_t Milliseconds32(Duration length);

// "3s", "90d", "10m", "1h30m"; also a sign.
bool ParseCliDuration(const std::string& text, Duration* out);
// Decimal digits and nothing else: no sign, no octal or hexadecimal.
bool ParseCliNumber(absl::string_view text, uint64_t* out);

// A message with all its fields, those that are not set too (a message that is not set is null):
// numbers are numbers, and keys are the names in the proto. Documents of the model are written as
// operators write them.
std::string MessageToJson(const google::protobuf::Message& message);
std::string MessageToYaml(const google::protobuf::Message& message);

}  // namespace tollgate::control
