#include "common/policy/json_members.h"

#include <algorithm>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace tollgate::internal {
namespace {

constexpr int kMaxDepth = 64;

class Scanner {
 public:
  explicit Scanner(absl::string_view text) : text_(text) {}

  absl::Status Document() {
    RETURN_IF_ERROR(Value(0));
    Space();
    return at_ == text_.size() ? absl::OkStatus() : Error("expected the end of the document");
  }

 private:
  absl::Status Error(absl::string_view why) const {
    const auto line = 1 + std::count(text_.begin(), text_.begin() + at_, '\n');
    return absl::InvalidArgumentError(
        absl::StrCat("line ", line, ": ", path_, path_.empty() ? "" : ": ", why));
  }
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool Take(char c) {
    if (Peek() != c || at_ == text_.size()) return false;
    ++at_;
    return true;
  }
  void Space() {
    while (at_ < text_.size() &&
           absl::string_view(" \t\r\n").find(text_[at_]) != absl::string_view::npos) {
      ++at_;
    }
  }

  absl::Status Value(int depth) {
    if (depth > kMaxDepth) return Error(absl::StrCat("more than ", kMaxDepth, " levels"));
    Space();
    switch (Peek()) {
      case '{':
        return Object(depth);
      case '[':
        return Array(depth);
      case '"':
        return String(nullptr);
      default:
        return Scalar();
    }
  }

  absl::Status Object(int depth) {
    ++at_;
    Space();
    if (Take('}')) return absl::OkStatus();
    absl::flat_hash_set<std::string> seen;
    const size_t parent = path_.size();
    do {
      Space();
      if (Peek() != '"') return Error("expected a member's name in double quotes");
      std::string name;
      RETURN_IF_ERROR(String(&name));
      absl::StrAppend(&path_, parent == 0 ? "" : ".", name);
      std::string key = absl::AsciiStrToLower(name);
      key.erase(std::remove(key.begin(), key.end(), '_'), key.end());
      if (!seen.insert(std::move(key)).second) return Error("this member stands here twice");
      Space();
      if (!Take(':')) return Error("expected ':'");
      RETURN_IF_ERROR(Value(depth + 1));
      path_.resize(parent);
      Space();
    } while (Take(','));
    return Take('}') ? absl::OkStatus() : Error("expected ',' or '}'");
  }

  absl::Status Array(int depth) {
    ++at_;
    Space();
    if (Take(']')) return absl::OkStatus();
    const size_t parent = path_.size();
    int index = 0;
    do {
      absl::StrAppend(&path_, "[", index++, "]");
      RETURN_IF_ERROR(Value(depth + 1));
      path_.resize(parent);
      Space();
    } while (Take(','));
    return Take(']') ? absl::OkStatus() : Error("expected ',' or ']'");
  }

  // Reads a string. Its text goes to `out`; escapes are refused there: no field's name needs one,
  // and they could spell one name in two ways.
  absl::Status String(std::string* out) {
    ++at_;
    while (at_ < text_.size()) {
      const unsigned char c = text_[at_++];
      if (c == '"') return absl::OkStatus();
      if (c < 0x20) return Error("a control character in a string");
      if (c == '\\') {
        if (out != nullptr) return Error("an escape in a member's name");
        RETURN_IF_ERROR(Escape());
      } else if (out != nullptr) {
        out->push_back(static_cast<char>(c));
      }
    }
    return Error("a string without end");
  }

  absl::Status Escape() {
    const char c = Peek();
    ++at_;
    if (c == 'u') {
      for (int i = 0; i < 4; ++i, ++at_) {
        if (!absl::ascii_isxdigit(Peek())) return Error("expected four hexadecimal digits");
      }
      return absl::OkStatus();
    }
    if (at_ <= text_.size() && c != '\0' &&
        absl::string_view("\"\\/bfnrt").find(c) != absl::string_view::npos) {
      return absl::OkStatus();
    }
    at_ = std::min(at_, text_.size());
    return Error("an unknown escape");
  }

  size_t Digits() {
    const size_t start = at_;
    while (absl::ascii_isdigit(Peek())) ++at_;
    return at_ - start;
  }

  absl::Status Scalar() {
    for (absl::string_view word : {"true", "false", "null"}) {
      if (text_.substr(at_, word.size()) == word) {
        at_ += word.size();
        return absl::OkStatus();
      }
    }
    Take('-');
    if (!Take('0') && Digits() == 0) return Error("expected a value");
    if (Take('.') && Digits() == 0) return Error("expected digits");
    if (Take('e') || Take('E')) {
      if (!Take('+')) Take('-');
      if (Digits() == 0) return Error("expected digits");
    }
    return absl::OkStatus();
  }

  absl::string_view text_;
  size_t at_ = 0;
  std::string path_;
};

}  // namespace

absl::Status CheckJsonMembers(absl::string_view json) { return Scanner(json).Document(); }

}  // namespace tollgate::internal
