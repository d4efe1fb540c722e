// TextModel: a model of any family with its tokenizer, opened once and shared by tasks; and how a text becomes ids that
// fit its window.
//
// Immutable: any number of tasks and threads may use one. A new task takes a std::shared_ptr<const TextModel>, or the
// path of a model, and keeps a Session per call (see fill_mask.h).
#pragma once
#include <bert/core/session.h>
#include <bert/io/tokenizer_files.h>
#include <bert/models/registry.h>

#include <memory>
#include <utility>

namespace bert::inline BERT_ABI {

struct TaskOptions {
  int threads = 0;  ///< for opening a model and running it; 0: all that this process may use
  std::string isa;  ///< instruction set; empty: BERT_ISA from the environment, else the best there is
  std::optional<Precision> precision;  ///< empty: int8 for a file that holds 8-bit weights, else fp32
  bool truncate = false;               ///< cut texts beyond the window; otherwise they are an error
  std::size_t max_tokens = 4096;       ///< most tokens of one packed batch
};

/// Packs encodings as they come: takes them from next() until it gives none (std::optional<Encoding>) and calls
/// run(batch) whenever another would exceed max_tokens. When next() throws, those before are run first.
template <class Next, class Run>
void run_packed(std::size_t max_tokens, const Next& next, const Run& run) {
  PackedBatch waiting;
  const auto flush = [&] {
    const PackedBatch batch = std::exchange(waiting, PackedBatch());
    if (batch.sequences() > 0) run(batch);
  };
  try {
    while (const std::optional<Encoding> encoding = next()) {
      if (waiting.tokens() + encoding->ids.size() > max_tokens) flush();
      waiting.add(encoding->ids, encoding->type_ids);
    }
  } catch (const Error&) {
    flush();
    throw;
  }
  flush();
}

/// The same of encodings that are all there.
template <class Run>
void run_packed(std::size_t max_tokens, std::span<const Encoding> encodings, const Run& run) {
  std::size_t given = 0;
  run_packed(
      max_tokens, [&] { return given < encodings.size() ? std::optional(encodings[given++]) : std::nullopt; }, run);
}

struct TextModel {
  Checkpoint checkpoint;
  Tokenizer tokenizer;
  std::unique_ptr<const Model<float>> model;
  TaskOptions options;

  /// Opens a converted file or a Hugging Face folder. Throws Error when a file is missing, damaged or does not fit.
  static std::shared_ptr<const TextModel> open(const std::filesystem::path& path, const TaskOptions& options = {});

  const KernelTable<float>& kernels() const { return model->kernels(); }
  /// Throws Error `"PATH": this model has no … head; it has …` when the model lacks the head.
  void require(Head head) const;
  /// The id of the mask token of a model that fills masks. Throws Error for another, one without a language-model head,
  /// and a tokenizer without a mask token.
  std::int32_t mask_to_fill() const;
  /// What the outputs of its classifier are called: the config's id2label, or LABEL_0, LABEL_1, …
  std::vector<std::string> labels() const;

  /// Ids, types and offsets of a text, or of a pair. Throws Error when a text has no tokens, or more than `window`
  /// tokens (0: the model's) and options.truncate is off.
  Encoding encode(std::string_view text, std::size_t window = 0) const;
  Encoding encode(std::string_view a, std::string_view b, std::size_t window = 0) const;
  /// Ids of a text in windows that have `stride` tokens in common: one, unless it is longer than the window.
  std::vector<Encoding> encode_windows(std::string_view text, std::size_t stride) const;
  /// What stands behind a prompt once `ids` follow it: its spaces, too.
  std::string continuation(std::span<const std::int32_t> prompt, std::span<const std::int32_t> ids) const;
  /// True when the tokenizer makes no token of the text: blanks, control characters, zero-width spaces.
  bool is_empty(std::string_view text) const;

