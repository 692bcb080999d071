// Bytes that must not stay in memory: wiped when destroyed, overwritten or moved from. Never
// printed. A value that is moved, not copied.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace tollgate {

class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(absl::string_view bytes) : bytes_(bytes.begin(), bytes.end()) {}
  SecretBytes(SecretBytes&& other) noexcept : bytes_(std::move(other.bytes_)) {}
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    if (this != &other) {
      Wipe();
      bytes_ = std::move(other.bytes_);
    }
    return *this;
  }
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes() { Wipe(); }

  // Valid until the object is moved from or destroyed.
  absl::string_view view() const { return absl::string_view(bytes_.data(), bytes_.size()); }
  bool empty() const { return bytes_.empty(); }
  size_t size() const { return bytes_.size(); }

 private:
  void Wipe();
  std::vector<char> bytes_;
};

// Overwrites in a way that the compiler does not remove.
void SecureWipe(void* data, size_t size);

}  // namespace tollgate
