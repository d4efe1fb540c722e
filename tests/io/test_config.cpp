#include <bert/io/model_config.h>

#include "files.h"
#include "support/catch.h"

using bert::BertConfig;
using bert::ConfigReader;

namespace {
BertConfig read(const std::string& text) { return BertConfig::from(ConfigReader(text, "\"c.json\"")); }
std::string error(const std::string& text) {
  return tests::error_of([&] { read(text); });
}
}  // namespace

TEST_CASE("a BERT configuration has Hugging Face's keys and defaults", "[io][config]") {
  const BertConfig base = read("{}");
  CHECK(base.hidden_size == 768);
  CHECK(base.vocab_size == 30522);
  CHECK(base.layer_norm_eps == 1e-12);
  CHECK(base.tie_word_embeddings);

  const BertConfig config = read(R"({"model_type":"bert","hidden_size":48,"num_hidden_layers":3,"num_attention_heads":4,
    "intermediate_size":80,"vocab_size":300,"max_position_embeddings":96,"type_vocab_size":1,"hidden_act":"gelu_new",
    "layer_norm_eps":1e-05,"pad_token_id":null,"tie_word_embeddings":false,"architectures":["BertForMaskedLM"],
    "id2label":{"1":"yes","0":"no"},"problem_type":null,"unknown_key":[{}]})");
  CHECK(config.hidden_size == 48);
  CHECK(config.num_hidden_layers == 3);
  CHECK(config.num_attention_heads == 4);
  CHECK(config.intermediate_size == 80);
  CHECK(config.vocab_size == 300);
  CHECK(config.max_position_embeddings == 96);
  CHECK(config.type_vocab_size == 1);
  CHECK(config.hidden_act == "gelu_new");
  CHECK(config.layer_norm_eps == 1e-5);
  CHECK(config.pad_token_id == 0);
  CHECK_FALSE(config.tie_word_embeddings);
  CHECK(config.architectures == std::vector<std::string>{"BertForMaskedLM"});
  CHECK(config.id2label == std::vector<std::string>{"no", "yes"});
}

TEST_CASE("a bad configuration is an error that names key and value", "[io][config]") {
  CHECK(error("[1]") == "\"c.json\" is not a JSON object");
  CHECK(error("{").find("\"c.json\" is not valid JSON") == 0);
  CHECK(error("") == "\"c.json\" is not valid JSON: expected a value at its end, byte 0");
  CHECK(error(R"({"hidden_size":"768"})") == "\"c.json\": hidden_size is 768, which is not a whole number from 0 on");
  CHECK(error(R"({"hidden_size":-768})").find("hidden_size is -768") != std::string::npos);
  CHECK(error(R"({"hidden_size":768.5})").find("hidden_size is 768.5") != std::string::npos);
  CHECK(error(R"({"hidden_size":0})") == "\"c.json\": hidden_size is 0; it must be between 1 and 134217728");
  CHECK(error(R"({"vocab_size":99999999999})").find("vocab_size is 99999999999;") != std::string::npos);
  CHECK(error(R"({"num_hidden_layers":100000})").find("num_hidden_layers is 100000;") != std::string::npos);
  CHECK(error(R"({"hidden_size":[1]})").find("hidden_size is no plain value") != std::string::npos);
  const std::string sizes = R"("vocab_size":9,"hidden_size":8,"num_hidden_layers":1,"intermediate_size":9)";
  CHECK(error("{" + sizes + R"(,"num_attention_heads":7,"max_position_embeddings":9})") ==
        "\"c.json\": hidden_size 8 is not divisible by num_attention_heads 7");
  CHECK(error("{" + sizes + R"(,"max_position_embeddings":9})") ==
        "\"c.json\": num_attention_heads is missing, though max_position_embeddings is there");
  CHECK(error("{" + sizes + R"(,"num_attention_heads":8})") ==
        "\"c.json\": max_position_embeddings is missing, though intermediate_size is there");
  CHECK(error(R"({"layer_norm_eps":true})").find("layer_norm_eps is true, which is not a number") != std::string::npos);
  CHECK(error(R"({"layer_norm_eps":-1})").find("layer_norm_eps is -1") != std::string::npos);
  CHECK(error(R"({"layer_norm_eps":1e999})").find("layer_norm_eps is 1e999") != std::string::npos);
  CHECK(error(R"({"hidden_act":3})").find("hidden_act is 3, which is not a string") != std::string::npos);
  CHECK(error(R"({"tie_word_embeddings":1})").find("tie_word_embeddings is 1") != std::string::npos);
  CHECK(error(R"({"position_embedding_type":"relative_key"})") ==
        "\"c.json\": position_embedding_type is \"relative_key\"; only \"absolute\" is supported");
  CHECK(error(R"({"is_decoder":true})").find("is_decoder is true") != std::string::npos);
  CHECK(error(R"({"id2label":{"0":"a","2":"b"}})").find("id2label") != std::string::npos);
  CHECK(error(R"({"id2label":{"x":"a"}})").find("id2label") != std::string::npos);
  CHECK(error(R"({"id2label":{"99999999999999999999":"a"}})").find("id2label") != std::string::npos);
  CHECK(error(R"({"architectures":[3]})").find("architectures") != std::string::npos);
  CHECK(error(R"({"hidden_size":768,"hidden_size":768})") == "\"c.json\" names \"hidden_size\" twice");
}
