/* What preparing the next run during the present one is worth on a processor that computes by
 * itself.
 *
 *     build/bench/bench_overlap [ROUNDS [SECONDS]]       default: 5 rounds of 2 s
 *
 * The processor is emulated, so that its time is known: it takes what its table says, on no core.
 * Requests bring an image, which has to be assembled for it, and four are always in flight. In
 * turn: one run at a time (assemble, run, answer, decide, assemble, ...), and with overlap. The
 * device's time is the least that a request can take. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cosrel/cosrel.h"
#include "tiny_onnx.h"

enum { FLOATS_MAX = 3 * 720 * 1280, IN_FLIGHT = 4, ROUNDS_MAX = 50, WAYS = 2 };

typedef struct setting {
    int64_t height, width; /* of three channels of floats */
    double device_ms;
} setting;
static const setting settings[] = {
    {224, 224, 0.2}, {224, 224, 1}, {720, 1280, 2}, {720, 1280, 5}, {720, 1280, 20}};
enum { SETTINGS = sizeof settings / sizeof *settings };

static const char *const names[WAYS] = {"one at a time", "overlapped"};
static char folder[] = "/tmp/bench-overlap-XXXXXX";
static float x[IN_FLIGHT][FLOATS_MAX];

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_overlap: %s: %s\n", what, why);
    exit(1);
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_text(const char *name, const char *text)
{
    FILE *f = fopen(path_of(name), "w");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0)
        die(name, "cannot be written");
}

/* What came of one round. Runs are reported under the runtime's lock, answers by any thread. */
typedef struct round_result {
    cosrel_runtime *rt;
    cosrel_model *model;
    atomic_bool over;
    atomic_int in_flight;
    atomic_long answers;
    int64_t last_end_ns, idle_ns, runs;
} round_result;

typedef struct client {
    round_result *round;
    cosrel_tensor input;
} client;

static void ask(client *c);

static void done(const cosrel_result *result)
{
    client *c = result->user;
    round_result *r = c->round;
    if (result->status != COSREL_OK)
        die("a request", result->message);
    atomic_fetch_add(&r->answers, 1);
    if (atomic_load(&r->over))
        atomic_fetch_sub(&r->in_flight, 1);
    else
        ask(c);
}

static void ask(client *c)
{
    cosrel_error err;
    const cosrel_request request = {.inputs = &c->input, .input_count = 1, .done = done, .user = c};
    if (cosrel_submit(c->round->rt, c->round->model, &request, NULL, &err) != COSREL_OK)
        die("a request", err.text);
}

static void note_run(void *user, const cosrel_run_event *event)
{
    round_result *r = user;
    if (r->last_end_ns)
        r->idle_ns += event->finished_ns - r->last_end_ns;
    r->last_end_ns = event->finished_ns;
    r->runs++;
}

static void play(cosrel_runtime *rt, const setting *s, double seconds, double *rate,
                 double *cycle_us)
{
    const int64_t shape[] = {1, 3, s->height, s->width};
    round_result r = {.rt = rt, .model = cosrel_runtime_model(rt, 0)};
    client clients[IN_FLIGHT];
    cosrel_runtime_on_run(rt, note_run, &r);
    const int64_t start_ns = clock_now_ns();
    atomic_store(&r.in_flight, IN_FLIGHT);
    for (int i = 0; i < IN_FLIGHT; i++) {
        clients[i] = (client){
            .round = &r,
            .input = {.type = COSREL_FLOAT32,
                      .rank = 4,
                      .shape = shape,
                      .data = x[i],
                      .bytes = (size_t)(3 * s->height * s->width) * sizeof x[i][0]}};
        ask(&clients[i]);
    }
    usleep((useconds_t)(seconds * 1e6));
    atomic_store(&r.over, true);
    while (atomic_load(&r.in_flight) > 0)
        usleep(100);
    const double took_s = (double)(clock_now_ns() - start_ns) / 1e9;
    cosrel_runtime_on_run(rt, NULL, NULL);
    *rate = (double)atomic_load(&r.answers) / took_s;
    *cycle_us = r.runs > 1 ? (double)r.idle_ns / 1e3 / (double)(r.runs - 1) : 0;
}

static cosrel_runtime *open_way(int way, double ms)
{
    char text[512];
    cosrel_runtime *rt;
    cosrel_error err = {""};
    cosrel_options options;
    snprintf(text, sizeof text,
             "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,"
             "source\nbench,npu,pool,,,1,%g,,,bench\n",
             ms);
    write_text("npu.csv", text);
    snprintf(text, sizeof text, "processors: [npu]\n%semulated:\n  - {name: npu, table: npu.csv}\n",
             way == 0 ? "one_at_a_time: yes\n" : "");
    write_text("npu.yaml", text);
    cosrel_options_init(&options);
    options.settings_file = path_of("npu.yaml");
    options.cache_folder = "";
    if (cosrel_runtime_open(&options, &rt, &err) != COSREL_OK ||
        cosrel_runtime_load(rt, path_of("pool.onnx"), &err) != COSREL_OK)
        die("the runtime", err.text);
    return rt;
}

static int compare(const void *a, const void *b)
{
    const double p = *(const double *)a, q = *(const double *)b;
    return (p > q) - (p < q);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[count / 2];
}

static void measure(const setting *s, int rounds, double seconds)
{
    static double rate[WAYS][ROUNDS_MAX], cycle_us[WAYS][ROUNDS_MAX];
    if (!tiny_pool_sized(path_of("pool.onnx"), s->height, s->width))
        die("the model", "cannot be written");
    for (int r = 0; r < rounds; r++) {
        for (int way = 0; way < WAYS; way++) {
            cosrel_runtime *rt = open_way(way, s->device_ms);
            play(rt, s, seconds / 4, &rate[way][r], &cycle_us[way][r]); /* estimates settle */
            play(rt, s, seconds, &rate[way][r], &cycle_us[way][r]);
            cosrel_runtime_close(rt);
        }
    }
    const double plain = median(rate[0], rounds);
    for (int way = 0; way < WAYS; way++) {
        const double now = median(rate[way], rounds), cycle = median(cycle_us[way], rounds);
        printf("%4lld x %-4lld %9.1f  %-14s %10.0f %6.2f %12.0f %14.0f\n", (long long)s->height,
               (long long)s->width, s->device_ms, names[way], now, now / plain, cycle,
               cycle - s->device_ms * 1e3);
    }
}

int main(int argc, char **argv)
{
    const int rounds = argc > 1 ? atoi(argv[1]) : 5;
    const double seconds = argc > 2 ? atof(argv[2]) : 2;
    if (rounds < 1 || rounds > ROUNDS_MAX || !(seconds > 0))
        die("usage", "bench_overlap [ROUNDS [SECONDS]]");
    if (!mkdtemp(folder))
        die("/tmp", "no folder to be had");
    printf("%d rounds of %g s in turn, medians\n", rounds, seconds);
    printf("image       device ms  %-14s %10s %6s %12s %14s\n", "way", "requests/s", "ratio",
           "us per run", "us beside it");
    for (int i = 0; i < SETTINGS; i++)
        measure(&settings[i], rounds, seconds);
    unlink(path_of("npu.csv"));
    unlink(path_of("npu.yaml"));
    unlink(path_of("pool.onnx"));
    return rmdir(folder);
}
