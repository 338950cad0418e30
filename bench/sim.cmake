cosrel_bench(bench_sim SOURCES bench_sim.c USES base profile workload sched sim)
cosrel_bench(bench_lookahead SOURCES bench_lookahead.c USES base profile workload sched sim)
