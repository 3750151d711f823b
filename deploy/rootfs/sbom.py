#!/usr/bin/env python3
"""Writes a software bill of materials (SPDX 2.3, JSON) of a root file system to stdout.

    sbom.py PLANISH ROOTFS

Each file below ROOTFS/usr with its digest; each shared library under the Debian package that it
comes from (dpkg), or as a package of its own where no package owns it (ONNX Runtime's wheel).
"""

import hashlib
import json
import pathlib
import re
import subprocess
import sys
import uuid

NOTHING_SAID = "NOASSERTION"


def run(*command):
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else ""


def libraries(planish):
    """name in the root file system -> path on this machine."""
    found = {}
    for line in run("ldd", planish).splitlines():
        match = re.match(r"\s*(\S+) => (/\S+) \(", line) or re.match(r"\s*((/\S+)) \(", line)
        if match:
            found[pathlib.Path(match.group(1)).name] = pathlib.Path(match.group(2))
    return found


def debian_package(path):
    """(name, version) of the package that owns `path`; None when none does."""
    for candidate in (path, path.resolve(), pathlib.Path("/usr") / path.relative_to("/")):
        owner = run("dpkg", "-S", str(candidate)).split(": ")[0].split(",")[0]
        if owner:
            return owner.split(":")[0], run("dpkg-query", "-W", "-f=${Version}", owner)
    return None


def own_version(planish):
    return run(planish, "--version") or NOTHING_SAID


def spdx_id(*parts):
    return "SPDXRef-" + "-".join(re.sub(r"[^A-Za-z0-9.-]+", "-", part) for part in parts)


def main(planish, root):
    root = pathlib.Path(root)
    sources = libraries(planish)
    packages, files, relations = {}, [], []
    for path in sorted(p for p in (root / "usr").rglob("*") if p.is_file()):
        name = path.relative_to(root).as_posix()
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        file_id = spdx_id("File", name)
        files.append({"SPDXID": file_id, "fileName": "./" + name, "licenseConcluded": NOTHING_SAID,
                      "copyrightText": NOTHING_SAID,
                      "checksums": [{"algorithm": "SHA256", "checksumValue": sha256}]})
        owner = debian_package(sources[path.name]) if path.name in sources else None
        if path.name == "planish":
            owner_name, version, location = "planish", own_version(planish), NOTHING_SAID
        elif owner:
            owner_name, version = owner
            location = f"pkg:deb/debian/{owner_name}@{version}"
        else:
            owner_name = re.sub(r"^lib|\.so.*$", "", path.name)
            resolved = sources.get(path.name, path).resolve().name
            version = resolved.split(".so.")[-1] if ".so." in resolved else NOTHING_SAID
            location = NOTHING_SAID
        package_id = spdx_id("Package", owner_name)
        package = packages.setdefault(owner_name, {
            "SPDXID": package_id, "name": owner_name, "versionInfo": version,
            "downloadLocation": NOTHING_SAID, "filesAnalyzed": False,
            "licenseConcluded": NOTHING_SAID, "licenseDeclared": NOTHING_SAID,
            "copyrightText": NOTHING_SAID})
        if location != NOTHING_SAID:
            package["externalRefs"] = [{"referenceCategory": "PACKAGE-MANAGER",
                                        "referenceType": "purl", "referenceLocator": location}]
        relations.append({"spdxElementId": package_id, "relationshipType": "CONTAINS",
                          "relatedSpdxElement": file_id})
    content = "".join(f["checksums"][0]["checksumValue"] for f in files)
    document = {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": "planish-rootfs",
        "documentNamespace": "urn:uuid:" + str(uuid.uuid5(uuid.NAMESPACE_OID, content)),
        "creationInfo": {"created": "1970-01-01T00:00:00Z", "creators": ["Tool: planish-sbom"]},
        "packages": list(packages.values()), "files": files,
        "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                           "relatedSpdxElement": spdx_id("Package", "planish")}] + relations,
    }
    json.dump(document, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
