// Hashes of a checkpoint: of its files, of its tokenizer, and of its weights whatever file they lie in.
#pragma once
#include <bert/io/model_file.h>
#include <bert/io/sha256.h>

namespace bert::inline BERT_ABI {

/// SHA-256 of a file, in hexadecimal.
std::string file_sha256(const std::filesystem::path& path);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>

namespace bert::inline BERT_ABI {

BERT_INLINE std::string file_sha256(const std::filesystem::path& path) {
  return std::filesystem::file_size(path) == 0 ? sha256_hex("") : sha256_hex(MappedFile(path).bytes());
}

BERT_INLINE std::string Checkpoint::sha256() const {
  if (used_.empty()) return file_sha256(path());
  std::vector<std::string> lines;
  for (const std::string& name : used_) {
    lines.push_back(concat(file_sha256(path_ / name), "  ", name, "\n"));
  }
  std::sort(lines.begin(), lines.end());
  Sha256 hash;
  for (const std::string& line : lines) hash.update(line);
  return hash.hex();
}

BERT_INLINE std::string Checkpoint::tokenizer_sha256() const {
  if (tokenizer_.empty()) return {};
  const TokenizerFiles& files = tokenizer_;
  if (!files.tokenizer_json.empty()) return sha256_hex(files.tokenizer_json);
  if (!files.sentencepiece.empty()) return sha256_hex(files.sentencepiece);
  return sha256_hex(files.vocab_txt.empty() ? files.vocab_json + files.merges_txt : files.vocab_txt);
}

BERT_INLINE std::string Checkpoint::tensor_digest() const {
  Sha256 hash;
  for (const TensorRef& tensor : tensors_) {
    hash.update(concat(tensor.name, " ", name(tensor.dtype), " ", shape_text(tensor.shape), "\n"));
    hash.update(tensor.bytes);
    release(tensor);
  }
  return hash.hex();
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
