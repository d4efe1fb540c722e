// Dense modules behind the pooling (tests/golden/dense, by NumPy in float64): from a folder, from one file, from 8
// bits; and what is said of those that do not fit.
#include <bert/quant/quantize_model.h>
#include <bert/tasks/embed.h>

#include "support/golden.h"
#include "tasks/writing_models.h"

using namespace bert;
using namespace tests;

namespace {

/// tests/golden/bert-gelu as a sentence-transformers folder.
struct DenseModel {
  WritingModel model{"bert-gelu"};
  DenseModel() {
    for (const char* name : {"modules.json", "1_Pooling", "2_Dense", "3_Dense", "4_Dense"})
      std::filesystem::copy(source_dir() / "tests/golden/dense" / name, path() / name,
                            std::filesystem::copy_options::recursive);
  }
  std::filesystem::path path() const { return model.path(); }
  std::filesystem::path operator/(const std::string& name) const { return path() / name; }
  /// Replaces `from`, which is there, by `to` in a file.
  void edit(const std::string& name, const std::string& from, const std::string& to) const {
    std::string text = tests::read_text(*this / name);
    REQUIRE(text.find(from) != std::string::npos);
    write_text(*this / name, text.replace(text.find(from), from.size(), to));
  }
};

/// Of every input of the golden model.
std::vector<std::vector<float>> vectors(const DenseModel& folder, const EmbedOptions& options) {
  const auto model = folder.model.open();
  const Embedder embedder(model, options);
  Session session(2);
  const PackedBatch batch = batch_of(Golden("bert-gelu").inputs);
  const auto states = model->model->forward(session, batch).last_hidden_state;
  std::vector<std::vector<float>> all;
  for (std::size_t b = 0; b < batch.sequences(); ++b)
    all.push_back(embedder.pooled(states.slice_rows(batch.offsets[b], batch.length(b))));
  CHECK(embedder.dimension() == all[0].size());
  return all;
}

const std::vector<std::string> texts = {"ba bb bc", "ca da.", "bz"};

std::string said_of(const DenseModel& folder) {
  return error_of([&] { Embedder embedder(folder.path()); });
}

}  // namespace

TEST_CASE("vectors pass Dense modules as NumPy computes them", "[tasks][embed][dense]") {
  const DenseModel folder;
  const tests::Json expected = tests::Json::parse(tests::read_text(source_dir() / "tests/golden/dense/expected.json"));
  EmbedOptions plain, truncated;
  plain.normalize = false, truncated.truncate_dim = 7;
  const std::pair<const char*, EmbedOptions> cases[] = {{"plain", plain}, {"vectors", {}}, {"truncated", truncated}};
  for (const auto& [name, options] : cases) {
    const auto seen = vectors(folder, options);
    REQUIRE(seen.size() == expected.size());
    for (std::size_t i = 0; i < seen.size(); ++i) {
      INFO(name << " of input " << i);
      const std::vector<float> wanted = floats(expected[i][name]);
      double largest = 0;
      for (const float value : wanted) largest = std::max(largest, std::fabs(static_cast<double>(value)));
      CHECK(largest_difference(seen[i], wanted) < 2e-5 * largest);  // as the states are (golden_bound)
    }
  }
}

TEST_CASE("one file gives the bits of the folder with Dense modules, and so does one of 8 bits",
          "[tasks][embed][dense][bits]") {
  const DenseModel folder;
  const ScratchFolder scratch;
  const Checkpoint source = Checkpoint::open(folder.path());
  write_model_file(scratch / "one", source, "{}", source.tensors());
  quantize_model(source, scratch / "int8", {});
  const auto wanted = Embedder(folder.path())(texts);
  TaskOptions int8;
  int8.precision = Precision::int8;
  CHECK(wanted[0].size() == 20);
  CHECK(Embedder(scratch / "one")(texts) == wanted);
  CHECK(Embedder(scratch / "int8")(texts) == Embedder(folder.path(), int8)(texts));
  CHECK(Checkpoint::open(scratch / "one").tensor_digest() == source.tensor_digest());
  CHECK(SafetensorsFile(scratch / "one").metadata("bert.pooling") ==
        R"({"dense":[{"activation_function":"torch.nn.modules.activation.Tanh","bias":true,"in_features":48,)"
        R"("out_features":32,"path":"2_Dense"},)"
        R"({"activation_function":"torch.nn.modules.activation.GELU","bias":false,"in_features":32,)"
        R"("out_features":40,"path":"3_Dense"},)"
        R"({"activation_function":"torch.nn.modules.linear.Identity","bias":true,"in_features":40,)"
        R"("out_features":20,"path":"4_Dense"}],"mode":"mean","normalize":true})");
}

