// Series of one metric family by label values, of one worker: found, made and counted by its
// thread without locks or atomic read-modify-write; read by any thread at any time. A series is
// never removed, and their number is bounded.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"

namespace tollgate::proxy {

// Written by one thread; others may read a value that is a moment old.
class Counter {
 public:
  void Add(uint64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

template <size_t kLabels, typename Value>
class SeriesTable {
 public:
  using Key = std::array<absl::string_view, kLabels>;
  struct Series {
    explicit Series(const Key& key) {
      for (size_t i = 0; i < kLabels; ++i) labels[i] = std::string(key[i]);
    }
    std::array<std::string, kLabels> labels;
    Value value;

   private:
    friend class SeriesTable;
    const Series* next = nullptr;
  };

  // Owner thread. Null: there is none.
  Series* Find(const Key& key) const {
    const auto found = index_.find(key);
    return found == index_.end() ? nullptr : found->get();
  }
  // Owner thread. The key must be new. The series lives as long as the table.
  Series& Make(const Key& key) {
    Series* series = index_.insert(std::make_unique<Series>(key)).first->get();
    series->next = newest_.load(std::memory_order_relaxed);
    newest_.store(series, std::memory_order_release);
    return *series;
  }
  Series& Get(const Key& key) {
    Series* found = Find(key);
    return found != nullptr ? *found : Make(key);
  }
  // As Get, but beyond `max` series everything is counted under `overflow`.
  Series& GetBounded(const Key& key, size_t max, const Key& overflow) {
    if (Series* found = Find(key)) return *found;
    return size() < max ? Make(key) : Get(overflow);
  }
  size_t size() const { return index_.size(); }

  // Any thread: f(const Series&), newest first.
  template <typename F>
  void ForEach(F f) const {
    for (const Series* s = newest_.load(std::memory_order_acquire); s != nullptr; s = s->next)
      f(*s);
  }

 private:
  static Key View(const Series& series) {
    Key key;
    for (size_t i = 0; i < kLabels; ++i) {
      key[i] = absl::string_view(series.labels[i].data(), series.labels[i].size());
    }
    return key;
  }
  struct Hash {
    using is_transparent = void;
    size_t operator()(const Key& key) const { return absl::Hash<Key>()(key); }
    size_t operator()(const std::unique_ptr<Series>& series) const {
      return (*this)(View(*series));
    }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const std::unique_ptr<Series>& a, const Key& b) const { return View(*a) == b; }
    bool operator()(const std::unique_ptr<Series>& a, const std::unique_ptr<Series>& b) const {
      return View(*a) == View(*b);
    }
  };

  absl::flat_hash_set<std::unique_ptr<Series>, Hash, Equal> index_;  // owner thread
  std::atomic<const Series*> newest_{nullptr};
};

}  // namespace tollgate::proxy
