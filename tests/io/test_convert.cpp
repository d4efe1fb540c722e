#include <bert/io/convert.h>

#include <cmath>
#include <limits>

#include "files.h"
#include "support/catch.h"

using bert::DType;
using bert::TensorRef;

namespace {
/// Value of an IEEE format with these field widths, by the definition (IEEE 754-2008, 3.4), in double.
double value_by_definition(unsigned bits, int exponent_bits, int fraction_bits) {
  const unsigned fraction = bits & ((1u << fraction_bits) - 1),
                 exponent = bits >> fraction_bits & ((1u << exponent_bits) - 1);
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const double sign = bits >> (exponent_bits + fraction_bits) ? -1 : 1;
  if (exponent == (1u << exponent_bits) - 1)
    return fraction ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  if (exponent == 0) return sign * std::ldexp(static_cast<double>(fraction), 1 - bias - fraction_bits);
  return sign * std::ldexp(1 + static_cast<double>(fraction) / (1 << fraction_bits), static_cast<int>(exponent) - bias);
}

template <class T>
TensorRef tensor_of(DType dtype, const std::vector<T>& values) {
  return {"t", dtype, {values.size()}, std::as_bytes(std::span(values))};
}

void check_all_values(DType dtype, int exponent_bits, int fraction_bits) {
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  std::vector<float> floats(all.size());
  std::vector<double> doubles(all.size());
  bert::read_elements(tensor_of(dtype, all), 0, all.size(), floats.data());
  bert::read_elements(tensor_of(dtype, all), 0, all.size(), doubles.data());
  for (unsigned i = 0; i < all.size(); ++i) {
    const double expected = value_by_definition(i, exponent_bits, fraction_bits);
    CAPTURE(i);
    if (std::isnan(expected)) {
      REQUIRE((std::isnan(floats[i]) && std::isnan(doubles[i])));
      continue;
    }
    REQUIRE(floats[i] == static_cast<float>(expected));
    REQUIRE(doubles[i] == expected);
    REQUIRE(std::signbit(floats[i]) == std::signbit(expected));
    REQUIRE(std::signbit(doubles[i]) == std::signbit(expected));
  }
}
}  // namespace

TEST_CASE("every F16 value becomes its float and double exactly", "[io][convert]") {
  check_all_values(DType::F16, 5, 10);
}
TEST_CASE("every BF16 value becomes its float and double exactly", "[io][convert]") {
  check_all_values(DType::BF16, 8, 7);
}

TEST_CASE("F32 and F64 are read at any alignment and offset", "[io][convert]") {
  const std::vector<double> doubles{1.0, -0.0, 1e300, 0.1, 5e-324};
  const std::vector<float> floats{1.0f, -0.0f, 3.0e38f, 0.1f, 1e-45f};
  for (std::size_t shift = 0; shift < 9; ++shift) {
    std::vector<std::byte> moved(shift + doubles.size() * 8);
    std::memcpy(moved.data() + shift, doubles.data(), doubles.size() * 8);
    const TensorRef f64{"t", DType::F64, {5}, std::span(moved).subspan(shift)};
    std::vector<double> out(3);
    bert::read_elements(f64, 2, 3, out.data());
    CHECK(out == std::vector<double>{1e300, 0.1, 5e-324});
    float narrow = 0;
    bert::read_elements(f64, 3, 1, &narrow);
    CHECK(narrow == 0.1f);

    std::memcpy(moved.data() + shift, floats.data(), floats.size() * 4);
    const TensorRef f32{"t", DType::F32, {5}, std::span(moved).subspan(shift, 20)};
    bert::read_elements(f32, 1, 3, out.data());
    CHECK(out == std::vector<double>{-0.0, 3.0e38f, 0.1f});
  }
}

TEST_CASE("reading elements that are not there, or are no real numbers, is an error", "[io][convert]") {
  const std::vector<float> floats(4);
  float out[8];
  const TensorRef tensor = tensor_of(DType::F32, floats);
  CHECK(tests::error_of([&] { bert::read_elements(tensor, 2, 3, out); }) == "t has 4 elements; asked for 3 from 2 on");
  CHECK(tests::error_of([&] { bert::read_elements(tensor, 5, 0, out); }).find("asked for 0 from 5") !=
        std::string::npos);
  CHECK(tests::error_of([&] { bert::read_elements(tensor, 2, ~std::size_t{0}, out); }).find("asked for") !=
        std::string::npos);
  bert::read_elements(tensor, 4, 0, out);
  const std::vector<std::int32_t> integers(4);
  CHECK(tests::error_of([&] { bert::read_elements(tensor_of(DType::I32, integers), 0, 4, out); }) ==
        "t is I32, which does not hold real numbers");
}
