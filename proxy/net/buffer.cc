#include "proxy/net/buffer.h"

#include <sanitizer/asan_interface.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace tollgate::proxy {
namespace {

constexpr size_t kSmallest = 4096;
constexpr size_t kLargestClass = kSmallest << 10;
constexpr size_t kMaxChunk = size_t{1} << 31;
constexpr size_t kKeepBytes = 8 << 20;

size_t ClassSize(int size_class) { return kSmallest << (2 * size_class); }

// The smallest class that holds `size` <= kLargestClass.
int ClassOf(size_t size) {
  int size_class = 0;
  while (ClassSize(size_class) < size) ++size_class;
  return size_class;
}

}  // namespace

BufferPool::~BufferPool() { Trim(); }

BufferPool::Chunk BufferPool::Take(size_t at_least) {
  if (at_least > kMaxChunk) std::abort();  // no message is that large: a broken length upstream
  if (at_least > kLargestClass) {
    in_use_ += at_least;
    return {static_cast<char*>(::operator new(at_least)), static_cast<uint32_t>(at_least)};
  }
  const int size_class = ClassOf(at_least);
  const size_t size = ClassSize(size_class);
  in_use_ += size;
  std::vector<char*>& free = free_[size_class];
  if (free.empty()) return {static_cast<char*>(::operator new(size)), static_cast<uint32_t>(size)};
  char* data = free.back();
  free.pop_back();
  kept_ -= size;
  ASAN_UNPOISON_MEMORY_REGION(data, size);
  return {data, static_cast<uint32_t>(size)};
}

void BufferPool::Give(Chunk chunk) {
  if (chunk.data == nullptr) return;
  in_use_ -= chunk.capacity;
  if (chunk.capacity > kLargestClass || kept_ + chunk.capacity > kKeepBytes) {
    ::operator delete(chunk.data);
    return;
  }
  // A span borrowed from a chunk that was given back is the classic mistake here: let
  // AddressSanitizer see it although the memory is not freed.
  ASAN_POISON_MEMORY_REGION(chunk.data, chunk.capacity);
  kept_ += chunk.capacity;
  free_[ClassOf(chunk.capacity)].push_back(chunk.data);
}

void BufferPool::Trim() {
  for (int size_class = 0; size_class < kClasses; ++size_class) {
    for (char* data : free_[size_class]) {
      ASAN_UNPOISON_MEMORY_REGION(data, ClassSize(size_class));
      ::operator delete(data);
    }
    free_[size_class] = {};
  }
  kept_ = 0;
}

Buffer::Buffer(Buffer&& other) noexcept
    : pool_(other.pool_),
      chunk_(std::exchange(other.chunk_, {})),
      begin_(std::exchange(other.begin_, 0)),
      end_(std::exchange(other.end_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this == &other) return *this;
  Clear();
  pool_ = other.pool_;
  chunk_ = std::exchange(other.chunk_, {});
  begin_ = std::exchange(other.begin_, 0);
  end_ = std::exchange(other.end_, 0);
  return *this;
}

void Buffer::Append(absl::string_view bytes) {
  if (bytes.empty()) return;
  std::memcpy(Reserve(bytes.size()), bytes.data(), bytes.size());
  Commit(bytes.size());
}

char* Buffer::Reserve(size_t size) {
  if (size <= room() && chunk_.data != nullptr) return chunk_.data + end_;
  const size_t held = this->size();
  // Moving pays when at least as much was consumed as is to be moved: so each byte is moved a
  // bounded number of times, whatever the pattern of use.
  if (chunk_.data != nullptr && held + size <= chunk_.capacity && begin_ >= held) {
    std::memcpy(chunk_.data, chunk_.data + begin_, held);
  } else {
    // Grows by at least half when beyond the classes.
    const size_t want = held + size;
    const BufferPool::Chunk larger =
        pool_->Take(want > kLargestClass ? std::max(want, held + held / 2) : want);
    if (held > 0) std::memcpy(larger.data, chunk_.data + begin_, held);
    pool_->Give(chunk_);
    chunk_ = larger;
  }
  begin_ = 0;
  end_ = static_cast<uint32_t>(held);
  return chunk_.data + end_;
}

void Buffer::Consume(size_t size) {
  begin_ += size;
  if (begin_ == end_) Clear();
}

void Buffer::Clear() {
  pool_->Give(std::exchange(chunk_, {}));
  begin_ = end_ = 0;
}

}  // namespace tollgate::proxy
