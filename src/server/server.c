#include "server/server.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "server/notify.h"

/* How long a wish to stop may go unseen at most (chosen: nobody notices). */
enum { ASK_MS = 100 };

/* Between two looks for clients that have gone (chosen: nothing that is shorter is worth a stop).
 */
static const int64_t LOOK_EVERY_NS = 50000000;

/* How long clients have at the end to take their answers (chosen: less than service managers wait).
 */
static const int64_t DRAIN_NS = 10000000000;

/* Of one client (chosen: half of what the runtime takes at once, so that there is room for others
 * whatever one does, and twice what waits for one model by default). */
enum { CLIENT_REQUESTS_MAX = 512 };

/* Of all bodies together (chosen: eight of the largest that is taken by default). */
#define BODIES_MAX ((size_t)512 << 20)

struct server {
    service shared;
    http_server *http;
    grpc_server *grpc;  /* NULL: none */
    bool grpc_readable; /* as far as is known */
    int epoll_fd;
    bool (*asked)(void);
    void (*look)(void *user);
    void *look_user;
    int64_t looked_ns; /* for clients that have gone */
    int64_t drain_ns;
    atomic_bool stop;
};

static cosrel_status watch(server *s, int fd, cosrel_error *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
        return COSREL_OK;
    return error_set(err, COSREL_IO, "the server's loop cannot watch a descriptor");
}

static void set_limits(server *s, const server_options *o)
{
    const size_t largest = o->http.body_max > o->grpc.message_max ? o->http.body_max
                                                                  : o->grpc.message_max;
    s->drain_ns = o->drain_ns ? o->drain_ns : DRAIN_NS;
    s->shared.clients.max = o->client_requests_max ? o->client_requests_max : CLIENT_REQUESTS_MAX;
    s->shared.bodies.max = o->bodies_max          ? o->bodies_max
                           : largest > BODIES_MAX ? largest
                                                  : BODIES_MAX;
}

static cosrel_status make_tokens(const server_options *options, auth *who, cosrel_error *err)
{
    cosrel_status status = COSREL_OK;
    *who = (auth){.open = options->token_count == 0};
    if (options->admin_token)
        status = auth_add(who, options->admin_token, "admin", err);
    for (size_t i = 0; status == COSREL_OK && i < options->token_count; i++)
        status = auth_add(who, options->tokens[i].token, options->tokens[i].role, err);
    return status;
}

static void set_names(server *s, const server_options *options)
{
    s->shared.policy = options->policy ? options->policy : "";
    s->shared.objective = options->objective ? options->objective : "latency";
}

cosrel_status server_create(const server_options *options, cosrel_runtime *rt, server **out,
                            cosrel_error *err)
{
    server *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the server");
    s->asked = options->stop;
    s->look = options->look;
    s->look_user = options->look_user;
    s->shared = (service){.rt = rt,
                          .learner = options->learner,
                          .versions = options->versions ? options->versions : 1,
                          .finished.wake_fd = -1,
                          .tls = options->tls,
                          .started_s = (double)time(NULL)};
    set_limits(s, options);
    set_names(s, options);
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    cosrel_status status = s->epoll_fd >= 0 ? COSREL_OK
                                            : error_set(err, COSREL_IO, "no epoll to be had");
    if (status == COSREL_OK)
        status = finished_init(&s->shared.finished, err);
    if (status == COSREL_OK)
        status = make_tokens(options, &s->shared.who, err);
    if (status == COSREL_OK && options->access_log)
        status = access_log_open(options->access_log, &s->shared.log, err);
    if (status == COSREL_OK)
        status = desk_open(rt, options->models, s->shared.versions, &s->shared.desk, err);
    if (status == COSREL_OK)
        status = watch(s, desk_fd(s->shared.desk), err);
    if (status == COSREL_OK)
        status = http_create(&options->http, &s->shared, &s->http, err);
    if (status == COSREL_OK)
        status = watch(s, s->shared.finished.wake_fd, err);
    if (status == COSREL_OK)
        status = watch(s, http_epoll_fd(s->http), err);
    if (status == COSREL_OK && http_handshakes_fd(s->http) >= 0)
        status = watch(s, http_handshakes_fd(s->http), err);
    if (status == COSREL_OK && options->grpc.address)
        status = grpc_create(&options->grpc, &s->shared, &s->grpc, err);
    if (status == COSREL_OK && s->grpc)
        status = watch(s, grpc_epoll_fd(s->grpc), err);
    if (status != COSREL_OK) {
        server_free(s);
        return status;
    }
    *out = s;
    return COSREL_OK;
}

