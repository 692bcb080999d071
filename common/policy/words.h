// The words that operators write and sidecars receive: names, permissions, header fields, hosts.
// Each rule stands here once. The control plane's model refuses by it what an operator wrote,
// FromBundle refuses by it what was pushed, so nothing is published that a sidecar would not take.
//
// An error says what was expected; the caller adds the place and the value. Stateless, thread-safe.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace tollgate::words {

// What others name: a claim, an identity, a node. 1 to 255 bytes without spaces and controls.
absl::Status CheckIdentifier(absl::string_view text);

// One path segment, or one part of a name: an identifier of letters, digits, '-', '_' and '.', and
// no dot segment.
absl::Status CheckWord(absl::string_view text);

// What an operator may call a document, a version, a route or a key. Stricter than CheckWord:
// [a-z0-9]([-a-z0-9.]*[a-z0-9])?, at most 63.
absl::Status CheckName(absl::string_view text);

// "payments.read", "https://x/scope": an identifier of what RFC 6749 section 3.3 allows in a scope.
absl::Status CheckPermission(absl::string_view text);

// A field that a policy may read or set: a token (RFC 9110 section 5.6.2) of at most 128 bytes, in
// lower case, without underscore. Refused: fields of one hop (section 7.6.1), those that frame or
// date a message, and those that Tollgate itself reads or writes.
absl::Status CheckHeaderName(absl::string_view text);

// 1 to 4096 bytes, no control character but tab, no space at the ends (RFC 9110 section 5.5: a line
// end would begin another field).
absl::Status CheckHeaderValue(absl::string_view text);

// A host of requests, as a Host field is compared: a name in lower case without port and trailing
// dot, an IPv4 address, "[::1]" in its shortest spelling, or "*" for any.
absl::Status CheckHost(absl::string_view text);

// "/", "/cards": canonical, at most 255 bytes, no trailing slash but for the root, and nothing of
// kReservedInPath, bare or escaped.
absl::Status CheckBasePath(absl::string_view text);

}  // namespace tollgate::words
