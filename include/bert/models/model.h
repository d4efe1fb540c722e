// Model: what tasks see of a model, whatever its family: ids in, states and the logits of its heads out.
//
// A loaded model is const: any number of threads may run it, each with its own Session. models/registry.h opens one;
// the architectures behind it are encoder.h and its neighbours, put together with their heads in with_heads.h.
#pragma once
#include <bert/core/packed_batch.h>
#include <bert/core/session.h>
#include <bert/io/model_config.h>
#include <bert/nn/attention.h>
#include <bert/nn/kv_cache.h>
#include <bert/quant/precision.h>

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

  /// Makes room for what a pass of a model like this will leave.
  void prepare(const ModelConfig& config, const PackedBatch& batch);
};

/// The heads that may stand on a model's states.
enum class Head { words, next_sentence, classes, tags, spans, replaced };

/// "masked-language-model", "token-classification", …: for errors and for people.
std::string_view name_of(Head head);

/// What one pass computes. The views live in the session until its next call; those of heads that the model lacks are
/// empty.
template <class T>
struct ModelOutput {
  TensorView<const T, 2> last_hidden_state;        // [T, H]
  TensorView<const T, 2> pooler_output;            // [B, H]
  TensorView<T, 2> prediction_logits;              // [M, V], one row per token asked for
  TensorView<const T, 2> seq_relationship_logits;  // [B, 2], label 0: the second text follows (ALBERT: in this order)
  TensorView<const T, 2> class_logits;             // [B, N], of whole sequences
  TensorView<const T, 2> token_logits;             // [T, N]: tags; start and end of an answer (N = 2); replaced (N = 1)
};

template <class T>
class CausalModel;

template <class T>
class Model {
 public:
  virtual ~Model() = default;

  /// Itself when its tokens see only those before them, so that it can go on with a text; else null.
  virtual const CausalModel<T>* causal() const { return nullptr; }
  /// Whether batches may have targets (XLNet): places whose words it says, whatever is behind them.
  virtual bool has_targets() const { return false; }
  /// Whether it can say what follows a text, by one or the other; else it fills masks.
  bool continues() const { return causal() || has_targets(); }

  virtual const ModelConfig& config() const = 0;
  virtual const KernelTable<T>& kernels() const = 0;
  virtual Precision precision() const = 0;
  /// Bytes of weights that products of 8 and 16 bits save.
  virtual std::ptrdiff_t bytes_saved() const = 0;
  virtual bool has(Head head) const = 0;
  /// Outputs N of its classifier, of sequences or of tokens; 0 without one.
  virtual std::size_t outputs() const = 0;

  /// One pass. Logits over the vocabulary only for the tokens `rows` [M] (indices into the batch): those V columns are
  /// the dearest of all. Throws Error for an empty batch, an id outside the vocabulary, an unknown token type, a
  /// sequence beyond the window, a row outside the batch, rows of a model without that head.
  virtual ModelOutput<T> forward(Session& session, const PackedBatch& batch, std::span<const std::size_t> rows = {},
                                 Trace<T>* trace = nullptr) const = 0;
  /// Exact bytes of working memory for a batch of these lengths, with logits over the vocabulary for M tokens.
  virtual std::size_t plan(std::span<const std::size_t> lengths, std::size_t rows, int threads) const = 0;

  /// Throws Error "this model has no … head; it has …" when it lacks the head.
  void require(Head head) const;
  /// The names of its heads with commas between, or "none".
  std::string heads_text() const;
};

/// A model whose tokens see only those before them: GPT-2, Llama.
template <class T>
class CausalModel : public Model<T> {
 public:
  const CausalModel<T>* causal() const override { return this; }

  /// An empty cache with room for so many tokens, at most the model's window.
  virtual KeyValueCache<T> make_cache(std::size_t capacity) const = 0;
  /// One pass over tokens that go on where `caches` [B], one for each sequence, end; they hold the new ones too
  /// afterwards. Gives the bits of a pass over the whole sequences. Errors as forward(), and a cache that is too small.
  virtual ModelOutput<T> forward(Session& session, const PackedBatch& batch, std::span<KeyValueCache<T>* const> caches,
                                 std::span<const std::size_t> rows = {}) const = 0;
  using Model<T>::forward;
};

