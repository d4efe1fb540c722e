// EncoderModel: the embeddings, layers and pooler of BERT (Devlin et al. 2019;
// transformers/models/bert/modeling_bert.py) and of its kin, RoBERTa, DistilBERT, ELECTRA, ALBERT and XLNet, which
// differ from it in little, the last in what its attention sees.
//
// What a family does differently stands in an EncoderFamily: what its tensors are called, how its config is read.
// encoder_weights.h says which tensor becomes which field.
#pragma once
#include <bert/models/heads.h>
#include <bert/nn/embedding.h>
#include <bert/nn/encoder_layer.h>
#include <bert/nn/pooler.h>
#include <bert/nn/schedule.h>
#include <bert/quant/probe.h>

#include <array>

namespace bert::inline BERT_ABI {

/// A family of encoders: names of tensors without ".weight" and ".bias"; those of layers come after prefix + layer +
/// the layer's number + layer_end, the others after the prefix. Empty: the family has no such part.
struct EncoderFamily {
  std::string_view model_type;
  BertConfig (*read_config)(const ConfigReader& config);
  std::string_view prefix;
  std::string_view words = "embeddings.word_embeddings";
  std::string_view projection = "";  // from the tables' width E to H
  bool token_types = true;
  std::string_view layer = "encoder.layer.", layer_end = ".";
  std::string_view query = "attention.self.query", key = "attention.self.key", value = "attention.self.value";
  std::string_view attention_output = "attention.output.dense", attention_norm = "attention.output.LayerNorm";
  std::string_view up = "intermediate.dense", down = "output.dense", output_norm = "output.LayerNorm";
  std::string_view pooler = "";
  /// XLNet: its relative attention's parameters. Then the embeddings are the words' alone, query, key, value and
  /// attention output have no biases, and the first three are stored as [K, N].
  std::string_view relative = "";
  std::string_view target = "";  // the whole name of the state [H] that targets begin with
  HeadNames heads;
};

template <class T>
class EncoderModel {
 public:
  using Scalar = T;
  using Interface = Model<T>;
  using Family = EncoderFamily;
  using Config = BertConfig;

  /// Loads the encoder of a checkpoint of this family; heads in it are left out. Throws Error naming the tensor that is
  /// missing, extra, or of another shape or type than the config says. `precision` and `threads` as in WithHeads.
  EncoderModel(const Checkpoint& checkpoint, const EncoderFamily& family,
               const KernelTable<T>& kernels = default_kernels<T>(), std::optional<Precision> precision = {},
               const Threads& threads = Threads());
  /// For models that put heads on this one: `tied_words` packs the word table for a decoder's GEMM.
  EncoderModel(WeightReader& reader, const EncoderFamily& family, const KernelTable<T>& kernels,
               std::optional<Precision> precision, bool tied_words);

  const BertConfig& config() const { return config_; }
  const KernelTable<T>& kernels() const { return embeddings_.word.kernels(); }
  Precision precision() const { return precision_; }
  const BertEmbeddings<T>& embeddings() const { return embeddings_; }
  const PackedMatrix<T>& words() const { return embeddings_.word; }
  bool has_pooler() const { return !pooler_.dense.weight().empty(); }
  bool has_targets() const { return !target_.empty(); }
  /// Bytes of weights that products of 8 and 16 bits save.
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
  /// Layers as stored. For who owns the model and puts other products in, one by one (quant/calibration.h).
  std::span<EncoderLayer<T>> layers() { return layers_; }
  /// Which of layers() is the i-th that runs: the i-th, unless they share weights (ALBERT).
  std::size_t layer_of(std::size_t i) const { return i * layers_.size() / config_.num_hidden_layers; }
  /// The linear layers of layers()[i] by the names of their tensors: query, key and value, which are one product; then
  /// attention output, intermediate and output. These are what int8 quantises.
  std::array<std::vector<std::string>, 4> linear_names(std::size_t i) const;
  /// Whether the linear layers of product 0 to 3 have a bias, and which of them the checkpoint stores as [K, N]: for
  /// who reads their tensors.
  bool has_bias(std::size_t product) const { return family_->relative.empty() || product >= 2; }
  void turn_stored(WeightReader& reader) const;

