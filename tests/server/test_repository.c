/* Models that are loaded, replaced and unloaded over HTTP while others are served. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "serving.h"
#include "tiny_onnx.h"

#define ADMIN "Authorization: Bearer the-admin-token\r\n"

static const char input[] = "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],\"datatype\":\"FP32\","
                            "\"data\":[1,2,3,4]}]}";

static int start(void **state)
{
    (void)state;
    const server_options options = {
        .http = {.address = "127.0.0.1:0"}, .policy = "min-min", .admin_token = "the-admin-token"};
    return serving_start(&options);
}

static void change(const char *name, const char *what, const char *body, reply *r)
{
    char path[512];
    snprintf(path, sizeof path, "/v2/repository/models/%s/%s", name, what);
    ask("POST", path, ADMIN, body, strlen(body), r);
}

static void index_says(const char *text)
{
    static reply r;
    ask("POST", "/v2/repository/index", "", "", 0, &r);
    says(&r, 200, text);
}

static void put(const char *name, bool (*make)(const char *path))
{
    char path[256], other[264];
    serving_path(path, sizeof path, name);
    snprintf(other, sizeof other, "%s.new", path);
    assert_true(make(other));
    assert_int_equal(rename(other, path), 0);
}

static void take_away(const char *name)
{
    char path[256];
    serving_path(path, sizeof path, name);
    assert_int_equal(unlink(path), 0);
}

static bool tiny_quick(const char *path)
{
    return tiny_slow(path, 1);
}

static void loads_what_is_new(void **state)
{
    (void)state;
    static reply r;
    put("fresh.onnx", tiny_add);
    index_says("{\"name\":\"fresh\",\"version\":\"1\",\"state\":\"UNAVAILABLE\",\"reason\":\"not "
               "loaded\"}");
    post("/v2/models/fresh/infer", input, &r);
    says(&r, 404, "there is no model 'fresh'");
    change("fresh", "load", "", &r);
    says(&r, 200, "");
    index_says("{\"name\":\"fresh\",\"version\":\"1\",\"state\":\"READY\",\"reason\":\"\"}");
    post("/v2/models/fresh/infer", input, &r);
    says(&r, 200, "[2,4,6,8]");
    change("fresh", "unload", "{\"parameters\":{\"unload_dependents\":true}}", &r);
    says(&r, 200, "");
    index_says("{\"name\":\"fresh\",\"version\":\"1\",\"state\":\"UNAVAILABLE\",\"reason\":"
               "\"unloaded\"}");
    ask("POST", "/v2/repository/index", "", "{\"ready\":true}", 14, &r);
    assert_null(strstr(r.body, "fresh"));
    assert_non_null(strstr(r.body, "\"add\""));
    post("/v2/models/fresh/infer", input, &r);
    says(&r, 404, "");
    ask("GET", "/v2/models/fresh/ready", "", NULL, 0, &r);
    says(&r, 404, "");
    change("fresh", "load", "{}", &r);
    says(&r, 200, "");
    post("/v2/models/fresh/infer", input, &r);
    says(&r, 200, "[2,4,6,8]");
    change("fresh", "unload", "", &r);
    says(&r, 200, "");
    take_away("fresh.onnx");
}

static void a_version_that_fails_leaves_the_old_one(void **state)
{
    (void)state;
    static reply r;
    put("fresh.onnx", tiny_add);
    change("fresh", "load", "", &r);
    says(&r, 200, "");
    put("fresh.onnx", tiny_unsupported);
    change("fresh", "load", "", &r);
    says(&r, 400, "fresh.onnx");
    says(&r, 400, "Frobnicate");
    post("/v2/models/fresh/infer", input, &r);
    says(&r, 200, "[2,4,6,8]");
    put("fresh.onnx", tiny_quick);
    change("fresh", "load", "", &r);
    says(&r, 200, "");
    post("/v2/models/fresh/infer", input, &r);
    says(&r, 200, "[1.00390");
    change("fresh", "unload", "", &r);
    says(&r, 200, "");
    /* Why it is not there, if it could not be loaded. */
    put("fresh.onnx", tiny_unsupported);
    change("fresh", "load", "", &r);
    says(&r, 400, "Frobnicate");
    index_says("\"state\":\"UNAVAILABLE\",\"reason\":\"/tmp/");
    take_away("fresh.onnx");
}

