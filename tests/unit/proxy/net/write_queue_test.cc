#include "absl/strings/str_cat.h"
#include "proxy/net/write_queue.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "common/base/random.h"

namespace tollgate::proxy {
namespace {

// Takes at most `room` bytes, then is full.
class FakeTransport final : public Transport {
 public:
  IoResult Read(char*, size_t) override { return {IoResult::Kind::kWouldBlock}; }
  bool drained_by(size_t, size_t) const override { return true; }
  IoResult Write(const iovec* parts, int count) override {
    ++calls;
    last_count = count;
    if (error != 0) return {IoResult::Kind::kError, error};
    size_t taken = 0;
    for (int i = 0; i < count && room > 0; ++i) {
      const size_t n = std::min(room, parts[i].iov_len);
      got.append(static_cast<const char*>(parts[i].iov_base), n);
      room -= n;
      taken += n;
    }
    if (taken == 0) return {IoResult::Kind::kWouldBlock};
    return {IoResult::Kind::kOk, 0, taken};
  }
  void ShutdownWrite() override {}
  int fd() const override { return -1; }

  size_t room = SIZE_MAX;
  int error = 0;
  int calls = 0;
  int last_count = 0;
  std::string got;
};

const std::string kBig(10'000, 'B');

class WriteQueueTest : public testing::Test {
 protected:
  BufferPool pool_;
  WriteQueue queue_{pool_};
  FakeTransport transport_;
};

TEST_F(WriteQueueTest, MakesNoSystemCallForNothing) {
  EXPECT_EQ(queue_.Flush(transport_).kind, IoResult::Kind::kOk);
  EXPECT_EQ(transport_.calls, 0);
}

TEST_F(WriteQueueTest, WritesInOrderInOneCall) {
  queue_.Append("head ");
  queue_.Borrow(kBig);
  queue_.Append(" tail");
  EXPECT_EQ(queue_.size(), kBig.size() + 10);
  EXPECT_EQ(queue_.Flush(transport_).kind, IoResult::Kind::kOk);
  EXPECT_EQ(transport_.calls, 1);
  EXPECT_EQ(transport_.last_count, 3);
  EXPECT_EQ(transport_.got, "head " + kBig + " tail");
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(queue_.written(), kBig.size() + 10);
  EXPECT_EQ(pool_.in_use(), 0u);
}

TEST_F(WriteQueueTest, CopiesSmallSpansIntoOnePart) {
  std::string small(100, 's');
  queue_.Append("head ");
  queue_.Borrow(small);
  small.assign(100, '!');  // it was copied
  EXPECT_EQ(queue_.Flush(transport_).kind, IoResult::Kind::kOk);
  EXPECT_EQ(transport_.last_count, 1);
  EXPECT_EQ(transport_.got, "head " + std::string(100, 's'));
}

TEST_F(WriteQueueTest, CopiesASecondBorrowedSpan) {
  std::string second(5'000, '2');
  queue_.Borrow(kBig);
  queue_.Borrow(second);
  second.assign(5'000, '!');
  queue_.Flush(transport_);
  EXPECT_EQ(transport_.got, kBig + std::string(5'000, '2'));
}

TEST_F(WriteQueueTest, KeepsWhatTheTransportDoesNotTake) {
  transport_.room = 3;
  queue_.Append("head ");
  EXPECT_EQ(queue_.Flush(transport_).kind, IoResult::Kind::kWouldBlock);
  EXPECT_EQ(transport_.calls, 1);  // a short write tells; it does not ask again
  EXPECT_EQ(queue_.size(), 2u);
  EXPECT_EQ(queue_.Flush(transport_).kind, IoResult::Kind::kWouldBlock);
  transport_.room = 2;
  EXPECT_EQ(queue_.Flush(transport_).kind, IoResult::Kind::kOk);
  EXPECT_EQ(transport_.got, "head ");
  EXPECT_EQ(queue_.written(), 5u);
}

TEST_F(WriteQueueTest, SettlesBorrowedBytesBeforeTheirOwnerGoes) {
  std::string owner(5'000, 'o');
  transport_.room = 1'000;
  queue_.Borrow(owner);
  queue_.Append("tail");
  queue_.Flush(transport_);
  queue_.Settle();
  owner.assign(5'000, '!');
  transport_.room = SIZE_MAX;
  EXPECT_EQ(queue_.Flush(transport_).kind, IoResult::Kind::kOk);
  EXPECT_EQ(transport_.got, absl::StrCat(std::string(5'000, 'o'), "tail"));
}

TEST_F(WriteQueueTest, FormatsInPlace) {
  queue_.Append("a");
  std::memcpy(queue_.Reserve(3), "bcd", 3);
  queue_.Commit(3);
  queue_.Borrow(kBig);
  std::memcpy(queue_.Reserve(3), "efg", 3);
  queue_.Commit(3);
  queue_.Flush(transport_);
  EXPECT_EQ(transport_.got, "abcd" + kBig + "efg");
}

TEST_F(WriteQueueTest, ReportsErrorsAndKeepsTheBytes) {
  transport_.error = EPIPE;
  queue_.Append("x");
  const IoResult result = queue_.Flush(transport_);
  EXPECT_EQ(result.kind, IoResult::Kind::kError);
  EXPECT_EQ(result.error, EPIPE);
  EXPECT_EQ(queue_.size(), 1u);
  queue_.Clear();
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(pool_.in_use(), 0u);
}

TEST_F(WriteQueueTest, NeverLosesOrReordersAByte) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    WriteQueue queue(pool_);
    FakeTransport transport;
    std::string expected, owner;
    for (int step = 0; step < 200; ++step) {
      const std::string bytes(random.Below(6'000), static_cast<char>('a' + step % 26));
      switch (random.Below(5)) {
        case 0:
          queue.Append(bytes);
          expected += bytes;
          break;
        case 1:
          queue.Settle();
          owner = bytes;
          queue.Borrow(owner);
          expected += bytes;
          break;
        case 2:
          queue.Borrow(bytes);
          queue.Settle();
          expected += bytes;
          break;
        default: {
          transport.room = random.Below(10'000);
          const IoResult result = queue.Flush(transport);
          ASSERT_EQ(result.kind == IoResult::Kind::kOk, queue.empty());
        }
      }
      ASSERT_EQ(transport.got.size() + queue.size(), expected.size());
      ASSERT_EQ(queue.written(), transport.got.size());
    }
    transport.room = SIZE_MAX;
    queue.Flush(transport);
    ASSERT_EQ(transport.got, expected);
  }
  EXPECT_EQ(pool_.in_use(), 0u);
}

}  // namespace
}  // namespace tollgate::proxy
