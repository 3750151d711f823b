#!/usr/bin/env python3
"""Holds every include to the declared direction of dependency.

    check_layers.py SOURCE_DIR NAME:[DEPENDS,...] ...     the modules, as planish_module() declares them
    check_layers.py --self-test

A module includes itself and the closure of what it depends on; libraries from outside are seen by
the one module named in SEAMS, and never by its public headers. CMake refuses an upward link; this
refuses an upward or sideways include, which with one include root would compile and link.
"""

import pathlib
import re
import sys
import tempfile

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.MULTILINE)

# (what is included, who alone may include it, may its public headers too)
SEAMS = [
    (re.compile(r"google/protobuf/|.*\.pb\.h$"), "onnx", False),
    (re.compile(r"(.*/)?onnxruntime_\w+\.h$|onnxruntime/|core/session/|core/providers/"), "runtime", False),
    (re.compile(r"turbojpeg\.h$|jpeglib\.h$|spng\.h$|png\.h$"), "preprocess", False),
    (re.compile(r"zlib\.h$"), "archive", False),
    (re.compile(r"openssl/"), "base", False),
    (re.compile(r"grpc(pp)?/"), "rpc", False),
    (re.compile(r"nlohmann/"), "base", True),
    (re.compile(r"CLI/"), None, False),  # the applications'
]


def closures(declarations):
    """name -> every module that it may include, itself too. Declared lowest first."""
    result = {}
    for declaration in declarations:
        name, _, depends = declaration.partition(":")
        allowed = {name}
        for module in filter(None, depends.split(",")):
            if module not in result:
                raise SystemExit(f"{name} depends on {module}, which is not declared below it")
            allowed |= result[module]
        result[name] = allowed
    return result


def includes(path):
    text = path.read_text(encoding="utf-8")
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group(1) == '"', match.group(2)


def complaint(included, quoted, path, root, module, is_public, allowed, modules):
    """Why `module` (None: an application) may not have this include; None when it may."""
    parts = included.split("/")
    if parts[0] == "planish" and len(parts) > 2:
        if parts[1] not in modules:
            return f"no module is named '{parts[1]}'"
        if module is not None and parts[1] not in allowed:
            return f"{module} may include only {', '.join(sorted(allowed))}"
        return None
    for pattern, owner, in_public in SEAMS:
        if pattern.match(included):
            if module != owner:
                return f"only {'src/' + owner if owner else 'apps'} may"
            return "a public header must not show it" if is_public and not in_public else None
    if quoted:
        # A private header: beside the file, or by its path below src.
        beside = (path.parent / included).resolve()
        below = beside if beside.is_file() else (root / "src" / included).resolve()
        source = (root / "src").resolve()
        if source in below.parents and below.relative_to(source).parts[0] not in (module, below.name):
            return "a private header of another module"
    return None


def check_file(path, root, module, is_public, allowed, modules):
    for line, quoted, included in includes(path):
        why = complaint(included, quoted, path, root, module, is_public, allowed, modules)
        if why:
            yield f"{path.relative_to(root)}:{line}: includes {included}: {why}"


def check(root, declarations):
    modules = closures(declarations)
    problems = []
    for folder in ("src", "include/planish"):
        for module_folder in sorted(p for p in (root / folder).glob("*") if p.is_dir()):
            name = module_folder.name
            files = sorted(p for p in module_folder.rglob("*") if p.suffix in (".h", ".cc"))
            if files and name not in modules:
                problems.append(f"{module_folder.relative_to(root)}: no planish_module({name}) declares it")
                continue
            for path in files:
                problems += check_file(path, root, name, folder != "src", modules.get(name, set()), modules)
    for path in sorted(p for p in (root / "apps").rglob("*") if p.suffix in (".h", ".cc")):
        problems += check_file(path, root, None, False, set(), modules)
    return problems


def self_test():
    cases = [  # file, text, a part of the expected complaint (None: none is expected)
        ("src/graph/a.cc", '#include "planish/base/error.h"\n#include <vector>', None),
        ("src/graph/a.cc", '#include "planish/onnx/onnx.h"', "graph may include only base, graph"),
        ("src/runtime/a.cc", '#include "planish/quantize/plan.h"', "runtime may include only"),
        ("src/runtime/a.cc", '#include "planish/base/error.h"', None),
        ("src/runtime/a.cc", "#include <onnxruntime_cxx_api.h>", None),
        ("include/planish/runtime/a.h", "#include <onnxruntime_cxx_api.h>", "must not show it"),
        ("src/quantize/a.cc", "  #  include <onnxruntime_cxx_api.h>", "only src/runtime may"),
        ("src/onnx/a.cc", '#include "onnx-ml.pb.h"\n#include <google/protobuf/message.h>', None),
        ("src/runtime/a.cc", '#include "onnx-ml.pb.h"', "only src/onnx may"),
        ("include/planish/onnx/a.h", "#include <google/protobuf/message.h>", "must not show it"),
        ("src/runtime/a.cc", "#include <spng.h>", "only src/preprocess may"),
        ("apps/cli/a.cc", '#include <CLI/CLI.hpp>\n#include "planish/runtime/session.h"', None),
        ("apps/cli/a.cc", "#include <turbojpeg.h>", "only src/preprocess may"),
        ("src/graph/a.cc", "#include <CLI/CLI.hpp>", "only apps may"),
        ("include/planish/base/json.h", "#include <nlohmann/json.hpp>", None),
        ("src/graph/a.cc", '#include "planish/nosuch/a.h"', "no module is named 'nosuch'"),
        ("src/graph/a.cc", '#include "base/private.h"', "private header of another module"),
        ("src/graph/a.cc", '#include "graph/private.h"', None),
        ("src/nosuch/a.cc", "", "no planish_module(nosuch)"),
    ]
    declarations = ["base:", "graph:base", "onnx:graph", "quantize:graph", "runtime:onnx", "preprocess:graph"]
    for file, text, expected in cases:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / file
            path.parent.mkdir(parents=True)
            path.write_text(text, encoding="utf-8")
            problems = check(pathlib.Path(folder), declarations)
        matches = not problems if expected is None else len(problems) == 1 and expected in problems[0]
        if not matches:
            raise SystemExit(f"self-test: {file} with {text!r}: expected {expected!r}, found {problems}")
    print(f"{len(cases)} cases")


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    if len(arguments) < 2:
        raise SystemExit(__doc__)
    problems = check(pathlib.Path(arguments[0]).resolve(), arguments[1:])
    if problems:
        raise SystemExit("\n".join(problems))
    print(f"{len(arguments) - 1} modules: every include follows the declared dependencies")


if __name__ == "__main__":
    main(sys.argv[1:])
