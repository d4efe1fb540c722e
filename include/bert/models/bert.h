// BertModel: embeddings, encoder and pooler (Devlin et al. 2019; transformers/models/bert/modeling_bert.py).
//
// The model with its pre-training heads is models/bert_for_pre_training.h. A loaded model is const: any number of
// threads may run it, each with its own Session. To add a family, write a file like this one.
#pragma once
#include <bert/core/packed_batch.h>
#include <bert/core/session.h>
#include <bert/models/loading.h>
#include <bert/nn/embedding.h>
#include <bert/nn/encoder_layer.h>
#include <bert/nn/pooler.h>
#include <bert/nn/schedule.h>

namespace bert::inline BERT_ABI {

/// What a forward pass leaves behind for those who ask: every layer's states and, if wanted, attention probabilities.
template <class T>
struct Trace {
  bool want_attentions = false;
  std::vector<Tensor<T, 2>> hidden_states;            // N + 1 of [T, H]; the first is the embeddings' output
  std::vector<AttentionProbabilities<T>> attentions;  // N of B tensors [A, S, S]
};

template <class T>
class BertModel {
 public:
  /// Loads the encoder of any BERT checkpoint; heads in it are left out. Throws Error naming the tensor that is
  /// missing, extra, or of another shape or type than the config says.
  explicit BertModel(const Checkpoint& checkpoint, const KernelTable<T>& kernels = default_kernels<T>());
  /// For models that put heads on this one: `tied_words` packs the word table for a decoder's GEMM.
  BertModel(WeightReader& reader, const KernelTable<T>& kernels, bool tied_words);

  const BertConfig& config() const { return config_; }
  const KernelTable<T>& kernels() const { return embeddings_.word.kernels(); }
  const BertEmbeddings<T>& embeddings() const { return embeddings_; }
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
  void load_layer(WeightReader& reader, const std::string& prefix, const KernelTable<T>& kernels);

  BertConfig config_;
  BertEmbeddings<T> embeddings_;
  std::vector<EncoderLayer<T>> layers_;
  Pooler<T> pooler_;
};

/// A batch of the given lengths whose ids are all 0: for plans.
inline PackedBatch blank_batch(std::span<const std::size_t> lengths) {
  PackedBatch batch;
  for (std::size_t length : lengths) batch.add(std::vector<std::int32_t>(length));
  return batch;
}

template <class T>
void BertModel<T>::forward(const Team& team, const PackedBatch& batch, const Schedule& schedule,
                           const Activations& activations, Trace<T>* trace) const {
  schedule.run(team, batch.offsets, [&](const Team& part, std::size_t group, Share sequences) {
    const std::size_t first = batch.offsets[sequences.begin], tokens = batch.offsets[sequences.end] - first;
    const auto offsets = std::span(batch.offsets).subspan(sequences.begin, sequences.end - sequences.begin + 1);
    const auto some = [&](const std::vector<std::int32_t>& all) { return std::span(all).subspan(first, tokens); };
    const auto keep = [&](std::size_t layer, TensorView<const T, 2> x) {
      const Share rows = trace ? part.share(tokens) : Share{0, 0};
      for (std::size_t r = rows.begin; r < rows.end; ++r)
        std::copy(x.row(r), x.row(r) + x.columns(), trace->hidden_states[layer].view().row(first + r));
      if (trace) part.sync();
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
                         schedule.threads_per_group());
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
  trace.hidden_states.clear(), trace.attentions.clear();
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
      fail("sequence ", b, " has ", batch.length(b), " tokens, the model's window is ", config_.max_position_embeddings,
           ": shorten the text, or truncate it");
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
BertModel<T>::BertModel(WeightReader& reader, const KernelTable<T>& kernels, bool tied_words)
    : config_(BertConfig::from(reader.checkpoint().config())) {
  if (config_.model_type != "bert")
    fail("cannot load \"", reader.checkpoint().path().string(), "\": model_type \"", config_.model_type,
         "\" is not supported; supported is \"bert\"");
  const std::size_t hidden = config_.hidden_size;
  const std::string embeddings = "bert.embeddings.", words = embeddings + "word_embeddings.weight";
  embeddings_.word = PackedMatrix<T>(config_.vocab_size, hidden, kernels, !tied_words);
  load_rows(reader, words, embeddings_.word, 0, config_.vocab_size);
  embeddings_.position =
      load_table<T>(reader, embeddings + "position_embeddings.weight", config_.max_position_embeddings, hidden);
  embeddings_.token_type =
      load_table<T>(reader, embeddings + "token_type_embeddings.weight", config_.type_vocab_size, hidden);
  embeddings_.layer_norm = load_layer_norm(reader, embeddings + "LayerNorm", hidden, config_.layer_norm_eps, kernels);
  for (std::size_t i = 0; i < config_.num_hidden_layers; ++i)
    load_layer(reader, concat("bert.encoder.layer.", i, "."), kernels);
  if (reader.has("bert.pooler.dense.weight"))
    pooler_.dense = load_linear(reader, "bert.pooler.dense", hidden, hidden, kernels);
}

template <class T>
void BertModel<T>::load_layer(WeightReader& reader, const std::string& prefix, const KernelTable<T>& kernels) {
  const std::size_t hidden = config_.hidden_size, intermediate = config_.intermediate_size;
  EncoderLayer<T>& layer = layers_.emplace_back();
  layer.attention.heads = config_.num_attention_heads;
  layer.attention.qkv = Linear<T>(3 * hidden, hidden, kernels);
  load_linear(reader, prefix + "attention.self.query", layer.attention.qkv, 0, hidden);
  load_linear(reader, prefix + "attention.self.key", layer.attention.qkv, hidden, hidden);
  load_linear(reader, prefix + "attention.self.value", layer.attention.qkv, 2 * hidden, hidden);
  layer.attention_output = load_linear(reader, prefix + "attention.output.dense", hidden, hidden, kernels);
  layer.attention_norm =
      load_layer_norm(reader, prefix + "attention.output.LayerNorm", hidden, config_.layer_norm_eps, kernels);
  layer.feed_forward.up = load_linear(reader, prefix + "intermediate.dense", intermediate, hidden, kernels);
  layer.feed_forward.down = load_linear(reader, prefix + "output.dense", hidden, intermediate, kernels);
  layer.feed_forward.activation = activation_by_name(config_.hidden_act);
  layer.output_norm = load_layer_norm(reader, prefix + "output.LayerNorm", hidden, config_.layer_norm_eps, kernels);
}

template <class T>
BertModel<T>::BertModel(const Checkpoint& checkpoint, const KernelTable<T>& kernels)
    : BertModel([&] {
        WeightReader reader(checkpoint);
        BertModel model(reader, kernels, false);
        for (const char* head : {"cls.", "classifier.", "qa_outputs."}) reader.ignore(head);
        reader.finish();
        return model;
      }()) {}

}  // namespace bert::inline BERT_ABI
