// The operations of training: the same bits on every ISA, and close to the plain templates in double.
#include "support/catch.h"
#include "support/kernel_cases.h"
#include "support/matrix.h"

#include <bert/core/rng.h>
#include <bert/core/tensor.h>
#include <bert/train/kernels.h>

using namespace tests;
using bert::kernels::DropoutMask;

namespace {

const auto& exact = bert::kernels::reference::training_table<double>();

std::vector<double> widened(const std::vector<float>& x) { return {x.begin(), x.end()}; }

/// run(kernels, training, out) on every ISA leaves the same bits; returns them.
template <class Run>
std::vector<float> same_on_all(std::size_t count, const Run& run) {
  std::vector<float> first;
  for (const auto* kernels : all_kernels()) {
    std::vector<float> out(count, 12345);
    run(*kernels, bert::training_kernels(*kernels), out.data());
    INFO(kernels->name);
    if (first.empty()) first = out;
    REQUIRE(difference(out, first) == "");
  }
  return first;
}

/// Errors relative to the largest of the expected numbers.
void check_close(const std::vector<float>& values, const std::vector<double>& expected, double tolerance) {
  Errors errors;
  errors.add(std::span<const float>(values), std::span<const double>(expected));
  CHECK(errors.largest <= tolerance * std::max(errors.reference, 1e-6));
}

/// Memory aligned for scratch.
template <class T>
bert::AlignedArray<T> scratch(std::size_t count) {
  return bert::make_aligned<T>(count);
}

}  // namespace

TEST_CASE("training: transposed and column-packed matrices multiply as they should, on every ISA",
          "[kernels][training]") {
  for (std::size_t rows : row_edges)
    for (std::size_t columns : {1, 15, 16, 17, 33, 65}) {
      const std::vector<float> x = random_values(rows * columns, rows * 100 + columns);
      const auto turned = same_on_all(rows * columns, [&](const auto&, const auto& training, float* out) {
        training.transpose({x.data(), columns, rows, columns, out, rows});
      });
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < columns; ++c) REQUIRE(turned[c * rows + r] == x[r * columns + c]);
      const std::size_t m = 5;
      const std::vector<float> a = random_values(m * rows, 9);
      const auto product = same_on_all(m * columns, [&](const auto& kernels, const auto& training, float* out) {
        const std::size_t panels = (columns + kernels.panel_width - 1) / kernels.panel_width;
        const auto packed = scratch<float>(panels * kernels.panel_width * rows);
        training.pack_columns({x.data(), columns, rows, columns, 0, panels, packed.get()});
        kernels.gemm({a.data(), rows, packed.get(), nullptr, nullptr, 0, out, columns, m, columns, rows, 0, panels,
                      bert::Activation::linear});
      });
      std::vector<double> expected(m * columns, 0.0);
      for (std::size_t i = 0; i < m; ++i)
        for (std::size_t k = 0; k < rows; ++k)
          for (std::size_t c = 0; c < columns; ++c)
            expected[i * columns + c] += static_cast<double>(a[i * rows + k]) * static_cast<double>(x[k * columns + c]);
      check_close(product, expected, 1e-6);
    }
}

TEST_CASE("training: sums of columns go by blocks of 64 rows, on every ISA", "[kernels][training]") {
  for (std::size_t rows : {1, 63, 64, 65, 129})
    for (std::size_t columns : count_edges) {
      const std::vector<float> x = random_values(rows * columns, rows + columns);
      const std::size_t blocks = (rows + 63) / 64;
      const auto sums = same_on_all(blocks * columns, [&](const auto&, const auto& training, float* out) {
        training.column_sums({x.data(), columns, rows, columns, out, columns});
      });
      std::vector<double> expected(blocks * columns);
      exact.column_sums({widened(x).data(), columns, rows, columns, expected.data(), columns});
      check_close(sums, expected, 1e-6);
      if (rows == 1) CHECK(difference(sums, x) == "");
    }
}

