// Threads: a pool that runs one function on every thread. Team: one thread's place in it, with a barrier.
//
// A forward pass opens one parallel region; its operations take `const Team&`, compute their share() and sync(). Every
// split is over rows, columns, heads or sequences, never over a sum, so results do not depend on the number of threads.
// Two backends: OpenMP, and std::thread where the compiler runs without OpenMP. A default Team is a single thread.
#pragma once
#include <bert/core/cpus.h>
#include <bert/core/error.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>

namespace bert::inline BERT_ABI {

/// Saves the thread's floating-point control word, sets round-to-nearest with subnormal numbers on, restores it at the
/// end: any library linked with -ffast-math may have turned subnormals off (numerics rule 4).
class FloatEnvironment {
 public:
  FloatEnvironment() : saved_(read()) { write(standard(saved_)); }
  ~FloatEnvironment() { write(saved_); }
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
#if defined(__x86_64__)
  using Word = unsigned;
  static Word read() { return __builtin_ia32_stmxcsr(); }
  static void write(Word word) { __builtin_ia32_ldmxcsr(word); }
  static Word standard(Word) { return 0x1f80; }  // exceptions masked, nearest, FTZ and DAZ off
#else
  using Word = std::uint64_t;
  static Word read() {
    Word word;
    asm volatile("mrs %0, fpcr" : "=r"(word));
    return word;
  }
  static void write(Word word) { asm volatile("msr fpcr, %0" : : "r"(word)); }
  static Word standard(Word word) {
    return word & ~((Word{1} << 24) | (Word{3} << 22) | (Word{1} << 19));
  }  // FZ, RMode
#endif
  Word saved_;
};

/// Lets `size` threads wait for each other: spins a while, then yields, because the other thread may not be running.
/// A thread that fails breaks the barrier, so that the others leave instead of waiting for it for ever.
class Barrier {
 public:
  void wait(int size);
  /// Keeps the first failure for rethrow(); called in a catch block.
  void abandon();
  void rethrow() const;
  /// 0, 1, 2, … to whoever asks; from 0 again after every wait().
  std::size_t next_ticket() { return tickets_.fetch_add(1, std::memory_order_relaxed); }

 private:
  alignas(64) std::atomic<std::size_t> tickets_{0};
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<unsigned> round_{0};
  std::atomic<bool> broken_{false};
  std::exception_ptr failure_;
};

/// A half-open range of work.
struct Share {
  std::size_t begin, end;
};

/// One thread's view of the threads that work together.
class Team {
 public:
  /// The calling thread alone. The caller holds a FloatEnvironment, as Threads::run does on every thread of its teams:
  /// blocks set none themselves, and without one compute in whatever mode the thread is in.
  Team() = default;
  Team(int rank, int size, Barrier* barrier) : rank_(rank), size_(size), barrier_(barrier) {}
  int rank() const { return rank_; }
  int size() const { return size_; }
  /// Waits until every thread of the team is here.
  void sync() const {
    if (size_ > 1) barrier_->wait(size_);
  }
  /// How the threads divide a product: with many rows each takes rows and streams all weights, with few each takes
  /// columns and keeps its part of the weights in its cache.
  bool by_rows(std::size_t rows) const { return rows >= 32 * static_cast<std::size_t>(size_); }
  /// This thread's part of [0, count), in whole multiples of `grain` but for the end.
  Share share(std::size_t count, std::size_t grain = 1) const {
    const std::size_t grains = (count + grain - 1) / grain, n = static_cast<std::size_t>(size_);
    const auto edge = [&](std::size_t part) {
      const std::size_t at = grains * part / n * grain;
      return at < count ? at : count;
    };
    return {edge(static_cast<std::size_t>(rank_)), edge(static_cast<std::size_t>(rank_) + 1)};
  }
  /// Calls work(Share) for parts of [0, count) that together are all of it. Each thread has three quarters of an even
  /// share; the rest goes to whoever is free, `grain` at a time, since cores are not equally fast (others use them too,
  /// or they are of two kinds). Few grains are shared evenly. Once between two sync().
  template <class Work>
  void divide(std::size_t count, std::size_t grain, const Work& work) const {
    const std::size_t grains = (count + grain - 1) / grain, n = static_cast<std::size_t>(size_);
    if (size_ == 1 || grains < 4 * n) return work(share(count));
    const std::size_t fixed = grains * 3 / (4 * n) * n;
    work(share(fixed * grain));
    for (std::size_t at = fixed + barrier_->next_ticket(); at < grains; at = fixed + barrier_->next_ticket())
      work(Share{at * grain, at + 1 < grains ? (at + 1) * grain : count});
  }

