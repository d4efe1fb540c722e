#include <bert/io/checkpoint.h>
#include <bert/io/model_config.h>
#include <bert/io/safetensors_writer.h>
#include <bert/io/weights.h>

#include <algorithm>
#include <cstdlib>

#include "files.h"
#include "support/catch.h"
#include "support/paths.h"

using bert::Checkpoint;
using bert::DType;
using bert::WeightReader;
using tests::error_of;

namespace {

/// A few tensors of floats, written as a safetensors file.
class Tensors {
 public:
  Tensors& add(const std::string& name, std::vector<std::size_t> shape, float first = 0) {
    std::size_t size = 1;
    for (std::size_t extent : shape) size *= extent;
    auto& data = data_.emplace_back(size);
    for (std::size_t i = 0; i < size; ++i) data[i] = first + static_cast<float>(i);
    refs_.push_back({name, DType::F32, std::move(shape), std::as_bytes(std::span(data))});
    return *this;
  }
  void write(const std::filesystem::path& path, bert::Metadata metadata = {}) const {
    std::filesystem::create_directories(path.parent_path());
    bert::write_safetensors(path, std::move(metadata), refs_);
  }

 private:
  std::vector<std::vector<float>> data_;
  std::vector<bert::TensorRef> refs_;
};

const std::string kConfig = R"({"model_type":"bert","hidden_size":2,"num_attention_heads":1,"vocab_size":3})";

std::vector<std::string> names_of(const Checkpoint& checkpoint) {
  std::vector<std::string> names;
  for (const auto& tensor : checkpoint.tensors()) names.push_back(tensor.name);
  return names;
}

std::string open_error(const std::filesystem::path& path) {
  return error_of([&] { Checkpoint::open(path); });
}

Tensors current_names() {
  Tensors tensors;
  tensors.add("bert.embeddings.LayerNorm.bias", {2}, 5)
      .add("bert.embeddings.LayerNorm.weight", {2}, 7)
      .add("bert.embeddings.word_embeddings.weight", {3, 2})
      .add("cls.predictions.bias", {3}, 9);
  return tensors;
}

}  // namespace

TEST_CASE("old checkpoint names give the tensors of today's", "[io][checkpoint][names]") {
  const tests::TemporaryFolder folder;
  tests::write_file(folder / "new/config.json", kConfig);
  current_names().write(folder / "new/model.safetensors");
  const Checkpoint today = Checkpoint::open(folder / "new");
  const std::vector<std::string> expected{"bert.embeddings.LayerNorm.bias", "bert.embeddings.LayerNorm.weight",
                                          "bert.embeddings.word_embeddings.weight", "cls.predictions.bias"};
  CHECK(names_of(today) == expected);

  tests::write_file(folder / "old/config.json", kConfig);
  Tensors()
      .add("embeddings.LayerNorm.beta", {2}, 5)
      .add("bert.embeddings.LayerNorm.gamma", {2}, 7)
      .add("embeddings.word_embeddings.weight", {3, 2})
      .add("embeddings.position_ids", {1, 4})
      .add("cls.predictions.decoder.weight", {3, 2})  // equal to the embeddings: tied
      .add("cls.predictions.decoder.bias", {3}, 9)    // alone: another name of cls.predictions.bias
      .write(folder / "old/model.safetensors");
  const Checkpoint old = Checkpoint::open(folder / "old");
  CHECK(names_of(old) == expected);
  CHECK(old.tensor_digest() == today.tensor_digest());
  CHECK(old.sha256() != today.sha256());
  CHECK(old.tensor_bytes() == (2 + 2 + 6 + 3) * 4);
}

TEST_CASE("an untied decoder stays", "[io][checkpoint][names]") {
  const tests::TemporaryFolder folder;
  Tensors tensors = current_names();
  tensors.add("cls.predictions.decoder.weight", {3, 2}, 100).add("cls.predictions.decoder.bias", {3}, 100);
  tests::write_file(folder / "different/config.json", kConfig);
  tensors.write(folder / "different/model.safetensors");
  const Checkpoint different = Checkpoint::open(folder / "different");
  CHECK(different.find("cls.predictions.decoder.weight") != nullptr);
  CHECK(different.find("cls.predictions.decoder.bias") != nullptr);

  Tensors equal = current_names();
  equal.add("cls.predictions.decoder.weight", {3, 2});
  tests::write_file(folder / "untied/config.json",
                    kConfig.substr(0, kConfig.size() - 1) + R"(,"tie_word_embeddings":false})");
  equal.write(folder / "untied/model.safetensors");
  CHECK(Checkpoint::open(folder / "untied").find("cls.predictions.decoder.weight") != nullptr);
}

