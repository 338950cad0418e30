/* Requests that wait together run together, and nobody copies what they sent once more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "serving.h"
#include "tiny_onnx.h"

enum { CLIENTS = 24 };

static char folder[] = "/tmp/test-batches-XXXXXX";

/* A profile that makes batches look very good. */
static const char profile[] =
    "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n"
    "b,cpu0,add,,,1,5,,,t\nb,cpu0,add,,,2,5.1,,,t\nb,cpu0,add,,,4,5.2,,,t\n"
    "b,cpu0,add,,,8,5.3,,,t\nb,cpu0,slow,,,1,100,,,t\n";

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int start(void **state)
{
    (void)state;
    char table[128];
    cosrel_options options;
    cosrel_error err = {""};
    if (!mkdtemp(folder) || !tiny_add(path_of("add.onnx")) || !tiny_slow(path_of("slow.onnx"), 200))
        return -1;
    snprintf(table, sizeof table, "%s", path_of("profile.csv"));
    FILE *f = fopen(table, "wb");
    if (!f || fputs(profile, f) < 0 || fclose(f) != 0)
        return -1;
    cosrel_options_init(&options);
    options.cache_folder = "";
    options.processors = "cpu0";
    options.policy = "max-weight";
    options.profile = table;
    if (cosrel_runtime_open(&options, &serving_runtime, &err) != COSREL_OK ||
        cosrel_runtime_load(serving_runtime, folder, &err) != COSREL_OK) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    return serving_begin(&(server_options){.http = {.address = "127.0.0.1:0"}});
}

static int stop(void **state)
{
    (void)state;
    serving_end();
    cosrel_runtime_close(serving_runtime);
    unlink(path_of("add.onnx"));
    unlink(path_of("slow.onnx"));
    unlink(path_of("profile.csv"));
    return rmdir(folder);
}

/* One row of four floats, binary both ways. */
static void send_row(int fd, const char *model, const float *row)
{
    char text[1024];
    char json[512];
    snprintf(json, sizeof json,
             "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],\"datatype\":\"FP32\",\"parameters\":{"
             "\"binary_data_size\":16}}],\"parameters\":{\"binary_data_output\":true}}");
    snprintf(text, sizeof text,
             "POST /v2/models/%s/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n"
             "Inference-Header-Content-Length: %zu\r\n\r\n%s",
             model, strlen(json) + 16, strlen(json), json);
    say(fd, text, strlen(text));
    say(fd, (const char *)row, 4);
    say(fd, (const char *)row + 4, 12); /* in pieces */
}

static double sample(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    assert_non_null(at);
    return strtod(at + strlen(name), NULL);
}

static void nobody_copies(void **state)
{
    (void)state;
    static reply r;
    float rows[CLIENTS][4], got[4];
    int fds[CLIENTS], blocker = dial();
    send_row(blocker, "slow", (float[4]){0});
    for (int i = 0; i < CLIENTS; i++) {
        for (int k = 0; k < 4; k++)
            rows[i][k] = (float)(10 * i + k);
        fds[i] = dial();
        send_row(fds[i], "add", rows[i]);
    }
    for (int i = 0; i < CLIENTS; i++) {
        hear(fds[i], &r);
        assert_int_equal(r.status, 200);
        assert_true(r.body_bytes >= sizeof got);
        memcpy(got, r.body + r.body_bytes - sizeof got, sizeof got);
        for (int k = 0; k < 4; k++)
            assert_true(got[k] == rows[i][k] + (float)(k + 1));
        close(fds[i]);
    }
    hear(blocker, &r);
    assert_int_equal(r.status, 200);
    close(blocker);
    ask("GET", "/metrics", "", NULL, 0, &r);
    says(&r, 200, "cosrel_copied_bytes_total 0\n");
    const double single = sample(r.body, "cosrel_request_batch_size_bucket{model=\"add\",version="
                                         "\"1\",le=\"1\"}");
    const double all = sample(r.body,
                              "cosrel_request_batch_size_count{model=\"add\",version=\"1\"}");
    assert_true(all == CLIENTS);
    assert_true(single < all);
}

/* Other lengths than the model lends rows for go the ordinary way. */
static void other_lengths_work_too(void **state)
{
    (void)state;
    static reply r;
    const float rows[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    char text[1024];
    const char json[] = "{\"inputs\":[{\"name\":\"x\",\"shape\":[2,4],\"datatype\":\"FP32\","
                        "\"parameters\":{\"binary_data_size\":32}}]}";
    snprintf(text, sizeof text, "Inference-Header-Content-Length: %zu\r\n", strlen(json));
    char body[sizeof json + sizeof rows];
    memcpy(body, json, strlen(json));
    memcpy(body + strlen(json), rows, sizeof rows);
    ask("POST", "/v2/models/add/infer", text, body, strlen(json) + sizeof rows, &r);
    says(&r, 200, "[2,4,6,8,6,8,10,12]");
    /* Sixteen bytes behind the JSON that the request says nothing of. */
    const char none[] = "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],\"datatype\":\"FP32\","
                        "\"data\":[1,2,3,4]}]}";
    snprintf(text, sizeof text, "Inference-Header-Content-Length: %zu\r\n", strlen(none));
    memcpy(body, none, strlen(none));
    memset(body + strlen(none), 0, 16);
    ask("POST", "/v2/models/add/infer", text, body, strlen(none) + 16, &r);
    says(&r, 400, "bytes after the last tensor");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_copies),
        cmocka_unit_test(other_lengths_work_too),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
