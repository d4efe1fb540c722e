// bert pretrain, from outside: what it prints and writes, going on after it was stopped or killed, and bad input.
#include "cli/program.h"
#include "support/matrix.h"

#include <bert/io/safetensors_writer.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

using namespace tests;

namespace {

/// A folder with a text of sentences that follow each other by rule, a vocabulary and a configuration.
struct Corpus {
  ScratchFolder scratch;

  Corpus() {
    const std::vector<std::string> words = {"the", "cat", "sat", "on", "mat", "are", "you", "how", "hello", "want"};
    std::string text;
    for (std::size_t document = 0; document < 40; ++document) {
      for (std::size_t sentence = 0; sentence < 6; ++sentence) {
        for (std::size_t w = 0; w < 5 + (document + sentence) % 4; ++w)
          text += words[(document * 3 + sentence * 7 + w * (1 + document % 3)) % words.size()] + " ";
        text += ".\n";
      }
      text += "\n";
    }
    write_text(scratch / "text", text);
    write_small_model(scratch.path());
  }
  std::filesystem::path output(const std::string& name = "out") const { return scratch / name; }
  /// A run of 12 steps that saves every 3.
  Arguments run(const std::string& name, const Arguments& more = {}) const {
    Arguments all = {"pretrain",
                     "--corpus",
                     (scratch / "text").string(),
                     "--config",
                     (scratch / "config.json").string(),
                     "--tokenizer",
                     (scratch / "words").string(),
                     "-o",
                     output(name).string(),
                     "--json"};
    const char* const usual[][2] = {{"--steps", "12"},   {"--save-every", "3"}, {"--report-every", "4"},
                                    {"--warmup", "4"},   {"--batch", "6"},      {"--shard", "4"},
                                    {"--seq-len", "32"}, {"--lr", "2e-3"},      {"--seed", "5"}};
    for (const auto& [flag, value] : usual)
      if (std::find(more.begin(), more.end(), flag) == more.end()) all.insert(all.end(), {flag, value});
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  std::string model(const std::string& name = "out") const { return read_text(output(name) / "model.safetensors"); }
};

std::vector<std::string> state_files(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().filename().string().starts_with("training_state")) names.push_back(entry.path().filename());
  return names;
}

/// Starts the program and kills it when it has run for so long.
void run_and_kill(Arguments arguments, std::chrono::microseconds after) {
  const std::string program = (binary_dir() / "bert").string();
  arguments.insert(arguments.begin(), program);
  const pid_t child = ::fork();
  if (child == 0) {
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    const int nowhere =
        ::open("/dev/null", O_WRONLY);  // not by stdio, which would write what this process has buffered
    ::dup2(nowhere, 1), ::dup2(nowhere, 2);
    ::execv(program.c_str(), pointers.data());
    ::_exit(127);
  }
  std::this_thread::sleep_for(after);
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
}

}  // namespace

TEST_CASE("bert pretrain reports, and leaves a model that other commands open", "[cli][pretrain]") {
  const Corpus corpus;
  const auto reports = json_of(corpus.run("out", {"--dev", (corpus.scratch / "text").string()}));
  REQUIRE(reports.size() == 4);
  CHECK(keys(reports[0]) == std::vector<std::string>{"step", "loss", "mlm_loss", "nsp_loss", "nsp_accuracy", "lr",
                                                     "tokens", "tokens_per_s"});
  CHECK(reports[1]["step"] == 8);
  CHECK(reports[2]["lr"].get<double>() == Approx(2e-3 / 8));
  CHECK(reports[2]["loss"].get<double>() ==
        Approx(reports[2]["mlm_loss"].get<double>() + reports[2]["nsp_loss"].get<double>()));
  CHECK(keys(reports[3]) ==
        std::vector<std::string>{"step", "dev_loss", "mlm_loss", "mlm_accuracy", "nsp_loss", "nsp_accuracy"});
  CHECK(lines(read_text(corpus.output() / "metrics.jsonl")).size() == 4);
  CHECK(state_files(corpus.output()) == std::vector<std::string>{"training_state-12.safetensors"});
  const Json filled = one_json({"fill-mask", "--json", "--model", corpus.output().string(), "the cat [MASK] on"});
  CHECK(filled.size() == 5);
  CHECK(one_json({"next-sentence", "--json", "--model", corpus.output().string(), "the cat", "sat on"})["logits"]
            .size() == 2);
}

