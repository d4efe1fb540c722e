// Causal attention over packed caches, rotary positions, gates and RMSNorm: equal bits on every ISA and however a
// sequence is cut, and the reference's numbers in double.
#include "support/catch.h"
#include "support/guard_page.h"
#include "support/kernel_cases.h"
#include "support/matrix.h"

#include <bert/core/tensor.h>

using namespace tests;
template <class T>
using Table = bert::KernelTable<T>;

namespace {

/// q, k and v side by side.
template <class T>
struct Problem {
  std::size_t length, size, stride = 3 * size + 1;
  std::vector<T> qkv;

  Problem(std::size_t tokens, std::size_t head_size) : length(tokens), size(head_size) {
    for (float x : random_values<float>(length * stride, length * 1000 + size)) qkv.push_back(static_cast<T>(x));
  }

  /// The sequence in pieces that end at `ends`, through a cache of the given capacity.
  std::vector<T> run(const Table<T>& kernels, const std::vector<std::size_t>& ends, std::size_t capacity,
                     std::vector<T>* probabilities = nullptr) const {
    std::vector<T> out(length * size);
    auto cache = bert::make_aligned<T>(kernels.cache_size(capacity, size));
    auto scratch = bert::make_aligned<T>(kernels.causal_scratch(length, size));
    const T nan = std::numeric_limits<T>::quiet_NaN();  // whatever was there before
    std::fill_n(cache.get(), kernels.cache_size(capacity, size), nan);
    std::fill_n(scratch.get(), kernels.causal_scratch(length, size), nan);
    std::size_t first = 0;
    for (std::size_t end : ends) {
      const T* const q = qkv.data() + first * stride;
      kernels.cache({q + size, q + 2 * size, stride, first, end - first, size, capacity, cache.get()});
      kernels.causal_attention({q, stride, cache.get(), out.data() + first * size, size, first, end - first, size,
                                capacity, T(1) / std::sqrt(static_cast<T>(size)),
                                probabilities ? probabilities->data() : nullptr, scratch.get()});
      first = end;
    }
    return out;
  }
};

std::vector<std::size_t> one_by_one(std::size_t length) {
  std::vector<std::size_t> ends;
  for (std::size_t end = 1; end <= length; ++end) ends.push_back(end);
  return ends;
}

}  // namespace

TEST_CASE("causal attention has the scalar path's bits on every ISA, whole, in pieces and token by token",
          "[kernels][causal]") {
  for (std::size_t length : {1, 2, 7, 16, 33, 255, 256, 257, 300, 530})
    for (std::size_t size : {1, 6, 12, 16, 17, 64, 80}) {
      if (length > 100 && size != 12 && size != 64) continue;
      const Problem<float> p(length, size);
      const std::vector<float> expected = p.run(*all_kernels()[0], {length}, length);
      for (const Table<float>* kernels : all_kernels()) {
        INFO(kernels->name << ", " << length << " tokens of " << size);
        CHECK(difference(p.run(*kernels, {length}, length), expected) == "");
        CHECK(difference(p.run(*kernels, one_by_one(length), length + 100), expected) == "");
        if (length > 4)
          CHECK(difference(p.run(*kernels, {3, length / 2, length / 2 + 1, length}, length + 7), expected) == "");
      }
    }
}

