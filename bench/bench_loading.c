/* What the models that are running notice of others that come and go.
 *
 *     build/bench/bench_loading [ROUNDS [SECONDS [SWAPS [outside]]]]
 *                                                     default: 5 rounds of 4 s, 200 swaps
 *
 * Two small models are asked at 70 % of what they get through together, in an open loop (arrivals
 * wait for no answers; a request's time counts from when it was due), which is measured anew before
 * each round; a round of swaps is twenty. Then, in turn:
 *   quiet    nothing else
 *   gently   resnet50 (102 MB of weights) is loaded as the server does, its optimised copy written
 *            anew, and unloaded
 *   plain    the same file by ONNX Runtime alone, default options, one run, on a thread like any
 * and at last one of the small models is replaced SWAPS times by a version with other weights,
 * under the same load, quiet windows of the same length between: every answer must be one version's
 * as a whole. Ratios are medians of the rounds' own, which bear a slow spell of the machine's in
 * one of them.
 *
 * The thread that asks competes for the cores like any. outside: it is a real-time thread, which
 * takes a privilege, and asks when it should, as what comes from another machine does. */
#include <onnxruntime_c_api.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hist.h"
#include "base/rng.h"
#include "cosrel/cosrel.h"
#include "zoo/zoo.h"

enum { SMALL = 2, OUTPUTS_MAX = 4096, SWAPS_MAX = 10000, SWAPS_ROUND = 20, ROUNDS_MAX = 500 };
static const char *const small_names[SMALL] = {"small_cnn", "keyword_spotter"};
static const char big_name[] = "resnet50";
static const double LOAD = 0.70;

static char folder[] = "/tmp/bench-loading-XXXXXX";
static cosrel_runtime *rt;

/* What is asked: the same input again and again. */
typedef struct target {
    const char *name;
    int64_t shape[8];
    cosrel_tensor input;
    float right[2][OUTPUTS_MAX]; /* the answers of its versions */
    size_t outputs;
    int versions;
} target;
static target targets[SMALL];

typedef struct times {
    hist all, round;
    int64_t p99s[ROUNDS_MAX]; /* of each round */
} times;

/* What came of the requests of one phase. Guarded by lock. */
typedef struct phase {
    times due, asked; /* from when it was due, and from when it was handed in */
    hist late;        /* what lies between */
    int rounds;
    uint64_t errors, mixed;
    int64_t spent_ns;
    /* Of the latest: from when it was due until it was handed in, then waiting, then running. */
    int64_t latest_ns, handed_ns, waited_ns, ran_ns;
    char where[32];
    int64_t window_ns; /* the latest since its last begin */
} phase;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static phase *now; /* where arrivals belong */
static atomic_long in_flight;

typedef struct asked {
    const target *of;
    phase *phase;
    int64_t due_ns;
} asked;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_loading: %s: %s\n", what, why);
    exit(1);
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_model(const char *name, const char *place, uint64_t seed)
{
    char path[256], other[264];
    cosrel_error err;
    snprintf(path, sizeof path, "%s", path_of(place));
    snprintf(other, sizeof other, "%s.new", path);
    if (zoo_write(zoo_find(name), other, seed, NULL, &err) != COSREL_OK)
        die(name, err.text);
    if (rename(other, path) != 0)
        die(path, "cannot be put in place");
}

static cosrel_model *find(const char *name)
{
    cosrel_model *m = cosrel_runtime_find_model(rt, name, 0);
    if (!m)
        die(name, "is not loaded");
    return m;
}

static void make_target(target *t, const char *name)
{
    const cosrel_model_info *info = cosrel_model_describe(find(name));
    uint64_t elements = 1;
    for (size_t d = 0; d < info->inputs[0].rank; d++) {
        t->shape[d] = info->inputs[0].shape[d] < 0 ? 1 : info->inputs[0].shape[d];
        elements *= (uint64_t)t->shape[d];
    }
    t->name = name;
    t->input = (cosrel_tensor){.type = info->inputs[0].type,
                               .rank = info->inputs[0].rank,
                               .shape = t->shape,
                               .bytes = cosrel_dtype_bytes(info->inputs[0].type, elements)};
    float *x = t->input.data = calloc(1, t->input.bytes);
    if (!x)
        die(name, "no memory");
    for (uint64_t i = 0; i < elements; i++)
        x[i] = (float)(i % 17) / 17;
}

