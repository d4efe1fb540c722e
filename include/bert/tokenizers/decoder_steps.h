// DecoderSteps: from tokens to text, as the decoders of a tokenizer.json say, one token after the other.
//
// A step works on tokens until one glues them together (ByteLevel, Fuse); what comes behind works on one
// long token as it grows. State is apart, in DecoderState, so that decode() and streaming (stream_decoder.h) are the
// same code and give the same text.
#pragma once
#include <bert/tokenizers/components.h>
#include <bert/tokenizers/regex.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bert::inline BERT_ABI {

/// What a decoder remembers between tokens.
struct DecoderState {
  struct Step {
    std::string held;       // text that later tokens may still change
    std::size_t count = 0;  // tokens seen
    bool flag = false;      // strip: nothing more is taken away
  };
  std::vector<Step> steps;
};

class DecoderSteps {
 public:
  /// Error when a regular expression is not supported, or a step cannot stand behind one that glues tokens together.
  explicit DecoderSteps(const std::vector<DecoderStep>& steps);

  /// Appends what a token adds to the text, as far as later tokens cannot change it.
  void push(std::string_view token, DecoderState& state, std::string& text) const;
  /// Appends what is left at the end.
  void finish(DecoderState& state, std::string& text) const;

 private:
  struct Step : DecoderStep {
    std::optional<Regex> regex;
    bool behind_fuse = false;
  };
  void push(std::size_t step, std::string_view token, DecoderState& state, std::string& text) const;
  void push_other(std::size_t step, std::string_view token, bool first, DecoderState& state, std::string& text) const;
  void flush(std::size_t step, DecoderState& state, std::string& text) const;  // what the step holds, if anything
  void push_bytes(std::size_t i, bool all, DecoderState& state, std::string& text) const;

