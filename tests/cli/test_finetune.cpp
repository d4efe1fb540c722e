// bert finetune and bert evaluate, from outside: every task is learnt from data that can be, goes on as if never
// stopped, and is scored the same by both; and bad input.
#include "cli/program.h"
#include "support/matrix.h"

using namespace tests;

namespace {

const std::vector<std::string> kWords = {"the", "cat", "sat", "on", "mat", "are", "you", "how", "hello", "want"};

struct Data {
  ScratchFolder scratch;
  Random random{11};

  Data() { write_small_model(scratch.path()); }
  std::string sentence(std::size_t length) {
    std::string text;
    for (std::size_t w = 0; w < length; ++w) text += (w ? " " : "") + kWords[random.below(kWords.size())];
    return text;
  }
  std::string path(const std::string& name) const { return (scratch / name).string(); }
  /// One file of `count` lines that line() makes.
  template <class Line>
  std::string file(const std::string& name, std::size_t count, const Line& line) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text += line();
    write_text(scratch / name, text);
    return path(name);
  }
  /// Whether there is a cat.
  std::string classification() {
    const std::string text = sentence(3 + random.below(5));
    return (text.find("cat") != text.npos ? "animal\t" : "none\t") + text + "\n";
  }
  Arguments finetune(const std::string& task, const std::string& train, const std::string& dev,
                     const Arguments& more = {}) const {
    Arguments all = {"finetune", "--task", task,           "--train", train,  "--dev",
                     dev,        "--json", "--max-length", "40",      "--lr", "4e-3"};
    if (std::find(more.begin(), more.end(), "--model") == more.end())
      all.insert(all.end(), {"--config", path("config.json"), "--tokenizer", path("words")});
    all.insert(all.end(), more.begin(), more.end());
    if (std::find(more.begin(), more.end(), "-o") == more.end()) all.insert(all.end(), {"-o", path("out")});
    if (std::find(more.begin(), more.end(), "--threads") == more.end())
      all.insert(all.end(), {"--threads", "1"});  // steps this small are faster alone
    return all;
  }
};

double last_metric(const std::vector<Json>& reports, const std::string& key) {
  return reports.back()[key].get<double>();
}

}  // namespace

TEST_CASE("bert finetune learns to classify, and bert evaluate finds the same", "[cli][finetune]") {
  Data data;
  const std::string train = data.file("train.tsv", 300, [&] { return data.classification(); });
  const std::string dev = data.file("dev.tsv", 100, [&] { return data.classification(); });
  const auto reports = json_of(data.finetune("classify", train, dev, {"--epochs", "6"}));
  CHECK(keys(reports[0]) == std::vector<std::string>{"step", "loss", "lr", "tokens", "tokens_per_s"});
  CHECK(keys(reports.back()) == std::vector<std::string>{"step", "dev_accuracy"});
  CHECK(last_metric(reports, "dev_accuracy") > 0.95);
  const Json result =
      one_json({"evaluate", "--task", "classify", "--data", dev, "--model", data.path("out"), "--json"});
  CHECK(keys(result) == std::vector<std::string>{"accuracy"});
  CHECK(result["accuracy"].get<double>() == last_metric(reports, "dev_accuracy"));
  const Json config = Json::parse(read_text(data.scratch / "out/config.json"));
  CHECK(config["id2label"] == Json({{"0", "animal"}, {"1", "none"}}));
  CHECK(config["architectures"][0] == "BertForSequenceClassification");
  CHECK(std::filesystem::exists(data.scratch / "out/best/model.safetensors"));
  CHECK(read_text(data.scratch / "out/loss.svg").find("dev_accuracy") != std::string::npos);
}

