// Tensors and views: addressing, slices, ownership, and shape errors that name both shapes.
#include "support/catch.h"
#include "support/matrix.h"

#include <bert/core/packed_batch.h>
#include <bert/core/tensor.h>
#include <bert/core/workspace.h>

using namespace bert;

TEST_CASE("a tensor is zero, dense, row-major and 64-byte aligned", "[core][tensor]") {
  Tensor<float, 3> t({2, 3, 5});
  CHECK(reinterpret_cast<std::uintptr_t>(t.data()) % 64 == 0);
  CHECK(t.size() == 30);
  for (float x : t.span()) CHECK(x == 0);
  t(1, 2, 4) = 7;
  t(0, 1, 0) = 8;
  CHECK((t.data()[29] == 7 && t.data()[5] == 8));
  const Tensor<float, 3> moved = std::move(t);
  CHECK(moved(1, 2, 4) == 7);
  CHECK(Tensor<double, 2>().size() == 0);
  CHECK((Tensor<float, 2>({0, 4}).view().empty()));
  Tensor<std::int32_t, 1> line({4});
  line(3) = 5;
  CHECK(line.data()[3] == 5);
}

TEST_CASE("a view borrows strided rows and slices of them", "[core][tensor]") {
  std::vector<int> numbers(40);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<int>(i);
  const TensorView<int, 2> view(numbers.data(), {4, 6}, 10);
  CHECK(view(2, 3) == 23);
  CHECK(view.row(3) == numbers.data() + 30);
  CHECK(view.row_span(1).size() == 6);
  CHECK((view.rows() == 4 && view.columns() == 6 && view.size() == 24 && view.row_stride() == 10));
  const TensorView<const int, 2> part = view.slice_rows(1, 2).slice_columns(2, 3);
  CHECK((part.shape() == Shape<2>{2, 3}));
  CHECK((part(0, 0) == 12 && part(1, 2) == 24));
  const TensorView<int, 3> cube(numbers.data(), {2, 2, 5}, 10);  // rows 10 apart, whatever the rank
  CHECK(cube(1, 1, 4) == 34);
  view(0, 0) = -1;
  CHECK(numbers[0] == -1);
}

TEST_CASE("a wrong shape is an error that names the tensor and both shapes", "[core][tensor]") {
  const Tensor<float, 2> t({2, 3});
  CHECK_NOTHROW(check_shape("the answer", t.view(), {2, 3}));
  try {
    check_shape("the answer", t.view(), {2, 4});
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(std::string(error.what()) == "the answer is [2, 3], expected [2, 4]");
  }
}

TEST_CASE("an arena without memory counts what one with memory hands out", "[core][workspace]") {
  const auto lay_out = [](Arena& arena) {
    const TensorView<float, 2> a = arena.matrix<float>(3, 5);
    const double* b = arena.take<double>(1);
    const float* none = arena.take<float>(0);
    const TensorView<float, 2> c = arena.matrix<float>(7, 16);
    return std::vector<std::uintptr_t>{reinterpret_cast<std::uintptr_t>(a.data()), reinterpret_cast<std::uintptr_t>(b),
                                       reinterpret_cast<std::uintptr_t>(none),
                                       reinterpret_cast<std::uintptr_t>(c.data())};
  };
  Arena counting;
  for (std::uintptr_t address : lay_out(counting)) CHECK(address == 0);
  CHECK(counting.bytes() == 64 + 64 + 7 * 64);
  Workspace workspace;
  Arena arena(workspace.reserve(counting.bytes()));
  const std::vector<std::uintptr_t> at = lay_out(arena);
  CHECK(arena.bytes() == counting.bytes());
  for (std::uintptr_t address : at) CHECK(address % 64 == 0);
  CHECK((at[1] - at[0] == 64 && at[3] - at[1] == 64));
}

TEST_CASE("a workspace grows to the largest plan and stays there", "[core][workspace]") {
  Workspace workspace;
  CHECK(workspace.capacity() == 0);
  std::byte* const first = workspace.reserve(1000);
  CHECK(workspace.reserve(500) == first);
  CHECK(workspace.capacity() == 1000);
  std::byte* const larger = workspace.reserve(100000);
  larger[99999] = std::byte{1};
  CHECK(workspace.capacity() == 100000);
}

TEST_CASE("a packed batch lays sequences end to end, positions from 0", "[core][batch]") {
  PackedBatch batch;
  CHECK((batch.sequences() == 0 && batch.tokens() == 0));
  const std::int32_t a[] = {5, 6, 7}, types[] = {0, 1, 1}, b[] = {9};
  batch.add(a, types);
  batch.add(b);
  CHECK((batch.sequences() == 2 && batch.tokens() == 4 && batch.length(0) == 3 && batch.length(1) == 1));
  CHECK(batch.ids == std::vector<std::int32_t>{5, 6, 7, 9});
  CHECK(batch.type_ids == std::vector<std::int32_t>{0, 1, 1, 0});
  CHECK(batch.positions == std::vector<std::int32_t>{0, 1, 2, 0});
  CHECK(batch.offsets == std::vector<std::size_t>{0, 3, 4});
  CHECK(batch.lengths() == std::vector<std::size_t>{3, 1});
  CHECK(PackedBatch(a).type_ids == std::vector<std::int32_t>{0, 0, 0});
}

TEST_CASE("a packed batch refuses an empty sequence and type ids of another length, and stays as it was",
          "[core][batch]") {
  PackedBatch batch;
  const std::int32_t ids[] = {1, 2, 3};
  batch.add(ids);
  CHECK_THROWS_AS(batch.add({}), Error);
  try {
    batch.add(ids, std::span(ids).first(2));
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("3 ids has 2 token type ids") != std::string::npos);
  }
  CHECK((batch.sequences() == 1 && batch.tokens() == 3 && batch.positions.size() == 3));
}
