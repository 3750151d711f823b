#!/usr/bin/env python3
"""Holds the files of deploy/ to what planish really has: check_files.py SOURCE_DIR PLANISH

Every file is well-formed; every argument of `planish serve` in them is one that it takes; every
metric that an alert or a panel asks for is one that it exports. With the package
`kubernetes-validate` (optional) the core kinds are held to the schemas of Kubernetes as well.
"""

import json
import pathlib
import re
import subprocess
import sys

try:
    import yaml
except ImportError:
    print("no PyYAML here: skipped")
    sys.exit(77)

root, planish = pathlib.Path(sys.argv[1]), sys.argv[2]
deploy = root / "deploy"
failures = []


def fail(path, text):
    failures.append(f"{path.relative_to(root)}: {text}")


def walk(value):
    yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(child)


documents = {}
for path in sorted(deploy.rglob("*.yaml")):
    try:
        documents[path] = list(yaml.safe_load_all(path.read_text()))
    except yaml.YAMLError as error:
        fail(path, error)
for path in sorted(deploy.rglob("*.json")):
    try:
        documents[path] = [json.loads(path.read_text())]
    except json.JSONDecodeError as error:
        fail(path, error)

# Arguments.
help_text = subprocess.run([planish, "serve", "--help"], capture_output=True, text=True, check=True).stdout
known = set(re.findall(r"--[a-z][a-z0-9-]+", help_text))
arguments = [(path, value) for path, parsed in documents.items() for value in walk(parsed)
             if isinstance(value, str) and value.startswith("--")]
unit = deploy / "systemd/planish.service"
arguments += [(unit, word) for word in unit.read_text().split() if word.startswith("--")]
for path, argument in arguments:
    if argument.split("=")[0] not in known:
        fail(path, f"{argument}: no option of planish serve")
if not arguments:
    fail(unit, "no file starts planish serve")

# Metrics.
exported = set(re.findall(r'"((?:planish|process)_[a-z0-9_]+)"', (root / "src/serve/metrics.cc").read_text()))
exported |= {name + suffix for name in exported for suffix in ("_bucket", "_sum", "_count")}
asked = 0
for path in (deploy / "prometheus/alerts.yaml", deploy / "grafana/planish.json"):
    expressions = [value["expr"] for value in walk(documents[path]) if isinstance(value, dict) and "expr" in value]
    for expression in expressions:
        for name in re.findall(r"\b(?:planish|process)_[a-z0-9_]+", expression):
            asked += 1
            if name not in exported:
                fail(path, f"{name}: planish serve exports no such metric")
        if expression.count("(") != expression.count(")"):
            fail(path, f"{expression}: unbalanced")
if asked < 20:
    fail(deploy / "grafana/planish.json", f"only {asked} metrics are asked for")

# What the runtime of KServe must be called, and where the model is.
runtime = documents[deploy / "kserve/cluster-serving-runtime.yaml"][0]
container = runtime["spec"]["containers"][0]
if container["name"] != "kserve-container" or not any("/mnt/models" in a for a in container["args"]):
    fail(deploy / "kserve/cluster-serving-runtime.yaml", "expected kserve-container and /mnt/models")

# A pod may not be killed while it drains.
pod = documents[deploy / "kubernetes/planish.yaml"][0]["spec"]["template"]["spec"]
drain = sum(float(a.split("=")[1]) for a in pod["containers"][0]["args"] if a.startswith("--drain"))
if pod["terminationGracePeriodSeconds"] <= drain:
    fail(deploy / "kubernetes/planish.yaml", "terminationGracePeriodSeconds ends within the drain")

try:
    import kubernetes_validate
    for document in documents[deploy / "kubernetes/planish.yaml"]:
        try:
            kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
        except Exception as error:  # its own kinds differ between versions
            fail(deploy / "kubernetes/planish.yaml", f"{document['kind']}: {error}")
    print("held to the schemas of Kubernetes", kubernetes_validate.latest_version())
except ImportError:
    print("no kubernetes-validate here: Kubernetes's own schemas are not checked")

print("\n".join(failures) or f"{len(documents) + 1} files, {len(arguments)} arguments, {asked} metrics: all known")
sys.exit(1 if failures else 0)
