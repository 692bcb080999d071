// What is to be written to one connection: owned bytes, and at most one borrowed span that is
// written straight from where it was read (no copy) when the socket takes it at once. Owned by its
// connection; loop thread only. Every owned byte is charged to the pool's budget.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "proxy/net/buffer.h"
#include "proxy/net/transport.h"

namespace tollgate::proxy {

class WriteQueue {
 public:
  explicit WriteQueue(BufferPool& pool) : head_(pool), tail_(pool) {}

  // Copies.
  void Append(absl::string_view bytes);
  // Room for exactly `size` bytes to be formatted in place, then committed: no temporary string.
  char* Reserve(size_t size);
  void Commit(size_t size);
  // Refers to `bytes` until Settle or until they are written. At most one borrowed span is pending:
  // a second one is copied. Small spans are copied at once (a copy is cheaper than an iovec).
  static constexpr size_t kCopyBelow = 2048;
  void Borrow(absl::string_view bytes);

  bool empty() const { return size() == 0; }
  size_t size() const { return head_.size() + borrowed_.size() + tail_.size(); }

  // Writes as much as the transport takes, in order, in one system call where possible.
  // kOk: all was written; kWouldBlock: some is left; kError.
  IoResult Flush(Transport& transport);
  // Copies what is still borrowed, before its owner goes away.
  void Settle();
  void Clear();
  uint64_t written() const { return written_; }  // bytes handed to the transport since creation

 private:
  void Advance(size_t bytes);

  Buffer head_;
  absl::string_view borrowed_;
  Buffer tail_;  // what was appended after borrowed_
  uint64_t written_ = 0;
};

}  // namespace tollgate::proxy
