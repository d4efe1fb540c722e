// available_threads(): CPU quotas of control groups, read from made-up files.
#include <bert/core/cpus.h>

#include "io/files.h"
#include "support/catch.h"

using tests::TemporaryFolder;

namespace {

struct File {
  const char *path, *text;
};

int cpus(std::initializer_list<File> files) {
  const TemporaryFolder root;
  for (const File& file : files) tests::write_file(root / file.path, file.text);
  return bert::detail::cgroup_cpus(root.path().string());
}

}  // namespace

TEST_CASE("a cgroup v2 quota gives ceil(quota / period) CPUs, at least one", "[core][cpus]") {
  const auto with = [](const char* quota) {
    return cpus({{"proc/self/cgroup", "0::/job\n"}, {"sys/fs/cgroup/job/cpu.max", quota}});
  };
  CHECK(with("200000 100000\n") == 2);
  CHECK(with("200001 100000\n") == 3);
  CHECK(with("1000 100000\n") == 1);
  CHECK(with("50000 20000") == 3);
  CHECK(with("max 100000\n") == 0);
  CHECK(with("9000000000000 100000\n") == 1024);
  for (const char* damaged : {"", "\n", "two 100000\n", "200000", "200000 0\n", "-1 100000\n", "200000 x\n"}) {
    INFO(damaged);
    CHECK(with(damaged) == 0);
  }
}

TEST_CASE("the smallest quota on the way up to the root counts", "[core][cpus]") {
  const File group{"proc/self/cgroup", "0::/a/b/c\n"};
  CHECK(
      cpus({group, {"sys/fs/cgroup/a/cpu.max", "300000 100000\n"}, {"sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n"}}) ==
      3);
  CHECK(
      cpus({group, {"sys/fs/cgroup/a/cpu.max", "300000 100000\n"}, {"sys/fs/cgroup/a/b/cpu.max", "150000 100000\n"}}) ==
      2);
  CHECK(cpus({group, {"sys/fs/cgroup/cpu.max", "100000 100000\n"}, {"sys/fs/cgroup/a/cpu.max", "300000 100000\n"}}) ==
        1);
  CHECK(cpus({group, {"sys/fs/cgroup/other/cpu.max", "100000 100000\n"}}) == 0);
  CHECK(cpus({{"proc/self/cgroup", "0::/\n"}, {"sys/fs/cgroup/cpu.max", "400000 100000\n"}}) == 4);  // a container's
}

TEST_CASE("cgroup v1 quotas count as well, where its cpu controller is mounted", "[core][cpus]") {
  const char* const groups = "9:memory:/job\n4:cpu,cpuacct:/job\n2:cpuset:/job\n0::/\n";
  const auto with = [&](const char* mount, const char* quota, const char* period) {
    const std::string folder = std::string("sys/fs/cgroup/") + mount;
    const std::string quota_file = folder + "/cpu.cfs_quota_us", period_file = folder + "/cpu.cfs_period_us";
    return cpus({{"proc/self/cgroup", groups}, {quota_file.c_str(), quota}, {period_file.c_str(), period}});
  };
  CHECK(with("cpu/job", "250000\n", "100000\n") == 3);
  CHECK(with("cpu,cpuacct/job", "100000\n", "50000\n") == 2);
  CHECK(with("cpu", "100000\n", "100000\n") == 1);  // a container that sees the host's path and its own files
  CHECK(with("cpu/job", "-1\n", "100000\n") == 0);
  CHECK(with("memory/job", "100000\n", "100000\n") == 0);
}

TEST_CASE("without control groups there is no quota", "[core][cpus]") {
  CHECK(cpus({}) == 0);
  CHECK(cpus({{"proc/self/cgroup", "nonsense\n0:\n\n"}, {"sys/fs/cgroup/cpu.max", "100000 100000\n"}}) == 0);
  CHECK(bert::available_threads() >= 1);
}
