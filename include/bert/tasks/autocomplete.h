// Autocomplete: the likeliest next words of a text, by a masked language model.
//
// A mask and a full stop (or another ending) are put behind the text. A word of m pieces is looked for behind m masks,
// its pieces filled from left to right by a beam; its probability is the product of its pieces':
//   p(word) = p(piece 1 | text, m masks) p(piece 2 | text, piece 1, m - 1 masks) …
// Only whole words compete: no punctuation, no bare pieces.
#pragma once
#include <bert/tasks/masked_text.h>

namespace bert::inline BERT_ABI {

struct AutocompleteOptions {
  std::size_t top_k = 5;
  std::size_t max_pieces = 2;  ///< words of more pieces of the vocabulary are not found
  std::size_t beam = 8;        ///< beginnings that are gone on with
  std::string ending = ".";    ///< what stands behind the word; may be empty
};

struct Completion {
  std::string word;
  float score;       ///< probability
  std::string text;  ///< the text with the word behind it
};

class Autocomplete {
 public:
  explicit Autocomplete(const std::filesystem::path& model, const TaskOptions& options = {});
  explicit Autocomplete(std::shared_ptr<const TextModel> model);

  /// The likeliest words, best first; ties go to the smaller ids. Throws Error for a text that is empty, holds a mask
  /// or leaves no room in the window for a word (options.truncate: its beginning is cut off).
  std::vector<Completion> operator()(std::string_view text, const AutocompleteOptions& options = {}) const;
  std::vector<Completion> operator()(Session& session, std::string_view text,
                                     const AutocompleteOptions& options = {}) const;

 private:
  struct Word {
    std::vector<std::int32_t> pieces;
    float score;  // the probability's logarithm
  };
  struct Around {
    std::vector<std::int32_t> prompt, ending;
  };
  enum Kind : std::uint8_t { other, begins, continues };

  std::uint8_t kind_of(std::int32_t id, std::int32_t word) const;
  std::vector<Word> words_of(Session& session, const Around& around, std::size_t pieces,
                             const AutocompleteOptions& options) const;
  void extend(const Word& begin, Kind kind, std::span<float> logits, std::size_t most, std::vector<Word>& words) const;

