/* What operators see: metrics, statistics, tokens. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "server/notify.h"
#include "serving.h"

#define INFER "/v2/models/add/infer"

static const char input[] = "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],\"datatype\":\"FP32\","
                            "\"data\":[1,2,3,4]}]}";

static int start(void **state)
{
    (void)state;
    const server_options options = {
        .http = {.address = "127.0.0.1:0"}, .policy = "min-min", .admin_token = "secret-token-1"};
    return serving_start(&options);
}

/* The value of a sample whose line begins with this. */
static double value_of(const char *text, const char *sample)
{
    const char *at = text;
    const size_t length = strlen(sample);
    while (at && (strncmp(at, sample, length) != 0 || at[length] != ' ')) {
        at = strchr(at, '\n');
        at = at ? at + 1 : NULL;
    }
    if (!at)
        fail_msg("there is no %s", sample);
    return strtod(at + length, NULL);
}

/* As Prometheus reads it: HELP and TYPE before the samples of a name, each name once. */
static void check_format(char *text)
{
    char type[128] = "";
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char name[128] = "";
        if (strncmp(line, "# HELP ", 7) == 0)
            continue;
        if (sscanf(line, "# TYPE %127s", type) == 1)
            continue;
        const size_t length = strcspn(line, "{ ");
        assert_true(length > 0 && length < sizeof name);
        memcpy(name, line, length);
        if (strncmp(name, type, strlen(type)) != 0)
            fail_msg("%s is not of the family %s", line, type);
        const char *number = strrchr(line, ' ');
        char *end;
        assert_non_null(number);
        (void)strtod(number + 1, &end);
        assert_int_equal(*end, '\0');
    }
}

static void counts_what_happens(void **state)
{
    (void)state;
    static reply r;
    for (int i = 0; i < 3; i++) {
        post(INFER, input, &r);
        says(&r, 200, "[2,4,6,8]");
    }
    post(INFER, "{}", &r);
    says(&r, 400, "");
    ask("GET", INFER, "", NULL, 0, &r); /* counts as the client's fault, not as ours */
    says(&r, 405, "");
    post("/v2/models/nix/infer", "{}", &r);
    says(&r, 404, "");
    ask("GET", "/metrics", "", NULL, 0, &r);
    says(&r, 200, "# TYPE cosrel_requests_total counter");
    assert_non_null(strstr(r.head, "text/plain; version=0.0.4"));
#define LABELS "{model=\"add\",version=\"1\""
    assert_true(value_of(r.body, "cosrel_requests_total" LABELS ",status=\"OK\"}") == 3);
    assert_true(value_of(r.body, "cosrel_requests_total" LABELS ",status=\"INVALID_ARGUMENT\"}") ==
                2);
    assert_null(strstr(r.body, "status=\"INTERNAL\""));
    assert_true(value_of(r.body, "cosrel_requests_unknown_model_total") == 1);
    assert_true(value_of(r.body, "cosrel_request_duration_seconds_count" LABELS "}") == 3);
    assert_true(value_of(r.body, "cosrel_request_duration_seconds_bucket" LABELS ",le=\"+Inf\"}") ==
                3);
    assert_true(value_of(r.body, "cosrel_request_duration_seconds_sum" LABELS "}") > 0);
    assert_true(value_of(r.body, "cosrel_request_batch_size_bucket" LABELS ",le=\"1\"}") == 3);
    assert_true(value_of(r.body, "cosrel_policy_info{policy=\"min-min\",objective=\"latency\"}") ==
                1);
    check_format(r.body);
}

/* What the scheduler gave no result, by reason; and how long it thought. */
static void counts_drops_and_decisions(void **state)
{
    (void)state;
    static reply r;
    static const char late[] =
        "{\"parameters\":{\"timeout\":1},\"inputs\":[{\"name\":\"x\",\"shape\":[1,3],\"datatype\":"
        "\"BYTES\",\"data\":[\"a\",\"b\",\"c\"]}]}";
    post("/v2/models/words/infer", late, &r);
    says(&r, 504, "");
    ask("GET", "/metrics", "", NULL, 0, &r);
    assert_true(value_of(r.body, "cosrel_requests_dropped_total{model=\"words\",version=\"1\","
                                 "reason=\"late\"}") == 1);
    static const char *const reasons[] = {"failed", "unavailable", "cancelled", "queue_full"};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        char sample[160];
        snprintf(sample, sizeof sample,
                 "cosrel_requests_dropped_total{model=\"words\",version=\"1\",reason=\"%s\"}",
                 reasons[i]);
        assert_true(value_of(r.body, sample) == 0);
    }
