// BERT (Devlin et al. 2019; transformers/models/bert/modeling_bert.py): BertModel, the embeddings, encoder and pooler,
// and BertForPreTraining, which adds the masked-language-model and next-sentence heads.
//
// A loaded model is const: any number of threads may run it, each with its own Session. bert_weights.h says which
// tensor of a checkpoint becomes which field. To add a family, write two files like these.
#pragma once
#include <bert/core/packed_batch.h>
#include <bert/core/session.h>
#include <bert/io/weights.h>
#include <bert/nn/embedding.h>
#include <bert/nn/encoder_layer.h>
#include <bert/nn/pooler.h>
#include <bert/nn/schedule.h>
#include <bert/quant/precision.h>
#include <bert/quant/probe.h>

#include <array>

namespace bert::inline BERT_ABI {

/// What a forward pass leaves behind for those who ask: every layer's states and, if wanted, attention probabilities.
template <class T>
struct Trace {
  bool want_attentions = false;
  std::vector<Tensor<T, 2>> hidden_states;            // N + 1 of [T, H]; the first is the embeddings' output
  std::vector<AttentionProbabilities<T>> attentions;  // N of B tensors [A, S, S]
  /// What a layer's other products read (that of q, k and v reads hidden_states): for calibration.
  struct Inputs {
    Tensor<T, 2> context, attended, intermediate;  // [T, H], [T, H], [T, I]
  };
  bool want_inputs = false;
  std::vector<Inputs> inputs;  // N
};

template <class T>
class BertModel {
 public:
  /// Loads the encoder of any BERT checkpoint; heads in it are left out. Throws Error naming the tensor that is
  /// missing, extra, or of another shape or type than the config says.
  /// Without a precision: int8 for a file that holds 8-bit weights, else fp32; int8 for another file quantises its
  /// weights now. Only models of float run as int8.
  /// `threads` pack the weights; they change no bit.
  explicit BertModel(const Checkpoint& checkpoint, const KernelTable<T>& kernels = default_kernels<T>(),
                     std::optional<Precision> precision = {}, const Threads& threads = Threads());
  /// For models that put heads on this one: `tied_words` packs the word table for a decoder's GEMM.
  BertModel(WeightReader& reader, const KernelTable<T>& kernels, std::optional<Precision> precision, bool tied_words);

  const BertConfig& config() const { return config_; }
  const KernelTable<T>& kernels() const { return embeddings_.word.kernels(); }
  Precision precision() const { return precision_; }
  const BertEmbeddings<T>& embeddings() const { return embeddings_; }
  /// Bytes of weights that products of 8 bits save.
  std::ptrdiff_t bytes_saved() const {
    std::ptrdiff_t total = 0;
    for (const EncoderLayer<T>& layer : layers_) total += layer.bytes_saved();
    return total;
  }
  bool has_int8() const {
    for (const EncoderLayer<T>& layer : layers_)
      if (layer.has_int8()) return true;
    return false;
  }
  /// For who owns the model and puts other products in, one by one (quant/calibration.h).
  std::span<EncoderLayer<T>> layers() { return layers_; }
  bool has_pooler() const { return !pooler_.dense.weight().empty(); }

  /// Activations of one forward pass, laid out over an arena.
  struct Activations {
    TensorView<T, 2> hidden;         // [T, H]: the last hidden state
    TensorView<T, 2> first, pooled;  // [B, H]: each sequence's first row, the pooler's output; empty without a pooler
    std::vector<typename EncoderLayer<T>::Buffers> buffers;  // one set per group of the schedule
    Activations(Arena& arena, const BertModel& model, const PackedBatch& batch, const Schedule& schedule);
  };

  /// Throws Error for an empty batch, an id outside the vocabulary, an unknown token type or a sequence beyond the
  /// window.
  void check(const PackedBatch& batch) const;
  /// The pass itself: all threads of the team call it together.
  void forward(const Team& team, const PackedBatch& batch, const Schedule& schedule, const Activations& activations,
               Trace<T>* trace = nullptr) const;

  /// The pass for a caller without a team. The views live in the session until its next call.
  struct Output {
    TensorView<const T, 2> last_hidden_state;  // [T, H]
    TensorView<const T, 2> pooler_output;      // [B, H], empty without a pooler
  };
  Output forward(Session& session, const PackedBatch& batch, Trace<T>* trace = nullptr) const;

