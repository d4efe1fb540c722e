// Calibration: what a text says about quantising a model: how large each channel of a product's input gets, what each
// product's 8 bits cost, and which products had better stay float.
//
// Cost is measured where it matters, at the model's output: 1 - cosine between the mean token states of a sequence in
// float and with 8 bits. To measure something else, change Calibration::vectors().
#pragma once
#include <bert/models/encoder.h>
#include <bert/quant/int8_weights.h>

namespace bert::inline BERT_ABI {

/// One product of a layer in 8 bits, and what became of it.
struct QuantizedProduct : Int8Product {
  std::vector<std::string> names;  // of the layers in it, as EncoderModel::linear_names
  bool keep_float = false;
  double loss = 0;  // of cosine when it alone is int8; on the text's first batch, measured when not all can be
  std::size_t size() const {
    std::size_t total = 0;
    for (const Int8Weights& each : weights) total += each.q.size();
    return total;
  }
};
using QuantizedLayer = std::array<QuantizedProduct, 4>;

struct Cosine {
  double mean = 1, worst = 1;
};

/// A model of float, the checkpoint it came from, and texts that it runs. Borrows all of them.
class Calibration {
 public:
  Calibration(EncoderModel<float>& model, WeightReader& reader, std::span<const PackedBatch> text, int threads)
      : model_(model), reader_(reader), text_(text), session_(threads) {}

  /// Every product in 8 bits, smoothed against what it reads in the text. With `search` by the exponent that gives it
  /// the smallest squared error on the text's first tokens, else by 1/2.
  std::vector<QuantizedLayer> quantize(bool search);

  /// Puts all products into the model as int8, then takes back those that cost most per weight until the text's vectors
  /// have at least this cosine to float's, but at most half of all weights. Returns the cosine reached.
  Cosine choose(std::vector<QuantizedLayer>& layers, Cosine wanted);

 private:
  QuantizedProduct best(const std::vector<std::string>& names, bool bias, const AnyLinear<float>& exact,
                        TensorView<const float, 2> x, std::span<const float> sizes, bool search);
  /// The mean token state of each sequence of the text's first batches.
  std::vector<std::vector<float>> vectors(std::size_t batches);
  Cosine measure(std::size_t batches);