#define DECISION "cosrel_decision_duration_seconds"
    const double all = value_of(r.body, DECISION "_count");
    assert_true(all >= 3); /* one for each request that ran at least */
    assert_true(all == value_of(r.body, DECISION "_bucket{le=\"+Inf\"}"));
    assert_true(all == value_of(r.body, "cosrel_decisions_total"));
    assert_true(value_of(r.body, DECISION "_bucket{le=\"1e-06\"}") <=
                value_of(r.body, DECISION "_bucket{le=\"0.01\"}"));
    assert_true(value_of(r.body, DECISION "_sum") > 0);
}

static char *contents(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, COSREL_SOURCE_DIR "/%s", name);
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 1 << 18);
    assert_non_null(file);
    assert_in_range(fread(text, 1, (1 << 18) - 1, file), 1, (1 << 18) - 2);
    fclose(file);
    return text;
}

/* "cosrel_x_bucket" is of the histogram cosrel_x. */
static bool has_metric(const char *text, const char *name)
{
    static const char *const ends[] = {"", "_bucket", "_sum", "_count"};
    char line[256];
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const size_t length = strlen(name), end = strlen(ends[i]);
        if (length <= end || strcmp(name + length - end, ends[i]) != 0)
            continue;
        snprintf(line, sizeof line, "# TYPE %.*s %s", (int)(length - end), name,
                 i ? "histogram\n" : "");
        if (strstr(text, line))
            return true;
    }
    return false;
}

/* Each name in an expression of the dashboard; how many there are. */
static int check_expression(const char *expression, const char *metrics)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    int names = 0;
    for (const char *at = expression; (at = strstr(at, "cosrel_")); names++) {
        char name[128];
        const size_t length = strspn(at, letters);
        snprintf(name, sizeof name, "%.*s", (int)length, at);
        if (!has_metric(metrics, name))
            fail_msg("the dashboard shows %s, which is no metric", name);
        at += length;
    }
    return names;
}

static void shows_and_explains_what_there_is(void **state)
{
    (void)state;
    static reply r;
    cosrel_learner *learner;
    cosrel_runtime_stats stats;
    cosrel_error err = {""};
    serving_end();
    assert_int_equal(cosrel_runtime_set_policy(serving_runtime, "learned", &err), COSREL_OK);
    assert_int_equal(cosrel_learner_open(serving_runtime, NULL, &learner, &err), COSREL_OK);
    assert_int_equal(
        serving_begin(&(server_options){.http = {.address = "127.0.0.1:0"}, .learner = learner}),
        0);
    post(INFER, input, &r);
    ask("GET", "/metrics", "", NULL, 0, &r);
    cosrel_runtime_get_stats(serving_runtime, &stats);
    if (stats.energy_j < 0) /* where there is no sensor */
        strcat(r.body, "# TYPE cosrel_energy_joules_total counter\n");
    char *text = contents("packaging/grafana/cosrel.json");
    json_t *board = json_loads(text, 0, NULL), *panel, *target;
    size_t i, k;
    int names = 0;
    assert_non_null(board);
    json_array_foreach(json_object_get(board, "panels"), i, panel)
        json_array_foreach(json_object_get(panel, "targets"), k, target)
            names += check_expression(json_string_value(json_object_get(target, "expr")), r.body);
    assert_in_range(names, 20, 1000);
    assert_false(has_metric(r.body, "cosrel_nothing_total"));
    json_decref(board);
    free(text);
    /* And all are explained. */
    text = contents("docs/serve.md");
    for (const char *at = r.body; (at = strstr(at, "# TYPE "));) {
        char name[128];
        at += 7;
        snprintf(name, sizeof name, "`%.*s", (int)strcspn(at, " "), at);
        if (!strstr(text, name))
            fail_msg("docs/serve.md does not explain %s", name + 1);
    }
    free(text);
    serving_end();
    cosrel_learner_close(learner);
    assert_int_equal(cosrel_runtime_set_policy(serving_runtime, "min-min", &err), COSREL_OK);
    assert_int_equal(serving_begin(&(server_options){.http = {.address = "127.0.0.1:0"}}), 0);
}

