// Models of 8-bit weights: a file gives the bits of what it was made from, the same bytes whoever makes it, and one
// that is damaged is one clear error.
#include "io/files.h"
#include "support/catch.h"
#include "support/golden.h"

#include <bert/io/checkpoint.h>
#include <bert/quant/quantize_model.h>

#include <cmath>
#include <functional>

using namespace bert;
using namespace tests;

namespace {

using Outputs = std::vector<std::vector<float>>;

Outputs outputs(const Checkpoint& checkpoint, std::optional<Precision> precision = {},
                const KernelTable<float>& kernels = default_kernels<float>()) {
  const auto model = open_model<float>(checkpoint, kernels, precision);
  Session session(2);
  std::vector<Sequence> inputs = Golden("bert-gelu").inputs;
  if (model->config().type_vocab_size == 1)
    for (Sequence& input : inputs) input.types.clear();
  return run_model(*model, session, inputs);
}

/// The tensors and metadata of a file, to be changed and written again.
struct Parts {
  SafetensorsFile file;
  std::vector<TensorRef> tensors = file.tensors();
  std::vector<std::vector<std::byte>> bytes;
  explicit Parts(const std::filesystem::path& path) : file(path) {}

  TensorRef& operator[](const std::string& name) {
    for (TensorRef& tensor : tensors)
      if (tensor.name == name) return tensor;
    fail("no tensor ", name);
  }
  /// The tensor's bytes, to be written on.
  template <class T>
  std::span<T> own(const std::string& name) {
    TensorRef& tensor = (*this)[name];
    bytes.emplace_back(tensor.bytes.begin(), tensor.bytes.end());
    tensor.bytes = bytes.back();
    return {reinterpret_cast<T*>(bytes.back().data()), bytes.back().size() / sizeof(T)};
  }
  void remove(const std::string& name) {
    std::erase_if(tensors, [&](const TensorRef& tensor) { return tensor.name == name; });
  }
  void write(const std::filesystem::path& path) const {
    Metadata metadata;
    for (const char* key : {"format", "bert.format", "bert.config", "bert.provenance"})
      metadata.emplace_back(key, std::string(file.metadata(key).value_or("")));
    write_safetensors(path, metadata, tensors);
  }
};

const std::string self = "bert.encoder.layer.0.attention.self.";

}  // namespace

TEST_CASE("a file made without calibration gives the bits of loading its source as int8", "[quant][bits][int8]") {
  const TemporaryFolder folder;
  std::size_t written = 0;
  for (const char* name : golden_names) {
    const Checkpoint source = Checkpoint::open(Golden(name).folder);
    ++written;
    const QuantizeReport report = quantize_model(source, folder / name, {});
    const std::size_t layers = std::string(name) == "albert" ? 1 : 3;  // ALBERT's share theirs
    CHECK(report.products == 4 * layers);
    CHECK(report.int8_products == 4 * layers);
    const Checkpoint file = Checkpoint::open(folder / name);
    CHECK(file.tensor_bytes() == report.bytes);
    CHECK(report.bytes < source.tensor_bytes());
    CHECK(file.config_json() == source.config_json());
    for (const KernelTable<float>* kernels : all_kernels()) {
      INFO(name << " on " << kernels->name);
      CHECK((outputs(file, {}, *kernels) == outputs(source, Precision::int8, *kernels)));
    }
    CHECK((outputs(file) != outputs(source)));
    const auto opened = open_model<float>(file),
               loaded = open_model<float>(source, default_kernels<float>(), Precision::int8);
    CHECK(opened->precision() == Precision::int8);
    CHECK(opened->bytes_saved() == loaded->bytes_saved());
    CHECK_THROWS_AS(open_model<double>(file), Error);
    CHECK(error_of([&] { open_model<float>(file, default_kernels<float>(), Precision::fp32); }).find("8-bit weights") !=
          std::string::npos);
    CHECK(error_of([&] { quantize_model(file, folder / "again", {}); }).find("8-bit weights already") !=
          std::string::npos);
  }
  CHECK(written == std::size(golden_names));
  CHECK(folder.names().size() == written);
}

TEST_CASE("the same 8-bit file comes from every instruction set", "[quant][bits][int8]") {
  const TemporaryFolder folder;
  for (const char* name : {"bert-relu", "gpt2", "llama"}) {
    const Checkpoint source = Checkpoint::open(Golden(name).folder);
    quantize_model(source, folder / "first", {}, {.threads = 1}, *all_kernels()[0]);
    for (const KernelTable<float>* kernels : all_kernels()) {
      quantize_model(source, folder / "other", {}, {.threads = 2}, *kernels);
      INFO(name << " on " << kernels->name);
      CHECK((read_file(folder / "first") == read_file(folder / "other")));
    }
  }
}

