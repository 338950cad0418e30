#include "workload/workload.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/yaml.h"
#include "cosrel/runtime.h"
#include "workload/workload_parts.h"

static const cyaml_strval_t KINDS[] = {
    {"periodic", WORKLOAD_PERIODIC}, {"poisson", WORKLOAD_POISSON},   {"bursts", WORKLOAD_BURSTS},
    {"day", WORKLOAD_DAY},           {"recorded", WORKLOAD_RECORDED}, {"closed", WORKLOAD_CLOSED},
    {"cascade", WORKLOAD_CASCADE}};
static const cyaml_strval_t PRIORITIES[] = {{"high", COSREL_PRIORITY_HIGH},
                                            {"normal", COSREL_PRIORITY_NORMAL},
                                            {"background", COSREL_PRIORITY_BACKGROUND}};
enum {
    KIND_COUNT = sizeof KINDS / sizeof KINDS[0],
    PRIORITY_COUNT = sizeof PRIORITIES / sizeof PRIORITIES[0]
};

enum { OPTIONAL_POINTER = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL };

static const cyaml_schema_value_t NUMBER = {CYAML_VALUE_FLOAT(CYAML_FLAG_DEFAULT, double)};
static const cyaml_schema_value_t POINT = {
    CYAML_VALUE_SEQUENCE_FIXED(CYAML_FLAG_DEFAULT, double, &NUMBER, 2)};
/* Nearly all is optional here: which kind needs what is workload_check's business. */
static const cyaml_schema_field_t STREAM_FIELDS[] = {
    CYAML_FIELD_STRING_PTR("name", OPTIONAL_POINTER, workload_stream, name, 1, 255),
    CYAML_FIELD_STRING_PTR("model", OPTIONAL_POINTER, workload_stream, model, 1, 255),
    CYAML_FIELD_ENUM("kind", CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL, workload_stream, kind, KINDS,
                     KIND_COUNT),
    CYAML_FIELD_FLOAT("rate_hz", CYAML_FLAG_OPTIONAL, workload_stream, rate_hz),
    CYAML_FIELD_FLOAT("deadline_ms", CYAML_FLAG_OPTIONAL, workload_stream, deadline_ms),
    CYAML_FIELD_FLOAT("jitter_ms", CYAML_FLAG_OPTIONAL, workload_stream, jitter_ms),
    CYAML_FIELD_UINT("in_flight", CYAML_FLAG_OPTIONAL, workload_stream, in_flight),
    CYAML_FIELD_FLOAT("think_ms", CYAML_FLAG_OPTIONAL, workload_stream, think_ms),
    CYAML_FIELD_FLOAT("burst_rate_hz", CYAML_FLAG_OPTIONAL, workload_stream, burst_rate_hz),
    CYAML_FIELD_FLOAT("quiet_s", CYAML_FLAG_OPTIONAL, workload_stream, quiet_s),
    CYAML_FIELD_FLOAT("burst_s", CYAML_FLAG_OPTIONAL, workload_stream, burst_s),
    CYAML_FIELD_SEQUENCE_COUNT("points", OPTIONAL_POINTER, workload_stream, points, point_count,
                               &POINT, 1, WORKLOAD_POINTS_MAX),
    CYAML_FIELD_FLOAT("period_s", CYAML_FLAG_OPTIONAL, workload_stream, period_s),
    CYAML_FIELD_STRING_PTR("file", OPTIONAL_POINTER, workload_stream, file, 1, 4095),
    CYAML_FIELD_STRING_PTR("after", OPTIONAL_POINTER, workload_stream, after, 1, 255),
    CYAML_FIELD_FLOAT_PTR("probability", OPTIONAL_POINTER, workload_stream, probability),
    CYAML_FIELD_ENUM("priority", CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL, workload_stream, priority,
                     PRIORITIES, PRIORITY_COUNT),
    CYAML_FIELD_END};
static const cyaml_schema_value_t STREAM = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, workload_stream, STREAM_FIELDS)};
static const cyaml_schema_field_t TOP_FIELDS[] = {
    CYAML_FIELD_STRING_PTR("name", OPTIONAL_POINTER, workload, name, 0, 255),
    CYAML_FIELD_SEQUENCE_COUNT("streams", CYAML_FLAG_POINTER, workload, streams, stream_count,
                               &STREAM, 1, WORKLOAD_STREAMS_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_value_t TOP = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, workload, TOP_FIELDS)};

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
    w->name = w->name ? w->name : strdup("");
    w->path = strdup(name);
    status = w->name && w->path ? workload_check(w, text, err)
                                : error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory", name);
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
    if (status == COSREL_OK)
        status = workload_load_recordings(*out, err);
    if (status != COSREL_OK) {
        workload_free(*out);
        *out = NULL;
    }
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
        w->streams[i] = (workload_stream){.name = strdup(models[i]),
                                          .model = strdup(models[i]),
                                          .kind = WORKLOAD_CLOSED,
                                          .in_flight = 1};
        ok = w->streams[i].name && w->streams[i].model;
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
    for (uint32_t i = 0; w->streams && i < w->stream_count; i++) {
        workload_stream *s = &w->streams[i];
        free(s->name);
        free(s->model);
        free(s->points);
        free(s->file);
        free(s->after);
        free(s->probability);
    }
    for (size_t i = 0; i < w->recording_count; i++)
        arrivals_free(w->recordings[i]);
    free(w->recordings);
    free(w->streams);
    free(w->name);
    free(w->path);
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
