/* How fast a request in JSON is read: an image of 224 x 224 x 3 floats, by our reader and by the
 * general library that reads the rest of a request, in turn.
 *
 *     build/bench/bench_json [ROUNDS]         default: 20
 *
 * Numbers as programs write them: six decimals, and as many digits as a double has (what Python's
 * json makes of a float32). Medians. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "base/text.h"
#include "server/infer_request.h"
#include "server/json_numbers.h"

enum { ELEMENTS = 224 * 224 * 3, ROUNDS_MAX = 1000 };

static float values[ELEMENTS], read_back[ELEMENTS];

static void fail(const char *what)
{
    fprintf(stderr, "bench_json: %s\n", what);
    exit(1);
}

static void make_body(text_builder *out, const char *format)
{
    rng r;
    rng_init(&r, 1);
    text_add(out, "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,3,224,224],"
                  "\"data\":[");
    for (int i = 0; i < ELEMENTS; i++) {
        values[i] = (float)rng_normal(&r);
        text_add(out, i ? "," : "");
        text_addf(out, format, (double)values[i]);
    }
    text_add(out, "]}]}");
    if (out->failed)
        fail("no memory");
}

static void read_ours(const text_builder *body)
{
    static infer_request request;
    cosrel_error err;
    if (infer_json_read(body->data, body->length, NULL, 0, &request, &err) != COSREL_OK ||
        json_numbers_read(request.inputs[0].text, request.inputs[0].bytes, COSREL_FLOAT32,
                          read_back, ELEMENTS, &err) != COSREL_OK)
        fail(err.text);
}

static void read_general(const text_builder *body)
{
    json_error_t why;
    json_t *root = json_loadb(body->data, body->length, 0, &why);
    const json_t *data = json_object_get(json_array_get(json_object_get(root, "inputs"), 0),
                                         "data");
    if (json_array_size(data) != ELEMENTS)
        fail(why.text);
    for (size_t i = 0; i < ELEMENTS; i++)
        read_back[i] = (float)json_number_value(json_array_get(data, i));
    json_decref(root);
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *sorted, int count)
{
    qsort(sorted, (size_t)count, sizeof *sorted, compare);
    return sorted[count / 2];
}

static void measure(const char *name, const char *format, int rounds)
{
    static void (*const readers[2])(const text_builder *) = {read_ours, read_general};
    static double rates[2][ROUNDS_MAX];
    text_builder body = {.data = NULL};
    make_body(&body, format);
    for (int r = 0; r < rounds; r++)
        for (int k = 0; k < 2; k++) {
            const int64_t start_ns = clock_now_ns();
            readers[k](&body);
            rates[k][r] = (double)body.length / (double)(clock_now_ns() - start_ns) * 1e3;
        }
    printf("%-28s %5.2f MB  ours %6.0f MB/s  general library %5.0f MB/s\n", name,
           (double)body.length / 1e6, median(rates[0], rounds), median(rates[1], rounds));
    text_deinit(&body);
}

int main(int argc, char **argv)
{
    const int rounds = argc > 1 ? atoi(argv[1]) : 20;
    if (rounds < 1 || rounds > ROUNDS_MAX)
        fail("usage: bench_json [ROUNDS]");
    measure("six decimals", "%.6f", rounds);
    measure("nine digits", "%.9g", rounds);
    measure("seventeen digits", "%.17g", rounds);
    return 0;
}
