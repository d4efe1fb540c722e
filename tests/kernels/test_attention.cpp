// Attention of one head: the contract to the bit, accuracy against Eigen, slices of rows, probabilities.
#include "support/catch.h"
#include "support/contract.h"
#include "support/kernel_cases.h"
#include "support/matrix.h"
#include "support/oracle.h"

#include <memory>

using namespace tests;
using Kernels = bert::KernelTable<float>;

namespace {

/// q, k and v side by side in rows of `stride`, as the fused projection leaves them, one element off alignment.
struct Problem {
  std::size_t length, size, stride, out_stride;
  std::vector<float> qkv;
  float scale;

  Problem(std::size_t tokens, std::size_t head_size, std::uint64_t seed, double spread = 1)
      : length(tokens),
        size(head_size),
        stride(3 * head_size + 1),
        out_stride(head_size + 3),
        qkv(random_values(tokens * stride + 1, seed, spread)),
        scale(1 / std::sqrt(static_cast<float>(head_size))) {}
  const float* q() const { return qkv.data() + 1; }
  const float* k() const { return q() + size; }
  const float* v() const { return k() + size; }

  struct Result {
    std::vector<float> out, probabilities;
  };
  Result run(const Kernels& kernels, std::size_t begin, std::size_t end, bool look = true) const {
    Result r{std::vector<float>(length * out_stride, canary), std::vector<float>(look ? length * length : 0, canary)};
    std::vector<float> scratch(kernels.attention_scratch(length, size) + 15);
    for (float& x : scratch) x = std::numeric_limits<float>::quiet_NaN();  // whatever was there before
    void* aligned = scratch.data();
    std::size_t space = scratch.size() * sizeof(float);
    std::align(64, space - 60, aligned, space);
    kernels.attention({q(), k(), v(), stride, r.out.data(), out_stride, length, size, begin, end, scale,
                       look ? r.probabilities.data() : nullptr, static_cast<float*>(aligned)});
    return r;
  }

  static constexpr float canary = 12345;
};

std::string name(const Kernels& kernels, const Problem& p) {
  return bert::concat(kernels.name, ", ", p.length, " tokens of ", p.size);
}

}  // namespace

TEST_CASE("attention keeps the numerics contract to the bit at every edge, on every ISA", "[kernels][attention]") {
  for (std::size_t length : length_edges)
    for (std::size_t size : head_edges) {
      if (length > 100 && size > 17 && size != 64) continue;
      const Problem p(length, size, length * 100 + size);
      for (const Kernels* kernels : all_kernels()) {
        const Problem::Result result = p.run(*kernels, 0, length);
        INFO(name(*kernels, p));
        for (std::size_t i = 0; i<length; i += length> 100 ? 16 : 1) {
          const contract::AttentionRow row =
              contract::attention_row(*kernels, p.q() + i * p.stride, p.k(), p.v(), p.stride, length, size, p.scale);
          const float *out = result.out.data() + i * p.out_stride, *look = result.probabilities.data() + i * length;
          REQUIRE(difference(std::vector<float>(out, out + size), row.out) == "");
          REQUIRE(difference(std::vector<float>(look, look + length), row.probabilities) == "");
          REQUIRE(out[size] == Problem::canary);
        }
        // every row, not only those compared above
        REQUIRE(difference(result.out, p.run(*all_kernels()[0], 0, length).out) == "");
      }
    }
}

// Scores q k are sums of D products of deviation about 1.3, so their rounding error moves p by a few 1e-7 of itself;
// p sums to 1 and |v| < 4.6: 4e-6 absolute holds with room, and a wrong scale or a lost key misses it by far.
TEST_CASE("attention matches an Eigen double softmax(q k^T / sqrt(D)) v, on every ISA", "[kernels][attention]") {
  for (const AttentionCase& c : {AttentionCase{1, 32}, AttentionCase{17, 12}, AttentionCase{128, 32},
                                 AttentionCase{128, 64}, AttentionCase{300, 64}}) {
    const Problem p(c.length, c.head_size, c.length);
    const auto part = [&](const float* x) { return oracle::matrix(x, p.length, p.size, p.stride); };
    oracle::Matrix probabilities;
    const oracle::Matrix exact = oracle::attention(part(p.q()), part(p.k()), part(p.v()), &probabilities);
    for (const Kernels* kernels : all_kernels()) {
      const Problem::Result r = p.run(*kernels, 0, p.length);
      INFO(name(*kernels, p));
      CHECK((oracle::matrix(r.out.data(), p.length, p.size, p.out_stride) - exact).cwiseAbs().maxCoeff() < 4e-6);
      CHECK((oracle::matrix(r.probabilities, p.length, p.length) - probabilities).cwiseAbs().maxCoeff() < 2e-6);
    }
  }
}

TEST_CASE("attention over a range of query rows writes those rows only, with the same bits", "[kernels][attention]") {
  const Problem p(37, 33, 4);
  for (const Kernels* kernels : all_kernels()) {
    const Problem::Result whole = p.run(*kernels, 0, p.length);
    for (std::size_t begin : {0, 1, 6, 36})
      for (std::size_t end : {0, 1, 7, 20, 37}) {
        if (end < begin) continue;
        const Problem::Result part = p.run(*kernels, begin, end);
        std::vector<float> out(whole.out.size(), Problem::canary), look(whole.probabilities.size(), Problem::canary);
        for (std::size_t i = begin; i < end; ++i) {
          std::copy_n(whole.out.data() + i * p.out_stride, p.size, out.data() + i * p.out_stride);
          std::copy_n(whole.probabilities.data() + i * p.length, p.length, look.data() + i * p.length);
        }
        INFO(kernels->name << " rows " << begin << " to " << end);
        REQUIRE(difference(part.out, out) == "");
        REQUIRE(difference(part.probabilities, look) == "");
      }
    CHECK(difference(p.run(*kernels, 0, p.length, false).out, whole.out) == "");  // whether or not anybody looks
  }
}

TEST_CASE("attention survives scores so far apart that all but one probability vanish", "[kernels][attention]") {
  const Problem p(33, 16, 8, 60);  // scores of some thousands
  oracle::Matrix probabilities;
  const auto part = [&](const float* x) { return oracle::matrix(x, p.length, p.size, p.stride); };
  const oracle::Matrix exact = oracle::attention(part(p.q()), part(p.k()), part(p.v()), &probabilities);
  for (const Kernels* kernels : all_kernels()) {
    const Problem::Result r = p.run(*kernels, 0, p.length);
    // Scores near 1e4 carry rounding errors of 1e-3, and so do probabilities that are neither 0 nor 1.
    CHECK((oracle::matrix(r.probabilities, p.length, p.length) - probabilities).cwiseAbs().maxCoeff() < 5e-3);
    CHECK(difference(r.out, p.run(*all_kernels()[0], 0, p.length).out) == "");
    for (std::size_t i = 0; i < p.length; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < p.length; ++j) sum += r.probabilities[i * p.length + j];
      CHECK(std::fabs(sum - 1) < 1e-6);
    }
  }
}
