// Runs a fuzz target without libFuzzer: every file of its corpus, then mutations of them from a
// printed seed for about a second. So each fuzz target is part of every build and test run.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "common/base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

void RunOne(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

std::string Mutate(std::string s, const std::vector<std::string>& corpus, tollgate::Random& rng) {
  for (uint32_t n = 1 + rng.Below(4); n > 0; --n) {
    const uint32_t at = s.empty() ? 0 : rng.Below(s.size());
    switch (rng.Below(5)) {
      case 0: s.insert(at, 1, static_cast<char>(rng.Below(256))); break;
      case 1: if (!s.empty()) s.erase(at, 1 + rng.Below(8)); break;
      case 2: if (!s.empty()) s[at] = static_cast<char>(rng.Below(256)); break;
      case 3: if (!s.empty()) s[at] ^= static_cast<char>(1u << rng.Below(8)); break;
      case 4: {
        const std::string& other = corpus[rng.Below(corpus.size())];
        if (!other.empty()) s.insert(at, other.substr(rng.Below(other.size()), rng.Below(64)));
        break;
      }
    }
  }
  return s;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> corpus;
  for (int i = 1; i < argc; ++i) {
    if (!std::filesystem::exists(argv[i])) continue;
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      std::ifstream in(entry.path(), std::ios::binary);
      corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    }
  }
  if (corpus.empty()) {
    std::fprintf(stderr, "no corpus: a fuzz target needs at least one file to start from\n");
    return 1;
  }
  for (const std::string& input : corpus) RunOne(input);
  const char* fixed = std::getenv("FUZZ_SEED");
  const uint64_t seed = fixed ? std::strtoull(fixed, nullptr, 10)
                              : std::chrono::steady_clock::now().time_since_epoch().count();
  tollgate::Random rng(seed);
  uint64_t runs = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  while (std::chrono::steady_clock::now() < end) {
    RunOne(Mutate(corpus[rng.Below(corpus.size())], corpus, rng));
    ++runs;
  }
  std::printf("%zu corpus files, %llu mutations\n", corpus.size(),
              static_cast<unsigned long long>(runs));
  return 0;
}
