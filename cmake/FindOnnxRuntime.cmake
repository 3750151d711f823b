# Finds ONNX Runtime: library and C++ headers, 1.30 or newer.
#
# Looked for in this order; the first place that has both wins:
#   1. ONNXRUNTIME_ROOT, the CMake variable, then the environment variable. A root that is named and
#      holds none is an error, not a reason to take another one.
#   2. the system (headers of version 1.30 or newer)
#   3. what tools/setup.sh unpacked (newest first)
#   4. OnnxRuntime_DEFAULT_ROOT: where an installed planish was built with it
#
# Defines the imported target OnnxRuntime::OnnxRuntime, and
#   OnnxRuntime_FOUND, OnnxRuntime_VERSION (of the library; of the headers where it cannot be told),
#   OnnxRuntime_API_VERSION (of the headers), OnnxRuntime_ROOT_USED.
#
# Nothing is kept in CMake's cache: a prefix that moved is found again by the next configuration.
include(${CMAKE_CURRENT_LIST_DIR}/PlanishPrefix.cmake)
include(FindPackageHandleStandardArgs)

set(_ort_suffixes include include/onnxruntime include/onnxruntime/core/session)
set(_ort_tried "")
set(_ort_library "")
set(_ort_include "")

# _ort_try(ROOT): sets _ort_library and _ort_include when ROOT holds both.
macro(_ort_try root)
  unset(_ort_found_library)
  unset(_ort_found_include)
  find_library(_ort_found_library NAMES onnxruntime libonnxruntime.so.1 PATHS "${root}"
               PATH_SUFFIXES lib lib64 lib/${CMAKE_LIBRARY_ARCHITECTURE} NO_DEFAULT_PATH NO_CACHE)
  find_path(_ort_found_include NAMES onnxruntime_cxx_api.h PATHS "${root}"
            PATH_SUFFIXES ${_ort_suffixes} NO_DEFAULT_PATH NO_CACHE)
  list(APPEND _ort_tried "${root}")
  if(_ort_found_library AND _ort_found_include)
    set(_ort_library "${_ort_found_library}")
    set(_ort_include "${_ort_found_include}")
    set(OnnxRuntime_ROOT_USED "${root}")
  endif()
endmacro()

# _ort_api_version(OUT INCLUDE): ORT_API_VERSION of the headers: 23 for 1.23.
macro(_ort_api_version out include)
  set(${out} "")
  if(EXISTS "${include}/onnxruntime_c_api.h")
    file(STRINGS "${include}/onnxruntime_c_api.h" _ort_line REGEX "^#define ORT_API_VERSION [0-9]+" LIMIT_COUNT 1)
    string(REGEX MATCH "[0-9]+$" ${out} "${_ort_line}")
  endif()
endmacro()

set(_ort_named "")
if(ONNXRUNTIME_ROOT)
  set(_ort_named "${ONNXRUNTIME_ROOT}")
elseif(DEFINED ENV{ONNXRUNTIME_ROOT} AND NOT "$ENV{ONNXRUNTIME_ROOT}" STREQUAL "")
  set(_ort_named "$ENV{ONNXRUNTIME_ROOT}")
endif()

if(_ort_named)
  _ort_try("${_ort_named}")
else()
  # The system's, when it is new enough to be worth more than what set-up unpacked.
  find_library(_ort_system_library NAMES onnxruntime NO_CACHE)
  find_path(_ort_system_include NAMES onnxruntime_cxx_api.h PATH_SUFFIXES onnxruntime onnxruntime/core/session NO_CACHE)
  if(_ort_system_library AND _ort_system_include)
    _ort_api_version(_ort_system_api "${_ort_system_include}")
    if(_ort_system_api GREATER_EQUAL 30)
      set(_ort_library "${_ort_system_library}")
      set(_ort_include "${_ort_system_include}")
      set(OnnxRuntime_ROOT_USED "system")
    endif()
  endif()
  unset(_ort_system_library)
  unset(_ort_system_include)
  list(APPEND _ort_tried "the system (>= 1.30)")
  planish_prefix(_ort_prefix)
  if(_ort_prefix)
    file(GLOB _ort_roots "${_ort_prefix}/onnxruntime-*")
    list(SORT _ort_roots COMPARE NATURAL ORDER DESCENDING)
    if(NOT _ort_roots)
      list(APPEND _ort_tried "${_ort_prefix}/onnxruntime-*")
    endif()
  endif()
  foreach(_ort_root IN LISTS _ort_roots OnnxRuntime_DEFAULT_ROOT)
    if(NOT _ort_library)
      _ort_try("${_ort_root}")
    endif()
  endforeach()
endif()

set(OnnxRuntime_VERSION "")
if(_ort_library)
  _ort_api_version(OnnxRuntime_API_VERSION "${_ort_include}")
  get_filename_component(_ort_real "${_ort_library}" REALPATH)
  if(_ort_real MATCHES "\\.so\\.([0-9]+\\.[0-9]+(\\.[0-9]+)?)$")
    set(OnnxRuntime_VERSION "${CMAKE_MATCH_1}")
  elseif(EXISTS "${OnnxRuntime_ROOT_USED}/VERSION_NUMBER")
    file(STRINGS "${OnnxRuntime_ROOT_USED}/VERSION_NUMBER" OnnxRuntime_VERSION LIMIT_COUNT 1)
  elseif(OnnxRuntime_API_VERSION)
    set(OnnxRuntime_VERSION "1.${OnnxRuntime_API_VERSION}")
  endif()
endif()

# An older library answers a newer header's question for its API with a null pointer, at run time.
set(_ort_mismatch "")
if(OnnxRuntime_VERSION AND OnnxRuntime_API_VERSION AND OnnxRuntime_VERSION VERSION_LESS "1.${OnnxRuntime_API_VERSION}")
  set(_ort_mismatch " (the headers in ${_ort_include} (1.${OnnxRuntime_API_VERSION}) are newer than the library ${_ort_library}, ${OnnxRuntime_VERSION})")
  set(_ort_library "")
endif()

list(JOIN _ort_tried ", " _ort_tried)
find_package_handle_standard_args(OnnxRuntime
  REQUIRED_VARS _ort_library _ort_include
  VERSION_VAR OnnxRuntime_VERSION
  REASON_FAILURE_MESSAGE "no libonnxruntime.so with onnxruntime_cxx_api.h in: ${_ort_tried}${_ort_mismatch}.
  Run tools/setup.sh, or give -DONNXRUNTIME_ROOT=<an unpacked ONNX Runtime >= 1.30, with include/ and lib/>
  ")

if(OnnxRuntime_FOUND AND NOT TARGET OnnxRuntime::OnnxRuntime)
  add_library(OnnxRuntime::OnnxRuntime SHARED IMPORTED)
  set_target_properties(OnnxRuntime::OnnxRuntime PROPERTIES
    IMPORTED_LOCATION "${_ort_library}"
    INTERFACE_INCLUDE_DIRECTORIES "${_ort_include}")
endif()
