// Expected activations of small models (tests/golden), and runs of models to compare with them.
#pragma once
#include "support/matrix.h"
#include "support/paths.h"

#include <bert/io/json.h>
#include <bert/io/safetensors.h>
#include <bert/models/registry.h>

#include <fstream>
#include <iterator>

namespace tests {

using Ids = std::vector<std::int32_t>;

struct Sequence {
  Ids ids, types;
};

/// The numbers of a tensor of doubles, which may lie at any address.
inline std::vector<double> doubles(const bert::SafetensorsFile& file, const std::string& name) {
  const bert::TensorRef* const tensor = file.find(name);
  if (!tensor || tensor->dtype != bert::DType::F64) bert::fail("no tensor of doubles ", name);
  std::vector<double> values(tensor->elements());
  std::memcpy(values.data(), tensor->bytes.data(), tensor->bytes.size());
  return values;
}
inline Ids integers(const bert::SafetensorsFile& file, const std::string& name) {
  const bert::TensorRef* const tensor = file.find(name);
  if (!tensor || tensor->dtype != bert::DType::I32) bert::fail("no tensor of 32-bit integers ", name);
  Ids values(tensor->elements());
  std::memcpy(values.data(), tensor->bytes.data(), tensor->bytes.size());
  return values;
}

inline bert::Json read_json(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  return bert::parse_json(text, path.string());
}

/// A folder of tests/golden: a Hugging Face model, inputs, and every activation by PyTorch in float64.
struct Golden {
  std::filesystem::path folder;
  std::vector<Sequence> inputs;
  bert::SafetensorsFile expected;

  explicit Golden(const std::string& name, const char* activations = "expected.safetensors")
      : folder(source_dir() / "tests/golden" / name), expected(folder / activations) {
    for (const bert::Json& entry : read_json(folder / "inputs.json").members)
      inputs.push_back({numbers(entry.find("input_ids")), numbers(entry.find("token_type_ids"))});
  }
  std::vector<double> values(std::size_t input, const std::string& name) const {
    return doubles(expected, bert::concat(input, ".", name));
  }
  template <class T>
  std::unique_ptr<const bert::Model<T>> load(const bert::KernelTable<T>& kernels,
                                             bert::Precision precision = bert::Precision::fp32) const {
    return bert::open_model<T>(bert::Checkpoint::open(folder), kernels, precision);
  }

 private:
  static Ids numbers(const bert::Json* list) {  // null: the family has none
    Ids values;
    if (list)
      for (const bert::Json& value : list->members) value.to(values.emplace_back());
    return values;
  }
};
inline const char* const golden_names[] = {
    "bert-gelu",   "bert-gelu_new",  "bert-relu",      "bert-seqcls", "bert-tokcls",           "bert-qa",
    "roberta-mlm", "roberta-seqcls", "distilbert-mlm", "electra-mlm", "electra-discriminator", "albert",
    "gpt2",        "llama",          "xlnet"};

/// How far a tensor of a float model may be from float64, relative to its largest value. XLNet's random layers have
/// scores up to 90 that decide between words: its probabilities in float32 are 2.5e-5 away here, PyTorch's own 2.1e-5.
inline double golden_bound(std::string_view model, std::string_view tensor) {
  return model == "xlnet" && tensor.starts_with("attentions.") ? 3e-5 : 2e-5;
}

inline bert::PackedBatch batch_of(const std::vector<Sequence>& sequences) {
  bert::PackedBatch batch;
  for (const Sequence& sequence : sequences) batch.add(sequence.ids, sequence.types);
  return batch;
}
inline std::vector<std::size_t> all_tokens(const bert::PackedBatch& batch) {
  std::vector<std::size_t> tokens(batch.tokens());
  for (std::size_t t = 0; t < tokens.size(); ++t) tokens[t] = t;
  return tokens;
}

/// Everything the model says about each sequence, end to end: token states, pooled state, all heads' logits.
template <class T>
std::vector<std::vector<T>> run_model(const bert::Model<T>& model, bert::Session& session,
                                      const std::vector<Sequence>& sequences) {
  const bert::PackedBatch batch = batch_of(sequences);
  const bool words = model.has(bert::Head::words);
  const auto output = model.forward(session, batch, words ? all_tokens(batch) : std::vector<std::size_t>());
  std::vector<std::vector<T>> all(batch.sequences());
  for (std::size_t b = 0; b < all.size(); ++b) {
    const auto add = [&](auto view, std::size_t row) {
      if (!view.empty()) all[b].insert(all[b].end(), view.row(row), view.row(row) + view.columns());
    };
    for (std::size_t t = batch.offsets[b]; t < batch.offsets[b + 1]; ++t) {
      add(output.last_hidden_state, t);
      add(output.prediction_logits, t);
      add(output.token_logits, t);
    }
    add(output.pooler_output, b);
    add(output.seq_relationship_logits, b);
    add(output.class_logits, b);
  }
  return all;
}

}  // namespace tests
