#include "proxy/observe/access_log.h"
#include "absl/strings/str_cat.h"

#include <gmock/gmock.h>

#include <string>

#include "common/crypto/json.h"
#include "proxy/observe/json_text.h"

namespace tollgate::proxy {
namespace {

// The line as a strict parser sees it. Fails the test when it is not one line of one object.
class Parsed {
 public:
  explicit Parsed(const AccessRecord& record) {
    FormatAccessRecord(record, &line_);
    EXPECT_EQ(line_.find('\n'), line_.size() - 1) << line_;
    simdjson::dom::element root;
    EXPECT_EQ(json_.Parse(line_, &root), JsonError::kNone) << line_;
    EXPECT_EQ(root.get_object().get(object_), simdjson::SUCCESS) << line_;
  }
  bool Has(absl::string_view name) const { return JsonMember(object_, name).has_value(); }
  std::string Text(absl::string_view name) const {
    const auto member = JsonMember(object_, name);
    const auto text = member.has_value() ? JsonString(*member) : std::nullopt;
    return text.has_value() ? std::string(*text) : "(absent)";
  }
  int64_t Number(absl::string_view name) const {
    const auto member = JsonMember(object_, name);
    int64_t value = -1;
    if (!member.has_value() || member->get_int64().get(value) != simdjson::SUCCESS) return -1;
    return value;
  }
  const std::string& line() const { return line_; }
  size_t size() const { return object_.size(); }