static void tells_statistics(void **state)
{
    (void)state;
    static reply r;
    ask("GET", "/v2/models/add/stats", "", NULL, 0, &r);
    says(&r, 200, "{\"model_stats\":[{\"name\":\"add\",\"version\":\"1\",\"last_inference\":1");
    says(&r, 200,
         "\"inference_count\":3,\"execution_count\":3,\"inference_stats\":{\"success\":{"
         "\"count\":3,\"ns\":");
    says(&r, 200, "\"fail\":{\"count\":2,");
    says(&r, 200, "\"batch_stats\":[{\"batch_size\":1,");
    ask("GET", "/v2/models/stats", "", NULL, 0, &r);
    says(&r, 200, "{\"name\":\"words\"");
    ask("GET", "/v2/models/nix/stats", "", NULL, 0, &r);
    says(&r, 404, "nix");
    ask("POST", "/v2/repository/index", "", NULL, 0, &r);
    says(&r, 200, "{\"name\":\"add\",\"version\":\"1\",\"state\":\"READY\",\"reason\":\"\"}");
    ask("GET", "/v2/repository/index", "", NULL, 0, &r);
    says(&r, 405, "POST");
}

static void tells_configurations(void **state)
{
    (void)state;
    static reply r;
    ask("GET", "/v2/models/add/config", "", NULL, 0, &r);
    says(&r, 200,
         "{\"name\":\"add\",\"platform\":\"onnxruntime_onnx\",\"backend\":\"onnxruntime\","
         "\"version_policy\":{\"latest\":{\"num_versions\":1}},\"max_batch_size\":");
    says(&r, 200,
         ",\"input\":[{\"name\":\"x\",\"data_type\":\"TYPE_FP32\",\"dims\":[4]}],\"output\":[{"
         "\"name\":\"y\",\"data_type\":\"TYPE_FP32\",\"dims\":[4]}]}");
    ask("GET", "/v2/models/words/versions/1/config", "", NULL, 0, &r);
    says(&r, 200, "{\"name\":\"x\",\"data_type\":\"TYPE_STRING\",\"dims\":[3]}");
    ask("GET", "/v2/models/multi/config", "", NULL, 0, &r); /* a vector is a scalar per row */
    says(&r, 200, "{\"name\":\"n\",\"data_type\":\"TYPE_INT64\",\"dims\":[]}");
    ask("GET", "/v2/models/nix/config", "", NULL, 0, &r);
    says(&r, 404, "nix");
    ask("GET", "/v2/models/add/versions/2/config", "", NULL, 0, &r);
    says(&r, 404, "no such version");
    ask("POST", "/v2/models/add/config", "", "{}", 2, &r);
    says(&r, 405, "GET");
}

/* Those that still wait behind a slow run are not run for nobody. */
static void cancels_for_clients_that_leave(void **state)
{
    (void)state;
    enum { CLIENTS = 24, ROUNDS = 30 };
    static const char slow[] = "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],\"datatype\":\"FP32\","
                               "\"data\":[1,2,3,4]}]}";
    cosrel_model_stats stats = {.waiting = 0};
    const cosrel_model *model = cosrel_runtime_find_model(serving_runtime, "slow", 0);
    char head[256];
    int fds[CLIENTS];
    const int length = snprintf(head, sizeof head,
                                "POST /v2/models/slow/infer HTTP/1.1\r\nHost: localhost\r\n"
                                "Content-Length: %zu\r\n\r\n%s",
                                strlen(slow), slow);
    /* As batches they may be through before anybody looks for those that have gone: then again. */
    for (uint64_t round = 1; round <= ROUNDS && stats.cancelled == 0; round++) {
        for (int i = 0; i < CLIENTS; i++) {
            fds[i] = dial();
            say(fds[i], head, (size_t)length);
        }
        for (int i = 0; i < 200 && stats.waiting < CLIENTS / 2; i++) {
            usleep(1000);
            cosrel_model_get_stats(serving_runtime, model, &stats);
        }
        for (int i = 0; i < CLIENTS; i++)
            close(fds[i]);
        for (int i = 0; i < 60000; i++) {
            cosrel_model_get_stats(serving_runtime, model, &stats);
            if (stats.completed + stats.cancelled == round * CLIENTS)
                break;
            usleep(1000);
        }
        assert_int_equal(stats.completed + stats.cancelled, round * CLIENTS);
    }
    assert_true(stats.cancelled > 0);
}

