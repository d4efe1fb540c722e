// Files that are damaged, foreign or do not belong together, and texts with nothing in them: one `error:` line that
// says what and where, status 1, nothing on stdout, no output file, no crash.
#include "cli/program.h"

using namespace tests;

namespace {

/// A safetensors file with this header, whatever it says, and `data` zero bytes behind it.
std::string safetensors(const std::string& header, std::size_t data, std::uint64_t said_length = 0) {
  const std::uint64_t length = said_length ? said_length : header.size();
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(length >> (8 * i) & 255);
  return bytes + header + std::string(data, '\0');
}
std::string entry(const std::string& name, const std::string& dtype, const std::string& shape, std::size_t begin,
                  std::size_t end) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

/// Every command that opens a model says the same of a bad one; no output file appears.
void check_model_error(const std::filesystem::path& model, const std::vector<std::string>& words) {
  const ScratchFolder scratch;
  const std::string path = model.string(), out = (scratch / "out").string();
  for (const Arguments& arguments : {Arguments{"fill-mask", "--json", "--model", path, "the [MASK]"},
                                     {"embed", "--model", path, "--output", out + ".npy", "the cat"},
                                     {"forward", "--model", path, "--ids", "2 5 3", "--dump", out + ".safetensors"},
                                     {"info", "--json", "--model", path},
                                     {"attention", "--model", path, "-o", out + ".html", "the cat"}})
    check_error(arguments, 1, words);
  CHECK(files_in(scratch.path()) == 0);
}

/// Changes one value of the folder's config.json.
void configure(const TinyModel& tiny, const std::string& key, const Json& value) {
  Json config = Json::parse(read_text(tiny / "config.json"));
  config[key] = value;
  write_text(tiny / "config.json", config.dump());
}

}  // namespace

TEST_CASE("a model that is missing, empty, garbage, cut or something else is an error", "[cli][bad]") {
  const ScratchFolder scratch;
  const std::string shipped = read_text(source_dir() / "examples/model/bert.safetensors");
  REQUIRE(shipped.size() > 20000000);
  std::string garbage;
  std::uint32_t state = 7;
  for (int i = 0; i < 5000; ++i) garbage += static_cast<char>((state = state * 1664525u + 1013904223u) >> 24);

  check_model_error(scratch / "none.safetensors", {"none.safetensors"});
  check_model_error(scratch.path(), {scratch.path().string()});  // an empty folder
  for (const auto& [name, bytes] : {std::pair{"empty", std::string()},
                                    {"short", std::string("1234567")},
                                    {"garbage", garbage},
                                    {"text", vocab_txt(tiny_vocabulary())},
                                    {"header-cut", shipped.substr(0, 1000)},
                                    {"data-cut", shipped.substr(0, 1000000)},
                                    {"one-byte-less", shipped.substr(0, shipped.size() - 1)},
                                    {"one-byte-more", shipped + "x"},
                                    {"no-length", safetensors("", 0)},
                                    {"long", safetensors("{}", 0, 1000)},
                                    {"longest", safetensors("{}", 0, ~std::uint64_t{0})},
                                    {"too-short", safetensors(R"({"__metadata__":{"format":"pt"}})", 0, 20)},
                                    {"array", safetensors("[]", 0)},
                                    {"no-tensors", safetensors("{}", 0)},
                                    {"deep", safetensors(std::string(100000, '['), 0)}}) {
    INFO(name);
    const std::string file = std::string(name) + ".safetensors";
    write_text(scratch / file, bytes);
    check_model_error(scratch / file, {file});
  }
}

TEST_CASE("tensors that overlap, lie outside, or are of an unknown type are an error", "[cli][bad]") {
  const TinyModel tiny;
  const std::string name = "bert.embeddings.LayerNorm.weight", other = "bert.embeddings.LayerNorm.bias";
  const std::string far = std::to_string(std::uint64_t{1} << 62);
  for (const auto& [header, data, word] :
       {std::tuple{"{" + entry(name, "F32", "[48]", 0, 192) + "," + entry(other, "F32", "[48]", 96, 288) + "}",
                   std::size_t{288}, std::string("LayerNorm")},                                // overlap
        {"{" + entry(name, "F32", "[48]", 0, 192) + "}", std::size_t{100}, name},              // beyond the end
        {"{" + entry(name, "F32", "[48]", 192, 0) + "}", std::size_t{192}, name},              // backwards
        {"{" + entry(name, "F3", "[48]", 0, 192) + "}", std::size_t{192}, std::string("F3")},  // no such type
        {"{" + entry(name, "F32", "[47]", 0, 192) + "}", std::size_t{192}, name},              // shape and bytes
        {"{" + entry(name, "F32", "[" + far + "," + far + "]", 0, 192) + "}", std::size_t{192}, name},  // overflow
        {"{" + entry(name, "F32", "[-1]", 0, 192) + "}", std::size_t{192}, name},
        {"{" + entry(name, "F32", "[48]", 0, 192) + "," + entry(name, "F32", "[48]", 192, 384) + "}", std::size_t{384},
         name}}) {  // twice
    INFO(header);
    write_text(tiny / "model.safetensors", safetensors(header, data));
    check_model_error(tiny.path(), {"model.safetensors", word});
  }
}