TEST_CASE("bert pretrain gives the same model with any number of threads, on any ISA, stopped and not",
          "[cli][pretrain]") {
  const Corpus corpus;
  json_of(corpus.run("whole"));
  const std::string expected = corpus.model("whole"),
                    state = read_text(corpus.output("whole") / "training_state-12.safetensors");
  for (const auto& [name, flags] : std::vector<std::pair<std::string, Arguments>>{
           {"one", {"--threads", "1"}}, {"three", {"--threads", "3"}}, {"scalar", {"--isa", "scalar"}}}) {
    INFO(name);
    json_of(corpus.run(name, flags));
    CHECK(corpus.model(name) == expected);
  }
  SECTION("going on needs no flag repeated") {
    run_and_kill(corpus.run("stopped", {"--save-every", "1"}), std::chrono::milliseconds(300));
    const Arguments resume = {"pretrain",
                              "--corpus",
                              (corpus.scratch / "text").string(),
                              "--config",
                              (corpus.scratch / "config.json").string(),
                              "--tokenizer",
                              (corpus.scratch / "words").string(),
                              "-o",
                              corpus.output("stopped").string(),
                              "--json",
                              "--resume",
                              "--threads",
                              "1"};
    if (std::filesystem::exists(corpus.output("stopped") / "model.safetensors")) {
      json_of(resume);
      CHECK(corpus.model("stopped") == expected);
    }
  }
  SECTION("what a killed save has left behind is cleared away") {
    for (const char* name : {"training_state-11.safetensors", "training_state-13.safetensors.77.0.part"})
      write_text(corpus.output("whole") / name, "left behind");
    json_of(corpus.run("whole", {"--resume"}));
    CHECK(state_files(corpus.output("whole")) == std::vector<std::string>{"training_state-12.safetensors"});
    CHECK(corpus.model("whole") == expected);
  }
  SECTION("killed twenty times at any moment") {
    Random random(20);
    for (int kill = 0; kill < 20; ++kill) {
      run_and_kill(corpus.run("killed", {"--resume", "--save-every", "1", "--threads", kill % 2 ? "2" : "1"}),
                   std::chrono::microseconds(5000 + random.below(150000)));
      if (std::filesystem::exists(corpus.output("killed") / "model.safetensors"))  // whole, whenever it is there
        CHECK(one_json({"info", "--json", "--model", corpus.output("killed").string()})["model_type"] == "bert");
    }
    json_of(corpus.run("killed", {"--resume"}));
    CHECK(corpus.model("killed") == expected);
    CHECK(state_files(corpus.output("killed")) == std::vector<std::string>{"training_state-12.safetensors"});
    CHECK(read_text(corpus.output("killed") / "training_state-12.safetensors") == state);
    const auto metrics = lines(read_text(corpus.output("killed") / "metrics.jsonl"));
    CHECK(std::all_of(metrics.begin(), metrics.end(), [](const std::string& line) { return Json::accept(line); }));
  }
}

TEST_CASE("bert pretrain starts from a model, and trains masked words alone", "[cli][pretrain]") {
  const Corpus corpus;
  json_of(corpus.run("first"));
  Arguments from_model = {"pretrain",
                          "--corpus",
                          (corpus.scratch / "text").string(),
                          "--model",
                          corpus.output("first").string(),
                          "-o",
                          corpus.output("second").string(),
                          "--json",
                          "--steps",
                          "3",
                          "--seq-len",
                          "24",
                          "--objective",
                          "mlm"};
  const auto reports = json_of(from_model);
  CHECK(keys(reports[0]) == std::vector<std::string>{"step", "loss", "mlm_loss", "lr", "tokens", "tokens_per_s"});
  CHECK(corpus.model("second") != corpus.model("first"));
  check_error({"next-sentence", "--model", corpus.output("second").string(), "the cat", "sat"}, 1);
}

