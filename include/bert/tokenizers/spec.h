// TokenizerSpec: everything a tokenizer is made of, as it stands in a tokenizer.json or follows from a vocab.txt or
// from vocab.json and merges.txt.
//
// Reading and writing files only deals with this struct; Tokenizer is built from it.
#pragma once
#include <bert/tokenizers/added_tokens.h>
#include <bert/tokenizers/character_bpe.h>
#include <bert/tokenizers/components.h>
#include <bert/tokenizers/normalizer.h>
#include <bert/tokenizers/post_processor.h>
#include <bert/tokenizers/sentencepiece.h>
#include <bert/tokenizers/vocabulary.h>

namespace bert::inline BERT_ABI {

/// What a vocab.txt does not say; the defaults are those of an uncased BERT. lowercase and so on: NormalizerOptions.
struct WordPieceOptions : NormalizerOptions {
  std::string unk_token = "[UNK]", sep_token = "[SEP]", cls_token = "[CLS]", pad_token = "[PAD]", mask_token = "[MASK]";
  std::string continuing_subword_prefix = "##";
  std::size_t max_input_chars_per_word = 100;
};

/// Byte-level BPE, under Hugging Face's names.
struct ByteLevelOptions {
  bool add_prefix_space = false;  ///< before a piece of text that does not begin with one
  bool trim_offsets = true;       ///< offsets leave out white space at a token's ends
  bool put_prefix_space = false;  ///< trim_offsets: a space at the beginning was put there, and never counted
  bool decode = true;             ///< decode() makes bytes of tokens; false: joins them by spaces
};

/// How decode() joins WordPiece tokens.
struct DecoderOptions {
  bool wordpiece = true;  ///< pieces with the prefix are glued on; false: all tokens joined by spaces
  bool cleanup = true;    ///< no space before . ? ! , n't 'm 's 've 're
  std::string prefix = "##";
};

/// The model. wordpiece: text is normalised and cut as BERT does. byte_level_bpe: bytes, cut as GPT-2 does where there
/// are no steps. bpe, unigram: characters, as the steps or the SentencePiece options say.
enum class TokenizerKind { wordpiece, byte_level_bpe, bpe, unigram };

struct TokenizerSpec {
  Vocabulary vocabulary;
  WordPieceOptions options;  // of byte-level BPE only the names of special tokens, empty where there is none
  std::vector<AddedToken> added_tokens;
  Template single, pair;
  DecoderOptions decoder;
  TokenizerKind kind = TokenizerKind::wordpiece;
  Bpe::Merges merges = {};  // of byte-level BPE, as written in files
  ByteLevelOptions byte_level = {};
  std::optional<Steps> steps = {};         // always of bpe and unigram that are no SentencePiece model's
  CharacterBpeOptions character_bpe = {};  // of all but WordPiece; unk_id follows from options.unk_token
  std::vector<double> scores = {};         // of every token; of unigram and of SentencePiece models
  std::optional<SentencePieceOptions> sentencepiece = {};  // a .model by itself: nothing else says how to treat text
};

/// The names of special tokens in a vocabulary that is not WordPiece's, as far as it has them: BERT's, RoBERTa's or
/// XLNet's. Files do not say.
WordPieceOptions special_names(const Vocabulary& vocabulary);

/// The tokenizer of a BERT checkpoint's vocab.txt: one token a line, the line's number is the id.
TokenizerSpec spec_from_vocab(std::string_view vocab_txt, const WordPieceOptions& options);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/tokenizers/unicode.h>

#include <algorithm>

namespace bert::inline BERT_ABI {

BERT_INLINE WordPieceOptions special_names(const Vocabulary& vocabulary) {
  const auto first_of = [&](std::initializer_list<const char*> names) {
    const auto found =
        std::find_if(names.begin(), names.end(), [&](const char* name) { return vocabulary.find(name); });
    return found == names.end() ? "" : *found;
  };
  WordPieceOptions names;
  names.unk_token = "", names.cls_token = first_of({"[CLS]", "<cls>", "<s>"});
  names.sep_token = first_of({"[SEP]", "<sep>", "</s>"});
  names.pad_token = first_of({"<pad>", "[PAD]"}), names.mask_token = first_of({"<mask>", "[MASK]"});
  return names;
}

BERT_INLINE TokenizerSpec spec_from_vocab(std::string_view vocab_txt, const WordPieceOptions& options) {
  std::vector<std::string> tokens;
  while (!vocab_txt.empty()) {
    std::string_view line = vocab_txt.substr(0, vocab_txt.find('\n'));
    vocab_txt.remove_prefix(std::min(line.size() + 1, vocab_txt.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::size_t number = tokens.size() + 1;
    if (line.empty()) fail("vocab.txt: line ", number, " is empty; every line is a token");
    std::string repaired;
    if (detail::repair_utf8(line, repaired).data() != line.data()) fail("vocab.txt: line ", number, " is not UTF-8");
    tokens.emplace_back(line);
  }
  TokenizerSpec spec{Vocabulary(tokens), options, {}, {}, {}, {}};
  spec.decoder.prefix = options.continuing_subword_prefix;
  const auto require = [&](const std::string& name) {
    const auto id = spec.vocabulary.find(name);
    if (!id) fail("vocab.txt: the token ", name, " is missing among ", tokens.size(), "; is this a BERT vocabulary?");
    return *id;
  };
  const TemplatePart cls{options.cls_token, {require(options.cls_token)}, false, 0};
  const TemplatePart sep{options.sep_token, {require(options.sep_token)}, false, 0};
  spec.single = {cls, {"", {}, false, 0}, sep};
  spec.pair = spec.single;
  spec.pair.insert(spec.pair.end(), {{"", {}, true, 1}, {sep.special, sep.ids, false, 1}});
  for (const auto* name :
       {&options.pad_token, &options.unk_token, &options.cls_token, &options.sep_token, &options.mask_token}) {
    if (const auto id = spec.vocabulary.find(*name)) spec.added_tokens.push_back({.content = *name, .id = *id});
  }
  return spec;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
