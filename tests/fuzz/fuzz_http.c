/* Any bytes on one or two connections to the real HTTP server, cut at any places, with a real
 * runtime behind it. Every answer that begins is HTTP and none is 500; a request that another
 * client has sent half of before, and the rest of afterwards, gets its own right answer; and when
 * these connections are closed, nothing is under way any more. fuzz_clients.h says which bytes do
 * what. */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_clients.h"
#include "fuzz_runtime.h"
#include "server/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { BODY_MAX = 32 << 10 };

static service shared;
static http_server *server;

static void run(void)
{
    desk_run(shared.desk);
    http_run(server);
    http_look_for_gone(server);
}

static bool busy(void)
{
    struct pollfd readable = {.fd = http_epoll_fd(server), .events = POLLIN};
    return http_timeout_ms(server) == 0 || poll(&readable, 1, 0) != 0;
}

static int left(void)
{
    return http_inferences(server);
}

/* The first answer; what follows is up to lengths that the library is trusted with. */
static void check(const char *heard, size_t bytes)
{
    static const char fault[] = "HTTP/1.1 500";
    fuzz_need(memcmp(heard, fault, bytes < 9 ? bytes : 9) == 0, "an answer that is not HTTP");
    fuzz_need(bytes < 12 || memcmp(heard, fault, 12) != 0, "500: a fault that was not found");
}

static fuzz_front front = {
    .shared = &shared, .run = run, .busy = busy, .left = left, .check = check};

static void end(void)
{
    http_free(server);
    fuzz_service_end(&shared);
}

static void begin(void)
{
    const http_options options = {.address = "127.0.0.1:0", .body_max = BODY_MAX};
    cosrel_error err = {""};
    fuzz_service_begin(&shared);
    fuzz_need(http_create(&options, &shared, &server, &err) == COSREL_OK, err.text);
    front.port = http_port(server);
    atexit(end); /* before the runtime is closed */
}

/* ---- Another client ---- */

static const char good[] = "POST /v2/models/add/infer HTTP/1.1\r\nHost: localhost\r\n"
                           "Content-Length: 74\r\n\r\n{\"inputs\":[{\"name\":\"x\",\"shape\":"
                           "[1,4],\"datatype\":\"FP32\",\"data\":[1,2,3,4]}]}";
enum { GOOD_BYTES = sizeof good - 1, GOOD_FIRST = GOOD_BYTES - 60 };

static void end_good(fuzz_client *c)
{
    static const char answer[] = "\"data\":[2,4,6,8]}]}";
    fuzz_say(c, good + GOOD_FIRST, GOOD_BYTES - GOOD_FIRST);
    fuzz_hear_until(c, answer, sizeof answer - 1);
    fuzz_need(memcmp(c->heard, "HTTP/1.1 200", 12) == 0, "a good request is refused");
    c->heard_bytes = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static fuzz_client other = {.fd = -1};
    if (!server) {
        begin();
        fuzz_dial(&other, &front);
    }
    fuzz_say(&other, good, GOOD_FIRST);
    fuzz_settle(&front);
    fuzz_play(&front, data, bytes);
    end_good(&other);
    fuzz_finish(&front);
    return 0;
}
