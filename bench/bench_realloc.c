/* How long cores are idle when a model that always has requests waiting is given others.
 *
 *     build/bench/bench_realloc [SWITCHES [MODEL]]      default: 300, mobilenet_v2
 *
 * Cosrel: the model's sessions for all processors are there from loading on, and which one runs
 * next is a decision like any other; `single:PROCESSOR` as the policy says it outright. It is
 * changed every 30 to 70 ms, in the middle of a run: one core, both, the other core, and so on.
 * Plain: one thread and one session, which is destroyed and made anew with the other number of
 * threads, a tenth as often; and two sessions kept beside each other, with the weights twice, where
 * the caller takes the other one.
 *
 * Idle is the time from the end of the last run to the beginning of the first on the other cores,
 * 0 where that began before. What the switch costs within that run (threads to be woken, cold
 * caches) is seen from how much longer it takes than such runs do in the median. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rng.h"
#include "cosrel/cosrel.h"
#include "machine.h"
#include "plain/plain_session.h"
#include "zoo/zoo.h"

enum { RUNS_MAX = 1 << 18, BACKLOG = 4, SWITCHES_MAX = 20000, PLAIN_EVERY = 10 };

/* Where runs were: Cosrel's processors, then the plain sessions. */
enum place { CORE_A, BOTH, CORE_B, ONE_THREAD, TWO_THREADS, PLACES };
static const char *const processors[] = {"cpu0", "cpu0-1", "cpu1"};

typedef struct run {
    enum place place;
    int64_t started_ns, finished_ns;
} run;

/* Runs in the order of their end, and when each switch was asked for. */
typedef struct record {
    run runs[RUNS_MAX];
    size_t run_count;
    struct {
        enum place to;
        int64_t at_ns;
    } asked[SWITCHES_MAX];
    size_t switch_count;
    double seconds, others; /* cores that somebody else used */
} record;

static char folder[] = "/tmp/bench-realloc-XXXXXX";
static char path[128];

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_realloc: %s: %s\n", what, why);
    exit(1);
}

static void note(record *to, enum place place, int64_t started_ns, int64_t finished_ns)
{
    if (to->run_count < RUNS_MAX)
        to->runs[to->run_count++] = (run){place, started_ns, finished_ns};
}

static void note_switch(record *to, enum place place)
{
    to->asked[to->switch_count].to = place;
    to->asked[to->switch_count++].at_ns = clock_now_ns();
}

static void watch_others(record *r)
{
    r->others = (double)clock_process_cpu_ns() / 1e9 - machine_busy_s();
    r->seconds = -(double)clock_now_ns() / 1e9;
}

static void watched_others(record *r)
{
    r->seconds += (double)clock_now_ns() / 1e9;
    r->others += machine_busy_s() - (double)clock_process_cpu_ns() / 1e9;
    r->others /= r->seconds;
}

static int64_t until_next_switch_ns(rng *random)
{
    return 30000000 + (int64_t)rng_below(random, 40000000);
}

/* ---- Cosrel ---- */

static cosrel_runtime *rt;
static cosrel_model *model;
static atomic_bool stop;
static atomic_int in_flight;

static void on_run(void *user, const cosrel_run_event *event)
{
    for (int p = CORE_A; p <= CORE_B; p++)
        if (strcmp(event->processor, processors[p]) == 0)
            note(user, p, event->started_ns, event->finished_ns);
}

static void ask(const cosrel_tensor *input);

static void answered(const cosrel_result *r)
{
    if (r->status != COSREL_OK)
        die("a run", r->message);
    if (atomic_load(&stop))
        atomic_fetch_sub(&in_flight, 1);
    else
        ask(r->user);
}

static void ask(const cosrel_tensor *input)
{
    cosrel_error err;
    const cosrel_request request = {
        .inputs = input, .input_count = 1, .done = answered, .user = (void *)input};
    if (cosrel_submit(rt, model, &request, NULL, &err) != COSREL_OK)
        die("submit", err.text);
}

static void choose(enum place place)
{
    char policy[32];
    cosrel_error err;
    snprintf(policy, sizeof policy, "single:%s", processors[place]);
    if (cosrel_runtime_set_policy(rt, policy, &err) != COSREL_OK)
        die(policy, err.text);
}

