#!/usr/bin/env bash
# Runs the tests of the package: python/run_tests.sh [PLANISH]; exits 77 (skipped) where no Python has what they need.
#
# PLANISH_PYTHON names the interpreter (default: python3). It needs torch 2.13, NumPy and pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
[[ -z ${1:-} ]] || export PLANISH_COMMAND=$1
python=${PLANISH_PYTHON:-python3}
needed='
import sys
try:
    import numpy, pytest, torch
except ImportError as error:
    sys.exit(str(error))
if not torch.__version__.startswith("2.13."):
    sys.exit(f"torch {torch.__version__}")
'
if ! why=$("$python" -c "$needed" 2>&1); then
  echo "skipped: the tests need torch 2.13, NumPy and pytest; $python: $(tail -1 <<<"$why")"
  exit 77
fi
exec "$python" -m pytest -q -p no:cacheprovider
