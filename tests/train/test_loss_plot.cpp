// The picture of a run's losses.
#include "support/catch.h"

#include <bert/train/loss_plot.h>

TEST_CASE("loss curves come from the lines of metrics.jsonl", "[train]") {
  const std::vector<std::string> lines = {R"({"step":10,"loss":3.5,"lr":1})", R"({"step":20,"loss":2.5,"lr":1})",
                                          R"({"step":20,"dev_f1":0.25,"dev_precision":0.5})"};
  const auto curves = bert::loss_curves(lines);
  REQUIRE(curves.size() == 2);
  CHECK(curves[0].steps == std::vector<double>{10, 20});
  CHECK(curves[0].losses == std::vector<double>{3.5, 2.5});
  CHECK(curves[1].name == "dev_f1");
  CHECK(curves[1].losses == std::vector<double>{0.25});
}

TEST_CASE("the loss plot puts points where they belong", "[train]") {
  const std::vector<bert::LossCurve> curves = {{"a & b", "red", {0, 50, 100}, {4, 2, 0}}, {"empty", "blue", {}, {}}};
  const std::string svg = bert::loss_plot("x < y", curves);
  CHECK(svg.find("points=\"60.0,40.0 380.0,195.0 700.0,350.0\"") != svg.npos);
  CHECK(svg.find("x &lt; y") != svg.npos);
  CHECK(svg.find("a &amp; b") != svg.npos);
  CHECK(svg.find("blue") == svg.npos);
  CHECK(svg.starts_with("<svg"));
  CHECK(svg.ends_with("</svg>\n"));
}
