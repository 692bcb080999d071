#include "proxy/limit/limit_top.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proxy/limit/limit_key.h"

namespace tollgate::proxy {

std::string WindowText(const LimitPlan::Window& window) {
  constexpr int64_t kMillisecond = 1'000'000;
  const int64_t ms = window.period / kMillisecond;
  return ms % 1000 == 0 ? absl::StrCat(window.count, "/", ms / 1000, "s")
                        : absl::StrCat(window.count, "/", ms, "ms");
}

bool LimitTop::Fuller(const LimitUse& a, const LimitUse& b) {
  // used / limit, compared without dividing; both are below 2^32.
  const uint64_t left = a.used * b.limit;
  const uint64_t right = b.used * a.limit;
  return left != right ? left > right : a.refused > b.refused;
}

void LimitTop::Offer(const LimitPlan& plan, absl::string_view key, absl::string_view window,
                     LimitUse use, std::vector<Candidate>* best) {
  if (keep_ == 0 || (use.used == 0 && use.refused == 0)) return;
  if (best->size() == keep_ && !Fuller(use, best->back().use)) return;
  const auto twice = std::find_if(best->begin(), best->end(), [&](const Candidate& c) {
    return c.raw == key && c.use.plan == plan.name() && c.use.window == window;
  });
  if (twice != best->end()) {
    best->erase(twice);
  } else if (best->size() == keep_) {
    best->pop_back();
  }
  use.plan = plan.name();
  use.shadow = plan.shadow();
  use.window = std::string(window);
  use.key = DescribeLimitKey(plan, key, table_.hash_key());
  const auto at = std::upper_bound(
      best->begin(), best->end(), use,
      [](const LimitUse& value, const Candidate& c) { return Fuller(value, c.use); });
  best->insert(at, {std::move(use), std::string(key)});
}

void LimitTop::Advance(MonoTime now, size_t counters) {
  const bool whole = table_.Scan(
      now, counters, &cursor_,
      [this](const LimitPlan& plan, absl::string_view key, const BucketUse& use, uint32_t refused) {
        LimitUse found;
        found.limit = use.limit;
        found.used = use.used;
        found.refused = refused;
        // Of a million, few are worth words.
        if (pass_.size() == keep_ && keep_ > 0 && !Fuller(found, pass_.back().use)) return;
        const bool known = use.window < plan.windows().size();
        Offer(plan, key, known ? WindowText(plan.windows()[use.window]) : "", std::move(found),
              &pass_);
      });
  if (whole) last_ = std::exchange(pass_, {});
}

std::vector<LimitUse> LimitTop::Top() {
  std::vector<Candidate> best = last_;
  table_.concurrency().ForEach(
      [&](const LimitPlan& plan, absl::string_view key, uint32_t in_progress, uint64_t refused) {
        LimitUse found;
        found.limit = plan.concurrency();
        found.used = in_progress;
        found.refused = refused;
        Offer(plan, key, "concurrency", std::move(found), &best);
      });
  std::vector<LimitUse> top;
  for (Candidate& candidate : best) top.push_back(std::move(candidate.use));
  return top;
}

}  // namespace tollgate::proxy
