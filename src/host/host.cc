#include "planish/host/host.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"

namespace planish {
namespace {

namespace fs = std::filesystem;

/// The file's text; nothing when it cannot be read: absence is ordinary in /proc and /sys.
std::optional<std::string> read_text(const fs::path& path) {
  try {
    return read_file(path, std::size_t{16} << 20);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  std::size_t start = 0;
  while (start <= text.size()) {
    const std::size_t end = std::min(text.find(separator, start), text.size());
    parts.emplace_back(text.substr(start, end - start));
    start = end + 1;
  }
  return parts;
}

std::vector<std::string> words(std::string_view text) {
  std::istringstream stream{std::string(text)};
  std::vector<std::string> result;
  for (std::string word; stream >> word;) result.push_back(std::move(word));
  return result;
}

template <typename T>
std::optional<T> number(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  T value{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

template <typename T>
std::optional<T> read_number(const fs::path& path) {
  const auto text = read_text(path);
  return text ? number<T>(*text) : std::nullopt;
}

/// "key value" or "key: value" lines: the value of the first line that starts with `key`.
std::optional<std::string> field(std::string_view text, std::string_view key) {
  for (const std::string& line : split(text, '\n')) {
    if (!line.starts_with(key)) continue;
    std::string_view rest = std::string_view(line).substr(key.size());
    if (rest.empty() || std::string_view(" \t:").find(rest.front()) == std::string_view::npos)
      continue;
    const std::size_t start = rest.find_first_not_of(" \t:");
    return std::string(start == std::string_view::npos ? std::string_view() : rest.substr(start));
  }
  return std::nullopt;
}

/// Where a control group hierarchy is mounted, and the part of it that the mount shows.
struct CgroupMount {
  fs::path mount_point;
  std::string root;
};

/// mountinfo: "36 35 0:30 /root /mount/point options - cgroup2 source superoptions" (proc(5)).
std::optional<CgroupMount> find_mount(const fs::path& root, std::string_view type,
                                      std::string_view controller) {
  const auto text = read_text(root / "proc/self/mountinfo");
  if (!text) return std::nullopt;
  for (const std::string& line : split(*text, '\n')) {
    const std::vector<std::string> fields = words(line);
    const auto dash = std::ranges::find(fields, "-");
    if (fields.size() < 10 || fields.end() - dash < 4 || *(dash + 1) != type) continue;
    const std::vector<std::string> options = split(*(dash + 3), ',');
    if (!controller.empty() && std::ranges::find(options, controller) == options.end()) continue;
    return CgroupMount{root / fs::path(fields[4]).relative_path(), fields[3]};
  }
  return std::nullopt;
}

/// The process's path in a hierarchy: lines "0::/path" (v2) and "4:cpu,cpuacct:/path" (v1).
std::optional<std::string> own_group(const fs::path& root, std::string_view controller) {
  const auto text = read_text(root / "proc/self/cgroup");
  if (!text) return std::nullopt;
  for (const std::string& line : split(*text, '\n')) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::vector<std::string> controllers =
        split(std::string_view(line).substr(first + 1, second - first - 1), ',');
    if (std::ranges::find(controllers, controller) != controllers.end())
      return line.substr(second + 1);
  }
  return std::nullopt;
}

/// The folders of the process's group and its visible ancestors, innermost first.
std::vector<fs::path> group_folders(const CgroupMount& mount, std::string group) {
  // Inside a container the mount shows only part of the hierarchy, which the path may still name.
  if (mount.root != "/" && group.starts_with(mount.root)) group.erase(0, mount.root.size());
  std::vector<fs::path> folders;
  fs::path relative = fs::path(group).relative_path();
  // A path that leads outside ("/../..": another namespace) says nothing about visible folders.
  if (std::ranges::find(relative, "..") != relative.end()) relative.clear();
  for (;;) {
    std::error_code failure;
    const fs::path folder = relative.empty() ? mount.mount_point : mount.mount_point / relative;
    if (fs::is_directory(folder, failure)) folders.push_back(folder);
    if (relative.empty()) return folders;
    relative = relative.parent_path();
  }
}

void keep_least(std::optional<CpuQuota>& least, double cores, const fs::path& where,
                std::uint64_t throttled_usec) {
  if (least && least->cores <= cores) return;
  least = CpuQuota{cores, where.string(), throttled_usec};
}

/// cpu.max: "max 100000" or "150000 100000" (quota and period in microseconds).
void read_quota_v2(const fs::path& folder, std::optional<CpuQuota>& least) {
  const auto text = read_text(folder / "cpu.max");
  if (!text) return;
  const std::vector<std::string> fields = words(*text);
  if (fields.size() != 2) return;
  const auto quota = number<double>(fields[0]);
  const auto period = number<double>(fields[1]);
  if (!quota || !period || *quota <= 0 || *period <= 0) return;
  std::uint64_t throttled = 0;
  if (const auto stat = read_text(folder / "cpu.stat")) {
    const auto value = field(*stat, "throttled_usec");
    throttled = value ? number<std::uint64_t>(*value).value_or(0) : 0;
  }
  keep_least(least, *quota / *period, folder, throttled);
}

void read_quota_v1(const fs::path& folder, std::optional<CpuQuota>& least) {
  const auto quota = read_number<double>(folder / "cpu.cfs_quota_us");
  const auto period = read_number<double>(folder / "cpu.cfs_period_us");
  if (!quota || !period || *quota <= 0 || *period <= 0) return;
  std::uint64_t throttled = 0;
  if (const auto stat = read_text(folder / "cpu.stat")) {
    const auto value = field(*stat, "throttled_time");  // nanoseconds
    throttled = (value ? number<std::uint64_t>(*value).value_or(0) : 0) / 1000;
  }
  keep_least(least, *quota / *period, folder, throttled);
}

std::optional<CpuQuota> read_quota(const fs::path& root) {
  std::optional<CpuQuota> least;
  if (const auto mount = find_mount(root, "cgroup2", "")) {
    for (const fs::path& folder : group_folders(*mount, own_group(root, "").value_or("/"))) {
      read_quota_v2(folder, least);
    }
  }
  if (const auto mount = find_mount(root, "cgroup", "cpu")) {
    for (const fs::path& folder : group_folders(*mount, own_group(root, "cpu").value_or("/"))) {
      read_quota_v1(folder, least);
    }
  }
  return least;
}

std::uint64_t read_memory(const fs::path& root) {
  std::uint64_t bytes = 0;
  if (const auto text = read_text(root / "proc/meminfo")) {
    const auto total = field(*text, "MemTotal");
    if (total) bytes = number<std::uint64_t>(words(*total).front()).value_or(0) * 1024;
  }
  const auto limit = [&](const fs::path& file) {
    const auto value = read_number<std::uint64_t>(file);  // "max" is not a number: no limit
    if (value && *value > 0) bytes = std::min(bytes, *value);
  };
  if (const auto mount = find_mount(root, "cgroup2", "")) {
    for (const fs::path& folder : group_folders(*mount, own_group(root, "").value_or("/"))) {
      limit(folder / "memory.max");
    }
  }
  if (const auto mount = find_mount(root, "cgroup", "memory")) {
    for (const fs::path& folder : group_folders(*mount, own_group(root, "memory").value_or("/"))) {
      limit(folder / "memory.limit_in_bytes");
    }
  }
  return bytes;
}

int affinity_count() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) {
    return static_cast<int>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  }
  return std::max(1, CPU_COUNT(&set));
}

/// "0-3,8" has five members (cpuset(7), list format); 0 for what is not such a list.
int list_size(std::string_view text) {
  int count = 0;
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  for (const std::string& range : split(text, ',')) {
    const std::size_t dash = range.find('-');
    const auto first = number<int>(std::string_view(range).substr(0, dash));
    const auto last =
        dash == std::string::npos ? first : number<int>(std::string_view(range).substr(dash + 1));
    if (!first || !last || *last < *first || *last > 1'000'000) return 0;
    count += *last - *first + 1;
  }
  return count;
}

/// "32768K", "1M" (the kernel's show functions of cacheinfo).
std::optional<std::uint64_t> cache_size(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::uint64_t unit = 1;
  if (text.ends_with('K')) unit = 1 << 10;
  if (text.ends_with('M')) unit = 1 << 20;
  if (unit > 1) text.pop_back();
  const auto value = number<std::uint64_t>(text);
  if (!value || *value > (std::uint64_t{1} << 40)) return std::nullopt;
  return *value * unit;
}

std::vector<CacheLevel> read_caches(const fs::path& root) {
  std::vector<CacheLevel> caches;
  for (int i = 0; i < 16; ++i) {
    const fs::path folder =
        root / "sys/devices/system/cpu/cpu0/cache" / ("index" + std::to_string(i));
    const auto type = read_text(folder / "type");
    const auto size = read_text(folder / "size");
    const auto level = read_number<int>(folder / "level");
    if (!type || !size || !level || type->starts_with("Instruction")) continue;
    const auto bytes = cache_size(*size);
    const int sharers = list_size(read_text(folder / "shared_cpu_list").value_or("0"));
    if (bytes) caches.push_back(CacheLevel{*level, *bytes, std::max(1, sharers)});
  }
  std::ranges::sort(caches, {}, &CacheLevel::level);
  return caches;
}

int count_numa_nodes(const fs::path& root) {
  const auto text = read_text(root / "sys/devices/system/node/has_memory");
  return std::max(1, text ? list_size(*text) : 1);
}

}  // namespace

bool HostReport::has_int8_dot_product() const {
  return std::ranges::any_of(isa, [](const std::string& name) {
    return name == "avx512_vnni" || name == "avx_vnni" || name == "amx_int8" ||
           name == "arm_dotprod" || name == "arm_i8mm";
  });
}

HostReport describe_host(const fs::path& root) {
  HostReport report;
  if (const auto text = read_text(root / "proc/cpuinfo")) {
    for (const std::string_view key : {"model name", "Model", "Hardware", "CPU implementer"}) {
      if (const auto name = field(*text, key); name && report.cpu.empty()) report.cpu = *name;
    }
    const auto flags = words(field(*text, "flags").value_or(field(*text, "Features").value_or("")));
    for (const IsaRow& row : kIsaRows) {
      if (std::ranges::find(flags, row.flag) != flags.end()) report.isa.emplace_back(row.name);
    }
  }
  report.cores_online = static_cast<int>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  report.cores_allowed = affinity_count();
  report.quota = read_quota(root);
  report.cores_usable = report.cores_allowed;
  if (report.quota) {
    // Down: a thread more than the quota is a thread that the kernel stops in every period.
    const int whole = std::max(1, static_cast<int>(std::floor(std::min(report.quota->cores, 1e6))));
    report.cores_usable = std::min(report.cores_usable, whole);
  }
  report.memory_bytes = read_memory(root);
  report.caches = read_caches(root);
  report.numa_nodes = count_numa_nodes(root);
  return report;
}

int usable_cores() { return describe_host().cores_usable; }
std::size_t threads_or_usable(int threads) {
  return static_cast<std::size_t>(threads > 0 ? threads : usable_cores());
}

CpuTimes read_cpu_times(const fs::path& root) {
  CpuTimes times;
  if (const auto text = read_text(root / "proc/stat")) {
    // "cpu user nice system idle iowait irq softirq steal …" (proc(5)); guest time is part of user.
    const std::vector<std::string> fields = words(field(*text, "cpu").value_or(""));
    for (std::size_t i = 0; i < std::min<std::size_t>(fields.size(), 8); ++i) {
      const std::uint64_t ticks = number<std::uint64_t>(fields[i]).value_or(0);
      times.total += ticks;
      if (i == 3 || i == 4) times.idle += ticks;
      if (i == 7) times.steal = ticks;
    }
  }
  if (const auto text = read_text(root / "proc/self/stat")) {
    // Fields 14 and 15 (utime, stime); the name in field 2 may hold spaces, so count from its ')'.
    const std::size_t close = text->rfind(')');
    const auto fields =
        words(close == std::string::npos ? std::string_view()
                                         : std::string_view(*text).substr(close + 1));
    if (fields.size() > 12) {
      times.own = number<std::uint64_t>(fields[11]).value_or(0) +
                  number<std::uint64_t>(fields[12]).value_or(0);
    }
  }
  return times;
}

Json to_json(const HostReport& report) {
  Json json;
  json["cpu"] = report.cpu;
  json["isa"] = report.isa;
  json["cores_online"] = report.cores_online;
  json["cores_allowed"] = report.cores_allowed;
  json["cores_usable"] = report.cores_usable;
  json["cgroup_quota"] = report.quota ? Json(report.quota->cores) : Json(nullptr);
  json["memory_bytes"] = report.memory_bytes;
  json["caches"] = Json::array();
  for (const CacheLevel& cache : report.caches) {
    json["caches"].push_back(
        {{"level", cache.level}, {"bytes", cache.bytes}, {"shared_by", cache.shared_by}});
  }
  json["numa_nodes"] = report.numa_nodes;
  return json;
}

}  // namespace planish
