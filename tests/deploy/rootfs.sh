#!/usr/bin/env bash
# rootfs.sh SOURCE_DIR PLANISH: the root file system of a container is made and run without privileges
# on a read-only root; it answers, and has less than 100 MB. Skipped (77) where this is not root.
set -euo pipefail
source_dir=$1
planish=$2
((EUID == 0)) || { echo "not root: skipped"; exit 77; }
for tool in unshare chroot dpkg ldd python3; do
  command -v "$tool" >/dev/null || { echo "no $tool: skipped"; exit 77; }
done
unshare -m true 2>/dev/null || { echo "no mount namespaces here: skipped"; exit 77; }

work=$(mktemp -d)
server=
cleanup() {
  [[ -z $server ]] || kill "$server" 2>/dev/null || true
  rm -rf -- "$work"
}
trap cleanup EXIT
chmod 755 "$work"

"$source_dir/deploy/rootfs/build.sh" "$planish" "$work/image"
root=$work/image/rootfs
bytes=$(du -sb "$root" | cut -f1)
((bytes < 100 * 1000 * 1000)) || { echo "$bytes bytes; expected less than 100 MB"; exit 1; }

python3 - "$work/image/sbom.spdx.json" "$root" <<'PYTHON'
import hashlib, json, pathlib, sys
document = json.load(open(sys.argv[1]))
root = pathlib.Path(sys.argv[2])
assert document["spdxVersion"] == "SPDX-2.3"
names = {package["name"] for package in document["packages"]}
assert "planish" in names and any(name.startswith("onnxruntime") for name in names), names
listed = {file["fileName"]: file["checksums"][0]["checksumValue"] for file in document["files"]}
for path in (root / "usr").rglob("*"):
    if path.is_file() and path.name != "sbom.spdx.json":
        name = "./" + path.relative_to(root).as_posix()
        assert listed[name] == hashlib.sha256(path.read_bytes()).hexdigest(), name
print(len(names), "packages,", len(listed), "files in the bill of materials")
PYTHON

install -m 644 "$source_dir/examples/cifar10/resnet8x4.onnx" "$root/models/net.onnx"
chroot=$(command -v chroot)
unshare -m bash -c "
  mount --bind '$root' '$root' && mount -o remount,ro,bind '$root' &&
  exec env -i ORT_DISABLE_TELEMETRY=1 '$chroot' --userspec=65532:65532 '$root' \
    /usr/bin/planish serve --model /models/net.onnx --http 127.0.0.1:0 --admin 127.0.0.1:0 --json" \
  >"$work/out" 2>"$work/log" &
server=$!
python3 - "$work/out" "$server" <<'PYTHON' || { cat "$work/log"; exit 1; }
import json, os, sys, time, urllib.error, urllib.request
out, pid = sys.argv[1], int(sys.argv[2])
end = time.time() + 60
def wait_for(what, condition):
    while time.time() < end:
        if value := condition():
            return value
        if not os.path.exists(f"/proc/{pid}"):
            break
        time.sleep(0.05)
    sys.exit(f"{what} never came")
def first_line():
    text = open(out).read()
    return json.loads(text.splitlines()[0]) if "\n" in text else None
where = "http://" + wait_for("the server's address", first_line)["http"]
def is_ready():
    try:
        return urllib.request.urlopen(where + "/v2/health/ready").status == 200
    except urllib.error.HTTPError:
        return False
wait_for("ready", is_ready)
status = open(f"/proc/{pid}/status").read()
assert "\nUid:\t65532\t65532" in status, status
assert "\nCapEff:\t0000000000000000" in status, status
print(urllib.request.urlopen(where + "/v2/models/net").read().decode()[:200])
PYTHON
kill -TERM "$server"
wait "$server"
server=
echo "served as user 65532 on a read-only root; $((bytes / 1000000)) MB unpacked"
