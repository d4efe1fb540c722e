// How near 8 bits come to float on real weights: sentence vectors of all-MiniLM-L6-v2, as it opens and calibrated on
// the text that ships, on sentences of sts.tsv, which it was not calibrated on. tools/int8_accuracy.py takes all of
// them.
#include "cli/program.h"

#include <bert/quant/quantize_model.h>
#include <bert/tasks/embed.h>

#include <set>

using namespace tests;

namespace {

/// Every tenth sentence of the file's two columns, each once.
std::vector<std::string> sentences() {
  std::vector<std::string> some;
  std::set<std::string> seen;
  for (const std::string& line : lines(read_text(shared_dir() / "data/tasks/sts.tsv"))) {
    const std::size_t first = line.find('\t'), second = line.find('\t', first + 1);
    for (const std::string& text : {line.substr(first + 1, second - first - 1), line.substr(second + 1)})
      if (seen.insert(text).second && seen.size() % 10 == 0) some.push_back(text);
  }
  return some;
}

std::vector<std::vector<float>> vectors(const std::filesystem::path& model, std::optional<bert::Precision> precision,
                                        const std::vector<std::string>& texts) {
  bert::TaskOptions options;
  options.precision = precision, options.truncate = true;
  return bert::Embedder(model, options)(texts);
}

void check_cosine(const char* what, const std::vector<std::vector<float>>& exact,
                  const std::vector<std::vector<float>>& seen, double mean_goal, double worst_goal) {
  double sum = 0, worst = 1;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const double cosine = dot(exact[i], seen[i]) / std::sqrt(dot(exact[i], exact[i]) * dot(seen[i], seen[i]));
    sum += cosine, worst = std::min(worst, cosine);
  }
  const double mean = sum / static_cast<double>(exact.size());
  std::printf("MiniLM int8 %s: cosine to fp32 on %zu sentences, mean %.5f worst %.5f\n", what, exact.size(), mean,
              worst);
  CHECK(mean >= mean_goal);
  CHECK(worst >= worst_goal);
}

}  // namespace

TEST_CASE("sentence vectors of real weights on 8 bits have the cosine that was promised",
          "[quant][int8][minilm][accuracy]") {
  SKIP_WITHOUT_MINILM();
  SKIP_WITHOUT_SHARED();
  const ScratchFolder scratch;
  const std::vector<std::string> texts = sentences();
  REQUIRE(texts.size() > 300);
  const auto exact = vectors(minilm_file(), {}, texts);
  check_cosine("as it opens", exact, vectors(minilm_file(), bert::Precision::int8, texts), 0.997, 0.985);
  const bert::QuantizeReport report =
      bert::quantize_model(bert::Checkpoint::open(minilm_file()), scratch / "int8.safetensors",
                           lines(read_text(source_dir() / "examples/model/calibration.txt")));
  std::printf("MiniLM calibrated: %zu of %zu products on 8 bits, cosine on the calibration text %.5f %.5f\n",
              report.int8_products, report.products, report.reached.mean, report.reached.worst);
  CHECK(report.int8_products >= 20);
  check_cosine("calibrated", exact, vectors(scratch / "int8.safetensors", {}, texts), 0.999, 0.995);
}
