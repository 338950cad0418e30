/* Requests that wait together run together, and nobody copies what they sent once more. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "grpc_client.h"
#include "oip.pb-c.h"
#include "serving.h"
#include "tiny_onnx.h"

enum { CLIENTS = 24 };

static char folder[] = "/tmp/test-batches-XXXXXX";

/* A profile that makes batches look very good. */
static const char profile[] =
    "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n"
    "b,cpu0,add,,,1,5,,,t\nb,cpu0,add,,,2,5.1,,,t\nb,cpu0,add,,,4,5.2,,,t\n"
    "b,cpu0,add,,,8,5.3,,,t\nb,cpu0,slow,,,1,100,,,t\n"
    "b,cpu0,multi,,,1,5,,,t\nb,cpu0,multi,,,2,5.1,,,t\nb,cpu0,multi,,,4,5.2,,,t\n"
    "b,cpu0,multi,,,8,5.3,,,t\n";

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
    if (!mkdtemp(folder) || !tiny_add(path_of("add.onnx")) || !tiny_multi(path_of("multi.onnx")) ||
        !tiny_slow(path_of("slow.onnx"), 200))
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
    return serving_begin(
        &(server_options){.http = {.address = "127.0.0.1:0"}, .grpc = {.address = "127.0.0.1:0"}});
}

