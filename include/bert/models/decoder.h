// DecoderModel: the embeddings, layers and final norm of causal transformers: GPT-2 (Radford et al. 2019;
// transformers/models/gpt2/modeling_gpt2.py) and Llama (Touvron et al. 2023; models/llama/modeling_llama.py).
//
// What a family does differently stands in a DecoderFamily: what its tensors are called, how its config is read.
// decoder_weights.h says which tensor becomes which field.
#pragma once
#include <bert/models/heads.h>
#include <bert/nn/decoder_layer.h>
#include <bert/nn/kv_cache.h>
#include <bert/nn/schedule.h>
#include <bert/quant/decoder_probe.h>

#include <array>

namespace bert::inline BERT_ABI {

struct DecoderConfig : ModelConfig {
  std::size_t num_key_value_heads = 0;  // G; A heads of queries share them in equal groups
  std::size_t head_size = 0;            // D
  bool rms_norm = false, gated = false;
  bool attention_bias = true, output_bias = true,
       feed_forward_bias = true;  // of q, k, v; of the output; of up and down
  double rope_theta = 0;          // of rotary positions; 0: positions are learned
  double rope_scaling = 1;        // by which they are divided
  // Of training: rates, and the tokens before and behind a document, the first where there are several, or -1.
  double embedding_dropout = 0, hidden_dropout = 0, attention_dropout = 0;
  std::int32_t bos_token_id = -1, eos_token_id = -1;

  /// Reads the two, of which `otherwise` is the family's default: a number, or a list of them.
  void read_text_ends(const ConfigReader& config, std::int32_t bos, std::int32_t eos);
};

/// A family of causal models: names of tensors without ".weight" and ".bias"; those of layers come after prefix + layer
/// + the layer's number + ".", the others after the prefix.
struct DecoderFamily {
  std::string_view model_type;
  DecoderConfig (*read_config)(const ConfigReader& config);
  std::string_view prefix, words, positions, layer;
  std::string_view attention_norm;
  std::string_view qkv[3];  // one name, of all three together, or three
  std::string_view attention_output, feed_forward_norm;
  std::string_view up[2];  // the first alone, or gate and up
  std::string_view down, final_norm;
  bool transposed = false;  // matrices are stored as [K, N]
  HeadNames heads;
};

template <class T>
class DecoderModel {
 public:
  using Scalar = T;
  using Interface = CausalModel<T>;
  using Family = DecoderFamily;
  using Config = DecoderConfig;
  using Caches = std::span<KeyValueCache<T>* const>;

  /// Arguments and errors as EncoderModel's.
  DecoderModel(WeightReader& reader, const DecoderFamily& family, const KernelTable<T>& kernels,
               std::optional<Precision> precision, bool tied_words);

  const DecoderConfig& config() const { return config_; }
  const KernelTable<T>& kernels() const { return words_.kernels(); }
  Precision precision() const { return precision_; }
  const PackedMatrix<T>& words() const { return words_; }
  bool has_pooler() const { return false; }
  bool has_targets() const { return false; }
  std::ptrdiff_t bytes_saved() const {
    std::ptrdiff_t total = 0;
    for (const DecoderLayer<T>& layer : layers_) total += layer.bytes_saved();
    return total;
  }
  bool has_int8() const {
    for (const DecoderLayer<T>& layer : layers_)
      if (layer.has_int8()) return true;
    return false;
  }
  std::span<const DecoderLayer<T>> layers() const { return layers_; }
  /// The linear layers of layer i by the names of their tensors, as EncoderModel's, and the rows of each.
  std::array<std::vector<std::string>, 4> linear_names(std::size_t i) const;
  std::array<std::vector<std::size_t>, 4> linear_rows() const;
  /// What shows how large the inputs of its products get; borrows the model's positions. Error for a model in double.
  DecoderProbe probe() const;
  /// An empty cache; capacity is at most the window.
  KeyValueCache<T> make_cache(std::size_t capacity) const;

