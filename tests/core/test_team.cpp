// Threads, Team, Barrier: everybody works, waits, fails and computes the same, whatever the number of threads.
#include "support/catch.h"
#include "support/matrix.h"

#include <bert/core/team.h>

#include <mutex>
#include <set>
#include <thread>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

using bert::Share;
using bert::Team;
using bert::Threads;

namespace {

constexpr int thread_counts[] = {1, 2, 3, 5, 8};  // more than most machines here have CPUs

std::string failure(const Threads& threads, const auto& work) {
  try {
    threads.run(work);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "nothing";
}

}  // namespace

TEST_CASE("shares cover the work exactly once, in order, in whole grains", "[core][team]") {
  bert::Barrier barrier;
  for (int size = 1; size <= 9; ++size)
    for (std::size_t count = 0; count <= 70; ++count)
      for (std::size_t grain : {1, 2, 7, 16, 100}) {
        std::size_t next = 0, smallest = ~std::size_t{0}, largest = 0;
        for (int rank = 0; rank < size; ++rank) {
          const Share share = Team(rank, size, &barrier).share(count, grain);
          REQUIRE(share.begin == next);
          REQUIRE(share.end >= share.begin);
          REQUIRE((share.end % grain == 0 || share.end == count));
          smallest = std::min(smallest, share.end - share.begin);
          largest = std::max(largest, share.end - share.begin);
          next = share.end;
        }
        REQUIRE(next == count);
        REQUIRE(largest - smallest <= 2 * grain - 1);  // evenly: one grain more, and a cut one at the end
      }
}

TEST_CASE("divided work is done exactly once, by whoever comes, and can be divided again after sync", "[core][team]") {
  for (int count : thread_counts)
    for (std::size_t work : {0, 1, 47, 48, 500, 1000, 2048})
      for (std::size_t grain : {1, 7, 48}) {
        INFO(count << " threads, " << work << " by " << grain);
        std::vector<std::atomic<int>> done(work);
        std::atomic<std::size_t> pieces{0}, wrong{0};  // Catch2's own checks belong to one thread
        Threads(count).run([&](const Team& team) {
          for (int round = 1; round <= 3; ++round) {
            bool first = true;
            team.divide(work, grain, [&](const Share& share) {
              for (std::size_t i = share.begin; i < share.end; ++i) ++done[i];
              const bool whole = share.begin % grain == 0 && (share.end - share.begin == grain || share.end == work);
              if (!std::exchange(first, false)) ++pieces, wrong += !whole;
            });
            team.sync();
            wrong += !std::all_of(done.begin(), done.end(), [&](const auto& times) { return times == round; });
            team.sync();
          }
        });
        CHECK(wrong == 0);
        const std::size_t grains = (work + grain - 1) / grain;
        if (count > 1 && grains >= 8 * static_cast<std::size_t>(count)) CHECK(pieces >= 3 * (grains / 4));
      }
}

TEST_CASE("divided work goes to the threads that are free", "[core][team]") {
  std::vector<std::size_t> grains(2);
  Threads(2).run([&](const Team& team) {
    if (team.size() < 2) return;
    const auto rank = static_cast<std::size_t>(team.rank());
    team.divide(160, 1, [&](const Share& share) {
      grains[rank] += share.end - share.begin;
      if (rank == 1) std::this_thread::sleep_for(std::chrono::milliseconds(share.end - share.begin));
    });
    team.sync();
  });
  if (grains[1] > 0) CHECK(grains[0] > grains[1]);
  CHECK((grains[0] + grains[1] == 160 || grains[0] + grains[1] == 0));
}

TEST_CASE("a default team is one thread that has all the work", "[core][team]") {
  const Team team;
  team.sync();
  CHECK((team.rank() == 0 && team.size() == 1));
  CHECK((team.share(7).begin == 0 && team.share(7).end == 7));
}

TEST_CASE("run calls the work once on every thread of the team", "[core][team]") {
  for (int count : thread_counts) {
    std::mutex mutex;
    std::multiset<int> ranks, expected;
    std::set<std::thread::id> ids;
    Threads(count).run([&](const Team& team) {
      const std::lock_guard lock(mutex);
      CHECK(team.size() == count);
      ranks.insert(team.rank());
      ids.insert(std::this_thread::get_id());
    });
    for (int rank = 0; rank < count; ++rank) expected.insert(rank);
    CHECK(ranks == expected);
    CHECK(ids.size() == static_cast<std::size_t>(count));
  }
}

TEST_CASE("sync lets every thread see what the others wrote before it", "[core][team]") {
  for (int count : thread_counts) {
    std::vector<int> cells(static_cast<std::size_t>(count));
    std::vector<int> wrong(cells.size());
    Threads(count).run([&](const Team& team) {
      const auto rank = static_cast<std::size_t>(team.rank());
      for (int round = 1; round <= 500; ++round) {
        cells[rank] = round;
        team.sync();
        for (int cell : cells) wrong[rank] += cell != round;
        team.sync();
      }
    });
    for (int errors : wrong) CHECK(errors == 0);
  }
}

TEST_CASE("an exception of any thread ends run with that exception, while others wait for it", "[core][team]") {
  for (int count : thread_counts)
    for (int thrower = 0; thrower < count; ++thrower) {
      const Threads threads(count);
      const std::string message = failure(threads, [&](const Team& team) {
        team.sync();
        if (team.rank() == thrower) bert::fail("thread ", thrower, " had enough");
        for (int i = 0; i < 3; ++i) team.sync();
      });
      CHECK(message == bert::concat("thread ", thrower, " had enough"));
      std::atomic<int> calls{0};  // and the next run works
      threads.run([&](const Team& team) {
        ++calls;
        team.sync();
      });
      CHECK(calls == count);
    }
}

TEST_CASE("when all threads fail, one of their exceptions comes out", "[core][team]") {
  for (int count : thread_counts)
    CHECK(failure(Threads(count), [](const Team&) { bert::fail("all of us"); }) == "all of us");
}

TEST_CASE("a number of threads that makes no sense is an error that names it", "[core][team]") {
  for (int count : {-1, -100, 1025}) {
    INFO(count);
    try {
      const Threads threads(count);
      FAIL("accepted");
    } catch (const bert::Error& error) {
      CHECK(std::string(error.what()).find(bert::concat("cannot use ", count, " threads")) != std::string::npos);
    }
  }
  CHECK(Threads().count() == bert::available_threads());
  CHECK(bert::available_threads() >= 1);
}

#if defined(_OPENMP)
TEST_CASE("run inside the caller's own OpenMP region completes, with however many threads come", "[core][team]") {
  std::atomic<int> covered{0}, wrong{0};
#pragma omp parallel num_threads(3)
  Threads(4).run([&](const Team& team) {
    const Share share = team.share(100);
    covered += static_cast<int>(share.end - share.begin);
    team.sync();
    if (team.size() < 1 || team.size() > 4) ++wrong;
  });
  CHECK(wrong == 0);
  CHECK(covered == 3 * 100);
}
#endif

#if defined(__x86_64__)
TEST_CASE("work runs with subnormal numbers and round-to-nearest, and the caller's settings come back",
          "[core][team]") {
  const unsigned before = _mm_getcsr();
  constexpr unsigned flush = 0x8040, upwards = 0x4000;  // FTZ and DAZ; rounding towards +inf
  const float tiny = 1e-39f;
  for (int count : thread_counts) {
    _mm_setcsr((before & ~0x6000u) | flush | upwards);
    std::vector<float> halves(static_cast<std::size_t>(count)), thirds(halves.size());
    Threads(count).run([&](const Team& team) {
      volatile float x = tiny, one = 1;
      halves[static_cast<std::size_t>(team.rank())] = x * 0.5f;
      thirds[static_cast<std::size_t>(team.rank())] = one / 3;
    });
    const unsigned after = _mm_getcsr();
    _mm_setcsr(before);
    CHECK((after & 0xe040u) == (flush | upwards));
    for (float half : halves) CHECK(tests::same_bits(half, 5e-40f));
    for (float third : thirds) CHECK(tests::same_bits(third, 0x1.555556p-2f));
  }
}
#endif