  EncoderModel<float>& model_;
  WeightReader& reader_;
  std::span<const PackedBatch> text_;
  Session session_;
  std::vector<std::vector<float>> exact_;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <cmath>
#include <utility>

namespace bert::inline BERT_ABI {

BERT_INLINE std::vector<QuantizedLayer> Calibration::quantize(bool search) {
  std::vector<QuantizedLayer> layers(model_.layers().size());
  std::vector<std::array<std::vector<float>, 4>> sizes(layers.size());
  Trace<float> first;  // of the first batch
  const auto inputs = [](const Trace<float>& trace, std::size_t i) {
    return std::array<TensorView<const float, 2>, 4>{trace.hidden_states[i].view(), trace.inputs[i].context.view(),
                                                     trace.inputs[i].attended.view(),
                                                     trace.inputs[i].intermediate.view()};
  };
  for (const PackedBatch& batch : text_) {
    Trace<float> trace;
    trace.want_inputs = true;
    model_.forward(session_, batch, &trace);
    for (std::size_t i = 0; i < trace.inputs.size(); ++i)
      for (std::size_t p = 0; p < 4; ++p) widen(sizes[model_.layer_of(i)][p], inputs(trace, i)[p]);
    if (&batch == &text_[0]) first = std::move(trace);
  }
  for (std::size_t run = 0; run < first.inputs.size(); ++run) {
    const std::size_t i = model_.layer_of(run);
    for (std::size_t p = 0; p < 4; ++p)
      if (layers[i][p].names.empty())  // layers that share weights: by what the first of them reads
        layers[i][p] = best(model_.linear_names(i)[p], model_.has_bias(p), *model_.layers()[i].products()[p],
                            inputs(first, run)[p], sizes[i][p], search);
  }
  return layers;
}

BERT_INLINE QuantizedProduct Calibration::best(const std::vector<std::string>& names, bool bias,
                                               const AnyLinear<float>& exact, TensorView<const float, 2> x,
                                               std::span<const float> sizes, bool search) {
  const std::vector<std::size_t> rows(names.size(), exact.n() / names.size());
  const auto with = [&](int eighths) {
    return QuantizedProduct{quantized_product(reader_, names, rows, sizes, model_.kernels(), eighths), names};
  };
  if (!search) return with(smoothing_half);
  x = x.slice_rows(0, std::min<std::size_t>(128, x.rows()));
  Tensor<float, 2> wanted({x.rows(), exact.n()}), seen(wanted.shape());
  session_.threads.run([&](const Team& team) { exact.forward(team, x, wanted.view()); });
  QuantizedProduct best;
  double least = 0;
  for (const int eighths : {smoothing_half, 5}) {
    QuantizedProduct product = with(eighths);
    const Int8Linear linear = int8_linear(reader_, names, product, model_.kernels(), bias);
    Arena counting;
    Int8Rows(counting, x.rows(), x.columns());
    Arena arena(session_.workspace.reserve(counting.bytes()));
    const Int8Rows space(arena, x.rows(), x.columns());
    session_.threads.run(
        [&](const Team& team) { linear.forward(team, x, seen.view(), Activation::linear, {}, space); });
    double error = 0;
    for (std::size_t i = 0; i < seen.size(); ++i) {
      const double difference = static_cast<double>(seen.data()[i]) - static_cast<double>(wanted.data()[i]);
      error = std::fma(difference, difference, error);
    }
    if (best.names.empty() || error < least) best = std::move(product), least = error;
  }
  return best;
}

BERT_INLINE Cosine Calibration::choose(std::vector<QuantizedLayer>& layers, Cosine wanted) {
  exact_ = vectors(text_.size());
  std::vector<AnyLinear<float>> others;  // what is not in the model now: int8, or float where int8 is in
  std::vector<std::pair<AnyLinear<float>*, QuantizedProduct*>> products;
  std::size_t weights = 0, in_float = 0;
  for (std::size_t i = 0; i < layers.size(); ++i)
    for (std::size_t p = 0; p < 4; ++p) {
      others.push_back(int8_linear(reader_, layers[i][p].names, layers[i][p], model_.kernels(), model_.has_bias(p)));
      products.emplace_back(model_.layers()[i].products()[p], &layers[i][p]);
      weights += layers[i][p].size();
    }
  const auto exchange = [&](std::size_t p) { std::swap(*products[p].first, others[p]); };
  const auto exchange_all = [&] {
    for (std::size_t p = 0; p < products.size(); ++p) exchange(p);
  };
  exchange_all();
  Cosine reached = measure(text_.size());
  const auto enough = [&] { return reached.mean >= wanted.mean && reached.worst >= wanted.worst; };
  if (enough()) return reached;

  exchange_all();
  for (std::size_t p = 0; p < products.size(); ++p) {
    exchange(p);
    products[p].second->loss = 1 - measure(1).mean;
    exchange(p);
  }
  exchange_all();
  const auto price = [](const QuantizedProduct& product) { return product.loss / static_cast<double>(product.size()); };
  while (!enough()) {
    std::size_t dearest = products.size();
    for (std::size_t p = 0; p < products.size(); ++p)
      if (!products[p].second->keep_float && 2 * (in_float + products[p].second->size()) <= weights &&
          (dearest == products.size() || price(*products[p].second) > price(*products[dearest].second)))
        dearest = p;
    if (dearest == products.size()) break;
    exchange(dearest);
    products[dearest].second->keep_float = true;
    in_float += products[dearest].second->size();
    reached = measure(text_.size());
  }
  return reached;
}

BERT_INLINE std::vector<std::vector<float>> Calibration::vectors(std::size_t batches) {
  std::vector<std::vector<float>> all;
  for (const PackedBatch& batch : text_.first(batches)) {
    const auto states = model_.forward(session_, batch).last_hidden_state;
    const FloatEnvironment environment;
    for (std::size_t b = 0; b < batch.sequences(); ++b) {
      all.emplace_back(states.columns());
      pool<float>(PoolingMode::mean, true, states.slice_rows(batch.offsets[b], batch.length(b)), all.back(),
                  model_.kernels());
    }
  }
  return all;
}

BERT_INLINE Cosine Calibration::measure(std::size_t batches) {
  const std::vector<std::vector<float>> seen = vectors(batches);
  Cosine cosine{0, 1};
  for (std::size_t b = 0; b < seen.size(); ++b) {
    // The vectors have length 1: 1 - cosine is half the squared distance, which float does not round away.
    double distance = 0;
    for (std::size_t k = 0; k < seen[b].size(); ++k) {
      const double difference = static_cast<double>(seen[b][k]) - static_cast<double>(exact_[b][k]);
      distance = std::fma(difference, difference, distance);
    }
    cosine.mean += 1 - distance / 2;
    cosine.worst = std::min(cosine.worst, 1 - distance / 2);
  }
  cosine.mean /= static_cast<double>(seen.size());
  return cosine;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
