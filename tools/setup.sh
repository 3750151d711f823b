#!/usr/bin/env bash
# Makes a Debian 12 machine ready to build planish; does nothing where nothing is missing.
#
#   tools/setup.sh [--sanitizers] [--export]
#
#   --sanitizers   also what `./test --sanitizers` needs (clang and its run-time libraries)
#   --export       print on stdout, for `eval`, where ONNX Runtime and the ONNX schema are;
#                  everything else that this script says goes to stderr
#
#   PLANISH_PREFIX     where downloads are unpacked (default ${XDG_CACHE_HOME:-~/.cache}/planish);
#                      every checkout of one user shares it
#   ONNXRUNTIME_ROOT   an unpacked ONNX Runtime (include/ and lib/): used as it is
#   ONNX_PROTO_FILE    an onnx-ml.proto: used as it is
#
# Everything is fetched by package name with the machine's own clients (apt-get, pip, npm), so their
# mirrors, proxies and credentials apply, and no address stands here.
set -euo pipefail

# ---------------------------------------------------------------- what is needed, in one place

debian_packages=(
  g++ cmake ninja-build pkg-config python3
  libprotobuf-dev protobuf-compiler nlohmann-json3-dev libcli11-dev libspdlog-dev libfmt-dev
  libturbojpeg0-dev libspng-dev libssl-dev zlib1g-dev
  libboost1.81-dev libsimdjson-dev prometheus-cpp-dev libgrpc++-dev
  libgtest-dev libgmock-dev libbenchmark-dev
)
sanitizer_packages=(clang-14 libclang-rt-14-dev)

# ONNX Runtime's library. One wheel per architecture is pinned, whatever Python the machine has:
# nothing of Python in it is used.
readonly onnxruntime_version=1.32.0
readonly onnxruntime_oldest=1.30  # of a system package
declare -Ar onnxruntime_sha256=(
  [x86_64]=5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d
  [aarch64]=2303372a85299b6757b0e11e1cbf13e410ddf7e10c37f4b37e99d1c90e7daf7c
)
# The same library in an npm package, for a machine that reaches npm and not PyPI.
readonly onnxruntime_node_version=1.30.0
readonly onnxruntime_node_sha512=twhs1C2C/BFkz1yc5OY0KIU2GUq6DURO7hD4bx5Q2Qy3nAMJwRXW8xU3NVczE29VA9lolLOYepoD8fjTGOfIqw==

# ONNX Runtime's headers. The suite moves, so a range is stated, and apt checks the signature. The
# library answers for every API version up to its own, so headers may be older than it, never newer.
readonly headers_package=libonnxruntime-dev
readonly headers_oldest=1.23
readonly headers_suites=(forky testing sid)

# The ONNX schema: only onnx/onnx-ml.proto of the wheel is kept.
readonly onnx_version=1.23.2
declare -Ar onnx_sha256=(
  [x86_64]=c03ecf6b835d136108eeaeeafbd0026fc7b3cf98661409fbc6b63d5a29361348
  [aarch64]=83b3fc8321303c9da62824730457ba2f7ae0970f0e2f7fc0117912df7f8a4826
)

# ---------------------------------------------------------------- small helpers