  std::vector<Step> steps_;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/tokenizers/byte_level.h>
#include <bert/tokenizers/normalizer_steps.h>

namespace bert::inline BERT_ABI {

BERT_INLINE DecoderSteps::DecoderSteps(const std::vector<DecoderStep>& steps) {
  using Kind = DecoderStep::Kind;
  bool glued = false;
  for (const DecoderStep& given : steps) {
    Step& step = steps_.emplace_back();
    static_cast<DecoderStep&>(step) = given;
    step.behind_fuse = glued;
    if (glued && given.kind != Kind::strip && given.kind != Kind::fuse)
      fail("a decoder behind one that glues tokens together may only be Strip or Fuse");
    if (glued && given.kind == Kind::strip && given.stop > 0)
      fail("a decoder Strip behind Fuse with stop is not supported");
    if (given.kind == Kind::replace && given.pattern.is_regex) step.regex.emplace(given.pattern.text);
    glued = glued || given.kind == Kind::fuse || given.kind == Kind::byte_level;
  }
}

namespace detail {

/// The byte of a token like <0x0A>; -1 for others.
inline int byte_of_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
  int byte = 0;
  for (const char c : token.substr(3, 2)) {
    const int digit = c >= '0' && c <= '9'                     ? c - '0'
                      : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                               : -1;
    if (digit < 0) return -1;
    byte = 16 * byte + digit;
  }
  return byte;
}

/// The bytes at the end of `text` that begin a character which more bytes may complete.
inline std::size_t unfinished_bytes(std::string_view text) {
  for (std::size_t size = 1; size <= std::min<std::size_t>(3, text.size()); ++size) {
    const std::string_view end = text.substr(text.size() - size);
    const auto lead = static_cast<unsigned char>(end[0]);
    if (lead < 0x80) return 0;
    if (lead < 0xC0) continue;
    if (character_length(end[0]) <= size || lead < 0xC2 || lead > 0xF4) return 0;
    const char *at = end.data(), *const last = at + size;
    next_code_point(at, last);  // reads a maximal part: all of it, or there is nothing to wait for
    return at == last ? size : 0;
  }
  return 0;
}

inline void append_repaired(std::string_view bytes, std::string& text) {
  std::string copy;
  text += repair_utf8(bytes, copy);
}

inline std::string without(std::string_view token, const DecoderStep& step) {
  for (std::size_t i = 0; i < step.start && token.starts_with(step.symbol); ++i)
    token.remove_prefix(step.symbol.size());
  for (std::size_t i = 0; i < step.stop && token.ends_with(step.symbol); ++i) token.remove_suffix(step.symbol.size());
  return std::string(token);
}

inline void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

inline constexpr std::string_view kCleanup[][2] = {
    {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
    {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};

/// A WordPiece token behind others, or the first.
inline std::string word_piece_text(std::string_view token, bool first, const DecoderStep& step) {
  const bool glued = !first && token.starts_with(step.text);
  std::string text = concat(first || glued ? "" : " ", glued ? token.substr(step.text.size()) : token);
  if (step.cleanup)
    for (const auto& [from, to] : kCleanup) replace_all(text, from, to);
  return text;
}
}  // namespace detail

BERT_INLINE void DecoderSteps::push(std::string_view token, DecoderState& state, std::string& text) const {
  state.steps.resize(steps_.size());
  push(0, token, state, text);
}

BERT_INLINE void DecoderSteps::push(std::size_t i, std::string_view token, DecoderState& state,
                                    std::string& text) const {
  using Kind = DecoderStep::Kind;
  if (i == steps_.size()) return text += token, void();
  const Step& step = steps_[i];
  DecoderState::Step& own = state.steps[i];
  const bool first = own.count++ == 0;
  if (step.kind == Kind::word_piece) return push(i + 1, detail::word_piece_text(token, first, step), state, text);
  push_other(i, token, first, state, text);
}

BERT_INLINE void DecoderSteps::push_other(std::size_t i, std::string_view token, bool first, DecoderState& state,
                                          std::string& text) const {
  using Kind = DecoderStep::Kind;
  const Step& step = steps_[i];
  DecoderState::Step& own = state.steps[i];
  switch (step.kind) {
    case Kind::byte_level:
      own.held += from_byte_characters(token).value_or(std::string(token));
      return push_bytes(i, false, state, text);
    case Kind::spaces:
      return push(i + 1, concat(first ? "" : " ", token), state, text);
    case Kind::fuse:
      return push(i + 1, token, state, text);
    case Kind::metaspace: {
      std::string out(token);
      detail::replace_all(out, step.symbol, first && step.scheme != PrependScheme::never ? "" : " ");
      return push(i + 1, out, state, text);
    }
    case Kind::word_piece:
      break;  // in push()
    case Kind::replace: {
      std::string out;
      const auto use = [&](std::string_view part, bool is_match) {
        out += is_match ? std::string_view(step.text) : part;
      };
      step.regex ? step.regex->split(token, use) : detail::split_at_string(token, step.pattern.text, use);
      return push(i + 1, out, state, text);
    }
    case Kind::byte_fallback:
      if (const int byte = detail::byte_of_token(token); byte >= 0) return own.held += static_cast<char>(byte), void();
      if (!own.held.empty()) flush(i, state, text);
      return push(i + 1, token, state, text);
    case Kind::strip:
      if (!step.behind_fuse) return push(i + 1, detail::without(token, step), state, text);
      while (!own.flag && !token.empty()) {
        own.flag = own.held.size() >= step.start || !token.starts_with(step.symbol);
        if (!own.flag) own.held += '.', token.remove_prefix(step.symbol.size());
      }
      return push(i + 1, token, state, text);
  }
}

/// Of the bytes of a byte-level decoder what is whole; all of them at the end.
BERT_INLINE void DecoderSteps::push_bytes(std::size_t i, bool all, DecoderState& state, std::string& text) const {
  std::string& held = state.steps[i].held;
  const std::size_t size = held.size() - (all ? 0 : detail::unfinished_bytes(held));
  std::string out;
  detail::append_repaired(std::string_view(held).substr(0, size), out);
  held.erase(0, size);
  if (!out.empty()) push(i + 1, out, state, text);
}

BERT_INLINE void DecoderSteps::flush(std::size_t i, DecoderState& state, std::string& text) const {
  DecoderState::Step& own = state.steps[i];
  if (steps_[i].kind == DecoderStep::Kind::byte_level) return push_bytes(i, true, state, text);
  if (steps_[i].kind != DecoderStep::Kind::byte_fallback) return;
  const std::string bytes = std::move(own.held);
  own.held.clear();
  std::string copy;
  if (detail::repair_utf8(bytes, copy).data() == bytes.data()) return push(i + 1, bytes, state, text);
  for (std::size_t byte = 0; byte < bytes.size(); ++byte) push(i + 1, "\xEF\xBF\xBD", state, text);
}

BERT_INLINE void DecoderSteps::finish(DecoderState& state, std::string& text) const {
  state.steps.resize(steps_.size());
  for (std::size_t i = 0; i < steps_.size(); ++i)
    if (!state.steps[i].held.empty()) flush(i, state, text);
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
