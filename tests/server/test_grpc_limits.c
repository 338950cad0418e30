/* What the gRPC server does when there is too much, too slow or given up: cancellation, deadlines,
 * limits of connections, streams, calls and memory, peers that stall, the end of the server. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "grpc_client.h"
#include "grpc_serve.h"
#include "oip.pb-c.h"

/* A model with one FP32 input "x" of rows x columns numbers, all 1. */
static void pack(const char *model, int64_t rows, int64_t columns, text_builder *out)
{
    const size_t bytes = (size_t)(rows * columns) * sizeof(float);
    float *numbers = malloc(bytes);
    for (int64_t i = 0; i < rows * columns; i++)
        numbers[i] = 1;
    int64_t shape[] = {rows, columns};
    Inference__ModelInferRequest__InferInputTensor
        in = INFERENCE__MODEL_INFER_REQUEST__INFER_INPUT_TENSOR__INIT,
        *inputs = &in;
    ProtobufCBinaryData raw = {bytes, (uint8_t *)numbers};
    Inference__ModelInferRequest m = INFERENCE__MODEL_INFER_REQUEST__INIT;
    in.name = "x";
    in.datatype = "FP32";
    in.n_shape = 2;
    in.shape = shape;
    m.model_name = (char *)model;
    m.n_inputs = m.n_raw_input_contents = 1;
    m.inputs = &inputs;
    m.raw_input_contents = &raw;
    const size_t length = inference__model_infer_request__get_packed_size(&m);
    uint8_t *packed = malloc(length);
    inference__model_infer_request__pack(&m, packed);
    client_frame(out, packed, length);
    free(packed);
    free(numbers);
}

static int ask_for(grpc_client *c, const char *model, int64_t rows, int64_t columns,
                   const char *timeout)
{
    text_builder body = {.data = NULL};
    pack(model, rows, columns, &body);
    const int number = client_ask(
        c, &(grpc_ask){.body = body.data, .bytes = body.length, .timeout = timeout});
    text_deinit(&body);
    return number;
}

/* Of a small request. */
static int outcome(int port)
{
    grpc_client *c = client_open(port);
    const int code = client_wait(c, ask_for(c, "add", 1, 4, NULL))->code;
    client_close(c);
    return code;
}

static void works(int port)
{
    assert_int_equal(outcome(port), 0);
}

static cosrel_model_stats stats_of(const char *model)
{
    cosrel_model_stats stats;
    cosrel_model_get_stats(served_rt, cosrel_runtime_find_model(served_rt, model, 0), &stats);
    return stats;
}

static void until_cancelled(uint64_t count)
{
    const int64_t end_ns = clock_now_ns() + (int64_t)30 * 1000000000;
    while (stats_of("slow").cancelled < count && clock_now_ns() < end_ns)
        usleep(1000);
    assert_int_equal(stats_of("slow").cancelled, count);
}

/* Some by RST_STREAM, others by going away; the runtime hears of both, and none is waited for. */
static void cancels(void **state)
{
    (void)state;
    enum { CALLS = 6 };
    int numbers[CALLS];
    const uint64_t before = stats_of("slow").cancelled;
    grpc_client *c = client_open(served_port);
    for (int i = 0; i < CALLS; i++)
        numbers[i] = ask_for(c, "slow", 1, 4, NULL);
    client_flush(c);
    usleep(20000);                  /* one runs, the others wait */
    for (int i = 1; i < CALLS; i++) /* stream numbers are odd */
        nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, 2 * numbers[i] + 1,
                                  NGHTTP2_CANCEL);
    client_flush(c);
    assert_int_equal(client_wait(c, numbers[0])->code, 0);
    until_cancelled(before + CALLS - 1);
    for (int i = 0; i < CALLS; i++)
        (void)ask_for(c, "slow", 1, 4, NULL);
    client_flush(c);
    usleep(20000);
    client_close(c);
    until_cancelled(before + 2 * CALLS - 1);
    works(served_port);
}

