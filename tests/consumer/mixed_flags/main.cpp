// One program of two units that were compiled for different CPUs. The plain one must run everywhere, whatever the other
// one's flags; where the CPU has what the wide one needs, both give the same bits.
#include <cstdio>
#include <cstring>

#include "embed.h"

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const std::vector<float> plain = embed_plain(argv[1], "A man is playing a guitar.");
  std::printf("plain unit ran: %zu numbers\n", plain.size());
  if (plain.empty()) return 1;
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("fma")) {
    std::printf("this CPU has no AVX-512: the wide unit is not called\n");
    return 0;
  }
#endif
  const std::vector<float> wide = embed_wide(argv[1], "A man is playing a guitar.");
  const bool same =
      plain.size() == wide.size() && !std::memcmp(plain.data(), wide.data(), plain.size() * sizeof(float));
  std::printf("wide unit: %s\n", same ? "the same bits" : "OTHER BITS");
  return same ? 0 : 1;
}
