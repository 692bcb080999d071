// Templates of routes; the canonical form is in path.cc.
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/policy/path.h"

namespace tollgate {
namespace {

absl::Status Bad(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("\"", text, "\": ", why));
}

bool IsParameterName(absl::string_view s) {
  if (s.empty() || absl::ascii_isdigit(s[0])) return false;
  for (char c : s) {
    if (!absl::ascii_isalnum(c) && c != '_' && c != '-') return false;
  }
  return true;
}

absl::Status CheckLiteral(absl::string_view text, absl::string_view literal, std::string* scratch) {
  if (literal.find_first_of("{}") != absl::string_view::npos) {
    return Bad(text, absl::StrCat("segment \"", literal,
                                  "\" mixes text and braces; expected {name} alone"));
  }
  if (literal.find('*') != absl::string_view::npos) {
    return Bad(text, absl::StrCat("segment \"", literal,
                                  "\": a wildcard is {name} for one segment, or ** as the last"));
  }
  const std::string path = absl::StrCat("/", literal);
  const CanonicalResult result = CanonicalPath(path, scratch);
  if (!result.ok()) {
    return Bad(text, absl::StrCat("segment \"", literal, "\" has ", ToString(result.error)));
  }
  if (result.escaped != 0) {
    return Bad(text, absl::StrCat("segment \"", literal, "\" has an escape of one of ",
                                  kReservedInPath, "; expected the character itself"));
  }
  if (result.path != path) {
    return Bad(text, absl::StrCat("segment \"", literal, "\" is not canonical; expected \"",
                                  result.path.substr(1), "\""));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<PathSegment>> ParsePathTemplate(absl::string_view text) {
  if (text.empty() || text[0] != '/') return Bad(text, "expected a path that begins with '/'");
  std::vector<PathSegment> segments;
  std::string scratch;
  bool after_tail = false;
  bool after_empty = false;
  for (absl::string_view part : absl::StrSplit(text.substr(1), '/')) {
    if (after_tail) return Bad(text, "** must be the last segment");
    if (after_empty) return Bad(text, "an empty segment (two slashes in a row)");
    if (segments.size() == kMaxTemplateSegments) {
      return Bad(text, absl::StrCat("more than ", kMaxTemplateSegments, " segments"));
    }
    if (part == "**") {
      segments.push_back({PathSegment::Kind::kTail, ""});
      after_tail = true;
    } else if (absl::StartsWith(part, "{") && absl::EndsWith(part, "}")) {
      const absl::string_view name = part.substr(1, part.size() - 2);
      if (!IsParameterName(name)) {
        return Bad(text, absl::StrCat("parameter \"", part,
                                      "\"; expected {name} of letters, digits, '_' and '-'"));
      }
      for (const PathSegment& other : segments) {
        if (other.kind == PathSegment::Kind::kParameter && other.text == name) {
          return Bad(text, absl::StrCat("parameter \"", part, "\" twice"));
        }
      }
      segments.push_back({PathSegment::Kind::kParameter, std::string(name)});
    } else {
      if (absl::Status s = CheckLiteral(text, part, &scratch); !s.ok()) return s;
      segments.push_back({PathSegment::Kind::kLiteral, std::string(part)});
      after_empty = part.empty();
    }
  }
  return segments;
}

}  // namespace tollgate