  /// Activations of one forward pass, laid out over an arena.
  struct Activations {
    TensorView<T, 2> hidden;                                 // [T, H]: the last hidden state
    TensorView<T, 2> pooled;                                 // empty: there is no pooler
    std::vector<std::int32_t> positions;                     // [T]
    std::vector<CachedSequence<T>> sequences;                // [B]
    std::vector<typename DecoderLayer<T>::Buffers> buffers;  // one set per group of the schedule
    Activations(Arena& arena, const DecoderModel& model, const PackedBatch& batch, const Schedule& schedule,
                Caches caches = {});

   private:
    /// Without caches: room for one layer of each group's largest chunk, all layers in turn.
    void add_rooms(Arena& arena, const DecoderModel& model, const PackedBatch& batch, const Schedule& schedule);
  };

  /// Throws Error as check_batch(); of a continued pass also for caches that are another number or too small.
  void check(const PackedBatch& batch, Caches caches = {}) const;
  /// The pass itself: all threads of the team call it together.
  void forward(const Team& team, const PackedBatch& batch, const Schedule& schedule, const Activations& activations,
               Trace<T>* trace = nullptr) const;

 private:
  /// `probe`: as EncoderModel's.
  void load_layer(WeightReader& reader, std::size_t layer, const KernelTable<T>& kernels, DecoderProbe* probe);
  std::string layer_prefix(std::size_t i) const;
  AnyNorm<T> load_norm(WeightReader& reader, const std::string& name, const KernelTable<T>& kernels) const;
  void embed(const Team& team, std::span<const std::int32_t> ids, std::span<const std::int32_t> types,
             std::span<const std::int32_t> positions, TensorView<T, 2> out) const;