TEST_CASE("swapped files are an error", "[cli][bad]") {
  const TinyModel tiny;
  const std::filesystem::path golden = source_dir() / "tests/golden/bert-gelu";
  write_text(tiny / "model.safetensors", read_text(golden / "expected.safetensors"));  // activations, not weights
  check_model_error(tiny.path(), {"bert.embeddings"});
  write_text(tiny / "model.safetensors", read_text(golden / "config.json"));
  check_model_error(tiny.path(), {"model.safetensors"});
  write_text(tiny / "model.safetensors", read_text(golden / "model.safetensors"));
  write_text(tiny / "config.json", vocab_txt(tiny_vocabulary()));
  check_model_error(tiny.path(), {"config.json"});
  write_text(tiny / "config.json", read_text(golden / "model.safetensors"));
  check_model_error(tiny.path(), {"config.json"});
}

TEST_CASE("a configuration that does not belong to the weights is an error", "[cli][bad]") {
  for (const auto& [key, value, words] :
       {std::tuple{"hidden_size", Json(64), std::vector<std::string>{"48", "64"}},
        {"intermediate_size", Json(100), {"80", "100"}},
        {"vocab_size", Json(301), {"300", "301"}},
        {"max_position_embeddings", Json(128), {"96", "128"}},
        {"type_vocab_size", Json(3), {"bert.embeddings.token_type_embeddings.weight"}},
        {"num_hidden_layers", Json(4), {"bert.encoder.layer.3"}},
        {"num_attention_heads", Json(5), {"48", "5"}},
        {"num_attention_heads", Json(0), {"num_attention_heads"}},
        {"hidden_size", Json(-48), {"hidden_size"}},
        {"hidden_size", Json("48"), {"hidden_size"}},
        {"hidden_act", Json("mish"), {"mish"}},
        {"model_type", Json("gpt_neox"), {"gpt_neox"}}}) {
    INFO(key << " " << value);
    const TinyModel tiny;
    configure(tiny, key, value);
    check_model_error(tiny.path(), words);
  }
}

TEST_CASE("a configuration that leaves out a size is an error, one that leaves out what BERT always is is not",
          "[cli][bad]") {
  for (const char* key : {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
                          "max_position_embeddings"}) {
    const TinyModel tiny;
    Json config = Json::parse(read_text(tiny / "config.json"));
    config.erase(key);
    write_text(tiny / "config.json", config.dump());
    check_model_error(tiny.path(), {"config.json", std::string(key) + " is missing"});
  }
  const TinyModel tiny;
  const Json expected = one_json(tiny.with("embed", {"--json", "the cat"}));
  Json config = Json::parse(read_text(tiny / "config.json"));
  for (const char* key : {"hidden_act", "layer_norm_eps", "type_vocab_size", "pad_token_id", "model_type"})
    config.erase(key);
  write_text(tiny / "config.json", config.dump());
  CHECK(one_json(tiny.with("embed", {"--json", "the cat"})) == expected);
}

TEST_CASE("a folder's text files may have the line ends of Windows", "[cli][tokenize]") {
  const TinyModel tiny;
  const Arguments fill = tiny.with("fill-mask", {"--json", "the cat sat on the [MASK]"});
  const Json expected = one_json(fill);
  for (const char* name : {"vocab.txt", "config.json", "tokenizer_config.json"}) {
    std::string crlf;
    for (const std::string& line : lines(read_text(tiny / name))) crlf += line + "\r\n";
    write_text(tiny / name, crlf);
    INFO(name);
    CHECK(one_json(fill) == expected);
  }
}

TEST_CASE("a missing, empty or foreign vocabulary is an error", "[cli][bad]") {
  const TinyModel tiny;
  const std::vector<Arguments> commands = {
      tiny.with("fill-mask", {"--json", "the [MASK]"}), tiny.with("embed", {"--json", "the cat"}),
      tiny.with("tokenize", {"--json", "the cat"}), tiny.with("next-sentence", {"--json", "the", "cat"})};
  const auto all_fail = [&](const std::string& word, std::size_t from) {
    for (std::size_t i = from; i < commands.size(); ++i) check_error(commands[i], 1, {word});
  };
  write_text(tiny / "vocab.txt", "");
  all_fail("vocab.txt", 0);
  write_text(tiny / "vocab.txt", "the\ncat\n");  // without [UNK], [CLS], [SEP]
  all_fail("vocab.txt", 0);
  std::vector<std::string> more = tiny_vocabulary();
  more.push_back("surplus");
  write_text(tiny / "vocab.txt", vocab_txt(more));  // more pieces than the model has rows
  check_error(commands[0], 1, {"301", "300"});
  check_error(commands[1], 1, {"301", "300"});
  write_text(tiny / "vocab.txt", vocab_txt(tiny_vocabulary()));
  write_text(tiny / "tokenizer.json", "{\"model\":");
  all_fail("tokenizer.json", 0);

  std::filesystem::remove(tiny / "tokenizer.json");
  std::filesystem::remove(tiny / "vocab.txt");
  all_fail("vocab.txt", 0);
  CHECK(json_of(tiny.with("forward", {"--json", "--ids", "2 5 3"})).size() == 1);  // ids need none
}

