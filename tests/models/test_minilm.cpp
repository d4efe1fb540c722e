// Real MiniLM weights: the same bits on every ISA, team and batch, and sentence vectors by pool(). Accuracy against
// PyTorch's float32 error is in tests/io/test_minilm.cpp.
#include "support/catch.h"
#include "support/golden.h"

using namespace bert;
using namespace tests;

namespace {

struct Sentences {
  SafetensorsFile file{source_dir() / "tests/golden/minilm/expected.safetensors"};
  std::vector<double> embeddings = doubles(file, "embeddings");  // [B, H]
  std::vector<Sequence> all;
  Sentences() {
    const Ids ids = integers(file, "input_ids"), offsets = integers(file, "offsets");
    for (std::size_t b = 0; b + 1 < offsets.size(); ++b)
      all.push_back({Ids(ids.begin() + offsets[b], ids.begin() + offsets[b + 1]), {}});
  }
};

template <class T>
std::vector<T> states(const EncoderModel<T>& model, int threads, const std::vector<Sequence>& sequences) {
  Session session(threads);
  const auto view = model.forward(session, batch_of(sequences)).last_hidden_state;
  return {view.data(), view.data() + view.size()};
}

}  // namespace

TEST_CASE("real weights give the same bits on every ISA, team and batch", "[models][bits][minilm]") {
  SKIP_WITHOUT_MINILM();
  const Sentences sentences;
  const Checkpoint checkpoint = Checkpoint::open(minilm_file());
  const std::vector<float> whole = states(BertModel<float>(checkpoint, *all_kernels().back()), 2, sentences.all);
  for (const KernelTable<float>* kernels : all_kernels()) {
    const BertModel<float> model(checkpoint, *kernels);
    std::size_t first = 0;
    for (std::size_t i = 0; i < 6; ++i) {  // 62 tokens: the scalar kernels take a second and a half
      const std::vector<float> alone = states(model, 1 + static_cast<int>(i % 3), {sentences.all[i]});
      INFO("sentence " << i << " on " << kernels->name);
      CHECK(difference(std::span<const float>(alone), std::span<const float>(whole).subspan(first, alone.size())) ==
            "");
      first += alone.size();
    }
  }
}

TEST_CASE("sentence vectors of real weights by pool() are within 1e-6 of float64", "[models][minilm]") {
  SKIP_WITHOUT_MINILM();
  const Sentences sentences;
  const BertModel<float> model(Checkpoint::open(minilm_file()), *all_kernels().back());
  Session session;
  const PackedBatch batch = batch_of(sentences.all);
  const auto hidden = model.forward(session, batch).last_hidden_state;
  Errors errors;
  for (std::size_t b = 0; b < batch.sequences(); ++b) {
    std::vector<float> vector(hidden.columns());
    pool(PoolingMode::mean, true, hidden.slice_rows(batch.offsets[b], batch.length(b)), std::span(vector));
    errors.add(std::span<const float>(vector),
               std::span<const double>(sentences.embeddings).subspan(b * vector.size(), vector.size()));
  }
  std::printf("MiniLM sentence embeddings against float64: max %.2e rms %.2e\n", errors.largest, errors.rms());
  CHECK(errors.largest < 1e-6);
}

TEST_CASE("the double model on real weights is within 1e-11 of float64 PyTorch", "[models][minilm]") {
  SKIP_WITHOUT_MINILM();
  const Sentences sentences;
  const std::vector<double> exact = doubles(sentences.file, "token_states.4"),
                            seen = states(BertModel<double>(Checkpoint::open(minilm_file())), 2, {sentences.all[4]});
  Errors errors;
  errors.add(std::span<const double>(seen), std::span<const double>(exact));
  CHECK(errors.count == 4 * 384);
  CHECK(errors.largest < 1e-11);
}