TEST_CASE("training: derivatives of activations match double, on every ISA", "[kernels][training]") {
  for (const auto& [name, kind] :
       std::vector<std::pair<const char*, bert::Activation>>{{"linear", bert::Activation::linear},
                                                             {"gelu", bert::Activation::gelu},
                                                             {"gelu_tanh", bert::Activation::gelu_tanh},
                                                             {"quick_gelu", bert::Activation::quick_gelu},
                                                             {"relu", bert::Activation::relu},
                                                             {"relu2", bert::Activation::relu2},
                                                             {"relu6", bert::Activation::relu6},
                                                             {"silu", bert::Activation::silu},
                                                             {"tanh", bert::Activation::tanh},
                                                             {"sigmoid", bert::Activation::sigmoid}})
    for (std::size_t count : count_edges) {
      const std::vector<float> x = random_values(count, count, 3);
      const auto slopes = same_on_all(count, [&, kind = kind](const auto&, const auto& training, float* out) {
        std::fill_n(out, count, 1.0f);
        training.activation_backward(kind, x.data(), out, count);
      });
      std::vector<double> expected(count, 1.0);
      exact.activation_backward(kind, widened(x).data(), expected.data(), count);
      INFO(name);
      Errors errors;  // absolute: exponents reach 20, of which half a unit in the last place is 1e-6 of e^u
      errors.add(std::span<const float>(slopes), std::span<const double>(expected));
      CHECK(errors.largest <= 4e-6);
    }
}

TEST_CASE("training: layer norm backward matches double, on every ISA", "[kernels][training]") {
  for (std::size_t rows : {1, 3, 65})
    for (std::size_t columns : {1, 2, 15, 16, 17, 33, 48, 257, 384}) {
      const std::size_t all = rows * columns, blocks = (rows + 63) / 64;
      const std::vector<float> x = random_values(all, 1), gamma = random_values(columns, 2), dy = random_values(all, 3);
      const auto out = same_on_all(all + 2 * blocks * columns, [&](const auto&, const auto& training, float* to) {
        training.layer_norm_backward({x.data(), columns, gamma.data(), dy.data(), columns, to, columns, rows, columns,
                                      1e-3f, to + all, to + all + blocks * columns, columns});
      });
      std::vector<double> expected(out.size());
      exact.layer_norm_backward({widened(x).data(), columns, widened(gamma).data(), widened(dy).data(), columns,
                                 expected.data(), columns, rows, columns, 1e-3, expected.data() + all,
                                 expected.data() + all + blocks * columns, columns});
      if (columns > 2) check_close(out, expected, 1e-5);  // of two numbers nothing but their sign is left
    }
}

TEST_CASE("training: RMS norm backward matches double, on every ISA", "[kernels][training]") {
  for (std::size_t rows : {1, 3, 65})
    for (std::size_t columns : {1, 2, 15, 16, 17, 33, 48, 257, 384}) {
      const std::size_t all = rows * columns, blocks = (rows + 63) / 64;
      const std::vector<float> x = random_values(all, 1), gamma = random_values(columns, 2), dy = random_values(all, 3);
      const auto out = same_on_all(all + blocks * columns, [&](const auto&, const auto& training, float* to) {
        training.rms_norm_backward({x.data(), columns, gamma.data(), dy.data(), columns, to, columns, rows, columns,
                                    1e-3f, to + all, nullptr, columns});
      });
      std::vector<double> expected(out.size());
      exact.rms_norm_backward({widened(x).data(), columns, widened(gamma).data(), widened(dy).data(), columns,
                               expected.data(), columns, rows, columns, 1e-3, expected.data() + all, nullptr, columns});
      if (columns > 1) check_close(out, expected, 1e-5);  // of one number nothing but its sign is left
    }
}

TEST_CASE("training: the gradient through a gate matches double, on every ISA", "[kernels][training]") {
  for (bert::Activation kind : {bert::Activation::silu, bert::Activation::gelu, bert::Activation::relu})
    for (std::size_t columns : count_edges) {
      const std::size_t rows = 3, stride = 2 * columns + 1;
      const std::vector<float> x = random_values(rows * stride, 1, 3), dy = random_values(rows * columns, 2);
      const auto out = same_on_all(rows * 2 * columns, [&](const auto&, const auto& training, float* to) {
        training.gate_backward({x.data(), stride, dy.data(), columns, to, 2 * columns, rows, columns, kind});
      });
      std::vector<double> expected(out.size());
      exact.gate_backward(
          {widened(x).data(), stride, widened(dy).data(), columns, expected.data(), 2 * columns, rows, columns, kind});
      check_close(out, expected, 2e-6);
    }
}

