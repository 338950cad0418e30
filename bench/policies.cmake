cosrel_bench(bench_policies SOURCES bench_policies.c USES base profile workload sched sim LIBS m)
