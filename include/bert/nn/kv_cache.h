// KeyValueCache: keys and values of one sequence in all layers of a causal model, so that the next token costs one row.
#pragma once
#include <bert/nn/causal_attention.h>

#include <cstring>

namespace bert::inline BERT_ABI {

template <class T>
class KeyValueCache {
 public:
  KeyValueCache() = default;
  /// Room for `capacity` tokens in `layers` layers like this one.
  KeyValueCache(std::size_t layers, const CausalAttention<T>& attention, std::size_t capacity)
      : layers_(layers),
        stride_(attention.cache_size(capacity)),
        capacity_(capacity),
        data_(make_aligned<T>(layers * stride_)) {}

  std::size_t length() const { return length_; }      // tokens
  std::size_t capacity() const { return capacity_; }  // tokens
  std::size_t bytes() const { return layers_ * stride_ * sizeof(T); }

  /// Goes back to the first `length` tokens. Error when there are fewer.
  void truncate(std::size_t length) {
    if (length > length_) fail("a cache of ", length_, " tokens cannot be cut to ", length);
    length_ = length;
  }
  /// Becomes a copy of `other`, of the same model and capacity, for a beam that splits.
  void copy_from(const KeyValueCache& other) {
    if (other.stride_ != stride_ || other.layers_ != layers_) fail("caches of different sizes cannot be copied");
    std::memcpy(data_.get(), other.data_.get(), bytes());
    length_ = other.length_;
  }

  /// For a model's pass: where the next tokens go, and that they are there.
  CachedSequence<T> sequence() { return {data_.get(), stride_, capacity_, length_}; }
  void advance(std::size_t tokens) { length_ += tokens; }

 private:
  std::size_t layers_ = 0, stride_ = 0, capacity_ = 0, length_ = 0;
  AlignedArray<T> data_;
};

}  // namespace bert::inline BERT_ABI
