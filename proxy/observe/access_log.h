// The access log: one JSON line a request, formatted by the worker into its own buffer and written
// by one writer thread. Never blocks a worker: when the disk is slow or full, lines are dropped and
// counted. The path template is logged, never the raw path, query or a header
// (PCI DSS 4.0.1, 3.3.1 and 3.5.1: a log is storage).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/base/address.h"
#include "common/base/clock.h"

namespace tollgate::proxy {

// One attempt of a request that took several.
struct AttemptRecord {
  uint32_t number = 0;  // from 1, in the order in which they began
  std::string endpoint;
  absl::string_view allowed_by;  // "first", "hedge", or why the request could be sent again
  int status = 0;                // of its response; 0: there was none
  absl::string_view ended;       // how it ended without a whole response: "upstream_closed"
  bool sent = false;             // a byte of the request may have left
  Duration duration{};           // to the response head, or to its end without one
};

// What is known when a stream ends. Views are valid during the call only.
struct AccessRecord {
  WallTime time{};  // the request head was complete
  absl::string_view listener;
  absl::string_view request_id;
  absl::string_view traceparent;
  const Address* client = nullptr;
  absl::string_view consumer;  // "": anonymous
  absl::string_view key_id;    // public half of an API key
  absl::string_view api;
  absl::string_view version;
  absl::string_view route;          // name
  absl::string_view path_template;  // "/payments/{id}"
  absl::string_view method;
  int status = 0;                 // 0: the client went before there was an answer
  absl::string_view step;         // the step that refused
  absl::string_view reason;       // its word, or why the upstream failed
  absl::string_view plan;         // the plan whose limit refused
  absl::string_view shadow_plan;  // one in shadow mode, whose limit would have refused
  absl::string_view fault;        // injected on purpose: "delay", "abort", "delay,abort"
  absl::string_view upstream;     // name
  absl::string_view endpoint;     // address of the last attempt
  uint32_t attempts = 0;
  absl::Span<const AttemptRecord> tries;  // each of them, in order, when there were several
  absl::string_view retries;              // why each further attempt was allowed, comma separated
  uint64_t bytes_in = 0;                  // request body
  uint64_t bytes_out = 0;                 // response body
  Duration duration{};                    // head complete to response handed over
  Duration upstream_duration{};           // last attempt: start to response head
  absl::string_view release;
};

// The process's log file and its writer thread. Thread-safe.
class AccessLogWriter {
 public:
  struct Options {
    size_t queue_bytes = size_t{8} << 20;  // lines wait here for the disk; beyond: dropped
    // write(2), for tests: bytes written, or -1 and errno.
    std::function<ssize_t(int fd, const char* data, size_t size)> write;
  };
  // "-" is standard output, "" no log (null is returned), else a path that is appended to (created
  // 0640). Errors: the file cannot be opened.
  static absl::StatusOr<std::unique_ptr<AccessLogWriter>> Open(const std::string& path,
                                                               Options options);
  static absl::StatusOr<std::unique_ptr<AccessLogWriter>> Open(const std::string& path) {
    return Open(path, Options());
  }
  // Writes what is queued, or gives up after a second without progress.
  virtual ~AccessLogWriter() = default;

  // Takes whole lines; false: the queue is full, they are dropped (and counted here). `lines` is
  // left empty, perhaps with the memory of an earlier batch.
  virtual bool Submit(std::string&& lines, uint32_t count) = 0;
  // SIGHUP: the path is opened anew, and what is queued goes there; on failure the old file goes on
  // and the error is returned.
  virtual absl::Status Reopen() = 0;
  // Waits until everything submitted is written (or dropped): then written() + dropped() is what
  // was submitted. Takes about a second at most when nobody reads the pipe that we write.
  virtual void Flush() = 0;
  // Lines. A line is written when its last byte is.
  virtual uint64_t written() const = 0;
  virtual uint64_t dropped() const = 0;
};

// One worker's end of the log: formats into a buffer and submits it when it is large, or when the
// worker calls Flush (each iteration with something new, at most a few ms late). One thread.
class AccessLog {
 public:
  explicit AccessLog(AccessLogWriter* writer) : writer_(writer) {}  // null: no log
  void Write(const AccessRecord& record);
  void Flush();
  bool pending() const { return count_ > 0; }

 private:
  AccessLogWriter* writer_;
  std::string buffer_;
  uint32_t count_ = 0;
};

// Appends the line of one record, newline included. Text is escaped and bounded, empty text is left
// out; times are integers of microseconds.
void FormatAccessRecord(const AccessRecord& record, std::string* out);

}  // namespace tollgate::proxy
