/* gRPC as those who run the server see it: ids, the access log, limits of metadata and of each
 * client's requests, and what clients hear who are to try again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "grpc_client.h"
#include "grpc_serve.h"
#include "lines.h"
#include "oip.pb-c.h"

static int port;

/* One FP32 input "x" of 1 x 4 numbers. */
static void pack(const char *model, const char *id, text_builder *out)
{
    float numbers[] = {1, 2, 3, 4};
    int64_t shape[] = {1, 4};
    Inference__ModelInferRequest__InferInputTensor
        in = INFERENCE__MODEL_INFER_REQUEST__INFER_INPUT_TENSOR__INIT,
        *inputs = &in;
    ProtobufCBinaryData raw = {sizeof numbers, (uint8_t *)numbers};
    Inference__ModelInferRequest m = INFERENCE__MODEL_INFER_REQUEST__INIT;
    uint8_t packed[512];
    in.name = "x";
    in.datatype = "FP32";
    in.n_shape = 2;
    in.shape = shape;
    m.model_name = (char *)model;
    m.id = (char *)id;
    m.n_inputs = m.n_raw_input_contents = 1;
    m.inputs = &inputs;
    m.raw_input_contents = &raw;
    client_frame(out, packed, inference__model_infer_request__pack(&m, packed));
}

static grpc_reply infer(const char *model, const char *id, grpc_ask ask)
{
    text_builder body = {.data = NULL};
    pack(model, id, &body);
    ask.body = body.data;
    ask.bytes = body.length;
    const grpc_reply r = client_call(port, &ask);
    text_deinit(&body);
    return r;
}

static int code_of(const char *model, grpc_ask ask)
{
    grpc_reply r = infer(model, "", ask);
    text_deinit(&r.data);
    return r.code;
}