static void learn_answer(target *t)
{
    const cosrel_result *r;
    cosrel_error err;
    if (cosrel_run(rt, find(t->name), &t->input, 1, &r, &err) != COSREL_OK)
        die(t->name, err.text);
    t->outputs = r->outputs[0].bytes / sizeof(float);
    if (t->outputs > OUTPUTS_MAX)
        die(t->name, "has too many outputs for this");
    memcpy(t->right[t->versions++], r->outputs[0].data, r->outputs[0].bytes);
    cosrel_result_release(r);
}

/* Of one of the versions, within what the order of additions on other cores may change. */
static bool is_right(const target *t, const cosrel_result *r)
{
    const float *y = r->outputs[0].data;
    if (r->outputs[0].bytes != t->outputs * sizeof *y)
        return false;
    for (int v = 0; v < t->versions; v++) {
        size_t i = 0;
        for (; i < t->outputs; i++) {
            const float difference = y[i] - t->right[v][i];
            if (difference > 1e-3f || difference < -1e-3f)
                break;
        }
        if (i == t->outputs)
            return true;
    }
    return false;
}

static void note_latest(phase *p, const cosrel_result *r, int64_t due_ns)
{
    if (r->finished_ns - due_ns > p->window_ns)
        p->window_ns = r->finished_ns - due_ns;
    if (r->finished_ns - due_ns <= p->latest_ns)
        return;
    p->latest_ns = r->finished_ns - due_ns;
    p->handed_ns = r->submitted_ns - due_ns;
    p->waited_ns = r->started_ns - r->submitted_ns;
    p->ran_ns = r->finished_ns - r->started_ns;
    snprintf(p->where, sizeof p->where, "%s", r->processor);
}

static void add(times *t, int64_t ns)
{
    hist_add(&t->all, ns);
    hist_add(&t->round, ns);
}

static void answered(const cosrel_result *r)
{
    asked *a = r->user;
    const bool right = r->status != COSREL_OK || is_right(a->of, r);
    pthread_mutex_lock(&lock);
    if (a->phase) {
        if (r->status == COSREL_OK) {
            add(&a->phase->due, r->finished_ns - a->due_ns);
            add(&a->phase->asked, r->finished_ns - r->submitted_ns);
            hist_add(&a->phase->late, r->submitted_ns - a->due_ns);
            note_latest(a->phase, r, a->due_ns);
        }
        a->phase->errors += r->status != COSREL_OK;
        a->phase->mixed += !right;
    }
    pthread_mutex_unlock(&lock);
    free(a);
    atomic_fetch_sub(&in_flight, 1);
}

/* As a server does: looked up by name, once more if it went in between. */
static void ask(const target *t, int64_t due_ns)
{
    asked *a = malloc(sizeof *a);
    cosrel_status status = COSREL_NOT_FOUND;
    if (!a)
        die(t->name, "no memory");
    pthread_mutex_lock(&lock);
    *a = (asked){.of = t, .phase = now, .due_ns = due_ns};
    pthread_mutex_unlock(&lock);
    const cosrel_request request = {
        .inputs = &t->input, .input_count = 1, .done = answered, .user = a};
    atomic_fetch_add(&in_flight, 1);
    for (int i = 0; i < 4 && status == COSREL_NOT_FOUND; i++)
        status = cosrel_submit(rt, find(t->name), &request, NULL, NULL);
    if (status == COSREL_OK)
        return;
    atomic_fetch_sub(&in_flight, 1);
    pthread_mutex_lock(&lock);
    if (a->phase)
        a->phase->errors++;
    pthread_mutex_unlock(&lock);
    free(a);
}

/* Answers per second when always eight wait. */
static double capacity(double seconds)
{
    static phase all;
    const int64_t end_ns = clock_now_ns() + (int64_t)(seconds * 1e9);
    memset(&all, 0, sizeof all);
    now = &all;
    for (uint64_t i = 0; clock_now_ns() < end_ns; i++) {
        while (atomic_load(&in_flight) >= 8)
            usleep(50);
        ask(&targets[i % SMALL], clock_now_ns());
    }
    while (atomic_load(&in_flight) > 0)
        usleep(1000);
    now = NULL;
    return (double)all.due.all.count / seconds;
}

