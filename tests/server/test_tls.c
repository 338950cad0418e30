/* HTTP and gRPC over TLS: what files are taken, answers, versions, a new certificate while
 * connections are open, and peers that speak something else, stop, or go away. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "grpc_client.h"
#include "oip.pb-c.h"
#include "server/tls.h"
#include "serving.h"
#include "tls_files.h"
#include "tls_peer.h"

#define ADD "/v2/models/add/infer"

static char folder[] = "/tmp/test-tls-XXXXXX";
static char authority[64], certificate[64], key[64], other[64], other_key[64], wrong[64];
static tls_context *context;

static const char input[] = "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],\"datatype\":\"FP32\","
                            "\"data\":[1,2,3,4]}]}";

/* ---- Clients ---- */

static tls_peer *https_as(const char *priority)
{
    const tls_peer_options options = {
        .authority = authority, .protocol = "http/1.1", .priority = priority};
    const int one = 1, fd = dial();
    /* The end of the handshake and a request follow each other. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return tls_peer_begin(fd, &options);
}

static tls_peer *https(void)
{
    tls_peer *p = https_as(NULL);
    assert_non_null(p);
    return p;
}

static tls_peer *grpcs_as(const char *protocol, const char *priority)
{
    const tls_peer_options options = {
        .authority = authority, .protocol = protocol, .priority = priority};
    return tls_peer_begin(client_dial(serving_grpc_port()), &options);
}

static grpc_client *grpcs(void)
{
    tls_peer *p = grpcs_as("h2", NULL);
    assert_non_null(p);
    return client_open_on(p);
}

typedef struct answer {
    int status;
    char head[2048];
    char *body; /* NUL-terminated; free() it */
    size_t bytes;
} answer;

static void send_request(tls_peer *p, const char *method, const char *path, const char *headers,
                         const void *body, size_t bytes)
{
    text_builder all = {.data = NULL};
    text_addf(&all, "%s %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n", method,
              path, headers, bytes);
    text_add_bytes(&all, body ? body : "", bytes);
    assert_false(all.failed);
    assert_int_equal(tls_peer_send(p, all.data, all.length), all.length);
    text_deinit(&all);
}

static void hear_answer(tls_peer *p, answer *a)
{
    size_t used = 0;
    memset(a, 0, sizeof *a);
    do {
        assert_true(used < sizeof a->head - 1);
        assert_int_equal(tls_peer_receive(p, a->head + used, 1), 1);
        a->head[++used] = '\0';
    } while (!strstr(a->head, "\r\n\r\n"));
    a->status = atoi(a->head + 9);
    const char *length = strstr(a->head, "\r\nContent-Length: ");
    assert_non_null(length);
    const size_t expected = strtoul(length + 18, NULL, 10);
    a->body = calloc(1, expected + 1);
    assert_non_null(a->body);
    while (a->bytes < expected) {
        const ssize_t n = tls_peer_receive(p, a->body + a->bytes, expected - a->bytes);
        assert_true(n > 0);
        a->bytes += (size_t)n;
    }
}

/* Until an answer has come as far as the sockets have room for it, and the server is stuck. */
static void let_it_fill(int fd)
{
    int before = 0, now = 0;
    do {
        before = now;
        usleep(100000);
        assert_int_equal(ioctl(fd, FIONREAD, &now), 0);
    } while (now == 0 || now != before);
}

static void expect(tls_peer *p, int status, const char *text)
{
    answer a;
    hear_answer(p, &a);
    if (a.status != status || !strstr(a.body, text))
        fail_msg("%d '%s', expected %d '%s'", a.status, a.body, status, text);
    free(a.body);
}

static void infer_on(tls_peer *p)
{
    send_request(p, "POST", ADD, "", input, strlen(input));
    expect(p, 200, "\"data\":[2,4,6,8]");
}

/* x as raw floats, rows of four; the reply's floats, which are x + [1,2,3,4], are checked. It is
 * not read before it stands in this socket, unless that is -1. */
