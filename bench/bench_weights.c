/* Memory of ten models on three processors, against the bytes of their weights.
 *
 *     build/bench/bench_weights [ROUNDS]        default: 3
 *
 * Each measurement is a child process of its own. What it has in memory after some runs of each
 * model on each of its processors, less what it had before the first model was loaded, is told
 * apart by what /proc/self/smaps says of each mapping:
 *   anonymous   the process's own: copies of weights, graphs, activations
 *   mapped      pages of the optimised copies, each counted once (Pss): the kernel's cache of these
 *               files, shared with every other process that serves them, given up when memory is
 *               short
 *   libraries   pages of ONNX Runtime and others that loading and running touched: the same for any
 *               number of models
 *   RSS         all of it as `top` counts: a page that two sessions map, twice
 * Activations are what running adds to the anonymous memory, measured with a child of its own that
 * first gives the kernel back what making the sessions has left free: the runs would hide there.
 * Cosrel runs each model while it loads it, so there they are taken to be those of plain sessions
 * of the same number and threads (row "plain, 2 each"): both keep an arena per session. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cosrel/cosrel.h"
#include "plain/plain_session.h"
#include "zoo/zoo.h"

/* Those that are 100 MB together; two of them twice, with other weights. */
static const struct {
    const char *zoo, *name;
    uint64_t seed;
} MODELS[] = {
    {"efficientnet_lite0", "efficientnet_lite0", 1},
    {"keyword_spotter", "keyword_spotter", 1},
    {"keyword_spotter", "keyword_spotter_b", 2},
    {"mobilenet_v1", "mobilenet_v1", 1},
    {"mobilenet_v2", "mobilenet_v2", 1},
    {"mobilenet_v3_large", "mobilenet_v3_large", 1},
    {"small_cnn", "small_cnn", 1},
    {"small_cnn", "small_cnn_b", 2},
    {"squeezenet", "squeezenet", 1},
    {"ssd_mobilenet_v2", "ssd_mobilenet_v2", 1},
};
enum { MODEL_COUNT = sizeof MODELS / sizeof MODELS[0], SESSIONS_MAX = 3, ROUNDS_MAX = 99 };

/* Per session: ONNX Runtime's arena has its size after the second (measured: 2 and 5 are alike). */
enum { RUNS = 3 };

/* MB of 10^6 bytes */
typedef struct resident {
    double anonymous, mapped, libraries, rss;
} resident;

typedef struct outcome {
    resident added; /* by loading and running */
    double activations;
} outcome;

typedef struct way {
    const char *name;
    int sessions; /* per model; 0: Cosrel */
    int threads[SESSIONS_MAX];
    bool fresh; /* the optimised copies are still to be written */
    outcome got[ROUNDS_MAX];
} way;

static way ways[] = {
    {.name = "plain, 1 each", .sessions = 1},
    {.name = "plain, 2 each", .sessions = 2, .threads = {1, 2}},
    {.name = "plain, 3 each", .sessions = 3, .threads = {1, 1, 2}},
    {.name = "cosrel, first", .fresh = true},
    {.name = "cosrel"},
};
enum { WAYS = sizeof ways / sizeof ways[0], LIKE_COSREL = 1 };

static char folder[] = "/tmp/bench-weights-XXXXXX";
static char models[64], cache[64];

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_weights: %s: %s\n", what, why);
    exit(1);
}

static const char *path_of(int model)
{
    static char path[192];
    snprintf(path, sizeof path, "%s/%s.onnx", models, MODELS[model].name);
    return path;
}

static void run_shell(const char *command)
{
    if (system(command) != 0)
        die(command, "failed");
}

/* ---- What is resident ---- */

enum kind { ANONYMOUS, MAPPED, LIBRARY };

/* "7f00-7f01 r--p 0 08:01 123   /path": what is behind the mapping. */
static enum kind kind_of(const char *line)
{
    const char *path = strchr(line, '/');
    if (!path)
        return ANONYMOUS;
    return strncmp(path, cache, strlen(cache)) == 0 ? MAPPED : LIBRARY;
}

static bool is_head(const char *line)
{
    return (line[0] >= '0' && line[0] <= '9') || (line[0] >= 'a' && line[0] <= 'f');
}

/* "Rss:      12 kB" */
static bool read_mb(const char *line, const char *key, double *mb)
{
    const size_t length = strlen(key);
    if (strncmp(line, key, length) != 0)
        return false;
    *mb = strtod(line + length, NULL) * 1024 / 1e6;
    return true;
}

