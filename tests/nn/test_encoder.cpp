// Attention, feed-forward, encoder layer, embeddings and poolers alone, against the double oracle; in double
// (reference) and in float on every instruction set, on teams of every size.
#include "support/blocks.h"

using namespace bert;
using namespace tests;

namespace {

/// Sequences of a batch for attention: [0, 5), [5, 6), [6, 29).
const std::vector<std::size_t> offsets{0, 5, 6, 29};

template <class T>
oracle::Matrix exact_attention(const Dense<T>& qkv, std::size_t heads, const oracle::Matrix& x,
                               std::vector<oracle::Matrix>* probabilities = nullptr) {
  const oracle::Matrix projected = qkv(x);
  const Eigen::Index hidden = x.cols(), size = hidden / static_cast<Eigen::Index>(heads);
  oracle::Matrix context(x.rows(), hidden);
  for (std::size_t b = 0; b + 1 < offsets.size(); ++b)
    for (Eigen::Index head = 0; head < static_cast<Eigen::Index>(heads); ++head) {
      const auto first = static_cast<Eigen::Index>(offsets[b]),
                 length = static_cast<Eigen::Index>(offsets[b + 1]) - first;
      const auto part = [&](Eigen::Index which) {
        return oracle::Matrix(projected.block(first, which * hidden + head * size, length, size));
      };
      oracle::Matrix p;
      context.block(first, head * size, length, size) = oracle::attention(part(0), part(1), part(2), &p);
      if (probabilities) probabilities->push_back(p);
    }
  return context;
}

}  // namespace

TEMPLATE_TEST_CASE("self-attention looks at its own sequence only, and shows its probabilities", "[nn][attention]",
                   float, double) {
  for (const KernelTable<TestType>* kernels : tables<TestType>())
    for (std::size_t heads : {1, 4, 6}) {
      const std::size_t hidden = 48, tokens = offsets.back(), longest = 23;
      Dense<TestType> qkv(3 * hidden, hidden, 6, *kernels);
      const SelfAttention<TestType> attention{heads, std::move(qkv.layer)};
      CHECK((attention.hidden_size() == hidden && attention.head_size() == hidden / heads));
      const Matrix<TestType> x = random_matrix<TestType>(tokens, hidden, 7);
      Matrix<TestType> projected(tokens, 3 * hidden), context(tokens, hidden);
      Tensor<TestType, 2> scratch({5, (attention.scratch_size(longest) + 15) / 16 * 16});
      AttentionProbabilities<TestType> seen;
      for (std::size_t length : {5, 1, 23}) seen.emplace_back(Shape<3>{heads, length, length});
      same_for_any_team(context, [&](const Team& team) {
        attention.forward(team, view(x), offsets, view(projected), scratch, view(context), seen.data());
      });
      std::vector<oracle::Matrix> probabilities;
      CHECK(close(context, exact_attention(qkv, heads, x.template cast<double>(), &probabilities)));
      for (std::size_t b = 0; b < 3; ++b)
        for (std::size_t head = 0; head < heads; ++head) {
          const std::size_t length = seen[b].shape()[1];
          const Matrix<TestType> p =
              Eigen::Map<Matrix<TestType>>(seen[b].data() + head * length * length, length, length);
          CHECK(close(p, probabilities[b * heads + head]));
        }
      const Matrix<TestType> looked = context;  // the same bits when nobody looks
      same_for_any_team(context, [&](const Team& team) {
        attention.forward(team, view(x), offsets, view(projected), scratch, view(context));
      });
      CHECK(context == looked);
    }
}

TEMPLATE_TEST_CASE("a feed-forward network is down(gelu(up(x))) + x", "[nn][feed_forward]", float, double) {
  for (const KernelTable<TestType>* kernels : tables<TestType>()) {
    Dense<TestType> up(80, 48, 1, *kernels), down(48, 80, 3, *kernels);
    const FeedForward<TestType> block{std::move(up.layer), std::move(down.layer), Activation::gelu};
    const Matrix<TestType> x = random_matrix<TestType>(17, 48, 5);
    Matrix<TestType> intermediate(17, 80), out(17, 48);
    same_for_any_team(out, [&](const Team& team) { block.forward(team, view(x), view(intermediate), view(out)); });
    const oracle::Matrix in = x.template cast<double>();
    CHECK(close(out, down(oracle::activation<Activation::gelu>(up(in))) + in));
  }
}

