/* Any bytes as a workload file: one line that says what is wrong, or streams within their bounds
 * from which requests come in order, whatever is answered. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "workload/source.h"
#include "workload/workload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(int condition)
{
    if (!condition)
        abort();
}

static void check_stream(const workload_stream *s)
{
    require(s->kind != WORKLOAD_NO_KIND && (s->model || s->kind == WORKLOAD_RECORDED));
    require(s->in_flight <= WORKLOAD_IN_FLIGHT_MAX);
    if (s->kind == WORKLOAD_PERIODIC || s->kind == WORKLOAD_POISSON || s->kind == WORKLOAD_DAY)
        require(s->rate_hz >= WORKLOAD_RATE_HZ_MIN && s->rate_hz <= WORKLOAD_RATE_HZ_MAX);
}

/* A few hundred requests, each answered: now and then late or badly. */
static void draw(const workload *w)
{
    const char *models[WORKLOAD_STREAMS_MAX];
    source *s;
    cosrel_error err = {""};
    for (uint32_t i = 0; i < w->stream_count; i++) {
        if (!w->streams[i].model)
            return;
        models[i] = w->streams[i].model;
    }
    if (source_create(w, models, (int)w->stream_count, 1, INT64_MAX, &s, &err) != COSREL_OK) {
        require(s == NULL && err.text[0] != '\0');
        return;
    }
    int64_t last_ns = 0;
    for (uint32_t i = 0; i < 300 && source_next_ns(s) != INT64_MAX; i++) {
        source_request r;
        source_pop(s, &r);
        require(r.t_ns >= last_ns && r.deadline_ns >= r.t_ns && r.id == i);
        require(r.stream < w->stream_count && r.model >= 0 && r.model <= (int)r.stream);
        last_ns = r.t_ns;
        source_answered(s, r.t_ns + (i % 7) * 1000000, r.id, i % 11 != 0);
    }
    require(source_status(s) == COSREL_OK);
    source_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    workload *w;
    cosrel_error err = {""};
    char *text = malloc(bytes + 1);
    if (!text)
        return 0;
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    if (workload_parse("workload.yaml", text, bytes, &w, &err) != COSREL_OK) {
        if (w || err.text[0] == '\0' || strchr(err.text, '\n'))
            abort();
    } else {
        for (uint32_t i = 0; i < w->stream_count; i++)
            check_stream(&w->streams[i]);
        draw(w);
    }
    workload_free(w);
    free(text);
    return 0;
}