/* A private mapping's pages that were written to are anonymous, whatever file it is of. The lines
 * of a mapping come in this order. */
static resident look(void)
{
    resident r = {.anonymous = 0};
    char line[4352];
    enum kind kind = ANONYMOUS;
    double rss = 0, pss = 0, own = 0;
    FILE *f = fopen("/proc/self/smaps", "r");
    if (!f)
        die("/proc/self/smaps", "cannot be read");
    while (fgets(line, sizeof line, f)) {
        if (is_head(line))
            kind = kind_of(line);
        else if (read_mb(line, "Rss:", &rss))
            r.rss += rss;
        else if (!read_mb(line, "Pss:", &pss) && read_mb(line, "Anonymous:", &own)) {
            r.anonymous += kind == ANONYMOUS ? rss : own;
            r.mapped += kind == MAPPED ? pss - own : 0;
            r.libraries += kind == LIBRARY ? rss - own : 0;
        }
    }
    fclose(f);
    return r;
}

static resident since(const resident *before)
{
    const resident now = look();
    return (resident){now.anonymous - before->anonymous, now.mapped - before->mapped,
                      now.libraries - before->libraries, now.rss - before->rss};
}

static double sum(const resident *r)
{
    return r->anonymous + r->mapped + r->libraries;
}

/* ---- The two ways ---- */

static resident plainly(const way *w, bool trimmed)
{
    static plain_session sessions[MODEL_COUNT][SESSIONS_MAX];
    resident before = look();
    for (int m = 0; m < MODEL_COUNT; m++)
        for (int s = 0; s < w->sessions; s++)
            plain_open(&sessions[m][s], path_of(m), w->threads[s]);
    if (trimmed) {
        malloc_trim(0);
        before = look();
    }
    for (int m = 0; m < MODEL_COUNT; m++)
        for (int s = 0; s < w->sessions; s++)
            for (int run = 0; run < RUNS; run++)
                plain_run(&sessions[m][s]);
    return since(&before);
}

/* Zeros for the one input that each of these models has. */
static void run_once(cosrel_runtime *rt, cosrel_model *m)
{
    const cosrel_value_info *info = &cosrel_model_describe(m)->inputs[0];
    int64_t shape[8];
    uint64_t elements = 1;
    const cosrel_result *result;
    cosrel_error err;
    for (size_t d = 0; d < info->rank && d < 8; d++) {
        shape[d] = info->shape[d] < 0 ? 1 : info->shape[d];
        elements *= (uint64_t)shape[d];
    }
    cosrel_tensor input = {.type = info->type, .rank = info->rank, .shape = shape};
    input.bytes = cosrel_dtype_bytes(info->type, elements);
    input.data = calloc(1, input.bytes);
    if (!input.data || cosrel_run(rt, m, &input, 1, &result, &err) != COSREL_OK)
        die(info->name, input.data ? err.text : "no memory");
    cosrel_result_release(result);
    free(input.data);
}

static resident with_cosrel(void)
{
    cosrel_options options;
    cosrel_runtime *rt;
    cosrel_error err;
    cosrel_options_init(&options);
    options.processors = "cpu0,cpu1,cpu0-1";
    options.cache_folder = cache;
    if (cosrel_runtime_open(&options, &rt, &err) != COSREL_OK)
        die("open", err.text);
    const resident before = look();
    if (cosrel_runtime_load(rt, models, &err) != COSREL_OK)
        die("load", err.text);
    if (cosrel_runtime_model_count(rt) != MODEL_COUNT)
        die("load", "not every model was loaded");
    for (size_t p = 0; p < cosrel_runtime_processor_count(rt); p++) {
        cosrel_processor_info processor;
        char policy[96];
        cosrel_runtime_processor(rt, p, &processor);
        snprintf(policy, sizeof policy, "single:%s", processor.name);
        if (cosrel_runtime_set_policy(rt, policy, &err) != COSREL_OK)
            die(policy, err.text);
        for (size_t m = 0; m < MODEL_COUNT; m++)
            run_once(rt, cosrel_runtime_model(rt, m));
    }
    return since(&before);
}

