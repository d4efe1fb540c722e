// DenseModules: the linear layers that a sentence-transformers model has behind its pooling
// (sentence_transformers/models/Dense.py), one after another:
//
//   x <- activation(x W^T + b)
//
// io/folder.h and io/model_file.h say where they are found. A further activation is a line in module_activation().
#pragma once
#include <bert/io/model_file.h>
#include <bert/nn/linear.h>

namespace bert::inline BERT_ABI {

class DenseModules {
 public:
  /// Those of checkpoint.pooling().dense, for vectors of `size` numbers. Throws Error naming the module or the tensor
  /// that is missing, left over or does not fit, and an activation that is not known.
  DenseModules(const Checkpoint& checkpoint, std::size_t size, const KernelTable<float>& kernels);

  bool empty() const { return layers_.empty(); }
  /// Numbers of a vector that comes out.
  std::size_t size() const { return size_; }
  std::vector<float> forward(std::vector<float> vector) const;

 private:
  struct Layer {
    Linear<float> linear;
    Activation activation;
  };
  std::size_t size_;
  std::vector<Layer> layers_;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/models/loading.h>
#include <bert/nn/activation.h>

namespace bert::inline BERT_ABI {

namespace detail {
/// The activation of a class of PyTorch, "torch.nn.modules.activation.Tanh"; nothing for another one.
inline std::optional<Activation> module_activation(std::string_view name) {
  constexpr std::pair<std::string_view, Activation> known[] = {
      {"activation.Tanh", Activation::tanh},   {"activation.ReLU", Activation::relu},
      {"activation.ReLU6", Activation::relu6}, {"activation.GELU", Activation::gelu},
      {"activation.SiLU", Activation::silu},   {"activation.Sigmoid", Activation::sigmoid},
      {"linear.Identity", Activation::linear},
  };
  constexpr std::string_view prefix = "torch.nn.modules.";
  for (const auto& [key, activation] : known)
    if (name.starts_with(prefix) && name.substr(prefix.size()) == key) return activation;
  return {};
}
}  // namespace detail

BERT_INLINE DenseModules::DenseModules(const Checkpoint& checkpoint, std::size_t size,
                                       const KernelTable<float>& kernels)
    : size_(size) {
  WeightReader reader(checkpoint);
  for (const DenseModule& module : checkpoint.pooling().dense) {
    const auto activation = detail::module_activation(module.activation_function);
    if (!activation)
      reader.broken("the module ", module.path, " has activation_function \"", module.activation_function,
                    "\"; supported are torch.nn.modules.activation's Tanh, ReLU, ReLU6, GELU, SiLU and Sigmoid, and "
                    "torch.nn.modules.linear.Identity");
    if (module.in_features != size_)
      reader.broken("the module ", module.path, " has in_features ", module.in_features, ", but reads vectors of ",
                    size_);
    Linear<float> linear(module.out_features, module.in_features, kernels);  // its bias is 0 until read
    const std::string name = concat(module_prefix, module.path, ".linear");
    load_linear(reader, name, linear, 0, module.out_features, module.bias);
    layers_.push_back({std::move(linear), *activation});
    size_ = module.out_features;
  }
  const auto was_read = [&](std::string_view tensor) {
    for (const DenseModule& module : checkpoint.pooling().dense) {
      const std::string name = concat(module_prefix, module.path, ".linear.");
      if (tensor == name + "weight" || (module.bias && tensor == name + "bias")) return true;
    }
    return false;
  };
  for (const TensorRef& tensor : checkpoint.tensors())
    if (tensor.name.starts_with(module_prefix) && !was_read(tensor.name))
      reader.broken(tensor.name, " ", shape_text(tensor.shape), " has no place in this model");
}

BERT_INLINE std::vector<float> DenseModules::forward(std::vector<float> vector) const {
  const FloatEnvironment environment;
  for (const Layer& layer : layers_) {
    std::vector<float> next(layer.linear.weight().n());
    layer.linear.forward(Team(), {vector.data(), {1, vector.size()}}, {next.data(), {1, next.size()}},
                         layer.activation);
    vector = std::move(next);
  }
  return vector;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