namespace {

/// Families beside BERT: a config.json and the tokenizer's file of a golden folder.
struct Family {
  const char *type, *config, *tokenizer, *name;
};
const Family other_families[] = {
    {"gpt2",
     R"({"model_type":"gpt2","vocab_size":430,"n_embd":32,"n_layer":2,"n_head":4,"n_positions":64,"bos_token_id":2,
         "eos_token_id":3,"embd_pdrop":0.1,"resid_pdrop":0.1,"attn_pdrop":0.1})",
     "tokenizer/gpt2.json", "tokenizer.json"},
    {"llama",
     R"({"model_type":"llama","vocab_size":600,"hidden_size":32,"intermediate_size":40,"num_hidden_layers":2,
         "num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":64,"bos_token_id":1,"eos_token_id":2,
         "architectures":["LlamaForCausalLM"]})",
     "sentencepiece/bpe_llama.model", "tokenizer.model"},
    {"roberta",
     R"({"model_type":"roberta","vocab_size":430,"hidden_size":32,"intermediate_size":40,"num_hidden_layers":2,
         "num_attention_heads":4,"max_position_embeddings":66,"type_vocab_size":1,"pad_token_id":1})",
     "tokenizer/roberta.json", "tokenizer.json"},
};

}  // namespace

TEST_CASE("bert pretrain trains RoBERTa on masked words, GPT-2 and Llama on the next", "[cli][pretrain]") {
  for (const Family& family : other_families) {
    INFO(family.type);
    const Corpus corpus;
    const bool causal = family.type != std::string("roberta");
    std::filesystem::remove_all(corpus.scratch / "words");
    std::filesystem::create_directories(corpus.scratch / "words");
    write_text(corpus.scratch / "config.json", family.config);
    write_text(corpus.scratch / "words" / family.name, read_text(source_dir() / "tests/golden" / family.tokenizer));
    const auto reports = json_of(corpus.run("out", {"--dev", (corpus.scratch / "text").string(), "--steps", "40"}));
    CHECK(keys(reports[0]) ==
          (causal ? std::vector<std::string>{"step", "loss", "lr", "tokens", "tokens_per_s"}
                  : std::vector<std::string>{"step", "loss", "mlm_loss", "lr", "tokens", "tokens_per_s"}));
    CHECK(keys(reports.back()) == (causal ? std::vector<std::string>{"step", "dev_loss", "accuracy"}
                                          : std::vector<std::string>{"step", "dev_loss", "mlm_loss", "mlm_accuracy"}));
    CHECK(reports.back()["dev_loss"].get<double>() < 0.8 * reports[0]["loss"].get<double>());
    const std::string model = corpus.output().string();
    CHECK(one_json({"info", "--json", "--model", model})["model_type"] == family.type);
    const Json score =
        one_json({"evaluate", "--task", causal ? "causal" : "mlm", "--data", (corpus.scratch / "text").string(),
                  "--model", model, "--limit", "512", "--max-length", "32", "--json"});
    CHECK(score["loss"].get<double>() == Approx(reports.back()["dev_loss"].get<double>()).epsilon(1e-4));
    CHECK(score["accuracy"].get<double>() ==
          Approx(reports.back()[causal ? "accuracy" : "mlm_accuracy"].get<double>()).epsilon(1e-4));
    if (causal) CHECK(score["perplexity"].get<double>() == Approx(std::exp(score["loss"].get<double>())));
    check_error({"evaluate", "--task", causal ? "mlm" : "causal", "--data", (corpus.scratch / "text").string(),
                 "--model", model},
                1, {family.type});
    if (causal)
      CHECK(one_json({"generate", "--json", "--model", model, "--max-new-tokens", "3", "the cat"}).size() > 0);
    else
      CHECK(one_json({"fill-mask", "--json", "--model", model, "the cat <mask> on"}).size() == 5);

    json_of(corpus.run("one", {"--steps", "4", "--threads", "1"}));
    json_of(corpus.run("three", {"--steps", "4", "--threads", "3", "--isa", "scalar"}));
    CHECK(corpus.model("three") == corpus.model("one"));
    json_of({"verify", "--json", model, "--steps", "2", "--corpus", (corpus.scratch / "text").string()});
    json_of({"pretrain", "--corpus", (corpus.scratch / "text").string(), "--model", model, "-o",
             corpus.output("more").string(), "--json", "--steps", "2", "--seq-len", "24"});
    CHECK(corpus.model("more") != corpus.model());
    check_error(corpus.run("wrong", {"--objective", causal ? "mlm" : "causal"}), 1, {family.type});
    check_error(corpus.run("wrong", {"--short-seq-prob", "0.5"}), 1, {"short_seq_prob"});
    const std::string before = read_text(corpus.output() / "config.json");
    std::string other = family.config;
    other.insert(1, "\"initializer_range\":0.5,");
    write_text(corpus.scratch / "config.json", other);
    check_error(corpus.run("out", {"--resume", "--steps", "41"}), 1, {"cannot go on"});
    CHECK(read_text(corpus.output() / "config.json") == before);
    CHECK(before.find("\"dtype\"") == (causal ? before.find("\"dtype\": \"float32\"") : before.npos));
  }
}

