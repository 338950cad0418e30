/* Each stream that goes by the clock, each recording, and all that answers have brought, is one
 * leaf of a winner tree (Knuth, The Art of Computer Programming 3, 5.4.1): the next request is at
 * its root, and taking it costs one comparison per level, without a branch that could be guessed
 * wrong. What is remembered of requests under way is kept only for those whose answers bring
 * something, in a table as large as the most that ever were under way at once. */
#include "workload/source.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "workload/arrivals.h"

/* Chosen: a client whose request was refused does not come back in the same instant, in which
 * nothing can have changed. */
static const int64_t RETRY_NS = 1000000;

typedef struct node {
    int64_t t_ns;
    uint32_t leaf;
} node;

typedef enum leaf_kind { LEAF_CLOCK, LEAF_ROWS, LEAF_BROUGHT } leaf_kind;

typedef struct leaf {
    leaf_kind kind;
    uint32_t stream;   /* clock */
    arrivals schedule; /* clock */
    const arrivals_list *list;
    size_t row;
    int32_t *row_streams; /* per model of the list; -1: not asked for */
} leaf;

typedef struct stream {
    const workload_stream *spec;
    int model;
    int64_t limit_ns; /* deadline from the arrival; INT64_MAX: none */
    int64_t pause_ns; /* closed: after an answer */
    bool remembered;  /* its answers bring something */
    uint32_t count;   /* of requests popped */
    uint32_t *followers;
    uint32_t follower_count;
    uint64_t seed; /* cascade */
    double probability;
    int64_t period_ns; /* cascade: between two frame slots; 0: no limit */
    int64_t slot_ns;   /* the first free one */
    bool waiting;      /* a trigger waits for its slot */
} stream;

/* A request that an answer has brought, until it is popped. */
typedef struct brought {
    int64_t t_ns;
    uint64_t order; /* first come first served among equal times */
    uint32_t stream;
    bool waited;
} brought;

/* A request under way; stream == NOBODY: a free place. */
typedef struct asked {
    uint32_t id;
    uint32_t stream;
    uint32_t number; /* of the request in its stream */
} asked;
static const uint32_t NOBODY = UINT32_MAX;

struct source {
    int64_t next_ns;
    const arrivals_row *rows; /* plain arrivals; NULL: streams */
    size_t row_count;
    size_t row;
    int64_t until_ns;
    int64_t last_ns; /* of the last one popped */
    uint32_t next_id;
    cosrel_status status;
    node *tree; /* the root is 1, leaf i is base + i */
    uint32_t base;
    leaf *leaves;
    uint32_t leaf_count;
    stream *streams;
    uint32_t stream_count;
    brought *heap;
    size_t heap_count, heap_capacity;
    uint64_t order;
    asked *table; /* open addressing; a power of two, at most half full */
    uint32_t table_size, table_count;
};

/* ---- The tree ---- */

/* Which of two comes first is a coin toss: both are selected by masks, since a branch that is
 * guessed wrong half of the time would cost as much as the rest (measured: 53 against 38 ns for a
 * request of 25 Poisson streams). Among equal times the lower leaf wins. */
static void update(source *s, uint32_t index, int64_t t_ns)
{
    uint32_t i = s->base + index;
    node first = {t_ns < s->until_ns ? t_ns : INT64_MAX, index};
    s->tree[i] = first;
    for (; i > 1; i >>= 1) {
        const node other = s->tree[i ^ 1];
        /* The neighbour of an odd place stands on its left and wins among equals. */
        const bool loses = other.t_ns - (int64_t)(i & 1) < first.t_ns;
        const int64_t mask = -(int64_t)loses;
        first.t_ns ^= (first.t_ns ^ other.t_ns) & mask;
        first.leaf ^= (first.leaf ^ other.leaf) & (uint32_t)mask;
        s->tree[i >> 1] = first;
    }
    s->next_ns = first.t_ns;
}

