// The kernels on one thread, on every instruction set that runs here, on the cases of tests/support/kernel_cases.h;
// bench_eigen.cpp runs the same cases. GFLOP/s (and percent of the multiply-add peak measured in this run) where
// arithmetic is the limit, GB/s where memory is. Products of 8-bit integers count as if they were FLOPs, and in percent
// of the float peak.
//
// To add an operation: a function like layer_norm() and a line in register_all().
#include "peak.h"

#include <benchmark/benchmark.h>
#include <bert/core/tensor.h>
#include <bert/kernels.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "../tests/support/kernel_cases.h"

namespace bench {
namespace {

using bert::Activation;
using bert::AlignedArray;
using tests::AttentionCase;
using tests::GemmCase;
using tests::RowCase;
using Kernels = bert::KernelTable<float>;

/// Numbers of ordinary size that no kernel treats specially.
AlignedArray<float> numbers(std::size_t count) {
  AlignedArray<float> x = bert::make_aligned<float>(count);
  for (std::size_t i = 0; i < count; ++i) x[i] = static_cast<float>((i * 7919) % 1009) / 504.5f - 1.0f;
  return x;
}

/// A row operation reads and writes every element once.
double row_bytes(const RowCase& c) { return 8.0 * static_cast<double>(c.rows * c.columns); }

void gemm(benchmark::State& state, const Kernels& kernels, const GemmCase& c, Activation activation) {
  const std::size_t panels = (c.n + kernels.panel_width - 1) / kernels.panel_width;
  const auto a = numbers(c.m * c.k), packed = numbers(panels * kernels.panel_width * c.k), bias = numbers(c.n);
  const auto out = numbers(c.m * c.n);
  measure(state, c.flops(), 0, peak_flops(kernels.name), [&] {
    kernels.gemm(
        {a.get(), c.k, packed.get(), bias.get(), nullptr, 0, out.get(), c.n, c.m, c.n, c.k, 0, panels, activation});
  });
}

/// Seconds of the fastest of a few calls.
template <class Work>
double fastest(Work work) {
  using Clock = std::chrono::steady_clock;
  double best = 1e9, total = 0;
  for (int i = 0; i < 3 || total < 0.02; ++i) {
    const Clock::time_point start = Clock::now();
    work();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::min(best, seconds), total += seconds;
  }
  return best;
}

/// Whole numbers in [-127, 127], none special.
AlignedArray<std::int8_t> integers(std::size_t count) {
  AlignedArray<std::int8_t> x = bert::make_aligned<std::int8_t>(count);
  for (std::size_t i = 0; i < count; ++i) x[i] = static_cast<std::int8_t>(static_cast<int>(i * 7919 % 255) - 127);
  return x;
}

/// The same product on 8-bit integers, and how many times as fast as on float it is.
void gemm_int8(benchmark::State& state, const Kernels& kernels, const GemmCase& c, Activation activation) {
  const bert::kernels::Int8Kernels& int8 = *kernels.int8;
  const std::size_t panels = (c.n + int8.panel_width - 1) / int8.panel_width, bytes = int8.packed_bytes(c.n, c.k);
  const std::size_t stride = (c.k + 63) / 64 * 64, float_panels = (c.n + kernels.panel_width - 1) / kernels.panel_width;
  const auto a = integers(c.m * stride), weight = integers(c.n * c.k);
  const auto packed = bert::make_aligned<std::byte>(bytes);
  std::fill_n(packed.get(), bytes, std::byte{0});
  int8.pack({weight.get(), c.k, 0, c.n, c.n, c.k, packed.get()});
  const auto scale = numbers(std::max(c.m, c.n)), bias = numbers(c.n), out = numbers(c.m * c.n);
  const auto x = numbers(c.m * c.k), float_packed = numbers(float_panels * kernels.panel_width * c.k);
  const double float_seconds = fastest([&] {
    kernels.gemm({x.get(), c.k, float_packed.get(), bias.get(), nullptr, 0, out.get(), c.n, c.m, c.n, c.k, 0,
                  float_panels, activation});
  });
  measure(state, c.flops(), 0, peak_flops(kernels.name), [&] {
    int8.gemm({a.get(), stride, scale.get(), packed.get(), scale.get(), bias.get(), nullptr, 0, out.get(), c.n, c.m,
               c.n, c.k, 0, panels, activation});
  });
  state.counters["x fp32"] = state.counters["GFLOP/s"] * 1e9 / c.flops() * float_seconds;
}

void quantize(benchmark::State& state, const Kernels& kernels, const RowCase& c) {
  const std::size_t stride = (c.columns + 63) / 64 * 64;
  const auto x = numbers(c.rows * c.columns), scale = numbers(c.rows);
  const auto q = integers(c.rows * stride);
  measure(state, 0, 5.0 * static_cast<double>(c.rows * c.columns), 0, [&] {
    kernels.int8->quantize({x.get(), c.columns, nullptr, c.rows, c.columns, q.get(), stride, scale.get()});
  });
}

void attention(benchmark::State& state, const Kernels& kernels, const AttentionCase& c) {
  const std::size_t stride = 3 * c.head_size;
  const auto qkv = numbers(c.length * stride), out = numbers(c.length * c.head_size),
             scratch = numbers(kernels.attention_scratch(c.length, c.head_size));
  const float* q = qkv.get();
  measure(state, c.flops(), 0, peak_flops(kernels.name), [&] {
    kernels.attention({q, q + c.head_size, q + 2 * c.head_size, stride, out.get(), c.head_size, c.length, c.head_size,
                       0, c.length, 1 / std::sqrt(static_cast<float>(c.head_size)), nullptr, scratch.get()});
  });
}

void layer_norm(benchmark::State& state, const Kernels& kernels, const RowCase& c) {
  const auto x = numbers(c.rows * c.columns), gamma = numbers(c.columns), beta = numbers(c.columns),
             y = numbers(c.rows * c.columns);
  measure(state, 0, row_bytes(c), 0, [&] {
    kernels.layer_norm({x.get(), c.columns, gamma.get(), beta.get(), y.get(), c.columns, c.rows, c.columns, 1e-12f});
  });
}

/// On a copy, because a value that GELU is applied to again and again shrinks to nothing.
void gelu(benchmark::State& state, const Kernels& kernels, const RowCase& c, Activation activation) {
  const std::size_t count = c.rows * c.columns;
  const auto x = numbers(count), y = numbers(count);
  measure(state, 0, row_bytes(c), 0, [&] {
    for (std::size_t r = 0; r < c.rows; ++r) {
      float* row = y.get() + r * c.columns;
      std::copy_n(x.get() + r * c.columns, c.columns, row);
      kernels.activate(activation, row, c.columns);
    }
  });
}

template <class Run, class... Arguments>
void add(const std::string& name, Run run, const Kernels& kernels, Arguments... arguments) {
  benchmark::RegisterBenchmark(name.c_str(), [=, &kernels](benchmark::State& state) {
    run(state, kernels, arguments...);
  })->Unit(benchmark::kMicrosecond);
}

bool register_all() {
  for (std::string_view isa : bert::kernels::runnable_isas()) {
    const Kernels& kernels = bert::kernels_for(isa);
    const double limit = isa == "scalar" ? 2e8 : 1e12;  // scalar fused multiply-add is a function call
    for (const GemmCase& c : tests::gemm_models) {
      if (c.flops() >= limit) continue;
      const Activation activation = std::string_view(c.name).ends_with("up") ? Activation::gelu : Activation::linear;
      const std::string size = bert::concat(isa, "/", c.name, "/", c.m, "x", c.n, "x", c.k);
      add("gemm/" + size, gemm, kernels, c, activation);
      add("gemm_int8/" + size, gemm_int8, kernels, c, activation);
    }
    for (const AttentionCase& c : tests::attention_models)
      if (c.flops() < limit)
        add(bert::concat("attention/", isa, "/", c.length, "x", c.head_size), attention, kernels, c);
    for (const RowCase& c : tests::row_models) {
      add(bert::concat("layer_norm/", isa, "/", c.rows, "x", c.columns), layer_norm, kernels, c);
      add(bert::concat("quantize/", isa, "/", c.rows, "x", c.columns), quantize, kernels, c);
      add(bert::concat("gelu/", isa, "/", c.rows, "x", c.columns), gelu, kernels, c, Activation::gelu);
      add(bert::concat("gelu_new/", isa, "/", c.rows, "x", c.columns), gelu, kernels, c, Activation::gelu_tanh);
    }
  }
  return true;
}
[[maybe_unused]] const bool registered = register_all();

double measure_peak(const Kernels& kernels) {
  using Clock = std::chrono::steady_clock;
  alignas(64) float sink[16] = {};
  double best = 0, rounds = 1000;
  for (int i = 0; i < 12; ++i) {  // the first calls wake the wide units and find out how long a call takes
    const Clock::time_point start = Clock::now();
    const double flops = kernels.peak(static_cast<std::size_t>(rounds), sink);
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::max(best, flops / seconds);
    rounds = std::max(1000.0, rounds * 0.01 / seconds);  // about 10 ms
  }
  benchmark::DoNotOptimize(sink[0]);
  return best;
}

}  // namespace

double peak_flops(std::string_view isa) {
  static std::vector<std::pair<std::string_view, double>> known;
  for (const auto& [name, peak] : known)
    if (name == isa) return peak;
  known.push_back({isa, measure_peak(bert::kernels_for(isa))});
  return known.back().second;
}

double best_peak_flops() { return peak_flops(bert::kernels::runnable_isas().back()); }

}  // namespace bench