  /// Exact bytes of working memory for a batch of these lengths.
  std::size_t plan(std::span<const std::size_t> lengths, int threads) const;
  /// Makes room in the trace for what forward() will put there.
  void prepare(Trace<T>& trace, const PackedBatch& batch) const;

 private:
  /// `probe`: where 8-bit weights are to be made of floating-point ones, else null.
  void load_layer(WeightReader& reader, std::size_t layer, const KernelTable<T>& kernels, Probe* probe);

  BertConfig config_;
  Precision precision_ = Precision::fp32;
  BertEmbeddings<T> embeddings_;
  std::vector<EncoderLayer<T>> layers_;
  Pooler<T> pooler_;
};

/// BertModel with the masked-language-model and next-sentence heads (Devlin et al. 2019, section 3.1).
/// Checkpoints may lack either head (BertForMaskedLM, BertForNextSentencePrediction): ask has_mlm() and has_nsp().
template <class T>
class BertForPreTraining {
 public:
  /// Throws Error naming the tensor that is missing, extra, or of another shape or type than the config says.
  /// `precision` and `threads` as in BertModel; the heads are of type T in every precision.
  explicit BertForPreTraining(const Checkpoint& checkpoint, const KernelTable<T>& kernels = default_kernels<T>(),
                              std::optional<Precision> precision = {}, const Threads& threads = Threads());

  const BertModel<T>& bert() const { return bert_; }
  const BertConfig& config() const { return bert_.config(); }
  bool has_mlm() const { return !transform_.weight().empty(); }
  bool has_nsp() const { return !seq_relationship_.weight().empty() && bert_.has_pooler(); }

  /// The views live in the session until its next call.
  struct Output {
    TensorView<const T, 2> last_hidden_state;        // [T, H]
    TensorView<const T, 2> pooler_output;            // [B, H], empty without a pooler
    TensorView<T, 2> prediction_logits;              // [M, V], one row per entry of `masked`
    TensorView<const T, 2> seq_relationship_logits;  // [B, 2], label 0: the second text follows; empty without the head
  };
  /// Logits only for the tokens `masked` [M] (indices into the batch): the decoder's V columns are the dearest of all.
  Output forward(Session& session, const PackedBatch& batch, std::span<const std::size_t> masked,
                 Trace<T>* trace = nullptr) const;
  /// Exact bytes of working memory for a batch of these lengths with M masked tokens.
  std::size_t plan(std::span<const std::size_t> lengths, std::size_t masked, int threads) const;

 private:
  struct Activations {
    typename BertModel<T>::Activations bert;
    TensorView<T, 2> states, transformed;  // [M, H]
    TensorView<T, 2> logits, nsp;          // [M, V], [B, 2]
    Activations(Arena& arena, const BertForPreTraining& model, const PackedBatch& batch, std::size_t masked,
                const Schedule& schedule);
  };
  const PackedMatrix<T>& decoder() const { return untied_.empty() ? bert_.embeddings().word : untied_; }

  BertForPreTraining(WeightReader reader, const KernelTable<T>& kernels, std::optional<Precision> precision);

