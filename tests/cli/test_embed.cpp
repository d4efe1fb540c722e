// bert embed, similarity, search: pooling and its flags against each other and against arithmetic done here.
#include "cli/program.h"

using namespace tests;

namespace {

const std::string guitar = "A man is playing a guitar.", music = "Someone plays a musical instrument.",
                  market = "The stock market fell sharply today.";

Json embed(const TinyModel& tiny, Arguments arguments) {
  arguments.insert(arguments.end(), {"--json", "the cat sat on the mat"});
  return one_json(tiny.with("embed", arguments));
}

std::vector<float> unit(std::vector<float> v) {
  const double norm = std::sqrt(dot(v, v));
  for (float& x : v) x = static_cast<float>(static_cast<double>(x) / norm);
  return v;
}

}  // namespace

TEST_CASE("bert embed prints unit vectors, one text a line, as short as they read back equal", "[cli][embed]") {
  const RunResult result = run_bert({"embed", "--json", guitar, music});
  REQUIRE(result.status == 0);
  REQUIRE(lines(result.out).size() == 2);
  for (const std::string& line : lines(result.out)) {
    const std::vector<float> vector = floats(Json::parse(line));
    CHECK(vector.size() == 384);
    CHECK(std::fabs(dot(vector, vector) - 1) < 1e-6);
    for (std::size_t at = 1; at < line.size();) {
      const std::size_t end = std::min(line.find_first_of(",]", at), line.size());
      const std::string number = line.substr(at, end - at);
      float value = 0;
      REQUIRE(std::from_chars(number.data(), number.data() + number.size(), value).ec == std::errc());
      char shortest[32];
      const char* const stop = std::to_chars(shortest, shortest + sizeof shortest, value).ptr;
      REQUIRE(number.size() <= static_cast<std::size_t>(stop - shortest));
      at = end + 1;
    }
  }
}

TEST_CASE("bert embed pools token states as the flags say", "[cli][embed]") {
  const TinyModel tiny;
  const Json states = embed(tiny, {"--pooling", "none"});
  REQUIRE(states.size() == 8);  // [CLS] the cat sat on the mat [SEP]
  std::vector<std::vector<float>> rows;
  for (const Json& row : states) rows.push_back(floats(row));
  std::vector<float> mean(48), most = rows[0];
  for (std::size_t i = 0; i < 48; ++i) {
    double sum = 0;
    for (const auto& row : rows) sum += static_cast<double>(row[i]), most[i] = std::max(most[i], row[i]);
    mean[i] = static_cast<float>(sum / 8);
  }
  const auto raw = [&](const std::string& mode) { return floats(embed(tiny, {"--no-normalize", "--pooling", mode})); };
  CHECK(raw("cls") == rows.front());
  CHECK(raw("last") == rows.back());
  CHECK(raw("max") == most);
  CHECK(largest_difference(raw("mean"), mean) < 1e-6);
  CHECK(embed(tiny, {}) == embed(tiny, {"--pooling", "mean", "--normalize"}));  // what is done when nothing is said
  CHECK(largest_difference(floats(embed(tiny, {})), unit(mean)) < 1e-6);
  CHECK(largest_difference(floats(embed(tiny, {"--pooling", "cls"})), unit(rows[0])) < 1e-6);
}

TEST_CASE("bert embed --truncate-dim, --layer and --prompt", "[cli][embed]") {
  const TinyModel tiny;
  std::vector<float> first = floats(embed(tiny, {"--no-normalize"}));
  first.resize(10);
  CHECK(floats(embed(tiny, {"--no-normalize", "--truncate-dim", "10"})) == first);
  CHECK(largest_difference(floats(embed(tiny, {"--truncate-dim", "10"})), unit(first)) < 1e-6);
  CHECK(embed(tiny, {"--layer", "3"}) == embed(tiny, {}));  // of three
  CHECK(embed(tiny, {"--layer", "0"}) != embed(tiny, {"--layer", "1"}));
  CHECK(embed(tiny, {"--prompt", "hello "}) ==
        one_json(tiny.with("embed", {"--json", "hello the cat sat on the mat"})));

  check_error(tiny.with("embed", {"--json", "--layer", "4", "the"}), 1, {"4"});
  check_error(tiny.with("embed", {"--json", "--truncate-dim", "49", "the"}), 1, {"49", "48"});
  check_error(tiny.with("embed", {"--json", "--pooling", "median", "the"}), 2, {"median"});
}

TEST_CASE("bert embed follows what the model's folder says about pooling", "[cli][embed]") {
  const TinyModel tiny;
  write_text(tiny / "modules.json", R"([
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}])");
  write_text(tiny / "1_Pooling/config.json",
             R"({"word_embedding_dimension": 48, "pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false,
                 "pooling_mode_max_tokens": false, "pooling_mode_mean_sqrt_len_tokens": false})");
  const Json plain = embed(tiny, {});
  CHECK(plain == embed(tiny, {"--pooling", "cls", "--no-normalize"}));  // there is no Normalize module
  CHECK(plain != embed(tiny, {"--pooling", "mean", "--no-normalize"}));
}

