// A WordPiece vocabulary from text, the one that Hugging Face's BertWordPieceTokenizer learns from it.
//
// count_words() counts the words of a text, train_wordpiece() makes the vocabulary of the counts, and save_tokenizer()
// writes it. Where two pairs of pieces are as frequent, Hugging Face takes the one with smaller ids, but numbers the
// pieces of one character as its hash table has them, which changes from run to run. Here they go by code point, so
// that the result depends on nothing but the text: tools/compare_tokenizer_trainer.py compares the two.
#pragma once
#include <bert/core/team.h>
#include <bert/tokenizers/normalizer.h>

#include <filesystem>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

namespace bert::inline BERT_ABI {

/// The defaults are Hugging Face's.
struct WordPieceTrainerOptions {
  std::size_t vocab_size = 30000;     ///< tokens, special ones included
  std::uint64_t min_frequency = 2;    ///< how often two pieces must stand together to become one
  std::size_t limit_alphabet = 1000;  ///< characters that are kept, the most frequent ones; others become [UNK]
  std::vector<std::string> special_tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};  ///< they come first
};

namespace detail {
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
}  // namespace detail

/// How often each word occurs.
using WordCounts = std::unordered_map<std::string, std::uint64_t, detail::TextHash, std::equal_to<>>;

/// Sets `line` to the next line of a text, which stays valid until the next call; false at the end.
using LineSource = std::function<bool(std::string_view& line)>;

/// Normalises all lines, cuts them into words and adds these to `counts`. Lines are any bytes: invalid UTF-8 is read as
/// U+FFFD, which BERT drops. Called by one thread at a time, next_line() may throw; then counts are incomplete.
void count_words(const LineSource& next_line, const NormalizerOptions& options, const Threads& threads,
                 WordCounts& counts);

/// The vocabulary, in the order of its ids: special tokens, characters, characters inside words, merged pieces in the
/// order in which they were found; fewer than vocab_size where the text has no more pairs of min_frequency. `progress`
/// is told from time to time how many there are. Errors: there are no words; vocab_size does not hold the characters.
std::vector<std::string> train_wordpiece(const WordCounts& counts, const WordPieceTrainerOptions& options = {},
                                         const std::function<void(std::size_t)>& progress = {});

/// Writes vocab.txt and tokenizer_config.json, as Hugging Face reads them, to a folder, which is made where there is
/// none. Errors: `cannot write …`; a tokenizer.json is there, which would be read in their place.
void save_tokenizer(const std::filesystem::path& folder, const std::vector<std::string>& vocabulary,
                    const NormalizerOptions& options);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/io/output_file.h>
#include <bert/tokenizers/pre_tokenizer.h>

#include <algorithm>
#include <mutex>
#include <span>
#include <system_error>
#include <utility>

namespace bert::inline BERT_ABI {

BERT_INLINE void count_words(const LineSource& next_line, const NormalizerOptions& options, const Threads& threads,
                             WordCounts& counts) {
  constexpr std::size_t kBlock = std::size_t{1} << 18;  // bytes of lines that a thread takes at once
  const BertNormalizer normalizer(options);
  std::mutex reading, adding;
  bool ended = false;
  const auto read_block = [&](std::string& block) {
    block.clear();
    const std::lock_guard lock(reading);
    bool more = !std::exchange(ended, true);  // so it stays when next_line() throws
    for (std::string_view line; more && block.size() < kBlock;)
      if ((more = next_line(line))) block.append(line).push_back('\n');
    ended = !more;
    return !block.empty();
  };
  threads.run([&](const Team&) {
    WordCounts own;
    std::string block, repaired;
    NormalizedText normal{{}, {}, false};
    while (read_block(block)) {
      repaired.clear();
      normal.text.clear();
      normalizer.append(detail::repair_utf8(block, repaired), 0, normal);
      split_bert_words(normal.text, [&](std::string_view word) {
        const auto known = own.find(word);
        if (known != own.end())
          ++known->second;
        else
          own.emplace(word, 1);
      });
    }
    const std::lock_guard lock(adding);
    if (counts.empty()) counts.swap(own);
    for (const auto& [word, count] : own) counts[word] += count;
  });
}

namespace detail {

/// Byte pair encoding (Sennrich et al. 2016) on words of pieces: again and again, the two pieces that stand together
/// most often become one.
class PieceMerger {
 public:
  PieceMerger(const WordCounts& counts, const WordPieceTrainerOptions& options) : options_(options) {
    for (const std::string& token : options.special_tokens) add_token(token);
    spell(counts, alphabet_of(counts));
    count_pairs();
  }

  const std::vector<std::string>& vocabulary() const { return vocabulary_; }

  /// Merges the most frequent pair; false when none is frequent enough.
  bool merge_next();

 private:
  using Id = std::uint32_t;
  using Pair = std::uint64_t;  // the first id in the upper half: pairs are in the order of their ids

