// TaskPass: fine-tuning's objectives on one gradient shard: classes of a text or a pair, tags of tokens, answers,
// similarity of two texts (Devlin et al. 2019, section 4; transformers BertFor…; Reimers and Gurevych 2019).
//
// Which one it is, the model's heads say (BertHeads). To add one: what it predicts in TaskBatch, and a branch in
// forward(), loss() and backward().
#pragma once
#include <bert/core/session.h>
#include <bert/train/heads.h>
#include <bert/train/kernels.h>
#include <bert/train/trainer.h>

#include <array>

namespace bert::inline BERT_ABI {

/// What a step of fine-tuning reads.
struct TaskBatch {
  PackedBatch tokens;
  std::vector<std::uint32_t> sequence_index;  // [B] numbers in the run
  std::vector<std::int32_t> labels;           // classes: [B]; tags: [M], of the tokens in `rows`
  std::vector<std::size_t> rows;              // tags: tokens that have a label, ascending
  std::vector<std::int32_t> starts, ends;     // answers: [B] each, counted from the sequence's first token
  std::vector<double> scores;                 // similarity: [B / 2], of sequences 2i and 2i + 1, cosines
};

/// Terms of a step's loss, of which a shard holds some.
struct TaskCounts {
  std::size_t terms = 0;
  void add(const TaskBatch& batch) {
    terms += !batch.scores.empty() ? batch.scores.size()
             : !batch.rows.empty() ? batch.rows.size()
                                   : batch.tokens.sequences();
  }
};

struct TaskLoss {
  LossSums sum;
  void add(const TaskLoss& other) { sum.add(other.sum); }
  double total() const { return sum.mean(); }
  std::array<double, 1> sums() const { return {sum.loss}; }
};

template <class T>
class TaskPass {
 public:
  using Scalar = T;
  using Model = TrainableBert<T>;
  using Batch = TaskBatch;
  using Counts = TaskCounts;
  using Loss = TaskLoss;
  using Matrix = TensorView<T, 2>;

  TaskPass(Arena& arena, const BertConfig& config, const BertHeads& heads, const TaskBatch& batch, std::size_t threads,
           const KernelTable<T>& kernels, Precision precision = Precision::fp32)
      : heads_(heads),
        encoder_(arena, config, batch.tokens.tokens(), outputs(heads, batch)),
        classes_(arena, config, heads.classes > 0 ? batch.tokens.sequences() : 0, heads.classes) {
    state_rows_ = encoder_.rows_of(outputs(heads, batch));
    const std::size_t tokens = batch.tokens.tokens(), sequences = batch.tokens.sequences();
    const std::size_t hidden = config.hidden_size, terms = TaskPass::terms(batch);
    const std::size_t rows = heads.tags > 0 ? batch.rows.size() : heads.spans ? tokens : 0;
    rows_ = arena.matrix<T>(heads.tags > 0 ? rows : 0, hidden);
    rows_gradient_ = arena.matrix<T>(rows, hidden);
    logits_ = arena.matrix<T>(rows, heads.tags > 0 ? heads.tags : 2);
    places_ = arena.matrix<T>(heads.spans ? 2 : 0, tokens);
    vectors_ = arena.matrix<T>(heads.similarity ? sequences : 0, hidden);
    losses_ = arena.take<T>(std::max(terms, 2 * sequences));
    right_ = arena.take<std::uint8_t>(std::max(terms, 2 * sequences));
    typename TrainingSpace<T>::Needs needs(kernels, precision);
    EncoderPass<T>::count(needs, config, batch.tokens, training_kernels(kernels));
    PooledHead<T>::count(needs, config, sequences, std::max<std::size_t>(heads.classes, 1));
    needs.linear(rows, std::max<std::size_t>(heads.tags, 2), hidden);
    space_ = TrainingSpace<T>(arena, needs, threads, kernels, training_kernels(kernels));
  }