/* In a child, which ends without tidying up. trimmed: only what the runs add. */
static resident in_child(const way *w, bool trimmed)
{
    int ends[2];
    resident got;
    if (pipe(ends) != 0)
        die("pipe", "failed");
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        got = w->sessions ? plainly(w, trimmed) : with_cosrel();
        _exit(write(ends[1], &got, sizeof got) == (ssize_t)sizeof got ? 0 : 1);
    }
    close(ends[1]);
    const bool complete = read(ends[0], &got, sizeof got) == (ssize_t)sizeof got;
    close(ends[0]);
    waitpid(child, NULL, 0);
    if (!complete)
        die(w->name, "failed");
    return got;
}

static outcome measure(const way *w)
{
    if (w->fresh) {
        char command[128];
        snprintf(command, sizeof command, "rm -rf '%s'", cache);
        run_shell(command);
    }
    outcome got = {.added = in_child(w, false)};
    if (w->sessions)
        got.activations = in_child(w, true).anonymous;
    return got;
}

/* ---- What is printed ---- */

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* `offset` of a double in an outcome. */
static double median(const way *w, int rounds, size_t offset)
{
    double all[ROUNDS_MAX];
    for (int i = 0; i < rounds; i++)
        memcpy(&all[i], (const char *)&w->got[i] + offset, sizeof all[i]);
    qsort(all, (size_t)rounds, sizeof all[0], compare);
    return all[rounds / 2];
}

static outcome medians(const way *w, int rounds)
{
    return (outcome){
        .added = {.anonymous = median(w, rounds, offsetof(outcome, added.anonymous)),
                  .mapped = median(w, rounds, offsetof(outcome, added.mapped)),
                  .libraries = median(w, rounds, offsetof(outcome, added.libraries)),
                  .rss = median(w, rounds, offsetof(outcome, added.rss))},
        .activations = median(w, rounds, offsetof(outcome, activations)),
    };
}

/* The last two columns: without activations, with and without libraries. */
static void show(int rounds, double files_mb, double weights_mb)
{
    const double like = medians(&ways[LIKE_COSREL], rounds).activations;
    printf(
        "%d models, %.1f MB of weights in files of %.1f MB; MB that loading and running on cpu0, "
        "cpu1 and cpu0-1 adds, medians of %d rounds\n",
        (int)MODEL_COUNT, weights_mb, files_mb, rounds);
    printf("%-14s %9s %7s %9s %7s %7s %12s %26s\n", "sessions", "anonymous", "mapped", "libraries",
           "all", "RSS", "activations", "the rest/weights (no lib.)");
    for (int i = 0; i < WAYS; i++) {
        const outcome o = medians(&ways[i], rounds);
        const double act = ways[i].sessions ? o.activations : like;
        const double rest = sum(&o.added) - act;
        printf("%-14s %9.1f %7.1f %9.1f %7.1f %7.1f %11.1f%c %18.2f (%.2f)\n", ways[i].name,
               o.added.anonymous, o.added.mapped, o.added.libraries, sum(&o.added), o.added.rss,
               act, ways[i].sessions ? ' ' : '*', rest / weights_mb,
               (rest - o.added.libraries) / weights_mb);
    }
    printf("* those of \"%s\"\n", ways[LIKE_COSREL].name);
}

int main(int argc, char **argv)
{
    const int rounds = argc > 1 ? atoi(argv[1]) : 3;
    double files_mb = 0, weights_mb = 0;
    char command[128];
    if (rounds < 1 || rounds > ROUNDS_MAX || !mkdtemp(folder))
        die("usage", "bench_weights [ROUNDS], at most 99");
    snprintf(models, sizeof models, "%s/models", folder);
    snprintf(cache, sizeof cache, "%s/cache", folder);
    snprintf(command, sizeof command, "mkdir '%s'", models);
    run_shell(command);
    for (int m = 0; m < MODEL_COUNT; m++) {
        zoo_counts counts;
        cosrel_error err;
        if (zoo_write(zoo_find(MODELS[m].zoo), path_of(m), MODELS[m].seed, &counts, &err) !=
            COSREL_OK)
            die(MODELS[m].name, err.text);
        files_mb += (double)counts.bytes / 1e6;
        weights_mb += (double)counts.params * sizeof(float) / 1e6;
    }
    for (int r = 0; r < rounds; r++)
        for (int i = 0; i < WAYS; i++)
            ways[i].got[r] = measure(&ways[i]);
    show(rounds, files_mb, weights_mb);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    run_shell(command);
    return 0;
}