/// Replaces one text by another of the same size in a model file.
void forge(const std::filesystem::path& file, const std::string& before, const std::string& after) {
  std::string bytes = read_text(file);
  const std::size_t at = bytes.find(before);
  REQUIRE(at != bytes.npos);
  REQUIRE(before.size() == after.size());
  write_text(file, bytes.replace(at, after.size(), after));
}

TEST_CASE("bert verify replays a pre-training run, and finds what is not from it", "[cli][pretrain][verify]") {
  const Corpus corpus;
  json_of(corpus.run("out"));
  const std::string text = (corpus.scratch / "text").string();
  const std::filesystem::path model = corpus.output() / "model.safetensors";
  const auto verify = [&](const std::string& steps) {
    return Arguments{"verify", corpus.output().string(), "--steps", steps, "--corpus", text, "--json", "--threads",
                     "1"};
  };
  SECTION("the same bits") {
    CHECK(one_json(verify("11")) == Json({{"steps", 11}, {"compared", 10}, {"weights", false}, {"same_bits", true}}));
    CHECK(one_json(verify("99")) == Json({{"steps", 12}, {"compared", 12}, {"weights", true}, {"same_bits", true}}));
  }
  SECTION("a run that was stopped and went on keeps all its hashes") {
    run_and_kill(corpus.run("stopped", {"--save-every", "1"}), std::chrono::milliseconds(60));
    json_of(corpus.run("stopped", {"--save-every", "1", "--resume"}));
    CHECK(corpus.model("stopped") == corpus.model());
  }
  SECTION("another corpus") {
    write_text(text, read_text(text) + "the mat\n");
    check_error(verify("3"), 1, {"not what", "corpus_sha256"});
  }
  SECTION("another seed than the manifest says") {
    forge(model, "\\\"seed\\\":5", "\\\"seed\\\":6");
    const RunResult result = run_bert(verify("3"));
    CHECK(result.status == 1);
    CHECK(result.err.find("different bits: the losses differ by step 1") != std::string::npos);
    CHECK(result.out.find("\"same_bits\":false") != std::string::npos);
  }
  SECTION("one bit of a weight") {
    std::string bytes = read_text(model);
    bytes[bytes.size() - 4] = static_cast<char>(bytes[bytes.size() - 4] ^ 1);
    write_text(model, bytes);
    CHECK(run_bert(verify("11")).status == 0);  // which says nothing of the last weights
    check_failed(run_bert(verify("12")), 1, {"the weights differ"});
  }
  SECTION("a tensor left out") {
    const bert::SafetensorsFile file(model);
    std::vector<bert::TensorRef> tensors(file.tensors().begin(), file.tensors().end());
    tensors.pop_back();
    bert::write_safetensors(model, {{"format", "pt"}, {"bert.training", std::string(*file.metadata("bert.training"))}},
                            tensors);
    check_failed(run_bert(verify("12")), 1, {"the weights differ"});
  }
  SECTION("what was not trained") {
    check_error({"verify", (source_dir() / "examples/model").string(), "--steps", "1", "--corpus", text}, 1,
                {"checkpoint"});
    check_error({"verify", corpus.output().string(), "--steps", "1"}, 1, {"corpus"});
    check_error({"verify", corpus.output().string(), "--corpus", text}, 2, {"--steps"});
  }
}

