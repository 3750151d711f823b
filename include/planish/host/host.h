// What this machine gives to this process: cores under every limit, instruction sets, memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "planish/base/json_fwd.h"

namespace planish {

/// One instruction set that decides how fast INT8 is. Names are planish's; `flag` is the kernel's.
struct IsaRow {
  std::string_view name = {};
  std::string_view flag = {};
  std::string_view meaning = {};
};

inline constexpr IsaRow kIsaRows[] = {
    {"avx2", "avx2", "8-bit products by VPMADDUBSW: may saturate with 8-bit weights"},
    {"avx512f", "avx512f", "512-bit vectors"},
    {"avx512_vnni", "avx512_vnni", "8-bit dot products in one instruction, 512 bits"},
    {"avx_vnni", "avx_vnni", "8-bit dot products in one instruction, 256 bits"},
    {"amx_int8", "amx_int8", "8-bit matrix tiles"},
    {"arm_dotprod", "asimddp", "8-bit dot products (SDOT/UDOT)"},
    {"arm_i8mm", "i8mm", "8-bit matrix products (SMMLA/UMMLA)"},
};

/// CPU limit of the control group, and how much of the time it stopped this process.
struct CpuQuota {
  double cores = 0.0;                // quota / period, the least of the group and its ancestors
  std::string where = {};            // the group that sets it
  std::uint64_t throttled_usec = 0;  // since the group was made
};

/// One cache of the first core, as /sys/devices/system/cpu/cpu0/cache tells it.
struct CacheLevel {
  int level = 0;
  std::uint64_t bytes = 0;
  int shared_by = 1;  // cores that share it
};

struct HostReport {
  std::string cpu = {};
  std::vector<std::string> isa = {};    // names of kIsaRows
  int cores_online = 1;                 // of the machine
  int cores_allowed = 1;                // by affinity and cpuset
  std::optional<CpuQuota> quota = {};   // nothing: no limit
  int cores_usable = 1;                 // min(allowed, quota rounded down), at least 1
  std::uint64_t memory_bytes = 0;       // of the machine, or of the group's limit if that is less
  std::vector<CacheLevel> caches = {};  // for data, smallest first; empty where /sys does not tell
  int numa_nodes = 1;                   // with memory of their own

  /// Whether 8-bit dot products take one instruction here, so that about 3x can be expected.
  [[nodiscard]] bool has_int8_dot_product() const;
};

/// Reads /proc and /sys below `root` (another root: a test's picture of a machine) and the affinity
/// of this process. What cannot be read is left at its default; never throws for a missing file.
///
/// Quotas: cgroup v2 cpu.max and v1 cpu.cfs_quota_us, of the process's own group and every ancestor
/// that is visible.
HostReport describe_host(const std::filesystem::path& root = "/");

/// HostReport::cores_usable of this process, read afresh.
int usable_cores();
/// What a configuration's `threads` means: that many, or usable_cores() for 0.
std::size_t threads_or_usable(int threads);

/// Steal time and other load: shares of all CPU time since `earlier`, in [0, 1].
struct CpuTimes {
  std::uint64_t total = 0, idle = 0, steal = 0, own = 0;  // clock ticks
};
CpuTimes read_cpu_times(const std::filesystem::path& root = "/");

Json to_json(const HostReport& report);

}  // namespace planish