 private:
  int rank_ = 0, size_ = 1;
  Barrier* barrier_ = nullptr;
};

namespace detail {
/// Calls work(data, team) on `count` threads: Threads::run without the type of its work.
void run_on_threads(int count, void (*work)(const void* data, const Team& team), const void* data);
}  // namespace detail

/// A number of threads to run on.
class Threads {
 public:
  /// `count` 0: available_threads(). Throws Error for a negative count or one above 1024.
  explicit Threads(int count = 0);
  int count() const { return count_; }

  /// Calls work(team) on every thread and returns when all are done; an exception that leaves `work` is thrown here.
  template <class Work>
  void run(const Work& work) const {
    const auto* const pointer = &work;  // which may be one to a function
    using Pointer = decltype(pointer);
    detail::run_on_threads(
        count_, [](const void* data, const Team& team) { (**static_cast<Pointer*>(data))(team); }, &pointer);
  }

 private:
  int count_;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <sched.h>

#if defined(_OPENMP)
#include <omp.h>
#else
#include <thread>
#include <vector>
#endif

namespace bert::inline BERT_ABI {

BERT_INLINE void Barrier::wait(int size) {
  const unsigned round = round_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size) {
    arrived_.store(0, std::memory_order_relaxed);
    tickets_.store(0, std::memory_order_relaxed);
    round_.store(round + 1, std::memory_order_release);
    return;
  }
  for (int spins = 0; round_.load(std::memory_order_acquire) == round; ++spins) {
    if (broken_.load(std::memory_order_relaxed)) fail("another thread of the team failed");
    if (spins > 2000) sched_yield();
  }
}

BERT_INLINE void Barrier::abandon() {
  if (!broken_.exchange(true)) failure_ = std::current_exception();
}

BERT_INLINE void Barrier::rethrow() const {
  if (failure_) std::rethrow_exception(failure_);
}

BERT_INLINE Threads::Threads(int count) : count_(count == 0 ? available_threads() : count) {
  if (count_ < 1 || count_ > 1024) fail("cannot use ", count, " threads: give 1 to 1024, or 0 for all there are");
}

BERT_INLINE void detail::run_on_threads(int count, void (*work)(const void*, const Team&), const void* data) {
  Barrier barrier;
  const auto enter = [&](int rank, int size) {
    const FloatEnvironment environment;
    try {
      work(data, Team(rank, size, &barrier));
    } catch (...) {
      barrier.abandon();
    }
  };
#if defined(_OPENMP)
  // Inside a caller's own region, or under a thread limit, fewer threads come than are asked for.
#pragma omp parallel num_threads(count) if (count > 1)
  enter(omp_get_thread_num(), omp_get_num_threads());
#else
  std::atomic<int> size{0};  // known when all threads have started, or no more could be
  const auto wait_and_enter = [&](int rank) {
    while (size.load(std::memory_order_acquire) == 0) sched_yield();
    enter(rank, size.load(std::memory_order_relaxed));
  };
  std::vector<std::thread> others;
  try {
    for (int rank = 1; rank < count; ++rank) others.emplace_back(wait_and_enter, rank);
  } catch (const std::exception&) {  // the system has no more threads: go on with fewer
  }
  size.store(static_cast<int>(others.size()) + 1, std::memory_order_release);
  wait_and_enter(0);
  for (std::thread& other : others) other.join();
#endif
  barrier.rethrow();
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
