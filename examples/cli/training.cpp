#include "training.h"

#include <unistd.h>

namespace bert::cli {

TrainingBar::TrainingBar(const Common& common)
    : wanted_(common.progress == "always" || (common.progress == "auto" && ::isatty(2) && !::isatty(1))) {}

void TrainingBar::draw(std::uint64_t step, std::uint64_t steps, double loss, std::uint64_t tokens,
                       double tokens_per_second) const {
  const double left =
      static_cast<double>(steps - step) * static_cast<double>(tokens) / static_cast<double>(step) / tokens_per_second;
  const std::size_t width = 24, done = width * step / steps;
  std::fputs(concat("\r[", std::string(done, '='), std::string(width - done, ' '), "] step ", step, "/", steps,
                    "  loss ", fixed(loss, 3), "  ", fixed(tokens_per_second, 0), " tokens/s  ", fixed(left / 60, 1),
                    " min left\033[K", step == steps ? "\n" : "")
                 .c_str(),
             stderr);
}

}  // namespace bert::cli
