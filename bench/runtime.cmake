# What the runtime adds to a request, and what models cost in memory.
if(TARGET cosrel_runtime AND TARGET cosrel_zoo)
  add_library(cosrel_bench_plain STATIC "${CMAKE_CURRENT_LIST_DIR}/plain/plain_session.c")
  target_include_directories(cosrel_bench_plain PUBLIC "${CMAKE_CURRENT_LIST_DIR}")
  cosrel_uses(cosrel_bench_plain model)
  target_link_libraries(cosrel_bench_plain PUBLIC cosrel_onnxruntime)
  cosrel_bench(bench_memory SOURCES "${CMAKE_CURRENT_LIST_DIR}/bench_memory.c"
               USES base zoo runtime LIBS cosrel_bench_plain)
  cosrel_bench(bench_weights SOURCES "${CMAKE_CURRENT_LIST_DIR}/bench_weights.c"
               USES base zoo runtime LIBS cosrel_bench_plain)
  cosrel_bench(bench_realloc SOURCES "${CMAKE_CURRENT_LIST_DIR}/bench_realloc.c"
               USES base zoo runtime LIBS cosrel_bench_plain cosrel_bench_machine Threads::Threads)
  cosrel_bench(bench_datapath SOURCES "${CMAKE_CURRENT_LIST_DIR}/bench_datapath.c"
               "${CMAKE_CURRENT_LIST_DIR}/datapath/load.c" "${CMAKE_CURRENT_LIST_DIR}/datapath/plain_way.c"
               "${CMAKE_CURRENT_LIST_DIR}/datapath/cosrel_way.c"
               USES base zoo runtime LIBS cosrel_bench_plain cosrel_bench_machine Threads::Threads)
  cosrel_bench(bench_loading SOURCES "${CMAKE_CURRENT_LIST_DIR}/bench_loading.c"
               USES base zoo runtime LIBS cosrel_onnxruntime Threads::Threads)
endif()
if(TARGET cosrel_runtime AND TARGET cosrel_tiny_onnx)
  cosrel_bench(bench_overhead SOURCES "${CMAKE_CURRENT_LIST_DIR}/bench_overhead.c"
               USES base runtime LIBS cosrel_onnxruntime cosrel_tiny_onnx)
  cosrel_bench(bench_binding SOURCES "${CMAKE_CURRENT_LIST_DIR}/bench_binding.c"
               USES base LIBS cosrel_onnxruntime cosrel_tiny_onnx)
  cosrel_bench(bench_overlap SOURCES "${CMAKE_CURRENT_LIST_DIR}/bench_overlap.c"
               USES base runtime LIBS cosrel_tiny_onnx Threads::Threads)
endif()
