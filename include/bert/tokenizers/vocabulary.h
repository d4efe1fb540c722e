// Vocabulary: tokens <-> ids, 0 to size - 1, one copy of the text and one hash table.
//
// The hash is computed byte by byte (hash_byte), so that the hashes of all beginnings of a word cost one pass over it:
// that is what WordPiece's longest-match search asks for. Any model of tokens (BPE, Unigram) can hold its tokens here.
#pragma once
#include <bert/core/error.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bert::inline BERT_ABI {

class Vocabulary {
 public:
  static constexpr std::uint64_t kHashSeed = 0x9E3779B97F4A7C15;
  static constexpr std::uint64_t hash_byte(std::uint64_t hash, char byte) {
    return (hash ^ static_cast<unsigned char>(byte)) * 0x2127599BF4325C37;
  }
  static constexpr std::uint64_t hash_of(std::string_view token, std::uint64_t hash = kHashSeed) {
    for (char byte : token) hash = hash_byte(hash, byte);
    return hash;
  }

  /// tokens[id] for every id. Error when there is none, or when one stands there twice.
  explicit Vocabulary(const std::vector<std::string>& tokens);

  std::size_t size() const { return begin_.size(); }
  std::size_t longest_token() const { return longest_; }  ///< in bytes

  /// The token of an id in [0, size).
  std::string_view token(std::int32_t id) const {
    const auto i = static_cast<std::size_t>(id);
    const std::size_t end = i + 1 < begin_.size() ? begin_[i + 1] : text_.size();
    return std::string_view(text_).substr(begin_[i], end - begin_[i]);
  }

  std::optional<std::int32_t> find(std::string_view token) const {
    const std::int32_t id = find_id(token);
    return id < 0 ? std::nullopt : std::optional(id);
  }
  /// The same; -1 when there is none.
  std::int32_t find_id(std::string_view token) const {
    const std::uint64_t hash = hash_of(token);
    for (std::size_t i = slot_of(hash);; i = (i + 1) & (slots_.size() - 1)) {
      const Slot slot = slots_[i];
      if (slot.id < 0 || (slot.tag == tag_of(hash) && this->token(slot.id) == token)) return slot.id;
    }
  }

  /// The id of the token `prefix` + `rest`, whose hash is given; -1 when there is none.
  std::int32_t find(std::uint64_t hash, std::string_view prefix, std::string_view rest) const {
    for (std::size_t i = slot_of(hash);; i = (i + 1) & (slots_.size() - 1)) {
      const Slot slot = slots_[i];
      if (slot.id < 0) return -1;
      if (slot.tag != tag_of(hash)) continue;
      const std::string_view found = token(slot.id);
      if (found.size() == prefix.size() + rest.size() && found.starts_with(prefix) && found.ends_with(rest)) {
        return slot.id;
      }
    }
  }

 private:
  struct Slot {
    std::uint32_t tag = 0;
    std::int32_t id = -1;
  };
  static std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash); }
  std::size_t slot_of(std::uint64_t hash) const { return (hash >> 32) & (slots_.size() - 1); }

  void add(std::string_view token);

  std::string text_;
  std::vector<std::uint32_t> begin_;
  std::vector<Slot> slots_;  // open addressing, at most half full
  std::size_t longest_ = 0;
};

/// A token and the bytes of a word that it stands for: what a model cuts the word into.
struct Piece {
  std::int32_t id;
  std::uint32_t begin, end;
};

namespace detail {
/// The length of the UTF-8 character with this first byte.
inline std::size_t character_length(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}
}  // namespace detail

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>
#include <bit>

namespace bert::inline BERT_ABI {

BERT_INLINE Vocabulary::Vocabulary(const std::vector<std::string>& tokens) {
  if (tokens.empty()) fail("the vocabulary is empty: a tokenizer needs at least its unknown token");
  std::size_t bytes = 0;
  for (const std::string& token : tokens) bytes += token.size();
  if (bytes > UINT32_MAX) fail("the vocabulary has ", bytes, " bytes of text; at most 4 GiB are possible");
  text_.reserve(bytes);
  begin_.reserve(tokens.size() + 1);
  slots_.resize(std::bit_ceil(2 * tokens.size() + 1));
  for (const std::string& token : tokens) add(token);
}

BERT_INLINE void Vocabulary::add(std::string_view token) {
  const std::uint64_t hash = hash_of(token);
  const auto id = static_cast<std::int32_t>(size());
  if (const std::int32_t other = find(hash, "", token); other >= 0) {
    fail("the vocabulary has \"", token, "\" twice, as ids ", other, " and ", id, ": every token needs one id");
  }
  begin_.push_back(static_cast<std::uint32_t>(text_.size()));
  text_ += token;
  longest_ = std::max(longest_, token.size());
  std::size_t i = slot_of(hash);
  while (slots_[i].id >= 0) i = (i + 1) & (slots_.size() - 1);
  slots_[i] = {tag_of(hash), id};
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