static void hands_ids_through(void **state)
{
    (void)state;
    serving *s = serve_more(&(server_options){.policy = ""}, &port);
    grpc_reply r = infer("add", "own", (grpc_ask){.request_id = "abc\x80 d"});
    assert_int_equal(r.code, 0);
    assert_string_equal(r.request_id, "abc__d");
    Inference__ModelInferResponse *m = inference__model_infer_response__unpack(
        NULL, r.data.length - 5, (const uint8_t *)r.data.data + 5);
    assert_non_null(m);
    assert_string_equal(m->id, "own");
    inference__model_infer_response__free_unpacked(m, NULL);
    text_deinit(&r.data);
    r = infer("nix", "", (grpc_ask){.request_id = "to-an-error"});
    assert_int_equal(r.code, 5);
    assert_string_equal(r.request_id, "to-an-error");
    r = infer("add", "own", (grpc_ask){.token = NULL});
    assert_string_equal(r.request_id, "");
    text_deinit(&r.data);
    char text[400];
    memset(text, 'y', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    r = infer("add", "", (grpc_ask){.request_id = text});
    assert_int_equal(strlen(r.request_id), 128);
    text_deinit(&r.data);
    serve_end(s);
}

static void writes_lines(void **state)
{
    (void)state;
    static const server_token token = {.token = "client-token", .role = "infer"};
    serving *s = serve_more(
        &(server_options){.access_log = lines_begin(), .tokens = &token, .token_count = 1}, &port);
    grpc_reply r = infer(
        "add", "own",
        (grpc_ask){.token = "Bearer client-token", .request_id = "meta", .agent = "grpc-test/1"});
    assert_int_equal(r.code, 0);
    const json_int_t sent = (json_int_t)r.data.length;
    text_deinit(&r.data);
    r = infer("nix", "", (grpc_ask){.token = "Bearer client-token", .request_id = "meta"});
    assert_int_equal(r.code, 5);
    assert_int_equal(code_of("add", (grpc_ask){.token = "Bearer wrong-token"}), 16);
    r = client_call(port, &(grpc_ask){.path = "/no.Such/Method", .body = "", .bytes = 0});
    assert_int_equal(r.code, 12);
    r = client_call(port, &(grpc_ask){.type = "text/plain", .body = "", .bytes = 0});
    assert_int_equal(r.http, 415);
    json_t *lines = lines_wait(5);
    line_says(lines, 0, "protocol", "grpc");
    line_says(lines, 0, "method", "POST");
    line_says(lines, 0, "path", METHOD("ModelInfer"));
    line_says(lines, 0, "model", "add");
    line_counts(lines, 0, "version", 1);
    line_says(lines, 0, "id", "own");
    line_says(lines, 0, "status", "OK");
    line_counts(lines, 0, "bytes_out", sent);
    assert_true(line_number(lines, 0, "bytes_in") > 16);
    line_says(lines, 0, "processor", "cpu0");
    line_counts(lines, 0, "batch", 1);
    line_says(lines, 0, "role", "infer");
    line_says(lines, 0, "user_agent", "grpc-test/1");
    line_lacks(lines, 0, "incomplete");
    line_lacks(lines, 0, "error");
    assert_true(line_number(lines, 0, "queue_us") + line_number(lines, 0, "compute_us") <=
                line_number(lines, 0, "total_us"));
    const char *peer = json_string_value(json_object_get(json_array_get(lines, 0), "peer"));
    assert_true(peer && strncmp(peer, "127.0.0.1:", 10) == 0 && atoi(peer + 10) > 0);
    line_says(lines, 1, "id", "meta");
    line_says(lines, 1, "status", "NOT_FOUND");
    line_says(lines, 1, "error", "there is no model 'nix'");
    line_lacks(lines, 1, "model");
    line_says(lines, 2, "status", "UNAUTHENTICATED");
    line_lacks(lines, 2, "role");
    line_says(lines, 3, "status", "UNIMPLEMENTED");
    line_says(lines, 3, "path", "/no.Such/Method");
    line_counts(lines, 4, "status", 415);
    char *all = json_dumps(lines, 0);
    assert_null(strstr(all, "client-token"));
    assert_null(strstr(all, "wrong-token"));
    free(all);
    json_decref(lines);
    serve_end(s);
    lines_end();
}

/* A client that cancels one and then goes away, while its requests run or wait. On a machine that
 * is busy with others some may be answered before. */
static void writes_lines_of_what_was_given_up(void **state)
{
    (void)state;
    enum { CALLS = 6 };
    text_builder body = {.data = NULL};
    serving *s = serve_more(&(server_options){.access_log = lines_begin()}, &port);
    pack("slow", "given-up", &body);
    grpc_client *c = client_open(port);
    const grpc_ask ask = {.body = body.data, .bytes = body.length};
    const int first = client_ask(c, &ask);
    for (int i = 1; i < CALLS; i++)
        (void)client_ask(c, &ask);
    client_flush(c);
    usleep(20000);
    nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, 2 * first + 1, NGHTTP2_CANCEL);
    client_flush(c);
    client_close(c);
    json_t *lines = lines_wait(CALLS);
    int cancelled = 0;
    for (size_t i = 0; i < CALLS; i++) {
        const json_t *line = json_array_get(lines, i);
        line_says(lines, i, "id", "given-up");
        line_says(lines, i, "model", "slow");
        if (strcmp(json_string_value(json_object_get(line, "status")), "OK") == 0)
            continue;
        cancelled++;
        line_says(lines, i, "status", "CANCELLED");
        line_counts(lines, i, "bytes_out", 0);
        assert_true(json_is_true(json_object_get(line, "incomplete")));
    }
    assert_true(cancelled > 0);
    json_decref(lines);
    text_deinit(&body);
    serve_end(s);
    lines_end();
}

