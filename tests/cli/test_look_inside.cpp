// bert forward, attention, info, bench: what they write and print, against float64 activations, sha256sum and
// arithmetic.
#include "cli/program.h"
#include "support/golden.h"

using namespace tests;

namespace {

std::string joined(const Ids& ids) {
  std::string text;
  for (std::int32_t id : ids) text += (text.empty() ? "" : " ") + std::to_string(id);
  return text;
}

std::vector<float> floats_of(const bert::SafetensorsFile& file, const std::string& name,
                             const std::vector<std::size_t>& shape) {
  INFO(name);
  const bert::TensorRef* const tensor = file.find(name);
  REQUIRE(tensor != nullptr);
  CHECK(tensor->dtype == bert::DType::F32);
  CHECK(tensor->shape == shape);
  std::vector<float> values(tensor->elements());
  REQUIRE(tensor->bytes.size() == values.size() * sizeof(float));
  std::memcpy(values.data(), tensor->bytes.data(), tensor->bytes.size());
  return values;
}

/// Largest difference relative to the largest expected value.
double relative_error(const std::vector<float>& values, const std::vector<double>& expected) {
  REQUIRE(values.size() == expected.size());
  double largest = 0, worst = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    largest = std::max(largest, std::fabs(expected[i]));
    worst = std::max(worst, std::fabs(static_cast<double>(values[i]) - expected[i]));
  }
  return worst / largest;
}

/// The first word sha256sum prints.
std::string sha256sum(const std::filesystem::path& file) {
  const RunResult result = run({"/usr/bin/sha256sum", file.string()});
  REQUIRE(result.status == 0);
  return result.out.substr(0, 64);
}

const Arguments bench_keys = {"batch",  "seq",       "threads",      "precision", "isa",
                              "min_ms", "median_ms", "tokens_per_s", "gflops",    "percent_of_peak"};

}  // namespace

TEST_CASE("bert forward --dump is within 2e-5 of float64 PyTorch in every tensor", "[cli][forward][golden]") {
  const ScratchFolder scratch;
  for (const char* name : golden_names) {
    const Golden golden(name);  // its folder has no tokenizer, and needs none for ids
    for (std::size_t i = 0; i < golden.inputs.size(); ++i) {
      const Sequence& input = golden.inputs[i];
      const std::string dump = (scratch / "dump.safetensors").string();
      Arguments arguments = {"forward", "--model", golden.folder.string(), "--ids", joined(input.ids), "--attentions",
                             "--dump",  dump};
      if (!input.types.empty()) arguments.insert(arguments.end(), {"--type-ids", joined(input.types)});
      const RunResult result = run_bert(arguments);
      INFO(name << " input " << i << ": " << result.err);
      REQUIRE(result.status == 0);
      const bert::SafetensorsFile file(dump);
      const std::string prefix = std::to_string(i) + ".";
      std::size_t tensors = 0;
      for (const bert::TensorRef& tensor : golden.expected.tensors()) {
        if (!tensor.name.starts_with(prefix)) continue;
        const std::string own = tensor.name.substr(prefix.size());
        CHECK(relative_error(floats_of(file, own, tensor.shape), golden.values(i, own)) < golden_bound(name, own));
        ++tensors;
      }
      CHECK(tensors > 7);
      CHECK(relative_error(floats_of(file, "last_hidden_state", {input.ids.size(), 48}),
                           golden.values(i, "hidden_states.3")) < 2e-5);
      CHECK((file.find("pooler_output") != nullptr) == (golden.expected.find("0.sop_logits") != nullptr ||
                                                        golden.expected.find("0.seq_relationship_logits") != nullptr ||
                                                        std::string(name) == "bert-seqcls"));
    }
  }
  CHECK(files_in(scratch.path()) == 1);
}

