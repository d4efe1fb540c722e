// The components of a tokenizer.json as data: normalizers, pre-tokenizers and decoders, one struct for each step.
//
// steps_json.h reads and writes them; normalizer_steps.h, pre_tokenizer_steps.h and decoder_steps.h carry them out. A
// new component is a kind here and a branch in those.
#pragma once
#include <bert/core/abi.h>

#include <string>
#include <vector>

namespace bert::inline BERT_ABI {

/// What Replace and Split look for: a string, or a regular expression as regex.h reads it.
struct Pattern {
  std::string text;
  bool is_regex = false;
};

struct NormalizerStep {
  enum class Kind { nfc, nfd, nfkc, nfkd, strip_accents, lowercase, nmt, strip, prepend, replace, precompiled };
  Kind kind = Kind::nfc;
  std::string text;                ///< prepend: what; replace: by what; precompiled: the map's bytes (charsmap.h)
  Pattern pattern = {};            ///< of replace
  bool left = true, right = true;  ///< of strip
};

/// Where Metaspace puts a space symbol before a text that begins with none.
enum class PrependScheme { always, first, never };
/// What becomes of a delimiter, under Hugging Face's names.
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

struct PreTokenizerStep {
  enum class Kind { metaspace, whitespace, whitespace_split, digits, punctuation, split, byte_level };
  Kind kind = Kind::metaspace;
  std::string symbol = "\xE2\x96\x81";  ///< of metaspace: what stands for a space
  PrependScheme scheme = PrependScheme::always;
  bool split = true;                                ///< metaspace: cut before every symbol
  bool individual = false;                          ///< digits: each by itself
  SplitBehavior behavior = SplitBehavior::removed;  ///< split, punctuation
  bool invert = false;                              ///< split: the pattern is what is kept
  Pattern pattern = {};                             ///< of split
  bool add_prefix_space = false, use_regex = true;  ///< of byte_level
};

struct DecoderStep {
  enum class Kind { byte_level, metaspace, word_piece, replace, byte_fallback, fuse, strip, spaces };
  Kind kind = Kind::fuse;                        ///< spaces: no decoder, tokens with spaces between
  std::string symbol = "\xE2\x96\x81";           ///< metaspace; strip: the character
  PrependScheme scheme = PrependScheme::always;  ///< of metaspace
  Pattern pattern = {};                          ///< of replace
  std::string text = {};                         ///< replace: by what; word_piece: the prefix
  std::size_t start = 0, stop = 0;               ///< strip: at most so many
  bool cleanup = true;                           ///< of word_piece
};

/// The components of a tokenizer.json, in their order.
struct Steps {
  std::vector<NormalizerStep> normalizers;
  std::vector<PreTokenizerStep> pre_tokenizers;
  std::vector<DecoderStep> decoders;
};

}  // namespace bert::inline BERT_ABI