static void with_cosrel(record *to, int switches, const cosrel_tensor *input)
{
    rng random;
    rng_init(&random, 1);
    choose(CORE_A);
    watch_others(to);
    cosrel_runtime_on_run(rt, on_run, to);
    atomic_store(&in_flight, BACKLOG);
    for (int i = 0; i < BACKLOG; i++)
        ask(input);
    for (int i = 1; i <= switches; i++) {
        const struct timespec pause = {.tv_nsec = (long)until_next_switch_ns(&random)};
        nanosleep(&pause, NULL);
        note_switch(to, i % 3);
        choose(i % 3);
    }
    atomic_store(&stop, true);
    while (atomic_load(&in_flight) > 0)
        usleep(1000);
    cosrel_runtime_on_run(rt, NULL, NULL);
    watched_others(to);
}

static cosrel_tensor open_cosrel(void)
{
    static int64_t shape[8];
    static char cache[128];
    cosrel_options options;
    cosrel_error err;
    uint64_t elements = 1;
    snprintf(cache, sizeof cache, "%s/cache", folder);
    cosrel_options_init(&options);
    options.processors = "cpu0,cpu1,cpu0-1";
    options.cache_folder = cache;
    if (cosrel_runtime_open(&options, &rt, &err) != COSREL_OK ||
        cosrel_runtime_load(rt, path, &err) != COSREL_OK)
        die("open", err.text);
    model = cosrel_runtime_model(rt, 0);
    const cosrel_value_info *info = &cosrel_model_describe(model)->inputs[0];
    for (size_t d = 0; d < info->rank && d < 8; d++) {
        shape[d] = info->shape[d] < 0 ? 1 : info->shape[d];
        elements *= (uint64_t)shape[d];
    }
    cosrel_tensor input = {.type = info->type, .rank = info->rank, .shape = shape};
    input.bytes = cosrel_dtype_bytes(info->type, elements);
    input.data = calloc(1, input.bytes);
    if (!input.data)
        die(info->name, "no memory");
    return input;
}

/* ---- Plain ---- */

static void run_plainly(record *to, plain_session *s, enum place place)
{
    const int64_t started_ns = clock_now_ns();
    plain_run(s);
    note(to, place, started_ns, clock_now_ns());
}

/* kept: both sessions from the beginning. */
static void plainly(record *to, int switches, bool kept)
{
    plain_session sessions[2];
    rng random;
    rng_init(&random, 2);
    plain_open(&sessions[0], path, 1);
    plain_run(&sessions[0]);
    if (kept) {
        plain_open(&sessions[1], path, 2);
        plain_run(&sessions[1]);
    }
    watch_others(to);
    for (int i = 0; i <= switches; i++) {
        const int now = i % 2;
        if (i > 0) {
            note_switch(to, ONE_THREAD + now);
            if (!kept) {
                plain_close(&sessions[!now]);
                plain_open(&sessions[now], path, 1 + now);
            }
        }
        const int64_t end_ns = clock_now_ns() + until_next_switch_ns(&random);
        do
            run_plainly(to, &sessions[now], ONE_THREAD + now);
        while (clock_now_ns() < end_ns);
    }
    watched_others(to);
    plain_close(&sessions[switches % 2]);
    if (kept)
        plain_close(&sessions[!(switches % 2)]);
}

/* ---- What is printed ---- */

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int by_start(const void *a, const void *b)
{
    return compare(&((const run *)a)->started_ns, &((const run *)b)->started_ns);
}

static double at(const int64_t *sorted, size_t count, double q)
{
    return count ? (double)sorted[(size_t)(q * (double)(count - 1))] / 1e3 : 0;
}

static int64_t median_run_ns(const record *r, enum place place)
{
    static int64_t times[RUNS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < r->run_count; i++)
        if (r->runs[i].place == place)
            times[count++] = r->runs[i].finished_ns - r->runs[i].started_ns;
    qsort(times, count, sizeof *times, compare);
    return count ? times[count / 2] : 0;
}

/* When it was asked for that this run be where it was. */
static int64_t asked_before(const record *r, const run *now)
{
    size_t i = r->switch_count;
    while (i > 0 && (r->asked[i - 1].to != now->place || r->asked[i - 1].at_ns > now->started_ns))
        i--;
    return i > 0 ? r->asked[i - 1].at_ns : now->started_ns;
}

