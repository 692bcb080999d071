// Peppers: the secrets under which API keys are hashed. Made once and kept in a file of mode 0600
// beside the store, never in it: a copy of the store alone cannot be used to guess keys. Each has a
// name that follows from its content, so that a new one can be added while old keys live on, and so
// that a lost file is noticed and not silently replaced. Immutable once made, thread-safe.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/file.h"

namespace tollgate::control {

class Peppers {
 public:
  // Reads `path`, or makes it with one fresh pepper. FailedPrecondition when others may read it,
  // InvalidArgument when it is not what we write.
  static absl::StatusOr<Peppers> LoadOrCreate(FileSystem& files, const std::string& path);

  // Adds a fresh one, which new keys use from now on; keys under older ones stay valid.
  static absl::Status Add(FileSystem& files, const std::string& path);

  // Name -> 32 bytes.
  const std::map<std::string, std::string>& all() const { return peppers_; }
  const std::string& current() const { return current_; }

 private:
  std::map<std::string, std::string> peppers_;
  std::string current_;
};

}  // namespace tollgate::control