void server_free(server *s)
{
    if (!s)
        return;
    grpc_free(s->grpc);
    http_free(s->http);
    desk_close(s->shared.desk);
    access_log_close(s->shared.log);
    clients_deinit(&s->shared.clients);
    finished_deinit(&s->shared.finished);
    regions_deinit(&s->shared.regions);
    if (s->epoll_fd >= 0)
        close(s->epoll_fd);
    free(s);
}

int server_http_port(const server *s)
{
    return http_port(s->http);
}

int server_grpc_port(const server *s)
{
    return s->grpc ? grpc_port(s->grpc) : 0;
}

/* Sleeping tells whether gRPC's descriptor is readable; without, it may be. */
static void sleep_for(server *s, int timeout_ms)
{
    struct epoll_event events[8];
    s->grpc_readable = true;
    if (timeout_ms == 0 || !finished_may_sleep(&s->shared.finished))
        return;
    const int count = epoll_wait(s->epoll_fd, events, 8, timeout_ms);
    finished_woke(&s->shared.finished);
    s->grpc_readable = false;
    for (int i = 0; i < count && s->grpc; i++)
        s->grpc_readable |= events[i].data.fd == grpc_epoll_fd(s->grpc);
}

static void look_around(server *s, int timeout_ms)
{
    infer_call *list = finished_take(&s->shared.finished);
    while (list) {
        infer_call *call = list;
        list = call->next;
        call->answered(call);
    }
    desk_run(s->shared.desk);
    http_run(s->http);
    if (s->grpc)
        grpc_run(s->grpc, s->grpc_readable);
    const int64_t now_ns = clock_now_ns();
    if (now_ns - s->looked_ns > LOOK_EVERY_NS) {
        http_look_for_gone(s->http);
        s->looked_ns = now_ns;
    }
    if (s->look)
        s->look(s->look_user);
    const int due_ms = http_timeout_ms(s->http);
    if (due_ms >= 0 && due_ms < timeout_ms)
        timeout_ms = due_ms;
    sleep_for(s, timeout_ms);
}

static bool still_sending(const server *s)
{
    return http_inferences(s->http) > 0 || (s->grpc && grpc_calls(s->grpc) > 0);
}

void server_run(server *s)
{
    notify_manager("READY=1");
    while (!atomic_load(&s->stop) && !(s->asked && s->asked()))
        look_around(s, s->shared.under_way ? ASK_MS / 2 : ASK_MS);
    s->shared.draining = true;
    notify_manager("STOPPING=1");
    http_drain(s->http);
    if (s->grpc)
        grpc_drain(s->grpc);
    /* What the runtime has must come back; a client that does not read its answer is given up. */
    const int64_t end_ns = clock_now_ns() + s->drain_ns;
    while (s->shared.under_way > 0 || desk_busy(s->shared.desk) > 0 ||
           (still_sending(s) && clock_now_ns() < end_ns))
        look_around(s, 10);
}

void server_stop(server *s)
{
    atomic_store(&s->stop, true);
    finished_wake(&s->shared.finished);
}

cosrel_status server_change(server *s, const server_options *options, cosrel_error *err)
{
    auth who;
    const cosrel_status status = make_tokens(options, &who, err);
    if (status != COSREL_OK)
        return status;
    s->shared.who = who;
    set_limits(s, options);
    set_names(s, options);
    s->shared.versions = options->versions ? options->versions : 1;
    desk_set_versions(s->shared.desk, s->shared.versions);
    return COSREL_OK;
}

typedef struct following {
    desk_task task;
    server_followed_fn done;
    void *user;
} following;

static void followed(desk_task *task)
{
    following *f = task->owner;
    f->done(f->user, task->status, &task->err);
    free(f);
}

cosrel_status server_follow_models(server *s, server_followed_fn done, void *user,
                                   cosrel_error *err)
{
    following *f = calloc(1, sizeof *f);
    if (!f)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory to look at the models");
    f->done = done;
    f->user = user;
    f->task.action = DESK_FOLLOW;
    f->task.done = followed;
    f->task.owner = f;
    const cosrel_status status = desk_start(s->shared.desk, &f->task, err);
    if (status != COSREL_OK)
        free(f);
    return status;
}

void server_reopen_log(server *s)
{
    access_log_reopen(s->shared.log);
}
