#include "proxy/observe/exposition.h"

#include <charconv>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace tollgate::proxy {
namespace {

// In label values backslash, quote and line feed are escaped; in HELP, the quote is not.
void AppendEscaped(absl::string_view text, bool quote, std::string* out) {
  for (const char c : text) {
    if (c == '\n') {
      out->append("\\n");
      continue;
    }
    if (c == '\\' || (quote && c == '"')) out->push_back('\\');
    out->push_back(c);
  }
}

absl::string_view NameOf(Exposition::Type type) {
  switch (type) {
    case Exposition::Type::kCounter:
      return "counter";
    case Exposition::Type::kGauge:
      return "gauge";
    case Exposition::Type::kHistogram:
      return "histogram";
  }
  return "untyped";
}

}  // namespace

void Exposition::Family(absl::string_view name, absl::string_view help, Type type,
                        std::initializer_list<absl::string_view> names) {
  name_ = std::string(name);
  labels_.clear();
  for (const absl::string_view label : names) labels_.emplace_back(label);
  absl::StrAppend(&out_, "# HELP ", name, " ");
  AppendEscaped(help, /*quote=*/false, &out_);
  absl::StrAppend(&out_, "\n# TYPE ", name, " ", NameOf(type), "\n");
}

void Exposition::Name(absl::string_view suffix, absl::Span<const std::string> values,
                      absl::string_view le) {
  absl::StrAppend(&out_, name_, suffix);
  char before = '{';
  for (size_t i = 0; i < labels_.size(); ++i) {
    out_.push_back(before);
    before = ',';
    absl::StrAppend(&out_, labels_[i], "=\"");
    AppendEscaped(values[i], /*quote=*/true, &out_);
    out_.push_back('"');
  }
  if (!le.empty()) {
    out_.push_back(before);
    before = ',';
    absl::StrAppend(&out_, "le=\"", le, "\"");
  }
  if (before == ',') out_.push_back('}');
  out_.push_back(' ');
}

// The shortest text that is this number, in any locale.
void Exposition::Value(double value) {
  if (std::isnan(value)) {
    out_.append("NaN");
  } else if (std::isinf(value)) {
    out_.append(value > 0 ? "+Inf" : "-Inf");
  } else {
    char text[32];
    out_.append(text, std::to_chars(text, text + sizeof(text), value).ptr);
  }
  out_.push_back('\n');
}

void Exposition::Sample(absl::Span<const std::string> values, uint64_t value) {
  Name("", values);
  absl::StrAppend(&out_, value, "\n");
}

void Exposition::Sample(absl::Span<const std::string> values, double value) {
  Name("", values);
  Value(value);
}

void Exposition::Sample(absl::Span<const std::string> values, const Histogram::Sums& sums) {
  uint64_t count = 0;
  for (size_t i = 0; i <= Histogram::kBounds; ++i) {
    count += sums.in_bucket[i];
    Name("_bucket", values, Histogram::kSeconds[i]);
    absl::StrAppend(&out_, count, "\n");
  }
  Name("_sum", values);
  Value(static_cast<double>(sums.nanos) * 1e-9);
  Name("_count", values);
  absl::StrAppend(&out_, count, "\n");
}

}  // namespace tollgate::proxy
