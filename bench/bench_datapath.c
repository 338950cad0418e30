/* Four models under load: Cosrel against ONNX Runtime as people use it (datapath/ways.h says what
 * is compared).
 *
 *     build/bench/bench_datapath [ROUNDS [SECONDS [POLICY [OBJECTIVE]]]]
 *                                default: 7 rounds of 4 s, learned, latency
 *
 * The mix is the same for all ways. Each round begins with a closed loop of every way, 16 in
 * flight, the capacity of that way now. Then there are open loops of every way at two loads: 90 %
 * of the best way's capacity, and 90 % of the plain one's, since the former may be more than the
 * plain way can serve at all. Arrivals are Poisson, the same for every way, whose order changes
 * from round to round; a request's time counts from when it was due. Every answer is compared with
 * that of a session with one thread. Medians over the rounds. Load and ways share the machine. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "datapath/ways.h"
#include "machine.h"
#include "plain/plain_session.h"
#include "zoo/zoo.h"

enum { ROUNDS_MAX = 99, IN_FLIGHT = 16 };
static const double LOAD = 0.90, CLOSED_S = 1;

/* Chosen: the first three need about as much of the machine each, and the spotter, which would need
 * thousands a second for that, is asked most often. */
load_model load_models[LOAD_MODELS] = {{.name = "mobilenet_v2", .weight = 1},
                                       {.name = "squeezenet", .weight = 1},
                                       {.name = "small_cnn", .weight = 4},
                                       {.name = "keyword_spotter", .weight = 6}};

static const load_way *const ways[] = {&way_plain, &way_tuned, &way_cosrel};
enum { WAYS = sizeof ways / sizeof ways[0], PLAIN = 0, TUNED = 1, COSREL = 2, ALL = LOAD_MODELS };

/* 90 % of what: the best way's capacity, or the plain one's. */
enum level { OF_BEST, OF_PLAIN, LEVELS };
static const char *const level_names[] = {"the best way's capacity", "the plain way's capacity"};

/* What a round has shown of a way at a load. */
typedef struct shown {
    double rate, p50_ms, p99_ms[LOAD_MODELS + 1], most_ms, cores, others;
    double p99_mean_ms;         /* geometric mean of the models' */
    double copied, late_p99_ms; /* bytes per request; requests sent late by */
    double failed, wrong;
} shown;

static double capacities[WAYS][ROUNDS_MAX], offered[LEVELS][ROUNDS_MAX];
static shown rounds_of[LEVELS][WAYS][ROUNDS_MAX];
static char folder[] = "/tmp/bench-datapath-XXXXXX";

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_datapath: %s: %s\n", what, why);
    exit(1);
}

/* ---- The models and their answers ---- */

static void *copy_of(const void *from, size_t bytes)
{
    void *to = malloc(bytes);
    if (!to)
        die("answers", "no memory");
    memcpy(to, from, bytes);
    return to;
}

static void make_model(load_model *m)
{
    plain_session alone;
    rng random;
    cosrel_error err;
    snprintf(m->path, sizeof m->path, "%s/%s.onnx", folder, m->name);
    if (zoo_write(zoo_find(m->name), m->path, 1, NULL, &err) != COSREL_OK)
        die(m->name, err.text);
    plain_open(&alone, m->path, 1);
    rng_init(&random, 1);
    m->in_bytes = alone.bytes[0];
    for (int v = 0; v < LOAD_VARIANTS; v++) {
        float *x = alone.data[0];
        for (size_t i = 0; i < m->in_bytes / sizeof *x; i++)
            x[i] = (float)rng_normal(&random);
        plain_run(&alone);
        m->out_bytes = plain_float_count(alone.outputs[0]) * sizeof(float);
        m->inputs[v] = copy_of(x, m->in_bytes);
        m->answers[v] = copy_of(plain_floats(alone.outputs[0]), m->out_bytes);
    }
    plain_close(&alone);
}

