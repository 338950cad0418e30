# Libraries that Cosrel stands on; tools/setup puts them in place.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(CYAML REQUIRED IMPORTED_TARGET libcyaml)
pkg_check_modules(PROTOBUFC REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(JPEG REQUIRED IMPORTED_TARGET libjpeg)
pkg_check_modules(PNG REQUIRED IMPORTED_TARGET libpng)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
# GLPK brings no pkg-config file.
find_path(GLPK_INCLUDE glpk.h REQUIRED)
find_library(GLPK_LIBRARY glpk REQUIRED)
add_library(cosrel_glpk INTERFACE)
target_include_directories(cosrel_glpk SYSTEM INTERFACE "${GLPK_INCLUDE}")
target_link_libraries(cosrel_glpk INTERFACE "${GLPK_LIBRARY}")
if(COSREL_TESTS)
  pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
endif()

# ONNX Runtime: the system's where it has one that is new enough, else what tools/setup fetched.
add_library(cosrel_onnxruntime INTERFACE)
pkg_check_modules(ORT QUIET IMPORTED_TARGET libonnxruntime>=1.21)
if(ORT_FOUND)
  target_link_libraries(cosrel_onnxruntime INTERFACE PkgConfig::ORT)
  set(COSREL_ORT_RPATH "${ORT_LIBDIR}")
else()
  find_path(ORT_INCLUDE onnxruntime_c_api.h PATHS "${COSREL_DEPS}/onnxruntime/include"
            PATH_SUFFIXES onnxruntime NO_DEFAULT_PATH)
  find_library(ORT_LIBRARY NAMES libonnxruntime.so.1 onnxruntime PATHS "${COSREL_DEPS}/onnxruntime/lib" NO_DEFAULT_PATH)
  if(NOT ORT_INCLUDE OR NOT ORT_LIBRARY)
    message(FATAL_ERROR "ONNX Runtime is missing: run tools/setup first (or make build)")
  endif()
  target_include_directories(cosrel_onnxruntime SYSTEM INTERFACE "${ORT_INCLUDE}")
  target_link_libraries(cosrel_onnxruntime INTERFACE "${ORT_LIBRARY}")
  get_filename_component(COSREL_ORT_RPATH "${ORT_LIBRARY}" DIRECTORY)
endif()

# The ONNX graph format in C: generated from the published schema at build time.
find_program(PROTOC_C protoc-c REQUIRED)
find_file(ONNX_PROTO onnx-ml.proto PATHS "${COSREL_DEPS}/onnx" /usr/lib/python3/dist-packages/onnx NO_DEFAULT_PATH)
if(NOT ONNX_PROTO)
  message(FATAL_ERROR "onnx-ml.proto is missing: run tools/setup first (or make build)")
endif()
get_filename_component(ONNX_PROTO_DIR "${ONNX_PROTO}" DIRECTORY)
set(ONNX_PB_DIR "${CMAKE_BINARY_DIR}/generated")
file(MAKE_DIRECTORY "${ONNX_PB_DIR}")
add_custom_command(
  OUTPUT "${ONNX_PB_DIR}/onnx-ml.pb-c.c" "${ONNX_PB_DIR}/onnx-ml.pb-c.h"
  COMMAND ${PROTOC_C} --c_out=${ONNX_PB_DIR} -I${ONNX_PROTO_DIR} ${ONNX_PROTO}
  DEPENDS "${ONNX_PROTO}" VERBATIM)
add_library(cosrel_onnx_pb STATIC "${ONNX_PB_DIR}/onnx-ml.pb-c.c" "${ONNX_PB_DIR}/onnx-ml.pb-c.h")
target_include_directories(cosrel_onnx_pb SYSTEM PUBLIC "${ONNX_PB_DIR}")
target_link_libraries(cosrel_onnx_pb PUBLIC PkgConfig::PROTOBUFC)
target_compile_options(cosrel_onnx_pb PRIVATE -w)
