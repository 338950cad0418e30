/* Any bytes on one or two connections to the real gRPC server, cut at any places, with a real
 * runtime behind it: HTTP/2's frames, headers, gRPC's frames. A request that another client has
 * sent half of before, and the rest of afterwards, gets its own right answer; and when these
 * connections are closed, nothing is under way any more. fuzz_clients.h says which bytes do what.
 */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_clients.h"
#include "fuzz_runtime.h"
#include "h2_bytes.h"
#include "server/grpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static service shared;
static grpc_server *server;

static void run(void)
{
    grpc_run(server, true);
}

static bool busy(void)
{
    struct pollfd readable = {.fd = grpc_epoll_fd(server), .events = POLLIN};
    return poll(&readable, 1, 0) != 0;
}

static int left(void)
{
    return grpc_calls(server);
}

/* The server's SETTINGS come first, whatever the client says. */
static void check(const char *heard, size_t bytes)
{
    fuzz_need(bytes < 9 || (heard[3] == NGHTTP2_SETTINGS && memcmp(heard + 5, "\0\0\0\0", 4) == 0),
              "an answer that is not HTTP/2");
}

static fuzz_front front = {
    .shared = &shared, .run = run, .busy = busy, .left = left, .check = check};

static void end(void)
{
    grpc_free(server);
    fuzz_service_end(&shared);
}

static void begin(void)
{
    const grpc_options options = {.address = "127.0.0.1:0", .message_max = 32 << 10};
    cosrel_error err = {""};
    fuzz_service_begin(&shared);
    fuzz_need(grpc_create(&options, &shared, &server, &err) == COSREL_OK, err.text);
    front.port = grpc_port(server);
    atexit(end); /* before the runtime is closed */
}

/* ---- Another client ---- */

static text_builder good; /* its connection from the beginning to the end of one request */

static void make_good(void)
{
    static uint8_t body[128];
    h2_bytes h;
    h2_begin(&h);
    (void)h2_ask(&h, "/inference.GRPCInferenceService/ModelInfer", body, h2_infer_body(body));
    h2_take(&h, &good);
    h2_end(&h);
    fuzz_need(!good.failed && good.length > 60, "no request");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const float answer[4] = {2, 4, 6, 8};
    fuzz_client other;
    if (!server) {
        begin();
        make_good();
    }
    fuzz_dial(&other, &front);
    fuzz_say(&other, good.data, good.length - 60);
    fuzz_settle(&front);
    fuzz_play(&front, data, bytes);
    fuzz_say(&other, good.data + good.length - 60, 60);
    fuzz_hear_until(&other, answer, sizeof answer);
    fuzz_leave(&other, false);
    fuzz_finish(&front);
    return 0;
}