  MaskedText masked_;
  std::vector<std::uint8_t> kinds_;  // by id
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/tokenizers/unicode.h>

#include <algorithm>

namespace bert::inline BERT_ABI {

BERT_INLINE Autocomplete::Autocomplete(const std::filesystem::path& model, const TaskOptions& options)
    : Autocomplete(TextModel::open(model, options)) {}

BERT_INLINE Autocomplete::Autocomplete(std::shared_ptr<const TextModel> model) : masked_(std::move(model)) {
  const Tokenizer& tokenizer = masked_.model().tokenizer;
  const std::vector<std::int32_t> ids = tokenizer.encode("a", {.add_special_tokens = false}).ids;
  const std::int32_t word = ids.empty() ? masked_.mask() : ids[0];
  kinds_.assign(masked_.vocab_size(), other);
  for (std::size_t id = 0; id < kinds_.size(); ++id)
    if (masked_.may_write(static_cast<std::int32_t>(id))) kinds_[id] = kind_of(static_cast<std::int32_t>(id), word);
}

/// Whatever the tokenizer marks pieces with, decode() knows: a space before it begins a word.
BERT_INLINE std::uint8_t Autocomplete::kind_of(std::int32_t id, std::int32_t word) const {
  std::string text = masked_.model().continuation({&word, 1}, {&id, 1});
  const bool space = text.starts_with(' ');
  if (space) text.erase(0, 1);
  if (text.empty()) return other;
  for (const char *at = text.data(), *const end = at + text.size(); at != end;)
    if (!detail::is_word_character(detail::next_code_point(at, end))) return other;
  return space ? begins : continues;
}

BERT_INLINE std::vector<Completion> Autocomplete::operator()(std::string_view text,
                                                             const AutocompleteOptions& options) const {
  Session session(masked_.model().options.threads);
  return (*this)(session, text, options);
}

BERT_INLINE std::vector<Completion> Autocomplete::operator()(Session& session, std::string_view text,
                                                             const AutocompleteOptions& options) const {
  const FloatEnvironment environment;
  if (options.top_k == 0 || options.max_pieces == 0 || options.beam == 0)
    fail("top_k, max_pieces and beam are 1 or more");
  const std::vector<std::int32_t> ending =
      masked_.model().tokenizer.encode(options.ending, {.add_special_tokens = false}).ids;
  const std::vector<std::int32_t> prompt = masked_.prompt(text, options.max_pieces + ending.size());
  std::vector<Word> words;
  for (std::size_t pieces = 1; pieces <= options.max_pieces; ++pieces)
    for (Word& word : words_of(session, {prompt, ending}, pieces, options)) words.push_back(std::move(word));
  keep_best(words, options.top_k);
  std::vector<Completion> completions;
  while (text.ends_with(' ')) text.remove_suffix(1);
  for (const Word& word : words) {
    std::string behind = masked_.model().continuation(prompt, word.pieces);
    float probability = word.score;
    masked_.model().kernels().exp(&probability, 1);
    std::string whole = concat(text, behind);
    completions.push_back({behind.substr(behind.starts_with(' ')), probability, std::move(whole)});
  }
  return completions;
}

/// Words of so many pieces: one forward pass for each piece, of all beginnings together.
BERT_INLINE std::vector<Autocomplete::Word> Autocomplete::words_of(Session& session, const Around& around,
                                                                   std::size_t pieces,
                                                                   const AutocompleteOptions& options) const {
  std::vector<Word> beam = {{{}, 0}};
  for (std::size_t filled = 0; filled < pieces; ++filled) {
    std::vector<MaskedText::Query> queries;
    for (const Word& begin : beam) {
      std::vector<std::int32_t> ids = around.prompt;
      ids.insert(ids.end(), begin.pieces.begin(), begin.pieces.end());
      ids.insert(ids.end(), pieces - filled, masked_.mask());
      ids.insert(ids.end(), around.ending.begin(), around.ending.end());
      queries.push_back({masked_.wrapped(ids), {masked_.before() + around.prompt.size() + filled}});
    }
    const std::size_t most = filled + 1 < pieces ? options.beam : options.top_k;
    std::vector<Word> longer;
    masked_.run(session, queries, [&](std::size_t q, std::size_t, std::span<float> logits) {
      extend(beam[q], filled == 0 ? begins : continues, logits, most, longer);
    });
    keep_best(longer, most);
    beam = std::move(longer);
  }
  return beam;
}

/// Adds the `most` likeliest continuations of a beginning by pieces of a kind, of equal ones the smaller ids.
BERT_INLINE void Autocomplete::extend(const Word& begin, Kind kind, std::span<float> logits, std::size_t most,
                                      std::vector<Word>& words) const {
  std::vector<std::int32_t> ids;
  for (std::size_t id = 0; id < logits.size(); ++id)
    if (kinds_[id] == kind) ids.push_back(static_cast<std::int32_t>(id));
  const auto logit = [&](std::int32_t id) { return logits[static_cast<std::size_t>(id)]; };
  const auto end = ids.begin() + static_cast<std::ptrdiff_t>(std::min(most, ids.size()));
  std::partial_sort(ids.begin(), end, ids.end(),
                    [&](std::int32_t a, std::int32_t b) { return logit(a) != logit(b) ? logit(a) > logit(b) : a < b; });
  const std::size_t first = words.size();
  for (auto id = ids.begin(); id != end; ++id) {
    Word& word = words.emplace_back(begin);
    word.pieces.push_back(*id), word.score += logit(*id);
  }
  float log_sum = 0;
  masked_.model().kernels().softmax({logits.data(), logits.size(), &log_sum});
  for (std::size_t i = first; i < words.size(); ++i) words[i].score -= log_sum;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
