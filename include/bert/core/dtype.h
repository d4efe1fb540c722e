// DType: the element types a weight file may hold, named as safetensors names them.
//
// A new type is one line in kDTypes; reading it as numbers is a case in io/convert.h.
#pragma once
#include <bert/core/abi.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace bert::inline BERT_ABI {

/// Element type of a stored tensor. F16 is IEEE binary16, BF16 the upper half of a binary32.
enum class DType : std::uint8_t { F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL };

namespace detail {
struct DTypeRow {
  std::string_view name;
  std::size_t size;  // bytes per element
  bool floating;
};
inline constexpr DTypeRow kDTypes[] = {{"F64", 8, true},  {"F32", 4, true},  {"F16", 2, true},  {"BF16", 2, true},
                                       {"I64", 8, false}, {"I32", 4, false}, {"I16", 2, false}, {"I8", 1, false},
                                       {"U8", 1, false},  {"BOOL", 1, false}};
}  // namespace detail

/// Bytes per element.
constexpr std::size_t size_of(DType dtype) { return detail::kDTypes[static_cast<std::size_t>(dtype)].size; }
/// "F32"
constexpr std::string_view name(DType dtype) { return detail::kDTypes[static_cast<std::size_t>(dtype)].name; }
constexpr bool is_floating(DType dtype) { return detail::kDTypes[static_cast<std::size_t>(dtype)].floating; }

/// The type of that name, nothing when there is none.
constexpr std::optional<DType> dtype_from_name(std::string_view name) {
  for (std::size_t i = 0; i < std::size(detail::kDTypes); ++i)
    if (detail::kDTypes[i].name == name) return static_cast<DType>(i);
  return std::nullopt;
}

}  // namespace bert::inline BERT_ABI
