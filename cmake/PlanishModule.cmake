# planish_module(NAME [DEPENDS module...] [PUBLIC_LINKS target...] [LINKS target...])
#
# One static library per folder of src/, declared lowest first: planish::NAME from src/NAME/*.cc and
# include/planish/NAME/*.h. DEPENDS names the modules below it that it may include
# (tools/check_layers.py refuses any other include). LINKS names what comes from outside and stays
# inside; PUBLIC_LINKS what a public header needs. A module without sources is a header-only one.
function(planish_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPENDS;LINKS;PUBLIC_LINKS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "planish_module(${name}): unknown arguments: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cc)
  file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/planish/${name}/*.h)
  if(sources)
    set(scope PUBLIC)
    add_library(planish-${name} STATIC ${sources})
    target_include_directories(planish-${name} PRIVATE ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(planish-${name} PRIVATE ${arg_LINKS} $<BUILD_INTERFACE:planish-warnings>)
  else()
    set(scope INTERFACE)
    add_library(planish-${name} INTERFACE)
  endif()
  add_library(planish::${name} ALIAS planish-${name})
  target_sources(planish-${name} ${scope} FILE_SET HEADERS
                 BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES ${headers})
  target_compile_features(planish-${name} ${scope} cxx_std_20)
  target_link_libraries(planish-${name} ${scope} ${arg_PUBLIC_LINKS})
  set_target_properties(planish-${name} PROPERTIES EXPORT_NAME ${name} VERIFY_INTERFACE_HEADER_SETS ON)
  foreach(module IN LISTS arg_DEPENDS)
    if(NOT TARGET planish::${module})
      message(FATAL_ERROR "planish::${name} depends on ${module}, which is not below it")
    endif()
    target_link_libraries(planish-${name} ${scope} planish::${module})
  endforeach()
  list(JOIN arg_DEPENDS "," depends)
  set_property(GLOBAL APPEND PROPERTY PLANISH_MODULES ${name}:${depends})
  install(TARGETS planish-${name} EXPORT planish-targets FILE_SET HEADERS)
endfunction()

# planish_install_package(): what find_package(planish) of another project reads. After all modules.
function(planish_install_package)
  include(CMakePackageConfigHelpers)
  set(folder ${CMAKE_INSTALL_LIBDIR}/cmake/planish)
  configure_package_config_file(
    ${PROJECT_SOURCE_DIR}/cmake/planish-config.cmake.in ${PROJECT_BINARY_DIR}/planish-config.cmake
    INSTALL_DESTINATION ${folder} NO_SET_AND_CHECK_MACRO)
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/planish-config-version.cmake
                                   COMPATIBILITY SameMinorVersion)
  install(EXPORT planish-targets NAMESPACE planish:: DESTINATION ${folder})
  install(FILES ${PROJECT_BINARY_DIR}/planish-config.cmake
                ${PROJECT_BINARY_DIR}/planish-config-version.cmake
                ${PROJECT_SOURCE_DIR}/cmake/FindOnnxRuntime.cmake
                ${PROJECT_SOURCE_DIR}/cmake/FindSpng.cmake
                ${PROJECT_SOURCE_DIR}/cmake/FindTurboJpeg.cmake
                ${PROJECT_SOURCE_DIR}/cmake/PlanishPrefix.cmake
          DESTINATION ${folder})
endfunction()

# planish_add_layers_test(): the ctest "layers", which holds every include to what is declared above.
function(planish_add_layers_test)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  get_property(modules GLOBAL PROPERTY PLANISH_MODULES)
  add_test(NAME layers
           COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/check_layers.py ${PROJECT_SOURCE_DIR} ${modules})
  add_test(NAME layers.self_test
           COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/check_layers.py --self-test)
  set_tests_properties(layers layers.self_test PROPERTIES LABELS layers TIMEOUT 60)
endfunction()

# planish_add_install_test(): the ctest "install", which installs this build and lets a project of
# its own find and use it.
function(planish_add_install_test)
  add_test(NAME install COMMAND ${PROJECT_SOURCE_DIR}/tests/install/run.sh ${PROJECT_BINARY_DIR} ${PROJECT_SOURCE_DIR})
  set_tests_properties(install PROPERTIES LABELS install TIMEOUT 600)
endfunction()