TEST_CASE("two old names for one tensor are an error", "[io][checkpoint][names][bad]") {
  const tests::TemporaryFolder folder;
  tests::write_file(folder / "config.json", kConfig);
  current_names().add("embeddings.LayerNorm.gamma", {2}).write(folder / "model.safetensors");
  CHECK(open_error(folder.path()).find("holds bert.embeddings.LayerNorm.weight twice") != std::string::npos);
}

TEST_CASE("other families keep their names", "[io][names]") {
  CHECK(bert::canonical_name("embeddings.LayerNorm.gamma", "bert") == "bert.embeddings.LayerNorm.weight");
  CHECK(bert::canonical_name("encoder.layer.0.output.LayerNorm.beta", "bert") ==
        "bert.encoder.layer.0.output.LayerNorm.bias");
  CHECK(bert::canonical_name("pooler.dense.weight", "bert") == "bert.pooler.dense.weight");
  CHECK(bert::canonical_name("classifier.weight", "bert") == "classifier.weight");
  CHECK(bert::canonical_name("bert.embeddings.position_ids", "bert").empty());
  CHECK(bert::canonical_name("encoder.layer.0.x", "other") == "encoder.layer.0.x");
  CHECK(bert::canonical_name("LayerNorm.gamma2", "bert") == "LayerNorm.gamma2");
}

TEST_CASE("shards are one checkpoint", "[io][checkpoint]") {
  const tests::TemporaryFolder folder;
  tests::write_file(folder / "config.json", kConfig);
  Tensors().add("bert.embeddings.word_embeddings.weight", {3, 2}).write(folder / "model-00001-of-00002.safetensors");
  Tensors()
      .add("bert.embeddings.LayerNorm.bias", {2}, 5)
      .add("bert.embeddings.LayerNorm.weight", {2}, 7)
      .add("cls.predictions.bias", {3}, 9)
      .write(folder / "model-00002-of-00002.safetensors");
  const std::string first = R"("bert.embeddings.word_embeddings.weight":"model-00001-of-00002.safetensors")";
  const std::string second = R"("cls.predictions.bias":"model-00002-of-00002.safetensors")";
  const auto index = [&](const std::string& map) {
    tests::write_file(folder / "model.safetensors.index.json",
                      R"({"metadata":{"total_size":1},"weight_map":{)" + map + "}}");
  };
  index(first + "," + second);
  const Checkpoint sharded = Checkpoint::open(folder.path());
  CHECK(sharded.tensors().size() == 4);
  const tests::TemporaryFolder whole;
  tests::write_file(whole / "config.json", kConfig);
  current_names().write(whole / "model.safetensors");
  CHECK(sharded.tensor_digest() == Checkpoint::open(whole.path()).tensor_digest());
  float values[3];
  WeightReader(sharded).read("cls.predictions.bias", {3}, values);
  CHECK(values[2] == 11);

  index(first + R"(,"cls.other":"model-00002-of-00002.safetensors")");
  CHECK(open_error(folder.path()).find("promises cls.other in model-00002-of-00002.safetensors, where it is not") !=
        std::string::npos);
  index(first + R"(,"x":"model-00003-of-00002.safetensors")");
  CHECK(open_error(folder.path()).find("model-00003-of-00002.safetensors\": No such file") != std::string::npos);
  index(R"("x":"../model-00001-of-00002.safetensors")");
  CHECK(open_error(folder.path()).find("not a file beside it") != std::string::npos);
  index("");
  CHECK(open_error(folder.path()).find("has no weight_map") != std::string::npos);
  tests::write_file(folder / "model.safetensors.index.json", "{\"weight_map\":[\"a\"]}");
  CHECK(open_error(folder.path()).find("has no weight_map") != std::string::npos);
  tests::write_file(folder / "model.safetensors.index.json", "garbage");
  CHECK(open_error(folder.path()).find("model.safetensors.index.json\" is not valid JSON") != std::string::npos);
}

