#include "proxy/observe/access_log.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <utility>

#include "proxy/observe/json_text.h"

namespace tollgate::proxy {
namespace {

// A worker hands over its lines when they are this many bytes, if nobody has asked before.
constexpr size_t kBatchBytes = 32 << 10;

// Bounds of text, in bytes before escaping. The client chooses the method and the trace; the rest
// is ours or the operator's, and bounded for the sake of the buffer.
constexpr size_t kMaxMethod = 32;
constexpr size_t kMaxName = 128;
constexpr size_t kMaxLong = 512;  // path template, retries
constexpr size_t kNames = 17;     // fields of at most kMaxName
constexpr absl::string_view kEllipsis = "\xE2\x80\xA6";
constexpr size_t kMaxTries = 8;  // a request has fewer
constexpr size_t kMaxTry = 3 * kMaxName * kJsonEscapeFactor + 160;
constexpr size_t kMaxLine = (kMaxMethod + kNames * kMaxName + 2 * kMaxLong) * kJsonEscapeFactor +
                            kMaxTries * kMaxTry + 1024;

// One line in a buffer that holds the longest there can be.
class Line {
 public:
  explicit Line(char* out) : begin_(out), end_(out) {}

  template <size_t N>
  void Literal(const char (&text)[N]) {
    std::memcpy(end_, text, N - 1);
    end_ += N - 1;
  }

  // `key` is what stands before the value, as in `,"api":"`. Empty text is left out.
  template <size_t N>
  void Text(const char (&key)[N], absl::string_view value, size_t max = kMaxName) {
    if (value.empty()) return;
    Literal(key);
    Bounded(value, max);
    *end_++ = '"';
  }

  template <size_t N>
  void Number(const char (&key)[N], uint64_t value) {
    Literal(key);
    end_ = std::to_chars(end_, end_ + 20, value).ptr;
  }

  template <size_t N>
  void Micros(const char (&key)[N], Duration value) {
    const int64_t micros = std::chrono::duration_cast<std::chrono::microseconds>(value).count();
    Number(key, micros > 0 ? static_cast<uint64_t>(micros) : 0);
  }

  template <size_t N>
  void Peer(const char (&key)[N], const Address& address) {
    Literal(key);
    switch (address.kind()) {
      case Address::Kind::kUnix:
        Literal("unix:");
        break;
      case Address::Kind::kIp6:
        *end_++ = '[';
        break;
      default:
        break;
    }
    Bounded(address.host(), kMaxName);
    if (address.kind() == Address::Kind::kIp6) *end_++ = ']';
    if (address.kind() != Address::Kind::kUnix) Number(":", address.port());
    *end_++ = '"';
  }

  // ISO 8601, UTC. A WallTime's year has four digits.
  void Time(WallTime time) {
    const auto since = time.time_since_epoch();
    const auto days = std::chrono::floor<std::chrono::days>(since);
    const std::chrono::year_month_day date{std::chrono::sys_days(days)};
    const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(since - days).count();
    const auto seconds = static_cast<uint32_t>(micros / 1'000'000);
    Digits(static_cast<uint32_t>(static_cast<int>(date.year())), 4);
    *end_++ = '-';
    Digits(static_cast<unsigned>(date.month()), 2);
    *end_++ = '-';
    Digits(static_cast<unsigned>(date.day()), 2);
    *end_++ = 'T';
    Digits(seconds / 3600, 2);
    *end_++ = ':';
    Digits(seconds / 60 % 60, 2);
    *end_++ = ':';
    Digits(seconds % 60, 2);
    *end_++ = '.';
    Digits(static_cast<uint32_t>(micros % 1'000'000), 6);
    *end_++ = 'Z';
  }

  absl::string_view view() const { return {begin_, static_cast<size_t>(end_ - begin_)}; }

 private:
  void Digits(uint32_t value, int count) {
    for (int i = count - 1; i >= 0; --i) {
      end_[i] = static_cast<char>('0' + value % 10);
      value /= 10;
    }
    end_ += count;
  }