TEST_CASE("training: attention forward and backward match double, on every ISA, with dropout and without",
          "[kernels][training]") {
  const bool causal = GENERATE(false, true);
  for (std::size_t length : {1, 2, 7, 16, 17, 33, 65, 130})
    for (std::size_t size : {1, 8, 17, 32, 64})
      for (std::uint32_t threshold : {0u, 20000u}) {
        const std::size_t all = length * size;
        const std::vector<float> q = random_values(all, 1), k = random_values(all, 2), v = random_values(all, 3);
        const std::vector<float> dout = random_values(all, 4);
        DropoutMask mask;
        mask.key[0] = 5, mask.step = 6, mask.sequence = 7, mask.threshold = threshold;
        const auto fill = [&](auto& args, const auto* qs, const auto* ks, const auto* vs, const auto* douts, auto* out,
                              auto* space) {
          args.q = qs, args.k = ks, args.v = vs, args.dout = douts, args.stride = args.out_stride = size;
          args.out = out, args.dq = out + all, args.dk = out + 2 * all, args.dv = out + 3 * all;
          args.length = length, args.head_size = size, args.mask = mask, args.first_element = 24, args.scratch = space;
          args.scale = 0.3f, args.causal = causal;
        };
        const auto out = same_on_all(4 * all, [&](const auto&, const auto& training, float* to) {
          const auto space = scratch<float>(training.attention_scratch(length, size));
          bert::kernels::TrainingAttentionArgs<float> args{};
          fill(args, q.data(), k.data(), v.data(), dout.data(), to, space.get());
          training.attention(args);
          training.attention_backward(args);
        });
        const auto dq = widened(q), dk = widened(k), dv = widened(v), ddout = widened(dout);
        std::vector<double> expected(4 * all);
        const auto space = scratch<double>(exact.attention_scratch(length, size));
        bert::kernels::TrainingAttentionArgs<double> args{};
        fill(args, dq.data(), dk.data(), dv.data(), ddout.data(), expected.data(), space.get());
        args.scale = static_cast<double>(0.3f);
        exact.attention(args);
        exact.attention_backward(args);
        INFO((causal ? "causal, " : "") << length << " tokens, head size " << size << ", dropout threshold "
                                        << threshold);
        check_close(out, expected, 1e-5);
      }
}

TEST_CASE("training: without dropout, attention is what inference computes, to rounding", "[kernels][training]") {
  const std::size_t length = 37, size = 24, all = length * size;
  const std::vector<float> q = random_values(all, 1), k = random_values(all, 2), v = random_values(all, 3);
  for (const auto* kernels : all_kernels()) {
    const auto& training = bert::training_kernels(*kernels);
    std::vector<float> a(all), b(all);
    const auto space =
        scratch<float>(training.attention_scratch(length, size) + kernels->attention_scratch(length, size));
    kernels->attention(
        {q.data(), k.data(), v.data(), size, a.data(), size, length, size, 0, length, 0.25f, nullptr, space.get()});
    bert::kernels::TrainingAttentionArgs<float> args{};
    args.q = q.data(), args.k = k.data(), args.v = v.data(), args.stride = args.out_stride = size, args.out = b.data();
    args.length = length, args.head_size = size, args.scale = 0.25f, args.scratch = space.get();
    training.attention(args);
    Errors errors;
    errors.add(std::span<const float>(a), std::span<const float>(b));
    CHECK(errors.largest <= 1e-6);  // a few units in the last place: inference divides by the sum at the end
  }
}

TEST_CASE("training: cross entropy matches double, on every ISA, and knows what is right", "[kernels][training]") {
  for (std::size_t count : count_edges) {
    const std::vector<float> x = random_values(count, count, 4);
    const std::size_t label = count / 2;
    std::uint8_t right = 2, expected_right = 3;
    const auto out = same_on_all(count + 1, [&](const auto&, const auto& training, float* to) {
      std::copy(x.begin(), x.end(), to);
      to[count] = training.cross_entropy({to, count, label, 0.5f, &right});
    });
    std::vector<double> expected = widened(x);
    expected.push_back(exact.cross_entropy({expected.data(), count, label, 0.5, &expected_right}));
    Errors errors;  // absolute: logits reach 10, of which half a unit in the last place is 5e-7
    errors.add(std::span<const float>(out), std::span<const double>(expected));
    CHECK(errors.largest <= 2e-6);
    CHECK(right == expected_right);
    CHECK(right == (std::max_element(x.begin(), x.end()) == x.begin() + static_cast<std::ptrdiff_t>(label)));
  }
}

