// WeightReader: what a model's constructor reads its parameters through. It checks name, shape and type of each, and at
// the end that nothing in the checkpoint was left unread.
//
// A new model asks for its tensors by Hugging Face's current names and calls finish().
#pragma once
#include <bert/core/team.h>
#include <bert/io/convert.h>
#include <bert/io/model_file.h>

#include <initializer_list>
#include <memory>

namespace bert::inline BERT_ABI {

/// Borrows the checkpoint. Called by one thread at a time; what it reads is packed on `threads`.
class WeightReader {
 public:
  using Shape = std::span<const std::size_t>;

  explicit WeightReader(const Checkpoint& checkpoint, const Threads& threads = Threads())
      : checkpoint_(checkpoint), threads_(threads), read_(checkpoint.tensors().size()) {}

  const Checkpoint& checkpoint() const { return checkpoint_; }
  const Threads& threads() const { return threads_; }
  bool has(std::string_view name) const { return checkpoint_.find(name) != nullptr; }

  /// The tensor, counted as read. Errors: missing, another shape, not floating-point.
  const TensorRef& get(std::string_view name, Shape shape);
  const TensorRef& get(std::string_view name, std::initializer_list<std::size_t> shape) {
    return get(name, Shape(shape.begin(), shape.size()));
  }

  /// The tensor, counted as read, of exactly this type.
  const TensorRef& get(std::string_view name, Shape shape, DType dtype);

  /// All elements of the tensor as T (float or double), row-major, into out; its pages are given back.
  template <class T>
  void read(std::string_view name, Shape shape, T* out) {
    const TensorRef& tensor = get(name, shape);
    read_elements(tensor, 0, tensor.elements(), out);
    release(tensor);
  }
  template <class T>
  void read(std::string_view name, std::initializer_list<std::size_t> shape, T* out) {
    read(name, Shape(shape.begin(), shape.size()), out);
  }

  /// Gives back the tensor's memory; it is read again when asked for.
  void release(const TensorRef& tensor);

  /// From now on the tensor, stored as [K, N], is read as [N, K] (Conv1D of GPT-2); 8-bit weights lie so already.
  void transpose(std::string name);

  /// Throws Error "cannot load FILE: NAME …" for a tensor whose numbers cannot be right.
  template <class... Parts>
  [[noreturn]] void broken(const Parts&... parts) const;

  /// Counts every tensor whose name begins so as read: heads that this model knowingly leaves out.
  void ignore(std::string_view prefix);

  /// An error when the checkpoint holds tensors nobody asked for: the model would not be the one that was saved. Those
  /// of modules behind the pooling are not the model's (tasks/dense_modules.h).
  void finish() const;

 private:
  /// A tensor that is read transposed, and its copy while it is needed.
  struct Transposed {
    std::string name;
    TensorRef tensor;
    std::vector<std::byte> bytes;
  };
  const TensorRef& get_any(std::string_view name, Shape shape);
  const TensorRef& turn(Transposed& to, const TensorRef& stored, Shape shape);