/* From `from` to `to`; the same place twice: all runs that no switch came before. */
static void show(const record *r, const char *name, enum place from, enum place to)
{
    static int64_t idle[RUNS_MAX], longer[RUNS_MAX], took[RUNS_MAX];
    const int64_t usual_ns = median_run_ns(r, to);
    size_t count = 0;
    int64_t end_ns = r->runs[0].finished_ns;
    for (size_t i = 1; i < r->run_count; i++) {
        const run *before = &r->runs[i - 1], *now = &r->runs[i];
        if (before->place == from && now->place == to) {
            const int64_t gap_ns = now->started_ns - end_ns;
            idle[count] = gap_ns > 0 ? gap_ns : 0;
            longer[count] = now->finished_ns - now->started_ns - usual_ns;
            took[count++] = from == to ? 0 : now->started_ns - asked_before(r, now);
        }
        end_ns = now->finished_ns > end_ns ? now->finished_ns : end_ns;
    }
    qsort(idle, count, sizeof *idle, compare);
    qsort(longer, count, sizeof *longer, compare);
    qsort(took, count, sizeof *took, compare);
    printf("%-32s %6zu %9.1f %9.1f %9.1f %9.1f %9.1f", name, count, at(idle, count, .5),
           at(idle, count, .99), at(idle, count, 1), at(longer, count, .5), at(longer, count, .99));
    if (from != to)
        printf(" %9.1f %9.1f", at(took, count, .5), at(took, count, 1));
    printf("\n");
}

static void show_all(record *cosrel, record *anew, record *kept, const char *name)
{
    record *const all[] = {cosrel, anew, kept};
    for (int i = 0; i < 3; i++)
        qsort(all[i]->runs, all[i]->run_count, sizeof(run), by_start);
    printf("%s, microseconds; a run takes %.0f on cpu0, %.0f on cpu0-1; %zu and %zu switches; "
           "others took %.2f, %.2f, %.2f cores\n",
           name, (double)median_run_ns(cosrel, CORE_A) / 1e3,
           (double)median_run_ns(cosrel, BOTH) / 1e3, cosrel->switch_count, anew->switch_count,
           cosrel->others, anew->others, kept->others);
    printf("%-32s %6s %29s %19s %19s\n", "", "", "idle", "first run longer by", "from asking on");
    printf("%-32s %6s %9s %9s %9s %9s %9s %9s %9s\n", "", "times", "p50", "p99", "most", "p50",
           "p99", "p50", "most");
    show(cosrel, "cosrel, stays on cpu0", CORE_A, CORE_A);
    show(cosrel, "cosrel, stays on cpu0-1", BOTH, BOTH);
    show(cosrel, "cosrel, cpu0 to cpu0-1", CORE_A, BOTH);
    show(cosrel, "cosrel, cpu0-1 to cpu1", BOTH, CORE_B);
    show(cosrel, "cosrel, cpu1 to cpu0", CORE_B, CORE_A);
    show(anew, "plain, stays on 1 thread", ONE_THREAD, ONE_THREAD);
    show(anew, "plain, made anew, 1 to 2 threads", ONE_THREAD, TWO_THREADS);
    show(anew, "plain, made anew, 2 to 1 threads", TWO_THREADS, ONE_THREAD);
    show(kept, "plain, both kept, 1 to 2 threads", ONE_THREAD, TWO_THREADS);
    show(kept, "plain, both kept, 2 to 1 threads", TWO_THREADS, ONE_THREAD);
}

int main(int argc, char **argv)
{
    static record cosrel, anew, kept;
    const int switches = argc > 1 ? atoi(argv[1]) : 300;
    const char *name = argc > 2 ? argv[2] : "mobilenet_v2";
    const zoo_entry *entry = zoo_find(name);
    cosrel_error err;
    if (switches < 3 || switches > SWITCHES_MAX || !entry || !mkdtemp(folder))
        die("usage", "bench_realloc [SWITCHES [MODEL]], at most 20000 switches, a reference model");
    snprintf(path, sizeof path, "%s/%s.onnx", folder, name);
    if (zoo_write(entry, path, 1, NULL, &err) != COSREL_OK)
        die(path, err.text);
    cosrel_tensor input = open_cosrel();
    with_cosrel(&cosrel, switches, &input);
    plainly(&anew, switches / PLAIN_EVERY, false);
    plainly(&kept, switches / PLAIN_EVERY, true);
    show_all(&cosrel, &anew, &kept, name);
    cosrel_runtime_close(rt);
    free(input.data);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : 1;
}