TEST_CASE("an 8-bit file of a causal model has every matrix as [N, K], rounded from its source", "[quant][int8]") {
  const TemporaryFolder folder;
  const struct {
    const char *name, *matrix;
    bool transposed;
  } cases[] = {{"gpt2", "transformer.h.1.attn.c_attn", true},
               {"gpt2", "transformer.h.2.mlp.c_proj", true},
               {"llama", "model.layers.1.self_attn.k_proj", false},
               {"llama", "model.layers.0.mlp.gate_proj", false}};
  for (const auto& [name, matrix, transposed] : cases) {
    INFO(name << " " << matrix);
    const Checkpoint source = Checkpoint::open(Golden(name).folder);
    quantize_model(source, folder / "int8", {});
    const Checkpoint file = Checkpoint::open(folder / "int8");
    WeightReader exact(source), rounded(file);
    const std::vector<std::size_t> stored = source.find(concat(matrix, ".weight"))->shape;
    const std::size_t n = stored[transposed], k = stored[!transposed];
    const Int8Weights weights = stored_int8_weights(rounded, matrix, n, k);
    const std::vector<std::string> names{matrix};
    const std::vector<float> input = stored_input_scale(rounded, names, k);
    std::vector<float> values(n * k);
    exact.read(concat(matrix, ".weight"), stored, values.data());
    std::size_t far = 0;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < k; ++j) {
        const float wanted = values[transposed ? j * n + i : i * k + j] * input[j];
        far += !(std::fabs(wanted - static_cast<float>(weights.q[i * k + j]) * weights.scale[i]) <=
                 0.501f * weights.scale[i]);
      }
    CHECK(far == 0);
  }
}

TEST_CASE("a causal model is not calibrated: an error, and no file", "[quant][int8][bad]") {
  const TemporaryFolder folder;
  const std::vector<std::string> text{"the cat"};
  for (const char* name : {"gpt2", "llama"}) {
    const Checkpoint source = Checkpoint::open(Golden(name).folder);
    CHECK(error_of([&] { quantize_model(source, folder / "out", text); }) ==
          concat("\"", source.path().string(), "\" is a causal model, of type ", name,
                 ": calibration on a text is for encoders"));
  }
  CHECK(folder.names().empty());
}

TEST_CASE("layers of 8 bits and of float go together in any order", "[quant][int8]") {
  const TemporaryFolder folder;
  const Checkpoint source = Checkpoint::open(Golden("bert-gelu").folder);
  quantize_model(source, folder / "all", {});
  Parts parts(folder / "all");
  for (const auto& product : BertModel<float>(source).linear_names(0))
    for (const std::string& name : product) {
      parts[name + ".weight"] = *source.find(name + ".weight");
      parts.remove(name + ".weight_scale");
      parts.remove(name + ".input_scale");
    }
  parts.write(folder / "mixed");
  const Outputs mixed = outputs(Checkpoint::open(folder / "mixed"));
  CHECK((mixed != outputs(source)));
  CHECK((mixed != outputs(source, Precision::int8)));
}

