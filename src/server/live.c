#include "server/live.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "server/live_text.h"

enum { SLICES = 5 };
#define SLICE_NS (LIVE_WINDOW_NS / SLICES)
/* Sensors are files of the kernel: read more seldom than the rest (chosen). */
#define ENERGY_NS ((int64_t)1000000000)

/* A piece of the stream, shared by the viewers that have still to send it. */
typedef struct blob {
    int users;
    size_t bytes;
    char *text;
} blob;

struct live_viewer {
    live *l;
    void *user;
    blob *queue[LIVE_QUEUE];
    int first, count;
    size_t sent;  /* of the first */
    bool waiting; /* its reader got nothing and is to be woken */
    live_viewer *next, *before;
};

struct live {
    cosrel_runtime *rt;
    bool admin;
    void (*wake)(void *viewer_user);
    live_viewer *viewers;
    int viewer_count;
    int64_t origin_ns, started_unix_ms, due_ns;
    uint64_t number;

    /* While somebody looks. */
    trail_picture picture;
    uint64_t known_changes;  /* picture.changes of the last hello */
    uint64_t sliced_changes; /* and of the slices */
    hist *slices;            /* [model][SLICES]: copies of the latencies at the slices' starts */
    hist *recent;            /* [model] */
    int model_room;          /* of both */
    int slice, slice_count;  /* the newest, how many there are */
    int64_t slice_ns;        /* its start */
    int64_t energy_ns;       /* when the sensors were read */
    double energy_j, table_j;
};

/* ---- Blobs and viewers ---- */

static blob *blob_of(text_builder *text)
{
    blob *b = calloc(1, sizeof *b);
    if (b && text_take(text, &b->text, &b->bytes) == COSREL_OK)
        return b;
    text_deinit(text);
    free(b);
    return NULL;
}

static void blob_release(blob *b)
{
    if (--b->users > 0)
        return;
    free(b->text);
    free(b);
}

static blob *blob_at(const live_viewer *v, int place)
{
    return v->queue[(v->first + place) % LIVE_QUEUE];
}

/* What has not been begun to be sent. */
static void forget_unsent(live_viewer *v)
{
    const int kept = v->count > 0 && v->sent > 0;
    while (v->count > kept)
        blob_release(blob_at(v, --v->count));
}

static void give(live_viewer *v, blob *b, bool needed)
{
    if (needed && v->count == LIVE_QUEUE)
        forget_unsent(v);
    if (v->count == LIVE_QUEUE)
        return;
    b->users++;
    v->queue[(v->first + v->count++) % LIVE_QUEUE] = b;
    if (v->waiting) {
        v->waiting = false;
        v->l->wake(v->user);
    }
}

/* Takes the blob. */
static void give_all(live *l, blob *b, bool needed)
{
    b->users++; /* ours, until all have it */
    for (live_viewer *v = l->viewers; v; v = v->next)
        give(v, b, needed);
    blob_release(b);
}

size_t live_read(live_viewer *v, char *out, size_t room)
{
    size_t used = 0;
    while (v->count > 0 && used < room) {
        blob *b = v->queue[v->first];
        const size_t left = b->bytes - v->sent;
        const size_t part = left < room - used ? left : room - used;
        memcpy(out + used, b->text + v->sent, part);
        used += part;
        v->sent += part;
        if (v->sent == b->bytes) {
            blob_release(b);
            v->first = (v->first + 1) % LIVE_QUEUE;
            v->count--;
            v->sent = 0;
        }
    }
    v->waiting = used == 0;
    return used;
}

/* ---- Recent latencies ---- */

static bool make_room(live *l)
{
    const int models = l->picture.model_count;
    if (models <= l->model_room)
        return true;
    hist *slices = realloc(l->slices, (size_t)models * SLICES * sizeof *slices);
    if (slices)
        l->slices = slices;
    hist *recent = slices ? realloc(l->recent, (size_t)models * sizeof *recent) : NULL;
    if (!recent)
        return false;
    l->recent = recent;
    /* A model that has come since: all that it ever did is recent. */
    memset(slices + (size_t)l->model_room * SLICES, 0,
           (size_t)(models - l->model_room) * SLICES * sizeof *slices);
    l->model_room = models;
    return true;
}

static void begin_slice(live *l)
{
    l->slice = (l->slice + 1) % SLICES;
    l->slice_count += l->slice_count < SLICES;
    l->slice_ns = l->picture.now_ns;
    for (int i = 0; i < l->picture.model_count; i++)
        l->slices[i * SLICES + l->slice] = l->picture.models[i].latency;
}

static void find_recent(live *l)
{
    if (l->slice_count == 0 || l->picture.now_ns - l->slice_ns >= SLICE_NS)
        begin_slice(l);
    const int oldest = (l->slice + SLICES + 1 - l->slice_count) % SLICES;
    for (int i = 0; i < l->picture.model_count; i++) {
        const hist *now = &l->picture.models[i].latency, *then = &l->slices[i * SLICES + oldest];
        if (now->count == then->count)
            hist_reset(&l->recent[i]); /* the usual case of most of many models, and cheap */
        else
            hist_since(now, then, &l->recent[i]);
    }
}

/* ---- Snapshots ---- */

