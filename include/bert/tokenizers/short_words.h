// ShortWords: tokens of at most 16 bytes, nearly all that texts hold, with what a search wants to know of them: a
// look-up touches one cache line where Vocabulary touches three and the score a fourth.
#pragma once
#include <bert/core/abi.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace bert::inline BERT_ABI {

class ShortWords {
 public:
  static constexpr std::size_t kLongest = 16;
  struct alignas(32) Entry {
    std::uint64_t low = 0, high = 0;  // the text, filled up with zeros; both 0: a free place
    double score = 0;
    float margin = 0;
    std::int32_t id = -1;
  };

  /// Makes room for so many.
  void reset(std::size_t size) {
    std::size_t places = 64;
    while (places < 2 * size) places *= 2;
    entries_.assign(places, Entry());
  }
  /// A word of 1 to 16 bytes, none of them zero, that is not here yet.
  void add(std::string_view word, double score, float margin, std::int32_t id) {
    Entry entry = key_of(word);
    entry.score = score, entry.margin = margin, entry.id = id;
    std::size_t i = place_of(entry);
    while (entries_[i].id >= 0) i = (i + 1) & (entries_.size() - 1);
    entries_[i] = entry;
  }
  /// Begins to fetch the memory that find() will read.
  void prefetch(std::string_view word) const { __builtin_prefetch(&entries_[place_of(key_of(word))]); }
  /// The entry of a word of 1 to 16 bytes; id -1 when there is none.
  const Entry& find(std::string_view word) const {
    const Entry key = key_of(word);
    for (std::size_t i = place_of(key);; i = (i + 1) & (entries_.size() - 1)) {
      const Entry& entry = entries_[i];
      if (entry.id < 0 || (entry.low == key.low && entry.high == key.high)) return entry;
    }
  }

 private:
  static Entry key_of(std::string_view word) {
    Entry key;
    if (word.size() >= 8) {
      std::memcpy(&key.low, word.data(), 8);
      std::memcpy(&key.high, word.data() + word.size() - 8, 8);
      key.high = word.size() == 8 ? 0 : key.high >> 8 * (16 - word.size());
    } else if (word.size() >= 4) {
      std::uint32_t first, last;
      std::memcpy(&first, word.data(), 4);
      std::memcpy(&last, word.data() + word.size() - 4, 4);
      key.low = first | std::uint64_t{last} << 8 * (word.size() - 4);
    } else {
      for (std::size_t i = 0; i < word.size(); ++i)
        key.low |= std::uint64_t{static_cast<unsigned char>(word[i])} << 8 * i;
    }
    return key;
  }
  std::size_t place_of(const Entry& key) const {
    std::uint64_t mixed = (key.low ^ (key.high * 0x9E3779B97F4A7C15)) * 0xD6E8FEB86659FD93;
    mixed = (mixed ^ mixed >> 32) * 0xD6E8FEB86659FD93;  // every bit of the text reaches the upper ones
    return static_cast<std::size_t>(mixed >> 32) & (entries_.size() - 1);
  }

  std::vector<Entry> entries_;  // open addressing, at most half full
};

}  // namespace bert::inline BERT_ABI
