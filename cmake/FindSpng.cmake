# Finds spng and defines the imported target Spng::Spng. pkg-config is asked first, so that a
# PKG_CONFIG_PATH counts.
include(FindPackageHandleStandardArgs)

find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(PC_Spng QUIET spng)
endif()
find_path(Spng_INCLUDE_DIR NAMES spng.h HINTS ${PC_Spng_INCLUDE_DIRS})
find_library(Spng_LIBRARY NAMES spng HINTS ${PC_Spng_LIBRARY_DIRS})
mark_as_advanced(Spng_INCLUDE_DIR Spng_LIBRARY)

find_package_handle_standard_args(Spng
  REQUIRED_VARS Spng_LIBRARY Spng_INCLUDE_DIR
  VERSION_VAR PC_Spng_VERSION
  REASON_FAILURE_MESSAGE "Debian's package is libspng-dev (tools/setup.sh installs it).")

if(Spng_FOUND AND NOT TARGET Spng::Spng)
  add_library(Spng::Spng UNKNOWN IMPORTED)
  set_target_properties(Spng::Spng PROPERTIES
    IMPORTED_LOCATION "${Spng_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${Spng_INCLUDE_DIR}")
endif()
