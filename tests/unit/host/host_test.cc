#include "planish/host/host.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "planish/base/file.h"

namespace planish {
namespace {

/// A picture of /proc and /sys in a temporary folder.
class FakeMachine {
 public:
  FakeMachine& file(const std::string& path, const std::string& text) {
    const auto full = folder_.path() / path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
    return *this;
  }
  [[nodiscard]] HostReport describe() const { return describe_host(folder_.path()); }

 private:
  TemporaryFolder folder_;
};

constexpr const char* kV2Mount = "30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

TEST(DescribeHost, SaysInstructionSetsByKernelFlags) {
  FakeMachine machine;
  machine.file("proc/cpuinfo",
               "processor\t: 0\nmodel name\t: Test CPU\nflags\t\t: fpu avx2 avx512f avx512_vnni\n");
  const HostReport report = machine.describe();
  EXPECT_EQ(report.cpu, "Test CPU");
  EXPECT_EQ(report.isa, (std::vector<std::string>{"avx2", "avx512f", "avx512_vnni"}));
  EXPECT_TRUE(report.has_int8_dot_product());
}

TEST(DescribeHost, Avx2AloneHasNoDotProduct) {
  FakeMachine machine;
  machine.file("proc/cpuinfo", "flags\t: fpu avx2\n");
  EXPECT_FALSE(machine.describe().has_int8_dot_product());
}

TEST(DescribeHost, ArmFeaturesAreRead) {
  FakeMachine machine;
  machine.file("proc/cpuinfo", "Features\t: fp asimd asimddp i8mm\n");
  EXPECT_EQ(machine.describe().isa, (std::vector<std::string>{"arm_dotprod", "arm_i8mm"}));
}

TEST(DescribeHost, TakesTheLeastQuotaOfAllAncestors) {
  FakeMachine machine;
  machine.file("proc/self/mountinfo", kV2Mount)
      .file("proc/self/cgroup", "0::/pod/container\n")
      .file("sys/fs/cgroup/pod/container/cpu.max", "400000 100000\n")
      .file("sys/fs/cgroup/pod/cpu.max", "150000 100000\n")
      .file("sys/fs/cgroup/pod/cpu.stat", "usage_usec 5\nthrottled_usec 77\n");
  const HostReport report = machine.describe();
  ASSERT_TRUE(report.quota);
  EXPECT_DOUBLE_EQ(report.quota->cores, 1.5);
  EXPECT_EQ(report.quota->throttled_usec, 77U);
  EXPECT_EQ(report.cores_usable, 1);  // rounded down
}

TEST(DescribeHost, AQuotaBelowOneCoreStillGivesOne) {
  FakeMachine machine;
  machine.file("proc/self/mountinfo", kV2Mount)
      .file("proc/self/cgroup", "0::/\n")
      .file("sys/fs/cgroup/cpu.max", "20000 100000\n");
  EXPECT_EQ(machine.describe().cores_usable, 1);
}

TEST(DescribeHost, MaxMeansNoQuota) {
  FakeMachine machine;
  machine.file("proc/self/mountinfo", kV2Mount)
      .file("proc/self/cgroup", "0::/\n")
      .file("sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_FALSE(machine.describe().quota);
}

TEST(DescribeHost, ReadsVersionOneHierarchiesShownInPart) {
  FakeMachine machine;
  machine
      .file("proc/self/mountinfo",
            "33 25 0:29 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n")
      .file("proc/self/cgroup", "4:cpu,cpuacct:/docker/abc\n")
      .file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n")
      .file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  const HostReport report = machine.describe();
  ASSERT_TRUE(report.quota);
  EXPECT_DOUBLE_EQ(report.quota->cores, 2.5);
}

TEST(DescribeHost, MemoryIsTheLeastOfMachineAndGroup) {
  FakeMachine machine;
  machine.file("proc/meminfo", "MemTotal:       1024 kB\n")
      .file("proc/self/mountinfo", kV2Mount)
      .file("proc/self/cgroup", "0::/\n")
      .file("sys/fs/cgroup/memory.max", "4096\n");
  EXPECT_EQ(machine.describe().memory_bytes, 4096U);
}

TEST(DescribeHost, CachesForDataAreListedFromTheSmallest) {
  FakeMachine machine;
  const std::string cache = "sys/devices/system/cpu/cpu0/cache/index";
  machine.file(cache + "0/type", "Unified\n").file(cache + "0/level", "3\n");
  machine.file(cache + "0/size", "32M\n").file(cache + "0/shared_cpu_list", "0-3,8\n");
  machine.file(cache + "1/type", "Instruction\n").file(cache + "1/level", "1\n");
  machine.file(cache + "1/size", "32K\n").file(cache + "1/shared_cpu_list", "0\n");
  machine.file(cache + "2/type", "Data\n").file(cache + "2/level", "1\n");
  machine.file(cache + "2/size", "48K\n").file(cache + "2/shared_cpu_list", "0\n");
  const HostReport report = machine.describe();
  ASSERT_EQ(report.caches.size(), 2U);
  EXPECT_EQ(report.caches[0].bytes, 48U << 10);
  EXPECT_EQ(report.caches[0].shared_by, 1);
  EXPECT_EQ(report.caches[1].level, 3);
  EXPECT_EQ(report.caches[1].bytes, 32U << 20);
  EXPECT_EQ(report.caches[1].shared_by, 5);
}

TEST(DescribeHost, CountsNumaNodesWithMemory) {
  FakeMachine machine;
  machine.file("sys/devices/system/node/has_memory", "0-1\n");
  EXPECT_EQ(machine.describe().numa_nodes, 2);
}

TEST(DescribeHost, AnEmptyMachineGivesDefaults) {
  const HostReport report = FakeMachine().describe();
  EXPECT_TRUE(report.isa.empty());
  EXPECT_FALSE(report.quota);
  EXPECT_GE(report.cores_usable, 1);
}

TEST(DescribeHost, ThisMachineIsDescribed) {
  const HostReport report = describe_host();
  EXPECT_FALSE(report.cpu.empty());
  EXPECT_GT(report.memory_bytes, 0U);
  EXPECT_LE(report.cores_usable, report.cores_online);
}

}  // namespace
}  // namespace planish
