#include "proxy/upstream/load_report.h"

#include <google/protobuf/util/json_util.h>

#include <charconv>
#include <cmath>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/strip.h"
#include "xds/data/orca/v3/orca_load_report.pb.h"

namespace tollgate::proxy {
namespace {

using xds::data::orca::v3::OrcaLoadReport;

constexpr size_t kMaxBytes = 8 << 10;

std::optional<LoadReport> Checked(const LoadReport& report) {
  for (const double value :
       {report.application_utilization, report.cpu_utilization, report.qps, report.eps}) {
    if (!std::isfinite(value) || value < 0) return std::nullopt;
  }
  return report;
}

std::optional<LoadReport> FromProto(const OrcaLoadReport& report) {
  return Checked({report.application_utilization(), report.cpu_utilization(),
                  report.rps_fractional(), report.eps()});
}

double* FieldOf(absl::string_view name, LoadReport& report) {
  if (name == "application_utilization") return &report.application_utilization;
  if (name == "cpu_utilization") return &report.cpu_utilization;
  if (name == "rps_fractional") return &report.qps;
  if (name == "eps") return &report.eps;
  return nullptr;
}

bool ParseNumber(absl::string_view text, double* value) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *value);
  return error == std::errc() && stop == end;
}

// Envoy writes '=', and has read ':' too.
std::optional<LoadReport> ParseText(absl::string_view text) {
  LoadReport report;
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    const absl::string_view pair = absl::StripAsciiWhitespace(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t middle = pair.find_first_of("=:");
    if (middle == absl::string_view::npos) return std::nullopt;
    double* field = FieldOf(absl::StripAsciiWhitespace(pair.substr(0, middle)), report);
    if (field == nullptr) continue;
    if (!ParseNumber(absl::StripAsciiWhitespace(pair.substr(middle + 1)), field)) {
      return std::nullopt;
    }
  }
  return Checked(report);
}

std::optional<LoadReport> ParseJson(absl::string_view text) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  OrcaLoadReport report;
  const auto status = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(text.data(), text.size()), &report, options);
  if (!status.ok()) return std::nullopt;
  return FromProto(report);
}

}  // namespace

std::optional<LoadReport> ParseLoadMetrics(absl::string_view value) {
  if (value.size() > kMaxBytes) return std::nullopt;
  if (absl::ConsumePrefix(&value, "TEXT ")) return ParseText(value);
  if (absl::ConsumePrefix(&value, "BIN ")) return ParseLoadMetricsBin(value);
  if (absl::ConsumePrefix(&value, "JSON ")) return ParseJson(value);
  return std::nullopt;
}

std::optional<LoadReport> ParseLoadMetricsBin(absl::string_view base64) {
  std::string bytes;
  OrcaLoadReport report;
  if (base64.size() > kMaxBytes || !absl::Base64Unescape(base64, &bytes) ||
      !report.ParseFromString(bytes)) {
    return std::nullopt;
  }
  return FromProto(report);
}

std::optional<LoadReport> TakeLoadReport(HeaderMap& fields) {
  std::optional<LoadReport> report;
  if (const auto bin = fields.Get(kLoadMetricsBin)) {
    report = ParseLoadMetricsBin(*bin);
  } else if (const auto text = fields.Get(kLoadMetrics)) {
    report = ParseLoadMetrics(*text);
  } else {
    return std::nullopt;
  }
  fields.Remove(kLoadMetricsBin);
  fields.Remove(kLoadMetrics);
  return report;
}

}  // namespace tollgate::proxy
