#!/usr/bin/env bash
# Configures and builds one preset: tools/build.sh PRESET [TARGET...]; after tools/setup.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
preset=${1:?usage: tools/build.sh PRESET [TARGET...]}
shift

# As many jobs as cores, but no more than one for each 1.5 GB that is free (here or in the cgroup).
jobs=$(nproc)
free_kb=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo 2>/dev/null || true)
limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)
if [[ $limit =~ ^[0-9]+$ ]]; then
  used=$(cat /sys/fs/cgroup/memory.current 2>/dev/null || echo 0)
  left_kb=$(((limit - used) / 1024))
  ((${free_kb:-0} > 0 && free_kb < left_kb)) || free_kb=$left_kb
fi
if [[ -n ${free_kb:-} ]] && ((jobs > free_kb / 1500000)); then
  jobs=$((free_kb / 1500000))
fi
((jobs >= 1)) || jobs=1

if [[ -z ${CMAKE_CXX_COMPILER_LAUNCHER:-} ]] && command -v ccache >/dev/null; then
  export CMAKE_CXX_COMPILER_LAUNCHER=ccache
fi

log=build/$preset-configure.log
mkdir -p build
if ! cmake --preset "$preset" >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
exec cmake --build --preset "$preset" --parallel "$jobs" ${1:+--target "$@"}
