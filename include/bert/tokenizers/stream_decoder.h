// StreamDecoder: the text of ids as they come, for generation that people watch.
#pragma once
#include <bert/tokenizers/tokenizer.h>

namespace bert::inline BERT_ABI {

/// What push() and at last finish() return, put together, is Tokenizer::decode() of all ids. Bytes that do not make a
/// whole character yet are held back; so are byte tokens (<0xE2>) until another token follows, since Hugging Face shows
/// none of a run that is not valid. The tokenizer must live longer.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special_tokens = true)
      : tokenizer_(&tokenizer), skip_special_tokens_(skip_special_tokens) {}

  /// The text that is new with this id, often empty. Error for an id outside the vocabulary.
  std::string push(std::int32_t id) {
    std::string text;
    tokenizer_->decode_next(id, skip_special_tokens_, state_, text);
    return text;
  }
  /// What was held back. Afterwards the next text may begin.
  std::string finish() {
    std::string text;
    tokenizer_->decode_end(state_, text);
    state_ = {};
    return text;
  }

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_tokens_;
  Tokenizer::DecodeState state_;
};

}  // namespace bert::inline BERT_ABI