  /// Activations of one forward pass, laid out over an arena.
  struct Activations {
    TensorView<T, 2> hidden;            // [T, H]: the last hidden state
    TensorView<T, 2> first, pooled;     // [B, H]: each sequence's first row, the pooler's output; empty without one
    std::span<std::int32_t> positions;  // [T], for families that do not count them from 0
    std::vector<typename EncoderLayer<T>::Buffers> buffers;  // one set per group of the schedule
    Activations(Arena& arena, const EncoderModel& model, const PackedBatch& batch, const Schedule& schedule);
  };

  /// Throws Error for an empty batch, an id outside the vocabulary, an unknown token type or a sequence beyond the
  /// window, targets of a model that knows none.
  void check(const PackedBatch& batch) const { check_batch(config_, batch, has_targets()); }
  /// The pass itself: all threads of the team call it together.
  void forward(const Team& team, const PackedBatch& batch, const Schedule& schedule, const Activations& activations,
               Trace<T>* trace = nullptr) const;

  /// The pass for a caller without a team. The views live in the session until its next call; no logits.
  ModelOutput<T> forward(Session& session, const PackedBatch& batch, Trace<T>* trace = nullptr) const;

  /// Exact bytes of working memory for a batch of these lengths.
  std::size_t plan(std::span<const std::size_t> lengths, int threads) const;

 private:
  void load_embeddings(WeightReader& reader, bool tied_words, const KernelTable<T>& kernels);
  RelativeAttention<T> load_relative(WeightReader& reader, std::size_t layer, const KernelTable<T>& kernels) const;
  /// `probe`: where 8-bit weights are to be made of floating-point ones, else null.
  void load_layer(WeightReader& reader, std::size_t layer, const KernelTable<T>& kernels, Probe* probe);
  std::string layer_prefix(std::size_t layer) const;
  /// The state that targets begin with, into the last row of each sequence.
  void begin_targets(const Team& team, std::span<const std::size_t> offsets, TensorView<T, 2> x) const;
  /// RoBERTa: pad_token_id + 1, … for all but padding tokens, which have position pad_token_id.
  void count_positions(const PackedBatch& batch, std::span<std::int32_t> positions) const;