TEST_CASE("bert pretrain --precision bf16 is part of the run", "[cli][pretrain][bf16]") {
  const Corpus corpus;
  json_of(corpus.run("half", {"--isa", "scalar", "--precision", "bf16"}));
  json_of(corpus.run("full", {"--isa", "scalar"}));
  CHECK(corpus.model("half") != corpus.model("full"));
  check_error(corpus.run("half", {"--isa", "scalar", "--resume", "--precision", "fp32"}), 1,
              {"its precision is bf16, now it is fp32"});
  json_of(corpus.run("half", {"--isa", "scalar", "--resume"}));
  check_error(corpus.run("other", {"--precision", "int8"}), 1, {"not in int8"});
}

TEST_CASE("bert pretrain refuses what cannot be", "[cli][pretrain]") {
  const Corpus corpus;
  const std::string text = (corpus.scratch / "text").string(), config = (corpus.scratch / "config.json").string();
  const std::string words = (corpus.scratch / "words").string(), out = corpus.output().string();
  check_error({"pretrain", "--corpus", text, "-o", out}, 2, {"--config", "--model"});
  check_error({"pretrain", "--corpus", text, "-o", out, "--config", config}, 2, {"--tokenizer"});
  check_error(corpus.run("out", {"--steps", "0"}), 2, {"--steps"});
  check_error(corpus.run("out", {"--objective", "poetry"}), 2, {"bert,mlm,causal"});
  check_error(
      {"pretrain", "--corpus", "nowhere.txt", "-o", out, "--config", config, "--tokenizer", words, "--seq-len", "32"},
      1, {"nowhere.txt"});
  check_error(corpus.run("out", {"--seq-len", "41"}), 1, {"41", "max_position_embeddings 40"});
  json_of(corpus.run("out"));
  const std::string before = corpus.model();
  check_error(corpus.run("out"), 1, {"holds a model already"});
  check_error(corpus.run("out", {"--resume", "--lr", "1"}), 1, {"its lr is 0.002, now it is 1"});
  write_text(corpus.scratch / "text", read_text(corpus.scratch / "text") + "the mat\n");
  check_error(corpus.run("out", {"--resume"}), 1, {"corpus_sha256"});
  CHECK(corpus.model() == before);
  check_error(corpus.run("hot", {"--lr", "1e30", "--clip", "0"}), 1, {"the loss is", "lower learning rate"});
}

TEST_CASE("bert pretrain leaves the last checkpoint whole when the disk is full", "[cli][pretrain]") {
  const Corpus corpus;
  json_of(corpus.run("out", {"--steps", "12", "--save-every", "4", "--seq-len", "32"}));
  const std::string before = corpus.model();
  // A file larger than the limit cannot be written: the shell's ulimit, in blocks of 1024 bytes.
  std::string command = "ulimit -f 60; trap '' XFSZ; exec '" + (binary_dir() / "bert").string() + "'";
  for (const std::string& argument : corpus.run("out2", {"--steps", "12", "--save-every", "4", "--seq-len", "32"}))
    command += " '" + argument + "'";
  const RunResult result = run({"/bin/sh", "-c", command}, {}, "");
  CHECK(result.status == 1);
  CHECK(result.err.find("cannot write") != std::string::npos);
  CHECK(!std::filesystem::exists(corpus.output("out2") / "model.safetensors"));
  CHECK(corpus.model() == before);
}
