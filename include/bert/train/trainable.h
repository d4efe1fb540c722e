// TrainableModel: a model whose parameters change: their layout, their values, and where they come from. Which model,
// its struct of parameters says: BertParameters, DecoderParameters.
#pragma once
#include <bert/io/weights.h>
#include <bert/train/bert_parameters.h>
#include <bert/train/kernels.h>

namespace bert::inline BERT_ABI {

template <class Parameters>
class TrainableModel {
 public:
  using T = typename Parameters::Scalar;
  using Config = typename Parameters::Config;
  using Heads = typename Parameters::Heads;

  /// Parameters of a new model: matrices normally distributed with deviation `initializer_range` (0.02), cut at two
  /// deviations; biases 0, layer norms 1 and 0. A function of the seed and each parameter's place.
  TrainableModel(Config config, Heads heads, std::uint64_t seed, double initializer_range = 0.02,
                 const KernelTable<T>& kernels = default_kernels<T>());
  /// Those of a checkpoint; heads that it lacks are as in a new model, heads that are not asked for are left out.
  TrainableModel(const Checkpoint& checkpoint, Heads heads, std::uint64_t seed, double initializer_range = 0.02,
                 const KernelTable<T>& kernels = default_kernels<T>());

  static Config read_config(const ConfigReader& config) { return Parameters::read_config(config); }

  const Config& config() const { return config_; }
  const Heads& heads() const { return heads_; }
  const KernelTable<T>& kernels() const { return *kernels_; }
  const ParameterLayout& layout() const { return layout_; }
  std::span<T> values() { return values_.span(); }
  std::span<const T> values() const { return values_.span(); }
  const Parameters& weights() const { return weights_; }
  /// The same struct over another array of this layout.
  Parameters views(std::span<T> array) const {
    ParameterLayout layout;
    return Parameters(layout, config_, heads_, array.data());
  }

 private:
  void initialise(const ParameterInfo& info, std::uint64_t seed, double deviation);

  Config config_;
  Heads heads_;
  const KernelTable<T>* kernels_;
  ParameterLayout layout_;
  ParameterArray<T> values_;
  Parameters weights_;
};

template <class T>
using TrainableBert = TrainableModel<BertParameters<T>>;

}  // namespace bert::inline BERT_ABI

#include <bert/core/rng.h>

namespace bert::inline BERT_ABI {

template <class Parameters>
TrainableModel<Parameters>::TrainableModel(Config config, Heads heads, std::uint64_t seed, double initializer_range,
                                           const KernelTable<T>& kernels)
    : config_(std::move(config)), heads_(heads), kernels_(&kernels) {
  Parameters(layout_, config_, heads_, nullptr);
  values_ = ParameterArray<T>({layout_.size()});
  weights_ = views(values());
  for (const ParameterInfo& info : layout_.all())
    initialise(info, seed, Parameters::initial_deviation(config_, info.name, initializer_range));
}

template <class Parameters>
TrainableModel<Parameters>::TrainableModel(const Checkpoint& checkpoint, Heads heads, std::uint64_t seed,
                                           double initializer_range, const KernelTable<T>& kernels)
    : TrainableModel(read_config(checkpoint.config()), heads, seed, initializer_range, kernels) {
  WeightReader reader(checkpoint);
  std::vector<T> file;
  for (const ParameterInfo& info : layout_.all()) {
    std::string name = info.name;
    if (name == "cls.predictions.bias" && reader.has("cls.predictions.decoder.bias"))
      name = "cls.predictions.decoder.bias";
    if (Parameters::is_head(config_, name) && !reader.has(name)) continue;
    file.resize(info.transposed ? info.size : 0);
    T* const values = values_.data() + info.offset;
    reader.read(name, WeightReader::Shape(info.shape), info.transposed ? file.data() : values);
    if (info.transposed) copy_from_file_order(info, file.data(), values);
  }
  Parameters::ignore_other_heads(reader, config_, heads_);
  reader.finish();
}

/// Elements in pairs by the polar method (Marsaglia and Bray 1964); each pair draws from words of its own until it is
/// inside two deviations.
template <class Parameters>
void TrainableModel<Parameters>::initialise(const ParameterInfo& info, std::uint64_t seed, double deviation) {
  T* const to = values_.data() + info.offset;
  if (!info.decays()) {
    std::fill_n(to, info.size, info.name.ends_with(".weight") ? T(1) : T(0));
    return;
  }
  const KernelTable<float>& math = default_kernels<float>();
  const Philox philox(seed);
  const auto place = static_cast<std::uint32_t>(&info - layout_.all().data());
  for (std::size_t i = 0; i < info.size; i += 2) {
    float x = 2, y = 2;
    for (std::uint32_t attempt = 0; std::max(x < 0 ? -x : x, y < 0 ? -y : y) >= 2; ++attempt) {
      const auto words = philox.block(attempt, static_cast<std::uint32_t>(RandomSite::initial_weights), place,
                                      static_cast<std::uint32_t>(i / 2));
      const float u = static_cast<float>(words[0] >> 8) * 0x1p-23f - 1,
                  v = static_cast<float>(words[1] >> 8) * 0x1p-23f - 1;
      const float s = u * u + v * v;
      if (s >= 1 || s == 0) continue;
      float log_s = s;
      math.log(&log_s, 1);
      const float factor = std::sqrt(-2 * log_s / s);
      x = u * factor, y = v * factor;
    }
    to[i] = static_cast<T>(static_cast<double>(x) * deviation);
    if (i + 1 < info.size) to[i + 1] = static_cast<T>(static_cast<double>(y) * deviation);
  }
}

}  // namespace bert::inline BERT_ABI