TEST_CASE("other tasks and token states do not see Dense modules", "[tasks][embed][dense]") {
  const DenseModel folder;
  const WritingModel plain("bert-gelu");
  CHECK(FillMask(folder.path())("ba [MASK]")[0].score == FillMask(plain.path())("ba [MASK]")[0].score);
  const Embedder embedder(folder.path());
  Session session(1);
  bool asked = false;
  const auto next = [&] { return std::exchange(asked, true) ? std::nullopt : std::optional(embedder.encode("ba bb")); };
  embedder.stream(session, next, [&](TensorView<const float, 2> states) {
    CHECK(states.columns() == 48);
    CHECK(embedder.pooled(states) == embedder("ba bb"));
  });
}

TEST_CASE("a Dense module that does not fit is one error that names it", "[tasks][embed][dense][bad]") {
  const auto after = [](const auto& damage) {
    const DenseModel folder;
    damage(folder);
    std::string said = said_of(folder);
    const std::string path = folder.path().string();
    for (std::size_t at; (at = said.find(path)) != std::string::npos;) said.replace(at, path.size(), "F");
    return said;
  };
  const std::string config = "2_Dense/config.json", weights = "2_Dense/model.safetensors";
  CHECK(after([](const DenseModel&) {}) == "nothing was thrown");
  CHECK(after([&](const DenseModel& f) { f.edit(config, "activation.Tanh", "activation.Softplus"); })
            .starts_with("cannot load \"F\": the module 2_Dense has activation_function "
                         "\"torch.nn.modules.activation.Softplus\"; supported are "));
  CHECK(after([&](const DenseModel& f) { f.edit(config, "48", "47"); }) ==
        "cannot load \"F\": the module 2_Dense has in_features 47, but reads vectors of 48");
  CHECK(after([&](const DenseModel& f) { f.edit("3_Dense/config.json", "32", "31"); }) ==
        "cannot load \"F\": the module 3_Dense has in_features 31, but reads vectors of 32");
  CHECK(after([&](const DenseModel& f) { f.edit(config, "\"in_features\": 48, ", ""); }) ==
        "\"F/2_Dense/config.json\" has no in_features");
  CHECK(after([&](const DenseModel& f) { f.edit(config, "32", "0"); }) ==
        "\"F/2_Dense/config.json\": out_features is 0; it must be between 1 and 134217728");
  CHECK(after([&](const DenseModel& f) { f.edit(config, "32", "33"); }) ==
        "cannot load \"F\": sentence_transformers.2_Dense.linear.weight is [32, 48], the config asks for [33, 48]");
  CHECK(after([&](const DenseModel& f) { f.edit(weights, "linear.bias", "linear.bIas"); }) ==
        "cannot load \"F\": sentence_transformers.2_Dense.linear.bias is missing");
  CHECK(after([&](const DenseModel& f) { f.edit(config, "true", "false"); }) ==
        "cannot load \"F\": sentence_transformers.2_Dense.linear.bias [32] has no place in this model");
  CHECK(after([&](const DenseModel& f) { std::filesystem::remove(f / config); }) ==
        "\"F/2_Dense/config.json\" is missing: modules.json names it");
  CHECK(after([&](const DenseModel& f) { std::filesystem::remove(f / weights); }) ==
        "\"F/2_Dense/model.safetensors\" is missing: modules.json names it");
  CHECK(after([&](const DenseModel& f) { std::filesystem::rename(f / weights, f / "2_Dense/pytorch_model.bin"); }) ==
        "\"F/2_Dense/model.safetensors\" is missing: convert the folder, with its pytorch_model.bin, with "
        "tools/convert_weights.py");
}

TEST_CASE("a Dense module elsewhere than between pooling and normalisation is refused by embed alone",
          "[tasks][embed][dense][bad]") {
  const auto check = [](bool some_apply, const auto& change) {
    const DenseModel folder;
    change(folder);
    CHECK(said_of(folder).starts_with("pooling \"mean+Dense"));
    EmbedOptions chosen;
    chosen.pooling = "mean";
    const std::string said = error_of([&] { Embedder embedder(folder.path(), {}, chosen); });
    CHECK(said.starts_with(some_apply ? "pooling \"mean\" cannot replace \"mean+Dense" : "nothing was thrown"));
    CHECK_FALSE(FillMask(folder.path())("ba [MASK]").empty());
  };
  check(false, [](const DenseModel& f) { f.edit("modules.json", "models.Dense", "models.Normalize"); });
  check(true, [](const DenseModel& f) {
    f.edit("4_Dense/config.json", "{", R"({"module_input_name": "token_embeddings", )");
  });
}
