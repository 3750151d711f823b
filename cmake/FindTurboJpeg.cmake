# Finds libturbojpeg and defines the imported target TurboJpeg::TurboJpeg. pkg-config is asked first, so that a
# PKG_CONFIG_PATH counts.
include(FindPackageHandleStandardArgs)

find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(PC_TurboJpeg QUIET libturbojpeg)
endif()
find_path(TurboJpeg_INCLUDE_DIR NAMES turbojpeg.h HINTS ${PC_TurboJpeg_INCLUDE_DIRS})
find_library(TurboJpeg_LIBRARY NAMES turbojpeg HINTS ${PC_TurboJpeg_LIBRARY_DIRS})
mark_as_advanced(TurboJpeg_INCLUDE_DIR TurboJpeg_LIBRARY)

find_package_handle_standard_args(TurboJpeg
  REQUIRED_VARS TurboJpeg_LIBRARY TurboJpeg_INCLUDE_DIR
  VERSION_VAR PC_TurboJpeg_VERSION
  REASON_FAILURE_MESSAGE "Debian's package is libturbojpeg0-dev (tools/setup.sh installs it).")

if(TurboJpeg_FOUND AND NOT TARGET TurboJpeg::TurboJpeg)
  add_library(TurboJpeg::TurboJpeg UNKNOWN IMPORTED)
  set_target_properties(TurboJpeg::TurboJpeg PROPERTIES
    IMPORTED_LOCATION "${TurboJpeg_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${TurboJpeg_INCLUDE_DIR}")
endif()
