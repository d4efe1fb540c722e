// The baseline: Eigen on one thread, on the cases of bench_kernels.cpp. Eigen chooses its instruction set when it is
// compiled, so this file alone has flags for one (BERT_BENCH_EIGEN_FLAGS in bench/CMakeLists.txt); it registers nothing
// on a CPU without it.
#define EIGEN_DONT_PARALLELIZE
#include "peak.h"

#include <benchmark/benchmark.h>

#include <Eigen/Core>
#include <string>
#include <unsupported/Eigen/SpecialFunctions>

#include "../tests/support/kernel_cases.h"

namespace bench {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Row = Eigen::Matrix<float, 1, Eigen::Dynamic>;

Matrix numbers(std::size_t rows, std::size_t columns) {
  return Matrix::Random(static_cast<Eigen::Index>(rows), static_cast<Eigen::Index>(columns));
}

/// `make` gives the work with its operands.
template <class Make>
void add(const std::string& name, double flops, double bytes, Make make) {
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    measure(state, flops, bytes, best_peak_flops(), make());
  })->Unit(benchmark::kMicrosecond);
}

void register_gemm() {
  for (const tests::GemmCase& c : tests::gemm_models) {
    const std::string size = std::to_string(c.m) + "x" + std::to_string(c.n) + "x" + std::to_string(c.k);
    add(std::string("gemm/eigen/") + c.name + "/" + size, c.flops(), 0, [c] {
      return [a = numbers(c.m, c.k), w = numbers(c.n, c.k), bias = Row(numbers(1, c.n)),
              out = numbers(c.m, c.n)]() mutable {
        out.noalias() = a * w.transpose();
        out.rowwise() += bias;
        benchmark::DoNotOptimize(out.data());
      };
    });
  }
}

void register_attention() {
  for (const tests::AttentionCase& c : tests::attention_models)
    add("attention/eigen/" + std::to_string(c.length) + "x" + std::to_string(c.head_size), c.flops(), 0, [c] {
      return
          [q = numbers(c.length, c.head_size), k = numbers(c.length, c.head_size), v = numbers(c.length, c.head_size),
           out = numbers(c.length, c.head_size), p = numbers(c.length, c.length)]() mutable {
            p.noalias() = (q * (1 / std::sqrt(static_cast<float>(q.cols())))) * k.transpose();
            for (Eigen::Index i = 0; i < p.rows(); ++i) {
              p.row(i) = (p.row(i).array() - p.row(i).maxCoeff()).exp().matrix();
              p.row(i) *= 1 / p.row(i).sum();
            }
            out.noalias() = p * v;
            benchmark::DoNotOptimize(out.data());
          };
    });
}

void register_rows() {
  for (const tests::RowCase& c : tests::row_models) {
    const std::string size = std::to_string(c.rows) + "x" + std::to_string(c.columns);
    const double bytes = 8.0 * static_cast<double>(c.rows * c.columns);
    add("layer_norm/eigen/" + size, 0, bytes, [c] {
      return [x = numbers(c.rows, c.columns), gamma = Row(numbers(1, c.columns)), beta = Row(numbers(1, c.columns)),
              y = numbers(c.rows, c.columns)]() mutable {
        for (Eigen::Index i = 0; i < x.rows(); ++i) {
          const float mean = x.row(i).mean();
          const float variance = (x.row(i).array() - mean).square().mean();
          y.row(i) =
              ((x.row(i).array() - mean) * (1 / std::sqrt(variance + 1e-12f)) * gamma.array() + beta.array()).matrix();
        }
        benchmark::DoNotOptimize(y.data());
      };
    });
    add("gelu/eigen/" + size, 0, bytes, [c] {
      return [x = numbers(c.rows, c.columns), y = numbers(c.rows, c.columns)]() mutable {
        y = (0.5f * x.array() * (1 + (x.array() * 0.70710678f).erf())).matrix();
        benchmark::DoNotOptimize(y.data());
      };
    });
    add("gelu_new/eigen/" + size, 0, bytes, [c] {
      return [x = numbers(c.rows, c.columns), y = numbers(c.rows, c.columns)]() mutable {
        const auto in = x.array();
        y = (0.5f * in * (1 + (0.79788456f * (in + 0.044715f * in.cube())).tanh())).matrix();
        benchmark::DoNotOptimize(y.data());
      };
    });
  }
}

bool cpu_runs_this() {
#if defined(__AVX512F__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
#elif defined(__AVX2__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return true;
#endif
}

[[maybe_unused]] const bool registered =
    cpu_runs_this() && (register_gemm(), register_attention(), register_rows(), true);

}  // namespace
}  // namespace bench
