#include <bert/io/checkpoint.h>
#include <bert/io/convert.h>
#include <bert/io/tokenizer_files.h>
#include <bert/models/bert.h>

#include <cmath>
#include <cstdio>

#include "files.h"
#include "support/catch.h"
#include "support/paths.h"

// tools/golden_minilm.py made the expected numbers: PyTorch in float64 on the same weights.

namespace {

struct Golden {
  bert::SafetensorsFile file{tests::source_dir() / "tests/golden/minilm/expected.safetensors"};
  std::vector<std::int32_t> ids = integers("input_ids"), offsets = integers("offsets");
  std::vector<double> embeddings = doubles("embeddings");  // [B, H]

  std::size_t sentences() const { return offsets.size() - 1; }
  std::vector<std::int32_t> ids_of(std::size_t k) const {
    return {ids.begin() + offsets[k], ids.begin() + offsets[k + 1]};
  }
  std::vector<double> doubles(std::string_view name) const {
    const bert::TensorRef* tensor = file.find(name);
    std::vector<double> values(tensor ? tensor->elements() : 0);
    if (tensor) bert::read_elements(*tensor, 0, values.size(), values.data());
    return values;
  }
  std::vector<std::int32_t> integers(std::string_view name) const {
    const bert::TensorRef* tensor = file.find(name);
    std::vector<std::int32_t> values(tensor->elements());
    std::memcpy(values.data(), tensor->bytes.data(), tensor->bytes.size());
    return values;
  }
};

}  // namespace

TEST_CASE("real MiniLM weights give PyTorch's float64 token states and sentence embeddings", "[io][minilm]") {
  SKIP_WITHOUT_MINILM();
  const Golden golden;
  REQUIRE(golden.sentences() == 40);
  const bert::Checkpoint checkpoint = bert::Checkpoint::open(tests::minilm_file());
  const bert::BertModel<float> model(checkpoint);
  bert::Session session;
  bert::PackedBatch batch;
  for (std::size_t k = 0; k < golden.sentences(); ++k) batch.add(golden.ids_of(k));
  const auto states = model.forward(session, batch).last_hidden_state;  // [T, H]
  const std::size_t hidden = states.columns();

  double states_max = 0, squares = 0, embeddings_max = 0;
  std::size_t compared = 0;
  for (std::size_t k = 0; k < golden.sentences(); ++k) {
    const std::size_t first = batch.offsets[k], length = batch.length(k);
    const std::vector<double> expected = golden.doubles(bert::concat("token_states.", k));  // [S, H], of some only
    REQUIRE((expected.empty() || expected.size() == length * hidden));
    std::vector<double> mean(hidden);
    for (std::size_t t = 0; t < length; ++t)
      for (std::size_t h = 0; h < hidden; ++h) {
        const double state = states.row(first + t)[h];
        mean[h] += state / static_cast<double>(length);
        if (expected.empty()) continue;
        const double error = state - expected[t * hidden + h];
        states_max = std::max(states_max, std::abs(error));
        squares += error * error;
        ++compared;
      }
    double norm = 0;
    for (const double value : mean) norm += value * value;
    for (std::size_t h = 0; h < hidden; ++h)
      embeddings_max =
          std::max(embeddings_max, std::abs(mean[h] / std::sqrt(norm) - golden.embeddings[k * hidden + h]));
  }
  const double rms = std::sqrt(squares / static_cast<double>(compared));
  std::printf("MiniLM against float64: token states max %.2e rms %.2e, sentence embeddings max %.2e\n", states_max, rms,
              embeddings_max);
  CHECK(compared > 100 * hidden);
  CHECK(states_max < 1e-5);
  CHECK(embeddings_max < 1e-6);
  // PyTorch's own float32 on the same lines, as the golden file's metadata has it.
  const double torch_rms =
      std::stod(std::string(golden.file.metadata("torch_float32_stored_states_rms_error").value()));
  CHECK(rms < 1.1 * torch_rms);
}

TEST_CASE("the MiniLM tokenizer gives the ids of Hugging Face", "[io][minilm][tokenizer]") {
  SKIP_WITHOUT_MINILM();
  const Golden golden;
  const std::string text = tests::read_file(tests::source_dir() / "tests/golden/minilm/sentences.txt");
  for (const auto& path : {tests::minilm_file(), tests::minilm_file().parent_path() / "model"}) {
    const bert::Tokenizer tokenizer = bert::load_tokenizer(bert::Checkpoint::open(path));
    std::size_t begin = 0;
    for (std::size_t k = 0; k < golden.sentences(); ++k) {
      const std::size_t end = text.find('\n', begin);
      CAPTURE(k);
      CHECK(tokenizer.encode(text.substr(begin, end - begin)).ids == golden.ids_of(k));
      begin = end + 1;
    }
  }
}
