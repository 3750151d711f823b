#!/usr/bin/env bash
# Installs BUILD_DIR into a temporary prefix, moves it, then configures, builds and runs a project
# that finds planish there: tests/install/run.sh BUILD_DIR SOURCE_DIR
set -euo pipefail
build=${1:?usage: run.sh BUILD_DIR SOURCE_DIR}
source=${2:?usage: run.sh BUILD_DIR SOURCE_DIR}
work=$(mktemp -d "${TMPDIR:-/tmp}/planish-install.XXXXXX")
trap 'rm -rf -- "$work"' EXIT

quietly() {
  if ! "$@" >"$work/log" 2>&1; then
    echo "failed: $*" >&2
    cat "$work/log" >&2
    exit 1
  fi
}

# The consumer is compiled as the library was (a sanitizer changes what is linked).
cached() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"; }

quietly cmake --install "$build" --prefix "$work/first"
# What was installed must not know where it was installed.
mv "$work/first" "$work/prefix"
if grep -rIl --include='*.cmake' -F -e "$build" -e "$source" "$work/prefix"; then
  echo "the files above name the build or source folder" >&2
  exit 1
fi
quietly cmake -S "$source/tests/install" -B "$work/build" -G Ninja \
  -D CMAKE_PREFIX_PATH="$work/prefix" \
  -D CMAKE_BUILD_TYPE="$(cached CMAKE_BUILD_TYPE)" \
  -D CMAKE_CXX_COMPILER="$(cached CMAKE_CXX_COMPILER)" \
  -D CMAKE_CXX_FLAGS="$(cached CMAKE_CXX_FLAGS)"
quietly cmake --build "$work/build" --parallel 2

printed=$("$work/build/consumer" "$source/examples/cifar10/resnet8x4.onnx")
echo "consumer: $printed"
[[ $printed =~ ^nodes:\ [1-9][0-9]*$ ]] || { echo "expected 'nodes: N'" >&2; exit 1; }

# The installed command runs from where it is.
if [[ -x $work/prefix/bin/planish ]]; then
  "$work/prefix/bin/planish" --help | grep -q auto || { echo "bin/planish --help does not mention auto" >&2; exit 1; }
  echo "command: bin/planish runs"
fi