TEST_CASE("an empty text is an error", "[cli][bad]") {
  const TinyModel tiny;
  for (const char* empty : {"", " ", " \t "}) {
    for (const char* command : {"fill-mask", "pseudo-perplexity", "embed", "forward"}) {
      INFO(command);
      check_error(tiny.with(command, {"--json", empty}), 1, {"empty"});
    }
    check_error(tiny.with("next-sentence", {"--json", empty, "the cat"}), 1, {"empty"});
    check_error(tiny.with("next-sentence", {"--json", "the cat", empty}), 1, {"empty"});
    check_error(tiny.with("similarity", {"--json", "the cat", empty}), 1, {"empty"});
  }
  for (const char* command : {"next-sentence", "similarity"})
    for (const char* pair : {"the cat\t\n", "\tthe cat\n"})
      check_error(tiny.with(command, {"--json"}), 1, {"line 1", "empty"}, pair);
  for (const char* command : {"fill-mask", "embed", "tokenize", "next-sentence"})
    check_error(tiny.with(command, {"--json"}), 1, {"empty"});  // nothing on stdin either
}

TEST_CASE("a sentence without a mask is an error, and results before it stay printed", "[cli][bad]") {
  const TinyModel tiny;
  check_error(tiny.with("fill-mask", {"--json", "the cat"}), 1, {"[MASK]", "the cat"});
  const RunResult second = run_bert(tiny.with("fill-mask", {"--json", "the [MASK]", "the cat"}));
  check_failed(second, 1, {"[MASK]"});
  CHECK(lines(second.out).size() == 1);
  check_error(tiny.with("fill-mask", {"--json"}), 1, {"line 1", "[MASK]"}, "the cat\n");
  const RunResult longest = run_bert(tiny.with("fill-mask", {"--truncate"}), {}, words(100000, "中") + " end\n");
  check_failed(longest, 1, {"line 1", "[MASK]", "中", " … ", " end"});
  CHECK(longest.err.size() < 1100);
}

TEST_CASE("a model without the head that a command needs is an error", "[cli][bad]") {
  const TinyModel tiny;
  const std::string whole = read_text(tiny / "model.safetensors");
  std::uint64_t length = 0;
  std::memcpy(&length, whole.data(), 8);
  Json header = Json::parse(whole.substr(8, length)), kept;
  std::string data;  // without the heads' tensors, end to end again
  for (const auto& [name, tensor] : header.items()) {
    if (name.rfind("cls.", 0) == 0 || name == "__metadata__") continue;
    const std::size_t begin = tensor["data_offsets"][0], end = tensor["data_offsets"][1];
    kept[name] = tensor;
    kept[name]["data_offsets"] = {data.size(), data.size() + end - begin};
    data += whole.substr(8 + length + begin, end - begin);
  }
  write_text(tiny / "model.safetensors", safetensors(kept.dump(), 0) + data);
  CHECK(json_of(tiny.with("embed", {"--json", "the cat"})).size() == 1);
  check_error(tiny.with("fill-mask", {"--json", "the [MASK]"}), 1, {"no language-model head"});
  check_error(tiny.with("pseudo-perplexity", {"--json", "the"}), 1, {"no language-model head"});
  check_error(tiny.with("next-sentence", {"--json", "the", "cat"}), 1, {"next-sentence"});
}

TEST_CASE("results that are not numbers are an error and are not printed", "[cli][bad]") {
  const TinyModel tiny;
  std::string whole = read_text(tiny / "model.safetensors");
  std::uint64_t length = 0;
  std::memcpy(&length, whole.data(), 8);
  const Json header = Json::parse(whole.substr(8, length));
  const std::size_t begin = header["bert.embeddings.LayerNorm.bias"]["data_offsets"][0];
  const float nan = std::nanf("");
  std::memcpy(whole.data() + 8 + length + begin, &nan, sizeof nan);
  write_text(tiny / "model.safetensors", whole);
  const ScratchFolder scratch;
  for (const Arguments& arguments :
       {tiny.with("embed", {"--json", "the"}), tiny.with("fill-mask", {"--json", "[MASK]"}),
        tiny.with("next-sentence", {"--json", "the", "cat"}), tiny.with("pseudo-perplexity", {"--json", "the"}),
        tiny.with("similarity", {"--json", "the", "cat"}),
        tiny.with("embed", {"--output", (scratch / "v.npy").string(), "the"})})
    check_error(arguments, 1, {"nan"});
  CHECK(files_in(scratch.path()) == 0);
}