/* ---- Measuring ---- */

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of the answered requests for `model`, or ALL; late: how late they were handed over. */
static double percentile_ms(const load_result *r, int model, bool late, double q)
{
    double *ms = malloc((r->count + 1) * sizeof *ms);
    size_t count = 0;
    if (!ms)
        die("percentiles", "no memory");
    for (size_t i = 0; i < r->count; i++) {
        const load_request *one = &r->requests[i];
        if (one->spent_ns >= 0 && (model == ALL || one->model == model))
            ms[count++] = (double)(late ? one->late_ns : one->spent_ns) / 1e6;
    }
    qsort(ms, count, sizeof *ms, compare);
    const double at = count ? ms[(size_t)(q * (double)(count - 1))] : 0;
    free(ms);
    return at;
}

/* Until pools that spin have gone to sleep. */
static void rest(void)
{
    const struct timespec time = {.tv_nsec = 200000000};
    nanosleep(&time, NULL);
}

static double closed_loop(const load_way *way, uint64_t seed)
{
    load_result r;
    rest();
    load_closed(way, IN_FLIGHT, CLOSED_S, seed, &r);
    free(r.requests);
    return (double)r.answered / r.seconds;
}

static void open_loop(const load_way *way, double rate, double seconds, uint64_t seed, shown *s)
{
    load_result r;
    rest();
    const double before_s = machine_busy_s();
    load_open(way, rate, seconds, seed, &r);
    s->others = (machine_busy_s() - before_s - r.cpu_s) / r.seconds;
    s->rate = (double)r.answered / r.seconds;
    s->p50_ms = percentile_ms(&r, ALL, false, 0.5);
    double logs = 0;
    for (int m = 0; m <= ALL; m++) {
        s->p99_ms[m] = percentile_ms(&r, m, false, 0.99);
        logs += m < ALL ? log(s->p99_ms[m]) / LOAD_MODELS : 0;
    }
    s->p99_mean_ms = exp(logs);
    s->most_ms = percentile_ms(&r, ALL, false, 1);
    s->late_p99_ms = percentile_ms(&r, ALL, true, 0.99);
    s->cores = r.cpu_s / r.seconds;
    s->copied = r.answered ? (double)r.copied / (double)r.answered : 0;
    s->failed = (double)r.failed;
    s->wrong = (double)r.wrong;
    free(r.requests);
}

static void measure_round(int round, double seconds)
{
    const uint64_t seed = (uint64_t)round + 1;
    double best = 0;
    for (int i = 0; i < WAYS; i++) {
        const int w = (i + round) % WAYS;
        capacities[w][round] = closed_loop(ways[w], seed);
        best = capacities[w][round] > best ? capacities[w][round] : best;
    }
    offered[OF_BEST][round] = LOAD * best;
    offered[OF_PLAIN][round] = LOAD * capacities[PLAIN][round];
    for (int l = 0; l < LEVELS; l++) {
        double others = 0;
        printf("round %d, %.0f/s: p50 and p99 ms ", round + 1, offered[l][round]);
        for (int i = 0; i < WAYS; i++) {
            const int w = (i + round) % WAYS;
            shown *s = &rounds_of[l][w][round];
            open_loop(ways[w], offered[l][round], seconds, seed, s);
            others = s->others > others ? s->others : others;
            printf(" %s %.1f %.1f", ways[w]->name, s->p50_ms, s->p99_ms[ALL]);
        }
        printf("; others took up to %.2f cores\n", others);
        fflush(stdout);
    }
}

/* ---- Printing ---- */

static double median_of(const double *values, int count)
{
    double all[ROUNDS_MAX];
    memcpy(all, values, (size_t)count * sizeof *all);
    qsort(all, (size_t)count, sizeof *all, compare);
    return all[count / 2];
}

/* `offset` of a double in `shown`. */
static double value(const shown *s, size_t offset)
{
    double v;
    memcpy(&v, (const char *)s + offset, sizeof v);
    return v;
}

