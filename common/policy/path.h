// Paths, as both planes understand them: the one canonical form that is authorised, matched and
// forwarded, and the templates of routes. Shared by model validation, the route tree and the
// request path. Stateless, thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tollgate {

// Why a path is refused (answer 400).
enum class PathError : uint8_t {
  kNone,
  kNotAbsolute,   // does not begin with '/'
  kControl,       // NUL, another control character, or DEL; bare or escaped
  kBackslash,     // '\' or %5C: some servers take it for '/'
  kEncodedSlash,  // %2F: one segment here, two behind us
  kBadEscape,     // '%' without two hexadecimal digits
  kBadCharacter,  // no pchar of RFC 3986 section 3.3: space, quotes, braces, '?', '#', not ASCII
  kAboveRoot,     // ".." that leaves the root
  kParameter,     // ';' or %3B: "/export;x" and "/..;/" are "/export" and "/.." to Java servers
};
// "an encoded slash (%2F)": for a log line or a problem's detail.
absl::string_view ToString(PathError error);

// What may stand bare in a segment (pchar of RFC 3986 section 3.3), but for unreserved characters
// and ';'. Its escape is not equivalent by that RFC, and is to every server that decodes.
inline constexpr absl::string_view kReservedInPath = "!$&'()*+,=:@";

struct CanonicalResult {
  absl::string_view path;  // valid while the raw path and the scratch string are
  PathError error = PathError::kNone;
  // Those of kReservedInPath that the raw path holds escaped, also in what ".." took out, a bit
  // each. Where a route's literals hold
  // such a character, "/pay%3Arefund" would be a parameter here and "/pay:refund" behind us.
  uint16_t escaped = 0;
  bool ok() const { return error == PathError::kNone; }
};

// The canonical form of `raw`, the path of a request target without its query:
//   escapes of unreserved characters decoded, the others with upper-case digits (RFC 3986 6.2.2);
//   runs of slashes merged, then dot segments resolved (5.2.4);
//   what could mean two things to two parsers refused (see PathError).
// One pass. A path that is canonical already (nearly all are) is returned as it is; only a changed
// one is written, into `*scratch`. Idempotent: a canonical path is its own canonical form.
CanonicalResult CanonicalPath(absl::string_view raw, std::string* scratch);

// Those of kReservedInPath that `text` holds bare, a bit each.
uint16_t ReservedIn(absl::string_view text);

// One segment of a template.
struct PathSegment {
  enum class Kind : uint8_t {
    kLiteral,    // equal, byte by byte
    kParameter,  // "{name}": exactly one segment, not empty
    kTail,       // "**", last only: zero or more segments, so "/a/**" takes /a, /a/ and /a/b/c
  };
  Kind kind = Kind::kLiteral;
  std::string text;  // the literal, or the parameter's name
  friend bool operator==(const PathSegment&, const PathSegment&) = default;
};

inline constexpr size_t kMaxTemplateSegments = 32;

// "/payments/{id}" as segments; "/" is one empty literal, and a trailing slash is a last empty one
// (so "/a" and "/a/" differ). InvalidArgument names the segment and what was expected.
absl::StatusOr<std::vector<PathSegment>> ParsePathTemplate(absl::string_view text);

}  // namespace tollgate