TEST_CASE("folders and files that are no models are refused with what to do", "[io][checkpoint][bad]") {
  const tests::TemporaryFolder folder;
  CHECK(open_error(folder.path()).find("has no config.json: it is not a Hugging Face model folder") !=
        std::string::npos);
  CHECK(open_error(folder / "none").find("No such file or directory") != std::string::npos);
  tests::write_file(folder / "config.json", kConfig);
  CHECK(open_error(folder.path()).find("has no model.safetensors") != std::string::npos);
  tests::write_file(folder / "pytorch_model.bin", "x");
  CHECK(open_error(folder.path()).find("convert pytorch_model.bin with tools/convert_weights.py") != std::string::npos);
  current_names().write(folder / "model.safetensors");
  CHECK(open_error(folder.path()) == "nothing was thrown");
  CHECK(open_error(folder / "model.safetensors").find("is not a converted model: convert its folder") !=
        std::string::npos);
  tests::write_file(folder / "config.json", "");
  CHECK(open_error(folder.path()).find("config.json\" is not valid JSON") != std::string::npos);
  tests::write_file(folder / "config.json", "{\"model_type\":3}");
  CHECK(open_error(folder.path()).find("model_type is 3") != std::string::npos);
  current_names().write(folder / "m.safetensors", {{"bert.format", "2"}});
  CHECK(open_error(folder / "m.safetensors").find("has bert.format 2, this program reads 1") != std::string::npos);
  current_names().write(folder / "m.safetensors", {{"bert.format", "1"}});
  CHECK(open_error(folder / "m.safetensors").find("(bert.config) is not valid JSON") != std::string::npos);
  current_names().write(folder / "m.safetensors", {{"bert.format", "1"}, {"bert.config", kConfig}});
  CHECK(open_error(folder / "m.safetensors") == "nothing was thrown");
}

TEST_CASE("a converted file tells config, tokenizer, pooling and provenance", "[io][checkpoint]") {
  const tests::TemporaryFolder folder;
  current_names().write(folder / "m.safetensors",
                        {{"bert.format", "1"},
                         {"bert.config", kConfig},
                         {"bert.tokenizer", "{\"a\":1}"},
                         {"bert.pooling", R"({"max_seq_length":256,"mode":"mean","normalize":true})"},
                         {"bert.provenance", "{}"}});
  const Checkpoint checkpoint = Checkpoint::open(folder / "m.safetensors");
  CHECK(checkpoint.config_json() == kConfig);
  CHECK(checkpoint.tokenizer().tokenizer_json == "{\"a\":1}");
  CHECK(checkpoint.has_tokenizer());
  CHECK(checkpoint.tokenizer_sha256() == bert::sha256_hex("{\"a\":1}"));
  CHECK(checkpoint.pooling().mode == "mean");
  CHECK(checkpoint.pooling().normalize == true);
  CHECK(checkpoint.pooling().max_seq_length == std::size_t{256});
  CHECK(checkpoint.provenance() == "{}");
  CHECK(checkpoint.sha256() == bert::sha256_hex(tests::read_file(folder / "m.safetensors")));
  CHECK(names_of(checkpoint).size() == 4);
}

TEST_CASE("sentence-transformers files say how to pool", "[io][checkpoint]") {
  const tests::TemporaryFolder folder;
  const auto pooling = [&] {
    bert::Folder files(folder.path());
    return bert::pooling_of(files);
  };
  CHECK(pooling().mode.empty());
  CHECK_FALSE(pooling().normalize);
  tests::write_file(folder / "1_Pooling/config.json", R"({"word_embedding_dimension":8,"pooling_mode_cls_token":false,
    "pooling_mode_mean_tokens":true,"pooling_mode_max_tokens":false})");
  CHECK(pooling().mode == "mean");
  CHECK(pooling().normalize == false);
  tests::write_file(folder / "modules.json", R"([{"path":"","type":"sentence_transformers.models.Transformer"},
    {"path":"1_Pooling","type":"sentence_transformers.models.Pooling"},
    {"path":"2_Normalize","type":"sentence_transformers.models.Normalize"}])");
  tests::write_file(folder / "sentence_bert_config.json", R"({"max_seq_length":128,"do_lower_case":false})");
  CHECK(pooling().mode == "mean");
  CHECK(pooling().normalize == true);
  CHECK(pooling().max_seq_length == std::size_t{128});
  tests::write_file(folder / "1_Pooling/config.json", R"({"pooling_mode":["cls","max"]})");
  CHECK(pooling().mode == "cls+max");
  tests::write_file(folder / "modules.json",
                    R"([{"path":"1_Pooling","type":"a.Pooling"},{"path":"2_LSTM","type":"a.LSTM"}])");
  CHECK(pooling().mode == "cls+max+LSTM");
  CHECK(pooling().normalize == false);
  tests::write_file(folder / "2_Dense/config.json", R"({"in_features":8,"out_features":3})");
  tests::write_file(folder / "modules.json", R"([{"path":"1_Pooling","type":"a.Pooling"},
    {"path":"2_Dense","type":"a.Dense"},{"path":"3_Normalize","type":"a.Normalize"}])");
  CHECK(pooling().mode == "cls+max");
  CHECK(pooling().normalize == true);
  REQUIRE(pooling().dense.size() == 1);
  CHECK(pooling().dense[0].path == "2_Dense");
  CHECK(pooling().dense[0].activation_function == "torch.nn.modules.activation.Tanh");  // Dense.py's default
  CHECK(pooling().dense[0].in_features == 8);
  CHECK(pooling().dense[0].out_features == 3);
  CHECK(pooling().dense[0].bias);
  tests::write_file(folder / "modules.json", R"([{"path":"../1_Pooling","type":"a.Pooling"}])");
  CHECK(error_of(pooling).find("a path inside the folder") != std::string::npos);
}

