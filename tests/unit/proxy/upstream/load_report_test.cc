#include "proxy/upstream/load_report.h"

#include <cstring>
#include <limits>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

constexpr absl::string_view kNone = "none";

// "application cpu qps eps", or "none".
std::string Show(const std::optional<LoadReport>& report) {
  if (!report.has_value()) return std::string(kNone);
  return absl::StrCat(report->application_utilization, " ", report->cpu_utilization, " ",
                      report->qps, " ", report->eps);
}
std::string Read(absl::string_view value) { return Show(ParseLoadMetrics(value)); }

TEST(LoadReport, ReadsText) {
  EXPECT_EQ(Read("TEXT cpu_utilization=0.3,rps_fractional=90,eps=1.5"), "0 0.3 90 1.5");
  EXPECT_EQ(Read("TEXT cpu_utilization: 0.3 , application_utilization : 1.2"), "1.2 0.3 0 0");
  EXPECT_EQ(Read("TEXT named_metrics.kv=7,mem_utilization=0.9"), "0 0 0 0") << "not needed";
  EXPECT_EQ(Read("TEXT "), "0 0 0 0");
  EXPECT_EQ(Read("TEXT cpu_utilization"), kNone);
  for (const char* value : {"", "x", "1x", "0x1", "1,5", "--1", "-0.1", "inf", "nan"}) {
    EXPECT_EQ(Read(absl::StrCat("TEXT cpu_utilization=", value)), kNone) << value;
  }
}

TEST(LoadReport, ReadsJson) {
  EXPECT_EQ(Read(R"(JSON {"cpu_utilization": 0.3, "rps_fractional": 90, "eps": 1e1})"),
            "0 0.3 90 10");
  EXPECT_EQ(Read(R"(JSON {"applicationUtilization":0.5,"rpsFractional":1})"), "0.5 0 1 0")
      << "protobuf's names";
  EXPECT_EQ(Read(R"(JSON { "utilization": {"a": [1, {"b": null}], "c": "\"}"}, "x": true,
                           "eps": 2 })"),
            "0 0 0 2")
      << "others are passed over";
  EXPECT_EQ(Read("JSON {}"), "0 0 0 0");
  for (const char* value : {"[]", "{", "{}}", "{\"eps\":}", "{\"eps\":\"NaN\"}", "{\"eps\":-1}",
                            "{\"eps\":[1]}", "{\"eps\":1e999}", "{\"a\": \"b"}) {
    EXPECT_EQ(Read(absl::StrCat("JSON ", value)), kNone) << value;
  }
}

TEST(LoadReport, DeepJsonDoesNoHarm) {
  const std::string open(4000, '[');
  const std::string close(4000, ']');
  EXPECT_EQ(Read(absl::StrCat("JSON {\"a\":", open, close, ",\"eps\":2}")), "0 0 0 2");
  EXPECT_EQ(Read(absl::StrCat("JSON {\"a\":", open)), kNone);
}

void AppendDouble(std::string* out, int field, double value) {
  char bytes[8];
  std::memcpy(bytes, &value, sizeof(bytes));
  out->push_back(static_cast<char>(field << 3 | 1));
  out->append(bytes, sizeof(bytes));
}

TEST(LoadReport, ReadsProtobuf) {
  std::string bytes;
  AppendDouble(&bytes, 1, 0.25);                 // cpu_utilization
  AppendDouble(&bytes, 2, 0.5);                  // mem_utilization: not needed
  bytes += std::string("\x18\x96\x01", 3);       // rps, an integer: deprecated
  bytes += std::string("\x22\x03\x0a\x01x", 5);  // request_cost, a map
  AppendDouble(&bytes, 6, 100);                  // rps_fractional
  AppendDouble(&bytes, 7, 3);                    // eps
  AppendDouble(&bytes, 9, 0.75);                 // application_utilization
  const std::string base64 = absl::Base64Escape(bytes);
  EXPECT_EQ(Show(ParseLoadMetricsBin(base64)), "0.75 0.25 100 3");
  EXPECT_EQ(Read(absl::StrCat("BIN ", base64)), "0.75 0.25 100 3");
  EXPECT_EQ(Show(ParseLoadMetricsBin("")), "0 0 0 0") << "an empty message";
  EXPECT_EQ(Show(ParseLoadMetricsBin("!")), kNone);
  EXPECT_EQ(Show(ParseLoadMetricsBin(absl::Base64Escape(bytes.substr(0, 5)))), kNone);
}

TEST(LoadReport, NumbersThatCannotBeAreRefused) {
  for (const double number :
       {-1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    for (const int field : {1, 6, 7, 9}) {
      std::string bytes;
      AppendDouble(&bytes, field, number);
      EXPECT_EQ(Show(ParseLoadMetricsBin(absl::Base64Escape(bytes))), kNone) << field << number;
    }
  }
}

TEST(LoadReport, OtherFormsAndLongOnesAreRefused) {
  EXPECT_EQ(Read(""), kNone);
  EXPECT_EQ(Read("XML <cpu/>"), kNone);
  EXPECT_EQ(Read(absl::StrCat("TEXT eps=1", std::string(9000, ','))), kNone);
}

TEST(LoadReport, IsTakenOutOfTheFields) {
  HeaderMap fields;
  fields.Add("content-type", "text/plain");
  EXPECT_EQ(Show(TakeLoadReport(fields)), kNone);
  fields.Add("endpoint-load-metrics", "TEXT cpu_utilization=0.5");
  EXPECT_EQ(Show(TakeLoadReport(fields)), "0 0.5 0 0");
  EXPECT_FALSE(fields.Get("endpoint-load-metrics").has_value());
  fields.Add("endpoint-load-metrics", "nonsense");
  EXPECT_EQ(Show(TakeLoadReport(fields)), kNone);
  EXPECT_FALSE(fields.Get("endpoint-load-metrics").has_value()) << "also when it is none";
  EXPECT_EQ(fields.Get("content-type"), "text/plain");
}

}  // namespace
}  // namespace tollgate::proxy
