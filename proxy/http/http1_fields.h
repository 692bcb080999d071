// The fields of one HTTP/1 head or trailer section: names and values are checked, the fields that
// concern only this connection and the framing are taken out and understood (RFC 9110 7.6.1, RFC
// 9112 6 and 9), all others go to a HeaderMap. Owned by a codec; loop thread only.
#pragma once

#include <cstdint>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "proxy/http/codec.h"
#include "proxy/http/message.h"

namespace tollgate::proxy {

enum class HeadKind : uint8_t { kRequest, kResponse, kRequestTrailers, kResponseTrailers };

class ConnectionFields {
 public:
  // A head, or the lines of a trailer section, begins; `out` gets the fields that remain. All that
  // is given to Add lies inside of `head`, which lives until Finish.
  void Begin(HeadKind kind, absl::string_view head, HeaderMap& out);
  // One field line, value without surrounding white space. False: `error` says why.
  bool Add(absl::string_view name, absl::string_view value, ProtocolError& error);
  // All lines were added: removes what Connection nominated.
  bool Finish(ProtocolError& error);

  // RFC 9112 6.3 on what was added. kUnknown is chunked. False: `error` says why.
  bool BodyOf(uint8_t minor, BodySize& body, ProtocolError& error) const;
  // What Connection asks of a peer of HTTP/1.`minor` (RFC 9112 9.3).
  bool KeepAlive(uint8_t minor) const { return !close_ && (minor >= 1 || keep_alive_); }

  bool transfer_encoding_seen() const { return codings_seen_; }
  size_t host_count() const { return host_count_; }
  absl::string_view host() const { return host_; }
  bool expect_continue() const { return expect_continue_; }
  bool expect_unknown() const { return expect_unknown_; }
  // The first protocol of Upgrade, "" unless Connection named it.
  absl::string_view upgrade() const { return upgrade_option_ ? upgrade_ : absl::string_view(); }

 private:
  bool AddContentLength(absl::string_view value, ProtocolError& error);
  bool AddConnection(absl::string_view value, ProtocolError& error);
  void AddTransferEncoding(absl::string_view value);

  HeadKind kind_ = HeadKind::kRequest;
  HeaderMap* out_ = nullptr;
  const char* head_ = nullptr;
  char* copy_ = nullptr;  // of the head, in out_

  bool length_seen_ = false;
  uint64_t length_ = 0;

  bool codings_seen_ = false;
  bool codings_malformed_ = false;  // not a list of tokens, or a coding after chunked
  bool chunked_ = false;
  bool other_coding_ = false;
  bool unknown_coding_ = false;

  bool close_ = false;
  bool keep_alive_ = false;
  bool upgrade_option_ = false;
  absl::string_view upgrade_;
  absl::InlinedVector<absl::string_view, 4> nominated_;

  size_t host_count_ = 0;
  absl::string_view host_;
  bool expect_continue_ = false;
  bool expect_unknown_ = false;
};

}  // namespace tollgate::proxy
