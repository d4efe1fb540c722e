// available_threads(): how many threads this process may keep busy: what the scheduler lets it use, not what the
// machine has.
#pragma once
#include <bert/core/abi.h>

#include <string>

namespace bert::inline BERT_ABI {

/// Threads this process may use: its affinity mask, cut by the CPU quota of its control groups and, where OpenMP is
/// used, by OMP_NUM_THREADS. At least 1.
int available_threads();

namespace detail {
/// CPUs that the quotas of this process's control group and its parents allow, ceil(quota / period) of the smallest;
/// 0 without a quota. Both versions of control groups, Linux's cgroup-v2 and sched-bwc documents. `root` is put before
/// every path: a test's folder in place of "".
int cgroup_cpus(const std::string& root);
}  // namespace detail

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <sched.h>

#include <charconv>
#include <cstdio>
#include <string_view>
#if defined(_OPENMP)
#include <omp.h>
#endif

namespace bert::inline BERT_ABI {

namespace detail {

/// Text of a small file; empty when it cannot be read.
inline std::string small_file(const std::string& path) {
  char text[4096];
  std::FILE* const file = std::fopen(path.c_str(), "re");
  const std::size_t size = file ? std::fread(text, 1, sizeof text, file) : 0;
  if (file) std::fclose(file);
  return std::string(text, size);
}

/// ceil(quota / period) of "quota period" (cpu.max); 0 for "max", -1 and what is no such text.
inline int cpus_of_quota(std::string_view text) {
  long long quota = 0, period = 0;
  const char *const end = text.data() + text.size(), *at = std::from_chars(text.data(), end, quota).ptr;
  while (at != end && (*at == ' ' || *at == '\n')) ++at;
  if (std::from_chars(at, end, period).ec != std::errc() || quota <= 0 || period <= 0) return 0;
  const long long cpus = quota / period + (quota % period != 0);
  return cpus < 1024 ? static_cast<int>(cpus) : 1024;
}

}  // namespace detail

BERT_INLINE int detail::cgroup_cpus(const std::string& root) {
  int least = 0;
  const auto consider = [&](int cpus) { least = cpus > 0 && (least == 0 || cpus < least) ? cpus : least; };
  const std::string groups = small_file(root + "/proc/self/cgroup");  // lines "number:controllers:/path"
  for (std::string_view rest = groups; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() < rest.size() ? line.size() + 1 : rest.size());
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const std::string controllers = "," + std::string(line.substr(first + 1, second - first - 1)) + ",";
    const bool unified = controllers == ",,";
    if (!unified && controllers.find(",cpu,") == controllers.npos) continue;
    // The path may be one of the host, which a container does not see: then the group at the mount is the container's.
    for (std::string path(line.substr(second + 1));; path.resize(path.rfind('/'))) {
      while (path.ends_with('/')) path.pop_back();
      if (unified) {
        for (const char* mount : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"})
          consider(cpus_of_quota(small_file(root + mount + path + "/cpu.max")));
      } else {
        for (const char* mount : {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"})
          consider(cpus_of_quota(small_file(root + mount + path + "/cpu.cfs_quota_us") +
                                 small_file(root + mount + path + "/cpu.cfs_period_us")));
      }
      if (path.rfind('/') == path.npos) break;
    }
  }
  return least;
}

BERT_INLINE int available_threads() {
  static const int quota = detail::cgroup_cpus("");  // read once: a call costs files
  cpu_set_t set;
  CPU_ZERO(&set);
  int cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  if (quota > 0 && quota < cpus) cpus = quota;
#if defined(_OPENMP)
  if (const int limit = omp_get_max_threads(); limit < cpus) cpus = limit;
#endif
  return cpus;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