static void infer_from(grpc_client *c, size_t rows, int fd)
{
    typedef Inference__ModelInferRequest__InferInputTensor input_type;
    int64_t shape[] = {(int64_t)rows, 4};
    const size_t count = rows * 4;
    float *x = malloc(count * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(i % 1000);
    input_type in = INFERENCE__MODEL_INFER_REQUEST__INFER_INPUT_TENSOR__INIT, *inputs[] = {&in};
    in.name = (char *)"x";
    in.datatype = (char *)"FP32";
    in.n_shape = 2;
    in.shape = shape;
    ProtobufCBinaryData raw = {count * sizeof *x, (uint8_t *)x};
    Inference__ModelInferRequest m = INFERENCE__MODEL_INFER_REQUEST__INIT;
    m.model_name = (char *)"add";
    m.n_inputs = m.n_raw_input_contents = 1;
    m.inputs = inputs;
    m.raw_input_contents = &raw;
    uint8_t *packed = malloc(inference__model_infer_request__get_packed_size(&m));
    text_builder body = {.data = NULL};
    assert_non_null(packed);
    client_frame(&body, packed, inference__model_infer_request__pack(&m, packed));
    const grpc_ask ask = {.body = body.data, .bytes = body.length};
    const int number = client_ask(c, &ask);
    if (fd >= 0) {
        client_send_all(c, number);
        let_it_fill(fd);
    }
    const grpc_reply *r = client_wait(c, number);
    if (r->code != 0)
        fail_msg("%d '%s'", r->code, r->message);
    Inference__ModelInferResponse *got = inference__model_infer_response__unpack(
        NULL, r->data.length - 5, (const uint8_t *)r->data.data + 5);
    assert_non_null(got);
    assert_int_equal(got->raw_output_contents[0].len, count * sizeof *x);
    float *y = x;
    memcpy(y, got->raw_output_contents[0].data, count * sizeof *y);
    for (size_t i = 0; i < count; i++)
        if (y[i] != (float)(i % 1000) + (float)(i % 4 + 1))
            fail_msg("%zu: %g", i, (double)y[i]);
    inference__model_infer_response__free_unpacked(got, NULL);
    text_deinit(&body);
    free(packed);
    free(x);
}

static void infer_over_grpc(grpc_client *c, size_t rows)
{
    infer_from(c, rows, -1);
}

/* ---- Files ---- */

static void write_file(const char *path, const char *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    fclose(file);
}

static void refuses(const char *certificate_path, const char *key_path, cosrel_status status,
                    const char *names, const char *says)
{
    tls_context *t;
    cosrel_error err = {""};
    char *secret, *line;
    size_t bytes;
    const tls_options options = {.certificate = certificate_path, .key = key_path};
    assert_int_equal(tls_create(&options, &t, &err), status);
    assert_null(t);
    if (!strstr(err.text, names) || !strstr(err.text, says))
        fail_msg("'%s' does not say '%s' and '%s'", err.text, names, says);
    assert_int_equal(file_read(key, 10000, &secret, &bytes, NULL), COSREL_OK);
    line = strchr(secret, '\n') + 1;
    line[16] = '\0';
    assert_null(strstr(err.text, line));
    free(secret);
}

static void names_wrong_files(void **state)
{
    (void)state;
    char *data, both[8192];
    size_t bytes;
    refuses(certificate, NULL, COSREL_INVALID_ARGUMENT, "key", "");
    refuses(NULL, key, COSREL_INVALID_ARGUMENT, "certificate", "");
    refuses("/nix/cert.pem", key, COSREL_NOT_FOUND, "/nix/cert.pem", "No such file");
    refuses(certificate, "/nix/key.pem", COSREL_NOT_FOUND, "/nix/key.pem", "No such file");
    refuses(folder, key, COSREL_INVALID_FILE, folder, "is not a regular file");
    refuses(key, key, COSREL_INVALID_FILE, key, "certificate in PEM form");
    refuses(certificate, certificate, COSREL_INVALID_FILE, certificate, "private key in PEM form");
    refuses(certificate, other_key, COSREL_INVALID_FILE, other_key, "does not belong");
    refuses(certificate, other_key, COSREL_INVALID_FILE, certificate, "does not belong");
    /* Empty, cut within each, and a second certificate that is not whole. */
    write_file(wrong, "", 0);
    refuses(wrong, key, COSREL_INVALID_FILE, wrong, "certificate in PEM form");
    refuses(certificate, wrong, COSREL_INVALID_FILE, wrong, "private key in PEM form");
    assert_int_equal(file_read(certificate, 4000, &data, &bytes, NULL), COSREL_OK);
    write_file(wrong, data, bytes / 2);
    refuses(wrong, key, COSREL_INVALID_FILE, wrong, "certificate");
    snprintf(both, sizeof both, "%s%.200s", data, data);
    write_file(wrong, both, strlen(both));
    refuses(wrong, key, COSREL_INVALID_FILE, wrong, "certificate");
    free(data);
    assert_int_equal(file_read(key, 4000, &data, &bytes, NULL), COSREL_OK);
    write_file(wrong, data, bytes / 2);
    refuses(certificate, wrong, COSREL_INVALID_FILE, wrong, "private key");
    explicit_bzero(data, bytes);
    free(data);
    memset(both, 'x', sizeof both);
    write_file(wrong, both, sizeof both);
    refuses(wrong, key, COSREL_INVALID_FILE, wrong, "certificate in PEM form");
    refuses(certificate, wrong, COSREL_INVALID_FILE, wrong, "private key in PEM form");
}

static void remarks_on_what_works_badly(void **state)
{
    (void)state;
    char said[512] = "";
    cosrel_error err = {""};
    tls_context *t;
    assert_false(tls_remark(context, said, sizeof said));
    assert_int_equal(chmod(key, 0644), 0);
    assert_true(tls_remark(context, said, sizeof said));
    assert_non_null(strstr(said, key));
    assert_int_equal(chmod(key, 0640), 0); /* a group may be there for this */
    assert_false(tls_remark(context, said, sizeof said));
    assert_int_equal(chmod(key, 0600), 0);
    assert_true(tls_files_make(wrong, other, other_key, "old", -1));
    const tls_options options = {.certificate = other, .key = other_key};
    assert_int_equal(tls_create(&options, &t, &err), COSREL_OK);
    assert_true(tls_remark(t, said, sizeof said));
    assert_non_null(strstr(said, other));
    assert_non_null(strstr(said, "was valid until 20"));
    tls_free(t);
}

/* ---- Answers ---- */

static void infers_over_both(void **state)
{
    (void)state;
    static const char *const versions[] = {NULL, "NORMAL:-VERS-ALL:+VERS-TLS1.3",
                                           "NORMAL:-VERS-ALL:+VERS-TLS1.2"};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        tls_peer *p = https_as(versions[i]);
        assert_non_null(p);
        assert_true(tls_peer_sees(p, "first"));
        assert_true(tls_peer_speaks(p, "http/1.1"));
        infer_on(p);
        infer_on(p);
        send_request(p, "GET", "/v2/models/nix", "", NULL, 0);
        expect(p, 404, "nix");
        tls_peer_end(p);
        tls_peer *g = grpcs_as("h2", versions[i]);
        assert_non_null(g);
        assert_true(tls_peer_sees(g, "first"));
        grpc_client *c = client_open_on(g);
        infer_over_grpc(c, 1);
        infer_over_grpc(c, 3);
        client_close(c);
    }
}

