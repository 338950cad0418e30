cosrel_bench(bench_policies SOURCES bench_policies.c USES base profile workload sched sim LIBS m)
cosrel_bench(bench_adapt SOURCES bench_adapt.c USES base profile workload sched sim LIBS m)
cosrel_bench(bench_ablation SOURCES bench_ablation.c USES base nn profile workload sched sim learn LIBS m)