say() { printf 'setup: %s\n' "$*" >&2; }
die() {
  printf 'setup: error: %s\n' "$1" >&2
  shift
  (($# == 0)) || printf '  %s\n' "$@" >&2
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

work=
clean_up() { [[ -z $work ]] || rm -rf -- "$work"; }
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

as_root() {
  if ((EUID == 0)); then
    "$@"
  else
    sudo "$@"
  fi
}

# run_quietly LOG COMMAND...: the output is shown only to explain a failure.
run_quietly() {
  local log=$1
  shift
  "$@" >"$log" 2>&1 </dev/null
}

last_lines() { sed -e 's/^/    /' "$1" | grep -v '^ *$' | tail -n "${2:-6}" >&2 || true; }

# version_at_least 1.9 1.10 is false
version_at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

# ---------------------------------------------------------------- Debian packages

missing_packages() {
  local installed package
  # One call for all; a package that dpkg never heard of is only a line on stderr.
  installed=$(dpkg-query --show --showformat='${db:Status-Status} ${binary:Package}\n' "$@" 2>/dev/null \
    | sed -n 's/^installed \([^:]*\).*/\1/p' || true)
  for package in "$@"; do
    grep -qxF -- "$package" <<<"$installed" || printf '%s\n' "$package"
  done
}

install_packages() {
  local missing log try
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  have apt-get || die "this script installs Debian packages, and there is no apt-get here" \
    "install by hand what stands for: ${missing[*]}"
  if ((EUID != 0)) && ! have sudo; then
    die "these Debian packages are missing: ${missing[*]}" \
      "run as root: apt-get install --no-install-recommends ${missing[*]}"
  fi
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  log=$(mktemp "${TMPDIR:-/tmp}/planish-apt.XXXXXX")
  for try in 1 2; do
    if run_quietly "$log" as_root apt-get -q update &&
      run_quietly "$log" as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}"; then
      rm -f -- "$log"
      return 0
    fi
    ((try == 2)) || { say "apt-get failed, trying once more"; sleep 3; }
  done
  last_lines "$log"
  rm -f -- "$log"
  die "apt-get could not install: ${missing[*]}" \
    "its last words are above; try: apt-get update && apt-get install ${missing[*]}"
}

# ---------------------------------------------------------------- fetching by name

find_python_with_pip() {
  local candidate
  for candidate in python3 /usr/bin/python3; do
    if "$candidate" -m pip --version >/dev/null 2>&1; then
      printf '%s\n' "$candidate"
      return 0
    fi
  done
  return 1
}

# The Python whose pip is asked; empty when there is none, which leaves npm.
python=
prepare_pip() {
  [[ -z $python ]] || return 0
  python=$(find_python_with_pip) && return 0
  # In a subshell, for it is no reason to stop when it cannot be installed.
  (install_packages python3-pip) || true
  python=$(find_python_with_pip) || python=
}

# fetch_wheel NAME VERSION SHA256 LOG: into $work/wheels; pip itself refuses another digest.
fetch_wheel() {
  local name=$1 version=$2 sha256=$3 log=$4
  if [[ -z $python ]]; then
    echo "no pip on this machine" >"$log"
    return 1
  fi
  printf '%s==%s --hash=sha256:%s\n' "$name" "$version" "$sha256" >"$work/$name.requirements"
  # --isolated is not used: pip's configuration (index, proxy, certificates) is the user's.
  run_quietly "$log" "$python" -m pip download --quiet --no-input --disable-pip-version-check \
    --no-deps --only-binary=:all: --require-hashes \
    --python-version 311 --implementation cp --abi cp311 --platform "manylinux_2_28_$arch" \
    --dest "$work/wheels" --requirement "$work/$name.requirements"
}

# unpack_member ARCHIVE PATTERN DESTINATION_FILE: the one file of a wheel whose name matches.
unpack_member() {
  python3 - "$@" <<'PYTHON'
import fnmatch, shutil, sys, zipfile
archive, pattern, destination = sys.argv[1:]
with zipfile.ZipFile(archive) as wheel:
    names = [name for name in wheel.namelist() if fnmatch.fnmatchcase(name, pattern)]
    if len(names) != 1:
        sys.exit(f"{archive}: {len(names)} members match {pattern}, expected 1")
    with wheel.open(names[0]) as source, open(destination, "wb") as target:
        shutil.copyfileobj(source, target)
PYTHON
}

# publish TEMPORARY FINAL: the whole folder appears at once, or not at all.
publish() {
  chmod -R a+rX -- "$1"
  rm -rf -- "$2"
  mv -T -- "$1" "$2"
}

# ---------------------------------------------------------------- ONNX Runtime

library_from_pip() {
  say "downloading ONNX Runtime $onnxruntime_version (package onnxruntime)"
  fetch_wheel onnxruntime "$onnxruntime_version" "${onnxruntime_sha256[$arch]}" "$work/pip.log" || return 1
  unpack_member "$work"/wheels/onnxruntime-*.whl "onnxruntime/capi/libonnxruntime.so.$onnxruntime_version" \
    "$1/libonnxruntime.so.$onnxruntime_version" || return 1
  ln -s "libonnxruntime.so.$onnxruntime_version" "$1/libonnxruntime.so.1"
  library_version=$onnxruntime_version
}

library_from_npm() {
  local tarball digest member log=$work/npm.log
  if ! have npm; then
    echo "no npm on this machine" >"$log"
    return 1
  fi
  say "downloading ONNX Runtime $onnxruntime_node_version (npm package onnxruntime-node)"
  mkdir -p "$work/npm"
  (cd "$work/npm" && run_quietly "$log" npm pack --silent --ignore-scripts "onnxruntime-node@$onnxruntime_node_version") || return 1
  tarball=$(find "$work/npm" -name '*.tgz' | head -n 1)
  [[ -n $tarball ]] || { echo "npm pack made no file" >>"$log"; return 1; }
  digest=$(python3 -c 'import base64, hashlib, sys
print(base64.b64encode(hashlib.sha512(open(sys.argv[1], "rb").read()).digest()).decode())' "$tarball")
  if [[ $digest != "$onnxruntime_node_sha512" ]]; then
    printf 'the digest of onnxruntime-node %s is\n  sha512-%s, expected\n  sha512-%s\n' \
      "$onnxruntime_node_version" "$digest" "$onnxruntime_node_sha512" >"$log"
    return 1
  fi
  case $arch in x86_64) member=x64 ;; *) member=arm64 ;; esac
  tar -xzf "$tarball" -C "$work/npm" "package/bin/napi-v6/linux/$member/libonnxruntime.so.1" 2>>"$log" || return 1
  mv "$work/npm/package/bin/napi-v6/linux/$member/libonnxruntime.so.1" \
    "$1/libonnxruntime.so.$onnxruntime_node_version"
  ln -s "libonnxruntime.so.$onnxruntime_node_version" "$1/libonnxruntime.so.1"
  library_version=$onnxruntime_node_version
}

# The site from which this machine's own apt takes Debian: what it has for its release if that can
# be told, else any source of origin Debian that is no security or updates suite.
debian_site() {
  local codename
  # shellcheck source=/dev/null
  codename=$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}")
  # shellcheck disable=SC2016  # apt-get itself replaces $(SITE)
  {
    apt-get indextargets --format '$(SITE)' "Codename: ${codename:-none}" "Created-By: Packages" || true
    apt-get indextargets --format '$(SITE)' "Origin: Debian" "Label: Debian" "Created-By: Packages" || true
  } 2>/dev/null | head -n 1
}