static void refuses_what_is_weak(void **state)
{
    (void)state;
    static const char *const priorities[] = {
        "NORMAL:-VERS-ALL:+VERS-TLS1.1", "NORMAL:-VERS-ALL:+VERS-TLS1.0",
        "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC:+AES-256-CBC",
        "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA"};
    for (size_t i = 0; i < sizeof priorities / sizeof *priorities; i++) {
        assert_null(https_as(priorities[i]));
        assert_null(grpcs_as("h2", priorities[i]));
    }
    tls_peer *p = https();
    infer_on(p);
    tls_peer_end(p);
}

/* Not HTTP/2, and nothing said: then the client sees it when it reads. */
static void wants_http2_for_grpc(void **state)
{
    (void)state;
    char byte;
    assert_null(grpcs_as("http/1.1", NULL));
    tls_peer *p = grpcs_as(NULL, NULL);
    if (p) {
        assert_true(tls_peer_receive(p, &byte, 1) <= 0);
        tls_peer_drop(p);
    }
}

/* The socket is full again and again, in the middle of records. */
static void sends_much_to_who_reads_slowly(void **state)
{
    (void)state;
    enum { ROWS = 1 << 20, COUNT = 4 * ROWS };
    static const char json[] = "{\"inputs\":[{\"name\":\"x\",\"shape\":[1048576,4],\"datatype\":"
                               "\"FP32\",\"parameters\":{\"binary_data_size\":16777216}}],"
                               "\"outputs\":[{\"name\":\"y\",\"parameters\":{\"binary_data\":true}}"
                               "]}";
    char header[64];
    const size_t json_bytes = strlen(json), bytes = json_bytes + COUNT * sizeof(float);
    char *body = malloc(bytes);
    float *x = malloc(COUNT * sizeof *x);
    answer a;
    assert_non_null(body);
    assert_non_null(x);
    for (size_t i = 0; i < COUNT; i++)
        x[i] = (float)(i % 4099);
    memcpy(body, json, json_bytes);
    memcpy(body + json_bytes, x, COUNT * sizeof *x);
    snprintf(header, sizeof header, "Inference-Header-Content-Length: %zu\r\n", json_bytes);
    const int fd = dial_slowly(4096);
    const tls_peer_options options = {.authority = authority, .protocol = "http/1.1"};
    tls_peer *p = tls_peer_begin(fd, &options);
    assert_non_null(p);
    send_request(p, "POST", ADD, header, body, bytes);
    let_it_fill(fd);
    hear_answer(p, &a);
    assert_int_equal(a.status, 200);
    const char *head = strstr(a.head, "Inference-Header-Content-Length: ");
    assert_non_null(head);
    const size_t skip = strtoul(head + 33, NULL, 10);
    assert_int_equal(a.bytes, skip + COUNT * sizeof *x);
    memcpy(x, a.body + skip, COUNT * sizeof *x);
    for (size_t i = 0; i < COUNT; i++)
        if (x[i] != (float)(i % 4099) + (float)(i % 4 + 1))
            fail_msg("%zu: %g", i, (double)x[i]);
    infer_on(p); /* nothing is left over */
    tls_peer_end(p);
    free(a.body);
    free(body);
    free(x);
}