static _Atomic double rate_rps;
static atomic_bool stop, hold, holds;
static bool outside;

static void rest(double seconds)
{
    const struct timespec time = {.tv_sec = (time_t)seconds,
                                  .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

/* Machines change their speed: 70 % of what they get through now, not of what they once did. */
static void set_rate(void)
{
    atomic_store(&hold, true);
    while (!atomic_load(&holds) || atomic_load(&in_flight) > 0)
        rest(0.001);
    atomic_store(&rate_rps, LOAD * capacity(0.7));
    atomic_store(&hold, false);
    rest(0.5);
}

static void *arrive(void *unused)
{
    rng random;
    int64_t due_ns = clock_now_ns();
    (void)unused;
    rng_init(&random, 1);
    const struct sched_param priority = {.sched_priority = 1};
    if (outside && pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority) != 0)
        die("outside", "no privilege for a real-time thread");
    while (!atomic_load(&stop)) {
        if (atomic_load(&hold)) {
            atomic_store(&holds, true);
            rest(0.001);
            due_ns = clock_now_ns();
            continue;
        }
        atomic_store(&holds, false);
        due_ns += (int64_t)(1e9 * rng_exponential(&random, 1 / atomic_load(&rate_rps)));
        for (int64_t left_ns; (left_ns = due_ns - clock_now_ns()) > 0;) {
            const struct timespec rest = {.tv_sec = left_ns / 1000000000,
                                          .tv_nsec = left_ns % 1000000000};
            nanosleep(&rest, NULL);
        }
        ask(&targets[rng_below(&random, SMALL)], due_ns);
    }
    return NULL;
}

static void begin(phase *p)
{
    pthread_mutex_lock(&lock);
    now = p;
    p->window_ns = 0;
    pthread_mutex_unlock(&lock);
    p->spent_ns -= clock_now_ns();
}

/* What was asked in the phase is answered before the next begins. */
static void end(phase *p)
{
    p->spent_ns += clock_now_ns();
    pthread_mutex_lock(&lock);
    now = NULL;
    pthread_mutex_unlock(&lock);
    usleep(300000);
}

static void load(const char *name, bool gently)
{
    cosrel_load_options options;
    cosrel_error err = {""};
    cosrel_load_options_init(&options);
    options.name = name;
    options.follow = true;
    options.gently = gently;
    if (cosrel_runtime_load_models(rt, folder, &options, &err) != COSREL_OK)
        die(name, err.text);
}

/* ---- The plain way ---- */

static const OrtApi *api;

static void must(OrtStatus *status)
{
    if (status)
        die("ONNX Runtime", api->GetErrorMessage(status));
}

static void load_plainly(OrtEnv *env, const char *path)
{
    static float x[3 * 224 * 224];
    const int64_t shape[] = {1, 3, 224, 224};
    OrtSessionOptions *options;
    OrtSession *session;
    OrtMemoryInfo *memory;
    OrtAllocator *allocator;
    OrtValue *input, *output = NULL;
    char *names[2];
    must(api->CreateSessionOptions(&options));
    must(api->CreateSession(env, path, options, &session));
    must(api->GetAllocatorWithDefaultOptions(&allocator));
    must(api->SessionGetInputName(session, 0, allocator, &names[0]));
    must(api->SessionGetOutputName(session, 0, allocator, &names[1]));
    must(api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
    must(api->CreateTensorWithDataAsOrtValue(memory, x, sizeof x, shape, 4,
                                             ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &input));
    must(api->Run(session, NULL, (const char *const *)&names[0], (const OrtValue *const *)&input, 1,
                  (const char *const *)&names[1], 1, &output));
    api->ReleaseValue(output);
    api->ReleaseValue(input);
    api->ReleaseMemoryInfo(memory);
    api->ReleaseSession(session);
    api->ReleaseSessionOptions(options);
}

/* ---- The phases ---- */

static void drop_cache(void)
{
    char line[512];
    snprintf(line, sizeof line, "rm -rf '%s/cache'", folder);
    if (system(line) != 0)
        die(folder, "its cache cannot be removed");
}

static void end_round(phase *p)
{
    times *both[] = {&p->due, &p->asked};
    for (int i = 0; i < 2; i++) {
        both[i]->p99s[p->rounds] = hist_percentile(&both[i]->round, 0.99);
        hist_reset(&both[i]->round);
    }
    p->rounds++;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void show_p99(const char *what, const times *t, const times *quiet, int rounds)
{
    double ratios[ROUNDS_MAX] = {0};
    for (int i = 0; i < rounds; i++)
        ratios[i] = (double)t->p99s[i] / (double)quiet->p99s[i];
    qsort(ratios, (size_t)rounds, sizeof *ratios, compare);
    printf("  %s p99 %6.2f ms, of quiet %.2f (%.2f to %.2f)", what,
           (double)hist_percentile(&t->all, 0.99) / 1e6, ratios[rounds / 2], ratios[0],
           ratios[rounds > 0 ? rounds - 1 : 0]);
}

static void show(const char *name, const phase *p, const phase *quiet)
{
    printf("%-8s %7llu requests in %5.1f s  errors %llu, mixed %llu  p50 %5.2f ms", name,
           (unsigned long long)p->due.all.count, (double)p->spent_ns / 1e9,
           (unsigned long long)p->errors, (unsigned long long)p->mixed,
           (double)hist_percentile(&p->due.all, 0.5) / 1e6);
    show_p99("", &p->due, &quiet->due, p->rounds);
    printf("  most %6.2f ms\n        ", (double)hist_max(&p->due.all) / 1e6);
    show_p99("from handing in", &p->asked, &quiet->asked, p->rounds);
    printf("; handed in late, p99 %.2f ms\n", (double)hist_percentile(&p->late, 0.99) / 1e6);
    printf("         the latest was handed in %.2f ms late, waited %.2f ms and ran %.2f ms on %s\n",
           (double)p->handed_ns / 1e6, (double)p->waited_ns / 1e6, (double)p->ran_ns / 1e6,
           p->where);
}

static void measure_loading(int rounds, double seconds, OrtEnv *env)
{
    static phase quiet, gently, plain;
    for (int i = 0; i < rounds; i++) {
        set_rate();
        begin(&quiet);
        usleep((useconds_t)(seconds * 1e6));
        end(&quiet);
        write_model(big_name, "resnet50.onnx", 1);
        drop_cache();
        begin(&gently);
        load(big_name, true);
        end(&gently);
        unlink(path_of("resnet50.onnx"));
        load(NULL, true); /* what is gone goes */
        write_model(big_name, "plain.bin", 1);
        begin(&plain);
        load_plainly(env, path_of("plain.bin"));
        end(&plain);
        unlink(path_of("plain.bin"));
        end_round(&quiet);
        end_round(&gently);
        end_round(&plain);
    }
    printf("loading %s beside %s and %s at %.0f requests/s at last, %d rounds\n", big_name,
           small_names[0], small_names[1], atomic_load(&rate_rps), rounds);
    show("quiet", &quiet, &quiet);
    show("gently", &gently, &quiet);
    show("plain", &plain, &quiet);
}

/* As deployed: written elsewhere before, renamed into its place now. */
static void put_version(int version)
{
    char from[256], between[256];
    snprintf(from, sizeof from, "%s", path_of(version ? "other.bin" : "one.bin"));
    snprintf(between, sizeof between, "%s", path_of("next.bin"));
    if (link(from, between) != 0 || rename(between, path_of("small_cnn.onnx")) != 0)
        die("small_cnn.onnx", "cannot be put in its place");
}

static void wait_window(phase *p, int64_t ns, int64_t *latest_ns)
{
    begin(p);
    rest((double)ns / 1e9);
    end(p);
    *latest_ns = p->window_ns;
}

static int later_than(const int64_t *latest_ns, int count, double limit_ns)
{
    int later = 0;
    for (int i = 0; i < count; i++)
        later += (double)latest_ns[i] > limit_ns;
    return later;
}

/* Each swap follows a quiet window of the length of the swap before: what else the machine does
 * falls upon both alike. */
static void measure_swaps(int swaps)
{
    static phase quiet, swapping;
    static int64_t quiet_ns[SWAPS_MAX], swap_ns[SWAPS_MAX];
    int64_t length_ns = 100000000;
    write_model(small_names[0], "one.bin", 1);
    write_model(small_names[0], "other.bin", 2);
    for (int i = 0; i < swaps; i++) {
        if (i % SWAPS_ROUND == 0)
            set_rate();
        wait_window(&quiet, length_ns, &quiet_ns[i]);
        put_version(i % 2 == 0);
        const int64_t start_ns = clock_now_ns();
        begin(&swapping);
        load(small_names[0], true);
        length_ns = clock_now_ns() - start_ns;
        end(&swapping);
        swap_ns[i] = swapping.window_ns;
        if ((i + 1) % SWAPS_ROUND == 0) {
            end_round(&quiet);
            end_round(&swapping);
        }
    }
    const double limit_ns = 1.5 * (double)hist_percentile(&quiet.due.all, 0.99);
    printf("%d swaps of %s, each after a quiet window of its length\n", swaps, small_names[0]);
    show("quiet", &quiet, &quiet);
    show("swaps", &swapping, &quiet);
    printf("later than 1.5 times the quiet p99: a request in %d quiet windows and in %d swaps; the "
           "latest of all %.2f and %.2f times it\n",
           later_than(quiet_ns, swaps, limit_ns), later_than(swap_ns, swaps, limit_ns),
           1.5 * (double)hist_max(&quiet.due.all) / limit_ns,
           1.5 * (double)hist_max(&swapping.due.all) / limit_ns);
}

static void open_runtime(void)
{
    static char cache[256];
    cosrel_options options;
    cosrel_error err;
    snprintf(cache, sizeof cache, "%s/cache", folder);
    cosrel_options_init(&options);
    options.policy = "learned";
    options.cache_folder = cache;
    if (cosrel_runtime_open(&options, &rt, &err) != COSREL_OK ||
        cosrel_runtime_load(rt, folder, &err) != COSREL_OK ||
        cosrel_runtime_profile(rt, NULL, &err) != COSREL_OK)
        die("the runtime", err.text);
}

int main(int argc, char **argv)
{
    const int rounds = argc > 1 ? atoi(argv[1]) : 5;
    const double seconds = argc > 2 ? atof(argv[2]) : 4;
    const int swaps = argc > 3 ? atoi(argv[3]) : 200;
    outside = argc > 4 && strcmp(argv[4], "outside") == 0;
    pthread_t arrivals;
    OrtEnv *env;
    if (rounds < 0 || rounds > ROUNDS_MAX || seconds <= 0 || swaps < 0 || swaps > SWAPS_MAX ||
        !mkdtemp(folder))
        die("usage", "bench_loading [ROUNDS [SECONDS [SWAPS [outside]]]]");
    api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    must(api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "bench", &env));
    for (int i = 0; i < SMALL; i++) {
        char place[64];
        snprintf(place, sizeof place, "%s.onnx", small_names[i]);
        write_model(small_names[i], place, 1);
    }
    open_runtime();
    for (int i = 0; i < SMALL; i++) {
        make_target(&targets[i], small_names[i]);
        learn_answer(&targets[i]);
    }
    write_model(small_names[0], "small_cnn.onnx", 2);
    load(small_names[0], false);
    learn_answer(&targets[0]);
    write_model(small_names[0], "small_cnn.onnx", 1);
    load(small_names[0], false);
    atomic_store(&rate_rps, LOAD * capacity(3));
    if (pthread_create(&arrivals, NULL, arrive, NULL) != 0)
        die("arrivals", "no thread");
    usleep(1000000);
    if (rounds > 0)
        measure_loading(rounds, seconds, env);
    if (swaps > 0)
        measure_swaps(swaps);
    atomic_store(&stop, true);
    pthread_join(arrivals, NULL);
    cosrel_runtime_close(rt);
    char line[512];
    snprintf(line, sizeof line, "rm -rf '%s'", folder);
    return system(line) == 0 ? 0 : 1;
}
