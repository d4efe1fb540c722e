// Pretrainer: takes pre-training steps. A step is a pure function of the parameters, the optimiser's state and (seed,
// step): not of threads, instruction set, or whether the run was stopped in between.
#pragma once
#include <bert/io/sha256.h>
#include <bert/train/gradient_tree.h>
#include <bert/train/optimizer.h>
#include <bert/train/pretraining.h>
#include <bert/train/trainable.h>

#include <functional>

namespace bert::inline BERT_ABI {

struct PretrainOptions {
  std::size_t batch = 16;  // sequences a step
  std::size_t shard = 16;  // sequences a gradient shard: part of what the bits depend on
  LearningRate rate{1e-4, 100, 1000, LearningRate::Shape::linear};
  AdamWOptions adamw;
  std::uint64_t seed = 1;
};

/// Sequences [first, first + count) of the run: a pure function of them.
using PretrainingSource = std::function<PretrainingBatch(std::uint64_t first, std::size_t count)>;

struct StepReport {
  std::uint64_t step = 0;  // steps taken, this one included
  PretrainingLoss loss;
  double rate = 0, gradient_norm = 0;
  std::size_t tokens = 0;
};

template <class T>
class Pretrainer {
 public:
  /// Borrows the model and changes it.
  Pretrainer(TrainableBert<T>& model, PretrainOptions options, PretrainingSource source,
             const Threads& threads = Threads())
      : model_(&model),
        options_(options),
        source_(std::move(source)),
        threads_(threads),
        state_(model.layout()),
        tree_(model.layout(), training_kernels(model.kernels())),
        partials_(model.layout().size() / norm_block + 1) {
    if (options.batch == 0 || options.shard == 0) fail("a training step needs at least one sequence");
  }

  AdamWState<T>& state() { return state_; }
  const PretrainOptions& options() const { return options_; }
  /// Hash of the losses of all steps so far, in order: equal runs have equal curves.
  const std::string& loss_curve() const { return loss_curve_; }
  void set_loss_curve(std::string hash) { loss_curve_ = std::move(hash); }

  /// One update. Throws Error, and changes nothing, when the loss is not a number.
  StepReport step();
  /// Losses of batches without dropout.
  PretrainingLoss evaluate(std::span<const PretrainingBatch> batches);

 private:
  template <class Work>
  void with_pass(const PretrainingBatch& batch, const Work& work);
  DropoutPlan dropout(const PretrainingBatch& batch) const {
    const BertConfig& config = model_->config();
    return {config.hidden_dropout_prob,
            config.attention_probs_dropout_prob,
            0,
            options_.seed,
            static_cast<std::uint32_t>(state_.steps),
            batch.sequence_index};
  }

  TrainableBert<T>* model_;
  PretrainOptions options_;
  PretrainingSource source_;
  Threads threads_;
  Workspace workspace_;
  AdamWState<T> state_;
  GradientTree<T> tree_;
  std::vector<double> partials_;
  std::string loss_curve_;
};

template <class T>
template <class Work>
void Pretrainer<T>::with_pass(const PretrainingBatch& batch, const Work& work) {
  const auto pass_over = [&](Arena& arena) {
    return PretrainingPass<T>(arena, model_->config(), model_->heads(), batch,
                              static_cast<std::size_t>(threads_.count()), model_->kernels());
  };
  Arena counting;
  pass_over(counting);
  Arena arena(workspace_.reserve(counting.bytes()));
  work(pass_over(arena));
}

template <class T>
StepReport Pretrainer<T>::step() {
  StepReport report;
  std::vector<PretrainingBatch> shards;
  PretrainingCounts counts;
  for (std::size_t done = 0; done < options_.batch; done += options_.shard) {
    const std::size_t count = std::min(options_.shard, options_.batch - done);
    shards.push_back(source_(state_.steps * options_.batch + done, count));
    counts.add(shards.back());
    report.tokens += shards.back().tokens.tokens();
  }
  for (const PretrainingBatch& shard : shards) {
    const std::span<T> gradient = tree_.next();
    with_pass(shard, [&](const PretrainingPass<T>& pass) {
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
  const double losses[] = {report.loss.mlm.loss, report.loss.nsp.loss};
  hash.update(std::as_bytes(std::span(losses)));
  loss_curve_ = hash.hex();
  return report;
}

template <class T>
PretrainingLoss Pretrainer<T>::evaluate(std::span<const PretrainingBatch> batches) {
  PretrainingLoss loss;
  for (const PretrainingBatch& batch : batches)
    with_pass(batch, [&](const PretrainingPass<T>& pass) {
      threads_.run([&](const Team& team) {
        pass.forward(team, model_->weights(), batch, {});
        pass.loss(team, batch);
      });
      loss.add(pass.losses(batch));
    });
  return loss;
}

}  // namespace bert::inline BERT_ABI
