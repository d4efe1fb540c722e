// Numbers for tests: a generator of their own, awkward values, and comparisons by bits and by error.
#pragma once
#include <bert/kernels.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tests {

/// splitmix64 (Steele et al. 2014): the same numbers everywhere, and nothing of the library in them.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t bits() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  std::size_t below(std::size_t limit) { return static_cast<std::size_t>(bits() % limit); }
  /// Sum of four uniform numbers: bell-shaped, mean 0, standard deviation 1.15.
  double bell() {
    double sum = -4;
    for (int i = 0; i < 4; ++i) sum += static_cast<double>(bits() >> 11) * 0x1p-52;
    return sum;
  }

 private:
  std::uint64_t state_;
};

template <class T = float>
std::vector<T> random_values(std::size_t count, std::uint64_t seed, double scale = 1) {
  Random random(seed);
  std::vector<T> values(count);
  for (T& value : values) value = static_cast<T>(scale * random.bell());
  return values;
}

/// Zeros of both signs, subnormal, tiny, ordinary, huge and infinite numbers and NaN.
inline std::vector<float> special_values() {
  using Limits = std::numeric_limits<float>;
  std::vector<float> values{0,
                            1e-45f,
                            1e-40f,
                            1.1754942e-38f,
                            Limits::min(),
                            1e-30f,
                            1e-6f,
                            0.5f,
                            0.6f,
                            1,
                            1.5f,
                            5,
                            6,
                            16,
                            87.3f,
                            88.7228f,
                            104,
                            1e10f,
                            1e30f,
                            Limits::max(),
                            Limits::infinity()};
  for (std::size_t i = 0, count = values.size(); i < count; ++i) values.push_back(-values[i]);
  values.push_back(Limits::quiet_NaN());
  return values;
}

/// Random numbers with one awkward value in `rarity`, on average.
inline std::vector<float> awkward_values(std::size_t count, std::uint64_t seed, std::size_t rarity) {
  static const std::vector<float> special = special_values();
  std::vector<float> values = random_values<float>(count, seed);
  Random random(~seed);
  for (float& value : values)
    if (random.below(rarity) == 0) value = special[random.below(special.size())];
  return values;
}

/// Equal bit for bit; any NaN equals any other, payloads being outside the promise.
template <class T>
bool same_bits(T a, T b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0 || (a != a && b != b);
}

/// "" when a and b have the same bits, else where they first differ, for CHECK(difference(...) == "").
template <class T>
std::string difference(std::span<const T> a, std::span<const T> b) {
  if (a.size() != b.size()) return bert::concat(a.size(), " numbers and ", b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!same_bits(a[i], b[i])) return bert::concat("element ", i, " of ", a.size(), ": ", a[i], " and ", b[i]);
  return "";
}
template <class T>
std::string difference(const std::vector<T>& a, const std::vector<T>& b) {
  return difference(std::span<const T>(a), std::span<const T>(b));
}

/// Largest absolute error and root mean square error of a against b.
struct Errors {
  double largest = 0, squares = 0, reference = 0;  // reference: largest absolute value of b
  std::size_t count = 0;

  template <class A, class B>
  void add(std::span<const A> a, std::span<const B> b) {
    if (a.size() != b.size()) largest = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      const double error = std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
      largest = error <= largest ? largest : error;  // NaN stays
      reference = std::max(reference, std::fabs(static_cast<double>(b[i])));
      squares += error * error;
    }
    count += b.size();
  }
  double rms() const { return std::sqrt(squares / static_cast<double>(count)); }
  double relative() const { return largest / reference; }
};

/// The float kernels of every instruction set that runs here, scalar first.
inline const std::vector<const bert::KernelTable<float>*>& all_kernels() {
  static const std::vector<const bert::KernelTable<float>*> tables = [] {
    std::vector<const bert::KernelTable<float>*> found;
    for (std::string_view name : bert::kernels::runnable_isas()) found.push_back(&bert::kernels_for(name));
    return found;
  }();
  return tables;
}

}  // namespace tests