  struct Word {
    std::size_t begin, size;  // in ids_
    std::int64_t count;
  };
  struct PairState {
    std::int64_t count = 0;
    std::vector<std::uint32_t> found_in;  // words where this merge made it
  };
  /// A pair, as it was when words were added to it. In Hugging Face, a pair that comes up again (two ways lead to one
  /// piece: "ab" + "##c", "a" + "##bc") is a second candidate beside the first: each knows its own words, and the
  /// first waits until its old count is the highest.
  struct Candidate {
    std::int64_t count;
    Pair pair;
    std::uint64_t age;
    std::vector<std::uint32_t> words;

    bool operator<(const Candidate& other) const {  // std::*_heap has the largest on top
      if (count != other.count) return count < other.count;
      return pair != other.pair ? pair > other.pair : age > other.age;
    }
  };

  static Pair pair_of(Id first, Id second) { return Pair{first} << 32 | second; }

  Id add_token(const std::string& token) {
    const auto [at, added] = ids_by_token_.try_emplace(token, static_cast<Id>(vocabulary_.size()));
    if (added) vocabulary_.push_back(token);
    return at->second;
  }

  std::vector<char32_t> alphabet_of(const WordCounts& counts) const;
  void spell(const WordCounts& counts, const std::vector<char32_t>& alphabet);
  void count_pairs();
  void merge_in_word(std::uint32_t index, Id first, Id second, Id merged);
  void change_count(Id first, Id second, std::uint32_t word, std::int64_t change);
  void push_found();
  void push(Candidate candidate) {
    candidates_.push_back(std::move(candidate));
    std::push_heap(candidates_.begin(), candidates_.end());
  }

  const WordPieceTrainerOptions& options_;
  std::vector<std::string> vocabulary_;
  std::unordered_map<std::string, Id> ids_by_token_;
  std::vector<Id> ids_;  // of all words, end to end
  std::vector<Word> words_;
  std::unordered_map<Pair, PairState> pairs_;
  std::vector<Pair> found_;  // pairs with words in found_in
  std::vector<Candidate> candidates_;
  std::uint64_t pushed_ = 0;
};

template <class Use>
void for_each_code_point(std::string_view text, Use&& use) {
  for (const char *at = text.data(), *const end = at + text.size(); at != end;) use(next_code_point(at, end));
}

/// The characters that are kept, in the order of code points. Of those that are as frequent as the last, the first.
inline std::vector<char32_t> PieceMerger::alphabet_of(const WordCounts& counts) const {
  std::unordered_map<char32_t, std::uint64_t> frequency;
  for (const auto& [word, count] : counts)
    for_each_code_point(word, [&, times = count](char32_t c) { frequency[c] += times; });
  std::vector<char32_t> alphabet;
  for (const auto& [c, count] : frequency) alphabet.push_back(c);
  std::sort(alphabet.begin(), alphabet.end(), [&](char32_t a, char32_t b) {
    const std::uint64_t left = frequency.at(a), right = frequency.at(b);
    return left != right ? left > right : a < b;
  });
  alphabet.resize(std::min(alphabet.size(), options_.limit_alphabet));
  std::sort(alphabet.begin(), alphabet.end());
  return alphabet;
}

/// Every word as the ids of its characters. Those that are not in the alphabet are left out.
inline void PieceMerger::spell(const WordCounts& counts, const std::vector<char32_t>& alphabet) {
  struct CharacterIds {
    Id first, inside;
    bool is_inside;  // of some word
  };
  std::unordered_map<char32_t, CharacterIds> ids;
  const auto token = [](char32_t c, std::string text) {
    append_utf8(text, c);
    return text;
  };
  for (const char32_t c : alphabet) ids[c] = {add_token(token(c, "")), 0, false};
  std::vector<char32_t> inside;  // words
  for (const auto& [word, count] : counts) {
    bool first = true;
    for_each_code_point(word, [&](char32_t c) {
      const auto known = ids.find(c);
      if (!std::exchange(first, false) && known != ids.end() && !std::exchange(known->second.is_inside, true))
        inside.push_back(c);
    });
  }
  std::sort(inside.begin(), inside.end());
  for (const char32_t c : inside) ids[c].inside = add_token(token(c, "##"));
  for (const auto& [word, count] : counts) {
    const std::size_t begin = ids_.size();
    bool first = true;
    for_each_code_point(word, [&](char32_t c) {
      const auto known = ids.find(c);
      if (known != ids.end()) ids_.push_back(first ? known->second.first : known->second.inside);
      first = false;
    });
    words_.push_back({begin, ids_.size() - begin, static_cast<std::int64_t>(count)});
  }
}

inline void PieceMerger::count_pairs() {
  for (std::uint32_t index = 0; index < words_.size(); ++index) {
    const Word& word = words_[index];
    for (std::size_t i = word.begin; i + 1 < word.begin + word.size; ++i)
      change_count(ids_[i], ids_[i + 1], index, word.count);
  }
  push_found();
}

inline void PieceMerger::change_count(Id first, Id second, std::uint32_t word, std::int64_t change) {
  const Pair pair = pair_of(first, second);
  PairState& state = pairs_[pair];
  state.count += change;
  if (change < 0) return;
  if (state.found_in.empty()) found_.push_back(pair);
  if (state.found_in.empty() || state.found_in.back() != word) state.found_in.push_back(word);
}

inline void PieceMerger::push_found() {
  for (const Pair pair : found_) {
    PairState& state = pairs_[pair];
    std::vector<std::uint32_t> words = std::exchange(state.found_in, {});
    if (state.count > 0) push({state.count, pair, pushed_, std::move(words)});
  }
  found_.clear();
  ++pushed_;
}

inline bool PieceMerger::merge_next() {
  while (!candidates_.empty()) {
    std::pop_heap(candidates_.begin(), candidates_.end());
    Candidate best = std::move(candidates_.back());
    candidates_.pop_back();
    if (const std::int64_t count = pairs_[best.pair].count; best.count != count) {
      best.count = count;
      push(std::move(best));
      continue;
    }
    if (best.count < 1 || static_cast<std::uint64_t>(best.count) < options_.min_frequency) return false;
    const auto first = static_cast<Id>(best.pair >> 32), second = static_cast<Id>(best.pair);
    const Id merged = add_token(vocabulary_[first] + vocabulary_[second].substr(2));  // without its ##
    for (const std::uint32_t word : best.words) merge_in_word(word, first, second, merged);
    push_found();
    return true;
  }
  return false;
}

/// From left to right; the count of the merged pair itself stays as it was, as in Hugging Face.
inline void PieceMerger::merge_in_word(std::uint32_t index, Id first, Id second, Id merged) {
  Word& word = words_[index];
  const std::span<Id> ids(ids_.data() + word.begin, word.size);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < ids.size(); ++i, ++kept) {
    if (ids[i] != first || i + 1 == ids.size() || ids[i + 1] != second) {
      ids[kept] = ids[i];
      continue;
    }
    if (kept > 0) {
      change_count(ids[kept - 1], first, index, -word.count);
      change_count(ids[kept - 1], merged, index, word.count);
    }
    ids[kept] = merged;
    if (++i + 1 < ids.size()) {
      change_count(second, ids[i + 1], index, -word.count);
      change_count(merged, ids[i + 1], index, word.count);
    }
  }
  word.size = kept;
}

}  // namespace detail

