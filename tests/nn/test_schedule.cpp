// Schedule: every sequence is computed once, in buffers that are large enough, for any mix of lengths and threads.
#include "support/catch.h"
#include "support/matrix.h"

#include <bert/nn/schedule.h>

using namespace bert;

namespace {

std::vector<std::size_t> offsets_of(const std::vector<std::size_t>& lengths) {
  std::vector<std::size_t> offsets{0};
  for (std::size_t length : lengths) offsets.push_back(offsets.back() + length);
  return offsets;
}

std::vector<std::vector<std::size_t>> mixtures() {
  std::vector<std::vector<std::size_t>> all{{1}, {512}, {1, 1}, {512, 1}, {300, 300, 300}, {1, 2, 3, 4, 5, 6, 7}};
  all.push_back(std::vector<std::size_t>(64, 16));
  all.push_back(std::vector<std::size_t>(7, 400));
  tests::Random random(1);
  for (int i = 0; i < 40; ++i) {
    all.emplace_back();
    for (std::size_t n = 1 + random.below(40); n > 0; --n) all.back().push_back(1 + random.below(i % 2 ? 40 : 512));
  }
  return all;
}

}  // namespace

TEST_CASE("a schedule computes every sequence once, in order within a group and inside its buffers", "[nn][schedule]") {
  for (const std::vector<std::size_t>& lengths : mixtures())
    for (std::size_t threads : {1, 2, 3, 5, 9}) {
      const std::vector<std::size_t> offsets = offsets_of(lengths);
      const Schedule schedule(offsets, threads);
      std::vector<int> computed(lengths.size());
      std::size_t longest = 0;
      for (std::size_t length : lengths) longest = std::max(longest, length);
      CHECK(schedule.longest == longest);
      REQUIRE((schedule.together() || schedule.groups.size() == threads));
      for (const Share& group : schedule.groups)
        schedule.for_each_chunk(offsets, group, [&](Share chunk) {
          REQUIRE(chunk.begin < chunk.end);
          const std::size_t tokens = offsets[chunk.end] - offsets[chunk.begin];
          REQUIRE(tokens <= schedule.largest_chunk);
          REQUIRE((tokens <= Schedule::chunk_tokens * schedule.threads_per_group() || chunk.end == chunk.begin + 1));
          for (std::size_t b = chunk.begin; b < chunk.end; ++b) ++computed[b];
        });
      CHECK(computed == std::vector<int>(lengths.size(), 1));
    }
}

TEST_CASE("enough sequences go to threads whole, few are worked on together", "[nn][schedule]") {
  CHECK(Schedule(offsets_of(std::vector<std::size_t>(64, 16)), 2).groups.size() == 2);
  CHECK(Schedule(offsets_of({100, 100}), 2).groups.size() == 2);
  CHECK(Schedule(offsets_of({128}), 2).together());
  CHECK(Schedule(offsets_of({128, 1}), 2).together());
  CHECK(Schedule(offsets_of({100, 100, 100}), 2).together());  // one thread would wait for a third of the time
  CHECK(Schedule(offsets_of({100, 100, 100}), 1).together());
}

TEST_CASE("a schedule made for more threads than come still computes every sequence once", "[nn][schedule]") {
  const std::vector<std::size_t> offsets = offsets_of(std::vector<std::size_t>(24, 16));
  const Schedule schedule(offsets, 4);
  REQUIRE_FALSE(schedule.together());
  std::vector<int> computed(24);
  schedule.run(Team(), offsets, [&](const Team&, std::size_t group, Share sequences) {
    CHECK(group < schedule.groups.size());
    for (std::size_t b = sequences.begin; b < sequences.end; ++b) ++computed[b];
  });
  CHECK(computed == std::vector<int>(24, 1));
}
