/* What the library adds to a request over calling ONNX Runtime directly, on a model that takes
 * microseconds.
 *
 *     build/bench/bench_overhead [ROUNDS]       default: 40
 *
 * A round is 500 direct calls and 500 requests, one after the other, from one thread; the rounds
 * alternate. A direct call wraps the input, runs a plain one-thread session and releases the
 * output: what a program without Cosrel does. */
#include <onnxruntime_c_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cosrel/cosrel.h"
#include "tiny_onnx.h"

enum { CALLS = 500, ROUNDS_MAX = 400, WARM_CALLS = 2000 };

static const int64_t shape[] = {1, 4};
static float values[4] = {1, 2, 3, 4};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_overhead: %s: %s\n", what, why);
    exit(1);
}

static const OrtApi *api;
static OrtSession *session;
static OrtMemoryInfo *memory;

static void must(OrtStatus *status)
{
    if (status)
        die("ONNX Runtime", api->GetErrorMessage(status));
}

static void call_directly(void)
{
    static const char *const input_names[] = {"x"};
    static const char *const output_names[] = {"y"};
    OrtValue *input;
    OrtValue *output = NULL;
    must(api->CreateTensorWithDataAsOrtValue(memory, values, sizeof values, shape, 2,
                                             ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &input));
    must(api->Run(session, NULL, input_names, (const OrtValue *const *)&input, 1, output_names, 1,
                  &output));
    api->ReleaseValue(output);
    api->ReleaseValue(input);
}

static cosrel_runtime *rt;
static cosrel_model *model;

static void call_cosrel(void)
{
    const cosrel_tensor input = {
        .type = COSREL_FLOAT32, .rank = 2, .shape = shape, .data = values, .bytes = sizeof values};
    const cosrel_result *result;
    cosrel_error err;
    if (cosrel_run(rt, model, &input, 1, &result, &err) != COSREL_OK)
        die("run", err.text);
    cosrel_result_release(result);
}

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void time_calls(void (*call)(void), int64_t *times)
{
    for (int i = 0; i < CALLS; i++) {
        const int64_t start_ns = clock_now_ns();
        call();
        times[i] = clock_now_ns() - start_ns;
    }
}

static double at(const int64_t *times, size_t count, double q)
{
    return (double)times[(size_t)(q * (double)(count - 1))] / 1e3;
}

int main(int argc, char **argv)
{
    static int64_t direct[ROUNDS_MAX * CALLS];
    static int64_t cosrel[ROUNDS_MAX * CALLS];
    const int rounds = argc > 1 ? atoi(argv[1]) : 40;
    char path[] = "/tmp/bench-overhead-XXXXXX.onnx";
    const int fd = mkstemps(path, 5);
    if (rounds < 1 || rounds > ROUNDS_MAX || fd < 0)
        die("usage", "bench_overhead [ROUNDS], at most 400");
    close(fd);
    if (!tiny_add(path))
        die(path, "cannot be written");
    OrtEnv *env;
    OrtSessionOptions *options;
    api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    must(api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "bench", &env));
    must(api->CreateSessionOptions(&options));
    must(api->SetIntraOpNumThreads(options, 1));
    must(api->CreateSession(env, path, options, &session));
    must(api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
    cosrel_error err;
    if (cosrel_runtime_open(NULL, &rt, &err) != COSREL_OK ||
        cosrel_runtime_load(rt, path, &err) != COSREL_OK)
        die("open", err.text);
    model = cosrel_runtime_model(rt, 0);
    for (int i = 0; i < WARM_CALLS; i++) {
        call_directly();
        call_cosrel();
    }
    for (int r = 0; r < rounds; r++) {
        time_calls(call_directly, direct + r * CALLS);
        time_calls(call_cosrel, cosrel + r * CALLS);
    }
    const size_t count = (size_t)rounds * CALLS;
    qsort(direct, count, sizeof *direct, compare);
    qsort(cosrel, count, sizeof *cosrel, compare);
    printf("%zu calls each, %d interleaved rounds; microseconds\n", count, rounds);
    printf("%-8s %8s %8s %8s %8s\n", "", "p50", "p90", "p99", "p99.9");
    printf("%-8s %8.1f %8.1f %8.1f %8.1f\n", "direct", at(direct, count, .5), at(direct, count, .9),
           at(direct, count, .99), at(direct, count, .999));
    printf("%-8s %8.1f %8.1f %8.1f %8.1f\n", "cosrel", at(cosrel, count, .5), at(cosrel, count, .9),
           at(cosrel, count, .99), at(cosrel, count, .999));
    printf("%-8s %8.1f %8.1f %8.1f %8.1f\n", "added", at(cosrel, count, .5) - at(direct, count, .5),
           at(cosrel, count, .9) - at(direct, count, .9),
           at(cosrel, count, .99) - at(direct, count, .99),
           at(cosrel, count, .999) - at(direct, count, .999));
    cosrel_runtime_close(rt);
    api->ReleaseSession(session);
    api->ReleaseSessionOptions(options);
    api->ReleaseMemoryInfo(memory);
    api->ReleaseEnv(env);
    return unlink(path);
}
