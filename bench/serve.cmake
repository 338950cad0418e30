# What serving adds.
if(TARGET cosrel_server AND TARGET cosrel_tiny_onnx)
  cosrel_bench(bench_serve SOURCES "${CMAKE_CURRENT_LIST_DIR}/bench_serve.c" "${CMAKE_CURRENT_LIST_DIR}/serve/http_load.c"
               USES base LIBS cosrel_tiny_onnx)
  target_include_directories(bench_serve PRIVATE "${CMAKE_CURRENT_LIST_DIR}")
endif()
if(TARGET cosrel_server AND TARGET cosrel_tls_test)
  cosrel_bench(bench_tls SOURCES "${CMAKE_CURRENT_LIST_DIR}/bench_tls.c" USES base
               LIBS cosrel_tiny_onnx cosrel_tls_test Threads::Threads)
  target_include_directories(bench_tls PRIVATE "${PROJECT_SOURCE_DIR}/tests/server")
endif()
if(TARGET cosrel_server)
  cosrel_bench(bench_json SOURCES "${CMAKE_CURRENT_LIST_DIR}/bench_json.c" USES base server LIBS PkgConfig::JANSSON)
endif()