TEST_CASE("bert forward takes ids or a text, and types or none", "[cli][forward]") {
  const TinyModel tiny;
  const ScratchFolder scratch;
  const auto dump = [&](const std::string& name, Arguments arguments) {
    arguments.insert(arguments.begin(), {"--dump", (scratch / name).string()});
    const RunResult result = run_bert(tiny.with("forward", arguments));
    INFO(result.err);
    CHECK(result.status == 0);
    return read_text(scratch / name);
  };
  const std::string the = std::to_string(id_of("the")), cat = std::to_string(id_of("cat"));
  const std::string from_text = dump("a", {"the cat"});
  CHECK(from_text.size() > 1000);
  CHECK((from_text == dump("b", {"--ids", "2 " + the + " " + cat + " 3"})));
  CHECK((from_text == dump("c", {"--ids", "2 " + the + " " + cat + " 3", "--type-ids", "0 0 0 0"})));
  CHECK((from_text != dump("d", {"--ids", "2 " + the + " " + cat + " 3", "--type-ids", "0 1 1 1"})));
  CHECK(!bert::SafetensorsFile(scratch / "a").find("attentions.0"));  // not asked for

  for (const auto& [ids, status, word] : {std::tuple{"2 300 3", 1, "300"},
                                          {"2 -1 3", 1, "-1"},
                                          {"2 99999999999 3", 2, "99999999999"},
                                          {"2 x 3", 2, "x"},
                                          {"", 2, "--ids"},
                                          {" [,]", 2, "--ids"}}) {
    const std::string file = (scratch / "bad").string();
    check_error(tiny.with("forward", {"--dump", file, "--ids", ids}), status, {word});
    CHECK(!std::filesystem::exists(file));
  }
  // As tokenize --json prints them.
  CHECK((from_text == dump("e", {"--ids", one_json(tiny.with("tokenize", {"--json", "the cat"}))["ids"].dump()})));
  check_error(tiny.with("forward", {"--ids", "2 5 3", "--type-ids", "0 2 0"}), 1, {"2"});
  check_error(tiny.with("forward", {"--ids", "2 5 3", "--type-ids", "0 0"}), 1, {"3", "2"});
  check_error(tiny.with("forward", {"--ids", "2 5 3", "the cat"}), 2);
  check_error(tiny.with("forward", {"--type-ids", "0 0 0", "the"}), 2);
  check_error(tiny.with("forward", {"--ids", words(97, "5")}), 1, {"97", "96"});
}

TEST_CASE("bert attention writes one page that needs nothing else and holds every head of every layer",
          "[cli][attention]") {
  const TinyModel tiny;
  const ScratchFolder scratch;
  const std::string page = (scratch / "page.html").string(), dump = (scratch / "d.safetensors").string();
  REQUIRE(run_bert(tiny.with("attention", {"hello <b> the", "--pair", "a cat", "-o", page})).status == 0);
  std::string html = read_text(page);
  CHECK(html.find("</html>") != std::string::npos);
  for (const char* outside : {"http:", "https:", " src=", " href=", "@import", "url(", "<link", "fetch(", "<b>"})
    CHECK(html.find(outside) == std::string::npos);
  for (const char* token : {"[CLS]", "hello", "[SEP]", "cat"}) CHECK(html.find(token) != std::string::npos);

  // The probabilities stand in it to some precision: as many numbers as layers, heads and pairs of tokens.
  const std::size_t tokens = 10;  // [CLS] hello < b > the [SEP] a cat [SEP]
  const Json encoding = one_json(tiny.with("tokenize", {"--json", "hello <b> the", "--pair", "a cat"}));
  REQUIRE(encoding["ids"].size() == tokens);
  const std::size_t begin = html.find("weights = [");
  REQUIRE(begin != std::string::npos);
  std::string text = html.substr(begin + 10, html.find("];", begin) + 1 - begin - 10), plain;
  for (std::size_t i = 0; i < text.size(); ++i)  // JavaScript allows a comma before a bracket, JSON does not
    if (text[i] != ',' || text[text.find_first_not_of(" \n", i + 1)] != ']') plain += text[i];
  const Json weights = Json::parse(plain);
  std::string ids;
  for (const Json& id : encoding["ids"]) ids += std::to_string(id.get<int>()) + " ";
  REQUIRE(run_bert(
              tiny.with("forward", {"--ids", ids, "--type-ids", "0 0 0 0 0 0 0 1 1 1", "--attentions", "--dump", dump}))
              .status == 0);
  const bert::SafetensorsFile file(dump);
  REQUIRE(weights.size() == 3);
  for (std::size_t layer = 0; layer < 3; ++layer) {
    const std::vector<float> p = floats_of(file, "attentions." + std::to_string(layer), {4, tokens, tokens});
    REQUIRE(weights[layer].size() == 4);
    for (std::size_t head = 0; head < 4; ++head) {
      REQUIRE(weights[layer][head].size() == tokens * tokens);
      for (std::size_t i = 0; i < tokens * tokens; ++i)
        REQUIRE(std::fabs(weights[layer][head][i].get<double>() / 1000 -
                          static_cast<double>(p[head * tokens * tokens + i])) < 0.00051);
    }
  }
  check_error(tiny.with("attention", {"the cat"}), 2, {"-o"});
  check_error(tiny.with("attention", {"the", "cat", "-o", page}), 2);
}