# headers_from_apt DESTINATION: downloads with an apt state of its own, so the machine's apt never
# hears of the other suite, and installs nothing.
headers_from_apt() {
  local destination=$1 log=$work/apt.log apt=$work/apt site keyring suite version options
  : >"$log"
  if ! have apt-get || ! have dpkg-deb; then
    echo "no apt-get on this machine" >"$log"
    return 1
  fi
  site=$(debian_site)
  if [[ -z $site ]] && as_root true 2>/dev/null; then
    # A machine whose package lists were deleted (container images) cannot name its site yet.
    run_quietly "$log" as_root apt-get -q update || true
    site=$(debian_site)
  fi
  [[ -n $site ]] || { echo "apt-get indextargets names no Debian site: has this machine a Debian source?" >>"$log"; return 1; }
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  mkdir -p "$apt"/{etc,state/lists/partial,cache/archives/partial,deb}
  : >"$apt/status"
  options=(
    -o "Dir::State=$apt/state" -o "Dir::State::lists=$apt/state/lists" -o "Dir::State::status=$apt/status"
    -o "Dir::Cache=$apt/cache" -o "Dir::Etc::sourcelist=$apt/etc/planish.sources" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
    -o Acquire::Languages=none -o Acquire::Retries=2
  )
  # apt downloads as this user when it runs as root; it must be able to reach the folder.
  if ((EUID == 0)) && id _apt >/dev/null 2>&1; then
    chmod 711 "$work" && chmod 755 "$apt" && chown _apt "$apt/deb"
  fi
  for suite in "${headers_suites[@]}"; do
    {
      printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nTargets: Packages\n' "$site" "$suite"
      [[ ! -r $keyring ]] || printf 'Signed-By: %s\n' "$keyring"
    } >"$apt/etc/planish.sources"
    apt-get "${options[@]}" -q update >>"$log" 2>&1 || continue
    version=$(apt-cache "${options[@]}" show --no-all-versions "$headers_package" 2>>"$log" | sed -n 's/^Version: //p' | head -n 1)
    [[ -n $version ]] || { echo "$suite has no $headers_package" >>"$log"; continue; }
    if ! version_at_least "$version" "$headers_oldest" ||
      [[ $(cut -d. -f2 <<<"$version") -gt $(cut -d. -f2 <<<"$library_version") || $version != 1.* ]]; then
      echo "$suite has $headers_package $version; expected $headers_oldest to ${library_version%.*}" >>"$log"
      continue
    fi
    (cd "$apt/deb" && apt-get "${options[@]}" -q download "$headers_package=$version") >>"$log" 2>&1 || continue
    dpkg-deb -x "$apt/deb/$headers_package"_*.deb "$apt/unpacked" >>"$log" 2>&1 || continue
    cp -R "$apt/unpacked/usr/include/onnxruntime/." "$destination" || return 1
    [[ -f $destination/onnxruntime_cxx_api.h ]] || { echo "$headers_package $version has no onnxruntime_cxx_api.h" >>"$log"; return 1; }
    headers_version=$version
    return 0
  done
  return 1
}