static blob *make_hello(live *l)
{
    text_builder text = {.data = NULL};
    const live_facts facts = {.picture = &l->picture,
                              .started_unix_ms = l->started_unix_ms,
                              .pace_ms = (int)(LIVE_PACE_NS / 1000000),
                              .window_ms = (int)(LIVE_WINDOW_NS / 1000000),
                              .admin = l->admin};
    text_add(&text, "event: hello\ndata: ");
    live_text_hello(&text, &facts);
    text_add(&text, "\n\n");
    return blob_of(&text);
}

static blob *make_snapshot(live *l)
{
    text_builder text = {.data = NULL};
    const live_frame frame = {.picture = &l->picture,
                              .recent = l->recent,
                              .origin_ns = l->origin_ns,
                              .number = ++l->number,
                              .energy_j = l->energy_j,
                              .table_j = l->table_j};
    text_add(&text, "data: ");
    live_text_snapshot(&text, &frame);
    text_add(&text, "\n\n");
    return blob_of(&text);
}

static bool look(live *l)
{
    if (runtime_trail_look(l->rt, &l->picture) != COSREL_OK || !make_room(l))
        return false;
    /* A place may be another model's now. */
    if (l->picture.changes != l->sliced_changes)
        l->slice_count = 0;
    l->sliced_changes = l->picture.changes;
    find_recent(l);
    for (int i = 0; i < l->picture.run_count; i++)
        l->table_j += (double)l->picture.runs[i].energy_uj * 1e-6;
    if (l->energy_ns == 0 || l->picture.now_ns - l->energy_ns >= ENERGY_NS) {
        cosrel_runtime_stats stats;
        cosrel_runtime_get_stats(l->rt, &stats);
        l->energy_j = stats.energy_j;
        l->energy_ns = l->picture.now_ns;
    }
    return true;
}

void live_tick(live *l, int64_t now_ns)
{
    if (!l->viewers || now_ns < l->due_ns)
        return;
    l->due_ns += LIVE_PACE_NS;
    if (l->due_ns <= now_ns)
        l->due_ns = now_ns + LIVE_PACE_NS;
    if (!look(l))
        return;
    blob *b = l->picture.changes != l->known_changes ? make_hello(l) : NULL;
    if (b) {
        l->known_changes = l->picture.changes;
        give_all(l, b, true);
    }
    b = make_snapshot(l);
    if (b)
        give_all(l, b, false);
}

int live_due_ms(const live *l, int64_t now_ns)
{
    if (!l->viewers)
        return -1;
    return l->due_ns <= now_ns ? 0 : (int)((l->due_ns - now_ns + 999999) / 1000000);
}

/* ---- Coming and going ---- */

cosrel_status live_create(cosrel_runtime *rt, bool admin, void (*wake)(void *viewer_user),
                          live **out, cosrel_error *err)
{
    struct timespec wall;
    live *l = *out = calloc(1, sizeof *l);
    if (!l)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the live picture");
    clock_gettime(CLOCK_REALTIME, &wall);
    l->rt = rt;
    l->admin = admin;
    l->wake = wake;
    l->origin_ns = clock_now_ns();
    l->started_unix_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000;
    return COSREL_OK;
}

static void stop_looking(live *l)
{
    runtime_trail_close(l->rt);
    trail_picture_deinit(&l->picture);
    free(l->slices);
    free(l->recent);
    l->slices = l->recent = NULL;
    l->model_room = l->slice_count = 0;
    l->energy_ns = 0;
}

void live_free(live *l)
{
    free(l);
}

static cosrel_status start_looking(live *l, cosrel_error *err)
{
    const cosrel_status status = runtime_trail_open(l->rt, err);
    if (status != COSREL_OK)
        return status;
    l->table_j = 0;
    if (look(l)) {
        l->known_changes = l->picture.changes;
        l->due_ns = l->picture.now_ns;
        return COSREL_OK;
    }
    stop_looking(l);
    return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the live picture");
}

static void link_in(live *l, live_viewer *v)
{
    v->next = l->viewers;
    if (v->next)
        v->next->before = v;
    l->viewers = v;
    l->viewer_count++;
}

cosrel_status live_join(live *l, void *user, live_viewer **out, cosrel_error *err)
{
    *out = NULL;
    if (l->viewer_count == LIVE_VIEWERS_MAX)
        return error_set(err, COSREL_UNAVAILABLE, "%d viewers look already", LIVE_VIEWERS_MAX);
    const cosrel_status status = l->viewer_count == 0 ? start_looking(l, err) : COSREL_OK;
    if (status != COSREL_OK)
        return status;
    live_viewer *v = calloc(1, sizeof *v);
    blob *hello = v ? make_hello(l) : NULL;
    if (!hello) {
        free(v);
        if (l->viewer_count == 0)
            stop_looking(l);
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for one more viewer");
    }
    v->l = l;
    v->user = user;
    link_in(l, v);
    give(v, hello, true);
    *out = v;
    return COSREL_OK;
}

void live_leave(live_viewer *v)
{
    if (!v)
        return;
    live *l = v->l;
    while (v->count > 0)
        blob_release(blob_at(v, --v->count));
    if (v->next)
        v->next->before = v->before;
    if (v->before)
        v->before->next = v->next;
    else
        l->viewers = v->next;
    free(v);
    if (--l->viewer_count == 0)
        stop_looking(l);
}

int live_viewers(const live *l)
{
    return l->viewer_count;
}
