#include "workload/workload.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/yaml.h"
#include "cosrel/runtime.h"

static const cyaml_strval_t KINDS[] = {
    {"periodic", WORKLOAD_PERIODIC}, {"poisson", WORKLOAD_POISSON}, {"closed", WORKLOAD_CLOSED}};
static const cyaml_strval_t PRIORITIES[] = {{"high", COSREL_PRIORITY_HIGH},
                                            {"normal", COSREL_PRIORITY_NORMAL},
                                            {"background", COSREL_PRIORITY_BACKGROUND}};
enum {
    KIND_COUNT = sizeof KINDS / sizeof KINDS[0],
    PRIORITY_COUNT = sizeof PRIORITIES / sizeof PRIORITIES[0]
};

static const cyaml_schema_field_t STREAM_FIELDS[] = {
    CYAML_FIELD_STRING_PTR("model", CYAML_FLAG_POINTER, workload_stream, model, 1, 255),
    CYAML_FIELD_ENUM("kind", CYAML_FLAG_STRICT, workload_stream, kind, KINDS, KIND_COUNT),
    CYAML_FIELD_FLOAT("rate_hz", CYAML_FLAG_OPTIONAL, workload_stream, rate_hz),
    CYAML_FIELD_FLOAT("deadline_ms", CYAML_FLAG_OPTIONAL, workload_stream, deadline_ms),
    CYAML_FIELD_FLOAT("jitter_ms", CYAML_FLAG_OPTIONAL, workload_stream, jitter_ms),
    CYAML_FIELD_UINT("in_flight", CYAML_FLAG_OPTIONAL, workload_stream, in_flight),
    CYAML_FIELD_ENUM("priority", CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL, workload_stream, priority,
                     PRIORITIES, PRIORITY_COUNT),
    CYAML_FIELD_END};
static const cyaml_schema_value_t STREAM = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, workload_stream, STREAM_FIELDS)};
static const cyaml_schema_field_t TOP_FIELDS[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, workload, name, 0,
                           255),
    CYAML_FIELD_SEQUENCE_COUNT("streams", CYAML_FLAG_POINTER, workload, streams, stream_count,
                               &STREAM, 1, WORKLOAD_STREAMS_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_value_t TOP = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, workload, TOP_FIELDS)};

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

/* What a schema cannot say: which numbers go together. *key: the key at fault; NULL: all is well.
 */
static const char *check_stream(workload_stream *s, const char **key)
{
    const bool open_loop = s->kind != WORKLOAD_CLOSED;
    *key = "rate_hz";
    if (open_loop && !(s->rate_hz > 0 && s->rate_hz <= WORKLOAD_RATE_HZ_MAX))
        return "a periodic or poisson stream needs a rate over 0 and at most 100000 per second";
    if (!open_loop && s->rate_hz != 0)
        return "a closed stream has no rate: in_flight says how hard it pushes";
    *key = "in_flight";
    if (open_loop && s->in_flight != 0)
        return "only a closed stream has it";
    if (s->in_flight > WORKLOAD_IN_FLIGHT_MAX)
        return "at most 256";
    *key = "deadline_ms";
    if (!(s->deadline_ms >= 0 && s->deadline_ms <= WORKLOAD_TIME_MS_MAX))
        return "0 (none) to 10000000 ms";
    *key = "jitter_ms";
    if (s->jitter_ms != 0 && s->kind != WORKLOAD_PERIODIC)
        return "only a periodic stream has it";
    if (!(s->jitter_ms >= 0 && s->jitter_ms <= WORKLOAD_TIME_MS_MAX))
        return "0 to 10000000 ms";
    if (!open_loop && s->in_flight == 0)
        s->in_flight = 1;
    return NULL;
}

static cosrel_status check(const char *name, const char *text, workload *w, cosrel_error *err)
{
    for (uint32_t i = 0; i < w->stream_count; i++) {
        workload_stream *s = &w->streams[i];
        const char *key;
        const char *problem = check_stream(s, &key);
        if (problem) {
            /* Every stream has the key `model` once, and nothing else has it. */
            const int line = line_of_key(text, "model", (int)i + 1);
            return error_set(err, COSREL_INVALID_FILE, "%s:%d: the stream of '%s': %s: %s", name,
                             line, s->model, key, problem);
        }
    }
    if (!w->name)
        w->name = strdup("");
    return w->name ? COSREL_OK : error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory", name);
}

cosrel_status workload_parse(const char *name, const char *text, size_t bytes, workload **out,
                             cosrel_error *err)
{
    *out = NULL;
    void *data;
    cosrel_status status = yaml_parse(name, text, bytes, &TOP, &data, err);
    if (status != COSREL_OK)
        return status;
    workload *w = data;
    if (!w)
        return error_set(err, COSREL_INVALID_FILE, "%s:1: the file is empty: it needs 'streams'",
                         name);
    status = check(name, text, w, err);
    if (status != COSREL_OK) {
        workload_free(w);
        return status;
    }
    *out = w;
    return COSREL_OK;
}

cosrel_status workload_read(const char *path, workload **out, cosrel_error *err)
{
    *out = NULL;
    char *text;
    size_t bytes;
    cosrel_status status = file_read(path, WORKLOAD_FILE_BYTES_MAX, &text, &bytes, err);
    if (status != COSREL_OK)
        return status;
    status = workload_parse(path, text, bytes, out, err);
    free(text);
    return status;
}

cosrel_status workload_closed_loop(const char *const *models, size_t count, workload **out,
                                   cosrel_error *err)
{
    *out = NULL;
    workload *w = calloc(1, sizeof *w);
    if (!w)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory");
    w->name = strdup("every model closed-loop, one client each");
    w->streams = calloc(count ? count : 1, sizeof *w->streams);
    bool ok = w->name && w->streams;
    for (size_t i = 0; i < count && ok; i++) {
        w->streams[i] = (workload_stream){
            .model = strdup(models[i]), .kind = WORKLOAD_CLOSED, .in_flight = 1};
        ok = w->streams[i].model != NULL;
        w->stream_count++;
    }
    if (!ok) {
        workload_free(w);
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory");
    }
    *out = w;
    return COSREL_OK;
}

void workload_free(workload *w)
{
    if (!w)
        return;
    for (uint32_t i = 0; w->streams && i < w->stream_count; i++)
        free(w->streams[i].model);
    free(w->streams);
    free(w->name);
    free(w);
}

const char *workload_kind_name(workload_kind kind)
{
    for (int i = 0; i < KIND_COUNT; i++)
        if (KINDS[i].val == (int64_t)kind)
            return KINDS[i].str;
    return "?";
}

const char *workload_priority_name(int priority)
{
    for (int i = 0; i < PRIORITY_COUNT; i++)
        if (PRIORITIES[i].val == priority)
            return PRIORITIES[i].str;
    return "?";
}
