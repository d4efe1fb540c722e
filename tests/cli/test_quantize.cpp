// bert quantize: the file it writes, what it prints, what it refuses; and what other commands make of the file.
#include "cli/program.h"

using namespace tests;

namespace {

const std::string texts = "the cat sat on the mat\nhello, how are you?\nunwanted running\n";

}  // namespace

TEST_CASE("bert quantize writes a file that every command opens", "[cli][quantize]") {
  const TinyModel tiny;
  const ScratchFolder scratch;
  std::filesystem::create_directories(tiny / "1_Pooling");
  write_text(tiny / "1_Pooling/config.json", R"({"pooling_mode_max_tokens": true})");
  write_text(scratch / "texts", texts);
  const std::string plain = (scratch / "plain.safetensors").string(), file = (scratch / "int8.safetensors").string();
  const Json made = one_json(tiny.with("quantize", {"--json", "--no-calibrate", "-o", plain}));
  CHECK(keys(made) ==
        Arguments{"output", "bytes", "source_bytes", "products", "int8_products", "kept_float", "calibration"});
  CHECK(made["output"] == plain);
  CHECK(made["products"] == 12);
  CHECK(made["int8_products"] == 12);
  CHECK(made["kept_float"].empty());
  CHECK(made["calibration"].is_null());
  const Json calibrated =
      one_json(tiny.with("quantize", {"--json", "--calibrate", (scratch / "texts").string(), "-o", file}));
  CHECK(keys(calibrated["calibration"]) == Arguments{"texts", "tokens", "cosine_mean", "cosine_worst"});
  CHECK(calibrated["calibration"]["texts"] == 3);
  CHECK(calibrated["calibration"]["cosine_mean"] > 0.99);
  CHECK(calibrated["int8_products"].get<int>() + static_cast<int>(calibrated["kept_float"].size()) >= 12);

  // The same bits as the source at --precision int8, and its pooling, which is not the default.
  const Arguments embed = {"--json", "the cat sat", "hello!"};
  const auto with = [&](const std::string& model, Arguments more) {
    more.insert(more.end(), embed.begin(), embed.end());
    more.insert(more.begin(), {"embed", "--model", model});
    return run_bert(more).out;
  };
  CHECK(with(plain, {}) == with(tiny.path(), {"--precision", "int8"}));
  CHECK(with(plain, {}) == with(plain, {"--precision", "int8"}));
  CHECK(with(plain, {}) == with(plain, {"--pooling", "max"}));
  CHECK(with(plain, {}) != with(tiny.path(), {}));
  CHECK(with(file, {}) != with(tiny.path(), {}));
  for (const Arguments& command : {Arguments{"fill-mask", "the [MASK]"},
                                   {"forward", "the"},
                                   {"tokenize", "the"},
                                   {"next-sentence", "the", "cat"},
                                   {"pseudo-perplexity", "the cat"}}) {
    Arguments all = command;
    all.insert(all.begin() + 1, {"--model", file});
    const RunResult result = run_bert(all);
    INFO(command[0] << ": " << result.err);
    CHECK(result.status == 0);
  }

  const Json info = one_json({"info", "--json", "--model", plain}),
             source = one_json(tiny.with("info", {"--json", "--precision", "int8"})),
             whole = one_json(tiny.with("info", {"--json"}));
  CHECK(info["precision"] == "int8");
  CHECK(source["precision"] == "int8");
  CHECK(whole["precision"] == "fp32");
  CHECK(info["parameters"] == whole["parameters"]);
  CHECK(info["bytes"] == made["bytes"]);
  CHECK(whole["bytes"] == made["source_bytes"]);
  CHECK(info["plan"] == source["plan"]);
  CHECK(info["config"] == whole["config"]);
  // H 48 and I 64: 3 bytes less for each weight, 4 for each scale of rows and of inputs (q, k and v share theirs).
  const std::int64_t H = 48, I = info["config"]["intermediate_size"], weights = 4 * H * H + 2 * H * I,
                     scales = 5 * H + I + 3 * H + I;
  CHECK(whole["plan"]["weights_bytes"].get<std::int64_t>() - info["plan"]["weights_bytes"].get<std::int64_t>() ==
        3 * (3 * weights - 4 * scales));
  CHECK(info["provenance"]["calibration"].is_null());
  CHECK(info["provenance"]["source"]["sha256"] == whole["sha256"]);
  const std::string sum = run({"/usr/bin/sha256sum", (scratch / "texts").string()}).out.substr(0, 64);
  CHECK(one_json({"info", "--json", "--model", file})["provenance"]["calibration"] == sum);
}

