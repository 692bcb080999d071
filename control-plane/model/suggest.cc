#include "control-plane/model/suggest.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace tollgate::control {
namespace {

constexpr size_t kLongest = 64;  // names are at most 63; longer texts are not compared
constexpr size_t kListed = 20;
constexpr size_t kCompared = 5000;  // names looked at, for one wrong word

std::string Folded(absl::string_view s) {
  std::string out;
  for (char c : s) {
    if (c != '-' && c != '_') out.push_back(absl::ascii_tolower(c));
  }
  return out;
}

// Optimal string alignment: insertions, deletions, substitutions, transpositions of neighbours.
size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

}  // namespace

std::string Nearest(absl::string_view written, const std::vector<std::string>& known) {
  if (written.empty() || written.size() > kLongest) return "";
  const std::string folded = Folded(written);
  std::string best;
  size_t best_distance = folded.size() / 3 + 1;  // exclusive bound
  if (folded.size() >= 2) best_distance = std::max<size_t>(best_distance, 2);
  for (size_t i = 0; i < std::min(known.size(), kCompared); ++i) {
    if (known[i].size() > kLongest) continue;
    const std::string other = Folded(known[i]);
    const size_t shorter = std::min(folded.size(), other.size());
    if (folded.size() + other.size() - 2 * shorter >= best_distance) continue;  // too far already
    const size_t distance = Distance(folded, other);
    if (distance < best_distance) {
      best_distance = distance;
      best = known[i];
    }
  }
  return best;
}

std::string DidYouMean(absl::string_view written, const std::vector<std::string>& known) {
  const std::string nearest = Nearest(written, known);
  if (!nearest.empty()) return absl::StrCat("Did you mean ", nearest, "?");
  if (known.empty()) return "";
  if (known.size() <= kListed) return absl::StrCat("Known: ", absl::StrJoin(known, ", "));
  return absl::StrCat("Known: ", absl::StrJoin(known.begin(), known.begin() + kListed, ", "),
                      ", and ", known.size() - kListed, " more");
}

}  // namespace tollgate::control