  const DecoderFamily* family_;
  DecoderConfig config_;
  Precision precision_ = Precision::fp32;
  PackedMatrix<T> words_;          // [V, H]
  Tensor<T, 2> positions_, zero_;  // [positions, H], or empty; [1, H]
  Rotary<T> rotary_;               // or empty
  std::vector<DecoderLayer<T>> layers_;
  AnyNorm<T> final_norm_;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/models/decoder_weights.h>

#include <algorithm>

namespace bert::inline BERT_ABI {

BERT_INLINE void DecoderConfig::read_text_ends(const ConfigReader& config, std::int32_t bos, std::int32_t eos) {
  const auto read = [&](const char* key, std::int32_t otherwise) {
    const Json* value = config.json().find(key);
    if (value && value->is(Json::Kind::array) && !value->members.empty()) value = &value->members[0];
    std::int32_t id = value ? -1 : otherwise;
    if (value) value->to(id);
    return id >= 0 && static_cast<std::size_t>(id) < vocab_size ? id : -1;
  };
  bos_token_id = read("bos_token_id", bos), eos_token_id = read("eos_token_id", eos);
}

template <class T>
KeyValueCache<T> DecoderModel<T>::make_cache(std::size_t capacity) const {
  if (capacity < 1 || capacity > config_.window())
    fail("a cache of ", capacity, " tokens: the model's window is ", config_.window());
  return KeyValueCache<T>(layers_.size(), layers_[0].attention, capacity);
}

template <class T>
void DecoderModel<T>::check(const PackedBatch& batch, Caches caches) const {
  check_batch(config_, batch);
  if (caches.empty()) return;
  if (caches.size() != batch.sequences())
    fail("a batch of ", batch.sequences(), " sequences has ", caches.size(), " caches");
  for (std::size_t b = 0; b < caches.size(); ++b)
    if (const std::size_t end = caches[b]->length() + batch.length(b); end > caches[b]->capacity())
      fail("sequence ", b, " goes on to ", end, " tokens; its cache has room for ", caches[b]->capacity());
}

template <class T>
DecoderModel<T>::Activations::Activations(Arena& arena, const DecoderModel& model, const PackedBatch& batch,
                                          const Schedule& schedule, Caches caches)
    : positions(batch.positions) {
  hidden = arena.matrix<T>(batch.tokens(), model.config_.hidden_size);
  std::size_t longest = schedule.longest;
  for (std::size_t b = 0; b < caches.size(); ++b) {
    sequences.push_back(caches[b]->sequence());
    longest = std::max(longest, sequences[b].first + batch.length(b));
    for (std::size_t t = batch.offsets[b]; t < batch.offsets[b + 1]; ++t)
      positions[t] = static_cast<std::int32_t>(sequences[b].first + t - batch.offsets[b]);
  }
  for (std::size_t g = 0; g < schedule.groups.size(); ++g)
    buffers.emplace_back(arena, model.layers_[0], schedule.largest_chunk, longest, schedule.threads_per_group(),
                         model.has_int8());
  if (caches.empty()) add_rooms(arena, model, batch, schedule);
}

template <class T>
void DecoderModel<T>::Activations::add_rooms(Arena& arena, const DecoderModel& model, const PackedBatch& batch,
                                             const Schedule& schedule) {
  const CausalAttention<T>& attention = model.layers_[0].attention;
  sequences.resize(batch.sequences());
  for (const Share& group : schedule.groups) {
    std::size_t most = 0;
    schedule.for_each_chunk(batch.offsets, group, [&](Share chunk) {
      std::size_t size = 0;
      for (std::size_t b = chunk.begin; b < chunk.end; ++b) size += attention.cache_size(batch.length(b));
      most = std::max(most, size);
    });
    T* const room = arena.take<T>(most);
    schedule.for_each_chunk(batch.offsets, group, [&](Share chunk) {
      T* next = room;
      for (std::size_t b = chunk.begin; b < chunk.end; ++b) {
        sequences[b] = {next, 0, batch.length(b), 0};
        if (next) next += attention.cache_size(batch.length(b));
      }
    });
  }
}

/// There is one token type (check_batch), whose table is a row of zeros; so are positions that are not learned.
template <class T>
void DecoderModel<T>::embed(const Team& team, std::span<const std::int32_t> ids, std::span<const std::int32_t> types,
                            std::span<const std::int32_t> positions, TensorView<T, 2> out) const {
  const Share rows = team.share(ids.size());
  const bool learned = rotary_.empty();
  words_.kernels().embed({words_.data(), words_.panel(), zero_.data(), learned ? positions_.data() : zero_.data(),
                          ids.data() + rows.begin, types.data() + rows.begin,
                          (learned ? positions : types).data() + rows.begin, out.row(rows.begin), out.row_stride(),
                          rows.end - rows.begin, words_.k()});
  team.sync();
}

template <class T>
void DecoderModel<T>::forward(const Team& team, const PackedBatch& batch, const Schedule& schedule,
                              const Activations& activations, Trace<T>* trace) const {
  schedule.run(team, batch.offsets, [&](const Team& part, std::size_t group, Share chunk) {
    const std::size_t first = batch.offsets[chunk.begin], tokens = batch.offsets[chunk.end] - first;
    const std::size_t count = chunk.end - chunk.begin;
    const typename DecoderLayer<T>::Buffers& buffers = activations.buffers[group];
    const typename DecoderLayer<T>::Context context{std::span(batch.offsets).subspan(chunk.begin, count + 1),
                                                    std::span(activations.positions).subspan(first, tokens),
                                                    std::span(activations.sequences).subspan(chunk.begin, count),
                                                    rotary_.empty() ? nullptr : &rotary_};
    const TensorView<T, 2> x = activations.hidden.slice_rows(first, tokens);
    const auto keep = [&](std::size_t layer) {
      if (!trace) return;
      const Share rows = part.share(tokens);
      for (std::size_t r = rows.begin; r < rows.end; ++r)
        std::copy(x.row(r), x.row(r) + x.columns(), trace->hidden_states[layer].view().row(first + r));
      part.sync();
    };
    embed(part, std::span(batch.ids).subspan(first, tokens), std::span(batch.type_ids).subspan(first, tokens),
          context.positions, x);
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const bool look = trace && trace->want_attentions;
      keep(i);
      layers_[i].forward(part, x, context, i, buffers, look ? trace->attentions[i].data() + chunk.begin : nullptr);
    }
    final_norm_.forward(part, x, x);
    keep(layers_.size());
  });
}

}  // namespace bert::inline BERT_ABI
#else
namespace bert::inline BERT_ABI {
extern template class DecoderModel<float>;
extern template class DecoderModel<double>;
}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
