// What `bert pretrain` and `bert finetune` show while they run.
#pragma once
#include "cli.h"

namespace bert::cli {

/// The bar on stderr: loss, speed and time left. On a terminal where the reports go elsewhere, or with --progress
/// always.
class TrainingBar {
 public:
  explicit TrainingBar(const Common& common);

  template <class Report>
  void show(const Report& report, double loss) const {
    if (wanted_) draw(report.step, report.steps, loss, report.tokens, report.tokens_per_second);
  }

 private:
  void draw(std::uint64_t step, std::uint64_t steps, double loss, std::uint64_t tokens, double tokens_per_second) const;

  bool wanted_;
};

}  // namespace bert::cli