BERT_INLINE std::vector<std::string> train_wordpiece(const WordCounts& counts, const WordPieceTrainerOptions& options,
                                                     const std::function<void(std::size_t)>& progress) {
  if (counts.empty()) fail("the text has no words to make a vocabulary of");
  detail::PieceMerger merger(counts, options);
  const std::vector<std::string>& vocabulary = merger.vocabulary();
  if (vocabulary.size() > options.vocab_size)
    fail("a vocabulary of ", options.vocab_size, " does not hold the ", vocabulary.size(),
         " special tokens and characters of the text: make it larger, or limit the alphabet to fewer than ",
         options.limit_alphabet, " characters");
  while (vocabulary.size() < options.vocab_size && merger.merge_next())
    if (progress) progress(vocabulary.size());
  return vocabulary;
}

BERT_INLINE void save_tokenizer(const std::filesystem::path& folder, const std::vector<std::string>& vocabulary,
                                const NormalizerOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!std::filesystem::is_directory(folder))
    fail("cannot make the folder \"", folder.string(), "\": ", error.message());
  if (std::filesystem::exists(folder / "tokenizer.json"))
    fail("\"", folder.string(),
         "\" holds a tokenizer.json, which would be read in place of vocab.txt: name another folder");
  const auto truth = [](bool value) { return value ? "true" : "false"; };
  OutputFile vocab(folder / "vocab.txt"), config(folder / "tokenizer_config.json");
  for (const std::string& token : vocabulary) vocab.write(token + "\n");
  config.write(concat("{\n  \"tokenizer_class\": \"BertTokenizer\",\n  \"do_lower_case\": ", truth(options.lowercase),
                      ",\n  \"strip_accents\": ", options.strip_accents ? truth(*options.strip_accents) : "null",
                      ",\n  \"tokenize_chinese_chars\": ", truth(options.tokenize_chinese_chars),
                      ",\n  \"pad_token\": \"[PAD]\",\n  \"unk_token\": \"[UNK]\",\n  \"cls_token\": \"[CLS]\",\n"
                      "  \"sep_token\": \"[SEP]\",\n  \"mask_token\": \"[MASK]\"\n}\n"));
  vocab.commit();
  config.commit();
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