TEST_CASE("bert info counts, hashes and plans", "[cli][info]") {
  const std::string model = (source_dir() / "examples/model/bert.safetensors").string();
  const Json info = one_json({"info", "--json"});
  const Arguments expected = {"model_type", "parameters", "bytes", "sha256", "tokenizer_sha256",
                              "config",     "provenance", "isa",   "plan",   "precision"};
  CHECK(keys(info) == expected);
  CHECK(info["model_type"] == "bert");
  CHECK(info["sha256"] == sha256sum(model));
  CHECK(info["tokenizer_sha256"].get<std::string>().size() == 64);
  CHECK(info["config"]["hidden_size"] == 384);
  CHECK(info["config"]["num_hidden_layers"] == 6);
  CHECK(info["provenance"].is_object());
  CHECK(keys(info["plan"]) == Arguments{"weights_bytes", "workspace_bytes"});

  // Counted by the shapes of BERT-for-pre-training with V 8700, H 384, I 1536, 6 layers, 512 positions, decoder tied.
  const std::int64_t V = 8700, H = 384, I = 1536, layer = 4 * (H * H + H) + 2 * H * I + I + H + 4 * H;
  const std::int64_t parameters =
      (V + 512 + 2) * H + 2 * H + 6 * layer + (H * H + H) + (H * H + 3 * H + V) + (2 * H + 2);
  CHECK(info["parameters"] == parameters);
  CHECK(info["bytes"] == 2 * parameters);                  // fp16
  CHECK(info["plan"]["weights_bytes"] == 4 * parameters);  // fp32
  CHECK(one_json({"info", "--json", "--lengths", "512,512"})["plan"]["workspace_bytes"] >
        one_json({"info", "--json", "--lengths", "16"})["plan"]["workspace_bytes"].get<std::int64_t>());
  check_error({"info", "--json", "--lengths", "12,x"}, 2, {"12,x"});

  const RunResult people = run_bert({"info"});
  CHECK(people.status == 0);
  CHECK(people.out.find(info["sha256"].get<std::string>()) != std::string::npos);
}

TEST_CASE("bert info of a folder hashes the lines of its files' hashes", "[cli][info]") {
  const TinyModel tiny;
  const Json info = one_json(tiny.with("info", {"--json"}));
  std::vector<std::string> hashes;
  for (const char* name : {"config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt"})
    hashes.push_back(sha256sum(tiny / name) + "  " + name + "\n");
  std::sort(hashes.begin(), hashes.end());
  const ScratchFolder scratch;
  write_text(scratch / "list", hashes[0] + hashes[1] + hashes[2] + hashes[3]);
  CHECK(info["sha256"] == sha256sum(scratch / "list"));
  write_text(tiny / "vocab.txt", vocab_txt(tiny_vocabulary()) + "");
  const Json same = one_json(tiny.with("info", {"--json"}));
  CHECK(same["tokenizer_sha256"] == info["tokenizer_sha256"]);
  std::vector<std::string> other = tiny_vocabulary();
  other[40] = "xyz";
  write_text(tiny / "vocab.txt", vocab_txt(other));
  CHECK(one_json(tiny.with("info", {"--json"}))["tokenizer_sha256"] != info["tokenizer_sha256"]);
}

