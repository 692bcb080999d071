#include "absl/strings/str_cat.h"
#include "proxy/net/buffer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "common/base/random.h"

namespace tollgate::proxy {
namespace {

TEST(BufferPool, ChargesWhatItHandsOut) {
  BufferPool pool(20'000);
  BufferPool::Chunk small = pool.Take(1);
  EXPECT_EQ(small.capacity, 4096u);
  BufferPool::Chunk medium = pool.Take(4097);
  EXPECT_EQ(medium.capacity, 16384u);
  EXPECT_EQ(pool.in_use(), 20480u);
  EXPECT_TRUE(pool.over_budget());
  pool.Give(medium);
  EXPECT_EQ(pool.in_use(), 4096u);
  EXPECT_FALSE(pool.over_budget());
  pool.Give(small);
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(BufferPool, ReusesChunks) {
  BufferPool pool;
  BufferPool::Chunk chunk = pool.Take(4096);
  char* data = chunk.data;
  pool.Give(chunk);
  chunk = pool.Take(10);
  EXPECT_EQ(chunk.data, data);
  std::memset(chunk.data, 'x', chunk.capacity);
  pool.Give(chunk);
  pool.Trim();
  pool.Give(pool.Take(10));
}

TEST(BufferPool, HandsOutLargeChunksExactly) {
  BufferPool pool;
  BufferPool::Chunk chunk = pool.Take((4 << 20) + 1);
  EXPECT_EQ(chunk.capacity, (4u << 20) + 1);
  EXPECT_EQ(pool.in_use(), (4u << 20) + 1);
  pool.Give(chunk);
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(Buffer, HoldsNoChunkWhileEmpty) {
  BufferPool pool;
  Buffer buffer(pool);
  EXPECT_EQ(pool.in_use(), 0u);
  EXPECT_EQ(buffer.view(), "");
  buffer.Append("");
  EXPECT_EQ(pool.in_use(), 0u);
  buffer.Append("hello");
  EXPECT_EQ(pool.in_use(), 4096u);
  buffer.Consume(5);
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(pool.in_use(), 0u);
  buffer.Reserve(100);
  EXPECT_EQ(pool.in_use(), 4096u);
  buffer.Consume(0);
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(Buffer, GivesItsChunkBackWhenDestroyedOrAssigned) {
  BufferPool pool;
  {
    Buffer a(pool), b(pool);
    a.Append("a");
    b.Append(std::string(5'000, 'b'));
    a = std::move(b);
    EXPECT_EQ(pool.in_use(), 16384u);
    EXPECT_EQ(a.view(), std::string(5'000, 'b'));
    Buffer c(std::move(a));
    EXPECT_EQ(c.size(), 5'000u);
    c.Consume(1);
  }
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(Buffer, MovesRatherThanGrowsWhenMostIsConsumed) {
  BufferPool pool;
  Buffer buffer(pool);
  buffer.Append(absl::StrCat(std::string(4'000, 'a'), "tail"));
  buffer.Consume(4'000);
  EXPECT_EQ(buffer.room(), 92u);
  buffer.Append(std::string(1'000, 'b'));
  EXPECT_EQ(pool.in_use(), 4096u);
  EXPECT_EQ(buffer.view(), "tail" + std::string(1'000, 'b'));
}

TEST(Buffer, BehavesLikeAString) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    BufferPool pool;
    Buffer buffer(pool);
    std::string model;
    for (int step = 0; step < 300; ++step) {
      const size_t n = random.Below(1u << random.Below(17));
      switch (random.Below(4)) {
        case 0: {
          const std::string bytes(n, static_cast<char>('a' + step % 26));
          buffer.Append(bytes);
          model += bytes;
          break;
        }
        case 1: {
          char* room = buffer.Reserve(n);
          const size_t used = n / 2;
          std::memset(room, 'r', n);
          buffer.Commit(used);
          model.append(used, 'r');
          break;
        }
        default: {
          const size_t drop = std::min(n, model.size());
          buffer.Consume(drop);
          model.erase(0, drop);
        }
      }
      ASSERT_EQ(buffer.view(), model);
      ASSERT_EQ(buffer.size(), model.size());
    }
  }
}

}  // namespace
}  // namespace tollgate::proxy