  BertModel<T> bert_;
  Linear<T> transform_;  // [H, H], Hugging Face: cls.predictions.transform.dense
  LayerNorm<T> transform_norm_;
  PackedMatrix<T> untied_;  // [V, H], when the decoder has weights of its own
  std::vector<T> decoder_bias_;
  Linear<T> seq_relationship_;  // [2, H]
};

/// The linear layers of encoder layer `i` by the names of their tensors: query, key and value, which are one product;
/// then attention output, intermediate and output. These are what int8 quantises.
std::array<std::vector<std::string>, 4> bert_layer_linears(std::size_t i);

/// A batch of the given lengths whose ids are all 0: for plans.
PackedBatch blank_batch(std::span<const std::size_t> lengths);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/models/bert_weights.h>

#include <algorithm>

namespace bert::inline BERT_ABI {

template <class T>
void BertModel<T>::forward(const Team& team, const PackedBatch& batch, const Schedule& schedule,
                           const Activations& activations, Trace<T>* trace) const {
  schedule.run(team, batch.offsets, [&](const Team& part, std::size_t group, Share sequences) {
    const std::size_t first = batch.offsets[sequences.begin], tokens = batch.offsets[sequences.end] - first;
    const auto offsets = std::span(batch.offsets).subspan(sequences.begin, sequences.end - sequences.begin + 1);
    const auto some = [&](const std::vector<std::int32_t>& all) { return std::span(all).subspan(first, tokens); };
    const auto copy = [&](TensorView<const T, 2> from, Tensor<T, 2>& to) {
      const Share rows = part.share(tokens);
      for (std::size_t r = rows.begin; r < rows.end; ++r)
        std::copy(from.row(r), from.row(r) + to.shape()[1], to.view().row(first + r));
    };
    const auto keep = [&](std::size_t layer, TensorView<const T, 2> x) {
      if (!trace) return;
      copy(x, trace->hidden_states[layer]);
      if (trace->want_inputs && layer > 0) {
        copy(activations.buffers[group].context, trace->inputs[layer - 1].context);
        copy(activations.buffers[group].attended, trace->inputs[layer - 1].attended);
        copy(activations.buffers[group].wide, trace->inputs[layer - 1].intermediate);
      }
      part.sync();
    };
    const TensorView<T, 2> x = activations.hidden.slice_rows(first, tokens);  // [tokens, H]

    embeddings_.forward(part, some(batch.ids), some(batch.type_ids), some(batch.positions), x);
    keep(0, x);
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const bool look = trace && trace->want_attentions;
      layers_[i].forward(part, x, offsets, activations.buffers[group],
                         look ? trace->attentions[i].data() + sequences.begin : nullptr);
      keep(i + 1, x);
    }
  });
  if (has_pooler()) pooler_.forward(team, activations.hidden, batch.offsets, activations.first, activations.pooled);
}

template <class T>
typename BertModel<T>::Output BertModel<T>::forward(Session& session, const PackedBatch& batch, Trace<T>* trace) const {
  check(batch);
  if (trace) prepare(*trace, batch);
  const Schedule schedule(batch.offsets, static_cast<std::size_t>(session.threads.count()));
  Arena counting;
  Activations(counting, *this, batch, schedule);
  Arena arena(session.workspace.reserve(counting.bytes()));
  const Activations activations(arena, *this, batch, schedule);
  session.threads.run([&](const Team& team) { forward(team, batch, schedule, activations, trace); });
  return {activations.hidden, activations.pooled};
}

template <class T>
BertModel<T>::Activations::Activations(Arena& arena, const BertModel& model, const PackedBatch& batch,
                                       const Schedule& schedule) {
  hidden = arena.matrix<T>(batch.tokens(), model.config_.hidden_size);
  if (model.has_pooler()) {
    first = arena.matrix<T>(batch.sequences(), model.config_.hidden_size);
    pooled = arena.matrix<T>(batch.sequences(), model.config_.hidden_size);
  }
  for (std::size_t g = 0; g < schedule.groups.size(); ++g)
    buffers.emplace_back(arena, model.layers_[0], schedule.largest_chunk, schedule.longest,
                         schedule.threads_per_group(), model.has_int8());
}

template <class T>
std::size_t BertModel<T>::plan(std::span<const std::size_t> lengths, int threads) const {
  const PackedBatch batch = blank_batch(lengths);
  check(batch);
  Arena counting;
  Activations(counting, *this, batch, Schedule(batch.offsets, static_cast<std::size_t>(threads)));
  return counting.bytes();
}

template <class T>
void BertModel<T>::prepare(Trace<T>& trace, const PackedBatch& batch) const {
  trace.hidden_states.clear(), trace.attentions.clear(), trace.inputs.clear();
  for (std::size_t i = 0; trace.want_inputs && i < layers_.size(); ++i)
    trace.inputs.push_back({Tensor<T, 2>({batch.tokens(), config_.hidden_size}),
                            Tensor<T, 2>({batch.tokens(), config_.hidden_size}),
                            Tensor<T, 2>({batch.tokens(), config_.intermediate_size})});
  for (std::size_t i = 0; i <= layers_.size(); ++i)
    trace.hidden_states.push_back(Tensor<T, 2>({batch.tokens(), config_.hidden_size}));
  for (std::size_t i = 0; trace.want_attentions && i < layers_.size(); ++i) {
    AttentionProbabilities<T>& layer = trace.attentions.emplace_back();
    for (std::size_t length : batch.lengths())
      layer.push_back(Tensor<T, 3>({config_.num_attention_heads, length, length}));
  }
}

template <class T>
void BertModel<T>::check(const PackedBatch& batch) const {
  if (batch.tokens() == 0) fail("the batch is empty");
  for (std::size_t b = 0; b < batch.sequences(); ++b)
    if (batch.length(b) > config_.max_position_embeddings)
      fail("sequence ", b, " has ", batch.length(b), " tokens, more than the model's window of ",
           config_.max_position_embeddings);
  for (std::size_t t = 0; t < batch.tokens(); ++t) {
    const auto inside = [](std::int32_t i, std::size_t size) { return i >= 0 && static_cast<std::size_t>(i) < size; };
    if (!inside(batch.ids[t], config_.vocab_size))
      fail("token ", t, " has id ", batch.ids[t], ", outside the vocabulary of ", config_.vocab_size);
    if (!inside(batch.type_ids[t], config_.type_vocab_size))
      fail("token ", t, " has type id ", batch.type_ids[t], ", the model has ", config_.type_vocab_size, " types");
    if (!inside(batch.positions[t], config_.max_position_embeddings))
      fail("token ", t, " has position ", batch.positions[t], ", the model has ", config_.max_position_embeddings);
  }
}

template <class T>
typename BertForPreTraining<T>::Output BertForPreTraining<T>::forward(Session& session, const PackedBatch& batch,
                                                                      std::span<const std::size_t> masked,
                                                                      Trace<T>* trace) const {
  bert_.check(batch);
  if (!masked.empty() && !has_mlm()) fail("this model has no masked-language-model head");
  for (std::size_t index : masked)
    if (index >= batch.tokens()) fail("masked token ", index, " is outside a batch of ", batch.tokens());
  if (trace) bert_.prepare(*trace, batch);
  const Schedule schedule(batch.offsets, static_cast<std::size_t>(session.threads.count()));
  Arena counting;
  Activations(counting, *this, batch, masked.size(), schedule);
  Arena arena(session.workspace.reserve(counting.bytes()));
  const Activations a(arena, *this, batch, masked.size(), schedule);

  session.threads.run([&](const Team& team) {
    bert_.forward(team, batch, schedule, a.bert, trace);
    if (!masked.empty()) {  // logits = LayerNorm(act(h W + b)) E^T + c   [M, V], E the word embeddings
      gather_rows<T>(team, a.bert.hidden, masked, a.states);
      transform_.forward(team, a.states, a.transformed, activation_by_name(config().hidden_act));
      transform_norm_.forward(team, a.transformed, a.transformed);
      decoder().multiply(team, a.transformed, decoder_bias_.data(), a.logits);
    }
    if (has_nsp()) seq_relationship_.forward(team, a.bert.pooled, a.nsp);
  });
  return {a.bert.hidden, a.bert.pooled, a.logits, a.nsp};
}

template <class T>
BertForPreTraining<T>::Activations::Activations(Arena& arena, const BertForPreTraining& model, const PackedBatch& batch,
                                                std::size_t masked, const Schedule& schedule)
    : bert(arena, model.bert_, batch, schedule) {
  states = arena.matrix<T>(masked, model.config().hidden_size);
  transformed = arena.matrix<T>(masked, model.config().hidden_size);
  logits = arena.matrix<T>(masked, model.config().vocab_size);
  if (model.has_nsp()) nsp = arena.matrix<T>(batch.sequences(), 2);
}

template <class T>
std::size_t BertForPreTraining<T>::plan(std::span<const std::size_t> lengths, std::size_t masked, int threads) const {
  const PackedBatch batch = blank_batch(lengths);
  bert_.check(batch);
  Arena counting;
  Activations(counting, *this, batch, masked, Schedule(batch.offsets, static_cast<std::size_t>(threads)));
  return counting.bytes();
}

BERT_INLINE std::array<std::vector<std::string>, 4> bert_layer_linears(std::size_t i) {
  const std::string layer = concat("bert.encoder.layer.", i, "."), self = layer + "attention.self.";
  return {{{self + "query", self + "key", self + "value"},
           {layer + "attention.output.dense"},
           {layer + "intermediate.dense"},
           {layer + "output.dense"}}};
}

BERT_INLINE PackedBatch blank_batch(std::span<const std::size_t> lengths) {
  PackedBatch batch;
  for (std::size_t length : lengths) batch.add(std::vector<std::int32_t>(length));
  return batch;
}

}  // namespace bert::inline BERT_ABI
#else
namespace bert::inline BERT_ABI {
extern template class BertModel<float>;
extern template class BertModel<double>;
extern template class BertForPreTraining<float>;
extern template class BertForPreTraining<double>;
}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