  void forward(const Team& team, const BertParameters<T>& w, const TaskBatch& batch, const DropoutPlan& dropout) const {
    encoder_.forward(team, space_, w, batch.tokens, dropout);
    const Matrix states = encoder_.states();
    if (heads_.classes > 0)
      classes_.forward(team, space_, w.pooler, w.classifier, batch.tokens, state_rows_, states,
                       dropout.before_class_dense(), dropout.before_classifier());
    if (heads_.tags > 0) {
      gather_rows<T>(team, states, state_rows_, rows_);
      apply_dropout(team, space_, dropout.before_classifier(), batch.tokens.offsets, rows_, batch.rows);
      linear_forward<T>(team, space_, w.classifier.weight, w.classifier.bias, rows_, logits_);
    }
    if (heads_.spans) {
      linear_forward<T>(team, space_, w.spans.weight, w.spans.bias, states, logits_);
      split_places(team);
    }
    if (heads_.similarity) pool_means(team, batch);
  }

  /// Losses of the terms, after forward(); logits become gradients of weight * loss.
  void loss(const Team& team, const TaskBatch& batch, T weight = T(1)) const {
    if (heads_.classes > 0) classes_.loss(team, space_, batch.labels, weight);
    if (heads_.tags > 0) cross_entropy(team, space_, logits_, batch.labels, weight, losses_, right_);
    if (heads_.spans) span_loss(team, batch, weight);
    if (heads_.similarity) similarity_loss(team, batch, weight);
  }

  void backward(const Team& team, const BertParameters<T>& w, const BertParameters<T>& g, std::span<T> array,
                const TaskBatch& batch, const TaskCounts& counts, const DropoutPlan& dropout) const {
    const Matrix dstates = encoder_.gradient();
    clear_gradients(team, array, dstates);
    loss(team, batch, T(1) / static_cast<T>(counts.terms));
    if (heads_.classes > 0)
      classes_.backward(team, space_, w.pooler, w.classifier, g.pooler, g.classifier, batch.tokens, state_rows_,
                        dropout.before_class_dense(), dropout.before_classifier(), dstates);
    if (heads_.tags > 0) {
      linear_backward<T>(team, space_, w.classifier.weight, rows_, logits_, rows_gradient_, {}, g.classifier.weight,
                         g.classifier.bias);
      apply_dropout(team, space_, dropout.before_classifier(), batch.tokens.offsets, rows_gradient_, batch.rows);
      scatter_add_rows<T>(team, space_, rows_gradient_, state_rows_, dstates);
    }
    if (heads_.spans) {
      join_places(team);
      linear_backward<T>(team, space_, w.spans.weight, encoder_.states(), logits_, dstates, {}, g.spans.weight,
                         g.spans.bias);
    }
    if (heads_.similarity) spread_means(team, batch, dstates);
    encoder_.backward(team, space_, w, g, batch.tokens, dropout);
  }

  TaskLoss losses(const TaskBatch& batch) const {
    TaskLoss all;
    if (heads_.classes > 0) {
      all.sum.add(classes_.losses(), classes_.right());
      return all;
    }
    const std::size_t count = terms(batch);
    if (heads_.spans)  // the mean of start and end
      for (std::size_t b = 0; b < count; ++b)
        losses_[b] = (losses_[2 * b] + losses_[2 * b + 1]) / 2, right_[b] = right_[2 * b] & right_[2 * b + 1];
    all.sum.add(std::span<const T>(losses_, count), std::span<const std::uint8_t>(right_, count));
    return all;
  }

  /// After forward(): of each sequence [B, classes], of each token in `rows` [M, tags]; start and end of each token
  /// [2, T]; mean vectors of sequences [B, H].
  Matrix class_logits() const { return classes_.logits(); }
  Matrix tag_logits() const { return logits_; }
  Matrix places() const { return places_; }
  Matrix vectors() const { return vectors_; }

 private:
  static std::size_t terms(const TaskBatch& batch) {
    TaskCounts counts;
    counts.add(batch);
    return counts.terms;
  }