  // What is cut ends with an ellipsis, and never within a character.
  void Bounded(absl::string_view value, size_t max) {
    if (value.size() <= max) {
      end_ = EscapeJson(value, end_);
      return;
    }
    size_t cut = max;
    while (cut > max - 3 && (static_cast<uint8_t>(value[cut]) & 0xC0) == 0x80) --cut;
    end_ = EscapeJson(value.substr(0, cut), end_);
    end_ = EscapeJson(kEllipsis, end_);
  }

  char* const begin_;
  char* end_;
};

void AppendTries(absl::Span<const AttemptRecord> tries, Line& line) {
  if (tries.empty()) return;
  line.Literal(",\"tries\":[");
  for (const AttemptRecord& attempt : tries.first(std::min(tries.size(), kMaxTries))) {
    if (&attempt != tries.data()) line.Literal(",");
    if (attempt.sent) {
      line.Literal("{\"sent\":true");
    } else {
      line.Literal("{\"sent\":false");
    }
    line.Text(",\"allowed_by\":\"", attempt.allowed_by);
    line.Text(",\"endpoint\":\"", attempt.endpoint);
    if (attempt.status > 0) line.Number(",\"status\":", static_cast<uint64_t>(attempt.status));
    line.Text(",\"ended\":\"", attempt.ended);
    line.Micros(",\"duration_us\":", attempt.duration);
    line.Literal("}");
  }
  line.Literal("]");
}

}  // namespace

void FormatAccessRecord(const AccessRecord& record, std::string* out) {
  char buffer[kMaxLine];
  Line line(buffer);
  line.Literal("{\"time\":\"");
  line.Time(record.time);
  line.Literal("\"");
  line.Text(",\"listener\":\"", record.listener);
  line.Text(",\"request_id\":\"", record.request_id);
  line.Text(",\"traceparent\":\"", record.traceparent);
  if (record.client != nullptr) line.Peer(",\"client\":\"", *record.client);
  line.Text(",\"consumer\":\"", record.consumer);
  line.Text(",\"key_id\":\"", record.key_id);
  line.Text(",\"api\":\"", record.api);
  line.Text(",\"version\":\"", record.version);
  line.Text(",\"route\":\"", record.route);
  line.Text(",\"path_template\":\"", record.path_template, kMaxLong);
  line.Text(",\"method\":\"", record.method, kMaxMethod);
  line.Number(",\"status\":", record.status > 0 ? static_cast<uint64_t>(record.status) : 0);
  line.Text(",\"step\":\"", record.step);
  line.Text(",\"reason\":\"", record.reason);
  line.Text(",\"plan\":\"", record.plan);
  line.Text(",\"shadow_plan\":\"", record.shadow_plan);
  line.Text(",\"fault\":\"", record.fault);
  line.Text(",\"upstream\":\"", record.upstream);
  line.Text(",\"endpoint\":\"", record.endpoint);
  if (record.attempts > 0) line.Number(",\"attempts\":", record.attempts);
  line.Text(",\"retries\":\"", record.retries, kMaxLong);
  AppendTries(record.tries, line);
  line.Number(",\"bytes_in\":", record.bytes_in);
  line.Number(",\"bytes_out\":", record.bytes_out);
  line.Micros(",\"duration_us\":", record.duration);
  if (record.attempts > 0) line.Micros(",\"upstream_duration_us\":", record.upstream_duration);
  line.Text(",\"release\":\"", record.release);
  line.Literal("}\n");
  out->append(line.view().data(), line.view().size());
}

void AccessLog::Write(const AccessRecord& record) {
  if (writer_ == nullptr) return;
  FormatAccessRecord(record, &buffer_);
  ++count_;
  if (buffer_.size() >= kBatchBytes) Flush();
}

void AccessLog::Flush() {
  if (count_ == 0) return;
  writer_->Submit(std::move(buffer_), std::exchange(count_, 0));
  buffer_.clear();
}

}  // namespace tollgate::proxy
