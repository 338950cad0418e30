# What the runtime adds to a request, and what a model costs in memory.
if(TARGET cosrel_runtime AND TARGET cosrel_zoo)
  cosrel_bench(bench_memory SOURCES "${CMAKE_CURRENT_LIST_DIR}/bench_memory.c"
               USES base zoo runtime LIBS cosrel_onnxruntime)
  cosrel_bench(bench_loading SOURCES "${CMAKE_CURRENT_LIST_DIR}/bench_loading.c"
               USES base zoo runtime LIBS cosrel_onnxruntime Threads::Threads)
endif()
if(TARGET cosrel_runtime AND TARGET cosrel_tiny_onnx)
  cosrel_bench(bench_overhead SOURCES "${CMAKE_CURRENT_LIST_DIR}/bench_overhead.c"
               USES base runtime LIBS cosrel_onnxruntime cosrel_tiny_onnx)
  cosrel_bench(bench_overlap SOURCES "${CMAKE_CURRENT_LIST_DIR}/bench_overlap.c"
               USES base runtime LIBS cosrel_tiny_onnx Threads::Threads)
endif()
