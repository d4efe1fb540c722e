// Unigram: cuts a text into the pieces whose scores, log-probabilities, have the greatest sum (Kudo 2018, "Subword
// Regularization", section 3). Viterbi over all pieces that a trie finds; a character that is no piece costs ten more
// than the worst one.
//
// Sums are those of the program that is followed: SentencePiece adds floats along the sentence, Hugging Face doubles
// along the word, and where sums are equal the path that was found first stays. Two short cuts change nothing: where no
// piece holds two neighbouring characters (a letter and a comma, a letter and ▁) every path passes between them, so the
// parts are searched one by one, on top of the sum so far; and a part that is a piece, better than all other ways to
// make it by more than rounding can amount to, costs one look-up.
#pragma once
#include <bert/tokenizers/short_words.h>
#include <bert/tokenizers/trie.h>
#include <bert/tokenizers/vocabulary.h>

namespace bert::inline BERT_ABI {

class Unigram {
 public:
  /// fixed: a user-defined symbol, of score 0 and a tenth for every byte behind the first, as SentencePiece 0.2 has it;
  /// unused, none: never found.
  enum class Use : std::uint8_t { normal, fixed, unused, none };
  static constexpr std::int32_t kUnknown = -1;  ///< the id of a character that is no piece
  /// Memory for split(), to be kept from text to text; one for each thread.
  struct Scratch {
    template <class Sum>
    struct Node {
      Sum sum;
      std::int32_t id, begin;  // of the last piece of the best path to here; begin -1: not reached
    };
    std::vector<Piece> pieces;
    std::vector<Node<float>> floats;
    std::vector<Node<double>> doubles;
  };

  /// A score for each token; `uses` for each, or empty: all are normal. Error when a score is not finite. With
  /// `floats` sums are SentencePiece's.
  Unigram(const Vocabulary& tokens, std::vector<double> scores, const std::vector<Use>& uses, bool floats);

  /// Fills scratch.pieces with the pieces of `text` (valid UTF-8), unknown characters one by one.
  void split(const Vocabulary& tokens, std::string_view text, Scratch& scratch) const;

 private:
  template <class Sum>
  void split(const Vocabulary& tokens, std::string_view text, std::vector<Scratch::Node<Sum>>& nodes,
             std::vector<Piece>& pieces) const;
  template <class Sum>
  void split_word(const Vocabulary& tokens, std::string_view word, std::uint32_t at, Sum& sum,
                  std::vector<Scratch::Node<Sum>>& nodes, std::vector<Piece>& pieces) const;
  std::size_t part_end(std::string_view text) const;
  /// Whether `text`, which begins at byte `at`, is a piece that is surely the best way to make it; then it is taken.
  template <class Sum>
  bool take_whole(const Vocabulary& tokens, std::string_view text, std::uint32_t at, Sum& sum,
                  std::vector<Piece>& pieces) const;
  /// The best sum for `text` on top of `base`; the path is in nodes. Token `without` does not count.
  template <class Sum>
  Sum search(std::string_view text, Sum base, std::vector<Scratch::Node<Sum>>& nodes,
             std::int32_t without = kUnknown) const;
  template <class Sum>
  void find_whole(const Vocabulary& tokens, const std::vector<Use>& uses);