static void sends_much_over_grpc(void **state)
{
    (void)state;
    const nghttp2_settings_entry windows = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1U << 30};
    const int small = 65536;
    const int fd = client_dial(serving_grpc_port());
    const tls_peer_options options = {.authority = authority, .protocol = "h2"};
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    tls_peer *p = tls_peer_begin(fd, &options);
    assert_non_null(p);
    grpc_client *c = client_open_on(p);
    assert_int_equal(nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, &windows, 1), 0);
    assert_int_equal(
        nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, 1 << 30), 0);
    infer_from(c, 1 << 20, fd);
    infer_over_grpc(c, 1);
    client_close(c);
}

/* The second request is decrypted already when the first is suspended. */
static void answers_two_requests_of_one_record(void **state)
{
    (void)state;
    char both[2048];
    tls_peer *p = https();
    int length = 0;
    for (int i = 0; i < 3; i++)
        length += snprintf(both + length, sizeof both - (size_t)length,
                           "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s",
                           ADD, strlen(input), input);
    assert_int_equal(tls_peer_send(p, both, (size_t)length), length);
    for (int i = 0; i < 3; i++)
        expect(p, 200, "[2,4,6,8]");
    infer_on(p);
    tls_peer_end(p);
}

static void streams_the_live_picture(void **state)
{
    (void)state;
    static char all[1 << 20];
    size_t used = 0;
    tls_peer *p = https();
    send_request(p, "GET", "/live/events", "", NULL, 0);
    for (int snapshots = 0; snapshots < 2;) { /* between them it is suspended */
        const ssize_t n = tls_peer_receive(p, all + used, sizeof all - 1 - used);
        assert_true(n > 0);
        used += (size_t)n;
        all[used] = '\0';
        snapshots = 0;
        for (const char *at = all; (at = strstr(at, "\n\n")) != NULL; at += 2)
            snapshots++;
    }
    assert_memory_equal(all, "HTTP/1.1 200", 12);
    tls_peer_drop(p);
}