  const Checkpoint& checkpoint_;
  Threads threads_;
  std::vector<bool> read_;
  std::vector<std::unique_ptr<Transposed>> transposed_;
};

/// Rows of a matrix that are read and packed at a time: few enough for the cache, and whole panels, which threads do
/// not share.
inline constexpr std::size_t load_step = 64;

/// Calls work(first, count) for each load_step of `rows` rows, on the reader's threads.
template <class Work>
void for_row_blocks(const WeightReader& reader, std::size_t rows, const Work& work) {
  reader.threads().run([&](const Team& team) {
    const Share mine = team.share(rows, load_step);
    for (std::size_t r = mine.begin; r < mine.end; r += load_step)
      work(r, mine.end - r < load_step ? mine.end - r : load_step);
  });
}

template <class... Parts>
[[noreturn]] void WeightReader::broken(const Parts&... parts) const {
  fail("cannot load \"", checkpoint_.path().string(), "\": ", parts...);
}

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>
#include <cstring>

namespace bert::inline BERT_ABI {

BERT_INLINE const TensorRef& WeightReader::get(std::string_view name, Shape shape) {
  const TensorRef& tensor = get_any(name, shape);
  if (!is_floating(tensor.dtype)) broken(name, " is ", bert::name(tensor.dtype), ", not a floating-point type");
  return tensor;
}

BERT_INLINE const TensorRef& WeightReader::get(std::string_view name, Shape shape, DType dtype) {
  const TensorRef& tensor = get_any(name, shape);
  if (tensor.dtype != dtype) broken(name, " is ", bert::name(tensor.dtype), ", not ", bert::name(dtype));
  return tensor;
}

BERT_INLINE const TensorRef& WeightReader::get_any(std::string_view name, Shape shape) {
  const TensorRef* const tensor = checkpoint_.find(name);
  if (!tensor) broken(name, " is missing");
  for (const auto& each : transposed_)
    if (each->name == name && is_floating(tensor->dtype)) return turn(*each, *tensor, shape);
  if (!std::equal(shape.begin(), shape.end(), tensor->shape.begin(), tensor->shape.end()))
    broken(name, " is ", shape_text(tensor->shape), ", the config asks for ", shape_text(shape));
  read_[static_cast<std::size_t>(tensor - checkpoint_.tensors().data())] = true;
  return *tensor;
}

namespace detail {
inline constexpr std::size_t transpose_rows = 64;  // at a time: what is written stays in the cache

/// Rows of the transposed [N, K] of a [K, N] whose elements have `size` bytes and may lie at any address.
template <std::size_t size>
void transpose(const std::byte* from, std::size_t k, std::size_t n, Share rows, std::byte* to) {
  for (std::size_t first = rows.begin; first < rows.end; first += transpose_rows)
    for (std::size_t j = 0; j < k; ++j)
      for (std::size_t i = first; i < std::min(first + transpose_rows, rows.end); ++i)
        std::memcpy(to + (i * k + j) * size, from + (j * n + i) * size, size);
}
}  // namespace detail

BERT_INLINE const TensorRef& WeightReader::turn(Transposed& to, const TensorRef& stored, Shape shape) {
  const std::size_t n = shape[0], k = shape[1], wanted[] = {k, n};
  if (!std::equal(std::begin(wanted), std::end(wanted), stored.shape.begin(), stored.shape.end()))
    broken(to.name, " is ", shape_text(stored.shape), ", the config asks for ", shape_text(wanted));
  read_[static_cast<std::size_t>(&stored - checkpoint_.tensors().data())] = true;
  if (!to.bytes.empty()) return to.tensor;
  to.bytes.resize(stored.bytes.size());
  threads_.run([&](const Team& team) {
    const Share rows = team.share(n, detail::transpose_rows);
    const auto turn_elements = size_of(stored.dtype) == 2   ? detail::transpose<2>
                               : size_of(stored.dtype) == 4 ? detail::transpose<4>
                                                            : detail::transpose<8>;
    turn_elements(stored.bytes.data(), k, n, rows, to.bytes.data());
  });
  checkpoint_.release(stored);
  to.tensor = {to.name, stored.dtype, {n, k}, to.bytes};
  return to.tensor;
}

BERT_INLINE void WeightReader::transpose(std::string name) {
  transposed_.push_back(std::make_unique<Transposed>());
  transposed_.back()->name = std::move(name);
}

BERT_INLINE void WeightReader::release(const TensorRef& tensor) {
  for (const auto& each : transposed_)
    if (&tensor == &each->tensor) return each->bytes = {}, void();
  checkpoint_.release(tensor);
}

BERT_INLINE void WeightReader::ignore(std::string_view prefix) {
  for (std::size_t i = 0; i < read_.size(); ++i)
    if (checkpoint_.tensors()[i].name.starts_with(prefix)) read_[i] = true;
}

BERT_INLINE void WeightReader::finish() const {
  for (std::size_t i = 0; i < read_.size(); ++i)
    if (!read_[i] && !checkpoint_.tensors()[i].name.starts_with(module_prefix))
      broken(checkpoint_.tensors()[i].name, " ", shape_text(checkpoint_.tensors()[i].shape),
             " has no place in this model");
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