 private:
  std::string line_;
  StrictJson json_;
  simdjson::dom::object object_;
};

TEST(AccessRecord, SaysEverythingThatIsKnown) {
  const Address client = *Address::Parse("10.1.2.3:4567");
  AccessRecord record;
  record.time = FromUnixSeconds(1'709'210'096) + std::chrono::nanoseconds(7'890'999);
  record.listener = "inbound";
  record.request_id = "id-1";
  record.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  record.client = &client;
  record.consumer = "shop-42";
  record.key_id = "tg_till";
  record.api = "card-payments";
  record.version = "v2";
  record.route = "get-payment";
  record.path_template = "/payments/{id}";
  record.method = "GET";
  record.status = 503;
  record.step = "upstream";
  record.reason = "connect_failed";
  record.plan = "standard";
  record.shadow_plan = "trial";
  record.upstream = "payments";
  record.endpoint = "10.0.1.11:8080";
  record.attempts = 2;
  record.retries = "not-sent";
  record.bytes_in = 18'446'744'073'709'551'615u;
  record.bytes_out = 12;
  record.duration = std::chrono::nanoseconds(1'234'999);
  record.upstream_duration = std::chrono::milliseconds(1);
  record.release = "17";
  std::string line;
  FormatAccessRecord(record, &line);
  EXPECT_EQ(line,
            "{\"time\":\"2024-02-29T12:34:56.007890Z\",\"listener\":\"inbound\","
            "\"request_id\":\"id-1\","
            "\"traceparent\":\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\","
            "\"client\":\"10.1.2.3:4567\",\"consumer\":\"shop-42\",\"key_id\":\"tg_till\","
            "\"api\":\"card-payments\",\"version\":\"v2\",\"route\":\"get-payment\","
            "\"path_template\":\"/payments/{id}\",\"method\":\"GET\",\"status\":503,"
            "\"step\":\"upstream\",\"reason\":\"connect_failed\",\"plan\":\"standard\","
            "\"shadow_plan\":\"trial\",\"upstream\":\"payments\","
            "\"endpoint\":\"10.0.1.11:8080\",\"attempts\":2,\"retries\":\"not-sent\","
            "\"bytes_in\":18446744073709551615,\"bytes_out\":12,\"duration_us\":1234,"
            "\"upstream_duration_us\":1000,\"release\":\"17\"}\n");
  EXPECT_EQ(Parsed(record).size(), 26u);
}

TEST(AccessRecord, ListsTheAttemptsWhereThereWereSeveral) {
  const AttemptRecord tries[] = {
      {.number = 1,
       .endpoint = "10.0.1.11:8080",
       .allowed_by = "first",
       .ended = "upstream_reset",
       .sent = true,
       .duration = std::chrono::microseconds(1500)},
      {.number = 2,
       .endpoint = "unix:/run/\"a\".sock",
       .allowed_by = "safe-method",
       .status = 503,
       .ended = "",
       .sent = true,
       .duration = std::chrono::microseconds(2)},
      {.number = 3, .endpoint = "", .allowed_by = "safe-method", .ended = "no_endpoint"},
  };
  AccessRecord record;
  record.attempts = 3;
  record.retries = "safe-method,safe-method";
  record.tries = tries;
  const Parsed parsed(record);
  EXPECT_THAT(parsed.line(),
              testing::HasSubstr(
                  "\"retries\":\"safe-method,safe-method\",\"tries\":["
                  "{\"sent\":true,\"allowed_by\":\"first\",\"endpoint\":\"10.0.1.11:8080\","
                  "\"ended\":\"upstream_reset\",\"duration_us\":1500},"
                  "{\"sent\":true,\"allowed_by\":\"safe-method\","
                  "\"endpoint\":\"unix:/run/\\\"a\\\".sock\",\"status\":503,\"duration_us\":2},"
                  "{\"sent\":false,\"allowed_by\":\"safe-method\",\"ended\":\"no_endpoint\","
                  "\"duration_us\":0}],"));
}

TEST(AccessRecord, SaysWhatWasInjectedOnPurpose) {
  AccessRecord record;
  record.fault = "delay,abort";
  EXPECT_EQ(Parsed(record).Text("fault"), "delay,abort");
}

TEST(AccessRecord, LeavesOutWhatIsEmpty) {
  AccessRecord record;
  record.time = FromUnixSeconds(0);
  std::string line;
  FormatAccessRecord(record, &line);
  EXPECT_EQ(line,
            "{\"time\":\"1970-01-01T00:00:00.000000Z\",\"status\":0,\"bytes_in\":0,"
            "\"bytes_out\":0,\"duration_us\":0}\n");
}

TEST(AccessRecord, SaysTheClientInEveryFamily) {
  for (const char* text : {"[2001:db8::1]:443", "127.0.0.1:0", "unix:/run/a \"b\".sock"}) {
    const Address client = *Address::Parse(text);
    AccessRecord record;
    record.client = &client;
    EXPECT_EQ(Parsed(record).Text("client"), text);
  }
}

TEST(AccessRecord, CannotBeForgedByControlCharacters) {
  AccessRecord record;
  record.method = "GET\",\"status\":200}\n{\"x\":\"";
  record.consumer = absl::string_view("a\0b\x1b[2J\x7f\r\t\\", 12);
  record.reason =
      "\xC2\x9B"
      "31m";  // C1: a terminal's CSI
  const Parsed parsed(record);
  EXPECT_EQ(parsed.Text("method"), record.method);
  EXPECT_EQ(parsed.Text("consumer"), record.consumer);
  EXPECT_EQ(parsed.Text("reason"), record.reason);
  EXPECT_THAT(parsed.line(), testing::HasSubstr("a\\u0000b\\u001b[2J\\u007f\\r\\t\\\\"));
  EXPECT_THAT(parsed.line(), testing::HasSubstr("\\u009b31m"));
}

TEST(AccessRecord, BoundsWhatTheClientChooses) {
  const std::string method(4'000, 'M');
  const std::string id(100'000, '\x01');
  const std::string umlauts = "x" + std::string(400, '\xC3');
  std::string wide = "x";
  for (int i = 0; i < 100; ++i) wide += "\xE2\x82\xAC";
  AccessRecord record;
  record.method = method;
  record.consumer = wide;
  record.listener = record.request_id = record.traceparent = record.key_id = id;
  record.api = record.version = record.route = record.path_template = record.retries = id;
  record.step = record.reason = record.upstream = record.endpoint = record.release = id;
  const std::vector<AttemptRecord> tries(
      20, {.endpoint = id, .allowed_by = id, .status = 200, .ended = id, .sent = true});
  record.tries = tries;
  const Parsed parsed(record);
  EXPECT_EQ(parsed.Text("method"), absl::StrCat(std::string(32, 'M'), "…"));
  // 1 + 42 * 3 is 127: the cut is not within a character.
  EXPECT_EQ(parsed.Text("consumer"), wide.substr(0, 127) + "…");
  EXPECT_LT(parsed.line().size(), 40'000u);
  record.consumer = umlauts;
  EXPECT_THAT(Parsed(record).Text("consumer"), testing::EndsWith("…"));
}

TEST(AccessRecord, NeverSaysNegativeTimes) {
  AccessRecord record;
  record.duration = std::chrono::microseconds(-5);
  EXPECT_EQ(Parsed(record).Number("duration_us"), 0);
}

std::string Escaped(absl::string_view text) {
  std::string out;
  AppendJsonQuoted(text, &out);
  return out;
}

TEST(JsonText, ReplacesEachByteOfInvalidUtf8) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(Escaped("a\xFFz"), "\"a" + r + "z\"");
  EXPECT_EQ(Escaped("\xC0\xAF"), "\"" + r + r + "\"");                  // overlong
  EXPECT_EQ(Escaped("\xED\xA0\x80"), "\"" + r + r + r + "\"");          // surrogate
  EXPECT_EQ(Escaped("\xF4\x90\x80\x80"), "\"" + r + r + r + r + "\"");  // beyond U+10FFFF
  EXPECT_EQ(Escaped("\xE2\x82"), "\"" + r + r + "\"");                  // cut off
  EXPECT_EQ(Escaped("\x80"), "\"" + r + "\"");
  EXPECT_EQ(Escaped("\xF0\x9F\x92\xB3 \xE2\x82\xAC \xC3\xA4"),
            "\"\xF0\x9F\x92\xB3 \xE2\x82\xAC \xC3\xA4\"");
}

// Every byte, at every place within and around the words that are looked at together.
TEST(JsonText, ReadsBackForEveryByteAtEveryPlace) {
  StrictJson json;
  for (int byte = 0; byte < 128; ++byte) {
    for (size_t at = 0; at < 20; ++at) {
      std::string text(20, 'x');
      text[at] = static_cast<char>(byte);
      simdjson::dom::element root;
      const std::string line = Escaped(text);
      ASSERT_EQ(json.Parse(line, &root), JsonError::kNone) << line;
      ASSERT_EQ(JsonString(root), text);
      for (const char c : line) ASSERT_TRUE(c >= 0x20 && c < 0x7F) << line;
    }
  }
}

TEST(JsonText, MakesAnyBytesParse) {
  StrictJson json;
  uint32_t state = 1;
  for (int i = 0; i < 5'000; ++i) {
    std::string text;
    for (int n = i % 40; n > 0; --n) {
      state = state * 1'664'525 + 1'013'904'223;
      // Half of them from the bytes that begin and continue sequences.
      text.push_back(static_cast<char>(state >> 31 ? 0x80 | (state >> 20) : state >> 20));
    }
    simdjson::dom::element root;
    ASSERT_EQ(json.Parse(Escaped(text), &root), JsonError::kNone);
  }
}

}  // namespace
}  // namespace tollgate::proxy