TEST_CASE("training: dropout keeps the rate, scales what it keeps, and depends on the element alone",
          "[kernels][training]") {
  const std::size_t count = 100000;
  DropoutMask mask;
  mask.key[0] = 1, mask.step = 2, mask.site = 3, mask.sequence = 4, mask.threshold = 6554;  // 0.1
  const auto dropped = same_on_all(count, [&](const auto&, const auto& training, float* out) {
    std::fill_n(out, count, 2.0f);
    training.dropout({out, count, 0, mask});
  });
  std::size_t zeros = 0;
  for (float value : dropped) {
    zeros += value == 0;
    if (value != 0) CHECK(value == Approx(2 / (1 - 6554.0 / 65536)));
  }
  CHECK(std::abs(static_cast<double>(zeros) / count - 0.1) < 0.004);  // 4 standard deviations
  std::vector<float> part(16, 2.0f);
  bert::training_kernels(*all_kernels()[0]).dropout({part.data(), 16, 800, mask});
  CHECK(difference(part, std::vector<float>(dropped.begin() + 800, dropped.begin() + 816)) == "");
  for (auto change : {&DropoutMask::step, &DropoutMask::site, &DropoutMask::sequence}) {
    DropoutMask other = mask;
    other.*change += 1;
    std::vector<float> again(count, 2.0f);
    bert::training_kernels(*all_kernels()[0]).dropout({again.data(), count, 0, other});
    std::size_t same = 0;
    for (std::size_t i = 0; i < count; ++i) same += (again[i] == 0) && (dropped[i] == 0);
    CHECK(std::abs(static_cast<double>(same) / count - 0.01) < 0.002);  // independent: 0.1 x 0.1
  }
}

TEST_CASE("training: an AdamW update is the formula's, on every ISA", "[kernels][training]") {
  for (std::size_t count : count_edges) {
    const std::vector<float> p = random_values(count, 1), g = random_values(count, 2), m = random_values(count, 3);
    std::vector<float> v = random_values(count, 4);
    for (float& value : v) value *= value;
    const auto out = same_on_all(3 * count, [&](const auto&, const auto& training, float* to) {
      std::copy(p.begin(), p.end(), to), std::copy(m.begin(), m.end(), to + count);
      std::copy(v.begin(), v.end(), to + 2 * count);
      training.adamw({to, to + count, to + 2 * count, g.data(), count, 0.5f, 0.9f, 0.999f, 1e-6f, 1e-4f, 0.01f, 0.3f});
    });
    std::vector<double> expected(3 * count);
    for (std::size_t i = 0; i < count; ++i) {  // torch/optim/adamw.py, one element
      const double grad = 0.5 * static_cast<double>(g[i]);
      const double first = 0.9 * static_cast<double>(m[i]) + 0.1 * grad;
      const double second = 0.999 * static_cast<double>(v[i]) + 0.001 * grad * grad;
      expected[i] = static_cast<double>(p[i]) * (1 - 1e-4) - 0.01 * first / (std::sqrt(second) / 0.3 + 1e-6);
      expected[count + i] = first, expected[2 * count + i] = second;
    }
    check_close(out, expected, 2e-6);
  }
}

TEST_CASE("Philox gives the published numbers", "[kernels][training]") {
  // Salmon et al. 2011, Random123's known answers for philox4x32-10.
  const auto check = [](std::uint64_t key, bert::Philox::Words counter, bert::Philox::Words expected) {
    CHECK(bert::Philox(key).block(counter[3], counter[2], counter[1], counter[0]) == expected);
    DropoutMask mask;
    mask.key[0] = static_cast<std::uint32_t>(key), mask.key[1] = static_cast<std::uint32_t>(key >> 32);
    mask.step = counter[3], mask.site = counter[2], mask.sequence = counter[1];
    std::uint32_t words[4];
    bert::kernels::philox(mask, counter[0], words);
    CHECK(std::equal(words, words + 4, expected.begin()));
  };
  check(0, {0, 0, 0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  check(~0ull, {~0u, ~0u, ~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  check(0x299f31d0a4093822ull, {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
        {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}