/* ---- What answers have brought: a binary heap ---- */

static bool earlier(const brought *a, const brought *b)
{
    return a->t_ns != b->t_ns ? a->t_ns < b->t_ns : a->order < b->order;
}

static void heap_push(source *s, int64_t t_ns, uint32_t index, bool waited)
{
    if (s->heap_count == s->heap_capacity) {
        const size_t capacity = s->heap_capacity ? 2 * s->heap_capacity : 64;
        brought *heap = realloc(s->heap, capacity * sizeof *heap);
        if (!heap) {
            s->status = COSREL_OUT_OF_MEMORY;
            return;
        }
        s->heap = heap;
        s->heap_capacity = capacity;
    }
    const brought item = {t_ns, s->order++, index, waited};
    size_t at = s->heap_count++;
    for (; at > 0 && earlier(&item, &s->heap[(at - 1) / 2]); at = (at - 1) / 2)
        s->heap[at] = s->heap[(at - 1) / 2];
    s->heap[at] = item;
    if (at == 0)
        update(s, s->leaf_count - 1, t_ns);
}

static brought heap_pop(source *s)
{
    const brought first = s->heap[0];
    const brought last = s->heap[--s->heap_count];
    size_t at = 0;
    for (size_t child = 1; child < s->heap_count; child = 2 * at + 1) {
        if (child + 1 < s->heap_count && earlier(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!earlier(&s->heap[child], &last))
            break;
        s->heap[at] = s->heap[child];
        at = child;
    }
    s->heap[at] = last;
    update(s, s->leaf_count - 1, s->heap_count ? s->heap[0].t_ns : INT64_MAX);
    return first;
}

/* ---- Requests under way ---- */

static uint32_t home_of(const source *s, uint32_t id)
{
    return (id * 2654435769u ^ id >> 16) & (s->table_size - 1); /* Knuth 3, 6.4 */
}

static void table_put(source *s, asked a)
{
    uint32_t at = home_of(s, a.id);
    while (s->table[at].stream != NOBODY)
        at = (at + 1) & (s->table_size - 1);
    s->table[at] = a;
}

static bool table_grow(source *s)
{
    const uint32_t size = s->table_size ? 2 * s->table_size : 64;
    asked *old = s->table;
    const uint32_t old_size = s->table_size;
    asked *table = malloc(size * sizeof *table);
    if (!table)
        return false;
    memset(table, 0xff, size * sizeof *table); /* NOBODY */
    s->table = table;
    s->table_size = size;
    for (uint32_t i = 0; i < old_size; i++)
        if (old[i].stream != NOBODY)
            table_put(s, old[i]);
    free(old);
    return true;
}

static void remember(source *s, uint32_t id, uint32_t index, uint32_t number)
{
    if (2 * (s->table_count + 1) > s->table_size && !table_grow(s)) {
        s->status = COSREL_OUT_OF_MEMORY;
        return;
    }
    table_put(s, (asked){id, index, number});
    s->table_count++;
}

/* Takes it out, and moves those after it that would no longer be found (Knuth 3, 6.4, algorithm R).
 */
static bool recall(source *s, uint32_t id, asked *out)
{
    if (s->table_count == 0)
        return false;
    const uint32_t mask = s->table_size - 1;
    uint32_t at = home_of(s, id);
    while (s->table[at].stream != NOBODY && s->table[at].id != id)
        at = (at + 1) & mask;
    if (s->table[at].stream == NOBODY)
        return false;
    *out = s->table[at];
    for (uint32_t k = (at + 1) & mask; s->table[k].stream != NOBODY; k = (k + 1) & mask) {
        const uint32_t home = home_of(s, s->table[k].id);
        if (((k - home) & mask) < ((k - at) & mask))
            continue;
        s->table[at] = s->table[k];
        at = k;
    }
    s->table[at].stream = NOBODY;
    s->table_count--;
    return true;
}

/* ---- Making ---- */

static cosrel_status find_models(source *s, const workload *w, const char *const *models,
                                 int model_count, cosrel_error *err)
{
    for (uint32_t i = 0; i < w->stream_count; i++) {
        const workload_stream *spec = &w->streams[i];
        if (!spec->model || (spec->kind == WORKLOAD_RECORDED && !spec->recording))
            return error_set(err, COSREL_INVALID_ARGUMENT,
                             "%s: the recordings of the workload were not read",
                             w->path ? w->path : w->name);
        int m = 0;
        while (m < model_count && strcmp(models[m], spec->model) != 0)
            m++;
        s->streams[i].model = m;
        if (m < model_count)
            continue;
        const char *nearest = text_nearest(spec->model, models, (size_t)model_count);
        return error_set(
            err, COSREL_INVALID_FILE, "%s:%d: model '%.80s' is not in the device table%s%.80s%s",
            w->path ? w->path : "the workload", spec->line, spec->model,
            nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    }
    return COSREL_OK;
}

static int64_t ns_of_ms(double ms)
{
    return (int64_t)(ms * 1e6);
}

static void init_stream(stream *st, const workload_stream *spec, uint64_t seed)
{
    st->spec = spec;
    st->limit_ns = spec->deadline_ms > 0 ? ns_of_ms(spec->deadline_ms) : INT64_MAX;
    st->pause_ns = ns_of_ms(spec->think_ms);
    st->remembered = spec->kind == WORKLOAD_CLOSED;
    st->seed = seed;
    st->probability = spec->probability ? *spec->probability : 1;
    st->period_ns = spec->kind == WORKLOAD_CASCADE && spec->rate_hz > 0
                        ? (int64_t)(1e9 / spec->rate_hz)
                        : 0;
}

static bool find_followers(source *s, const workload *w)
{
    for (uint32_t i = 0; i < w->stream_count; i++) {
        stream *st = &s->streams[i];
        const char *name = w->streams[i].name ? w->streams[i].name : w->streams[i].model;
        for (uint32_t k = 0; k < w->stream_count; k++) {
            if (w->streams[k].kind != WORKLOAD_CASCADE || strcmp(w->streams[k].after, name) != 0)
                continue;
            uint32_t *grown = realloc(st->followers, (st->follower_count + 1) * sizeof *grown);
            if (!grown)
                return false;
            st->followers = grown;
            grown[st->follower_count++] = k;
            st->remembered = true;
        }
    }
    return true;
}

/* Adds stream `index` to the leaf of its recording. */
static bool add_recorded(source *s, uint32_t index)
{
    const workload_stream *spec = s->streams[index].spec;
    uint32_t k = 0;
    while (k < s->leaf_count && s->leaves[k].list != spec->recording)
        k++;
    leaf *l = &s->leaves[k];
    if (k == s->leaf_count) {
        const size_t count = (size_t)spec->recording->model_count;
        *l = (leaf){.kind = LEAF_ROWS, .list = spec->recording};
        l->row_streams = malloc((count ? count : 1) * sizeof *l->row_streams);
        if (!l->row_streams)
            return false;
        s->leaf_count++;
        for (size_t m = 0; m < count; m++)
            l->row_streams[m] = -1;
    }
    for (int m = 0; m < spec->recording->model_count; m++)
        if (strcmp(spec->recording->models[m], spec->model) == 0)
            l->row_streams[m] = (int32_t)index;
    return true;
}

static bool make_leaves(source *s, uint64_t seed)
{
    for (uint32_t i = 0; i < s->stream_count; i++) {
        const workload_stream *spec = s->streams[i].spec;
        if (spec->kind == WORKLOAD_RECORDED) {
            if (!add_recorded(s, i))
                return false;
        } else if (spec->kind != WORKLOAD_CLOSED && spec->kind != WORKLOAD_CASCADE) {
            leaf *l = &s->leaves[s->leaf_count++];
            *l = (leaf){.kind = LEAF_CLOCK, .stream = i};
            arrivals_init(&l->schedule, spec, seed + i);
        }
    }
    s->leaves[s->leaf_count++] = (leaf){.kind = LEAF_BROUGHT};
    s->base = 1;
    while (s->base < s->leaf_count)
        s->base *= 2;
    s->tree = malloc(2 * (size_t)s->base * sizeof *s->tree);
    for (uint32_t i = 0; s->tree && i < 2 * s->base; i++)
        s->tree[i] = (node){INT64_MAX, UINT32_MAX};
    return s->tree != NULL;
}

/* The leaf's next row that a stream asks for. */
static int64_t skip_rows(leaf *l)
{
    const arrivals_list *list = l->list;
    while (l->row < list->count && l->row_streams[list->rows[l->row].model] < 0)
        l->row++;
    return l->row < list->count ? list->rows[l->row].t_ns : INT64_MAX;
}

static void start(source *s)
{
    for (uint32_t i = 0; i + 1 < s->leaf_count; i++) {
        leaf *l = &s->leaves[i];
        update(s, i, l->kind == LEAF_CLOCK ? arrivals_next_ns(&l->schedule) : skip_rows(l));
    }
    for (uint32_t i = 0; i < s->stream_count; i++) {
        const workload_stream *spec = s->streams[i].spec;
        for (uint32_t k = 0; spec->kind == WORKLOAD_CLOSED && k < spec->in_flight; k++)
            heap_push(s, 0, i, false);
    }
}

cosrel_status source_create(const workload *w, const char *const *models, int model_count,
                            uint64_t seed, int64_t until_ns, source **out, cosrel_error *err)
{
    *out = NULL;
    source *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a workload's source");
    s->next_ns = INT64_MAX;
    s->until_ns = until_ns;
    s->stream_count = w->stream_count;
    s->streams = calloc((size_t)w->stream_count + 1, sizeof *s->streams);
    s->leaves = calloc((size_t)w->stream_count + 1, sizeof *s->leaves);
    bool ok = s->streams && s->leaves;
    cosrel_status status = ok ? find_models(s, w, models, model_count, err) : COSREL_OK;
    if (ok && status == COSREL_OK) {
        for (uint32_t i = 0; i < w->stream_count; i++)
            init_stream(&s->streams[i], &w->streams[i], seed + i);
        ok = find_followers(s, w) && make_leaves(s, seed);
        if (ok)
            start(s);
        ok = ok && s->status == COSREL_OK;
    }
    if (!ok)
        status = error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a workload's source");
    if (status == COSREL_OK)
        *out = s;
    else
        source_free(s);
    return status;
}

cosrel_status source_from_arrivals(const arrivals_list *list, int64_t until_ns, source **out,
                                   cosrel_error *err)
{
    static const arrivals_row none = {0};
    source *s = calloc(1, sizeof *s);
    *out = s;
    if (!s)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a source of arrivals");
    s->rows = list->count ? list->rows : &none;
    s->row_count = list->count;
    while (s->row_count > 0 && s->rows[s->row_count - 1].t_ns >= until_ns)
        s->row_count--;
    s->next_ns = s->row_count > 0 ? s->rows[0].t_ns : INT64_MAX;
    return COSREL_OK;
}

void source_free(source *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; s->streams && i < s->stream_count; i++)
        free(s->streams[i].followers);
    for (uint32_t i = 0; s->leaves && i < s->leaf_count; i++)
        free(s->leaves[i].row_streams);
    free(s->streams);
    free(s->leaves);
    free(s->tree);
    free(s->heap);
    free(s->table);
    free(s);
}

/* ---- Going on ---- */

int64_t source_next_ns(const source *s)
{
    return s->next_ns;
}

cosrel_status source_status(const source *s)
{
    return s->status;
}

static void pop_plain(source *s, source_request *out)
{
    const arrivals_row *row = &s->rows[s->row];
    *out = (source_request){.t_ns = row->t_ns,
                            .deadline_ns = row->deadline_ns,
                            .model = row->model,
                            .priority = row->priority,
                            .id = (uint32_t)s->row};
    s->row++;
    s->next_ns = s->row < s->row_count ? s->rows[s->row].t_ns : INT64_MAX;
}

/* Takes the request at the root from its leaf. */
static void take(source *s, uint32_t *index, int64_t *deadline_ns)
{
    const uint32_t which = s->tree[1].leaf;
    const int64_t t_ns = s->next_ns;
    leaf *l = &s->leaves[which];
    if (l->kind == LEAF_ROWS) {
        const arrivals_row *row = &l->list->rows[l->row++];
        *index = (uint32_t)l->row_streams[row->model];
        *deadline_ns = row->deadline_ns;
        update(s, which, skip_rows(l));
        return;
    }
    if (l->kind == LEAF_BROUGHT) {
        const brought first = heap_pop(s);
        *index = first.stream;
        if (first.waited)
            s->streams[first.stream].waiting = false;
    } else {
        *index = l->stream;
        update(s, which, arrivals_next_ns(&l->schedule));
    }
    const int64_t limit_ns = s->streams[*index].limit_ns;
    *deadline_ns = limit_ns < INT64_MAX - t_ns ? t_ns + limit_ns : INT64_MAX;
}

void source_pop(source *s, source_request *out)
{
    if (s->rows) {
        pop_plain(s, out);
        return;
    }
    uint32_t index;
    int64_t deadline_ns;
    const int64_t t_ns = s->next_ns;
    take(s, &index, &deadline_ns);
    stream *st = &s->streams[index];
    *out = (source_request){.t_ns = t_ns,
                            .deadline_ns = deadline_ns,
                            .model = st->model,
                            .priority = st->spec->priority,
                            .stream = index,
                            .id = s->next_id++};
    s->last_ns = t_ns;
    if (st->remembered)
        remember(s, out->id, index, st->count);
    st->count++;
}

/* Not from a stream of random numbers, but from one number per request: which answers trigger does
 * not depend on the order in which they come. */
static bool happens(const stream *st, uint32_t upstream, uint32_t number)
{
    rng random;
    if (st->probability >= 1)
        return true;
    rng_init(&random, st->seed ^ ((uint64_t)(upstream + 1) << 32 | number) * 0x9e3779b97f4a7c15u);
    return rng_unit(&random) < st->probability;
}

/* One trigger at most waits for the next slot; what comes meanwhile finds it waiting and is seen by
 * it: the model works on the latest there is. */
static void trigger(source *s, uint32_t index, int64_t now_ns)
{
    stream *st = &s->streams[index];
    if (st->waiting)
        return;
    const int64_t t_ns = st->period_ns && st->slot_ns > now_ns ? st->slot_ns : now_ns;
    if (t_ns >= s->until_ns)
        return;
    st->waiting = t_ns > now_ns;
    st->slot_ns = t_ns + st->period_ns;
    heap_push(s, t_ns, index, st->waiting);
}

void source_answered(source *s, int64_t now_ns, uint32_t id, bool ok)
{
    asked a;
    if (!recall(s, id, &a))
        return;
    const stream *st = &s->streams[a.stream];
    if (now_ns < s->last_ns)
        now_ns = s->last_ns; /* clocks of several threads: time never goes back here */
    if (st->spec->kind == WORKLOAD_CLOSED) {
        const int64_t pause_ns = ok || st->pause_ns > RETRY_NS ? st->pause_ns : RETRY_NS;
        if (now_ns + pause_ns < s->until_ns)
            heap_push(s, now_ns + pause_ns, a.stream, false);
    }
    for (uint32_t i = 0; ok && i < st->follower_count; i++)
        if (happens(&s->streams[st->followers[i]], a.stream, a.number))
            trigger(s, st->followers[i], now_ns);
}
