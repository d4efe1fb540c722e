// Embedder: texts to vectors (Reimers and Gurevych 2019); search over them is in search.h.
//
// Pooling, Dense modules and normalisation follow what the model's folder says (sentence-transformers), else mean and
// unit length.
#pragma once
#include <bert/tasks/dense_modules.h>
#include <bert/tasks/search.h>
#include <bert/tasks/text_model.h>

#include <utility>

namespace bert::inline BERT_ABI {

struct EmbedOptions {
  std::string pooling;               ///< "cls", "mean", "max", "last"; empty: what the model says, else mean
  std::optional<bool> normalize;     ///< to unit length; empty: what the model says, else yes
  std::string prompt;                ///< put before every text
  std::size_t truncate_dim = 0;      ///< keep the first so many numbers, before normalising; 0: all
  std::optional<std::size_t> layer;  ///< hidden state of this layer, 0 the embeddings' output; empty: the last
};

class Embedder {
 public:
  explicit Embedder(const std::filesystem::path& model, const TaskOptions& options = {}, EmbedOptions embed = {});
  explicit Embedder(std::shared_ptr<const TextModel> model, EmbedOptions embed = {});

  /// Numbers per vector.
  std::size_t dimension() const { return embed_.truncate_dim ? embed_.truncate_dim : dense_.size(); }
  const KernelTable<float>& kernels() const { return model_->kernels(); }
  /// Longest text in tokens: the model's window, or the folder's smaller max_seq_length.
  std::size_t window() const { return model_->checkpoint.pooling().max_seq_length.value_or(0); }

  /// One vector [dimension()]. Throws Error when the text is empty or does not fit the window.
  std::vector<float> operator()(std::string_view text) const;
  /// A vector for each text; a text's vector does not depend on the others.
  std::vector<std::vector<float>> operator()(std::span<const std::string> texts) const;
  std::vector<std::vector<float>> operator()(Session& session, std::span<const std::string> texts) const;

  /// The parts of a call, for texts that do not come all at once: encode() puts the prompt before a text and checks
  /// that it fits the window; stream() takes encodings from next() until it gives none (std::optional<Encoding>), runs
  /// them in packed batches and calls visit(states [S, dimension()], of a model with Dense modules [S, H]) for each in
  /// order; pooled() makes a vector of states. When next() throws, those before are visited first.
  Encoding encode(const std::string& text) const;
  template <class Next, class Visit>
  void stream(Session& session, const Next& next, const Visit& visit) const;
  std::vector<float> pooled(TensorView<const float, 2> states) const;

  /// Cosine of two vectors of equal size.
  float cosine(std::span<const float> a, std::span<const float> b) const;

 private:
  static PoolingMode mode_by_name(const std::string& name);

  std::shared_ptr<const TextModel> model_;
  EmbedOptions embed_;
  DenseModules dense_;
  PoolingMode mode_ = PoolingMode::mean;
  bool normalize_ = true;
};

template <class Next, class Visit>
void Embedder::stream(Session& session, const Next& next, const Visit& visit) const {
  const FloatEnvironment environment;
  Trace<float> trace;
  run_packed(model_->options.max_tokens, next, [&](const PackedBatch& batch) {
    const auto output = model_->model->forward(session, batch, {}, embed_.layer ? &trace : nullptr);
    const TensorView<const float, 2> states =
        embed_.layer ? std::as_const(trace.hidden_states[*embed_.layer]).view() : output.last_hidden_state;
    for (std::size_t b = 0; b < batch.sequences(); ++b)
      visit(states.slice_rows(batch.offsets[b], batch.length(b))
                .slice_columns(0, dense_.empty() ? dimension() : states.columns()));
  });
}

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>

namespace bert::inline BERT_ABI {

BERT_INLINE Embedder::Embedder(const std::filesystem::path& model, const TaskOptions& options, EmbedOptions embed)
    : Embedder(TextModel::open(model, options), std::move(embed)) {}

BERT_INLINE Embedder::Embedder(std::shared_ptr<const TextModel> model, EmbedOptions embed)
    : model_(std::move(model)),
      embed_(std::move(embed)),
      dense_(model_->checkpoint, model_->model->config().hidden_size, model_->kernels()) {
  const Pooling& said = model_->checkpoint.pooling();
  const std::string mode = !embed_.pooling.empty() ? embed_.pooling : said.mode.empty() ? "mean" : said.mode;
  mode_ = mode_by_name(mode);
  if (mode != said.mode && !dense_.empty() && said.mode.find('+') != std::string::npos)
    fail("pooling \"", mode, "\" cannot replace \"", said.mode, "\": of the modules behind it only some are supported");
  normalize_ = embed_.normalize.value_or(said.normalize.value_or(true));
  const ModelConfig& config = model_->model->config();
  if (embed_.truncate_dim > dense_.size())
    fail("cannot keep ", embed_.truncate_dim, " of ", dense_.size(), " dimensions");
  if (embed_.layer && *embed_.layer > config.num_hidden_layers)
    fail("there is no layer ", *embed_.layer, ": the model has ", config.num_hidden_layers);
}

BERT_INLINE std::vector<float> Embedder::operator()(std::string_view text) const {
  const std::string one(text);
  return std::move((*this)(std::span(&one, 1))[0]);
}

BERT_INLINE std::vector<std::vector<float>> Embedder::operator()(std::span<const std::string> texts) const {
  Session session(model_->options.threads);
  return (*this)(session, texts);
}

BERT_INLINE std::vector<std::vector<float>> Embedder::operator()(Session& session,
                                                                 std::span<const std::string> texts) const {
  std::vector<std::vector<float>> vectors;
  std::size_t i = 0;
  stream(
      session, [&] { return i < texts.size() ? std::optional(encode(texts[i++])) : std::nullopt; },
      [&](TensorView<const float, 2> states) { vectors.push_back(pooled(states)); });
  return vectors;
}

BERT_INLINE Encoding Embedder::encode(const std::string& text) const {
  if (!embed_.prompt.empty() && model_->is_empty(text)) fail("the text is empty");  // else the model asks
  return model_->encode(embed_.prompt + text, window());
}

BERT_INLINE std::vector<float> Embedder::pooled(TensorView<const float, 2> states) const {
  std::vector<float> vector(dimension());
  if (dense_.empty()) {
    pool<float>(mode_, normalize_, states, vector, model_->kernels());
    return vector;
  }
  std::vector<float> whole(states.columns());
  pool<float>(mode_, false, states, whole, model_->kernels());
  whole = dense_.forward(std::move(whole));
  pool<float>(PoolingMode::cls, normalize_, {whole.data(), {1, dimension()}}, vector, model_->kernels());  // of one row
  return vector;
}

BERT_INLINE float Embedder::cosine(std::span<const float> a, std::span<const float> b) const {
  const FloatEnvironment environment;
  const auto dot = [&](std::span<const float> x, std::span<const float> y) {
    return model_->kernels().dot(x.data(), y.data(), x.size());
  };
  const float norms = std::sqrt(dot(a, a)) * std::sqrt(dot(b, b));
  return dot(a, b) / (norms > 1e-12f ? norms : 1e-12f);
}

BERT_INLINE PoolingMode Embedder::mode_by_name(const std::string& name) {
  constexpr std::pair<std::string_view, PoolingMode> modes[] = {
      {"cls", PoolingMode::cls}, {"mean", PoolingMode::mean}, {"max", PoolingMode::max}, {"last", PoolingMode::last}};
  for (const auto& [known, mode] : modes)
    if (known == name) return mode;
  fail("pooling \"", name, "\" is not supported; supported are cls, mean, max and last");
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