# An ONNX Runtime of the system that is new enough, as its pkg-config file tells.
system_onnxruntime() { have pkg-config && pkg-config --atleast-version="$onnxruntime_oldest" libonnxruntime 2>/dev/null; }

is_onnxruntime_root() {
  [[ -e $1/lib/libonnxruntime.so || -e $1/lib64/libonnxruntime.so ]] &&
    [[ -e $1/include/onnxruntime_cxx_api.h || -e $1/include/onnxruntime/onnxruntime_cxx_api.h ||
      -e $1/include/onnxruntime/core/session/onnxruntime_cxx_api.h ]]
}

# Where an unpacked one is: the pinned version, else what npm gave in its place; fails if neither is.
find_onnxruntime() {
  local version
  for version in "$onnxruntime_version" "$onnxruntime_node_version"; do
    if [[ -f $prefix/onnxruntime-$version/planish.stamp ]]; then
      printf '%s\n' "$prefix/onnxruntime-$version"
      return 0
    fi
  done
  return 1
}

make_onnxruntime() {
  local root=$work/onnxruntime library_version='' headers_version='' pip_log=$work/pip.log
  mkdir -p "$root"/{lib,include} "$work/wheels"
  prepare_pip
  if ! library_from_pip "$root/lib"; then
    say "pip could not give it:"
    last_lines "$pip_log" 3
    if ! library_from_npm "$root/lib"; then
      last_lines "$work/npm.log" 3
      die "ONNX Runtime cannot be had" \
        "tried: pip, package onnxruntime $onnxruntime_version (sha256 ${onnxruntime_sha256[$arch]})" \
        "tried: npm, package onnxruntime-node $onnxruntime_node_version" \
        "what to do: see to it that pip or npm reaches its registry and run this again, or set" \
        "ONNXRUNTIME_ROOT to an unpacked ONNX Runtime >= $onnxruntime_oldest (with include/ and lib/)"
    fi
  fi
  ln -s libonnxruntime.so.1 "$root/lib/libonnxruntime.so"
  say "downloading ONNX Runtime's headers (Debian package $headers_package)"
  if ! headers_from_apt "$root/include"; then
    last_lines "$work/apt.log"
    die "ONNX Runtime's headers cannot be had" \
      "tried: apt-get download $headers_package from ${headers_suites[*]} of the site that this machine's apt uses" \
      "what to do: run apt-get update and then this again, or set ONNXRUNTIME_ROOT to an unpacked" \
      "ONNX Runtime >= $onnxruntime_oldest (with include/ and lib/)"
  fi
  printf '%s\n' "$library_version" >"$root/VERSION_NUMBER"
  {
    echo "library $library_version"
    echo "headers $headers_version"
    (cd "$root" && sha256sum "lib/libonnxruntime.so.$library_version")
  } >"$root/planish.stamp"
  publish "$root" "$prefix/onnxruntime-$library_version"
}

# ---------------------------------------------------------------- the ONNX schema

