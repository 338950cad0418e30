#include "server/request_note.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "server/access_log.h"

void note_begin(request_note *n, const service *s)
{
    n->logged = s->log != NULL;
    n->answered = false;
    n->began_ns = n->logged ? clock_now_ns() : 0;
    n->peer = (peer_address){.port = 0};
    n->header_id[0] = n->id[0] = n->method[0] = n->path[0] = n->agent[0] = n->error[0] = '\0';
    n->role = NULL;
    n->status = 0;
    n->status_name = NULL;
    n->bytes_in = n->bytes_out = 0;
}

static void copy(char *to, size_t room, const char *from)
{
    const size_t length = strnlen(from, room - 1);
    memcpy(to, from, length);
    to[length] = '\0';
}

void note_header_id(request_note *n, const char *value)
{
    if (!value)
        return;
    copy(n->header_id, sizeof n->header_id, value);
    for (char *at = n->header_id; *at; at++)
        if (*at < '!' || *at > '~')
            *at = '_';
}

void note_id(request_note *n, const char *value)
{
    if (n->logged && value)
        copy(n->id, sizeof n->id, value);
}

void note_method(request_note *n, const char *value)
{
    if (n->logged && value)
        copy(n->method, sizeof n->method, value);
}

void note_path(request_note *n, const char *value)
{
    if (n->logged && value)
        copy(n->path, sizeof n->path, value);
}

void note_agent(request_note *n, const char *value)
{
    if (n->logged && value)
        copy(n->agent, sizeof n->agent, value);
}

void note_status(request_note *n, int status, const char *name, const char *error)
{
    n->answered = true;
    n->status = status;
    n->status_name = name;
    if (n->logged && error)
        copy(n->error, sizeof n->error, error);
}

/* Unlike those of other runs and servers, and each unlike the one before. */
static void make_id(char out[NOTE_ID_MAX + 1])
{
    static uint64_t first, count;
    if (!first && getrandom(&first, sizeof first, GRND_NONBLOCK) != sizeof first)
        first = (uint64_t)clock_now_ns() | 1;
    snprintf(out, NOTE_ID_MAX + 1, "%016llx-%llx", (unsigned long long)first,
             (unsigned long long)++count);
}

static void add_run(access_entry *e, const cosrel_result *r)
{
    if (!r || !r->started_ns)
        return;
    e->queue_ns = r->started_ns - r->submitted_ns;
    e->compute_ns = r->finished_ns - r->started_ns;
    e->processor = r->processor;
    e->batch = r->batch;
}

void note_end(request_note *n, service *s, const char *protocol, const infer_call *infer,
              bool whole)
{
    char peer[PEER_TEXT_BYTES], made[NOTE_ID_MAX + 1] = "";
    if (!n->logged)
        return;
    if (!n->id[0] && !n->header_id[0])
        make_id(made);
    peer_text(&n->peer, peer);
    access_entry e = {.protocol = protocol,
                      .peer = peer,
                      .method = n->method,
                      .path = n->path,
                      .id = n->id[0]          ? n->id
                            : n->header_id[0] ? n->header_id
                                              : made,
                      .status = n->status,
                      .status_name = n->status_name,
                      .incomplete = !whole,
                      .bytes_in = n->bytes_in,
                      .bytes_out = strcmp(n->method, "HEAD") == 0 ? 0 : n->bytes_out,
                      .total_ns = clock_now_ns() - n->began_ns,
                      .queue_ns = -1,
                      .compute_ns = -1,
                      .role = n->role,
                      .agent = n->agent,
                      .error = n->error};
    if (infer && infer->model) {
        const cosrel_model_info *info = cosrel_model_describe(infer->model);
        e.model = info->name;
        e.version = info->version;
        add_run(&e, infer->result);
    }
    access_log_add(s->log, &e);
}
