// Writes the Prometheus text format, version 0.0.4: per family HELP and TYPE, then its samples.
// A value; any thread.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "proxy/observe/histogram.h"

namespace tollgate::proxy {

class Exposition {
 public:
  enum class Type { kCounter, kGauge, kHistogram };

  // Begins a family; what follows are its samples. `names` are its label names.
  void Family(absl::string_view name, absl::string_view help, Type type,
              std::initializer_list<absl::string_view> names = {});
  // `values` are as many as the family's label names.
  void Sample(absl::Span<const std::string> values, uint64_t value);
  void Sample(absl::Span<const std::string> values, double value);
  // Cumulative buckets, sum in seconds, and count.
  void Sample(absl::Span<const std::string> values, const Histogram::Sums& sums);

  std::string Take() { return std::move(out_); }

 private:
  void Name(absl::string_view suffix, absl::Span<const std::string> values,
            absl::string_view le = {});
  void Value(double value);

  std::string out_;
  std::string name_;
  std::vector<std::string> labels_;
};

}  // namespace tollgate::proxy