TEST_CASE("a damaged 8-bit file is one error that names the tensor", "[quant][int8][bad]") {
  const TemporaryFolder folder;
  quantize_model(Checkpoint::open(Golden("bert-gelu").folder), folder / "good", {});
  const auto said = [&](const std::function<void(Parts&)>& damage) {
    Parts parts(folder / "good");
    damage(parts);
    parts.write(folder / "bad");
    return error_of([&] { BertModel<float>(Checkpoint::open(folder / "bad")); });
  };
  CHECK(said([](Parts&) {}) == "nothing was thrown");
  const std::string cannot = "cannot load \"" + (folder / "bad").string() + "\": ";
  const std::string key = self + "key", up = "bert.encoder.layer.1.intermediate.dense";
  CHECK(said([&](Parts& p) { p.remove(key + ".weight_scale"); }) == cannot + key + ".weight_scale is missing");
  CHECK(said([&](Parts& p) { p.remove(key + ".weight"); }) == cannot + key + ".weight is missing");
  CHECK(said([&](Parts& p) { p.own<std::int8_t>(up + ".weight")[77] = -128; }) ==
        cannot + up + ".weight holds -128: 8-bit weights are from -127 to 127");
  for (const float bad : {-1.0f, std::nanf(""), std::numeric_limits<float>::infinity()})
    CHECK(said([&](Parts& p) {
            p.own<float>(up + ".weight_scale")[3] = bad;
          }).find(cannot + up + ".weight_scale has ") == 0);
  for (const float bad : {0.0f, -1.0f, std::nanf(""), 1e-45f})
    CHECK(said([&](Parts& p) { p.own<float>(up + ".input_scale")[3] = bad; }).find(cannot + up + ".input_scale has ") ==
          0);
  CHECK(said([&](Parts& p) { p.own<float>(key + ".input_scale")[3] *= 2; }) ==
        cannot + key + ".input_scale differs from " + self + "query.input_scale: these layers share their input");
  CHECK(said([&](Parts& p) { p.remove(key + ".input_scale"); }) ==
        cannot + key + ".input_scale is missing, unlike " + self + "query.input_scale: these layers share their input");
  CHECK(said([&](Parts& p) { p.remove(self + "query.input_scale"); }).find(key + ".input_scale differs") !=
        std::string::npos);
  CHECK(said([&](Parts& p) {
          std::swap(p[up + ".weight"].shape[0], p[up + ".weight"].shape[1]);
        }).find(up + ".weight is [") != std::string::npos);
  CHECK(said([&](Parts& p) {
          p[up + ".weight_scale"].shape = {8, p[up + ".weight_scale"].shape[0] / 8};
        }).find(up + ".weight_scale is [8, ") != std::string::npos);
  CHECK(said([&](Parts& p) { p[up + ".weight"].dtype = DType::U8; }) != "nothing was thrown");
  CHECK(said([&](Parts& p) { p[key + ".weight"].dtype = DType::U8; }) != "nothing was thrown");
  const Checkpoint source = Checkpoint::open(Golden("bert-gelu").folder);
  CHECK(said([&](Parts& p) { p[key + ".weight"] = *source.find(key + ".weight"); }) ==
        cannot + key + ".weight is F32, not I8");
  CHECK(said([&](Parts& p) { p[up + ".weight"] = *source.find(up + ".weight"); }).find("has no place in this model") !=
        std::string::npos);
}

TEST_CASE("smoothing scales are powers by eighths, positive and finite", "[quant]") {
  const std::vector<float> input{4.0f, 1.0f, 0.0f, 0.5f}, weights{0.5f, 2.0f, 1.0f, 0.0f};
  for (int e = 1; e < 8; ++e) {
    const std::vector<float> scale = smoothing_scale(input, weights, e);
    for (std::size_t k = 0; k < 4; ++k) {
      const double x = std::max(static_cast<double>(input[k]) / 4, 0.03),
                   w = std::max(static_cast<double>(weights[k]) / 2, 0.03);
      CHECK(std::fabs(static_cast<double>(scale[k]) / (std::pow(x, e / 8.0) / std::pow(w, 1 - e / 8.0)) - 1) < 1e-6);
    }
  }
  const std::vector<float> zeros(4), bad{1.0f, std::numeric_limits<float>::infinity(), 1.0f, 1.0f};
  CHECK((smoothing_scale(zeros, zeros) == std::vector<float>(4, 1.0f)));
  CHECK_THROWS_AS(smoothing_scale(bad, input), Error);
  CHECK_THROWS_AS(smoothing_scale(std::vector<float>(3), input), Error);
}

TEST_CASE("weights that are not finite cannot become 8-bit", "[quant][bad]") {
  const TemporaryFolder folder;
  Parts parts(Golden("bert-gelu").folder / "model.safetensors");
  parts.own<float>("bert.encoder.layer.1.output.dense.weight")[5] = std::nanf("");
  write_safetensors(folder / "model.safetensors", {}, parts.tensors);
  std::filesystem::copy_file(Golden("bert-gelu").folder / "config.json", folder / "config.json");
  const Checkpoint source = Checkpoint::open(folder.path());
  const auto holds = [](const std::string& text) { return text.find("output.dense.weight holds nan") != text.npos; };
  CHECK(holds(error_of([&] { BertModel<float>(source, default_kernels<float>(), Precision::int8); })));
  CHECK(holds(error_of([&] { quantize_model(source, folder / "out", {}); })));
  CHECK(folder.names().size() == 2);
}

TEST_CASE("XLNet is calibrated, its products without biases and stored the other way round too",
          "[quant][int8][xlnet]") {
  const Checkpoint source = Checkpoint::open(Golden("xlnet").folder);
  EncoderModel<float> model(source, xlnet_family);
  WeightReader reader(source);
  model.turn_stored(reader);
  const std::vector<PackedBatch> text{batch_of(Golden("xlnet").inputs)};
  Calibration calibration(model, reader, text, 1);
  std::vector<QuantizedLayer> layers = calibration.quantize(true);
  REQUIRE(layers.size() == 3);
  const Cosine all = calibration.choose(layers, {.mean = 0, .worst = 0});
  CHECK(all.mean > 0.98);  // weights read the wrong way round: below 0.5
  for (const QuantizedLayer& layer : layers)
    for (const QuantizedProduct& product : layer) CHECK_FALSE(product.keep_float);
}
