// exp, log, erf, tanh and the activations: their errors, their edges, and the same bits on every ISA wherever a number
// stands in an array.
#include "support/catch.h"
#include "support/functions.h"
#include "support/kernel_cases.h"
#include "support/matrix.h"

#include <cstdio>
#include <thread>

using namespace tests;
using Kernels = bert::KernelTable<float>;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity(),
                not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr std::uint64_t every_float = std::uint64_t{1} << 32;

using Run = void (*)(const Kernels&, float*, std::size_t);

/// Each function once, by name.
std::vector<std::pair<const char*, Run>> runs() {
  std::vector<std::pair<const char*, Run>> all;
  for (const Function& f : functions())
    if (all.empty() || all.back().second != f.run) all.push_back({f.name, f.run});
  all.push_back({"linear", run_activation<bert::Activation::linear>});
  all.push_back({"relu", run_activation<bert::Activation::relu>});
  all.push_back({"relu6", run_activation<bert::Activation::relu6>});
  return all;
}

Run run_of(std::string_view name) {
  for (const auto& [key, run] : runs())
    if (key == name) return run;
  return nullptr;
}

void check_value(const char* name, float x, float expected) {
  for (const Kernels* kernels : all_kernels()) {
    float y = x;
    run_of(name)(*kernels, &y, 1);
    INFO(kernels->name << " " << name << " of " << x << " gives " << y << ", expected " << expected);
    CHECK(same_bits(y, expected));
  }
}

void print(const Function& f, const Worst& worst) {
  std::printf("| %s | %.9g | %.9g | %.3f | %.9g | %.2e | %.9g |\n", f.name, static_cast<double>(f.low),
              static_cast<double>(f.high), worst.ulp, static_cast<double>(worst.ulp_at), worst.absolute,
              static_cast<double>(worst.absolute_at));
  std::fflush(stdout);
}

}  // namespace

// The stride is prime, so the steps fall on every exponent and on mantissas of every kind.
TEST_CASE("elementary functions keep their promised errors over a sweep of float32", "[kernels][math]") {
  for (const Function& function : functions()) {
    const Worst worst = sweep(function, *all_kernels().back(), 0, every_float, 4099);
    INFO(function.name << " from " << function.low << " to " << function.high << ": " << worst.ulp << " ulp at "
                       << worst.ulp_at << ", " << worst.absolute << " at " << worst.absolute_at);
    CHECK(worst.ulp <= function.ulp);
    CHECK(worst.absolute <= function.absolute);
  }
}

// Run by hand (minutes): prints the table of docs/numerics.md.
TEST_CASE("elementary functions keep their promised errors over all of float32", "[.][slow][all-floats]") {
  for (const Function& function : functions()) {
    const std::uint64_t parts = std::max(1u, std::thread::hardware_concurrency());
    std::vector<Worst> worst(parts);
    std::vector<std::thread> threads;
    for (std::uint64_t part = 0; part < parts; ++part)
      threads.emplace_back([&, part] {
        worst[part] =
            sweep(function, *all_kernels().back(), every_float / parts * part, every_float / parts * (part + 1), 1);
      });
    for (std::thread& thread : threads) thread.join();
    for (const Worst& other : worst) worst[0].add(other);
    print(function, worst[0]);
    CHECK(worst[0].ulp <= function.ulp);
    CHECK(worst[0].absolute <= function.absolute);
  }
}

TEST_CASE("elementary functions have the same bits on every ISA over a sweep of all float32 bit patterns",
          "[kernels][math]") {
  std::vector<float> all;
  for (std::uint64_t bits = 0; bits < every_float; bits += 16411)
    all.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  for (const auto& [name, run] : runs()) {
    std::vector<float> expected = all;
    run(*all_kernels()[0], expected.data(), expected.size());
    for (const Kernels* kernels : all_kernels()) {
      std::vector<float> y = all;
      run(*kernels, y.data(), y.size());
      INFO(kernels->name << " " << name);
      CHECK(difference(y, expected) == "");
    }
  }
}

TEST_CASE("elementary functions do not depend on where a number stands, nor touch its neighbours", "[kernels][math]") {
  for (const auto& [name, run] : runs())
    for (const Kernels* kernels : all_kernels()) {
      const std::vector<float> x = awkward_values(130, 9, 3);
      std::vector<float> alone = x;
      for (float& value : alone) run(*kernels, &value, 1);
      for (std::size_t first : {0, 1, 3, 15})
        for (std::size_t count : count_edges) {
          if (first + count >= x.size()) continue;
          std::vector<float> y = x, expected = x;
          run(*kernels, y.data() + first, count);
          std::copy_n(alone.data() + first, count, expected.data() + first);
          INFO(kernels->name << " " << name << " of " << count << " from " << first);
          REQUIRE(difference(y, expected) == "");
        }
    }
}