/* Opens and resets without pause. nghttp2 may end such a connection; nothing else suffers. */
static void survives_rapid_resets(void **state)
{
    (void)state;
    grpc_client *c = client_open(served_port);
    for (int i = 0; i < 400; i++) {
        const int number = ask_for(c, "add", 1, 4, NULL);
        client_gather(c);
        nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, 2 * number + 1, NGHTTP2_CANCEL);
        client_gather(c);
    }
    client_flush(c);
    works(served_port);
    client_close(c);
}

static void gives_up_at_deadlines(void **state)
{
    (void)state;
    grpc_client *c = client_open(served_port);
    /* Half a request, whose time passes while the server waits for the rest. */
    const int number = client_ask(
        c, &(grpc_ask){.body = "\0\0\0\0\5ab", .bytes = 7, .unended = true, .timeout = "100m"});
    const grpc_reply *r = client_wait(c, number);
    assert_int_equal(r->code, 4);
    client_close(c);
    const uint64_t before = stats_of("add").with_deadline;
    c = client_open(served_port);
    assert_int_equal(client_wait(c, ask_for(c, "add", 1, 4, "30S"))->code, 0);
    client_close(c);
    assert_int_equal(stats_of("add").with_deadline, before + 1);
}

static void limits_connections(void **state)
{
    (void)state;
    int port;
    serving *s = serve_more(&(server_options){.grpc = {.connection_max = 2}}, &port);
    grpc_client *first = client_open(port), *second = client_open(port);
    assert_int_equal(client_wait(first, ask_for(first, "add", 1, 4, NULL))->code, 0);
    assert_int_equal(client_wait(second, ask_for(second, "add", 1, 4, NULL))->code, 0);
    grpc_client *third = client_open(port);
    const int number = ask_for(third, "add", 1, 4, NULL);
    client_flush(third);
    char byte;
    usleep(50000);
    assert_int_equal(recv(third->fd, &byte, 1, MSG_DONTWAIT), -1);
    client_close(first);
    assert_int_equal(client_wait(third, number)->code, 0);
    client_close(second);
    client_close(third);
    serve_end(s);
}

static void limits_calls(void **state)
{
    (void)state;
    int port;
    serving *s = serve_more(&(server_options){.grpc = {.call_max = 2, .stream_max = 3}}, &port);
    grpc_client *c = client_open(port);
    int numbers[4];
    for (int i = 0; i < 4; i++)
        numbers[i] = ask_for(c, "slow", 1, 4, NULL);
    /* The first two are served; the third is to try again, and so is, or waits, the fourth. */
    for (int i = 0; i < 2; i++)
        assert_int_equal(client_wait(c, numbers[i])->code, 0);
    const grpc_reply *r = client_wait(c, numbers[2]);
    assert_int_equal(r->code, -1);
    assert_int_equal(r->error, NGHTTP2_REFUSED_STREAM);
    (void)client_wait(c, numbers[3]);
    client_close(c);
    works(port);
    serve_end(s);
}

static void limits_memory(void **state)
{
    (void)state;
    int port;
    serving *s = serve_more(&(server_options){.bodies_max = 1000000}, &port);
    grpc_client *c = client_open(port);
    text_builder body = {.data = NULL};
    pack("relu", 10000, 16, &body); /* 640 KB; without its last byte */
    const grpc_ask most = {.body = body.data, .bytes = body.length - 1, .unended = true};
    const int first = client_ask(c, &most);
    client_send_all(c, first);
    const int second = client_ask(c, &most);
    assert_int_equal(client_wait(c, second)->code, 8);
    assert_non_null(strstr(c->replies[second].message, "memory"));
    nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, 2 * first + 1, NGHTTP2_CANCEL);
    assert_int_equal(client_wait(c, ask_for(c, "relu", 10000, 16, NULL))->code, 0);
    client_close(c);
    text_deinit(&body);
    serve_end(s);
}

