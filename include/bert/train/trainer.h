// Trainer: takes training steps, whatever is trained for. A step is a pure function of the parameters, the optimiser's
// state and (seed, step): not of threads, instruction set, or whether the run was stopped in between.
//
// What is trained for is a Pass: forward, losses and backward of one gradient shard (PretrainingPass, TaskPass). To add
// an objective, write one with the members that the two have.
#pragma once
#include <bert/io/sha256.h>
#include <bert/train/encoder.h>
#include <bert/train/gradient_tree.h>
#include <bert/train/optimizer.h>
#include <bert/train/trainable.h>

#include <functional>

namespace bert::inline BERT_ABI {

struct TrainOptions {
  std::size_t batch = 16;  // sequences a step
  std::size_t shard = 16;  // sequences a gradient shard: part of what the bits depend on
  LearningRate rate{1e-4, 100, 1000, LearningRate::Shape::linear};
  AdamWOptions adamw;
  std::uint64_t seed = 1;
  Precision precision = Precision::fp32;  // of products; bf16: outside the promise of equal bits on every machine
};

template <class Loss>
struct StepReport {
  std::uint64_t step = 0;  // steps taken, this one included
  Loss loss;
  double rate = 0, gradient_norm = 0;
  std::size_t tokens = 0;
};

template <class Pass>
class Trainer {
 public:
  using T = typename Pass::Scalar;
  using Model = typename Pass::Model;
  using Batch = typename Pass::Batch;
  using Loss = typename Pass::Loss;
  /// Sequences [first, first + count) of the run: a pure function of them.
  using Source = std::function<Batch(std::uint64_t first, std::size_t count)>;

  /// Borrows the model and changes it.
  Trainer(Model& model, TrainOptions options, Source source, const Threads& threads = Threads())
      : model_(&model),
        options_(options),
        source_(std::move(source)),
        threads_(threads),
        state_(model.layout()),
        tree_(model.layout(), training_kernels(model.kernels())),
        partials_(model.layout().size() / norm_block + 1) {
    if (options.batch == 0 || options.shard == 0) fail("a training step needs at least one sequence");
    TrainingProducts<T>(model.kernels(), options.precision);  // or an error
  }

  AdamWState<T>& state() { return state_; }
  const TrainOptions& options() const { return options_; }
  /// Hash of the losses of all steps so far, in order: equal runs have equal curves.
  const std::string& loss_curve() const { return loss_curve_; }
  void set_loss_curve(std::string hash) { loss_curve_ = std::move(hash); }

  /// One update. Throws Error, and changes nothing, when the loss is not a number.
  StepReport<Loss> step();
  /// Losses of batches without dropout.
  Loss evaluate(std::span<const Batch> batches);
  /// Runs a batch forward, without dropout, and calls look(pass), which may read its outputs.
  template <class Look>
  void predict(const Batch& batch, const Look& look);

 private:
  template <class Work>
  void with_pass(const Batch& batch, const Work& work);
  DropoutPlan dropout(const Batch& batch) const {
    return {dropout_rates(model_->config()), options_.seed, static_cast<std::uint32_t>(state_.steps),
            batch.sequence_index};
  }

  Model* model_;
  TrainOptions options_;
  Source source_;
  Threads threads_;
  Workspace workspace_;
  AdamWState<T> state_;
  GradientTree<T> tree_;
  std::vector<double> partials_;
  std::string loss_curve_;
};

template <class Pass>
template <class Work>
void Trainer<Pass>::with_pass(const Batch& batch, const Work& work) {
  const auto pass_over = [&](Arena& arena) {
    return Pass(arena, model_->config(), model_->heads(), batch, static_cast<std::size_t>(threads_.count()),
                model_->kernels(), options_.precision);
  };
  Arena counting;
  pass_over(counting);
  Arena arena(workspace_.reserve(counting.bytes()));
  work(pass_over(arena));
}

template <class Pass>
StepReport<typename Pass::Loss> Trainer<Pass>::step() {
  StepReport<Loss> report;
  std::vector<Batch> shards;
  typename Pass::Counts counts;
  for (std::size_t done = 0; done < options_.batch; done += options_.shard) {
    const std::size_t count = std::min(options_.shard, options_.batch - done);
    shards.push_back(source_(state_.steps * options_.batch + done, count));
    counts.add(shards.back());
    report.tokens += shards.back().tokens.tokens();
  }
  for (const Batch& shard : shards) {
    const std::span<T> gradient = tree_.next();
    with_pass(shard, [&](const Pass& pass) {
      const DropoutPlan plan = dropout(shard);
      threads_.run([&](const Team& team) {
        pass.forward(team, model_->weights(), shard, plan);
        pass.backward(team, model_->weights(), model_->views(gradient), gradient, shard, counts, plan);
      });
      report.loss.add(pass.losses(shard));
    });
    tree_.push(threads_);
  }
  const std::span<const T> gradient = tree_.finish(threads_);
  report.rate = options_.rate.at(state_.steps);
  threads_.run([&](const Team& team) {
    const double norm = gradient_norm<T>(team, model_->kernels(), gradient, partials_);
    if (team.rank() == 0) report.gradient_norm = norm;
  });
  if (!std::isfinite(report.loss.total()) || !std::isfinite(report.gradient_norm))
    fail("step ", state_.steps + 1, ": the loss is ", report.loss.total(), " and the gradient's norm ",
         report.gradient_norm, "; a lower learning rate or a longer warm-up may help");
  report.step = ++state_.steps;
  threads_.run([&](const Team& team) {
    adamw_update<T>(team, training_kernels(model_->kernels()), model_->layout(), options_.adamw, report.rate,
                    report.gradient_norm, gradient, state_, model_->values());
  });
  Sha256 hash;
  hash.update(loss_curve_);
  const auto sums = report.loss.sums();
  hash.update(std::as_bytes(std::span(sums)));
  loss_curve_ = hash.hex();
  return report;
}

template <class Pass>
typename Pass::Loss Trainer<Pass>::evaluate(std::span<const Batch> batches) {
  Loss loss;
  for (const Batch& batch : batches)
    with_pass(batch, [&](const Pass& pass) {
      threads_.run([&](const Team& team) {
        pass.forward(team, model_->weights(), batch, {});
        pass.loss(team, batch);
      });
      loss.add(pass.losses(batch));
    });
  return loss;
}

template <class Pass>
template <class Look>
void Trainer<Pass>::predict(const Batch& batch, const Look& look) {
  with_pass(batch, [&](const Pass& pass) {
    threads_.run([&](const Team& team) { pass.forward(team, model_->weights(), batch, {}); });
    look(pass);
  });
}

}  // namespace bert::inline BERT_ABI
