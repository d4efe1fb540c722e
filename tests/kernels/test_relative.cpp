// Attention that sees keys at their distance: equal bits on every ISA, the definition's numbers in double.
#include "support/catch.h"
#include "support/guard_page.h"
#include "support/kernel_cases.h"
#include "support/matrix.h"

#include <bert/core/tensor.h>

using namespace tests;
template <class T>
using Table = bert::KernelTable<T>;

namespace {

/// Queries, keys and values of one head with all that is added to their products; `longest` distances are given, of
/// which these tokens need the middle.
template <class T>
struct Problem {
  std::size_t length, keys, size, longest, stride = 3 * size + 2;
  std::vector<T> qkv, distances, biases, segments;
  std::vector<std::int32_t> types;

  Problem(std::size_t tokens, std::size_t seen, std::size_t head_size, std::size_t most)
      : length(tokens), keys(seen), size(head_size), longest(most) {
    const auto fill = [&](std::vector<T>& to, std::size_t count, std::size_t seed) {
      for (float x : random_values<float>(count, seed + length * 10 + size)) to.push_back(static_cast<T>(x));
    };
    fill(qkv, length * stride, 1000), fill(distances, 2 * longest * size, 2000);
    fill(biases, 3 * size, 3000), fill(segments, 2 * size, 4000);
    for (std::size_t i = 0; i < length; ++i) types.push_back(static_cast<std::int32_t>(i % 5 / 3));
  }

  std::vector<T> run(const Table<T>& kernels, bool one_type, std::vector<T>* probabilities = nullptr) const {
    const std::size_t panel = kernels.panel_width, rows = (2 * longest + panel - 1) / panel * panel;
    auto packed = bert::make_aligned<T>(rows * size), two = bert::make_aligned<T>((panel + 1) / 2 * 2 * size);
    std::fill_n(packed.get(), rows * size, T{}), std::fill_n(two.get(), (panel + 1) / 2 * 2 * size, T{});
    kernels.pack({distances.data(), size, 0, 2 * longest, size, packed.get()});
    kernels.pack({segments.data(), size, 0, 2, size, two.get()});
    const std::size_t space = kernels.relative_scratch(length, size);
    auto scratch = bert::make_aligned<T>(space);
    std::fill_n(scratch.get(), space, std::numeric_limits<T>::quiet_NaN());
    std::vector<T> out(length * size);
    kernels.relative_attention({qkv.data(), qkv.data() + size, qkv.data() + 2 * size, stride, out.data(), size, length,
                                keys, size, packed.get(), longest, biases.data(), biases.data() + size,
                                biases.data() + 2 * size, two.get(), one_type ? nullptr : types.data(), scale(),
                                probabilities ? probabilities->data() : nullptr, scratch.get()});
    return out;
  }
  T scale() const { return T(1) / std::sqrt(static_cast<T>(size)); }
};

}  // namespace

TEST_CASE("relative attention has the scalar path's bits on every ISA", "[kernels][relative]") {
  for (std::size_t length : {1, 2, 7, 15, 16, 33, 64, 65, 130, 300})
    for (std::size_t size : {1, 6, 12, 16, 17, 64, 80, 260})
      for (std::size_t unseen : {0, 1}) {
        if (unseen == length || (length > 70 && size != 12 && size != 64)) continue;
        for (bool one_type : {true, false}) {
          const Problem<float> p(length, length - unseen, size, length + 13);
          std::vector<float> shown(length * length), other(length * length);
          const std::vector<float> expected = p.run(*all_kernels()[0], one_type, &shown);
          for (const Table<float>* kernels : all_kernels()) {
            INFO(kernels->name << ", " << length << " tokens of " << size << ", " << unseen << " unseen");
            CHECK(difference(p.run(*kernels, one_type, &other), expected) == "");
            CHECK(difference(other, shown) == "");
          }
        }
      }
}