TEST_CASE("bert finetune learns tags, answers, pairs and similarity", "[cli][finetune]") {
  Data data;
  SECTION("tags: a cat is an animal, what follows the is a thing") {
    const auto sentence = [&] {
      std::string lines_of, before;
      for (std::size_t w = 0; w < 6; ++w) {
        const std::string& word = kWords[data.random.below(kWords.size())];
        lines_of += word + (word == "cat" ? " B-ANIMAL" : before == "the" ? " B-THING" : " O") + "\n";
        before = word;
      }
      return lines_of + "\n";
    };
    const std::string train = data.file("train.conll", 300, sentence), dev = data.file("dev.conll", 60, sentence);
    const auto reports = json_of(data.finetune("tag", train, dev, {"--epochs", "20"}));
    CHECK(last_metric(reports, "dev_f1") > 0.9);
    const Json result = one_json({"evaluate", "--task", "tag", "--data", dev, "--model", data.path("out"), "--json"});
    CHECK(result["f1"].get<double>() == last_metric(reports, "dev_f1"));
    CHECK(result.contains("precision"));
    CHECK(result.contains("recall"));
  }
  SECTION("answers: the word asked for is the one that follows the cat") {
    const auto squad = [&](const std::string& name, std::size_t count) {
      Json paragraphs = Json::array();
      for (std::size_t i = 0; i < count; ++i) {
        std::string context = "hello", answer;
        const std::size_t at = data.random.below(6);
        std::size_t start = 0;
        for (std::size_t w = 0; w < 7; ++w) {
          context += " ";
          const std::string word = w == at ? "cat" : kWords[2 + data.random.below(8)];
          if (w == at + 1) start = context.size(), answer = word;
          context += word;
        }
        paragraphs.push_back({{"context", context},
                              {"qas",
                               {{{"id", std::to_string(i)},
                                 {"question", "how are you"},
                                 {"answers", {{{"text", answer}, {"answer_start", start}}}}}}}});
      }
      write_text(data.scratch / name,
                 Json({{"version", "1.1"}, {"data", {{{"title", "t"}, {"paragraphs", paragraphs}}}}}).dump());
      return data.path(name);
    };
    const std::string train = squad("train.json", 400), dev = squad("dev.json", 60);
    const auto reports = json_of(data.finetune("answer", train, dev, {"--epochs", "30"}));
    CHECK(last_metric(reports, "dev_exact") > 0.8);
    const Json result = one_json(
        {"evaluate", "--task", "answer", "--data", dev, "--model", data.path("out"), "--json", "--max-length", "40"});
    CHECK(result["exact"].get<double>() == last_metric(reports, "dev_exact"));
  }
  SECTION("similarity: texts about cats are alike") {
    const auto line = [&] {
      const std::string a = data.sentence(5), b = data.sentence(5);
      const bool same = (a.find("cat") != a.npos) == (b.find("cat") != b.npos);
      return (same ? "5\t" : "0\t") + a + "\t" + b + "\n";
    };
    const std::string train = data.file("train.tsv", 300, line), dev = data.file("dev.tsv", 80, line);
    const auto reports = json_of(data.finetune("similarity", train, dev, {"--epochs", "10"}));
    CHECK(last_metric(reports, "dev_spearman") > 0.7);
  }
  SECTION("pairs: whether both begin with the same word") {
    const auto line = [&] {
      const bool same = data.random.below(2);
      const std::string first = kWords[data.random.below(3)], second = same ? first : kWords[3 + data.random.below(3)];
      return (same ? "same\t" : "other\t") + first + " sat\t" + second + " sat\n";
    };
    const std::string train = data.file("train.tsv", 300, line), dev = data.file("dev.tsv", 60, line);
    const auto reports = json_of(data.finetune("pair", train, dev, {"--epochs", "8"}));
    CHECK(last_metric(reports, "dev_accuracy") > 0.9);
  }
}

TEST_CASE("bert finetune gives the same model with any number of threads, stopped and not", "[cli][finetune]") {
  Data data;
  const std::string train = data.file("train.tsv", 60, [&] { return data.classification(); });
  const std::string dev = data.file("dev.tsv", 20, [&] { return data.classification(); });
  const auto model = [&](const std::string& name) { return read_text(data.scratch / name / "model.safetensors"); };
  json_of(data.finetune("classify", train, dev, {"-o", data.path("a"), "--threads", "1"}));
  json_of(data.finetune("classify", train, dev, {"-o", data.path("b"), "--threads", "3"}));
  CHECK(model("a") == model("b"));
  // A run of one epoch less is another run: its learning rate falls faster. So a stop is made by its own means.
  std::string command = "'" + (binary_dir() / "bert").string() + "'";
  for (const std::string& argument : data.finetune("classify", train, dev, {"-o", data.path("c"), "--threads", "1"}))
    command += " '" + argument + "'";
  const RunResult stopped = run({"/bin/sh", "-c", "timeout -s INT 0.05 " + command}, {}, "");
  if (stopped.status == 1) CHECK(stopped.err.find("--resume") != std::string::npos);
  json_of(data.finetune("classify", train, dev, {"-o", data.path("c"), "--resume"}));
  CHECK(model("a") == model("c"));
}