static void keeps_many_that_are_idle(void **state)
{
    (void)state;
    enum { MANY = 300 };
    static tls_peer *peers[MANY];
    static grpc_client *clients[MANY / 10];
    for (int i = 0; i < MANY; i++)
        infer_on(peers[i] = https());
    for (int i = 0; i < MANY / 10; i++)
        infer_over_grpc(clients[i] = grpcs(), 1);
    for (int i = 0; i < MANY; i++) {
        infer_on(peers[i]);
        tls_peer_end(peers[i]);
    }
    for (int i = 0; i < MANY / 10; i++) {
        infer_over_grpc(clients[i], 1);
        client_close(clients[i]);
    }
}

/* ---- A new certificate ---- */

static void sees_now(const char *name)
{
    tls_peer *p = https();
    assert_true(tls_peer_sees(p, name));
    infer_on(p);
    tls_peer_end(p);
    tls_peer *g = grpcs_as("h2", NULL);
    assert_non_null(g);
    assert_true(tls_peer_sees(g, name));
    grpc_client *c = client_open_on(g);
    infer_over_grpc(c, 1);
    client_close(c);
}

static void takes_a_new_certificate(void **state)
{
    (void)state;
    cosrel_error err = {""};
    char *data;
    size_t bytes;
    tls_peer *old = https();
    grpc_client *old_grpc = grpcs();
    const int waiting = dial(), waiting_grpc = client_dial(serving_grpc_port());
    infer_on(old);
    infer_over_grpc(old_grpc, 1);
    assert_true(tls_files_make(authority, certificate, key, "second", 30));
    assert_int_equal(tls_reload(context, &err), COSREL_OK);
    sees_now("second");
    infer_on(old);
    infer_over_grpc(old_grpc, 1);
    /* Those that are half there, and have the first certificate, do no harm. */
    close(waiting);
    close(waiting_grpc);
    /* What cannot be used changes nothing. */
    assert_true(tls_files_make(wrong, other, other_key, "third", 30));
    assert_int_equal(file_read(other_key, 4000, &data, &bytes, NULL), COSREL_OK);
    write_file(key, data, bytes);
    free(data);
    assert_int_equal(tls_reload(context, &err), COSREL_INVALID_FILE);
    assert_non_null(strstr(err.text, key));
    sees_now("second");
    assert_int_equal(unlink(certificate), 0);
    assert_int_equal(tls_reload(context, &err), COSREL_NOT_FOUND);
    assert_non_null(strstr(err.text, certificate));
    sees_now("second");
    assert_true(tls_files_make(authority, certificate, key, "fourth", 30));
    for (int i = 0; i < 20; i++)
        assert_int_equal(tls_reload(context, &err), COSREL_OK);
    sees_now("fourth");
    infer_on(old);
    infer_over_grpc(old_grpc, 1);
    tls_peer_end(old);
    client_close(old_grpc);
}

/* ---- Peers that do not speak TLS, or stop ---- */

