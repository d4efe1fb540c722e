// The fused-multiply-add peak of one core, measured in the same run as what is compared with it.
#pragma once
#include <benchmark/benchmark.h>

#include <chrono>
#include <string_view>

namespace bench {

/// FLOP/s of independent multiply-add chains on an instruction set that runs here; measured at the first call.
double peak_flops(std::string_view isa);
/// The same of this CPU's best instruction set.
double best_peak_flops();

/// Runs `work` as often as the benchmark asks and counts GFLOP/s and percent of `peak` where `flops` > 0, else GB/s.
template <class Work>
void measure(benchmark::State& state, double flops, double bytes, double peak, Work work) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  for (auto _ : state) {
    work();
    benchmark::ClobberMemory();
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const double times = static_cast<double>(state.iterations()) / seconds;
  if (flops > 0) {
    state.counters["GFLOP/s"] = flops * times * 1e-9;
    state.counters["peak%"] = flops * times / peak * 100;
  } else {
    state.counters["GB/s"] = bytes * times * 1e-9;
  }
}

}  // namespace bench
