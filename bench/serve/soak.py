#!/usr/bin/env python3
"""Keeps a server busy for long and watches what grows: soak.py PLANISH [--minutes 15] [--rate 50] [--cycles 1000]

One server over a store with two versions of examples/cifar10/resnet8x4.onnx. `planish load` sends at a
constant rate over HTTP all the time, while versions are activated and rolled back and the model is
unloaded and loaded again, each cycle one of both. Memory, descriptors and threads of the server are
read before, and after every tenth part of the cycles, with nothing under way.

Prints one JSON document: {"cycles", "requests", "failed", "looks": [{"cycles", "rss_mb", "fds", "threads"}]};
ends with 1 when a request failed other than by 503 of an unloaded model, or when memory at the end
is more than 10 % above that after the first tenth.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

root = pathlib.Path(__file__).resolve().parents[2]
parser = argparse.ArgumentParser()
parser.add_argument("planish")
parser.add_argument("--minutes", type=float, default=15.0)
parser.add_argument("--rate", type=float, default=50.0)
parser.add_argument("--cycles", type=int, default=1000)
args = parser.parse_args()
model = str(root / "examples/cifar10/resnet8x4.onnx")


def post(port, path, body=None):
    request = urllib.request.Request(f"http://{port}{path}", data=json.dumps(body or {}).encode(),
                                     headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.status


def is_ready(port):
    try:
        return urllib.request.urlopen(f"http://{port}/v2/health/ready", timeout=10).status == 200
    except (urllib.error.URLError, OSError):
        return False


def look(pid, cycles):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    field = lambda name: int(status.split(name + ":")[1].split()[0])
    return {"cycles": cycles, "rss_mb": round(field("VmRSS") / 1024, 1), "threads": field("Threads"),
            "fds": len(os.listdir(f"/proc/{pid}/fd"))}


with tempfile.TemporaryDirectory() as folder:
    store = os.path.join(folder, "store")
    for threads in ("1", "2"):
        subprocess.run([args.planish, "store", "put", model, "--name", "net", "--threads", threads, "--store", store],
                       check=True, stdout=subprocess.DEVNULL)
    server = subprocess.Popen([args.planish, "serve", "--store", store, "--http", "127.0.0.1:0", "--admin",
                               "127.0.0.1:0", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    where = json.loads(server.stdout.readline())
    while not is_ready(where["http"]):
        time.sleep(0.05)
    begin = time.monotonic()
    load = subprocess.Popen([args.planish, "load", "--model", "net", "--url", where["http"], "--rate", str(args.rate),
                             "--seconds", str(args.minutes * 60), "--max-failures", "1", "--json"],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    looks = [look(server.pid, 0)]
    pause = args.minutes * 60 / args.cycles
    for cycle in range(1, args.cycles + 1):
        post(where["admin"], "/v2/models/net/activate", {"version": "2"})
        post(where["admin"], "/v2/models/net/rollback")
        post(where["admin"], "/v2/repository/models/net/unload")
        post(where["admin"], "/v2/repository/models/net/load")
        if cycle % max(args.cycles // 10, 1) == 0:
            looks.append(look(server.pid, cycle))
            print(looks[-1], file=sys.stderr)
        time.sleep(max(0.0, begin + cycle * pause - time.monotonic()))
    trial = json.loads(load.communicate()[0])["trials"][0]
    looks.append(look(server.pid, args.cycles))
    server.terminate()
    ended = server.wait(timeout=60)

unexpected = {status: count for status, count in trial["failures"].items() if status != "503"}
grown = looks[-1]["rss_mb"] / looks[1]["rss_mb"] - 1
print(json.dumps({"minutes": args.minutes, "cycles": args.cycles, "requests": trial["answered"] + trial["failed"],
                  "while_unloaded": trial["failures"].get("503", 0), "unexpected": unexpected,
                  "grown": round(grown, 4), "exit_status": ended, "looks": looks}, indent=1))
sys.exit(1 if unexpected or ended or grown > 0.1 else 0)
