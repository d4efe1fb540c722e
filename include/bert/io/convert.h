// Elements of stored tensors as float or double: F32, F16 and BF16 become float exactly, F64 is rounded to nearest.
//
// A new stored type is one `case` here and one line in core/dtype.h.
#pragma once
#include <bert/io/safetensors.h>

#include <bit>
#include <cstring>
#include <type_traits>

namespace bert::inline BERT_ABI {

/// The float a binary16 stands for. Exact; NaNs keep sign and payload.
constexpr float f16_to_float(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000u) << 16, exponent = half >> 10 & 31u, fraction = half & 1023u;
  std::uint32_t bits = (exponent + 112) << 23 | fraction << 13;                                     // normal
  if (exponent == 31) bits = 0x7F800000u | fraction << 13;                                          // inf, NaN
  if (exponent == 0) bits = std::bit_cast<std::uint32_t>(static_cast<float>(fraction) * 0x1p-24f);  // subnormal, 0
  return std::bit_cast<float>(sign | bits);
}

/// The float a bfloat16 stands for. Exact.
constexpr float bf16_to_float(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

namespace detail {
template <class Stored, class T, class ToFloat>
void read_as(const std::byte* from, std::size_t count, T* out, ToFloat to_float) {
  if constexpr (std::is_same_v<Stored, T>) {
    std::memcpy(out, from, count * sizeof(T));
    return;
  }
  for (std::size_t i = 0; i < count; ++i) {
    Stored stored;
    std::memcpy(&stored, from + i * sizeof stored, sizeof stored);  // data may be unaligned
    out[i] = static_cast<T>(to_float(stored));
  }
}
}  // namespace detail

/// Reads elements [first, first + count) of a floating-point tensor, in row-major order, as T (float or double).
template <class T>
void read_elements(const TensorRef& tensor, std::size_t first, std::size_t count, T* out) {
  if (first > tensor.elements() || count > tensor.elements() - first)
    fail(tensor.name, " has ", tensor.elements(), " elements; asked for ", count, " from ", first, " on");
  const std::byte* const from = tensor.bytes.data() + first * size_of(tensor.dtype);
  const auto same = [](auto value) { return value; };
  switch (tensor.dtype) {
    case DType::F64:
      return detail::read_as<double>(from, count, out, same);
    case DType::F32:
      return detail::read_as<float>(from, count, out, same);
    case DType::F16:
      return detail::read_as<std::uint16_t>(from, count, out, f16_to_float);
    case DType::BF16:
      return detail::read_as<std::uint16_t>(from, count, out, bf16_to_float);
    default:
      fail(tensor.name, " is ", name(tensor.dtype), ", which does not hold real numbers");
  }
}

/// The same elements where they lie, when they are stored as T and aligned; else read into `space` [count].
template <class T>
const T* elements(const TensorRef& tensor, std::size_t first, std::size_t count, T* space) {
  const std::byte* const from = tensor.bytes.data() + first * sizeof(T);
  const bool as_stored = tensor.dtype == (sizeof(T) == 4 ? DType::F32 : DType::F64) &&
                         reinterpret_cast<std::uintptr_t>(from) % alignof(T) == 0 && first <= tensor.elements() &&
                         count <= tensor.elements() - first;
  if (as_stored) return reinterpret_cast<const T*>(from);
  read_elements(tensor, first, count, space);
  return space;
}

}  // namespace bert::inline BERT_ABI
