#!/usr/bin/env bash
# Makes the root file system of a container for `planish serve`, without a container engine:
#
#   deploy/rootfs/build.sh PLANISH OUT
#
#   PLANISH   the command, as ./demo or ./test builds it: build/release/bin/planish
#   OUT       a folder that does not exist yet: OUT/rootfs (the files) and OUT/sbom.spdx.json
#
# The command, the shared libraries that it loads, a user without privileges, and nothing else: no
# shell, no package manager. `tar -C OUT/rootfs -c .` is an image's only layer; config.json here has
# the user, the entry point and the environment for it.
set -euo pipefail
cd_to=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
planish=$(realpath -- "${1:?usage: build.sh PLANISH OUT}")
out=${2:?usage: build.sh PLANISH OUT}
[[ -x $planish ]] || { echo "build.sh: $planish is no command" >&2; exit 2; }
[[ ! -e $out ]] || { echo "build.sh: $out exists already" >&2; exit 3; }

mkdir -p -- "$out"
root=$out/rootfs
mkdir -p "$root"/{usr/bin,usr/lib,etc,tmp,models,var/lib/planish}
ln -s usr/lib "$root/lib"
ln -s usr/lib "$root/lib64"
chmod 1777 "$root/tmp"

install -m 755 "$planish" "$root/usr/bin/planish"
# One line a library: "NAME => PATH (address)", and the loader: "PATH (address)".
ldd "$planish" | awk '$2 == "=>" && $3 ~ /^\// {print $1, $3} $1 ~ /^\// {print $1, $1}' |
  while read -r name path; do
    case $name in
      /*) name=$(basename "$name") ;;
    esac
    install -m 755 "$(realpath -- "$path")" "$root/usr/lib/$name"
  done
if strip --version >/dev/null 2>&1; then
  find "$root/usr/bin" "$root/usr/lib" -type f -exec strip --strip-unneeded {} + 2>/dev/null || true
fi
echo 'planish:x:65532:65532:planish:/models:/usr/sbin/nologin' >"$root/etc/passwd"
echo 'planish:x:65532:' >"$root/etc/group"
echo '/usr/lib' >"$root/etc/ld.so.conf"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
find "$root" -newermt '@0' -exec touch -h -d '@0' {} +

python3 "$cd_to/sbom.py" "$planish" "$root" >"$out/sbom.spdx.json"
mkdir -p "$root/usr/share/planish"
cp "$out/sbom.spdx.json" "$root/usr/share/planish/sbom.spdx.json"
du -sk --apparent-size "$root" | awk '{printf "%s: %.1f MB unpacked\n", $2, $1 / 1024}'