/* Of the rounds; with `over`, of the ratio to that way in the same round. */
static double median(const shown *of, const shown *over, int rounds, size_t offset)
{
    double all[ROUNDS_MAX];
    for (int r = 0; r < rounds; r++)
        all[r] = value(&of[r], offset) / (over ? value(&over[r], offset) : 1);
    return median_of(all, rounds);
}

#define MEDIAN(field) median(of, NULL, rounds, offsetof(shown, field))
#define RATIO(field)  median(of[COSREL], of[over], rounds, offsetof(shown, field))

static void print_way(const load_way *way, const shown *of, int rounds)
{
    double failed = 0, wrong = 0;
    for (int r = 0; r < rounds; r++) {
        failed += of[r].failed;
        wrong += of[r].wrong;
    }
    printf("%-7s %9.0f %8.2f %8.2f %8.2f %6.2f %6.2f %9.2f %12.0f %6.0f %5.0f ", way->name,
           MEDIAN(rate), MEDIAN(p50_ms), MEDIAN(p99_ms[ALL]), MEDIAN(most_ms), MEDIAN(cores),
           MEDIAN(others), MEDIAN(late_p99_ms), MEDIAN(copied), failed, wrong);
    for (int m = 0; m < LOAD_MODELS; m++)
        printf(" %8.2f", MEDIAN(p99_ms[m]));
    printf("\n");
}

static void print_level(enum level level, int rounds)
{
    const shown(*of)[ROUNDS_MAX] = rounds_of[level];
    printf("\n%.0f/s, %.0f %% of %s\n%-7s %9s %8s %8s %8s %6s %6s %9s %12s %6s %5s  p99 ms of",
           median_of(offered[level], rounds), 100 * LOAD, level_names[level], "", "answers/s",
           "p50 ms", "p99 ms", "most ms", "cores", "others", "late p99", "copied B/req", "failed",
           "wrong");
    for (int m = 0; m < LOAD_MODELS; m++)
        printf(" %s", load_models[m].name);
    printf("\n");
    for (int w = 0; w < WAYS; w++)
        print_way(ways[w], of[w], rounds);
    for (int over = PLAIN; over <= TUNED; over++)
        printf("cosrel over %s: p99 %.2f, p99 of the four models (geometric mean) %.2f, p50 %.2f, "
               "cores %.2f, bytes copied %.3f\n",
               ways[over]->name, RATIO(p99_ms[ALL]), RATIO(p99_mean_ms), RATIO(p50_ms),
               RATIO(cores), RATIO(copied));
}

static void print(int rounds, double seconds)
{
    printf("%d rounds of %.1f s, medians of the rounds and of their ratios; closed loop, %d in "
           "flight:",
           rounds, seconds, IN_FLIGHT);
    for (int w = 0; w < WAYS; w++)
        printf(" %s %.0f/s", ways[w]->name, median_of(capacities[w], rounds));
    printf("\n");
    for (int l = 0; l < LEVELS; l++)
        print_level(l, rounds);
}

int main(int argc, char **argv)
{
    const int rounds = argc > 1 ? atoi(argv[1]) : 7;
    const double seconds = argc > 2 ? atof(argv[2]) : 4;
    if (rounds < 1 || rounds > ROUNDS_MAX || seconds <= 0 || !mkdtemp(folder))
        die("usage", "bench_datapath [ROUNDS [SECONDS [POLICY [OBJECTIVE]]]], at most 99 rounds");
    ways_set_policy(argc > 3 ? argv[3] : "learned", argc > 4 ? argv[4] : "latency");
    for (int m = 0; m < LOAD_MODELS; m++)
        make_model(&load_models[m]);
    for (int w = 0; w < WAYS; w++) {
        ways[w]->open(ways[w]->self);
        (void)closed_loop(ways[w], 1000); /* until estimates have settled */
    }
    for (int r = 0; r < rounds; r++)
        measure_round(r, seconds);
    print(rounds, seconds);
    for (int w = 0; w < WAYS; w++)
        ways[w]->close(ways[w]->self);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : 1;
}
