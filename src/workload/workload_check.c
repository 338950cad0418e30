/* One table says which kind of stream may have, and must have, which number, and within which
 * bounds; what follows from two keys together, or from two streams, is said in functions below it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "workload/workload_parts.h"

enum {
    PERIODIC = 1 << WORKLOAD_PERIODIC,
    POISSON = 1 << WORKLOAD_POISSON,
    BURSTS = 1 << WORKLOAD_BURSTS,
    DAY = 1 << WORKLOAD_DAY,
    RECORDED = 1 << WORKLOAD_RECORDED,
    CLOSED = 1 << WORKLOAD_CLOSED,
    CASCADE = 1 << WORKLOAD_CASCADE
};

/* Chosen: fewer would have the generator draw for minutes until something comes. */
static const double COUNT_MIN = 0.001;

typedef struct number {
    const char *key;
    size_t offset;
    unsigned may, must; /* kinds */
    double min, max;
    const char *range;
} number;

#define NUMBER(key, may, must, min, max, range)                                                    \
    {                                                                                              \
#key, offsetof(workload_stream, key), (may), (must), (min), (max), (range)                 \
    }
#define RATE_RANGE "expected 0.000001 to 100000 per second"
#define MS_RANGE   "expected 0 to 10000000 ms"
#define S_RANGE    "expected 0.001 to 1000000 s"

static const number NUMBERS[] = {
    NUMBER(rate_hz, PERIODIC | POISSON | BURSTS | DAY | CASCADE, PERIODIC | POISSON | DAY,
           WORKLOAD_RATE_HZ_MIN, WORKLOAD_RATE_HZ_MAX, RATE_RANGE),
    NUMBER(deadline_ms, ~(unsigned)RECORDED, 0, 0, WORKLOAD_TIME_MS_MAX, MS_RANGE),
    NUMBER(jitter_ms, PERIODIC, 0, 0, WORKLOAD_TIME_MS_MAX, MS_RANGE),
    NUMBER(think_ms, CLOSED, 0, 0, WORKLOAD_TIME_MS_MAX, MS_RANGE),
    NUMBER(burst_rate_hz, BURSTS, BURSTS, WORKLOAD_RATE_HZ_MIN, WORKLOAD_RATE_HZ_MAX, RATE_RANGE),
    NUMBER(quiet_s, BURSTS, BURSTS, 1e-3, 1e6, S_RANGE),
    NUMBER(burst_s, BURSTS, BURSTS, 1e-3, 1e6, S_RANGE),
    NUMBER(period_s, DAY, 0, 1e-3, 1e6, S_RANGE),
};
enum { NUMBER_COUNT = sizeof NUMBERS / sizeof NUMBERS[0] };

/* The keys without a number. */
typedef struct other {
    const char *key;
    unsigned may, must;
} other;
enum { IN_FLIGHT, POINTS, FILE_KEY, AFTER, PROBABILITY, OTHER_COUNT };
static const other OTHERS[OTHER_COUNT] = {[IN_FLIGHT] = {"in_flight", CLOSED, 0},
                                          [POINTS] = {"points", DAY, DAY},
                                          [FILE_KEY] = {"file", RECORDED, RECORDED},
                                          [AFTER] = {"after", CASCADE, CASCADE},
                                          [PROBABILITY] = {"probability", CASCADE, 0}};

/* The line where `key` stands as a key for the n-th time (from 1); 0 if it does not. */
static int line_of_key(const char *text, const char *key, int n)
{
    const size_t length = strlen(key);
    int line = 1;
    for (const char *at = text; *at; line++) {
        const char *end = at + strcspn(at, "\n");
        for (const char *p = at; p + length <= end && *p != '#'; p++) {
            const bool starts = p == at || strchr(" \t{,-?\"'", p[-1]);
            if (!starts || strncmp(p, key, length) != 0)
                continue;
            const char *rest = p + length;
            rest += rest < end && strchr("\"'", *rest) ? 1 : 0;
            rest += strspn(rest, " \t");
            if (rest < end && *rest == ':' && --n == 0)
                return line;
        }
        at = *end ? end + 1 : end;
    }
    return 0;
}

static bool has_model(const workload_stream *s)
{
    return s->model != NULL;
}

static bool has_kind(const workload_stream *s)
{
    return s->kind != WORKLOAD_NO_KIND;
}

static bool has_after(const workload_stream *s)
{
    return s->after != NULL;
}

/* The line of a key that the stream has: `model` nearly always, else one that it can hardly do
 * without. Only streams have these keys. */