TEST_CASE("bert verify replays a fine-tuning run from its parent", "[cli][finetune][verify]") {
  Data data;
  const std::string train = data.file("train.tsv", 60, [&] { return data.classification(); });
  const std::string other = data.file("other.tsv", 60, [&] { return data.classification(); });
  json_of(data.finetune("classify", train, other, {"-o", data.path("parent"), "--epochs", "1"}));
  json_of(data.finetune("classify", train, train,
                        {"-o", data.path("run"), "--model", data.path("parent"), "--limit", "50"}));
  const auto verify = [&](const std::string& from, const std::string& what) {
    return Arguments{"verify", data.path("run"), "--steps",       "1000",  "--train",
                     what,     "--model",        data.path(from), "--json"};
  };
  const Json result = one_json(verify("parent", train));
  CHECK(result == Json({{"steps", 10}, {"compared", 10}, {"weights", true}, {"same_bits", true}}));
  check_error(verify("parent", other), 1, {"not what", "train_sha256"});
  check_error(verify("run", train), 1, {"not what", "parent"});
  check_error({"verify", data.path("run"), "--steps", "1", "--train", train}, 1, {"the parent"});
  check_error({"verify", data.path("run"), "--steps", "1", "--corpus", train}, 1, {"training data"});
}

TEST_CASE("bert finetune and evaluate refuse what cannot be", "[cli][finetune]") {
  Data data;
  const std::string train = data.file("train.tsv", 20, [&] { return data.classification(); });
  write_text(data.scratch / "other.tsv", "unheard\tthe cat\n");
  check_error(data.finetune("poetry", train, train), 2, {"poetry", "classify, pair, tag, answer, similarity"});
  check_error({"finetune", "--task", "classify", "--train", train, "-o", data.path("out")}, 2, {"--model"});
  check_error(data.finetune("classify", train, data.path("other.tsv")), 1, {"unheard", "other.tsv"});
  check_error(data.finetune("pair", train, train), 1, {"line 1", "train.tsv"});
  check_error(data.finetune("classify", data.path("nowhere"), train), 1, {"nowhere"});
  check_error(data.finetune("classify", train, train, {"--epochs", "0"}), 2, {"--epochs"});
  check_error({"evaluate", "--task", "classify", "--data", train, "--json"}, 2, {"--model"});
  json_of(data.finetune("classify", train, train, {"--epochs", "1"}));
  check_error({"evaluate", "--task", "answer", "--data", train, "--model", data.path("out")}, 1);
  check_error({"evaluate", "--task", "classify", "--data", train, "--model", data.path("out"), "--precision", "int8"},
              2, {"--precision"});
  check_error({"evaluate", "--task", "classify", "--data", data.path("other.tsv"), "--model", data.path("out")}, 1,
              {"unheard"});
}

TEST_CASE("bert evaluate scores hidden words and next sentences as the losses of training do", "[cli][finetune]") {
  Data data;
  std::string text;
  for (std::size_t document = 0; document < 30; ++document) {
    for (std::size_t s = 0; s < 5; ++s) text += data.sentence(6) + " .\n";
    text += "\n";
  }
  write_text(data.scratch / "text", text);
  const std::string model = data.path("start");
  json_of({"pretrain", "--corpus", data.path("text"), "--config", data.path("config.json"), "--tokenizer",
           data.path("words"), "-o", model, "--steps", "20", "--lr", "1e-3", "--seq-len", "32", "--json"});
  const auto evaluate = [&](const std::string& task, const Arguments& more = {}) {
    Arguments all = {"evaluate", "--task", task, "--data", data.path("text"), "--model", model, "--json"};
    all.insert(all.end(), more.begin(), more.end());
    return one_json(all);
  };
  const Json mlm = evaluate("mlm", {"--limit", "20"});
  CHECK(keys(mlm) == std::vector<std::string>{"examples", "loss", "accuracy", "accuracy@5"});
  CHECK(mlm["examples"].get<double>() > 20);
  CHECK(mlm["accuracy"].get<double>() <= mlm["accuracy@5"].get<double>());
  CHECK(mlm == evaluate("mlm", {"--limit", "20", "--threads", "1"}));
  CHECK(mlm != evaluate("mlm", {"--limit", "20", "--seed", "1"}));
  const Json nsp = evaluate("nsp", {"--limit", "20"});
  CHECK(keys(nsp) == std::vector<std::string>{"accuracy"});
  CHECK(std::fabs(nsp["accuracy"].get<double>() * 20 - std::round(nsp["accuracy"].get<double>() * 20)) < 1e-6);
  // A run that learns nothing (its rate is 0 after the first step's 1e-12) has the losses of the model it began with.
  const auto trained =
      json_of({"pretrain", "--corpus", data.path("text"), "--model", model, "-o", data.path("run"), "--dev",
               data.path("text"), "--steps", "1", "--lr", "1e-12", "--seq-len", "32", "--json"});
  const Json same = evaluate("mlm", {"--max-length", "32", "--limit", "512"});
  CHECK(same["loss"].get<double>() == Approx(trained.back()["mlm_loss"].get<double>()).epsilon(1e-4));
  CHECK(same["accuracy"].get<double>() == Approx(trained.back()["mlm_accuracy"].get<double>()).epsilon(1e-3));
}
