// Small random models with tokenizers that tests of writing know: folders made of tests/golden and a vocabulary.
#pragma once
#include "cli/program.h"
#include "io/files.h"

#include <bert/tasks/fill_mask.h>

namespace tests {

/// 300 tokens: the special ones, marks, and words of two letters, each one token. What is decoded is encoded again to
/// the same ids.
inline std::vector<std::string> plain_words() {
  std::vector<std::string> pieces = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", ".", "a"};
  for (char first = 'b'; pieces.size() < 300; ++first)
    for (char second = 'a'; second <= 'z' && pieces.size() < 300; ++second) pieces.push_back({first, second});
  return pieces;
}

/// A golden model's folder with a vocabulary beside it.
class WritingModel {
 public:
  explicit WritingModel(const std::string& golden, const std::vector<std::string>& pieces = plain_words()) {
    copy(golden);
    write_text(*scratch_ / "vocab.txt", vocab_txt(pieces));
    write_text(*scratch_ / "tokenizer_config.json", R"({"do_lower_case": true})");
  }
  /// RoBERTa's: byte-level BPE of single bytes and a few pairs.
  static WritingModel roberta() {
    WritingModel model;
    model.copy("roberta-mlm");
    std::vector<std::string> tokens = {"<s>", "<pad>", "</s>", "<unk>", "<mask>"};
    for (int byte = 0, next = 256; byte < 256; ++byte) {
      const bool shown = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      const int c = shown ? byte : next++;
      tokens.push_back(c < 0x80 ? std::string(1, static_cast<char>(c))
                                : std::string{static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 63))});
    }
    for (const char* pair : {"Ġt", "he", "Ġthe", "Ġa"}) tokens.push_back(pair);
    Json vocab;
    for (std::size_t id = 0; id < tokens.size(); ++id) vocab[tokens[id]] = id;
    write_text(*model.scratch_ / "vocab.json", vocab.dump());
    write_text(*model.scratch_ / "merges.txt", "#version: 0.2\nĠ t\nh e\nĠt he\nĠ a\n");
    return model;
  }
  std::filesystem::path path() const { return scratch_->path(); }
  std::shared_ptr<const bert::TextModel> open(const bert::TaskOptions& options = {}) const {
    return bert::TextModel::open(path(), options);
  }

 private:
  WritingModel() = default;
  void copy(const std::string& golden) const {
    for (const char* name : {"config.json", "model.safetensors"})
      std::filesystem::copy_file(source_dir() / "tests/golden" / golden / name, *scratch_ / name);
  }
  std::shared_ptr<const ScratchFolder> scratch_ = std::make_shared<const ScratchFolder>();
};

/// What fill-mask says of each mask, likeliest first, without what is never written.
inline std::vector<std::vector<bert::MaskGuess>> writable_guesses(const std::shared_ptr<const bert::TextModel>& model,
                                                                  const std::string& text) {
  auto masks = bert::FillMask(model).every_mask(text, 1000);
  for (std::vector<bert::MaskGuess>& guesses : masks) {
    float total = 0;
    std::erase_if(guesses, [](const bert::MaskGuess& each) { return each.token_str.starts_with('['); });
    for (const bert::MaskGuess& each : guesses) total += each.score;
    for (bert::MaskGuess& each : guesses) each.score /= total;
  }
  return masks;
}

}  // namespace tests
