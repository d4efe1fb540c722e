// From tokenizer files to a Tokenizer: of an open checkpoint, or of a folder or file that holds nothing else.
//
// A tokenizer of another kind adds its files to TokenizerFiles (io/folder.h) and a branch to load_tokenizer.
#pragma once
#include <bert/io/checkpoint.h>
#include <bert/tokenizers/sentencepiece_families.h>
#include <bert/tokenizers/tokenizer.h>

namespace bert::inline BERT_ABI {

/// The tokenizer files at `path`: a folder, a converted .safetensors, a tokenizer.json, a vocab.txt, a SentencePiece
/// .model, or a vocab.json that has a merges.txt beside it.
TokenizerFiles read_tokenizer_files(const std::filesystem::path& path);

/// Builds the tokenizer. `lowercase` answers for a vocab.txt whose folder does not say whether text is lower-cased; it
/// may not contradict a file that does say. Errors name the file.
Tokenizer load_tokenizer(const TokenizerFiles& files, std::optional<bool> lowercase = std::nullopt);

/// The checkpoint's tokenizer; an error that says so when it has none.
Tokenizer load_tokenizer(const Checkpoint& checkpoint, std::optional<bool> lowercase = std::nullopt);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE TokenizerFiles read_tokenizer_files(const std::filesystem::path& path) {
  TokenizerFiles files;
  if (std::filesystem::is_directory(path)) {
    Folder folder(path);
    files = tokenizer_files_of(folder, folder.has("0_Transformer/config.json") ? "0_Transformer/" : "");
    if (files.empty())
      fail("\"", path.string(),
           "\" has neither tokenizer.json nor vocab.txt nor vocab.json with merges.txt nor a SentencePiece model "
           "(spiece.model, "
           "sentencepiece.bpe.model, tokenizer.model)");
    return files;
  }
  files.source = path.string();
  if (path.extension() == ".safetensors") {
    files = tokenizer_files_of(SafetensorsFile(path));
    if (files.empty())
      fail("\"", path.string(), "\" holds no tokenizer (no bert.tokenizer or bert.sentencepiece in its metadata)");
  } else if (const auto merges = path.parent_path() / "merges.txt";
             path.filename() == "vocab.json" && std::filesystem::exists(merges)) {
    files.vocab_json = read_text(path), files.merges_txt = read_text(merges);
  } else if (path.extension() == ".model") {
    files.sentencepiece = read_text(path);
    if (files.empty()) fail("\"", path.string(), "\" is empty");
  } else {
    (path.extension() == ".json" ? files.tokenizer_json : files.vocab_txt) = read_text(path);
    if (files.empty()) fail("\"", path.string(), "\" is empty");
  }
  return files;
}

namespace detail {
/// The family is tokenizer_config.json's tokenizer_class, else config.json's model_type.
inline TokenizerSpec sentencepiece_spec(const TokenizerFiles& files, const ConfigReader& config,
                                        std::optional<bool> lowercase) {
  const SentencePieceModel model = read_sentencepiece_model(files.sentencepiece);
  std::string family = files.model_type;
  const Json* const kind = config.json().find("tokenizer_class");
  for (const auto& [name, known] : {std::pair("Albert", "albert"), {"XLNet", "xlnet"}, {"Llama", "llama"}})
    if (kind && (kind->text == concat(name, "Tokenizer") || kind->text == concat(name, "TokenizerFast")))
      family = known;
  if (lowercase && family != "albert" && family != "xlnet")
    throw UsageError("a SentencePiece model does not change letters: leave --lowercase out");
  if (family.empty()) return spec_from_sentencepiece(model);
  const auto said = [&](std::string_view key) {
    const Json* const value = config.json().find(key);
    return value && !value->is(Json::Kind::null) ? std::optional(config.get(key, false)) : std::nullopt;
  };
  SentencePieceFamilyOptions options{said("do_lower_case"), said("keep_accents"), said("legacy"), said("add_bos_token"),
                                     said("add_eos_token")};
  if (lowercase && options.do_lower_case.value_or(*lowercase) != *lowercase)
    throw UsageError("tokenizer_config.json says do_lower_case otherwise: leave --lowercase out");
  if (lowercase) options.do_lower_case = lowercase;
  return family_spec(model, family, options);
}
}  // namespace detail

BERT_INLINE Tokenizer load_tokenizer(const TokenizerFiles& files, std::optional<bool> lowercase) {
  try {
    if (!files.tokenizer_json.empty()) {
      if (lowercase) throw UsageError("its tokenizer.json says whether text is lower-cased: leave --lowercase out");
      return Tokenizer::from_json(files.tokenizer_json);
    }
    const ConfigReader config(files.tokenizer_config_json.empty() ? "{}" : files.tokenizer_config_json,
                              "tokenizer_config.json");
    const auto said = [&](std::string_view key, std::optional<bool> otherwise) {
      const Json* const value = config.json().find(key);
      return value && !value->is(Json::Kind::null) ? std::optional(config.get(key, false)) : otherwise;
    };
    if (!files.sentencepiece.empty()) return Tokenizer(detail::sentencepiece_spec(files, config, lowercase));
    if (!files.vocab_json.empty()) {
      if (lowercase) throw UsageError("byte-level BPE does not change letters: leave --lowercase out");
      return Tokenizer::from_bpe(files.vocab_json, files.merges_txt, *said("add_prefix_space", false));
    }
    WordPieceOptions options;
    const std::optional<bool> lower = said("do_lower_case", lowercase);
    if (!lower) throw UsageError("no tokenizer_config.json beside it says do_lower_case: pass --lowercase yes or no");
    if (lowercase && lower != lowercase)
      throw UsageError("tokenizer_config.json says do_lower_case otherwise: leave --lowercase out");
    options.lowercase = *lower;
    options.strip_accents = said("strip_accents", std::nullopt);
    options.tokenize_chinese_chars = *said("tokenize_chinese_chars", true);
    const auto token = [&](std::string_view key, std::string& text) {  // a string, or an object with its content
      const Json* value = config.json().find(key);
      if (value && value->is(Json::Kind::object)) value = value->find("content");
      if (value && value->is(Json::Kind::string)) text = value->text;
    };
    token("unk_token", options.unk_token);
    token("cls_token", options.cls_token);
    token("sep_token", options.sep_token);
    token("pad_token", options.pad_token);
    token("mask_token", options.mask_token);
    return Tokenizer::from_vocab(files.vocab_txt, options);
  } catch (const UsageError& error) {
    throw UsageError(concat("cannot load the tokenizer \"", files.source, "\": ", error.what()));
  } catch (const Error& error) {
    fail("cannot load the tokenizer \"", files.source, "\": ", error.what());
  }
}

BERT_INLINE Tokenizer load_tokenizer(const Checkpoint& checkpoint, std::optional<bool> lowercase) {
  if (!checkpoint.has_tokenizer())
    fail("\"", checkpoint.path().string(),
         "\" holds no tokenizer (tokenizer.json, vocab.txt, or vocab.json and merges.txt); without one there is only "
         "bert forward --ids");
  return load_tokenizer(checkpoint.tokenizer(), lowercase);
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