static int stop(void **state)
{
    (void)state;
    serving_end();
    cosrel_runtime_close(serving_runtime);
    unlink(path_of("add.onnx"));
    unlink(path_of("multi.onnx"));
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

/* So many requests of this model were answered, in fewer runs, and nothing was copied for them. */
static void ran_together_uncopied(const char *model)
{
    static reply r;
    char name[128];
    ask("GET", "/metrics", "", NULL, 0, &r);
    says(&r, 200, "cosrel_copied_bytes_total 0\n");
    snprintf(name, sizeof name,
             "cosrel_request_batch_size_bucket{model=\"%s\",version=\"1\",le=\"1\"}", model);
    const double single = sample(r.body, name);
    snprintf(name, sizeof name, "cosrel_request_batch_size_count{model=\"%s\",version=\"1\"}",
             model);
    const double all = sample(r.body, name);
    assert_true(all >= CLIENTS);
    assert_true(single < all);
}

/* Requests of this model that wait or have been answered; not those that run. */
static uint64_t accepted(const char *model)
{
    cosrel_model_stats stats;
    cosrel_model_get_stats(serving_runtime, cosrel_runtime_find_model(serving_runtime, model, 0),
                           &stats);
    return stats.completed + stats.waiting;
}

/* One after the other: requests whose pieces come mixed do not lie in the order of their ends. */
static void wait_until_accepted(const char *model, uint64_t count)
{
    for (int i = 0; i < 60000 && accepted(model) < count; i++)
        usleep(1000);
    assert_true(accepted(model) >= count);
}

/* Whoever comes now waits for the others. */
static int block(void)
{
    const int fd = dial();
    send_row(fd, "slow", (float[4]){0});
    return fd;
}

static void unblock(int fd)
{
    static reply r;
    hear(fd, &r);
    assert_int_equal(r.status, 200);
    close(fd);
}

static void nobody_copies(void **state)
{
    (void)state;
    static reply r;
    float rows[CLIENTS][4], got[4];
    int fds[CLIENTS];
    const int blocker = block();
    const uint64_t before = accepted("add");
    for (int i = 0; i < CLIENTS; i++) {
        for (int k = 0; k < 4; k++)
            rows[i][k] = (float)(10 * i + k);
        fds[i] = dial();
        send_row(fds[i], "add", rows[i]);
        wait_until_accepted("add", before + (uint64_t)i + 1);
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
    unblock(blocker);
    ran_together_uncopied("add");
}

/* ---- Several inputs ---- */

/* What is asked of "multi", and what it answers, in the model's order. */
typedef struct question {
    float a[2], b[2];
    int64_t n;
} question;

typedef struct answer {
    float sum[2], product[2];
    int64_t count;
} answer;

static question question_of(int i)
{
    const float x = (float)i;
    return (question){.a = {x, x + 1}, .b = {2, x + 3}, .n = 100 + i};
}

static void is_answer(int i, const answer *got)
{
    const question q = question_of(i);
    for (int k = 0; k < 2; k++) {
        assert_true(got->sum[k] == q.a[k] + q.b[k]);
        assert_true(got->product[k] == q.a[k] * q.b[k]);
    }
    assert_int_equal(got->count, 2 * q.n);
}

/* The tensors in another order than the model's, in pieces of so many bytes, but for the last. */
static void send_several(int fd, const question *q, size_t piece, size_t missing)
{
    static const char json[] =
        "{\"inputs\":[{\"name\":\"n\",\"shape\":[1],\"datatype\":\"INT64\",\"parameters\":{"
        "\"binary_data_size\":8}},{\"name\":\"b\",\"shape\":[1,2],\"datatype\":\"FP32\","
        "\"parameters\":{\"binary_data_size\":8}},{\"name\":\"a\",\"shape\":[1,2],\"datatype\":"
        "\"FP32\",\"parameters\":{\"binary_data_size\":8}}],\"parameters\":{"
        "\"binary_data_output\":true}}";
    char text[1024];
    const int head = snprintf(text, sizeof text,
                              "POST /v2/models/multi/infer HTTP/1.1\r\nHost: localhost\r\n"
                              "Content-Length: %zu\r\nInference-Header-Content-Length: %zu\r\n\r\n"
                              "%s",
                              strlen(json) + 24, strlen(json), json);
    memcpy(text + head, &q->n, 8);
    memcpy(text + head + 8, q->b, 8);
    memcpy(text + head + 16, q->a, 8);
    const size_t bytes = (size_t)head + 24 - missing;
    for (size_t at = 0; at < bytes; at += piece)
        say(fd, text + at, bytes - at < piece ? bytes - at : piece);
}

static void hear_several(int fd, int i)
{
    static reply r;
    answer got;
    hear(fd, &r);
    assert_int_equal(r.status, 200);
    assert_true(r.body_bytes >= sizeof got);
    memcpy(&got, r.body + r.body_bytes - sizeof got, sizeof got);
    is_answer(i, &got);
    close(fd);
}

static int dial_at_once(void)
{
    const int fd = dial(), one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* pieces as they are cut */
    return fd;
}

static void nobody_copies_several(void **state)
{
    (void)state;
    static const size_t pieces[] = {1000, 1, 7};
    int fds[CLIENTS];
    const int blocker = block();
    const uint64_t before = accepted("multi");
    for (int i = 0; i < CLIENTS; i++) {
        const question q = question_of(i);
        fds[i] = dial_at_once();
        send_several(fds[i], &q, pieces[i % 3], 0);
        wait_until_accepted("multi", before + (uint64_t)i + 1);
    }
    for (int i = 0; i < CLIENTS; i++)
        hear_several(fds[i], i);
    unblock(blocker);
    ran_together_uncopied("multi");
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

/* Tensors that are no row, twice the same one, lengths that are not true: as anywhere else. */
static void unusual_tensors_work_too(void **state)
{
    (void)state;
    static const struct {
        const char *inputs; /* a, b and n have eight bytes each behind the JSON, unless it lies */
        int status;
        const char *says;
    } cases[] = {
#define INPUT(name, shape, type, size)                                                             \
    "{\"name\":\"" name "\",\"shape\":" shape ",\"datatype\":\"" type                              \
    "\",\"parameters\":{\"binary_data_size\":" size "}}"
#define A INPUT("a", "[1,2]", "FP32", "8")
#define N INPUT("n", "[1]", "INT64", "8")
        {A "," INPUT("b", "[1,2]", "FP32", "8") "," N, 200, "\"data\":[3,5]"},
        {A "," A "," N, 400, "given twice"},
        {A "," INPUT("c", "[1,2]", "FP32", "8") "," N, 400, "no input 'c'"},
        {A "," INPUT("b", "[1]", "INT64", "8") "," N, 400, "'b'"},
        {A "," INPUT("b", "[1,2]", "FP32", "16"), 400, "16 bytes; its shape and type make 8"},
        {A "," INPUT("b", "[1,2]", "FP32", "17") "," N, 400, "the body ends before"},
        {A "," INPUT("b", "[1,2]", "FP32", "8"), 400, "bytes after the last tensor"},
        {INPUT("b", "[1,0]", "FP32", "0") "," A "," N, 400, "bytes after the last tensor"},
        {A ",{\"name\":\"b\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2]}," N ","
           "{\"name\":\"d\",\"shape\":[1],\"datatype\":\"INT64\",\"parameters\":{"
           "\"binary_data_size\":8}}",
         400, "no input 'd'"},
        {"{\"name\":\"b\"},", 400, "not JSON"},
#undef A
#undef N
#undef INPUT
    };
    static reply r;
    static const question q = {.a = {1, 2}, .b = {2, 3}, .n = 4};
    char headers[128], body[1024];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int json = snprintf(body, sizeof body, "{\"inputs\":[%s]}", cases[i].inputs);
        memcpy(body + json, &q, sizeof q);
        snprintf(headers, sizeof headers, "Inference-Header-Content-Length: %d\r\n", json);
        ask("POST", "/v2/models/multi/infer", headers, body, (size_t)json + sizeof q, &r);
        says(&r, cases[i].status, cases[i].says);
    }
}

/* Half a body, then its model is unloaded, then the rest; or never. */
static void rows_outlive_their_model(void **state)
{
    (void)state;
    static reply r;
    cosrel_error err = {""};
    char text[1024];
    const char json[] = "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],\"datatype\":\"FP32\","
                        "\"parameters\":{\"binary_data_size\":16}}]}";
    const float row[4] = {1, 2, 3, 4};
    snprintf(text, sizeof text,
             "POST /v2/models/add/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n"
             "Inference-Header-Content-Length: %zu\r\n\r\n%s",
             strlen(json) + sizeof row, strlen(json), json);
    const int ends = dial(), leaves = dial(), other = dial();
    say(ends, text, strlen(text));
    say(ends, (const char *)row, 5);
    say(leaves, text, strlen(text));
    say(leaves, (const char *)row, 5);
    send_row(other, "add", row); /* so that what was said is read */
    hear(other, &r);
    assert_int_equal(r.status, 200);
    close(other);
    cosrel_model *m = cosrel_runtime_find_model(serving_runtime, "add", 0);
    assert_int_equal(cosrel_runtime_unload(serving_runtime, m, 1000000, &err), COSREL_OK);
    say(ends, (const char *)row + 5, sizeof row - 5);
    hear(ends, &r);
    says(&r, 404, "unloaded");
    close(ends);
    close(leaves);
    assert_int_equal(cosrel_runtime_load(serving_runtime, path_of("add.onnx"), &err), COSREL_OK);
    const int again = dial();
    send_row(again, "add", row);
    hear(again, &r);
    assert_int_equal(r.status, 200);
    close(again);
}

/* ---- Over gRPC ---- */

typedef Inference__ModelInferRequest__InferInputTensor input_type;

/* Tensors in the order of `names`, each of `bytes`. */
static void pack(const char *model, size_t count, const char *const *names,
                 const char *const *types, int64_t (*shapes)[2], const size_t *ranks,
                 const void *const *data, const size_t *bytes, text_builder *out)
{
    input_type in[3], *inputs[3];
    ProtobufCBinaryData raw[3];
    Inference__ModelInferRequest m = INFERENCE__MODEL_INFER_REQUEST__INIT;
    for (size_t i = 0; i < count; i++) {
        in[i] = (input_type)INFERENCE__MODEL_INFER_REQUEST__INFER_INPUT_TENSOR__INIT;
        in[i].name = (char *)names[i];
        in[i].datatype = (char *)types[i];
        in[i].shape = shapes[i];
        in[i].n_shape = ranks[i];
        inputs[i] = &in[i];
        raw[i] = (ProtobufCBinaryData){bytes[i], (uint8_t *)data[i]};
    }
    m.model_name = (char *)model;
    m.n_inputs = m.n_raw_input_contents = count;
    m.inputs = inputs;
    m.raw_input_contents = raw;
    const size_t length = inference__model_infer_request__get_packed_size(&m);
    uint8_t *packed = malloc(length);
    assert_int_equal(inference__model_infer_request__pack(&m, packed), length);
    client_frame(out, packed, length);
    free(packed);
}

static void pack_row(const char *model, const float *row, text_builder *out)
{
    int64_t shape[1][2] = {{1, 4}};
    pack(model, 1, (const char *[]){"x"}, (const char *[]){"FP32"}, shape, (size_t[]){2},
         (const void *[]){row}, (size_t[]){16}, out);
}

/* In another order than the model's. */
static void pack_several(const question *q, text_builder *out)
{
    int64_t shapes[3][2] = {{1, 2}, {1}, {1, 2}};
    pack("multi", 3, (const char *[]){"b", "n", "a"}, (const char *[]){"FP32", "INT64", "FP32"},
         shapes, (size_t[]){2, 1, 2}, (const void *[]){q->b, &q->n, q->a}, (size_t[]){8, 8, 8},
         out);
}

/* Its raw outputs, one after the other. */
static void hear_call(grpc_client *c, int call, void *out, size_t room)
{
    const grpc_reply *r = client_wait(c, call);
    size_t at = 0;
    if (r->code != 0)
        fail_msg("%d %s", r->code, r->message);
    Inference__ModelInferResponse *m = inference__model_infer_response__unpack(
        NULL, r->data.length - 5, (const uint8_t *)r->data.data + 5);
    assert_non_null(m);
    for (size_t i = 0; i < m->n_raw_output_contents; i++) {
        const ProtobufCBinaryData *raw = &m->raw_output_contents[i];
        assert_true(raw->len <= room - at);
        memcpy((char *)out + at, raw->data, raw->len);
        at += raw->len;
    }
    assert_int_equal(at, room);
    inference__model_infer_response__free_unpacked(m, NULL);
}

static int call(grpc_client *c, text_builder *body)
{
    const int number = client_ask(c, &(grpc_ask){.body = body->data, .bytes = body->length});
    text_deinit(body);
    *body = (text_builder){.data = NULL};
    return number;
}

/* Byte by byte. */
static void trickle(grpc_client *c)
{
    client_gather(c);
    for (size_t i = 0; i < c->out.length; i++)
        client_say(c->fd, c->out.data + i, 1);
    c->out.length = 0;
}

static void nobody_copies_calls(void **state)
{
    (void)state;
    text_builder body = {.data = NULL};
    grpc_client *c = client_open(serving_grpc_port());
    int one[CLIENTS], several[CLIENTS];
    const int blocker = block();
    for (int i = 0; i < CLIENTS; i++) {
        const question q = question_of(i);
        pack_row("add", (float[4]){(float)i, 1, 2, 3}, &body);
        one[i] = call(c, &body);
        pack_several(&q, &body);
        several[i] = call(c, &body);
        if (i % 3 == 0)
            trickle(c);
        else if (i % 3 == 1)
            client_flush(c);
    }
    for (int i = 0; i < CLIENTS; i++) {
        float got[4];
        answer all;
        hear_call(c, one[i], got, sizeof got);
        assert_true(got[0] == (float)i + 1 && got[3] == 7);
        hear_call(c, several[i], &all, sizeof all);
        is_answer(i, &all);
    }
    client_close(c);
    unblock(blocker);
    ran_together_uncopied("add");
    ran_together_uncopied("multi");
}

/* Rows that the model lends now. */
static int rows_of(const char *model)
{
    enum { MANY = 4096 };
    static cosrel_inputs *lent[MANY];
    cosrel_tensor tensors[3];
    cosrel_error err = {""};
    int count = 0;
    cosrel_model *m = cosrel_runtime_find_model(serving_runtime, model, 0);
    assert_non_null(m);
    while (count < MANY && cosrel_inputs_take(m, tensors, &lent[count], &err) == COSREL_OK)
        count++;
    for (int i = 0; i < count; i++)
        cosrel_inputs_give(lent[i]);
    return count;
}

static bool comes_back_to(const char *model, int count)
{
    for (int i = 0; i < 500; i++) {
        if (rows_of(model) == count)
            return true;
        usleep(10000);
    }
    return false;
}

/* A request of which a part of its last tensor is missing; what came before has been read. */
static int begin_call(grpc_client *c)
{
    const question q = question_of(1);
    text_builder body = {.data = NULL};
    pack_several(&q, &body);
    const int half = client_ask(
        c, &(grpc_ask){.body = body.data, .bytes = body.length - 3, .unended = true});
    client_flush(c);
    assert_int_equal(client_wait(c, call(c, &body))->code, 0);
    return half;
}

/* However a request ends, its rows are given back. */
static void rows_come_back(void **state)
{
    (void)state;
    const int all = rows_of("multi");
    const question q = question_of(1);
    text_builder body = {.data = NULL};
    assert_in_range(all, 2, 4000);

    grpc_client *c = client_open(serving_grpc_port());
    const int half = begin_call(c);
    assert_true(rows_of("multi") < all);
    nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, 2 * half + 1, NGHTTP2_CANCEL);
    client_flush(c);
    assert_true(comes_back_to("multi", all));

    pack_several(&q, &body);
    text_add_bytes(&body, "x", 1); /* more than the message: refused when its rows are full */
    assert_int_equal(client_wait(c, call(c, &body))->code, 12);
    assert_true(comes_back_to("multi", all));

    (void)begin_call(c);
    assert_true(rows_of("multi") < all);
    client_close(c);
    assert_true(comes_back_to("multi", all));

    const int fd = dial();
    send_several(fd, &q, 24, 3);
    while (rows_of("multi") == all)
        usleep(1000);
    close(fd);
    assert_true(comes_back_to("multi", all));
}

/* Half a message, then its model is unloaded, then the rest. */
static void calls_outlive_their_model(void **state)
{
    (void)state;
    enum { MISSING = 4 };
    cosrel_error err = {""};
    const question q = question_of(7);
    const int all = rows_of("multi");
    text_builder body = {.data = NULL};
    answer got;
    grpc_client *c = client_open(serving_grpc_port());
    pack_several(&q, &body);
    const int early = call(c, &body);
    client_gather(c);
    client_say(c->fd, c->out.data, c->out.length - MISSING);
    while (rows_of("multi") == all)
        usleep(1000);
    cosrel_model *m = cosrel_runtime_find_model(serving_runtime, "multi", 0);
    assert_int_equal(cosrel_runtime_unload(serving_runtime, m, 1000000, &err), COSREL_OK);
    client_say(c->fd, c->out.data + c->out.length - MISSING, MISSING);
    c->out.length = 0;
    assert_int_equal(client_wait(c, early)->code, 5);
    assert_int_equal(cosrel_runtime_load(serving_runtime, path_of("multi.onnx"), &err), COSREL_OK);
    pack_several(&q, &body);
    hear_call(c, call(c, &body), &got, sizeof got);
    is_answer(7, &got);
    client_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_copies),
        cmocka_unit_test(nobody_copies_several),
        cmocka_unit_test(nobody_copies_calls),
        cmocka_unit_test(other_lengths_work_too),
        cmocka_unit_test(unusual_tensors_work_too),
        cmocka_unit_test(rows_come_back),
        cmocka_unit_test(rows_outlive_their_model),
        cmocka_unit_test(calls_outlive_their_model),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