TEST_CASE("weights are checked by name, shape and type, and none may be left over", "[io][weights][bad]") {
  const tests::TemporaryFolder folder;
  const auto path = folder / "m.safetensors";
  const std::vector<std::int8_t> bytes(2);
  Tensors tensors = current_names();
  tensors.write(path, {{"bert.format", "1"}, {"bert.config", kConfig}});
  const Checkpoint checkpoint = Checkpoint::open(path);
  WeightReader reader(checkpoint);
  const std::string cannot = "cannot load \"" + path.string() + "\": ";
  double values[6] = {};
  CHECK(error_of([&] { reader.read("bert.pooler.dense.bias", {2}, values); }) ==
        cannot + "bert.pooler.dense.bias is missing");
  CHECK(error_of([&] {
          reader.read("cls.predictions.bias", {3, 1}, values);
        }) == cannot + "cls.predictions.bias is [3], the config asks for [3, 1]");
  CHECK(error_of([&] { reader.finish(); }) == cannot + "bert.embeddings.LayerNorm.bias [2] has no place in this model");
  reader.read("bert.embeddings.word_embeddings.weight", {3, 2}, values);
  CHECK(values[5] == 5.0);
  reader.read("bert.embeddings.LayerNorm.bias", {2}, values);
  reader.ignore("bert.embeddings.LayerNorm.");
  CHECK(error_of([&] { reader.finish(); }) == cannot + "cls.predictions.bias [3] has no place in this model");
  reader.ignore("cls.");
  CHECK(error_of([&] { reader.finish(); }) == "nothing was thrown");

  bert::write_safetensors(folder / "i8", {{"bert.format", "1"}, {"bert.config", "{}"}},
                          {{"t", DType::I8, {2}, std::as_bytes(std::span(bytes))}});
  const Checkpoint integers = Checkpoint::open(folder / "i8");
  CHECK(error_of([&] { WeightReader(integers).read("t", {2}, values); }).find("t is I8, not a floating-point type") !=
        std::string::npos);
}

TEST_CASE("the model that ships with the project opens, and is the folder it was made from", "[io][checkpoint]") {
  const Checkpoint shipped = Checkpoint::open(tests::source_dir() / "examples/model/bert.safetensors");
  CHECK(shipped.tensors().size() == 110);
  CHECK(shipped.has_tokenizer());
  CHECK(bert::BertConfig::from(shipped.config()).num_hidden_layers == 6);
  SKIP_WITHOUT_SHARED();
  const Checkpoint source = Checkpoint::open(tests::shared_dir() / "model");
  CHECK(shipped.tensor_digest() == source.tensor_digest());
  CHECK(source.tokenizer().vocab_txt.size() == 61317);
  CHECK(source.tokenizer().tokenizer_json.empty());
}

TEST_CASE("the real MiniLM has the weights its golden numbers were made from", "[io][checkpoint][minilm]") {
  SKIP_WITHOUT_MINILM();
  const bert::SafetensorsFile golden(tests::source_dir() / "tests/golden/minilm/expected.safetensors");
  const Checkpoint converted = Checkpoint::open(tests::minilm_file());
  const Checkpoint folder = Checkpoint::open(tests::minilm_file().parent_path() / "model");
  CHECK(converted.tensor_digest() == golden.metadata("tensor_digest"));
  CHECK(folder.tensor_digest() == golden.metadata("tensor_digest"));
  for (const Checkpoint* checkpoint : {&converted, &folder}) {
    CHECK(checkpoint->pooling().mode == "mean");
    CHECK(checkpoint->pooling().normalize == true);
    CHECK(checkpoint->pooling().max_seq_length == std::size_t{256});
  }
}

TEST_CASE("a folder's hash is that of the sorted lines of sha256sum", "[io][checkpoint]") {
  const tests::TemporaryFolder folder;
  tests::write_file(folder / "config.json", kConfig);
  tests::write_file(folder / "vocab.txt", "[UNK]\n");
  tests::write_file(folder / "unread.txt", "x");
  current_names().write(folder / "model.safetensors");
  const std::string command =
      "cd '" + folder.path().string() +
      "' && sha256sum config.json model.safetensors vocab.txt | LC_ALL=C sort | sha256sum | cut -c1-64 > sum";
  REQUIRE(std::system(command.c_str()) == 0);
  CHECK(Checkpoint::open(folder.path()).sha256() + "\n" == tests::read_file(folder / "sum"));
}
