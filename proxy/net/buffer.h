// Bytes in pooled, contiguous chunks. A Buffer that is empty holds no chunk, so an idle connection
// costs nothing. One pool a worker; its thread only. The pool is also the worker's byte budget.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"

namespace tollgate::proxy {

// Hands out chunks of 4, 16, 64, 256 KiB ... and keeps a bounded number of free ones. `in_use`
// counts every byte handed out; `over_budget` is what the overload check asks before it takes new
// work.
class BufferPool {
 public:
  explicit BufferPool(size_t budget_bytes = 256 << 20) : budget_(budget_bytes) {}
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  size_t in_use() const { return in_use_; }
  size_t budget() const { return budget_; }
  bool over_budget() const { return in_use_ > budget_; }
  // Four fifths are in use: what can wait is refused, before everything is.
  bool nearly_over_budget() const { return in_use_ > budget_ - budget_ / 5; }

  struct Chunk {
    char* data = nullptr;
    uint32_t capacity = 0;
  };
  // At most 2 GiB; above the largest class (4 MiB) a chunk is exactly as large as asked and is
  // never kept.
  Chunk Take(size_t at_least);
  void Give(Chunk chunk);
  // Frees the chunks kept for reuse (8 MiB at most): for an idle worker.
  void Trim();

 private:
  static constexpr int kClasses = 6;
  size_t budget_;
  size_t in_use_ = 0;
  size_t kept_ = 0;  // bytes in free_
  std::vector<char*> free_[kClasses];
};

// A contiguous FIFO of bytes. Movable, not copyable.
class Buffer {
 public:
  explicit Buffer(BufferPool& pool) : pool_(&pool) {}
  ~Buffer() { Clear(); }
  Buffer(Buffer&&) noexcept;
  Buffer& operator=(Buffer&&) noexcept;

  absl::string_view view() const { return {chunk_.data + begin_, size()}; }
  size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }

  void Append(absl::string_view bytes);
  // Contiguous room for `size` bytes behind the end (moves or grows when needed). When nothing came
  // to fill it, Consume(0) gives an empty buffer's chunk back.
  char* Reserve(size_t size);
  // What Reserve can give without moving or growing.
  size_t room() const { return chunk_.capacity - end_; }
  void Commit(size_t size) { end_ += size; }
  // Drops from the front; an empty buffer gives its chunk back.
  void Consume(size_t size);
  void Clear();

 private:
  BufferPool* pool_;
  BufferPool::Chunk chunk_;
  uint32_t begin_ = 0;
  uint32_t end_ = 0;
};

}  // namespace tollgate::proxy
