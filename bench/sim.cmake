cosrel_bench(bench_sim SOURCES bench_sim.c USES base profile workload sched sim)