static void refuses_what_it_must(void **state)
{
    (void)state;
    static reply r;
    static char long_name[400];
    ask("POST", "/v2/repository/models/add/unload", "", "", 0, &r);
    says(&r, 403, "does not allow");
    ask("GET", "/v2/repository/models/add/load", ADMIN, NULL, 0, &r);
    says(&r, 405, "POST");
    change("nix", "load", "", &r);
    says(&r, 404, "there is no model 'nix'");
    change("nix", "unload", "", &r);
    says(&r, 404, "no model 'nix' is loaded");
    change("..", "load", "", &r);
    says(&r, 404, "there is no model '..'");
    change("..%2Fadd", "load", "", &r); /* no route at all */
    assert_int_not_equal(r.status, 200);
    change("add", "load", "[1]", &r);
    says(&r, 400, "JSON object");
    change("add", "load", "{\"parameters\":{\"config\":\"{}\"}}", &r);
    says(&r, 400, "not offered");
    change("add", "load", "{\"parameters\":{\"file:1/model.onnx\":\"AA==\"}}", &r);
    says(&r, 400, "not offered");
    ask("POST", "/v2/repository/index", "", "ready", 5, &r);
    says(&r, 400, "JSON object");
    memset(long_name, 'n', sizeof long_name - 1);
    change(long_name, "load", "", &r);
    says(&r, 404, "length");
    post("/v2/models/add/infer", input, &r);
    says(&r, 200, "[2,4,6,8]");
}

static void without_a_folder_nothing_is_loaded(void **state)
{
    (void)state;
    static reply r;
    const server_options options = {.http = {.address = "127.0.0.1:0"},
                                    .admin_token = "the-admin-token"};
    serving_end();
    assert_int_equal(serving_begin(&options), 0);
    change("add", "load", "", &r);
    says(&r, 400, "not given a folder");
    index_says("{\"name\":\"add\",\"version\":\"1\",\"state\":\"READY\",\"reason\":\"\"}");
    serving_end();
    char folder[256];
    serving_path(folder, sizeof folder, "");
    const server_options again = {
        .http = {.address = "127.0.0.1:0"}, .models = folder, .admin_token = "the-admin-token"};
    assert_int_equal(serving_begin(&again), 0);
}

static atomic_bool stop;
static atomic_int answers, wrong;

static void *keep_asking(void *unused)
{
    static const char *const right[] = {"[2,4,6,8]", "[1.00390"};
    (void)unused;
    while (!atomic_load(&stop)) {
        reply r;
        post("/v2/models/fresh/infer", input, &r);
        const bool fine = r.status == 200 && (strstr(r.body, right[0]) || strstr(r.body, right[1]));
        if (!fine)
            fprintf(stderr, "%d %s\n", r.status, r.body);
        atomic_fetch_add(fine ? &answers : &wrong, 1);
    }
    return NULL;
}

static void versions_change_under_requests(void **state)
{
    (void)state;
    static reply r;
    pthread_t clients[2];
    put("fresh.onnx", tiny_add);
    change("fresh", "load", "", &r);
    says(&r, 200, "");
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&clients[i], NULL, keep_asking, NULL), 0);
    for (int i = 0; i < 30; i++) {
        put("fresh.onnx", i % 2 ? tiny_add : tiny_quick);
        change("fresh", "load", "", &r);
        says(&r, 200, "");
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(clients[i], NULL);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_true(atomic_load(&answers) > 0);
    change("fresh", "unload", "", &r);
    says(&r, 200, "");
    take_away("fresh.onnx");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_what_is_new),
        cmocka_unit_test(a_version_that_fails_leaves_the_old_one),
        cmocka_unit_test(refuses_what_it_must),
        cmocka_unit_test(without_a_folder_nothing_is_loaded),
        cmocka_unit_test(versions_change_under_requests),
    };
    return cmocka_run_group_tests(tests, start, serving_stop);
}