TEST_CASE("bert quantize writes causal models without calibrating them", "[cli][quantize]") {
  const ScratchFolder scratch;
  const std::string file = (scratch / "int8.safetensors").string();
  write_text(scratch / "texts", texts);
  for (const char* name : {"gpt2", "llama"}) {
    INFO(name);
    const std::string source = (source_dir() / "tests/golden" / name).string();
    check_error({"quantize", "--model", source, "--calibrate", (scratch / "texts").string(), "-o", file}, 1,
                {"causal model", name, "calibration"});
    const Json made = one_json({"quantize", "--json", "--model", source, "-o", file});
    CHECK(made["calibration"].is_null());
    CHECK(made["int8_products"] == made["products"]);
    CHECK(made["bytes"] < made["source_bytes"]);
    const auto states = [&](const Arguments& model) {
      const std::string dump = (scratch / "states.safetensors").string();
      Arguments all = {"forward", "--ids", "5 17 3 40", "--dump", dump, "--model"};
      all.insert(all.end(), model.begin(), model.end());
      const RunResult result = run_bert(all);
      INFO(result.err);
      CHECK(result.status == 0);
      return read_text(dump);
    };
    CHECK((states({file}) == states({source, "--precision", "int8"})));
    CHECK((states({file}) != states({source})));
  }
}

TEST_CASE("bert quantize writes the same bytes whatever the threads and the instruction set", "[cli][quantize][same]") {
  const TinyModel tiny;
  const ScratchFolder scratch;
  write_text(scratch / "texts", texts);
  const auto bytes = [&](Arguments more) {
    const std::string out = (scratch / "out").string();
    more.insert(more.end(), {"--calibrate", (scratch / "texts").string(), "-o", out});
    const RunResult result = run_bert(tiny.with("quantize", more));
    INFO(result.err);
    CHECK(result.status == 0);
    return read_text(out);
  };
  const std::string first = bytes({"--threads", "1"});
  CHECK(first.size() > 10000);
  CHECK((first == bytes({"--threads", "1"})));
  CHECK((first == bytes({"--threads", "3", "--isa", "scalar"})));
  CHECK((first == bytes({"--threads", "2"})));
}

TEST_CASE("bert quantize refuses what it cannot do and leaves no file", "[cli][quantize][bad]") {
  const TinyModel tiny;
  const ScratchFolder scratch, empty;
  const std::string out = (empty / "out").string(), file = (scratch / "int8").string();
  write_text(scratch / "none", "");
  write_text(scratch / "gap", "the cat\n\nthe mat\n");
  write_text(scratch / "long", words(500) + "\n");
  REQUIRE(run_bert(tiny.with("quantize", {"--no-calibrate", "-o", file})).status == 0);
  check_error({"quantize", "--model", file, "-o", out}, 1, {"8-bit"});
  check_error(tiny.with("quantize", {}), 2, {"-o"});
  check_error(tiny.with("quantize", {"-o", out, "--no-calibrate", "--calibrate", file}), 2, {"exclude"});
  check_error(tiny.with("quantize", {"-o", out, "--calibrate", (scratch / "missing").string()}), 1, {"missing"});
  check_error(tiny.with("quantize", {"-o", out, "--calibrate", (scratch / "none").string()}), 1, {"none", "empty"});
  check_error(tiny.with("quantize", {"-o", out, "--calibrate", (scratch / "gap").string()}), 1, {"line 2 of"});
  check_error(tiny.with("quantize", {"-o", (empty / "no/such/folder").string(), "--no-calibrate"}), 1, {"no/such"});
  check_error({"quantize", "--model", (scratch / "gap").string(), "-o", out}, 1, {"gap"});
  CHECK(run_bert(tiny.with("quantize", {"-o", (scratch / "cut").string(), "--calibrate", (scratch / "long").string()}))
            .status == 0);  // longer than the window: cut
  check_error({"info", "--model", file, "--precision", "fp32"}, 1, {"8-bit", "fp32"});
  std::filesystem::remove(tiny / "vocab.txt");
  check_error(tiny.with("quantize", {"-o", out}), 1, {"tokenizer"});  // nothing to read the text with
  CHECK(files_in(empty.path()) == 0);
  CHECK(run_bert(tiny.with("quantize", {"-o", out, "--no-calibrate"})).status == 0);
}