static void knows_tokens(void **state)
{
    (void)state;
    auth a = {.count = 0};
    cosrel_error err;
    assert_int_equal(auth_rights(&a, NULL), AUTH_READ | AUTH_INFER);
    assert_int_equal(auth_add(&a, "reader-token", "read", &err), COSREL_OK);
    assert_int_equal(auth_add(&a, "client-token", "infer", &err), COSREL_OK);
    assert_int_equal(auth_add(&a, "root-token-xyz", "admin", &err), COSREL_OK);
    assert_int_equal(auth_rights(&a, NULL), AUTH_NOTHING);
    assert_int_equal(auth_rights(&a, "Bearer reader-token"), AUTH_READ);
    assert_int_equal(auth_rights(&a, "bearer client-token"), AUTH_READ | AUTH_INFER);
    assert_int_equal(auth_rights(&a, "Bearer root-token-xyz"), AUTH_READ | AUTH_INFER | AUTH_ADMIN);
    static const char *const wrong[] = {"",
                                        "Bearer",
                                        "Bearer ",
                                        "Bearer reader-toke",
                                        "Bearer reader-token1",
                                        "Basic reader-token",
                                        "reader-token"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(auth_rights(&a, wrong[i]), AUTH_NOTHING);
    char large[1024] = "Bearer ";
    memset(large + 7, 'x', 1000);
    assert_int_equal(auth_rights(&a, large), AUTH_NOTHING);
    a.open = true;
    assert_int_equal(auth_rights(&a, NULL), AUTH_READ | AUTH_INFER);
    assert_int_equal(auth_add(&a, "short", "read", &err), COSREL_INVALID_ARGUMENT);
    assert_int_equal(auth_add(&a, "with a blank", "read", &err), COSREL_INVALID_ARGUMENT);
    assert_int_equal(auth_add(&a, "reader-token", "king", &err), COSREL_INVALID_ARGUMENT);
}

/* As systemd listens, at a path and at an abstract address. */
static void tells_the_manager(void **state)
{
    (void)state;
    static const char *const names[] = {"/tmp/test-notify-%d", "@test-notify-%d"};
    for (int i = 0; i < 2; i++) {
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        char name[64], got[32] = "";
        snprintf(name, sizeof name, names[i], (int)getpid());
        memcpy(at.sun_path, name, strlen(name));
        if (name[0] == '@')
            at.sun_path[0] = '\0';
        const socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
        const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (const struct sockaddr *)&at, bytes), 0);
        setenv("NOTIFY_SOCKET", name, 1);
        notify_manager("READY=1");
        assert_int_equal(recv(fd, got, sizeof got - 1, MSG_DONTWAIT), 7);
        assert_string_equal(got, "READY=1");
        close(fd);
        unlink(name);
    }
    setenv("NOTIFY_SOCKET", "relative", 1);
    notify_manager("READY=1");
    unsetenv("NOTIFY_SOCKET");
    notify_manager("READY=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_what_happens),
        cmocka_unit_test(counts_drops_and_decisions),
        cmocka_unit_test(tells_statistics),
        cmocka_unit_test(tells_configurations),
        cmocka_unit_test(cancels_for_clients_that_leave),
        cmocka_unit_test(knows_tokens),
        cmocka_unit_test(tells_the_manager),
        cmocka_unit_test(shows_and_explains_what_there_is),
    };
    return cmocka_run_group_tests(tests, start, serving_stop);
}
