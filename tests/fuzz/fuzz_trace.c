/* Any bytes as a trace: refused with a sentence, or events that make sense; what was read is turned
 * into a picture, and written and read again, it is the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/chrome.h"
#include "sim/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static void check_event(const trace_reader *r, const trace_event *e, int64_t *last_ns)
{
    size_t models, processors, requests;
    trace_models(r, &models);
    trace_processors(r, &processors);
    const trace_request *all = trace_requests(r, &requests);
    if (e->type == TRACE_RECORDING)
        return;
    require(e->t_ns >= *last_ns && e->t_ns <= TRACE_TIME_MAX_NS);
    *last_ns = e->t_ns;
    require(e->model >= 0 && (size_t)e->model < models && e->request_count > 0);
    for (size_t i = 0; i < e->request_count; i++) {
        require(e->requests[i] < requests && all[e->requests[i]].model == e->model);
        require(all[e->requests[i]].arrived_ns <= e->t_ns);
    }
    require(e->type != TRACE_DISPATCH ||
            (e->end_ns >= e->t_ns && (size_t)e->processor < processors));
    require(e->type != TRACE_DROP || e->reason);
}

/* With the names known from a first reading. */
static void write_again(trace_writer *w, const trace_reader *r, const trace_event *e)
{
    size_t count;
    uint32_t ids[SCHED_BATCH_MAX];
    const trace_request *all = trace_requests(r, &count);
    for (size_t i = 0; i < e->request_count; i++)
        ids[i] = all[e->requests[i]].id;
    if (e->type == TRACE_ARRIVAL)
        trace_add_arrival(w, &(trace_arrival){.t_ns = e->t_ns, .id = ids[0], .model = e->model});
    else if (e->type == TRACE_DISPATCH && e->failed)
        trace_add_failure(w, e->t_ns, e->end_ns, e->processor, e->model, ids,
                          (int)e->request_count);
    else if (e->type == TRACE_DISPATCH)
        trace_add_dispatch(w, e->t_ns, e->end_ns, e->processor, e->model, ids,
                           (int)e->request_count);
    else if (e->type == TRACE_DROP)
        trace_add_drop(w, e->t_ns, ids[0], e->reason);
}

/* Reads all; true: it is a trace. */
static int read_all(const char *text, size_t bytes, trace_reader **r, trace_writer *w,
                    chrome_writer *c)
{
    cosrel_error err = {""};
    trace_event e;
    int64_t last_ns = 0;
    require(trace_open_text("fuzz.jsonl", text, bytes, r, &err) == COSREL_OK);
    for (;;) {
        if (trace_next(*r, &e, &err) != COSREL_OK) {
            require(strncmp(err.text, "fuzz.jsonl:", 11) == 0);
            return 0;
        }
        if (e.type == TRACE_END)
            return 1;
        check_event(*r, &e, &last_ns);
        if (w)
            write_again(w, *r, &e);
        if (c)
            chrome_add(c, *r, &e);
    }
}

/* The trace of `text` once more, by our own writer, whose names are `first`'s. */
static void rewrite(const char *text, size_t bytes, const trace_reader *first, char **out,
                    size_t *out_bytes)
{
    size_t models, processors;
    const trace_names names = {.models = trace_models(first, &models),
                               .processors = trace_processors(first, &processors),
                               .model_count = (int)models,
                               .processor_count = (int)processors};
    FILE *file = open_memstream(out, out_bytes);
    trace_writer *w;
    trace_reader *r;
    require(file != NULL);
    require(trace_writer_create(file, &names, &w) == COSREL_OK);
    require(read_all(text, bytes, &r, w, NULL));
    require(trace_writer_finish(w, NULL) == COSREL_OK);
    fclose(file);
    trace_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    trace_reader *r;
    chrome_writer *c;
    char *picture, *once, *twice;
    size_t picture_bytes, once_bytes, twice_bytes;
    FILE *file = open_memstream(&picture, &picture_bytes);
    require(file != NULL);
    require(chrome_create(file, &c) == COSREL_OK);
    const int good = read_all((const char *)data, size, &r, NULL, c);
    require(chrome_finish(c, r, NULL) == COSREL_OK);
    fclose(file);
    free(picture);
    if (good) {
        trace_reader *again, *last;
        rewrite((const char *)data, size, r, &once, &once_bytes);
        require(read_all(once, once_bytes, &again, NULL, NULL));
        rewrite(once, once_bytes, again, &twice, &twice_bytes);
        require(read_all(twice, twice_bytes, &last, NULL, NULL));
        free(once);
        /* Names that are not UTF-8 are mended the first time, and may be escaped then. */
        rewrite(twice, twice_bytes, last, &once, &once_bytes);
        require(once_bytes == twice_bytes && memcmp(once, twice, once_bytes) == 0);
        trace_close(again);
        trace_close(last);
        free(once);
        free(twice);
    }
    trace_close(r);
    return 0;
}