  const EncoderFamily* family_;
  BertConfig config_;
  Precision precision_ = Precision::fp32;
  BertEmbeddings<T> embeddings_;
  std::vector<EncoderLayer<T>> layers_;
  Pooler<T> pooler_;
  std::vector<T> target_;  // [H]: what targets begin with, or empty
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/models/encoder_weights.h>

#include <algorithm>

namespace bert::inline BERT_ABI {

template <class T>
void EncoderModel<T>::forward(const Team& team, const PackedBatch& batch, const Schedule& schedule,
                              const Activations& activations, Trace<T>* trace) const {
  const bool counted = !activations.positions.empty();
  if (counted) {
    if (team.rank() == 0) count_positions(batch, activations.positions);
    team.sync();
  }
  const std::span<const std::int32_t> positions = counted ? activations.positions : std::span(batch.positions);
  schedule.run(team, batch.offsets, [&](const Team& part, std::size_t group, Share sequences) {
    const std::size_t first = batch.offsets[sequences.begin], tokens = batch.offsets[sequences.end] - first;
    const auto offsets = std::span(batch.offsets).subspan(sequences.begin, sequences.end - sequences.begin + 1);
    const auto some = [&](std::span<const std::int32_t> all) { return all.subspan(first, tokens); };
    const typename EncoderLayer<T>::Buffers& buffers = activations.buffers[group];
    const auto copy = [&](TensorView<const T, 2> from, Tensor<T, 2>& to) {
      const Share rows = part.share(tokens);
      for (std::size_t r = rows.begin; r < rows.end; ++r)
        std::copy(from.row(r), from.row(r) + to.shape()[1], to.view().row(first + r));
    };
    const auto keep = [&](std::size_t layer, TensorView<const T, 2> x) {
      if (!trace) return;
      copy(x, trace->hidden_states[layer]);
      if (trace->want_inputs && layer > 0) {
        copy(buffers.context, trace->inputs[layer - 1].context);
        copy(buffers.attended, trace->inputs[layer - 1].attended);
        copy(buffers.wide, trace->inputs[layer - 1].intermediate);
      }
      part.sync();
    };
    const TensorView<T, 2> x = activations.hidden.slice_rows(first, tokens);  // [tokens, H]

    embeddings_.forward(part, some(batch.ids), some(batch.type_ids), some(positions), x,
                        buffers.wide.slice_rows(0, tokens).slice_columns(0, config_.table_width()));
    if (batch.targets) begin_targets(part, offsets, x);
    const TokenKinds kinds{some(batch.type_ids), batch.targets};
    keep(0, x);
    for (std::size_t i = 0; i < config_.num_hidden_layers; ++i) {
      const bool look = trace && trace->want_attentions;
      layers_[layer_of(i)].forward(part, x, offsets, buffers,
                                   look ? trace->attentions[i].data() + sequences.begin : nullptr, kinds);
      keep(i + 1, x);
    }
  });
  if (has_pooler()) pooler_.forward(team, activations.hidden, batch.offsets, activations.first, activations.pooled);
}

template <class T>
void EncoderModel<T>::begin_targets(const Team& team, std::span<const std::size_t> offsets, TensorView<T, 2> x) const {
  if (team.rank() == 0)
    for (std::size_t end : offsets.subspan(1)) std::copy(target_.begin(), target_.end(), x.row(end - offsets[0] - 1));
  team.sync();
}

template <class T>
ModelOutput<T> EncoderModel<T>::forward(Session& session, const PackedBatch& batch, Trace<T>* trace) const {
  check(batch);
  if (trace) trace->prepare(config_, batch);
  const Schedule schedule(batch.offsets, static_cast<std::size_t>(session.threads.count()));
  Arena counting;
  Activations(counting, *this, batch, schedule);
  Arena arena(session.workspace.reserve(counting.bytes()));
  const Activations activations(arena, *this, batch, schedule);
  session.threads.run([&](const Team& team) { forward(team, batch, schedule, activations, trace); });
  return {activations.hidden, activations.pooled, {}, {}, {}, {}};
}

template <class T>
EncoderModel<T>::Activations::Activations(Arena& arena, const EncoderModel& model, const PackedBatch& batch,
                                          const Schedule& schedule) {
  hidden = arena.matrix<T>(batch.tokens(), model.config_.hidden_size);
  if (model.has_pooler()) {
    first = arena.matrix<T>(batch.sequences(), model.config_.hidden_size);
    pooled = arena.matrix<T>(batch.sequences(), model.config_.hidden_size);
  }
  if (model.config_.first_position > 0) positions = {arena.take<std::int32_t>(batch.tokens()), batch.tokens()};
  for (std::size_t g = 0; g < schedule.groups.size(); ++g)
    buffers.emplace_back(arena, model.layers_[0], schedule.largest_chunk, schedule.longest,
                         schedule.threads_per_group(), model.has_int8());
}

template <class T>
std::size_t EncoderModel<T>::plan(std::span<const std::size_t> lengths, int threads) const {
  const PackedBatch batch = blank_batch(lengths);
  check(batch);
  Arena counting;
  Activations(counting, *this, batch, Schedule(batch.offsets, static_cast<std::size_t>(threads)));
  return counting.bytes();
}

template <class T>
void EncoderModel<T>::count_positions(const PackedBatch& batch, std::span<std::int32_t> positions) const {
  const auto padding = static_cast<std::int32_t>(config_.pad_token_id);
  for (std::size_t b = 0; b < batch.sequences(); ++b) {
    std::int32_t next = static_cast<std::int32_t>(config_.first_position);
    for (std::size_t t = batch.offsets[b]; t < batch.offsets[b + 1]; ++t)
      positions[t] = batch.ids[t] == padding ? padding : next++;
  }
}

}  // namespace bert::inline BERT_ABI
#else
namespace bert::inline BERT_ABI {
extern template class EncoderModel<float>;
extern template class EncoderModel<double>;
}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
