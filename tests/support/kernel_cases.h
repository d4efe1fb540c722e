// The sizes that kernels are tested and measured with: one list for tests/kernels and bench/.
//
// `edges` hit every tail: 0, 1 and 2 x 16 lanes, panels of 16 and 32 columns, strips of 4, 6 and 14 rows, k blocks of
// 256 terms. `models` are the products that real models compute; tests run those that the scalar kernels can do
// quickly. A benchmark for a new case is a line here.
#pragma once
#include <cstddef>
#include <vector>

namespace tests {

struct GemmCase {
  const char* name;
  std::size_t m, n, k;
  double flops() const { return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k); }
};
inline const std::vector<GemmCase> gemm_models = {
    {"minilm qkv", 16, 1152, 384},   {"minilm qkv", 128, 1152, 384},  {"minilm up", 16, 1536, 384},
    {"minilm up", 128, 1536, 384},   {"minilm down", 16, 384, 1536},  {"minilm down", 128, 384, 1536},
    {"base qkv", 1, 2304, 768},      {"base qkv", 16, 2304, 768},     {"base qkv", 128, 2304, 768},
    {"base out", 128, 768, 768},     {"base up", 128, 3072, 768},     {"base up", 512, 3072, 768},
    {"base down", 16, 768, 3072},    {"base down", 128, 768, 3072},   {"base down", 512, 768, 3072},
    {"base decoder", 1, 30522, 768}, {"base decoder", 20, 30522, 768}};
inline const std::vector<std::size_t> row_edges = {1, 2, 3, 4, 5, 6, 7, 8, 13, 14, 15, 28, 29};
inline const std::vector<std::size_t> column_edges = {1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65};
inline const std::vector<std::size_t> depth_edges = {1, 2, 15, 16, 17, 255, 256, 257, 511, 512, 513};

struct AttentionCase {
  std::size_t length, head_size;
  /// Scores and values: two products of [S, D] by [D, S].
  double flops() const { return 4.0 * static_cast<double>(length * length) * static_cast<double>(head_size); }
};
inline const std::vector<AttentionCase> attention_models = {{16, 32}, {128, 32}, {128, 64}, {512, 64}};
inline const std::vector<std::size_t> length_edges = {1, 2, 5, 6, 7, 13, 14, 15, 16, 17, 31, 32, 33, 65, 257};
inline const std::vector<std::size_t> head_edges = {1, 8, 12, 16, 17, 31, 32, 33, 64, 65};

struct RowCase {
  std::size_t rows, columns;
};
inline const std::vector<RowCase> row_models = {{128, 384}, {128, 768}, {512, 768}, {128, 1536}, {128, 3072}};
/// 0 to 2 x 16 lanes without a gap, then around larger multiples.
inline const std::vector<std::size_t> count_edges = [] {
  std::vector<std::size_t> counts;
  for (std::size_t i = 1; i <= 33; ++i) counts.push_back(i);
  for (std::size_t i : {47, 48, 49, 63, 64, 65, 255, 256, 257, 384, 513, 768, 769}) counts.push_back(i);
  return counts;
}();

}  // namespace tests