static void limits_metadata(void **state)
{
    (void)state;
    char text[4097];
    serving *s = serve_more(&(server_options){.grpc = {.header_max = 2048}}, &port);
    for (size_t bytes = 1000; bytes <= 4000; bytes += 250) {
        memset(text, 'z', bytes);
        text[bytes] = '\0';
        /* What the others take, as HTTP/2 counts: some 600 bytes. */
        const int code = code_of("add", (grpc_ask){.filler = text});
        if (bytes <= 1250)
            assert_int_equal(code, 0);
        else if (bytes >= 2000)
            assert_int_equal(code, 8);
        else
            assert_true(code == 0 || code == 8);
    }
    /* On the same connection, the next call is served. */
    text_builder body = {.data = NULL};
    pack("add", "", &body);
    grpc_client *c = client_open(port);
    const int large = client_ask(
        c, &(grpc_ask){.body = body.data, .bytes = body.length, .filler = text});
    assert_int_equal(client_wait(c, large)->code, 8);
    assert_non_null(strstr(client_wait(c, large)->message, "metadata"));
    const int small = client_ask(c, &(grpc_ask){.body = body.data, .bytes = body.length});
    assert_int_equal(client_wait(c, small)->code, 0);
    client_close(c);
    text_deinit(&body);
    serve_end(s);
}

static void limits_requests_of_a_client(void **state)
{
    (void)state;
    static const server_token tokens[] = {{.token = "client-token", .role = "infer"},
                                          {.token = "other-token-1", .role = "infer"}};
    text_builder body = {.data = NULL};
    serving *s = serve_more(
        &(server_options){.client_requests_max = 2, .tokens = tokens, .token_count = 2}, &port);
    pack("add", "", &body);
    grpc_client *c = client_open(port);
    /* All but its last byte: it is in flight until we say more. */
    const grpc_ask half = {.body = body.data,
                           .bytes = body.length - 1,
                           .unended = true,
                           .token = "Bearer client-token"};
    const int first = client_ask(c, &half), second = client_ask(c, &half);
    client_send_all(c, first);
    client_send_all(c, second);
    const int third = client_ask(c, &half);
    const grpc_reply *r = client_wait(c, third);
    assert_int_equal(r->code, 8);
    assert_non_null(strstr(r->message, "in flight"));
    assert_string_equal(r->retry_after, "1");
    assert_string_equal(r->pushback, "1000");
    assert_int_equal(code_of("add", (grpc_ask){.token = "Bearer client-token"}), 8);
    assert_int_equal(code_of("add", (grpc_ask){.token = "Bearer other-token-1"}), 0);
    nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, 2 * first + 1, NGHTTP2_CANCEL);
    const int fourth = client_ask(
        c, &(grpc_ask){.body = body.data, .bytes = body.length, .token = "Bearer client-token"});
    assert_int_equal(client_wait(c, fourth)->code, 0);
    client_close(c);
    text_deinit(&body);
    serve_end(s);
}

/* Refusals that are for good say nothing of trying again. */
static void tells_when_to_try_again(void **state)
{
    (void)state;
    serving *s = serve_more(&(server_options){.bodies_max = 20}, &port);
    grpc_reply r = infer("add", "", (grpc_ask){.token = NULL});
    assert_int_equal(r.code, 8);
    assert_non_null(strstr(r.message, "memory"));
    assert_string_equal(r.pushback, "1000");
    serve_end(s);
    s = serve_more(&(server_options){.grpc = {.message_max = 20}}, &port);
    r = infer("add", "", (grpc_ask){.token = NULL});
    assert_int_equal(r.code, 8);
    assert_string_equal(r.pushback, "");
    assert_string_equal(r.retry_after, "");
    serve_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_ids_through),
        cmocka_unit_test(writes_lines),
        cmocka_unit_test(writes_lines_of_what_was_given_up),
        cmocka_unit_test(limits_metadata),
        cmocka_unit_test(limits_requests_of_a_client),
        cmocka_unit_test(tells_when_to_try_again),
    };
    return cmocka_run_group_tests(tests, serve_start, serve_stop);
}