TEST_CASE("causal attention is softmax over the keys up to each query", "[kernels][causal]") {
  const std::size_t length = 40, size = 12;
  const Problem<float> p(length, size);
  const Problem<double> exact(length, size);
  std::vector<float> probabilities(length * length);
  const std::vector<float> seen = p.run(*all_kernels().back(), {length}, length, &probabilities);
  for (std::size_t i = 0; i < length; ++i) {
    std::vector<double> e(i + 1), out(size);
    double sum = 0;
    for (std::size_t j = 0; j <= i; ++j) {
      double score = 0;
      for (std::size_t d = 0; d < size; ++d)
        score += exact.qkv[i * exact.stride + d] * exact.qkv[j * exact.stride + size + d];
      sum += e[j] = std::exp(score / std::sqrt(12.0));
    }
    for (std::size_t j = 0; j <= i; ++j) {
      REQUIRE(std::fabs(static_cast<double>(probabilities[i * length + j]) - e[j] / sum) < 1e-6);
      for (std::size_t d = 0; d < size; ++d) out[d] += e[j] / sum * exact.qkv[j * exact.stride + 2 * size + d];
    }
    for (std::size_t j = i + 1; j < length; ++j) REQUIRE(probabilities[i * length + j] == 0);
    for (std::size_t d = 0; d < size; ++d) REQUIRE(std::fabs(static_cast<double>(seen[i * size + d]) - out[d]) < 3e-6);
  }
  Errors errors;
  const std::vector<double> reference = exact.run(bert::default_kernels<double>(), one_by_one(length), 50);
  errors.add(std::span<const float>(seen), std::span<const double>(reference));
  CHECK(errors.relative() < 2e-6);
}

TEST_CASE("rotary positions, gates and RMSNorm: the reference's numbers, the scalar path's bits", "[kernels][causal]") {
  const std::size_t rows = 5;
  for (std::size_t half : {1, 3, 6, 16, 17, 32}) {
    const std::size_t heads = 3, stride = heads * 2 * half + 2;
    const std::vector<float> x = random_values<float>(rows * stride, half), angles = random_values<float>(8 * half, 7);
    const std::vector<std::int32_t> positions{0, 3, 1, 2, 2};
    const std::size_t columns = stride / 2;
    const auto run = [&]<class T>(const Table<T>& kernels) {
      std::vector<T> turned(x.begin(), x.end()), gated = turned, normed(rows * stride);
      const std::vector<T> table(angles.begin(), angles.end());
      kernels.rotate(
          {turned.data(), stride, table.data(), table.data() + 4 * half, positions.data(), rows, heads, 2 * half});
      kernels.gate({gated.data(), stride, rows, columns, bert::Activation::silu});
      kernels.rms_norm({gated.data(), stride, turned.data(), nullptr, normed.data(), stride, rows, columns, T(1e-5)});
      for (const auto& more : {gated, normed}) turned.insert(turned.end(), more.begin(), more.end());
      return turned;
    };
    const std::vector<double> exact = run(bert::default_kernels<double>());
    for (const Table<float>* kernels : all_kernels()) {
      INFO(kernels->name << ", heads of " << 2 * half);
      const std::vector<float> seen = run(*kernels);
      CHECK(difference(seen, run(*all_kernels()[0])) == "");
      Errors errors;
      errors.add(std::span<const float>(seen), std::span<const double>(exact));
      CHECK(errors.relative() < 1e-6);
    }
  }
}

TEST_CASE("the operations of causal models stay inside their operands", "[kernels][guard]") {
  for (const Table<float>* kernels : all_kernels())
    for (const Flush flush : {Flush::begin, Flush::end})
      for (std::size_t length : {1, 7, 17, 33})
        for (std::size_t size : {2, 12, 16, 34}) {
          const auto guarded = [&](std::size_t count) {
            return Guarded<float>(std::vector<float>(count, 0.5f), flush);
          };
          auto q = guarded(length * size), k = guarded(length * size), v = guarded(length * size);
          auto out = guarded(length * size), cache = guarded(kernels->cache_size(length, size));
          auto scratch = guarded(kernels->causal_scratch(length, size)), angles = guarded(length * size / 2);
          Guarded<std::int32_t> positions(std::vector<std::int32_t>(length, static_cast<std::int32_t>(length) - 1),
                                          flush);
          kernels->rotate({q.data(), size, angles.data(), angles.data(), positions.data(), length, 1, size});
          kernels->cache({k.data(), v.data(), size, 0, length, size, length, cache.data()});
          kernels->causal_attention(
              {q.data(), size, cache.data(), out.data(), size, 0, length, size, length, 0.3f, nullptr, scratch.data()});
          kernels->gate({k.data(), size, length, size / 2, bert::Activation::gelu});
          kernels->rms_norm({q.data(), size, v.data(), nullptr, out.data(), size, length, size, 1e-5f});
          CHECK(std::isfinite(out.data()[0]));
        }
}