make_onnx_schema() {
  local root=$work/onnx
  mkdir -p "$root/onnx" "$work/wheels"
  prepare_pip
  say "downloading the ONNX schema $onnx_version (package onnx)"
  if ! fetch_wheel onnx "$onnx_version" "${onnx_sha256[$arch]}" "$work/onnx.log" ||
    ! unpack_member "$work"/wheels/onnx-*.whl onnx/onnx-ml.proto "$root/onnx/onnx-ml.proto"; then
    last_lines "$work/onnx.log" 3
    die "the ONNX schema cannot be had" \
      "tried: pip, package onnx $onnx_version (sha256 ${onnx_sha256[$arch]})" \
      "what to do: see to it that pip reaches its registry and run this again, or set ONNX_PROTO_FILE" \
      "to an onnx-ml.proto of ONNX >= 1.16"
  fi
  (cd "$root" && sha256sum onnx/onnx-ml.proto) >"$root/planish.stamp"
  publish "$root" "$1"
}

# ---------------------------------------------------------------- main

with_sanitizers=false
export_variables=false
for argument in "$@"; do
  case $argument in
    --sanitizers) with_sanitizers=true ;;
    --export) export_variables=true ;;
    -h | --help) sed -n '2,/^set -/{/^set -/!s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) die "unknown argument '$argument'; try --help" ;;
  esac
done

arch=$(uname -m)
case $arch in
  x86_64 | aarch64) ;;
  *) [[ -n ${ONNXRUNTIME_ROOT:-} && -n ${ONNX_PROTO_FILE:-} ]] ||
    die "no ONNX Runtime is pinned for '$arch'; expected x86_64 or aarch64" \
      "set ONNXRUNTIME_ROOT and ONNX_PROTO_FILE to use your own" ;;
esac
if [[ -z ${PLANISH_PREFIX:-} && -z ${XDG_CACHE_HOME:-} && -z ${HOME:-} ]]; then
  die "neither PLANISH_PREFIX nor HOME is set: nowhere to unpack"
fi
prefix=${PLANISH_PREFIX:-${XDG_CACHE_HOME:-$HOME/.cache}/planish}

packages=("${debian_packages[@]}")
! $with_sanitizers || packages+=("${sanitizer_packages[@]}")
install_packages "${packages[@]}"

downloads_onnxruntime=true
if [[ -n ${ONNXRUNTIME_ROOT:-} ]]; then
  downloads_onnxruntime=false
  is_onnxruntime_root "$ONNXRUNTIME_ROOT" || die "ONNXRUNTIME_ROOT=$ONNXRUNTIME_ROOT holds no ONNX Runtime" \
    "expected lib/libonnxruntime.so and include/onnxruntime_cxx_api.h in it; unset it to have one downloaded"
elif system_onnxruntime; then
  downloads_onnxruntime=false
fi
schema_root=$prefix/onnx-$onnx_version
if [[ -n ${ONNX_PROTO_FILE:-} && ! -r $ONNX_PROTO_FILE ]]; then
  die "ONNX_PROTO_FILE=$ONNX_PROTO_FILE cannot be read; unset it to have one downloaded"
fi

needs_onnxruntime() { $downloads_onnxruntime && ! find_onnxruntime >/dev/null; }
needs_schema() { [[ -z ${ONNX_PROTO_FILE:-} && ! -f $schema_root/planish.stamp ]]; }

if needs_onnxruntime || needs_schema; then
  mkdir -p -- "$prefix" || die "$prefix cannot be made; set PLANISH_PREFIX to a folder that can be written"
  [[ -w $prefix ]] || die "$prefix cannot be written; set PLANISH_PREFIX to a folder that can"
  exec 9>"$prefix/.lock"
  if ! flock -n 9; then
    say "waiting for another set-up in $prefix"
    flock 9
  fi
  # What a killed run left goes now; what another run made meanwhile is asked for again.
  find "$prefix" -mindepth 1 -maxdepth 1 -name '.unpacking.*' -exec rm -rf -- {} +
  work=$(mktemp -d "$prefix/.unpacking.XXXXXX")
  ! needs_onnxruntime || make_onnxruntime
  ! needs_schema || make_onnx_schema "$schema_root"
  flock -u 9
fi

if $export_variables; then
  if [[ -n ${ONNXRUNTIME_ROOT:-} ]]; then
    printf 'export ONNXRUNTIME_ROOT=%q\n' "$ONNXRUNTIME_ROOT"
  elif $downloads_onnxruntime; then
    printf 'export ONNXRUNTIME_ROOT=%q\n' "$(find_onnxruntime)"
  fi
  printf 'export ONNX_PROTO_FILE=%q\n' "${ONNX_PROTO_FILE:-$schema_root/onnx/onnx-ml.proto}"
fi