TEST_CASE("bert bench prints a line for each shape, for lengths, and for the tokenizer", "[cli][bench]") {
  const TinyModel tiny;
  const ScratchFolder scratch;
  const std::vector<Json> shapes =
      json_of(tiny.with("bench", {"--json", "--shapes", "1x4,2x8", "--repeat", "3", "--threads", "2"}));
  REQUIRE(shapes.size() == 2);
  for (const Json& shape : shapes) {
    CHECK(keys(shape) == bench_keys);
    CHECK(shape["threads"] == 2);
    CHECK(shape["precision"] == "fp32");
    CHECK(shape["min_ms"] <= shape["median_ms"]);
    CHECK(shape["min_ms"] > 0);
    CHECK(shape["percent_of_peak"] > 0);
    CHECK(shape["percent_of_peak"] < 110);
  }
  CHECK(shapes[1]["batch"] == 2);
  CHECK(shapes[1]["seq"] == 8);

  write_text(scratch / "lengths", "5\n17\n3\n");
  for (const char* order : {"input", "sorted", "single"}) {
    const Json ragged = one_json(tiny.with("bench", {"--json", "--lengths", (scratch / "lengths").string(), "--order",
                                                     order, "--sentences", "2", "--repeat", "2"}));
    CHECK(keys(ragged) ==
          Arguments{"sentences", "tokens", "order", "precision", "threads", "min_ms", "median_ms", "sentences_per_s"});
    CHECK(ragged["sentences"] == 3);
    CHECK(ragged["tokens"] == 25);
    CHECK(ragged["order"] == order);
  }
  write_text(scratch / "text", "the cat sat\non the mat\n");
  const Json tokenizer =
      one_json(tiny.with("bench", {"--json", "--tokenizer", (scratch / "text").string(), "--repeat", "2"}));
  CHECK(keys(tokenizer) == Arguments{"bytes", "tokens", "threads", "mb_per_s"});
  CHECK(tokenizer["bytes"] == 23);

  check_error(tiny.with("bench", {"--shapes", "4"}), 2, {"4"});
  check_error(tiny.with("bench", {"--shapes", "1x97", "--repeat", "1"}), 1, {"97", "96"});
  check_error(tiny.with("bench", {"--lengths", (scratch / "none").string()}), 1, {"none"});
}

TEST_CASE("bert bench --new-tokens times a prompt and the tokens behind it", "[cli][bench]") {
  const std::string gpt2 = (source_dir() / "tests/golden/gpt2").string();
  const auto rows = json_of({"bench", "--json", "--model", gpt2, "--shapes", "1x5,2x3", "--new-tokens", "4", "--repeat",
                             "1", "--threads", "1"});
  REQUIRE(rows.size() == 2);
  CHECK(keys(rows[1]) == std::vector<std::string>{"batch", "prompt", "new_tokens", "threads", "precision", "isa",
                                                  "prompt_ms", "median_prompt_ms", "token_ms", "median_token_ms",
                                                  "percent_of_bandwidth"});
  CHECK(rows[1]["batch"] == 2);
  CHECK(rows[1]["prompt"] == 3);
  CHECK(rows[0]["token_ms"].get<double>() <= rows[0]["median_token_ms"].get<double>());
  check_error({"bench", "--new-tokens", "4", "--repeat", "1"}, 1, {"not causal"});
  check_error({"bench", "--model", gpt2, "--new-tokens", "4", "--tokenizer", "README.md"}, 2, {"--tokenizer"});
}