TEST_CASE("relative attention's bits do not depend on how many distances there are", "[kernels][relative]") {
  for (const Table<float>* kernels : all_kernels())
    for (std::size_t length : {5, 40}) {
      const Problem<float> few(length, length, 12, length);
      Problem<float> many(length, length, 12, length + 29);
      std::copy(few.distances.begin(), few.distances.end(), many.distances.begin() + 29 * 12);
      INFO(kernels->name << ", " << length << " tokens");
      many.biases = few.biases, many.segments = few.segments;
      CHECK(difference(many.run(*kernels, false), few.run(*kernels, false)) == "");
    }
}

TEST_CASE("relative attention is the softmax of its three terms", "[kernels][relative]") {
  for (std::size_t unseen : {0, 1})
    for (bool one_type : {true, false}) {
      const std::size_t length = 40, size = 12, keys = length - unseen;
      const Problem<float> p(length, keys, size, 50);
      const Problem<double> exact(length, keys, size, 50);
      std::vector<float> shown(length * length);
      const std::vector<float> seen = p.run(*all_kernels().back(), one_type, &shown);
      const auto q = [&](std::size_t i, std::size_t d, std::size_t bias) {
        return exact.qkv[i * exact.stride + d] + exact.biases[bias * size + d];
      };
      for (std::size_t i = 0; i < length; ++i) {
        std::vector<double> e(keys), out(size);
        double sum = 0;
        for (std::size_t j = 0; j < keys; ++j) {
          const std::size_t other = !one_type && exact.types[i] != exact.types[j] ? 1 : 0;
          double score = 0;
          for (std::size_t d = 0; d < size; ++d)
            score += q(i, d, 0) * exact.qkv[j * exact.stride + size + d] +
                     q(i, d, 1) * exact.distances[(50 + j - i) * size + d] +
                     q(i, d, 2) * exact.segments[other * size + d];
          sum += e[j] = std::exp(score * exact.scale());
        }
        for (std::size_t j = 0; j < keys; ++j) {
          REQUIRE(std::fabs(static_cast<double>(shown[i * length + j]) - e[j] / sum) < 3e-6);
          for (std::size_t d = 0; d < size; ++d) out[d] += e[j] / sum * exact.qkv[j * exact.stride + 2 * size + d];
        }
        for (std::size_t j = keys; j < length; ++j) REQUIRE(shown[i * length + j] == 0);
        for (std::size_t d = 0; d < size; ++d)
          REQUIRE(std::fabs(static_cast<double>(seen[i * size + d]) - out[d]) < 1e-5);
      }
      Errors errors;
      const std::vector<double> reference = exact.run(bert::default_kernels<double>(), one_type);
      errors.add(std::span<const float>(seen), std::span<const double>(reference));
      CHECK(errors.relative() < 5e-6);
    }
}

TEST_CASE("relative attention stays inside its operands", "[kernels][guard]") {
  for (const Table<float>* kernels : all_kernels())
    for (const Flush flush : {Flush::begin, Flush::end})
      for (std::size_t length : {2, 7, 17, 33})
        for (std::size_t size : {1, 12, 16, 34}) {
          const auto guarded = [&](std::size_t count) {
            return Guarded<float>(std::vector<float>(count, 0.5f), flush);
          };
          const std::size_t panel = kernels->panel_width, rows = (2 * length + panel - 1) / panel * panel;
          auto q = guarded(length * size), k = guarded((length - 1) * size), v = guarded((length - 1) * size);
          auto out = guarded(length * size), distances = guarded(rows * size), bias = guarded(size);
          auto segments = guarded(panel * size), probabilities = guarded(length * length);
          auto scratch = guarded(kernels->relative_scratch(length, size));
          std::vector<std::int32_t> kinds(length, 1);
          kinds[0] = 0;
          Guarded<std::int32_t> types(kinds, flush);
          kernels->relative_attention({q.data(), k.data(), v.data(), size, out.data(), size, length, length - 1, size,
                                       distances.data(), length, bias.data(), bias.data(), bias.data(), segments.data(),
                                       types.data(), 0.3f, probabilities.data(), scratch.data()});
          CHECK(std::isfinite(out.data()[0]));
        }
}