TEST_CASE("elementary functions at zeros, infinities, NaN and where they saturate", "[kernels][math]") {
  check_value("exp", 0, 1);
  check_value("exp", -0.0f, 1);
  check_value("exp", 1e-40f, 1);
  check_value("exp", std::nextafter(-87.3f, -100.0f), 0);
  check_value("exp", -infinity, 0);
  check_value("exp", std::nextafter(88.72283f, 100.0f), infinity);  // e^x first exceeds the largest float there
  check_value("exp", infinity, infinity);
  check_value("log", 1, 0);
  check_value("log", 0, -infinity);
  check_value("log", -0.0f, -infinity);
  check_value("log", infinity, infinity);
  check_value("log", -1e-40f, not_a_number);
  check_value("log", -infinity, not_a_number);
  check_value("erf", -0.0f, -0.0f);
  check_value("erf", infinity, 1);
  check_value("erf", -infinity, -1);
  check_value("erf", 1e-40f, static_cast<float>(std::erf(static_cast<double>(1e-40f))));  // subnormal numbers count
  check_value("tanh", -0.0f, -0.0f);
  check_value("tanh", 1e-40f, 1e-40f);
  check_value("tanh", infinity, 1);
  check_value("tanh", -infinity, -1);
  check_value("sigmoid", 0, 0.5f);
  check_value("sigmoid", infinity, 1);
  check_value("sigmoid", -infinity, 0);
  check_value("gelu", infinity, infinity);
  check_value("gelu", -infinity, 0);
  check_value("gelu", -16, 0);
  check_value("gelu_tanh", infinity, infinity);
  check_value("relu", -0.0f, 0);
  check_value("relu", -infinity, 0);
  check_value("relu", not_a_number, 0);  // x > 0 ? x : +0
  check_value("relu6", 7, 6);
  check_value("relu6", std::nextafter(6.0f, 0.0f), std::nextafter(6.0f, 0.0f));
  check_value("relu2", -3, 0);
  check_value("relu2", 3, 9);
  check_value("linear", -0.0f, -0.0f);
  for (const char* name : {"exp", "log", "erf", "tanh", "sigmoid", "gelu", "gelu_tanh", "quick_gelu", "silu", "linear"})
    check_value(name, not_a_number, not_a_number);
}

// Where exp nears the largest float a rounding too many would run into the bits of infinity and NaN.
TEST_CASE("exp and what is made of it are sound at every float around the ends of its range", "[kernels][math]") {
  struct Window {
    const char* name;
    float low, high;
  };
  for (const Window& window : {Window{"exp", 88.6f, 88.8f},
                               {"exp", -87.4f, -87.2f},
                               {"sigmoid", -88.8f, -87.2f},
                               {"silu", -88.8f, -87.2f},
                               {"quick_gelu", -52.3f, -51.2f},
                               {"gelu_tanh", -10.1f, -9.95f}}) {
    std::vector<float> all;
    for (float x = window.low; x < window.high; x = std::nextafter(x, infinity)) all.push_back(x);
    const Function* function = nullptr;
    for (const Function& f : functions())
      if (window.name == std::string_view(f.name) && !function) function = &f;
    for (const Kernels* kernels : all_kernels()) {
      std::vector<float> y = all;
      function->run(*kernels, y.data(), y.size());
      INFO(kernels->name << " " << window.name);
      for (std::size_t i = 0; i < all.size(); ++i) {
        const double exact = function->exact(static_cast<double>(all[i])), seen = static_cast<double>(y[i]);
        const bool good = exact > 0x1.fffffefffffffp127 ? seen == static_cast<double>(infinity)
                                                        : std::fabs(seen - exact) <= 2e-7 * std::fabs(exact) + 1.3e-36;
        if (!good) FAIL(all[i] << " gives " << seen << ", expected " << exact);
      }
    }
  }
}

TEST_CASE("exp rises, erf and tanh are odd", "[kernels][math]") {
  const Kernels& kernels = *all_kernels().back();
  std::vector<float> x;
  for (int i = -87000; i <= 88000; ++i) x.push_back(static_cast<float>(i) / 1000);
  std::vector<float> y = x, odd = x, mirrored = x;
  kernels.exp(y.data(), y.size());
  for (std::size_t i = 1; i < y.size(); ++i) REQUIRE(y[i] > y[i - 1]);
  for (float& value : mirrored) value = -value;
  for (const char* name : {"erf", "tanh"}) {
    std::vector<float> a = odd, b = mirrored;
    run_of(name)(kernels, a.data(), a.size());
    run_of(name)(kernels, b.data(), b.size());
    for (float& value : b) value = -value;
    CHECK(difference(a, b) == "");
  }
}
