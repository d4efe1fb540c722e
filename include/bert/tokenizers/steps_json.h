// The steps of a tokenizer.json: its "normalizer", "pre_tokenizer" and "decoder", read and written.
//
// A new kind of step is a branch where it is read and one where it is written.
#pragma once
#include <bert/tokenizers/components.h>

#if BERT_WITH_DEFINITIONS
#include <bert/io/base64.h>
#include <bert/tokenizers/json_values.h>
#include <bert/tokenizers/vocabulary.h>

#include <algorithm>
#include <array>
#include <optional>

namespace bert::inline BERT_ABI::detail {

/// Names in files and what they stand for.
template <class T, std::size_t N>
T named(const Json& object, std::string_view name, const std::pair<std::string_view, T> (&names)[N]) {
  const auto text = read<std::string>(object, name);
  for (const auto& [known, value] : names)
    if (known == text) return value;
  fail(kTokenizerFile, "\"", name, "\" is \"", text, "\", which is not supported");
}
template <class T, std::size_t N>
std::string_view name_of(T value, const std::pair<std::string_view, T> (&names)[N]) {
  return std::find_if(std::begin(names), std::end(names), [&](const auto& each) { return each.second == value; })
      ->first;
}

inline constexpr std::pair<std::string_view, NormalizerStep::Kind> kNormalizers[] = {
    {"NFC", NormalizerStep::Kind::nfc},         {"NFD", NormalizerStep::Kind::nfd},
    {"NFKC", NormalizerStep::Kind::nfkc},       {"NFKD", NormalizerStep::Kind::nfkd},
    {"Nmt", NormalizerStep::Kind::nmt},         {"StripAccents", NormalizerStep::Kind::strip_accents},
    {"Strip", NormalizerStep::Kind::strip},     {"Lowercase", NormalizerStep::Kind::lowercase},
    {"Prepend", NormalizerStep::Kind::prepend}, {"Precompiled", NormalizerStep::Kind::precompiled},
    {"Replace", NormalizerStep::Kind::replace}};
inline constexpr std::pair<std::string_view, PreTokenizerStep::Kind> kPreTokenizers[] = {
    {"Metaspace", PreTokenizerStep::Kind::metaspace}, {"WhitespaceSplit", PreTokenizerStep::Kind::whitespace_split},
    {"Digits", PreTokenizerStep::Kind::digits},       {"Whitespace", PreTokenizerStep::Kind::whitespace},
    {"Split", PreTokenizerStep::Kind::split},         {"Punctuation", PreTokenizerStep::Kind::punctuation},
    {"ByteLevel", PreTokenizerStep::Kind::byte_level}};
inline constexpr std::pair<std::string_view, DecoderStep::Kind> kDecoders[] = {
    {"ByteLevel", DecoderStep::Kind::byte_level},
    {"Metaspace", DecoderStep::Kind::metaspace},
    {"WordPiece", DecoderStep::Kind::word_piece},
    {"ByteFallback", DecoderStep::Kind::byte_fallback},
    {"Replace", DecoderStep::Kind::replace},
    {"Strip", DecoderStep::Kind::strip},
    {"Fuse", DecoderStep::Kind::fuse}};
inline constexpr std::pair<std::string_view, PrependScheme> kSchemes[] = {
    {"always", PrependScheme::always}, {"first", PrependScheme::first}, {"never", PrependScheme::never}};
inline constexpr std::pair<std::string_view, SplitBehavior> kBehaviors[] = {
    {"Removed", SplitBehavior::removed},
    {"Isolated", SplitBehavior::isolated},
    {"MergedWithPrevious", SplitBehavior::merged_with_previous},
    {"MergedWithNext", SplitBehavior::merged_with_next},
    {"Contiguous", SplitBehavior::contiguous}};

/// {"String": …} or {"Regex": …}; an empty one is an error.
inline Pattern read_pattern(const Json& object) {
  const Json& pattern = member(object, "pattern");
  const bool is_regex = pattern.find("Regex") != nullptr;
  Pattern out{read<std::string>(pattern, is_regex ? "Regex" : "String"), is_regex};
  if (out.text.empty()) fail(kTokenizerFile, "a pattern is empty");
  return out;
}
inline std::string pattern_to_json(const Pattern& pattern) {
  return concat("\"pattern\":{\"", pattern.is_regex ? "Regex" : "String", "\":", json_string(pattern.text), "}");
}

/// The steps of a component: itself, or those of a Sequence. `kinds` are those that are known.
template <class Step, class Kind, std::size_t N, class Read>
void read_steps(const Json& component, std::string_view what, std::string_view list,
                const std::pair<std::string_view, Kind> (&kinds)[N], std::vector<Step>& steps, Read&& read_more,
                int depth = 0) {
  const std::string& type = member(component, "type").text;
  if (type == "Sequence" && depth < 4) {
    for (const Json& each : member(component, list).members)
      read_steps(each, what, list, kinds, steps, read_more, depth + 1);
    return;
  }
  const auto known =
      std::find_if(std::begin(kinds), std::end(kinds), [&](const auto& each) { return each.first == type; });
  if (known == std::end(kinds)) {
    std::string names = "Sequence";
    for (const auto& each : kinds) names += concat(", ", each.first);
    unsupported(what, type, names);
  }
  Step step;
  step.kind = known->second;
  read_more(component, step);
  steps.push_back(std::move(step));
}

inline void read_normalizers(const Json& component, std::vector<NormalizerStep>& steps) {
  using Kind = NormalizerStep::Kind;
  read_steps(component, "normalizer", "normalizers", kNormalizers, steps, [](const Json& json, NormalizerStep& step) {
    if (step.kind == Kind::strip)
      step.left = read<bool>(json, "strip_left"), step.right = read<bool>(json, "strip_right");
    if (step.kind == Kind::prepend) step.text = read<std::string>(json, "prepend");
    if (step.kind == Kind::replace) step.pattern = read_pattern(json), step.text = read<std::string>(json, "content");
    if (step.kind == Kind::precompiled)
      if (const Json& map = member(json, "precompiled_charsmap"); !map.is(Json::Kind::null))
        step.text = from_base64(map.text, concat(kTokenizerFile, "\"precompiled_charsmap\""));
  });
}

/// Metaspace of files of before 2024: add_prefix_space.
inline PrependScheme read_scheme(const Json& json) {
  if (json.find("prepend_scheme")) return named(json, "prepend_scheme", kSchemes);
  return is_on(json, "add_prefix_space", true) ? PrependScheme::always : PrependScheme::never;
}
inline std::string read_symbol(const Json& json, std::string_view name) {
  auto symbol = read<std::string>(json, name);
  if (symbol.empty() || symbol.size() != character_length(symbol[0]))
    fail(kTokenizerFile, "\"", name, "\" is not one character: \"", symbol, "\"");
  return symbol;
}

inline void read_pre_tokenizers(const Json& component, std::vector<PreTokenizerStep>& steps) {
  using Kind = PreTokenizerStep::Kind;
  read_steps(component, "pre_tokenizer", "pretokenizers", kPreTokenizers, steps,
             [](const Json& json, PreTokenizerStep& step) {
               if (step.kind == Kind::metaspace) {
                 step.symbol = read_symbol(json, "replacement"), step.scheme = read_scheme(json);
                 step.split = is_on(json, "split", true);
               }
               if (step.kind == Kind::digits) step.individual = read<bool>(json, "individual_digits");
               if (step.kind == Kind::punctuation)
                 step.behavior = json.find("behavior") ? named(json, "behavior", kBehaviors) : SplitBehavior::isolated;
               if (step.kind == Kind::split) {
                 step.pattern = read_pattern(json), step.behavior = named(json, "behavior", kBehaviors);
                 step.invert = is_on(json, "invert", false);
               }
               if (step.kind == Kind::byte_level) {
                 step.add_prefix_space = read<bool>(json, "add_prefix_space");
                 step.use_regex = is_on(json, "use_regex", true);
               }
             });
}

inline void read_decoders(const Json& component, std::vector<DecoderStep>& steps) {
  using Kind = DecoderStep::Kind;
  read_steps(component, "decoder", "decoders", kDecoders, steps, [](const Json& json, DecoderStep& step) {
    if (step.kind == Kind::metaspace) step.symbol = read_symbol(json, "replacement"), step.scheme = read_scheme(json);
    if (step.kind == Kind::replace) step.pattern = read_pattern(json), step.text = read<std::string>(json, "content");
    if (step.kind == Kind::strip) {
      step.symbol = read_symbol(json, "content");
      step.start = read<std::size_t>(json, "start"), step.stop = read<std::size_t>(json, "stop");
    }
    if (step.kind == Kind::word_piece)
      step.text = read<std::string>(json, "prefix"), step.cleanup = read<bool>(json, "cleanup");
  });
}

inline std::string step_to_json(const NormalizerStep& step) {
  using Kind = NormalizerStep::Kind;
  std::string more;
  if (step.kind == Kind::strip)
    more = concat(",\"strip_left\":", truth(step.left), ",\"strip_right\":", truth(step.right));
  if (step.kind == Kind::prepend) more = concat(",\"prepend\":", json_string(step.text));
  if (step.kind == Kind::replace)
    more = concat(",", pattern_to_json(step.pattern), ",\"content\":", json_string(step.text));
  if (step.kind == Kind::precompiled)
    more = concat(",\"precompiled_charsmap\":", step.text.empty() ? "null" : concat('"', to_base64(step.text), '"'));
  return concat("{\"type\":\"", name_of(step.kind, kNormalizers), "\"", more, "}");
}

inline std::string step_to_json(const PreTokenizerStep& step) {
  using Kind = PreTokenizerStep::Kind;
  std::string more;
  if (step.kind == Kind::metaspace)
    more = concat(",\"replacement\":", json_string(step.symbol), ",\"prepend_scheme\":\"",
                  name_of(step.scheme, kSchemes), "\",\"split\":", truth(step.split));
  if (step.kind == Kind::digits) more = concat(",\"individual_digits\":", truth(step.individual));
  if (step.kind == Kind::punctuation) more = concat(",\"behavior\":\"", name_of(step.behavior, kBehaviors), "\"");
  if (step.kind == Kind::split)
    more = concat(",", pattern_to_json(step.pattern), ",\"behavior\":\"", name_of(step.behavior, kBehaviors),
                  "\",\"invert\":", truth(step.invert));
  if (step.kind == Kind::byte_level)
    more = concat(",\"add_prefix_space\":", truth(step.add_prefix_space),
                  ",\"trim_offsets\":true,\"use_regex\":", truth(step.use_regex));
  return concat("{\"type\":\"", name_of(step.kind, kPreTokenizers), "\"", more, "}");
}

inline std::string step_to_json(const DecoderStep& step) {
  using Kind = DecoderStep::Kind;
  std::string more;
  if (step.kind == Kind::metaspace)
    more = concat(",\"replacement\":", json_string(step.symbol), ",\"prepend_scheme\":\"",
                  name_of(step.scheme, kSchemes), "\",\"split\":true");
  if (step.kind == Kind::replace)
    more = concat(",", pattern_to_json(step.pattern), ",\"content\":", json_string(step.text));
  if (step.kind == Kind::strip)
    more = concat(",\"content\":", json_string(step.symbol), ",\"start\":", step.start, ",\"stop\":", step.stop);
  if (step.kind == Kind::word_piece)
    more = concat(",\"prefix\":", json_string(step.text), ",\"cleanup\":", truth(step.cleanup));
  if (step.kind == Kind::byte_level) more = R"(,"add_prefix_space":true,"trim_offsets":true,"use_regex":true)";
  return concat("{\"type\":\"", name_of(step.kind, kDecoders), "\"", more, "}");
}

template <class Step>
std::string component_to_json(const std::vector<Step>& steps, std::string_view list) {
  const auto write = [](const Step& step) { return step_to_json(step); };
  if (steps.empty()) return "null";
  return steps.size() == 1 ? write(steps[0])
                           : concat("{\"type\":\"Sequence\",\"", list, "\":[", joined(steps, write), "]}");
}

/// "normalizer", "pre_tokenizer" and "decoder".
inline std::string steps_to_json(const Steps& steps) {
  return concat("\"normalizer\":", component_to_json(steps.normalizers, "normalizers"),
                ",\"pre_tokenizer\":", component_to_json(steps.pre_tokenizers, "pretokenizers"),
                ",\"decoder\":", component_to_json(steps.decoders, "decoders"));
}

}  // namespace bert::inline BERT_ABI::detail
#endif  // BERT_WITH_DEFINITIONS
