# What serving adds.
if(TARGET cosrel_server AND TARGET cosrel_tiny_onnx)
  add_library(cosrel_bench_load STATIC)
  foreach(part IN ITEMS http_client http_load open_load server_process)
    target_sources(cosrel_bench_load PRIVATE "${CMAKE_CURRENT_LIST_DIR}/serve/${part}.c")
  endforeach()
  target_include_directories(cosrel_bench_load PUBLIC "${CMAKE_CURRENT_LIST_DIR}")
  cosrel_uses(cosrel_bench_load base)
  cosrel_bench(bench_serve SOURCES "${CMAKE_CURRENT_LIST_DIR}/bench_serve.c"
               USES base runtime LIBS cosrel_bench_load cosrel_tiny_onnx)
  cosrel_bench(bench_transport SOURCES "${CMAKE_CURRENT_LIST_DIR}/bench_transport.c"
               USES base LIBS cosrel_bench_load cosrel_tiny_onnx)
  cosrel_bench(bench_overload SOURCES "${CMAKE_CURRENT_LIST_DIR}/bench_overload.c"
               USES base LIBS cosrel_bench_load cosrel_bench_machine)
endif()
if(TARGET cosrel_bench_load AND TARGET cosrel_tls_test)
  cosrel_bench(bench_tls SOURCES "${CMAKE_CURRENT_LIST_DIR}/bench_tls.c" USES base
               LIBS cosrel_bench_load cosrel_tiny_onnx cosrel_tls_test Threads::Threads)
  target_include_directories(bench_tls PRIVATE "${PROJECT_SOURCE_DIR}/tests/server")
endif()
if(TARGET cosrel_server)
  cosrel_bench(bench_json SOURCES "${CMAKE_CURRENT_LIST_DIR}/bench_json.c" USES base server LIBS PkgConfig::JANSSON)
endif()
