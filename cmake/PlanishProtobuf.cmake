# planish_protobuf(MODULE): generates onnx-ml.pb.{h,cc} from the schema that set-up fetched, into the
# build folder, private to MODULE.
function(planish_protobuf module)
  set(out ${PROJECT_BINARY_DIR}/generated/${module})
  file(MAKE_DIRECTORY ${out})
  get_filename_component(folder ${ONNX_PROTO_FILE} DIRECTORY)
  get_filename_component(stem ${ONNX_PROTO_FILE} NAME_WE)
  add_custom_command(
    OUTPUT ${out}/${stem}.pb.cc ${out}/${stem}.pb.h
    COMMAND protobuf::protoc --cpp_out=${out} -I ${folder} ${ONNX_PROTO_FILE}
    DEPENDS ${ONNX_PROTO_FILE}
    VERBATIM)
  add_library(planish-${module}-schema STATIC ${out}/${stem}.pb.cc ${out}/${stem}.pb.h)
  target_include_directories(planish-${module}-schema SYSTEM PUBLIC $<BUILD_INTERFACE:${out}>)
  target_compile_features(planish-${module}-schema PUBLIC cxx_std_20)
  target_link_libraries(planish-${module}-schema PUBLIC protobuf::libprotobuf)
  get_target_property(type planish-${module} TYPE)
  if(NOT type STREQUAL "INTERFACE_LIBRARY")
    target_link_libraries(planish-${module} PRIVATE planish-${module}-schema)
  endif()
  install(TARGETS planish-${module}-schema EXPORT planish-targets)
endfunction()
