cosrel_bench(bench_decisions SOURCES bench_decisions.c USES base profile sched)