TEST_CASE("bert embed --output writes the same numbers to .npy and .jsonl", "[cli][embed]") {
  const TinyModel tiny;
  const ScratchFolder scratch;
  const std::string npy = (scratch / "v.npy").string(), jsonl = (scratch / "v.jsonl").string();
  const Arguments texts = {"the cat", "sat on the mat", "hello"};
  const auto run_with = [&](Arguments arguments) {
    arguments.insert(arguments.end(), texts.begin(), texts.end());
    return run_bert(tiny.with("embed", arguments));
  };
  const RunResult printed = run_with({"--json"});
  REQUIRE(run_with({"--output", npy}).status == 0);
  REQUIRE(run_with({"--json", "--output", jsonl}).status == 0);
  CHECK(read_text(jsonl) == printed.out);

  const std::string file = read_text(npy);  // numpy's format 1.0: magic, version, header length, a Python literal
  REQUIRE(file.substr(0, 8) == std::string("\x93NUMPY\x01\x00", 8));
  const std::size_t length = static_cast<std::uint8_t>(file[8]) + 256u * static_cast<std::uint8_t>(file[9]);
  CHECK((10 + length) % 64 == 0);
  const std::string header = file.substr(10, length);
  for (const char* part : {"'descr': '<f4'", "'fortran_order': False", "'shape': (3, 48)"})
    CHECK(header.find(part) != std::string::npos);
  REQUIRE(file.size() == 10 + length + 3 * 48 * sizeof(float));
  std::vector<float> values(3 * 48), expected;
  std::memcpy(values.data(), file.data() + 10 + length, values.size() * sizeof(float));
  for (const std::string& line : lines(printed.out))
    for (float x : floats(Json::parse(line))) expected.push_back(x);
  CHECK(values == expected);

  check_error(tiny.with("embed", {"--output", (scratch / "v.txt").string(), "the"}), 2, {".npy", ".jsonl"});
  CHECK(files_in(scratch.path()) == 2);
}

TEST_CASE("bert similarity prints a number, larger for closer texts", "[cli][similarity]") {
  const double related = one_json({"similarity", "--json", guitar, music});
  const double unrelated = one_json({"similarity", "--json", guitar, market});
  CHECK(related > unrelated + 0.2);
  CHECK(one_json({"similarity", "--json", music, guitar}) == related);
  CHECK(std::fabs(one_json({"similarity", "--json", guitar, guitar}).get<double>() - 1) < 1e-6);
  const std::vector<Json> vectors = json_of({"embed", "--json", guitar, music});
  CHECK(std::fabs(related - dot(floats(vectors[0]), floats(vectors[1]))) < 1e-6);
  CHECK(json_of({"similarity", "--json", "--input", "-"},
                guitar + "\t" + music + "\n" + guitar + "\t" + market + "\n") == std::vector<Json>{related, unrelated});
  check_error({"similarity", "--json", guitar}, 2);
}

TEST_CASE("bert search ranks the lines of a corpus", "[cli][search]") {
  const ScratchFolder scratch;
  const std::string corpus = (scratch / "corpus.txt").string();
  write_text(corpus, market + "\n" + music + "\nPhotosynthesis turns light into chemical energy.\n");
  const Json hits = one_json({"search", "--json", "--corpus", corpus, guitar});
  REQUIRE(hits.size() == 3);  // fewer than the ten asked for
  std::vector<std::string> texts = lines(read_text(corpus));
  for (const Json& hit : hits) {
    CHECK(keys(hit) == std::vector<std::string>{"corpus_id", "score", "text"});
    CHECK(hit["text"] == texts[hit["corpus_id"].get<std::size_t>()]);
    const double cosine = one_json({"similarity", "--json", guitar, hit["text"].get<std::string>()});
    CHECK(std::fabs(hit["score"].get<double>() - cosine) < 1e-6);
  }
  CHECK(hits[0]["corpus_id"] == 1);
  CHECK(hits[0]["score"] >= hits[1]["score"]);
  CHECK(hits[1]["score"] >= hits[2]["score"]);

  const std::vector<Json> two =
      json_of({"search", "--json", "--top-k", "1", "--corpus", corpus, guitar, "The price of shares"});
  REQUIRE(two.size() == 2);
  CHECK(two[0] == Json::array({hits[0]}));
  CHECK(two[1][0]["corpus_id"] == 0);
  check_error({"search", "--json", guitar}, 2, {"--corpus"});
  check_error({"search", "--json", "--corpus", (scratch / "none.txt").string(), guitar}, 1, {"none.txt"});
}