 private:
  std::size_t limit(std::size_t window) const;
  EncodeOptions fitting(std::size_t window) const;
  Encoding checked(Encoding encoding, std::size_t window) const;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>

namespace bert::inline BERT_ABI {

/// Sorts results by score, best first, of equal ones those that came first, and keeps at most `top_k`.
template <class Scored>
void keep_best(std::vector<Scored>& results, std::size_t top_k) {
  std::stable_sort(results.begin(), results.end(), [](const Scored& a, const Scored& b) { return a.score > b.score; });
  if (results.size() > top_k) results.erase(results.begin() + static_cast<std::ptrdiff_t>(top_k), results.end());
}

BERT_INLINE std::shared_ptr<const TextModel> TextModel::open(const std::filesystem::path& path,
                                                             const TaskOptions& options) {
  Checkpoint checkpoint = Checkpoint::open(path);
  Tokenizer tokenizer = load_tokenizer(checkpoint);
  const KernelTable<float>& kernels = options.isa.empty() ? default_kernels<float>() : kernels_for(options.isa);
  auto model = open_model<float>(checkpoint, kernels, options.precision, Threads(options.threads));
  if (tokenizer.vocab_size() > model->config().vocab_size)
    fail("\"", path.string(), "\": the tokenizer has ", tokenizer.vocab_size(), " tokens, the model's vocabulary ",
         model->config().vocab_size);
  return std::make_shared<TextModel>(TextModel{std::move(checkpoint), std::move(tokenizer), std::move(model), options});
}

BERT_INLINE void TextModel::require(Head head) const {
  try {
    model->require(head);
  } catch (const Error& error) {
    fail('"', checkpoint.path().string(), "\": ", error.what());
  }
}

BERT_INLINE std::int32_t TextModel::mask_to_fill() const {
  require(Head::words);
  if (model->continues())
    fail('"', checkpoint.path().string(), "\" continues texts (generate): it was not trained to fill masks");
  if (!tokenizer.mask_id()) fail("the tokenizer has no mask token");
  return *tokenizer.mask_id();
}

BERT_INLINE std::vector<std::string> TextModel::labels() const {
  std::vector<std::string> names = model->config().id2label;
  for (std::size_t i = names.size(); i < model->outputs(); ++i) names.push_back(concat("LABEL_", i));
  return names;
}

BERT_INLINE Encoding TextModel::encode(std::string_view text, std::size_t window) const {
  return checked(tokenizer.encode(text, fitting(window)), window);
}

BERT_INLINE Encoding TextModel::encode(std::string_view a, std::string_view b, std::size_t window) const {
  if (is_empty(a) || is_empty(b)) fail("a text of the pair is empty");
  return checked(tokenizer.encode(a, b, fitting(window)), window);
}

BERT_INLINE std::vector<Encoding> TextModel::encode_windows(std::string_view text, std::size_t stride) const {
  const EncodeOptions cut = {.max_length = limit(0), .truncation = Truncation::longest_first, .stride = stride};
  return list_windows(checked(tokenizer.encode(text, cut), 0));
}

BERT_INLINE std::string TextModel::continuation(std::span<const std::int32_t> prompt,
                                                std::span<const std::int32_t> ids) const {
  std::vector<std::int32_t> all(prompt.begin(), prompt.end());
  all.insert(all.end(), ids.begin(), ids.end());
  const std::string begin = tokenizer.decode(prompt), text = tokenizer.decode(all);
  return text.starts_with(begin) ? text.substr(begin.size()) : tokenizer.decode(ids);
}

BERT_INLINE bool TextModel::is_empty(std::string_view text) const {
  return tokenizer.encode(text, {.add_special_tokens = false}).ids.empty();
}

BERT_INLINE std::size_t TextModel::limit(std::size_t window) const {
  const std::size_t most = model->config().window();
  return window == 0 || window > most ? most : window;
}

BERT_INLINE EncodeOptions TextModel::fitting(std::size_t window) const {
  if (!options.truncate) return {};
  return {.max_length = limit(window), .truncation = Truncation::longest_first};
}

BERT_INLINE Encoding TextModel::checked(Encoding encoding, std::size_t window) const {
  std::size_t words = 0;
  for (std::uint8_t special : encoding.special_tokens_mask) words += special == 0;
  if (words == 0) fail("the text is empty");
  if (encoding.ids.size() > limit(window))
    fail("the text has ", encoding.ids.size(), " tokens, the model's window is ", limit(window),
         ": cut it with --truncate (only tokenize, tag and answer take --stride)");
  return encoding;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
