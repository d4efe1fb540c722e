// What all commands share: inputs and their order, exit statuses, flags nobody knows, instruction sets, windows.
#include <bert/kernels.h>

#include "cli/program.h"

using namespace tests;

namespace {

/// Every command that exists, with arguments that work.
std::vector<Arguments> commands(const TinyModel& tiny, const ScratchFolder& scratch) {
  write_text(scratch / "corpus", "the cat\nhello\n");
  return {tiny.with("fill-mask", {"the [MASK]"}),
          tiny.with("next-sentence", {"the cat", "sat"}),
          tiny.with("pseudo-perplexity", {"the cat"}),
          tiny.with("embed", {"the cat"}),
          tiny.with("similarity", {"the cat", "sat"}),
          tiny.with("search", {"--corpus", (scratch / "corpus").string(), "the cat"}),
          tiny.with("tokenize", {"the cat"}),
          tiny.with("detokenize", {"5", "6"}),
          tiny.with("forward", {"the cat"}),
          tiny.with("attention", {"-o", (scratch / "page.html").string(), "the cat"}),
          tiny.with("info", {}),
          tiny.with("bench", {"--shapes", "1x4", "--repeat", "1"}),
          tiny.with("quantize", {"--no-calibrate", "-o", (scratch / "int8.safetensors").string()}),
          {"train-tokenizer", "--corpus", (scratch / "corpus").string(), "--vocab-size", "50", "-o",
           (scratch / "tokenizer").string()}};
}
Arguments and_also(Arguments arguments, const Arguments& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

}  // namespace

TEST_CASE("every command works with the common flags and refuses unknown ones", "[cli]") {
  const TinyModel tiny;
  const ScratchFolder scratch;
  for (const Arguments& command : commands(tiny, scratch)) {
    INFO(command[0]);
    const RunResult plain = run_bert(command);
    CHECK(plain.err == "");
    CHECK(plain.status == 0);
    const RunResult flagged = run_bert(and_also(command, {"--json", "--threads", "2", "--max-tokens", "64", "--isa",
                                                          "scalar", "--precision", "fp32", "--progress", "never"}));
    CHECK(flagged.err == "");
    CHECK(flagged.status == 0);
    for (const std::string& line : lines(flagged.out)) CHECK_NOTHROW(Json::parse(line));

    CHECK(run_bert(and_also(command, {"--precision", "int8"})).status == 0);

    check_error(and_also(command, {"--no-such-flag"}), 2, {"--no-such-flag"});
    check_error(and_also(command, {"--threads", "many"}), 2, {"many"});
    check_error(and_also(command, {"--threads", "-1"}), 2, {"-1"});
    check_error(and_also(command, {"--max-tokens", "0"}), 2, {"max-tokens"});
    check_error(and_also(command, {"--precision", "fp12"}), 2, {"fp12"});
    check_error(and_also(command, {"--progress", "sometimes"}), 2, {"sometimes"});
    check_error(and_also(command, {"--isa", "sse9"}), 2, {"sse9"});
    const RunResult help = run_bert({command[0], "--help"});
    CHECK(help.status == 0);
    CHECK(help.out.find("--model") != std::string::npos);
  }
}

TEST_CASE("an empty value is wrong usage, not a flag left out", "[cli]") {
  const TinyModel tiny;
  const ScratchFolder scratch;
  for (const Arguments& command : commands(tiny, scratch)) {
    const std::size_t before = files_in(scratch.path());
    for (const std::string flag : {"--model", "--threads", "--precision", "--isa", "--max-tokens", "--stride",
                                   "--input", "--receipt", "--progress"}) {
      check_error({command[0], flag, ""}, 2, {flag, "empty"});
      check_error({command[0], flag + "=", "the cat"}, 2, {flag, "empty"});  // the text is not its value
      check_error({command[0], "the cat", flag + "="}, 2, {flag, "empty"});
    }
    CHECK(files_in(scratch.path()) == before);
  }
  for (const auto& [command, flags] : std::vector<std::pair<std::string, Arguments>>{
           {"fill-mask", {"--top-k", "--targets"}},
           {"embed", {"--pooling", "--truncate-dim", "--layer", "--output"}},
           {"similarity", {"--pooling", "--truncate-dim", "--layer"}},
           {"search", {"--corpus", "--top-k", "--pooling", "--layer"}},
           {"tokenize", {"--lowercase"}},
           {"detokenize", {"--lowercase"}},
           {"forward", {"--ids", "--type-ids", "--dump"}},
           {"attention", {"--output", "--pair"}},
           {"info", {"--lengths"}},
           {"train-tokenizer",
            {"--corpus", "--vocab-size", "--output", "--lowercase", "--min-frequency", "--limit-alphabet"}},
           {"bench", {"--shapes", "--lengths", "--order", "--sentences", "--repeat", "--tokenizer"}}})
    for (const std::string& flag : flags) {
      check_error({command, flag, ""}, 2, {flag, "empty"});
      check_error({command, flag + "=", "5"}, 2, {flag, "empty"});
    }
  check_error({"attention", "-o", "", "the cat"}, 2, {"--output", "empty"});
  check_error({"embed", "--json=", "the cat"}, 2, {"--json"});

  // Where nothing is something: a prompt, a second text.
  CHECK(one_json(tiny.with("embed", {"--json", "--prompt", "", "the"})) ==
        one_json(tiny.with("embed", {"--json", "--prompt=", "the"})));
  for (const Arguments& pair : {Arguments{"--pair", ""}, {"--pair="}}) {
    const Json tokens = one_json(and_also(tiny.with("tokenize", {"--json", "the"}), pair))["tokens"];
    CHECK(tokens == Json({"[CLS]", "the", "[SEP]", "[SEP]"}));
  }
}

TEST_CASE("numbers are decimal, whole and inside their range", "[cli]") {
  const TinyModel tiny;
  const auto refused = [&](const std::string& command, const std::string& flag, const Arguments& values) {
    for (const std::string& value : values) check_error(tiny.with(command, {flag, value, "the"}), 2, {flag, value});
  };
  const std::string huge = "99999999999999999999999";
  for (const char* command : {"embed", "fill-mask", "tokenize"}) {
    refused(command, "--threads", {"-1", "1025", "1.5", "1e3", "0x2", "+2", " 2", huge});
    refused(command, "--max-tokens", {"-1", "0", "1.5", huge});
  }
  refused("fill-mask", "--top-k", {"-1", "0", "1.5", "x", "010", huge});
  refused("embed", "--layer", {"-1", "1.5", "x", huge});
  refused("embed", "--truncate-dim", {"-1", "0", "1.5", huge});
  refused("tokenize", "--stride", {"-1", "1.5", "x", huge});
  refused("bench", "--repeat", {"-1", "0", "x", huge});
  CHECK(one_json(tiny.with("fill-mask", {"--json", "--top-k", "18446744073709551615", "the [MASK]"})).size() == 300);
}

TEST_CASE("what a command cannot use is refused, with advice that fits", "[cli]") {
  const TinyModel tiny;
  for (const char* command : {"info", "bench"}) {
    check_error(tiny.with(command, {"--input", "-"}), 2, {"--input", command});
    check_error(tiny.with(command, {"the cat"}), 2, {"the cat"});
  }
  check_error({"--json", "embed", "the"}, 2, {"--json", "bert embed --json"});
  check_error(tiny.with("forward", {"--ids", "2", "17", "3"}), 2, {"--ids \"2 17 3\""});
  check_error(tiny.with("forward", {"--ids", "2 17 3", "--truncate"}), 2, {"--truncate"});
  for (const Arguments& beyond :
       {tiny.with("info", {"--lengths", "5,97"}), tiny.with("info", {"--lengths", "97"}),
        tiny.with("info", {"--lengths", "999999999999999"}), tiny.with("bench", {"--shapes", "1x999999999999999"}),
        tiny.with("forward", {"--ids", words(97, "5")})}) {
    const RunResult result = run_bert(beyond);
    INFO(shown(beyond));
    check_failed(result, 1, {"tokens", "window of 96"});
    CHECK(result.err.find("truncate") == std::string::npos);
  }
  for (const Arguments& empty : {tiny.with("detokenize", {}), tiny.with("bench", {"--lengths", "-"})}) {
    const RunResult result = run_bert(empty);
    check_failed(result, 1, {"standard input is empty"});
    CHECK(result.err.find("text") == std::string::npos);
  }
}

TEST_CASE("what does not exist yet says so and leaves no file", "[cli]") {
  const TinyModel tiny;
  const ScratchFolder scratch;
  const std::string receipt = (scratch / "receipt").string(), vectors = (scratch / "v.npy").string();
  for (const Arguments& command : commands(tiny, scratch)) {
    const std::size_t before = files_in(scratch.path());
    const auto refused = [&](const Arguments& more, const std::string& word) {
      const RunResult result = run_bert(and_also(command, more));
      INFO(command[0]);
      check_failed(result, result.status == 2 ? 2 : 1, {word});
      CHECK(result.out == "");
    };
    refused({"--receipt", receipt}, "--receipt");
    CHECK(files_in(scratch.path()) == before);
  }
}

TEST_CASE("--precision bf16 runs where the instruction set has it, and is refused where not", "[cli][bf16]") {
  const TinyModel tiny;
  const ScratchFolder scratch;
  const std::string vectors = (scratch / "v.npy").string();
  const auto embed = [&](const char* isa, const char* precision) {
    return run_bert(tiny.with("embed", {"--json", "--isa", isa, "--precision", precision, "the"}));
  };
  const RunResult exact = embed("scalar", "fp32"), rounded = embed("scalar", "bf16");
  REQUIRE(rounded.status == 0);
  const auto a = Json::parse(exact.out).get<std::vector<double>>(),
             b = Json::parse(rounded.out).get<std::vector<double>>();
  REQUIRE(a.size() == b.size());
  double cosine = 0;
  for (std::size_t i = 0; i < a.size(); ++i) cosine += a[i] * b[i];
  CHECK(cosine > 0.999);
  CHECK(exact.out != rounded.out);
  for (std::string_view isa : bert::kernels::runnable_isas())
    if (!bert::kernels_for(isa).bf16) {
      check_error(tiny.with("embed", {"--output", vectors, "--isa", std::string(isa), "--precision", "bf16", "the"}), 1,
                  {std::string(isa), "bfloat16"});
      CHECK(!std::filesystem::exists(vectors));
    }
}

TEST_CASE("no command, an unknown one, and --help", "[cli]") {
  check_error({}, 2);
  check_error({"fill-masks", "x"}, 2, {"fill-masks"});
  const RunResult help = run_bert({"--help"});
  CHECK(help.status == 0);
  CHECK(help.err == "");
  for (const char* name : {"fill-mask", "next-sentence", "pseudo-perplexity", "embed", "similarity", "search",
                           "tokenize", "detokenize", "forward", "attention", "info", "bench", "quantize"})
    CHECK(help.out.find(name) != std::string::npos);
}

TEST_CASE("an instruction set that this processor lacks fails, one that nobody knows is wrong usage", "[cli][isa]") {
  const TinyModel tiny;
#if defined(__x86_64__)
  const std::string foreign = "neon";
#else
  const std::string foreign = "avx2";
#endif
  check_error(tiny.with("embed", {"--json", "--isa", foreign, "the"}), 1, {foreign});
  check_error(tiny.with("embed", {"--json", "the"}), 1, {foreign}, "", {"BERT_ISA=" + foreign});
  check_error(tiny.with("embed", {"--json", "--isa", "mmx", "the"}), 2, {"mmx", "scalar"});
  check_error(tiny.with("embed", {"--json", "the"}), 2, {"mmx", "scalar"}, "", {"BERT_ISA=mmx"});
  CHECK(one_json(tiny.with("info", {"--json", "--isa", "scalar"}))["isa"] == "scalar");
  CHECK(json_of(tiny.with("info", {"--json"}), "", {"BERT_ISA=scalar"})[0]["isa"] == "scalar");
}

TEST_CASE("texts come as arguments, from a file or from stdin, with the same results in their order", "[cli][input]") {
  const TinyModel tiny;
  const ScratchFolder scratch;
  const std::string file = (scratch / "texts").string(), text = "hello\nthe cat sat\nhow are you\n";
  write_text(file, text);
  for (const std::string command : {"embed", "tokenize", "pseudo-perplexity"}) {
    INFO(command);
    const std::vector<Json> expected = json_of(tiny.with(command, {"--json", "hello", "the cat sat", "how are you"}));
    REQUIRE(expected.size() == 3);
    CHECK(expected[0] != expected[1]);
    CHECK(one_json(tiny.with(command, {"--json", "the cat sat"})) == expected[1]);
    CHECK(json_of(tiny.with(command, {"--json", "--input", file})) == expected);
    CHECK(json_of(tiny.with(command, {"--json", "--input", "-"}), text) == expected);
    CHECK(json_of(tiny.with(command, {"--json"}), text) == expected);
    CHECK(json_of(tiny.with(command, {"--json", "-"}), text) == expected);
    CHECK(json_of(tiny.with(command, {"--json"}), text.substr(0, text.size() - 1)) ==
          expected);  // no line end at the end
    CHECK(json_of(tiny.with(command, {"--json"}), "hello\r\nthe cat sat\r\nhow are you\r\n") == expected);
    check_error(tiny.with(command, {"--json", "--input", (scratch / "none").string()}), 1, {"none"});
    check_error(tiny.with(command, {"--json", "--input", scratch.path().string()}), 1);
  }
}

TEST_CASE("texts that look like commands, lists or options stay texts", "[cli][input]") {
  const TinyModel tiny;
  const auto tokens = [&](const Arguments& arguments) {
    Json all = one_json(tiny.with("tokenize", arguments))["tokens"];
    return Json(std::vector<Json>(all.begin() + 1, all.end() - 1));
  };
  CHECK(tokens({"--json", "[MASK]"}) == Json({"[MASK]"}));
  CHECK(tokens({"--json", "[the, cat]"}).size() == tokens({"--json", "x[the, cat]"}).size() - 1);
  CHECK(tokens({"--json", "embed"}) == Json({"e", "##m", "##b", "##ed"}));
  CHECK(tokens({"--json", "--", "--how"}) == Json({"-", "-", "how"}));
  CHECK(tokens({"--json", "the \"cat\", 'sat'"}).size() == tokens({"--json", "--", "the \"cat\", 'sat'"}).size());
}

TEST_CASE("an empty line is named, and results before it stay printed", "[cli][input]") {
  const TinyModel tiny;
  const ScratchFolder scratch;
  const std::string file = (scratch / "texts").string(), output = (scratch / "v.jsonl").string();
  write_text(file, "hello\nhello\nhello\nhello\nhello\nhello\n\nhello\n");
  for (const char* command : {"embed", "tokenize", "pseudo-perplexity"}) {
    INFO(command);
    const RunResult result = run_bert(tiny.with(command, {"--json", "--input", file}));
    check_failed(result, 1);
    CHECK(result.err == "error: line 7 of " + file + " is empty\n");
    CHECK(lines(result.out).size() == 6);
  }
  for (const char* name : {"v.jsonl", "v.npy"}) {
    check_error(tiny.with("embed", {"--output", (scratch / name).string(), "--input", file}), 1, {"line 7 of " + file});
    CHECK(files_in(scratch.path()) == 1);
  }
  check_error(tiny.with("search", {"--json", "--corpus", file, "the"}), 1, {"line 7 of " + file + " is empty"});
}

TEST_CASE("a text beyond the window is an error that names the ways out", "[cli][window]") {
  const TinyModel tiny;  // 96 tokens
  for (const char* command : {"embed", "pseudo-perplexity", "forward"}) {
    INFO(command);
    check_error(tiny.with(command, {"--json", words(95)}), 1, {"97", "96", "--truncate", "--stride"});
    if (std::string(command) == "pseudo-perplexity") continue;  // n passes over n tokens
    CHECK(one_json(tiny.with(command, {"--json", "--truncate", words(120)})) ==
          one_json(tiny.with(command, {"--json", words(94)})));
  }
  check_error(tiny.with("next-sentence", {"--json", words(60), words(60)}), 1, {"123", "96", "--truncate"});
  CHECK(run_bert(tiny.with("next-sentence", {"--json", "--truncate", words(60), words(60)})).status == 0);
  check_error(tiny.with("fill-mask", {"--json", "--truncate", words(120) + " [MASK]"}), 1, {"[MASK]"});
  check_error(tiny.with("embed", {"--json", "--stride", "10", words(120)}), 2, {"--stride"});
  check_error({"embed", "--json", words(511)}, 1, {"513", "512", "--truncate", "--stride"});  // the shipped model
  CHECK(one_json({"embed", "--json", "--truncate", words(600)}).size() == 384);
}

TEST_CASE("output that cannot be written is an error", "[cli][output]") {
  const TinyModel tiny;
  const ScratchFolder scratch;
  const std::string nowhere = (scratch / "no/such/folder/").string();
  check_error(tiny.with("embed", {"--output", nowhere + "v.npy", "the"}), 1, {nowhere + "v.npy"});
  check_error(tiny.with("forward", {"--dump", nowhere + "d.safetensors", "the"}), 1, {nowhere + "d.safetensors"});
  check_error(tiny.with("attention", {"-o", nowhere + "p.html", "the"}), 1, {nowhere + "p.html"});
  std::filesystem::create_directories(scratch / "folder.npy");
  check_error(tiny.with("embed", {"--output", (scratch / "folder.npy").string(), "the"}), 1, {"folder.npy"});
  CHECK(files_in(scratch.path()) == 1);
  for (const char* command : {"embed", "tokenize", "info", "forward"}) {
    const std::string text = std::string(command) == "info" ? "" : " the";
    const RunResult full = run({"/bin/sh", "-c",
                                "exec '" + (binary_dir() / "bert").string() + "' " + command + " --json --model '" +
                                    tiny.path() + "'" + text + " >/dev/full"});
    INFO(command);
    check_failed(full, 1, {"standard output"});
  }
  write_text(scratch / "texts", "the cat\n");
  const RunResult full = run({"/bin/sh", "-c",
                              "exec '" + (binary_dir() / "bert").string() + "' tokenize --model '" + tiny.path() +
                                  "' --input '" + (scratch / "texts").string() + "' >/dev/full"});
  check_failed(full, 1, {"error: cannot write to standard output"});  // not a fault of line 1
}