/* A client that sends half a request, and one that does not read its answer, lose their places. */
static void gives_up_who_stalls(void **state)
{
    (void)state;
    int port;
    serving *s = serve_more(&(server_options){.grpc = {.stall_ns = 300000000, .call_max = 1}},
                            &port);
    grpc_client *c = client_open(port);
    const int half = client_ask(c,
                                &(grpc_ask){.body = "\0\0\0\0\5ab", .bytes = 7, .unended = true});
    assert_int_equal(client_wait(c, half)->code, 4);
    client_close(c);
    /* No window: the answer cannot go out though the socket would take it. */
    c = client_open(port);
    const nghttp2_settings_entry none = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, &none, 1);
    const int windowless = ask_for(c, "add", 1, 4, NULL);
    const grpc_reply *r = client_wait(c, windowless);
    assert_int_equal(r->http, 200);
    assert_int_equal(r->error, NGHTTP2_CANCEL);
    client_close(c);
    /* A wide window, and a socket that nobody reads. */
    const int little = 64 << 10;
    c = client_open(port);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
    nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, 1 << 30);
    const nghttp2_settings_entry wide = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 30};
    nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, &wide, 1);
    client_send_all(c, ask_for(c, "relu", 200000, 16, NULL));
    usleep(100000);
    assert_int_equal(outcome(port), -1); /* there is no place for another */
    int code = -1;
    for (int tries = 0; tries < 100 && code < 0; tries++) {
        usleep(100000);
        code = outcome(port);
    }
    assert_int_equal(code, 0);
    client_close(c);
    serve_end(s);
}

static void *end_it(void *s)
{
    serve_end(s);
    return NULL;
}

/* What has begun is answered, whoever is idle is sent away, and nobody new is let in. */
static void drains(void **state)
{
    (void)state;
    int port;
    serving *s = serve_more(&(server_options){.grpc = {.stream_max = 9}}, &port);
    grpc_client *idle = client_open(port), *busy = client_open(port);
    assert_int_equal(client_wait(idle, ask_for(idle, "add", 1, 4, NULL))->code, 0);
    const int number = ask_for(busy, "slow", 1, 4, NULL);
    const int large = ask_for(busy, "relu", 50000, 16, NULL);
    client_send_all(busy, large);
    /* What is still on its way would be dropped: the server has read all before it answers a ping.
     */
    const int pongs = busy->pongs;
    nghttp2_submit_ping(busy->session, NGHTTP2_FLAG_NONE, NULL);
    client_flush(busy);
    while (busy->pongs == pongs)
        client_hear(busy);
    pthread_t ending;
    assert_int_equal(pthread_create(&ending, NULL, end_it, s), 0);
    assert_int_equal(client_wait(busy, number)->code, 0);
    assert_int_equal(client_wait(busy, large)->code, 0);
    assert_true(busy->told_to_go);
    pthread_join(ending, NULL);
    while (!idle->over)
        client_hear(idle);
    assert_true(idle->told_to_go);
    client_close(idle);
    client_close(busy);
}

/* Most of a machine's clients are idle most of the time. */
static void keeps_idle_connections_cheaply(void **state)
{
    (void)state;
    enum { CONNECTIONS = 200 };
    int port, fds[CONNECTIONS];
    serving *s = serve_more(&(server_options){.grpc = {.stream_max = 9}}, &port);
    works(port);
    for (int i = 0; i < CONNECTIONS; i++) {
        grpc_client *c = client_open(port);
        client_flush(c);
        fds[i] = dup(c->fd);
        client_close(c);
    }
    works(port);
    for (int i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
    works(port);
    serve_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cancels),
        cmocka_unit_test(survives_rapid_resets),
        cmocka_unit_test(gives_up_at_deadlines),
        cmocka_unit_test(limits_connections),
        cmocka_unit_test(limits_calls),
        cmocka_unit_test(limits_memory),
        cmocka_unit_test(gives_up_who_stalls),
        cmocka_unit_test(drains),
        cmocka_unit_test(keeps_idle_connections_cheaply),
    };
    return cmocka_run_group_tests(tests, serve_start, serve_stop);
}
