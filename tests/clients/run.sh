#!/usr/bin/env bash
# run.sh SOURCE_DIR PLANISH: clients that others wrote, against the real server. Skipped (77) unless
# PLANISH_PYTHON (default: python3) has tritonclient[http,grpc].
set -euo pipefail
python=${PLANISH_PYTHON:-python3}
"$python" -c 'import tritonclient.http, tritonclient.grpc' 2>/dev/null || {
  echo "$python has no tritonclient[http,grpc]: skipped"
  exit 77
}
exec "$python" "$1/tests/clients/triton_client.py" "$1" "$2"
