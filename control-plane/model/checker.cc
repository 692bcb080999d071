#include "control-plane/model/checker.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "control-plane/model/suggest.h"
#include "control-plane/model/values.h"

namespace tollgate::control {
namespace {

constexpr size_t kMaxHeaders = 64;
// Looking for what was meant costs time: past so many problems nobody reads it.
constexpr size_t kMaxSuggestions = 50;

}  // namespace

std::string At(absl::string_view list, size_t index, absl::string_view field) {
  return absl::StrCat(list, "[", index, "]", field.empty() ? "" : ".", field);
}

void Checker::Report(absl::string_view field, absl::string_view value, absl::string_view message,
                     absl::string_view remedy) {
  problems_->push_back({source_.file, LineOf(source_, field), DocumentId(source_.document),
                        std::string(field), std::string(value), std::string(message),
                        std::string(remedy)});
}

bool Checker::Check(absl::string_view field, absl::string_view value, const absl::Status& status) {
  if (!status.ok()) Report(field, value, status.message());
  return status.ok();
}

Duration Checker::TakeDuration(absl::string_view field, absl::string_view text, Duration fallback) {
  if (text.empty()) return fallback;
  auto parsed = ParseDuration(text);
  return Check(field, text, parsed.status()) ? *parsed : fallback;
}

uint64_t Checker::TakeSize(absl::string_view field, absl::string_view text, uint64_t fallback) {
  if (text.empty()) return fallback;
  auto parsed = ParseSize(text);
  return Check(field, text, parsed.status()) ? *parsed : fallback;
}

uint32_t Checker::TakeNumber(absl::string_view field, bool present, uint32_t number,
                             uint32_t fallback, uint32_t least, uint32_t most) {
  if (!present) return fallback;
  if (number >= least && number <= most) return number;
  Report(field, absl::StrCat(number), absl::StrCat("expected ", least, " to ", most));
  return fallback;
}

std::optional<Address> Checker::TakeAddress(absl::string_view field, absl::string_view text) {
  if (text.empty()) return std::nullopt;
  auto parsed = Address::Parse(text);
  if (!parsed.ok()) {
    Report(field, "", parsed.status().message());  // it names the text
    return std::nullopt;
  }
  if (parsed->kind() != Address::Kind::kUnix && parsed->port() == 0) {
    Report(field, text, "port 0: others could not know the port", "Choose a port");
    return std::nullopt;
  }
  return *std::move(parsed);
}

std::string Checker::TakeHeaderName(absl::string_view field, absl::string_view text,
                                    absl::string_view fallback) {
  if (text.empty()) return std::string(fallback);
  auto parsed = ParseHeaderName(text);
  return Check(field, text, parsed.status()) ? *parsed : std::string(fallback);
}

std::optional<WallTime> Checker::TakeDate(absl::string_view field, absl::string_view text) {
  if (text.empty()) return std::nullopt;
  auto parsed = ParseDate(text);
  if (!Check(field, text, parsed.status())) return std::nullopt;
  return *parsed;
}

std::vector<HeaderValue> Checker::TakeHeaders(
    absl::string_view field, const google::protobuf::Map<std::string, std::string>& headers) {
  const std::map<std::string, std::string> sorted(headers.begin(), headers.end());
  std::vector<HeaderValue> out;
  if (sorted.size() > kMaxHeaders) {
    Report(field, "", absl::StrCat("has ", sorted.size(), " headers; at most ", kMaxHeaders));
    return out;
  }
  for (const auto& [name, value] : sorted) {
    const std::string at = absl::StrCat(field, ".", name);
    auto parsed = ParseHeaderName(name);
    if (!Check(at, name, parsed.status()) || !Check(at, value, CheckHeaderValue(value))) continue;
    if (std::any_of(out.begin(), out.end(),
                    [&](const HeaderValue& other) { return other.name == *parsed; })) {
      Report(at, name, "the same header twice: case does not tell headers apart");
      continue;
    }
    out.push_back({*parsed, value});
  }
  std::sort(out.begin(), out.end(),
            [](const HeaderValue& a, const HeaderValue& b) { return a.name < b.name; });
  return out;
}

std::vector<std::string> Checker::TakeTexts(absl::string_view field, const Texts& texts,
                                            absl::Status (*check)(absl::string_view)) {
  absl::flat_hash_set<std::string> seen;
  for (int i = 0; i < texts.size(); ++i) {
    if (!Check(At(field, i), texts[i], check(texts[i]))) continue;
    if (!seen.insert(texts[i]).second) Report(At(field, i), texts[i], "stands here twice");
  }
  return {texts.begin(), texts.end()};
}

size_t Checker::TakeWord(absl::string_view field, absl::string_view text,
                         const std::vector<std::string>& words, std::optional<size_t> fallback) {
  const std::string expected = absl::StrCat("expected ", absl::StrJoin(words, " or "));
  if (text.empty()) {
    if (!fallback) Report(field, "", absl::StrCat("is missing; ", expected));
    return fallback.value_or(0);
  }
  const auto found = std::find(words.begin(), words.end(), text);
  if (found != words.end()) return found - words.begin();
  const std::string nearest = Nearest(text, words);
  Report(field, text, expected, nearest.empty() ? "" : absl::StrCat("Did you mean ", nearest, "?"));
  return fallback.value_or(0);
}

void Checker::NeedPlaintext(absl::string_view field, const Address& address, bool plaintext) {
  if (plaintext || address.is_local()) return;
  Report(field, address.ToString(), "plaintext that leaves the machine",
         "Say plaintext: true if this network may read payments, or use a loopback or unix: "
         "address");
}

bool Checker::Refer(absl::string_view field, const std::string& kind, const std::string& name) {
  static const auto* const kNone = new std::vector<std::string>;
  const auto found = names_.find(kind);
  const std::vector<std::string>& known = found == names_.end() ? *kNone : found->second;
  if (std::binary_search(known.begin(), known.end(), name)) return true;
  ReportUnknown(field, name, kind, known);
  return false;
}

bool Checker::Among(absl::string_view field, absl::string_view name, absl::string_view what,
                    const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), name) != known.end()) return true;
  ReportUnknown(field, name, what, known);
  return false;
}

void Checker::ReportUnknown(absl::string_view field, absl::string_view name, absl::string_view what,
                            const std::vector<std::string>& known) {
  std::string remedy = problem_count() < kMaxSuggestions ? DidYouMean(name, known) : "";
  if (known.empty()) remedy = absl::StrCat("There is no ", what, " yet: add it to this set");
  Report(field, name, absl::StrCat("there is no ", what, " of this name"), remedy);
}

}  // namespace tollgate::control
