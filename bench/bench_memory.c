/* Memory of a model on three CPU processors against one plain ONNX Runtime session.
 *
 *     build/bench/bench_memory [MODEL]          default: mobilebert (100 MB of weights)
 *
 * Each measurement is a child process of its own: resident memory after one run on each processor,
 * less what it was before the model was loaded. File-backed pages count: the weights that sessions
 * share are mapped from a file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cosrel/cosrel.h"
#include "plain/plain_session.h"
#include "zoo/zoo.h"

enum { ROUNDS = 3 };

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_memory: %s: %s\n", what, why);
    exit(1);
}

static double resident_mb(void)
{
    char line[256];
    double kb = 0;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    if (!f)
        die("/proc/self/smaps_rollup", "cannot be read");
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, "Rss:", 4) == 0)
            kb = strtod(line + 4, NULL);
    }
    fclose(f);
    return kb / 1024;
}

/* Zeros for every input; a free dimension is 1. Strings do not occur in the reference models. */
static void make_input(const cosrel_value_info *info, cosrel_tensor *t, int64_t *shape)
{
    uint64_t elements = 1;
    for (size_t d = 0; d < info->rank; d++) {
        shape[d] = info->shape[d] < 0 ? 1 : info->shape[d];
        elements *= (uint64_t)shape[d];
    }
    *t = (cosrel_tensor){
        .name = info->name, .type = info->type, .rank = info->rank, .shape = shape};
    t->bytes = cosrel_dtype_bytes(info->type, elements);
    t->data = calloc(1, t->bytes);
    if (!t->data)
        die(info->name, "no memory");
}

static double with_cosrel(const char *path, const char *cache, const char *processors)
{
    cosrel_options options;
    cosrel_options_init(&options);
    options.processors = processors;
    options.cache_folder = cache;
    cosrel_runtime *rt;
    cosrel_error err;
    if (cosrel_runtime_open(&options, &rt, &err) != COSREL_OK)
        die("open", err.text);
    const double before_mb = resident_mb();
    if (cosrel_runtime_load(rt, path, &err) != COSREL_OK)
        die("load", err.text);
    cosrel_model *m = cosrel_runtime_model(rt, 0);
    const cosrel_model_info *info = cosrel_model_describe(m);
    cosrel_tensor inputs[16];
    int64_t shapes[16][8];
    for (size_t i = 0; i < info->input_count; i++)
        make_input(&info->inputs[i], &inputs[i], shapes[i]);
    for (size_t p = 0; p < cosrel_runtime_processor_count(rt); p++) {
        cosrel_processor_info processor;
        char policy[96];
        const cosrel_result *result;
        cosrel_runtime_processor(rt, p, &processor);
        snprintf(policy, sizeof policy, "single:%s", processor.name);
        if (cosrel_runtime_set_policy(rt, policy, &err) != COSREL_OK ||
            cosrel_run(rt, m, inputs, info->input_count, &result, &err) != COSREL_OK)
            die(policy, err.text);
        cosrel_result_release(result);
    }
    return resident_mb() - before_mb;
}

/* On the same zeros. */
static double with_ort(const char *path, int threads)
{
    const double before_mb = resident_mb();
    plain_session s;
    plain_open(&s, path, threads);
    plain_run(&s);
    return resident_mb() - before_mb;
}

/* Runs one measurement in a child, which ends without tidying up. kind 0..2: see main. */
static double measure(int kind, const char *path, const char *cache, const char *set)
{
    int ends[2];
    double mb = 0;
    if (pipe(ends) != 0)
        die("pipe", "failed");
    const pid_t child = fork();
    if (child == 0) {
        mb = kind == 0   ? with_ort(path, 1)
             : kind == 1 ? with_ort(path, 2)
                         : with_cosrel(path, cache, set);
        _exit(write(ends[1], &mb, sizeof mb) == sizeof mb ? 0 : 1);
    }
    close(ends[1]);
    const bool got = read(ends[0], &mb, sizeof mb) == sizeof mb;
    close(ends[0]);
    waitpid(child, NULL, 0);
    if (!got)
        die("child", "failed");
    return mb;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "mobilebert";
    const zoo_entry *entry = zoo_find(name);
    char folder[] = "/tmp/bench-memory-XXXXXX";
    char path[64];
    char cache[64];
    cosrel_error err;
    if (!entry)
        die(name, "no such reference model");
    if (!mkdtemp(folder))
        die(folder, "cannot be made");
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    snprintf(cache, sizeof cache, "%s/cache", folder);
    zoo_counts counts;
    if (zoo_write(entry, path, 1, &counts, &err) != COSREL_OK)
        die(path, err.text);
    measure(2, path, cache, "cpu0,cpu1,cpu0-1"); /* writes the optimised copy; measured below as
                                                    from the second start on */
    printf("%s, %.0f MB file; resident memory that loading and running adds, MB, %d rounds "
           "interleaved\n",
           name, (double)counts.bytes / 1e6, ROUNDS);
    printf("%-7s %12s %12s %24s %8s\n", "round", "ort 1 thread", "ort 2 thr.",
           "cosrel cpu0,cpu1,cpu0-1", "ratio");
    for (int r = 1; r <= ROUNDS; r++) {
        const double one_mb = measure(0, path, cache, NULL);
        const double two_mb = measure(1, path, cache, NULL);
        const double three_mb = measure(2, path, cache, "cpu0,cpu1,cpu0-1");
        printf("%-7d %12.1f %12.1f %24.1f %8.2f\n", r, one_mb, two_mb, three_mb, three_mb / one_mb);
    }
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 ? 0 : 1;
}
