// loss_plot: the losses of a run as a picture, one SVG file that needs nothing else.
#pragma once
#include <bert/core/error.h>

#include <span>
#include <string>
#include <vector>

namespace bert::inline BERT_ABI {

/// A line of the plot: its name in the legend and its points, steps ascending.
struct LossCurve {
  std::string name, colour;  // colour: as in CSS
  std::vector<double> steps, losses;
};

/// An SVG of 720 x 400 with axes, grid and legend; curves without a point are left out.
std::string loss_plot(const std::string& title, std::span<const LossCurve> curves);

/// The curves of the lines of a metrics.jsonl: "loss" and "dev_loss", or for fine-tuning the first dev metric.
std::vector<LossCurve> loss_curves(std::span<const std::string> lines);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/io/json.h>
#include <bert/io/safetensors_writer.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace bert::inline BERT_ABI {

namespace detail {
/// A round step of a grid that cuts `range` into four to ten parts.
inline double grid_step(double range) {
  double step = 1;
  while (step * 10 <= range) step *= 10;
  while (step > range) step /= 10;
  for (double factor : {0.1, 0.2, 0.5, 1.0, 2.0})
    if (range / (step * factor) <= 8) return step * factor;
  return step * 5;
}
inline std::string decimals(double number, int count) {
  char digits[64];
  return {digits, std::to_chars(digits, digits + sizeof digits, number, std::chars_format::fixed, count).ptr};
}
inline std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) c == '<' ? out += "&lt;" : c == '&' ? out += "&amp;" : out += c;
  return out;
}
}  // namespace detail

BERT_INLINE std::string loss_plot(const std::string& title, std::span<const LossCurve> curves) {
  constexpr double left = 60, right = 700, top = 40, bottom = 350;
  double last = 1, low = 1e300, high = -1e300;
  for (const LossCurve& curve : curves)
    for (std::size_t i = 0; i < curve.steps.size(); ++i) {
      last = std::max(last, curve.steps[i]);
      low = std::min(low, curve.losses[i]), high = std::max(high, curve.losses[i]);
    }
  if (low > high) low = 0, high = 1;
  if (high - low < 1e-9) high = low + 1;
  const auto x = [&](double step) { return detail::decimals(left + (right - left) * step / last, 1); };
  const auto y = [&](double loss) {
    return detail::decimals(bottom - (bottom - top) * (loss - low) / (high - low), 1);
  };
  std::string svg = concat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"400\" viewBox=\"0 0 720 400\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"720\" height=\"400\" fill=\"white\"/>\n"
      "<text x=\"60\" y=\"24\" font-size=\"15\">",
      detail::escaped(title), "</text>\n");
  const double down = detail::grid_step(high - low), across = detail::grid_step(last);
  for (double loss = std::ceil(low / down) * down; loss <= high; loss += down)
    svg += concat("<path d=\"M60 ", y(loss), "H700\" stroke=\"#ddd\"/><text x=\"54\" y=\"", y(loss),
                  "\" text-anchor=\"end\" dy=\"4\">", detail::decimals(loss, down < 0.1 ? 2 : 1), "</text>\n");
  for (double step = 0; step <= last; step += across)
    svg +=
        concat("<text x=\"", x(step), "\" y=\"368\" text-anchor=\"middle\">", detail::decimals(step, 0), "</text>\n");
  svg +=
      "<path d=\"M60 40V350H700\" fill=\"none\" stroke=\"black\"/>\n<text x=\"380\" y=\"390\" "
      "text-anchor=\"middle\">steps</text>\n";
  double legend = 0;
  for (const LossCurve& curve : curves) {
    if (curve.steps.empty()) continue;
    svg += concat("<polyline fill=\"none\" stroke=\"", curve.colour, "\" stroke-width=\"1.5\" points=\"");
    for (std::size_t i = 0; i < curve.steps.size(); ++i)
      svg += concat(i ? " " : "", x(curve.steps[i]), ",", y(curve.losses[i]));
    const std::string at = detail::decimals(56 + legend, 0);
    svg += concat("\"/>\n<path d=\"M540 ", at, "h24\" stroke=\"", curve.colour,
                  "\" stroke-width=\"3\"/><text x=\"570\" y=\"", at, "\" dy=\"4\">", detail::escaped(curve.name),
                  "</text>\n");
    legend += 18;
  }
  return svg + "</svg>\n";
}

BERT_INLINE std::vector<LossCurve> loss_curves(std::span<const std::string> lines) {
  std::vector<LossCurve> curves = {{"loss", "#1f77b4", {}, {}}, {"dev", "#d62728", {}, {}}};
  for (const std::string& line : lines) {
    const Json json = parse_json(line, "a line of metrics.jsonl");
    double step = 0, value = 0;
    const Json* const at = json.find("step");
    if (!at || !at->to(step)) continue;
    for (const Json& member : json.members) {
      const bool dev = member.name.starts_with("dev_");
      if ((!dev && member.name != "loss") || !member.to(value)) continue;
      LossCurve& curve = curves[dev];
      if (dev) curve.name = member.name;
      curve.steps.push_back(step), curve.losses.push_back(value);
      break;
    }
  }
  return curves;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