  Trie trie_;
  struct Token {
    double score;
    float margin;  // how much better than all other ways to make its text; negative: it is not
  };
  std::vector<Token> tokens_;
  ShortWords short_;                                    // those that are better than all other ways to make their text
  double unknown_ = 0;                                  // score of an unknown character
  std::vector<bool> joins_ = std::vector<bool>(65536);  // by two bytes: some token has them side by side
  bool floats_, cuts_ = true;                           // cuts_: no token has the space symbol behind another character
};

namespace detail {
inline constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";  // ▁, U+2581

/// Whether the space symbol stands behind another character.
inline bool spans_words(std::string_view token) {
  while (token.starts_with(kSpaceSymbol)) token.remove_prefix(kSpaceSymbol.size());
  return token.find(kSpaceSymbol) != token.npos;
}

/// The length of the first word of `text`: up to a space symbol that stands behind another character.
inline std::size_t first_word(std::string_view text) {
  const char *at = text.data(), *const end = at + text.size();
  const auto is_symbol = [&](const char* p) {
    return *p == '\xE2' && end - p >= 3 && p[1] == '\x96' && p[2] == '\x81';
  };
  while (at != end && is_symbol(at)) at += 3;
  while (at != end && !is_symbol(at)) ++at;
  return static_cast<std::size_t>(at - text.data());
}
}  // namespace detail

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace bert::inline BERT_ABI {

namespace detail {
inline std::vector<std::pair<std::string_view, std::int32_t>> usable_tokens(const Vocabulary& tokens,
                                                                            const std::vector<Unigram::Use>& uses) {
  std::vector<std::pair<std::string_view, std::int32_t>> usable;
  for (std::int32_t id = 0; id < static_cast<std::int32_t>(tokens.size()); ++id)
    if (uses.empty() || uses[static_cast<std::size_t>(id)] <= Unigram::Use::fixed)
      if (!tokens.token(id).empty()) usable.emplace_back(tokens.token(id), id);
  return usable;
}
}  // namespace detail

BERT_INLINE Unigram::Unigram(const Vocabulary& tokens, std::vector<double> scores, const std::vector<Use>& uses,
                             bool floats)
    : trie_(detail::usable_tokens(tokens, uses)), floats_(floats) {
  if (scores.size() != tokens.size()) fail("Unigram: ", tokens.size(), " tokens and ", scores.size(), " scores");
  double lowest = std::numeric_limits<double>::infinity();
  for (std::size_t id = 0; id < scores.size(); ++id) {
    tokens_.push_back({scores[id], -1});
    const std::string_view token = tokens.token(static_cast<std::int32_t>(id));
    if (!(std::abs(scores[id]) <= std::numeric_limits<float>::max() / 4))
      fail("Unigram: the score of \"", token, "\" is no finite number");
    if (detail::spans_words(token)) cuts_ = false;
    for (std::size_t i = 1; i < token.size(); ++i)
      joins_[256u * static_cast<unsigned char>(token[i - 1]) + static_cast<unsigned char>(token[i])] = true;
    if (!uses.empty() && uses[id] != Use::normal) continue;
    lowest = std::min(lowest, scores[id]);
  }
  if (!(lowest < std::numeric_limits<double>::infinity())) lowest = 0;
  unknown_ = floats ? static_cast<double>(static_cast<float>(lowest) - 10.0F) : lowest - 10;
  for (std::size_t id = 0; id < uses.size(); ++id)
    if (uses[id] == Use::fixed)
      tokens_[id].score =
          static_cast<double>(0.1F * static_cast<float>(tokens.token(static_cast<std::int32_t>(id)).size() - 1));
  floats ? find_whole<float>(tokens, uses) : find_whole<double>(tokens, uses);
}

template <class Sum>
void Unigram::find_whole(const Vocabulary& tokens, const std::vector<Use>& uses) {
  std::vector<Scratch::Node<Sum>> nodes;
  short_.reset(tokens.size());
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    const std::string_view token = tokens.token(static_cast<std::int32_t>(id));
    if (token.empty() || token.size() > 256 || (!uses.empty() && uses[id] > Use::fixed)) continue;
    const Sum other = search(token, Sum{0}, nodes, static_cast<std::int32_t>(id));
    const Sum itself = static_cast<Sum>(tokens_[id].score);
    const float margin = tokens_[id].margin = other > itself ? -1.0F : static_cast<float>(itself - other);
    if (margin >= 0 && token.size() <= ShortWords::kLongest && token.find('\0') == token.npos)
      short_.add(token, tokens_[id].score, margin, static_cast<std::int32_t>(id));
  }
}

template <class Sum>
Sum Unigram::search(std::string_view text, Sum base, std::vector<Scratch::Node<Sum>>& nodes,
                    std::int32_t without) const {
  if (nodes.size() <= text.size()) nodes.resize(text.size() + 1);
  for (std::size_t i = 0; i <= text.size(); ++i) nodes[i].begin = -1;
  nodes[0].sum = base;
  const char* const bytes = text.data();
  for (std::size_t begin = 0; begin < text.size();) {
    const Sum here = nodes[begin].sum;
    const bool ascii = static_cast<signed char>(text[begin]) >= 0;
    const std::size_t length = ascii ? 1 : std::min(detail::character_length(text[begin]), text.size() - begin);
    bool single = false;
    std::uint32_t trie_node = 0;
    for (std::size_t end = begin; end < text.size();) {
      if (trie_node = trie_.child(trie_node, bytes[end]); trie_node == 0) break;
      ++end;
      if (!trie_.has_id(trie_node)) continue;
      const std::int32_t id = trie_.id(trie_node);
      if (id == without) continue;
      const Sum sum = static_cast<Sum>(tokens_[static_cast<std::size_t>(id)].score + static_cast<double>(here));
      if (auto& node = nodes[end]; node.begin < 0 || sum > node.sum) node = {sum, id, static_cast<std::int32_t>(begin)};
      single = single || end - begin == length;
    }
    if (!single) {
      const Sum sum = static_cast<Sum>(unknown_ + static_cast<double>(here));
      if (auto& node = nodes[begin + length]; node.begin < 0 || sum > node.sum)
        node = {sum, kUnknown, static_cast<std::int32_t>(begin)};
    }
    begin += length;
  }
  return nodes[text.size()].sum;
}

/// Where the first part of `text` ends that no piece reaches beyond.
BERT_INLINE std::size_t Unigram::part_end(std::string_view text) const {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  for (std::size_t i = 1; i < text.size(); ++i)
    if (!joins_[256u * byte(i - 1) + byte(i)] && (byte(i) & 0xC0) != 0x80) return i;
  return text.size();
}

template <class Sum>
bool Unigram::take_whole(const Vocabulary& tokens, std::string_view text, std::uint32_t at, Sum& sum,
                         std::vector<Piece>& pieces) const {
  constexpr double kRounding = std::numeric_limits<Sum>::epsilon();
  std::int32_t id;
  double score;
  float margin;
  if (text.size() <= ShortWords::kLongest && text.back() != '\0') {  // zeros fill up its keys
    const ShortWords::Entry& entry = short_.find(text);
    id = entry.id, score = entry.score, margin = entry.margin;
    if (id < 0) return false;
  } else {
    if (id = tokens.find_id(text); id < 0) return false;
    score = tokens_[static_cast<std::size_t>(id)].score, margin = tokens_[static_cast<std::size_t>(id)].margin;
    if (margin < 0) return false;
  }
  const double before = static_cast<double>(sum);
  const double doubt = 4 * static_cast<double>(text.size() + 2) * kRounding * (std::abs(before) + std::abs(score) + 1);
  if (before != 0 && !(static_cast<double>(margin) > doubt)) return false;
  pieces.push_back({id, at, at + static_cast<std::uint32_t>(text.size())});
  sum = static_cast<Sum>(score + before);
  return true;
}

template <class Sum>
void Unigram::split(const Vocabulary& tokens, std::string_view text, std::vector<Scratch::Node<Sum>>& nodes,
                    std::vector<Piece>& pieces) const {
  Sum sum = 0;
  std::array<std::size_t, 16> ends;
  for (std::size_t begin = 0; begin < text.size();) {
    // A few words at a time: where they are looked up is fetched before the first is asked for.
    std::size_t count = 0;
    for (std::size_t at = begin; count < ends.size() && at < text.size(); at = ends[count++]) {
      const std::string_view rest = text.substr(at),
                             word = rest.substr(0, cuts_ ? detail::first_word(rest) : rest.npos);
      if (word.size() <= ShortWords::kLongest) short_.prefetch(word);
      ends[count] = at + word.size();
    }
    for (std::size_t i = 0; i < count; begin = ends[i++])
      split_word(tokens, text.substr(begin, ends[i] - begin), static_cast<std::uint32_t>(begin), sum, nodes, pieces);
  }
}

template <class Sum>
void Unigram::split_word(const Vocabulary& tokens, std::string_view word, std::uint32_t at, Sum& sum,
                         std::vector<Scratch::Node<Sum>>& nodes, std::vector<Piece>& pieces) const {
  if (take_whole(tokens, word, at, sum, pieces)) return;  // most words are pieces
  for (std::size_t size; !word.empty(); word.remove_prefix(size), at += static_cast<std::uint32_t>(size)) {
    const std::string_view part = word.substr(0, size = part_end(word));
    if (size < word.size() && take_whole(tokens, part, at, sum, pieces)) continue;
    sum = search(part, sum, nodes);
    const std::size_t first = pieces.size();
    for (std::size_t end = size; end > 0; end = static_cast<std::size_t>(nodes[end].begin))
      pieces.push_back(
          {nodes[end].id, at + static_cast<std::uint32_t>(nodes[end].begin), at + static_cast<std::uint32_t>(end)});
    std::reverse(pieces.begin() + static_cast<std::ptrdiff_t>(first), pieces.end());
  }
}

BERT_INLINE void Unigram::split(const Vocabulary& tokens, std::string_view text, Scratch& scratch) const {
  scratch.pieces.clear();
  floats_ ? split(tokens, text, scratch.floats, scratch.pieces) : split(tokens, text, scratch.doubles, scratch.pieces);
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
