/* What I/O binding would save: a run with values made for it, with values that are kept, and with
 * both sides bound once.
 *
 *     build/bench/bench_binding [ROUNDS]      default: 15
 *
 * ONNX Runtime alone, one thread, one session; the ways alternate. On the CPU a bound input is the
 * caller's memory, read anew by each run. On WebGPU (a GPU, or a software renderer) binding an
 * input is what copies it there, so it is bound before each run. */
#include <onnxruntime_c_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "tiny_onnx.h"

enum { ROUNDS_MAX = 101, WARM_RUNS = 20, WAYS = 3 };
static const int64_t ROUND_NS = 40000000;
static const char *const ways[WAYS] = {"made for each run", "kept", "bound"};

static const OrtApi *api;
static OrtEnv *env;
static OrtMemoryInfo *memory;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_binding: %s: %s\n", what, why);
    exit(1);
}

static void must(OrtStatus *status)
{
    if (status)
        die("ONNX Runtime", api->GetErrorMessage(status));
}

/* One input "x", one output "y". */
typedef struct subject {
    const char *name;
    int64_t shape[4];
    size_t rank, bytes;
    bool rebind;
    void *data;
    OrtSession *session;
    OrtValue *x, *y;
    OrtIoBinding *binding;
} subject;

static OrtValue *wrap(const subject *s)
{
    OrtValue *value;
    must(api->CreateTensorWithDataAsOrtValue(memory, s->data, s->bytes, s->shape, s->rank,
                                             ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &value));
    return value;
}

static void run_values(const subject *s, const OrtValue *x, OrtValue **y)
{
    static const char *const input_names[] = {"x"}, *const output_names[] = {"y"};
    must(api->Run(s->session, NULL, input_names, &x, 1, output_names, 1, y));
}

static void run(const subject *s, int way)
{
    OrtValue *x, *y = NULL;
    if (way == 0) {
        x = wrap(s);
        run_values(s, x, &y);
        api->ReleaseValue(y);
        api->ReleaseValue(x);
    } else if (way == 1) {
        y = s->y;
        run_values(s, s->x, &y);
    } else {
        if (s->rebind)
            must(api->BindInput(s->binding, "x", s->x));
        must(api->RunWithBinding(s->session, NULL, s->binding));
    }
}

/* False: this machine has no such provider. */
static bool open_session(subject *s, const char *path, bool gpu)
{
    static const char *const key = "powerPreference", *const value = "low-power";
    OrtSessionOptions *options;
    OrtStatus *status = NULL;
    must(api->CreateSessionOptions(&options));
    must(api->SetIntraOpNumThreads(options, 1));
    if (gpu)
        status = api->SessionOptionsAppendExecutionProvider(options, "WebGPU", &key, &value, 1);
    if (!status)
        status = api->CreateSession(env, path, options, &s->session);
    api->ReleaseSessionOptions(options);
    const bool there = !status;
    api->ReleaseStatus(status);
    return there;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double time_way(const subject *s, int way)
{
    const int64_t start_ns = clock_now_ns();
    int64_t spent_ns;
    int runs = 0;
    do {
        run(s, way);
        runs++;
        spent_ns = clock_now_ns() - start_ns;
    } while (spent_ns < ROUND_NS);
    return (double)spent_ns / runs / 1e3;
}

static void measure(subject *s, const char *path, bool gpu, int rounds)
{
    double times[WAYS][ROUNDS_MAX];
    s->rebind = gpu;
    if (!open_session(s, path, gpu)) {
        printf("%-8s %-7s not on this machine\n", s->name, gpu ? "WebGPU" : "CPU");
        return;
    }
    s->x = wrap(s);
    s->y = NULL;
    run_values(s, s->x, &s->y);
    must(api->CreateIoBinding(s->session, &s->binding));
    must(api->BindInput(s->binding, "x", s->x));
    must(api->BindOutput(s->binding, "y", s->y));
    for (int i = 0; i < WARM_RUNS * WAYS; i++)
        run(s, i % WAYS);
    for (int r = 0; r < rounds; r++)
        for (int w = 0; w < WAYS; w++)
            times[w][r] = time_way(s, w);
    for (int w = 0; w < WAYS; w++) {
        qsort(times[w], (size_t)rounds, sizeof times[w][0], compare);
        printf("%-8s %-7s %-18s %9.2f us\n", s->name, gpu ? "WebGPU" : "CPU", ways[w],
               times[w][rounds / 2]);
    }
    api->ReleaseIoBinding(s->binding);
    api->ReleaseValue(s->x);
    api->ReleaseValue(s->y);
    api->ReleaseSession(s->session);
}

int main(int argc, char **argv)
{
    static subject subjects[] = {
        {.name = "add", .shape = {1, 4}, .rank = 2, .bytes = 16},
        {.name = "pool", .shape = {1, 3, 224, 224}, .rank = 4, .bytes = 3 * 224 * 224 * 4},
    };
    const int rounds = argc > 1 ? atoi(argv[1]) : 15;
    char folder[] = "/tmp/bench-binding-XXXXXX", path[64];
    if (rounds < 1 || rounds > ROUNDS_MAX || !mkdtemp(folder))
        die("usage", "bench_binding [ROUNDS], up to 101");
    api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    must(api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "bench", &env));
    must(api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
    printf("%d rounds of 40 ms each, medians\n", rounds);
    for (int i = 0; i < 4; i++) {
        subject *s = &subjects[i % 2];
        snprintf(path, sizeof path, "%s/model.onnx", folder);
        s->data = s->data ? s->data : calloc(1, s->bytes);
        if (!s->data || !(i % 2 ? tiny_pool(path) : tiny_add(path)))
            die(s->name, "cannot be made");
        measure(s, path, i >= 2, rounds);
    }
    unlink(path);
    rmdir(folder);
    return 0;
}
