#!/usr/bin/env bash
# The figures that planish is held to, from real models and real photographs, one table.
#
#   bench/goals.sh MODEL DATA EVAL_DATA LABELS PREPROCESS [BUILD_DIR]
#
# MODEL is an FP32 ONNX file, the rest as in `planish auto`. Every ratio comes from one interleaved
# run; absolute times are this machine's, today.
set -euo pipefail
model=${1:?usage: bench/goals.sh MODEL DATA EVAL_DATA LABELS PREPROCESS [BUILD_DIR]}
data=${2:?DATA} eval_data=${3:?EVAL_DATA} labels=${4?LABELS, or an empty string} preprocess=${5:?PREPROCESS}
build=${6:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/build/release}
export ORT_DISABLE_TELEMETRY=1
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

echo "## $(basename "$model")"
label_arguments=()
[[ -z $labels ]] || label_arguments=(--labels "$labels")
"$build/bin/planish" auto "$model" --data "$data" --eval-data "$eval_data" "${label_arguments[@]}" \
  --preprocess "$preprocess" --bench-seconds 4 -o "$out/auto" || true
echo
"$build/bin/steps_bench" "$model" "$data" "$preprocess" 5
echo
start=$(date +%s.%N)
"$build/bin/planish" inspect "$model" >/dev/null
end=$(date +%s.%N)
awk -v a="$start" -v b="$end" 'BEGIN {printf "planish inspect, whole process: %.3f s\n", b - a}'
