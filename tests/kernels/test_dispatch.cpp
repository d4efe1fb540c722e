// Which instruction sets are offered, and what is said to a name that is unknown or cannot run here.
#include "support/catch.h"
#include "support/matrix.h"

#include <algorithm>
#include <fstream>
#include <set>

using namespace tests;

namespace {

std::string message(std::string_view isa) {
  try {
    bert::kernels_for(isa);
  } catch (const bert::Error& error) {
    return error.what();
  }
  return "";
}

/// Instruction sets that share everything with another but their 8-bit products (kernels/ops/int8_overlay.h), or but
/// their products of bfloat16 (kernels/ops/bf16.h).
bool int8_overlay(std::string_view name) { return name == "avx_vnni" || name == "avx512_vnni" || name == "neon_dot"; }
bool bf16_overlay(std::string_view name) { return name == "avx512_bf16"; }

}  // namespace

TEST_CASE("every runnable instruction set has a whole table under its own name", "[kernels][dispatch]") {
  REQUIRE(std::string_view(all_kernels()[0]->name) == "scalar");
  std::set<const void*> distinct, distinct_int8;
  for (std::size_t i = 0; i < all_kernels().size(); ++i) {
    const bert::KernelTable<float>& kernels = *all_kernels()[i];
    CHECK(kernels.name == bert::kernels::runnable_isas()[i]);
    CHECK(kernels.panel_width % 16 == 0);
    CHECK((kernels.pack && kernels.gemm && kernels.attention_scratch && kernels.attention && kernels.layer_norm));
    CHECK((kernels.embed && kernels.activate && kernels.softmax && kernels.pool && kernels.dot && kernels.peak));
    CHECK((kernels.exp && kernels.erf && kernels.tanh && kernels.log));
    REQUIRE(kernels.int8);
    CHECK((kernels.int8->packed_bytes && kernels.int8->pack && kernels.int8->quantize && kernels.int8->gemm));
    const bool other_int8 = int8_overlay(kernels.name), other_bf16 = bf16_overlay(kernels.name);
    CHECK((kernels.bf16 != nullptr) == (other_bf16 || i == 0));
    CHECK(distinct.insert(reinterpret_cast<const void*>(kernels.gemm)).second == !(other_int8 || other_bf16));
    CHECK(distinct_int8.insert(reinterpret_cast<const void*>(kernels.int8->gemm)).second == !other_bf16);
  }
}

#if defined(__x86_64__)
TEST_CASE("runnable instruction sets are those that the operating system reports", "[kernels][dispatch]") {
  std::ifstream info("/proc/cpuinfo");
  std::string line, flags;
  while (std::getline(info, line) && flags.empty())
    if (line.rfind("flags", 0) == 0) flags = line + " ";
  if (flags.empty()) return;
  const auto has = [&](const char* flag) { return flags.find(std::string(" ") + flag + " ") != std::string::npos; };
  std::vector<std::string_view> expected{"scalar"};
  if (has("avx2") && has("fma") && has("f16c")) expected.push_back("avx2");
  if (expected.size() == 2 && has("avx_vnni")) expected.push_back("avx_vnni");
  const bool avx512 = has("avx512f") && has("avx512bw") && has("avx512vl") && has("avx512dq");
  if (avx512) expected.push_back("avx512");
  if (avx512 && has("avx512_vnni")) expected.push_back("avx512_vnni");
  if (avx512 && has("avx512_vnni") && has("avx512_bf16")) expected.push_back("avx512_bf16");
  CHECK(bert::kernels::runnable_isas() == expected);
  for (const char* name : {"neon", "avx", "sse2", ""}) CHECK_FALSE(bert::kernels::cpu_has(name));
}
#endif

TEST_CASE("an instruction set nobody knows is a usage error that lists the names", "[kernels][dispatch]") {
  for (const char* name : {"sse9", "", "AVX2", "avx", "avx2 ", "scalar, avx2", ","}) {
    INFO(name);
    CHECK_THROWS_AS(bert::kernels_for(name), bert::UsageError);
    CHECK(message(name).find("scalar, avx2, avx_vnni, avx512, avx512_vnni, avx512_bf16, neon, neon_dot") !=
          std::string::npos);
  }
}

TEST_CASE("an instruction set of other CPUs is an error that lists what runs here", "[kernels][dispatch]") {
#if defined(__x86_64__)
  const char* const foreign = "neon";
#else
  const char* const foreign = "avx2";
#endif
  CHECK_THROWS_AS(bert::kernels_for(foreign), bert::Error);
  CHECK(message(foreign).find(bert::concat("cannot run the instruction set \"", foreign, "\"; it runs scalar")) !=
        std::string::npos);
}

TEST_CASE("BERT_ISA chooses the default kernels, else the best of this CPU", "[kernels][dispatch]") {
  const char* const chosen = std::getenv("BERT_ISA");
  const std::string_view expected =
      chosen && *chosen ? std::string_view(chosen) : bert::kernels::runnable_isas().back();
  CHECK(bert::default_kernels<float>().name == expected);
  CHECK(std::string_view(bert::default_kernels<double>().name) == "reference");
}

TEST_CASE("the peak loop counts its multiplications and additions and returns finite numbers", "[kernels][dispatch]") {
  for (const bert::KernelTable<float>* kernels : all_kernels()) {
    std::vector<float> sink(16, 1e-3f), chains(16);
    const double once = kernels->peak(1, sink.data());
    CHECK(kernels->peak(10, sink.data()) == 10 * once);
    CHECK(std::isfinite(sink[0]));
    // From zeros the n chains begin at 0, 1, 2 … and stay there, and their sum n (n - 1) / 2 comes back.
    kernels->peak(1, chains.data());
    const double n = (1 + std::sqrt(1 + 8 * static_cast<double>(chains[0]))) / 2;
    CHECK(n >= 4);
    CHECK(once == 2 * 16 * n);
  }
}