/* Fails unless the server closes; nothing that it says is HTTP. */
static void ends(int fd)
{
    char said[512];
    ssize_t n, used = 0;
    while ((n = recv(fd, said + used, sizeof said - 1 - (size_t)used, 0)) > 0)
        used += n;
    if (n < 0 && errno != ECONNRESET)
        fail_msg("it stays open: %s", strerror(errno));
    said[used] = '\0';
    assert_null(memmem(said, (size_t)used, "HTTP", 4));
    close(fd);
}

static char *counts(void)
{
    answer a;
    tls_peer *p = https();
    send_request(p, "GET", "/metrics", "", NULL, 0);
    hear_answer(p, &a);
    tls_peer_end(p);
    char *from = strstr(a.body, "# HELP cosrel_requests_total");
    assert_non_null(from);
    char *result = strdup(from), *end = strstr(result, "cosrel_request_duration");
    assert_non_null(end);
    *end = '\0';
    free(a.body);
    return result;
}

static void closes_who_speaks_otherwise(void **state)
{
    (void)state;
    static const char request[] = "POST " ADD
                                  " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}";
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    /* Records that promise a hello: none of TLS, one that lies, one of another kind. */
    static const char hello[] = "\x16\3\1\0\x05\1\0\0\1\0", alert[] = "\x15\3\3\0\2\2\0",
                      data[] = "\x17\3\3\0\4abcd";
    const struct {
        const char *bytes;
        size_t count;
    } cases[] = {{request, sizeof request - 1},
                 {preface, sizeof preface},
                 {hello, sizeof hello - 1},
                 {alert, sizeof alert - 1},
                 {data, sizeof data - 1}};
    char *before = counts();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int grpc = 0; grpc < 2; grpc++) {
            const int fd = grpc ? client_dial(serving_grpc_port()) : dial();
            say(fd, cases[i].bytes, cases[i].count);
            shutdown(fd, SHUT_WR); /* a hello that is not whole ends here */
            ends(fd);
        }
    char *after = counts();
    assert_string_equal(after, before);
    free(before);
    free(after);
}

static void serve_with(tls_context *t)
{
    const server_options options = {.http = {.address = "127.0.0.1:0"},
                                    .grpc = {.address = "127.0.0.1:0"},
                                    .policy = "min-min",
                                    .tls = t};
    assert_int_equal(serving_begin(&options), 0);
}

static double seconds(clockid_t clock)
{
    struct timespec now;
    assert_int_equal(clock_gettime(clock, &now), 0);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void drops_who_does_not_shake_hands(void **state)
{
    (void)state;
    static const char part[] = "\x16\3\1\2\0\1";
    cosrel_error err = {""};
    const tls_options options = {.certificate = certificate, .key = key, .handshake_ns = 300000000};
    tls_context *brief;
    serving_end();
    assert_int_equal(tls_create(&options, &brief, &err), COSREL_OK);
    serve_with(brief);
    /* They have shaken hands and say nothing yet; older than all others. */
    tls_peer *idle = https();
    grpc_client *idle_grpc = grpcs();
    client_flush(idle_grpc);
    int fds[6];
    for (int i = 0; i < 6; i++)
        fds[i] = i % 2 ? client_dial(serving_grpc_port()) : dial();
    say(fds[2], part, sizeof part - 1);
    say(fds[3], part, sizeof part - 1);
    /* Nobody runs in circles for them meanwhile. */
    const double elapsed_from = seconds(CLOCK_MONOTONIC),
                 busy_from = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < 4; i++)
        ends(fds[i]);
    assert_true(seconds(CLOCK_PROCESS_CPUTIME_ID) - busy_from <
                (seconds(CLOCK_MONOTONIC) - elapsed_from) / 2);
    for (int i = 4; i < 6; i++) { /* byte by byte; the record has 512 */
        ssize_t sent = 1;
        for (size_t at = 0; at < 500 && sent == 1; at++, usleep(10000))
            sent = send(fds[i], at < sizeof part ? part + at : "", 1, MSG_NOSIGNAL);
        assert_int_equal(sent, -1);
        close(fds[i]);
    }
    infer_on(idle);
    infer_over_grpc(idle_grpc, 1);
    tls_peer_end(idle);
    client_close(idle_grpc);
    /* The server may end in the middle of handshakes. */
    const int late = dial(), late_grpc = client_dial(serving_grpc_port());
    say(late, part, sizeof part - 1);
    say(late_grpc, part, sizeof part - 1);
    sees_now("fourth");
    serving_end();
    ends(late);
    ends(late_grpc);
    tls_free(brief);
    serve_with(context);
}