static int line_of(const workload *w, const char *text, uint32_t stream)
{
    static const struct {
        const char *key;
        bool (*has)(const workload_stream *s);
    } anchors[] = {{"model", has_model}, {"kind", has_kind}, {"after", has_after}};
    for (size_t a = 0; a < sizeof anchors / sizeof anchors[0]; a++) {
        int n = 0;
        if (!anchors[a].has(&w->streams[stream]))
            continue;
        for (uint32_t i = 0; i <= stream; i++)
            n += anchors[a].has(&w->streams[i]);
        return line_of_key(text, anchors[a].key, n);
    }
    return 1;
}

static cosrel_status wrong(const workload *w, const workload_stream *s, const char *key,
                           const char *what, cosrel_error *err)
{
    const char *called = s->name ? s->name : s->model;
    return error_set(err, COSREL_INVALID_FILE, "%s:%d: the stream %s%.80s%s: %s: %s", w->path,
                     s->line, called ? "of '" : "without a name", called ? called : "",
                     called ? "'" : "", key, what);
}

/* YAML folds a text of several lines into one with line breaks; every message is one line. */
static cosrel_status check_words(const workload *w, const workload_stream *s, cosrel_error *err)
{
    const struct {
        const char *key, *text;
    } words[] = {{"name", s->name}, {"model", s->model}, {"after", s->after}, {"file", s->file}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        for (const char *at = words[i].text; at && *at; at++)
            if ((unsigned char)*at < ' ')
                return error_set(err, COSREL_INVALID_FILE,
                                 "%s:%d: %s: holds a line break or another control character; "
                                 "expected a word or a few on one line",
                                 w->path, s->line, words[i].key);
    return COSREL_OK;
}

/* NULL: well. */
static const char *check_presence(const workload_stream *s, unsigned may, unsigned must, bool there,
                                  char *room, size_t size)
{
    const unsigned kind = 1u << s->kind;
    if (there && !(may & kind))
        snprintf(room, size, "a %s stream has no such key", workload_kind_name(s->kind));
    else if (!there && (must & kind))
        snprintf(room, size, "is missing, and a %s stream needs it", workload_kind_name(s->kind));
    else
        return NULL;
    return room;
}

static const char *check_keys(const workload_stream *s, const char **key, char *room, size_t size)
{
    const bool there[OTHER_COUNT] = {[IN_FLIGHT] = s->in_flight != 0,
                                     [POINTS] = s->points != NULL,
                                     [FILE_KEY] = s->file != NULL,
                                     [AFTER] = s->after != NULL,
                                     [PROBABILITY] = s->probability != NULL};
    for (int i = 0; i < NUMBER_COUNT; i++) {
        const number *n = &NUMBERS[i];
        const double value = *(const double *)((const char *)s + n->offset);
        *key = n->key;
        const char *problem = check_presence(s, n->may, n->must, value != 0, room, size);
        if (!problem && value != 0 && !(value >= n->min && value <= n->max)) {
            snprintf(room, size, "is %g; %s", value, n->range);
            problem = room;
        }
        if (problem)
            return problem;
    }
    for (int i = 0; i < OTHER_COUNT; i++) {
        *key = OTHERS[i].key;
        const char *problem = check_presence(s, OTHERS[i].may, OTHERS[i].must, there[i], room,
                                             size);
        if (problem)
            return problem;
    }
    return NULL;
}

/* Of the curve: arrivals in a period, and its highest factor. */
static void measure_day(const workload_stream *s, double *count, double *highest)
{
    *count = *highest = 0;
    for (uint32_t i = 0; i < s->point_count; i++) {
        const uint32_t next = (i + 1) % s->point_count;
        const double hours = s->points[next][0] - s->points[i][0] + (next == 0 ? 24 : 0);
        *count += s->rate_hz * s->period_s * hours / 24 * (s->points[i][1] + s->points[next][1]) /
                  2;
        *highest = s->points[i][1] > *highest ? s->points[i][1] : *highest;
    }
}

static const char *check_day(const workload_stream *s, const char **key)
{
    double count, highest;
    *key = "points";
    for (uint32_t i = 0; i < s->point_count; i++) {
        if (!(s->points[i][0] >= 0 && s->points[i][0] < 24))
            return "hours from 0 to under 24: after the last point the curve goes on to the first";
        if (i > 0 && !(s->points[i][0] > s->points[i - 1][0]))
            return "each hour must be after the one before";
        if (!(s->points[i][1] >= 0 && s->points[i][1] <= 1e6))
            return "factors from 0 to 1000000";
    }
    measure_day(s, &count, &highest);
    if (!(count >= COUNT_MIN))
        return "the curve must hold at least 0.001 requests per period";
    if (!(highest * s->rate_hz <= WORKLOAD_RATE_HZ_MAX))
        return "rate_hz times the highest factor may be at most 100000 per second";
    return NULL;
}

static const char *check_bursts(const workload_stream *s, const char **key)
{
    *key = "burst_rate_hz";
    if (!(s->burst_rate_hz >= s->rate_hz))
        return "at least rate_hz, the rate between the bursts";
    if (!(s->burst_rate_hz * s->burst_s >= COUNT_MIN))
        return "a burst must hold at least 0.001 requests on average";
    return NULL;
}

/* *key: the key at fault; NULL: all is well. */
static const char *check_stream(workload_stream *s, const char **key, char *room, size_t size)
{
    *key = "kind";
    if (s->kind == WORKLOAD_NO_KIND && s->after)
        s->kind = WORKLOAD_CASCADE;
    if (s->kind == WORKLOAD_NO_KIND)
        return "is missing: expected periodic, poisson, bursts, day, recorded or closed, or "
               "'after' "
               "instead";
    *key = "model";
    if (!s->model && s->kind != WORKLOAD_RECORDED)
        return "is missing: which model do the requests ask?";
    const char *problem = check_keys(s, key, room, size);
    if (problem)
        return problem;
    if (s->kind == WORKLOAD_CLOSED && s->in_flight == 0)
        s->in_flight = 1;
    if (s->kind == WORKLOAD_DAY && s->period_s == 0)
        s->period_s = 86400;
    *key = "in_flight";
    if (s->in_flight > WORKLOAD_IN_FLIGHT_MAX)
        return "at most 256";
    *key = "probability";
    if (s->probability && !(*s->probability > 0 && *s->probability <= 1))
        return "over 0 and at most 1";
    if (s->kind == WORKLOAD_DAY)
        return check_day(s, key);
    return s->kind == WORKLOAD_BURSTS ? check_bursts(s, key) : NULL;
}

/* The stream that a cascade follows; NULL with the error set. */
static const workload_stream *find_upstream(const workload *w, const workload_stream *s,
                                            cosrel_error *err)
{
    const char *names[WORKLOAD_STREAMS_MAX];
    const workload_stream *found = NULL;
    char what[256];
    for (uint32_t i = 0; i < w->stream_count; i++) {
        names[i] = w->streams[i].name;
        if (!names[i] || strcmp(names[i], s->after) != 0)
            continue;
        if (found) {
            snprintf(
                what, sizeof what,
                "two streams are called '%.80s', on lines %d and %d: give one of them a 'name'",
                s->after, found->line, w->streams[i].line);
            (void)wrong(w, s, "after", what, err);
            return NULL;
        }
        found = &w->streams[i];
    }
    if (!found) {
        const char *nearest = text_nearest(s->after, names, w->stream_count);
        snprintf(what, sizeof what, "no stream is called '%.80s'%s%.80s%s", s->after,
                 nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
        (void)wrong(w, s, "after", what, err);
    }
    return found;
}

/* Each cascade follows one stream, so walking up either ends at a stream that is none or goes
 * round. */
static cosrel_status check_cascade(const workload *w, const workload_stream *s, cosrel_error *err)
{
    const workload_stream *at = s;
    for (uint32_t steps = 0; at->kind == WORKLOAD_CASCADE; steps++) {
        if (steps == w->stream_count)
            return wrong(w, s, "after",
                         "goes round in a circle: expected a stream that starts by itself at its "
                         "beginning",
                         err);
        at = find_upstream(w, at, err);
        if (!at)
            return COSREL_INVALID_FILE;
    }
    return COSREL_OK;
}

cosrel_status workload_check(workload *w, const char *text, cosrel_error *err)
{
    for (uint32_t i = 0; i < w->stream_count; i++) {
        workload_stream *s = &w->streams[i];
        const char *key;
        char room[160];
        s->line = line_of(w, text, i);
        const cosrel_status status = check_words(w, s, err);
        if (status != COSREL_OK)
            return status;
        const char *problem = check_stream(s, &key, room, sizeof room);
        if (problem)
            return wrong(w, s, key, problem, err);
    }
    for (uint32_t i = 0; i < w->stream_count; i++) {
        workload_stream *s = &w->streams[i];
        if (s->name || !s->model)
            continue;
        s->name = strdup(s->model);
        if (!s->name)
            return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory", w->path);
    }
    for (uint32_t i = 0; i < w->stream_count; i++) {
        const cosrel_status status = check_cascade(w, &w->streams[i], err);
        if (status != COSREL_OK)
            return status;
    }
    return COSREL_OK;
}