/// Throws Error for an empty batch and for a token that the model has no id, type or position for; and for targets
/// where there are none (`targets`) or nothing else.
void check_batch(const ModelConfig& config, const PackedBatch& batch, bool targets = false);

/// A batch of the given lengths whose ids are all 0: for plans.
PackedBatch blank_batch(std::span<const std::size_t> lengths);

inline constexpr Head all_heads[] = {Head::words, Head::next_sentence, Head::classes,
                                     Head::tags,  Head::spans,         Head::replaced};

template <class T>
std::string Model<T>::heads_text() const {
  std::string text;
  for (Head each : all_heads)
    if (has(each)) text += concat(text.empty() ? "" : ", ", name_of(each));
  return text.empty() ? "none" : text;
}

template <class T>
void Model<T>::require(Head head) const {
  if (!has(head)) fail("this model has no ", name_of(head), " head; it has ", heads_text());
}

template <class T>
void Trace<T>::prepare(const ModelConfig& config, const PackedBatch& batch) {
  hidden_states.clear(), attentions.clear(), inputs.clear();
  const std::size_t tokens = batch.tokens(), hidden = config.hidden_size;
  for (std::size_t i = 0; i <= config.num_hidden_layers; ++i) hidden_states.push_back(Tensor<T, 2>({tokens, hidden}));
  for (std::size_t i = 0; want_inputs && i < config.num_hidden_layers; ++i)
    inputs.push_back({Tensor<T, 2>({tokens, hidden}), Tensor<T, 2>({tokens, hidden}),
                      Tensor<T, 2>({tokens, config.intermediate_size})});
  for (std::size_t i = 0; want_attentions && i < config.num_hidden_layers; ++i) {
    AttentionProbabilities<T>& layer = attentions.emplace_back();
    for (std::size_t length : batch.lengths())
      layer.push_back(Tensor<T, 3>({config.num_attention_heads, length, length}));
  }
}

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE std::string_view name_of(Head head) {
  switch (head) {
    case Head::words:
      return "language-model";
    case Head::next_sentence:
      return "next-sentence";
    case Head::classes:
      return "sequence-classification";
    case Head::tags:
      return "token-classification";
    case Head::spans:
      return "question-answering";
    case Head::replaced:
      return "replaced-token";
  }
  return "";
}

namespace detail {
inline void check_targets(const PackedBatch& batch, bool allowed) {
  if (!allowed) fail("this model has no targets: it says words where it sees tokens");
  for (std::size_t b = 0; b < batch.sequences(); ++b)
    if (batch.length(b) < 2) fail("sequence ", b, " is a target alone: there is nothing to see");
}
}  // namespace detail

BERT_INLINE void check_batch(const ModelConfig& config, const PackedBatch& batch, bool targets) {
  if (batch.tokens() == 0) fail("the batch is empty");
  if (batch.targets) detail::check_targets(batch, targets);
  for (std::size_t b = 0; b < batch.sequences(); ++b)
    if (batch.length(b) > config.window())
      fail("sequence ", b, " has ", batch.length(b), " tokens, more than the model's window of ", config.window());
  for (std::size_t t = 0; t < batch.tokens(); ++t) {
    const auto inside = [](std::int32_t i, std::size_t size) { return i >= 0 && static_cast<std::size_t>(i) < size; };
    if (!inside(batch.ids[t], config.vocab_size))
      fail("token ", t, " has id ", batch.ids[t], ", outside the vocabulary of ", config.vocab_size);
    if (!inside(batch.type_ids[t], config.type_vocab_size))
      fail("token ", t, " has type id ", batch.type_ids[t], ", the model has ", config.type_vocab_size, " types");
    if (!inside(batch.positions[t], config.window()))
      fail("token ", t, " has position ", batch.positions[t], ", the model has ", config.window());
  }
}

BERT_INLINE PackedBatch blank_batch(std::span<const std::size_t> lengths) {
  PackedBatch batch;
  for (std::size_t length : lengths) batch.add(std::vector<std::int32_t>(length));
  return batch;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
