// MergeTable against the algorithm as it is written down (Sennrich et al. 2016), on words of few symbols and of many.
#include <bert/tokenizers/merges.h>

#include <map>
#include <random>

#include "support/catch.h"

namespace {

struct Merge {
  std::int32_t rank, made;
};
using Merges = std::map<std::pair<std::int32_t, std::int32_t>, Merge>;

struct Part {
  std::int32_t id;
  std::uint32_t begin, end;
  bool operator==(const Part&) const = default;
};

/// The pair of the lowest rank, the leftmost of equal ones, is merged until there is none.
std::vector<Part> merged(std::vector<Part> parts, const Merges& merges) {
  for (;;) {
    const Merge* best = nullptr;
    std::size_t at = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i)
      if (const auto found = merges.find({parts[i].id, parts[i + 1].id});
          found != merges.end() && (!best || found->second.rank < best->rank))
        best = &found->second, at = i;
    if (!best) return parts;
    parts[at] = {best->made, parts[at].begin, parts[at + 1].end};
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

}  // namespace

TEST_CASE("words of few symbols and of many are merged as the algorithm says", "[tokenizers][merges]") {
  std::mt19937 random(3);
  const auto below = [&](int bound) { return static_cast<std::int32_t>(random() % static_cast<unsigned>(bound)); };
  std::size_t merges_made = 0;
  for (int round = 0; round < 300; ++round) {
    const int letters = 1 + below(4), count = 1 + below(60);
    Merges merges;
    bert::MergeTable table;
    table.reset(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
      const auto symbol = [&] { return below(letters + i); };  // a letter, or what a merge before made
      const std::pair pair{symbol(), symbol()};
      const Merge merge{round % 3 == 0 ? below(5) : i, letters + i};  // equal ranks too: scores of SentencePiece
      table.add(pair.first, pair.second, merge.rank, merge.made);
      merges.emplace(pair, merge);  // the first counts
    }
    for (int length = 0; length < 80; ++length) {
      bert::MergeTable::Scratch scratch;
      std::vector<Part> parts;
      for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(length); ++i) {
        parts.push_back({below(letters), 2 * i, 2 * i + 2});
        scratch.append(parts.back().id, parts.back().begin, parts.back().end);
      }
      table.run(scratch);
      std::vector<Part> seen;
      for (const auto& symbol : scratch.symbols)
        if (symbol.id >= 0) seen.push_back({symbol.id, symbol.begin, symbol.end});
      merges_made += parts.size() - seen.size();
      INFO("round " << round << ", " << length << " symbols");
      REQUIRE(seen == merged(parts, merges));
    }
  }
  CHECK(merges_made > 100000);
}
