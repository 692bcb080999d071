#include "proxy/net/write_queue.h"

#include <sys/uio.h>

#include <algorithm>
#include <utility>

namespace tollgate::proxy {

// Invariant: tail_ holds bytes only while borrowed_ does.

void WriteQueue::Append(absl::string_view bytes) {
  (borrowed_.empty() ? head_ : tail_).Append(bytes);
}

char* WriteQueue::Reserve(size_t size) { return (borrowed_.empty() ? head_ : tail_).Reserve(size); }

void WriteQueue::Commit(size_t size) { (borrowed_.empty() ? head_ : tail_).Commit(size); }

void WriteQueue::Borrow(absl::string_view bytes) {
  if (bytes.size() < kCopyBelow || !borrowed_.empty()) return Append(bytes);
  borrowed_ = bytes;
}

IoResult WriteQueue::Flush(Transport& transport) {
  iovec parts[3];
  int count = 0;
  for (absl::string_view part : {head_.view(), borrowed_, tail_.view()}) {
    if (!part.empty()) parts[count++] = {const_cast<char*>(part.data()), part.size()};
  }
  if (count == 0) return {IoResult::Kind::kOk};
  const size_t offered = size();
  IoResult result = transport.Write(parts, count);
  if (result.kind != IoResult::Kind::kOk) return result;
  Advance(result.bytes);
  if (result.bytes < offered) result.kind = IoResult::Kind::kWouldBlock;
  return result;
}

void WriteQueue::Advance(size_t bytes) {
  written_ += bytes;
  const size_t from_head = std::min(bytes, head_.size());
  if (from_head > 0) head_.Consume(from_head);
  bytes -= from_head;
  const size_t from_borrowed = std::min(bytes, borrowed_.size());
  borrowed_.remove_prefix(from_borrowed);
  bytes -= from_borrowed;
  if (bytes > 0) tail_.Consume(bytes);
  if (borrowed_.empty() && !tail_.empty()) head_ = std::move(tail_);
}

void WriteQueue::Settle() {
  if (borrowed_.empty()) return;
  head_.Append(std::exchange(borrowed_, {}));
  head_.Append(tail_.view());
  tail_.Clear();
}

void WriteQueue::Clear() {
  head_.Clear();
  borrowed_ = {};
  tail_.Clear();
}

}  // namespace tollgate::proxy
