// Trie: all tokens that a text begins with, in one pass over its bytes. A double array (Aoki 1989): the child of node n
// by byte c is node base(n) + c, if that node is labelled c; no two nodes have the same base. A node takes four bytes,
// so that the trie of a usual vocabulary stays in a core's cache.
#pragma once
#include <bert/core/error.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bert::inline BERT_ABI {

class Trie {
 public:
  /// Of strings that are all different and not empty; each has the id that stands beside it.
  explicit Trie(std::vector<std::pair<std::string_view, std::int32_t>> tokens);

  /// The child of a node by a byte; 0, the root, when there is none.
  std::uint32_t child(std::uint32_t node, char byte) const {
    const std::uint32_t label = static_cast<unsigned char>(byte), next = (nodes_[node] >> 9) + label;
    return (nodes_[next] & 0xFF) == label ? next : 0;
  }
  /// Whether a token ends at a node, and which.
  bool has_id(std::uint32_t node) const { return nodes_[node] & 0x100; }
  std::int32_t id(std::uint32_t node) const { return ids_[node]; }

  /// Calls use(part, id) for all of `text` from left to right: its tokens, at each place the longest, and with id -1
  /// what lies between them. Places are bytes; in UTF-8 a token begins where a character does.
  template <class Use>
  void split(std::string_view text, Use&& use) const {
    std::size_t done = 0;
    for (std::size_t at = 0, length = 0; at < text.size();) {
      std::int32_t id = -1;
      for_each_prefix(text.substr(at), [&](std::int32_t found, std::size_t bytes) { id = found, length = bytes; });
      if (id < 0) {
        ++at;
        continue;
      }
      if (done < at) use(text.substr(done, at - done), -1);
      use(text.substr(at, length), id);
      done = at += length;
    }
    if (done < text.size()) use(text.substr(done), -1);
  }

  /// Calls use(id, length in bytes) for every token that `text` begins with, the shortest first.
  template <class Use>
  void for_each_prefix(std::string_view text, Use&& use) const {
    std::uint32_t node = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (node = child(node, text[i]); node == 0) return;
      if (has_id(node)) use(id(node), i + 1);
    }
  }

 private:
  static constexpr std::uint32_t kMaxBase = 1u << 23;
  std::uint32_t place(const std::vector<unsigned char>& bytes);

  std::vector<std::uint32_t> nodes_;  // base << 9 | has_id << 8 | label
  std::vector<std::int32_t> ids_;
  std::vector<char> taken_, is_base_;  // yes or no, while it is built
  std::uint32_t first_free_ = 1;       // where to begin looking
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>

namespace bert::inline BERT_ABI {

/// The first base at which all these children (ascending, not empty) find free nodes.
BERT_INLINE std::uint32_t Trie::place(const std::vector<unsigned char>& bytes) {
  std::uint32_t seen = 0;
  for (std::uint32_t at = std::max<std::uint32_t>(first_free_, bytes[0] + 1u);; ++at) {
    if (at >= kMaxBase) fail("the vocabulary is too large: its trie has more than ", kMaxBase, " nodes");
    if (taken_.size() <= at + 512) {
      taken_.resize(std::max<std::size_t>(2 * taken_.size(), at + 1024));
      is_base_.resize(taken_.size());
    }
    if (taken_[at]) {
      ++seen;
      continue;
    }
    // From where nearly all nodes are taken nobody looks again: the search stays linear.
    if (at > first_free_ && seen * 20 >= (at - first_free_) * 19) first_free_ = at, seen = 0;
    const std::uint32_t base = at - bytes[0];
    if (is_base_[base]) continue;
    if (std::none_of(bytes.begin(), bytes.end(), [&](unsigned char c) { return taken_[base + c] != 0; })) {
      is_base_[base] = true;
      return base;
    }
  }
}

BERT_INLINE Trie::Trie(std::vector<std::pair<std::string_view, std::int32_t>> tokens)
    : nodes_(1024), ids_(1024), taken_(1024), is_base_(1024) {
  std::sort(tokens.begin(), tokens.end());
  taken_[0] = is_base_[0] = true;  // the root is no child; a leaf's base is 0, where no node is labelled by its place
  struct Range {
    std::size_t begin, end, depth;
    std::uint32_t node;
  };
  std::vector<Range> open{{0, tokens.size(), 0, 0}};
  std::vector<unsigned char> bytes;
  while (!open.empty()) {
    auto [begin, end, depth, node] = open.back();
    open.pop_back();
    if (begin < end && tokens[begin].first.size() == depth) nodes_[node] |= 0x100, ids_[node] = tokens[begin++].second;
    bytes.clear();
    for (std::size_t i = begin; i < end; ++i)
      if (const auto c = static_cast<unsigned char>(tokens[i].first[depth]); bytes.empty() || bytes.back() != c)
        bytes.push_back(c);
    if (bytes.empty()) continue;
    const std::uint32_t base = place(bytes);
    if (nodes_.size() < taken_.size()) nodes_.resize(taken_.size()), ids_.resize(taken_.size());
    nodes_[node] |= base << 9;
    for (const unsigned char c : bytes) taken_[base + c] = true, nodes_[base + c] |= c;
    for (std::size_t i = begin, first = begin; i < end; first = i) {
      const char c = tokens[i].first[depth];
      while (i < end && tokens[i].first[depth] == c) ++i;
      open.push_back({first, i, depth + 1, base + static_cast<unsigned char>(c)});
    }
  }
  taken_.clear(), is_base_.clear();
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