/* As without TLS: those that still wait behind a slow run are not run for nobody. */
static void cancels_for_clients_that_leave(void **state)
{
    (void)state;
    enum { CLIENTS = 24 };
    cosrel_model_stats stats = {.waiting = 0};
    const cosrel_model *model = cosrel_runtime_find_model(serving_runtime, "slow", 0);
    tls_peer *peers[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        peers[i] = https();
    for (int i = 0; i < CLIENTS; i++)
        send_request(peers[i], "POST", "/v2/models/slow/infer", "", input, strlen(input));
    for (int i = 0; i < 2000 && stats.waiting < CLIENTS / 2; i++) {
        usleep(1000);
        cosrel_model_get_stats(serving_runtime, model, &stats);
        if (stats.completed > 0)
            break; /* a machine so fast or so busy that none was ever seen to wait */
    }
    for (int i = 0; i < CLIENTS; i++)
        if (i % 2)
            tls_peer_drop(peers[i]);
        else
            tls_peer_end(peers[i]);
    for (int i = 0; i < 60000; i++) {
        cosrel_model_get_stats(serving_runtime, model, &stats);
        if (stats.completed + stats.cancelled == CLIENTS)
            break;
        usleep(1000);
    }
    assert_int_equal(stats.completed + stats.cancelled, CLIENTS);
    assert_true(stats.cancelled > 0);
}

/* ---- The server ---- */

static void place(char *out, size_t room, const char *name)
{
    snprintf(out, room, "%s/%s", folder, name);
}

static int start(void **state)
{
    (void)state;
    cosrel_error err = {""};
    if (!mkdtemp(folder))
        return -1;
    place(authority, sizeof authority, "ca.pem");
    place(certificate, sizeof certificate, "cert.pem");
    place(key, sizeof key, "key.pem");
    place(other, sizeof other, "other.pem");
    place(other_key, sizeof other_key, "other-key.pem");
    place(wrong, sizeof wrong, "wrong.pem");
    const tls_options files = {.certificate = certificate, .key = key};
    if (!tls_files_make(wrong, other, other_key, "other", 30) ||
        !tls_files_make(authority, certificate, key, "first", 30) ||
        tls_create(&files, &context, &err) != COSREL_OK)
        return -1;
    const server_options options = {.http = {.address = "127.0.0.1:0"},
                                    .grpc = {.address = "127.0.0.1:0"},
                                    .policy = "min-min",
                                    .tls = context};
    return serving_start(&options);
}

static int stop(void **state)
{
    const char *const files[] = {authority, certificate, key, other, other_key, wrong};
    const int result = serving_stop(state);
    tls_free(context);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(files[i]);
    return result ? result : rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_wrong_files),
        cmocka_unit_test(remarks_on_what_works_badly),
        cmocka_unit_test(infers_over_both),
        cmocka_unit_test(refuses_what_is_weak),
        cmocka_unit_test(wants_http2_for_grpc),
        cmocka_unit_test(sends_much_to_who_reads_slowly),
        cmocka_unit_test(sends_much_over_grpc),
        cmocka_unit_test(answers_two_requests_of_one_record),
        cmocka_unit_test(streams_the_live_picture),
        cmocka_unit_test(keeps_many_that_are_idle),
        cmocka_unit_test(takes_a_new_certificate),
        cmocka_unit_test(closes_who_speaks_otherwise),
        cmocka_unit_test(drops_who_does_not_shake_hands),
        cmocka_unit_test(cancels_for_clients_that_leave),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