  /// logits [T, 2] <-> places [2, T], where the starts, and the ends, of a sequence lie side by side.
  void split_places(const Team& team) const {
    if (team.rank() == 0)
      for (std::size_t t = 0; t < logits_.rows(); ++t) places_(0, t) = logits_(t, 0), places_(1, t) = logits_(t, 1);
    team.sync();
  }
  void join_places(const Team& team) const {
    if (team.rank() == 0)
      for (std::size_t t = 0; t < logits_.rows(); ++t) logits_(t, 0) = places_(0, t), logits_(t, 1) = places_(1, t);
    team.sync();
  }
  void span_loss(const Team& team, const TaskBatch& batch, T weight) const {
    const Share mine = team.share(batch.tokens.sequences());
    for (std::size_t b = mine.begin; b < mine.end; ++b)
      for (std::size_t side : {0, 1}) {
        const auto& gold = side == 0 ? batch.starts : batch.ends;
        losses_[2 * b + side] =
            space_.training->cross_entropy({places_.row(side) + batch.tokens.offsets[b], batch.tokens.length(b),
                                            static_cast<std::size_t>(gold[b]), weight / 2, right_ + 2 * b + side});
      }
    team.sync();
  }

  void pool_means(const Team& team, const TaskBatch& batch) const {
    const Share mine = team.share(batch.tokens.sequences());
    for (std::size_t b = mine.begin; b < mine.end; ++b)
      space_.kernels->pool({encoder_.states().row(batch.tokens.offsets[b]), encoder_.states().row_stride(),
                            batch.tokens.length(b), vectors_.columns(), PoolingMode::mean, false, vectors_.row(b)});
    team.sync();
  }
  /// loss = (cos(u, v) - score)^2; vectors <- dL/du, dL/dv with dcos/du = (v/|v| - cos u/|u|) / |u|.
  void similarity_loss(const Team& team, const TaskBatch& batch, T weight) const {
    const std::size_t size = vectors_.columns();
    const Share mine = team.share(batch.scores.size());
    const auto& dot = space_.kernels->dot;
    for (std::size_t i = mine.begin; i < mine.end; ++i) {
      T *u = vectors_.row(2 * i), *v = vectors_.row(2 * i + 1);
      const T uu = std::sqrt(dot(u, u, size)), vv = std::sqrt(dot(v, v, size)), cosine = dot(u, v, size) / (uu * vv);
      const T difference = cosine - static_cast<T>(batch.scores[i]), slope = 2 * weight * difference;
      losses_[i] = difference * difference, right_[i] = 0;
      const T uv = 1 / (uu * vv), u2 = cosine / (uu * uu), v2 = cosine / (vv * vv);
      for (std::size_t k = 0; k < size; ++k) {
        const T a = u[k], b = v[k];
        u[k] = slope * std::fma(b, uv, -(a * u2));
        v[k] = slope * std::fma(a, uv, -(b * v2));
      }
    }
    team.sync();
  }
  /// The gradient of a mean is the same for every row: dL/dh_t = dL/du / S.
  void spread_means(const Team& team, const TaskBatch& batch, Matrix dstates) const {
    const Share mine = team.share(batch.tokens.sequences());
    for (std::size_t b = mine.begin; b < mine.end; ++b) {
      const T part = T(1) / static_cast<T>(batch.tokens.length(b));
      for (T& x : vectors_.row_span(b)) x *= part;
      for (std::size_t t = batch.tokens.offsets[b]; t < batch.tokens.offsets[b + 1]; ++t)
        space_.training->add(vectors_.row(b), dstates.row(t), vectors_.columns());
    }
    team.sync();
  }

  /// The tokens whose states are read; empty: all.
  static std::vector<std::size_t> outputs(const BertHeads& heads, const TaskBatch& batch) {
    const auto first = first_tokens(batch.tokens);
    if (heads.classes > 0) return {first.begin(), first.end()};
    return heads.tags > 0 ? batch.rows : std::vector<std::size_t>();
  }

  BertHeads heads_;
  TrainingSpace<T> space_;
  EncoderPass<T> encoder_;
  std::vector<std::size_t> state_rows_;  // of the tokens that classes or tags are read from
  PooledHead<T> classes_;
  Matrix rows_, rows_gradient_, logits_, places_, vectors_;
  T* losses_ = nullptr;
  std::uint8_t* right_ = nullptr;
};

}  // namespace bert::inline BERT_ABI
