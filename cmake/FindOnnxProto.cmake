# Finds the ONNX schema, onnx-ml.proto: the variable ONNX_PROTO_FILE, then the environment variable,
# then what tools/setup.sh unpacked. Sets OnnxProto_FOUND and ONNX_PROTO_FILE.
#
# A package of the system is not looked for: Debian 12's is older than opset 23.
include(${CMAKE_CURRENT_LIST_DIR}/PlanishPrefix.cmake)
include(FindPackageHandleStandardArgs)

planish_prefix(_onnx_prefix)
# A value found by an earlier configuration is not trusted when the file is gone; a file that the
# user named is an error when it is not there.
set(_onnx_candidates "")
if(ONNX_PROTO_FILE)
  set(_onnx_candidates "${ONNX_PROTO_FILE}")
elseif(DEFINED ENV{ONNX_PROTO_FILE} AND NOT "$ENV{ONNX_PROTO_FILE}" STREQUAL "")
  set(_onnx_candidates "$ENV{ONNX_PROTO_FILE}")
elseif(_onnx_prefix)
  file(GLOB _onnx_candidates "${_onnx_prefix}/onnx-*/onnx/onnx-ml.proto")
  list(SORT _onnx_candidates COMPARE NATURAL ORDER DESCENDING)
endif()

set(_onnx_file "")
foreach(_onnx_candidate IN LISTS _onnx_candidates)
  if(NOT _onnx_file AND EXISTS "${_onnx_candidate}")
    set(_onnx_file "${_onnx_candidate}")
  endif()
endforeach()
if(NOT _onnx_candidates)
  set(_onnx_candidates "${_onnx_prefix}/onnx-*/onnx/onnx-ml.proto")
endif()

find_package_handle_standard_args(OnnxProto
  REQUIRED_VARS _onnx_file
  REASON_FAILURE_MESSAGE "no ONNX schema at: ${_onnx_candidates}.
  Run tools/setup.sh, or give -DONNX_PROTO_FILE=<an onnx-ml.proto of ONNX >= 1.16>
  ")
if(OnnxProto_FOUND)
  set(ONNX_PROTO_FILE "${_onnx_file}")
endif()