TEMPLATE_TEST_CASE("an encoder layer is attention and feed-forward, each with residual and norm", "[nn][encoder]",
                   float, double) {
  for (const KernelTable<TestType>* kernels : tables<TestType>()) {
    const std::size_t hidden = 48, heads = 4, tokens = offsets.back(), longest = 23;
    for (std::size_t intermediate : {80, 400}) {  // narrower and wider than q, k, v and the context together
      Dense<TestType> qkv(3 * hidden, hidden, 1, *kernels), output(hidden, hidden, 3, *kernels),
          up(intermediate, hidden, 5, *kernels), down(hidden, intermediate, 7, *kernels);
      Norm<TestType> first(hidden, 9, *kernels), second(hidden, 11, *kernels);
      const EncoderLayer<TestType> layer{{heads, std::move(qkv.layer)},
                                         std::move(output.layer),
                                         std::move(first.layer),
                                         {std::move(up.layer), std::move(down.layer), Activation::relu},
                                         std::move(second.layer)};
      const Matrix<TestType> in = random_matrix<TestType>(tokens, hidden, 13);
      Matrix<TestType> x;
      const auto run = [&](int threads) {
        using Buffers = typename EncoderLayer<TestType>::Buffers;
        Arena counting;
        Buffers(counting, layer, tokens, longest, static_cast<std::size_t>(threads), false);
        Workspace workspace;
        Arena arena(workspace.reserve(counting.bytes()));
        const Buffers buffers(arena, layer, tokens, longest, static_cast<std::size_t>(threads), false);
        x = in;
        Threads(threads).run([&](const Team& team) { layer.forward(team, view(x), offsets, buffers); });
        return x;
      };
      const oracle::Matrix exact_in = in.template cast<double>(),
                           attended = first(output(exact_attention(qkv, heads, exact_in)) + exact_in);
      const Matrix<TestType> alone = run(1);
      CHECK(close(alone, second(down(oracle::activation<Activation::relu>(up(attended))) + attended), 4));
      for (int threads : {2, 3, 5}) CHECK(run(threads) == alone);
    }
  }
}

TEMPLATE_TEST_CASE("embeddings are the norm of word + type + position, from packed and plain tables", "[nn][embedding]",
                   float, double) {
  for (const KernelTable<TestType>* kernels : tables<TestType>())
    for (bool row_major : {false, true}) {
      const Matrix<TestType> word = random_matrix<TestType>(70, 33, 1), type = random_matrix<TestType>(2, 33, 2),
                             position = random_matrix<TestType>(9, 33, 3);
      Norm<TestType> norm(33, 4, *kernels);
      BertEmbeddings<TestType> embeddings;
      embeddings.word = PackedMatrix<TestType>(70, 33, *kernels, row_major ? Packing::row_major : Packing::panels);
      embeddings.word.set_rows(0, view(word));
      embeddings.position = Tensor<TestType, 2>({9, 33});
      embeddings.token_type = Tensor<TestType, 2>({2, 33});
      std::copy(position.data(), position.data() + position.size(), embeddings.position.data());
      std::copy(type.data(), type.data() + type.size(), embeddings.token_type.data());
      embeddings.layer_norm = std::move(norm.layer);
      PackedBatch batch;
      const std::int32_t first[] = {0, 69, 16, 31, 32, 15}, types[] = {0, 1, 1, 0, 0, 1}, second[] = {64, 5, 48};
      batch.add(first, types);
      batch.add(second);
      Matrix<TestType> out(9, 33);
      same_for_any_team(out, [&](const Team& team) {
        embeddings.forward(team, batch.ids, batch.type_ids, batch.positions, view(out));
      });
      oracle::Matrix sum(9, 33);
      for (Eigen::Index t = 0; t < 9; ++t) {
        const auto i = static_cast<std::size_t>(t);
        sum.row(t) = word.row(batch.ids[i]).template cast<double>() +
                     type.row(batch.type_ids[i]).template cast<double>() +
                     position.row(t < 6 ? t : t - 6).template cast<double>();
      }
      CHECK(close(out, norm(sum)));
    }
}

TEMPLATE_TEST_CASE("the pooler is tanh of a dense layer on each sequence's first row", "[nn][pooler]", float, double) {
  for (const KernelTable<TestType>* kernels : tables<TestType>()) {
    Dense<TestType> dense(48, 48, 1, *kernels);
    const Pooler<TestType> pooler{std::move(dense.layer)};
    const Matrix<TestType> x = random_matrix<TestType>(offsets.back(), 48, 3);
    Matrix<TestType> first(3, 48), out(3, 48);
    same_for_any_team(out, [&](const Team& team) { pooler.forward(team, view(x), offsets, view(first), view(out)); });
    oracle::Matrix rows(3, 48);
    rows << x.row(0).template cast<double>(), x.row(5).template cast<double>(), x.row(6).template cast<double>();
    CHECK(close(out, oracle::activation<Activation::tanh>(dense(rows))));
  }
}

TEMPLATE_TEST_CASE("pool makes one sentence vector by each rule", "[nn][pooler]", float, double) {
  for (const KernelTable<TestType>* kernels : tables<TestType>()) {
    const Matrix<TestType> x = random_matrix<TestType>(13, 33, 3);
    const oracle::Matrix exact = x.template cast<double>();
    Matrix<TestType> out(1, 33);
    const auto pooled = [&](PoolingMode mode, bool normalize) {
      pool(mode, normalize, view(x), std::span<TestType>(out.data(), 33), *kernels);
      return out;
    };
    CHECK(close(pooled(PoolingMode::cls, false), exact.row(0)));
    CHECK(close(pooled(PoolingMode::last, false), exact.row(12)));
    CHECK(close(pooled(PoolingMode::mean, false), exact.colwise().mean()));
    CHECK(close(pooled(PoolingMode::max, false), exact.colwise().maxCoeff()));
    CHECK(close(pooled(PoolingMode::mean, true), exact.colwise().mean().normalized()));
    CHECK(close(pooled(PoolingMode::cls, true), exact.row(0).normalized()));
  }
}
