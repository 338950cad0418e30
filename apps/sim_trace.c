/* A trace is written while the simulation goes on. The picture is made of it afterwards, by the
 * same code as that of `cosrel trace`, from the file before it gets its name, so that millions of
 * runs need no memory. */
#include "sim_trace.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "sim/chrome.h"
#include "sim/trace.h"

struct sim_trace {
    file_save save; /* of the trace; beside the picture where none was asked for */
    char *chrome;   /* NULL: no picture */
    bool wanted;    /* the trace itself */
    bool ends_late;
    trace_writer *writer;
    uint64_t open; /* runs that go on, by processor */
    int64_t started_ns[SCHED_PROCESSORS_MAX];
};

static cosrel_status open_writer(sim_trace *t, const sim_device *device)
{
    const char *processors[SCHED_PROCESSORS_MAX];
    for (int p = 0; p < device->processor_count; p++)
        processors[p] = device->processors[p].name;
    const trace_names names = {.models = device->models,
                               .model_count = device->model_count,
                               .processors = processors,
                               .processor_count = device->processor_count};
    const cosrel_status status = trace_writer_create(t->save.stream, &names, &t->writer);
    if (status == COSREL_OK && t->ends_late)
        trace_hold(t->writer);
    return status;
}

cosrel_status sim_trace_begin(const char *trace, const char *chrome, const sim_device *device,
                              bool ends_late, sim_trace **out, cosrel_error *err)
{
    sim_trace *t = calloc(1, sizeof *t);
    *out = t;
    if (!t)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a trace");
    t->wanted = trace != NULL;
    t->ends_late = ends_late;
    t->chrome = chrome ? strdup(chrome) : NULL;
    if (chrome && !t->chrome)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a trace");
    cosrel_status status = file_save_begin(&t->save, trace ? trace : chrome, err);
    if (status == COSREL_OK && open_writer(t, device) != COSREL_OK)
        status = error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a trace");
    return status;
}

void sim_trace_arrival(sim_trace *t, const source_request *request)
{
    if (t)
        trace_add_arrival(t->writer, &(trace_arrival){.t_ns = request->t_ns,
                                                      .id = request->id,
                                                      .model = request->model,
                                                      .deadline_ns = SCHED_NEVER});
}

void sim_trace_dispatch(sim_trace *t, int64_t start_ns, int64_t end_ns, int processor, int model,
                        const uint32_t *ids, int count)
{
    if (!t)
        return;
    if (!t->ends_late) {
        trace_add_dispatch(t->writer, start_ns, end_ns, processor, model, ids, count);
        return;
    }
    t->open |= (uint64_t)1 << processor;
    t->started_ns[processor] = start_ns;
}

void sim_trace_run(sim_trace *t, int64_t start_ns, int64_t end_ns, int processor, int model,
                   const uint32_t *ids, int count, bool ok)
{
    if (!t || !t->ends_late)
        return;
    (ok ? trace_add_dispatch : trace_add_failure)(t->writer, start_ns, end_ns, processor, model,
                                                  ids, count);
    t->open &= ~((uint64_t)1 << processor);
    int64_t oldest_ns = end_ns;
    for (uint64_t left = t->open; left; left &= left - 1) {
        const int64_t started_ns = t->started_ns[__builtin_ctzll(left)];
        oldest_ns = started_ns < oldest_ns ? started_ns : oldest_ns;
    }
    trace_advance(t->writer, oldest_ns);
}

void sim_trace_drop(sim_trace *t, int64_t now_ns, uint32_t id, sched_drop_reason reason)
{
    if (t)
        trace_add_drop(t->writer, now_ns, id, trace_reason(reason));
}

static cosrel_status copy_events(trace_reader *reader, chrome_writer *chrome, cosrel_error *err)
{
    for (;;) {
        trace_event event;
        const cosrel_status status = trace_next(reader, &event, err);
        if (status != COSREL_OK || event.type == TRACE_END)
            return status;
        chrome_add(chrome, reader, &event);
    }
}

static cosrel_status draw(const sim_trace *t, cosrel_error *err)
{
    trace_reader *reader = NULL;
    chrome_writer *chrome = NULL;
    file_save picture;
    cosrel_status status = trace_open(t->save.temporary, &reader, err);
    if (status != COSREL_OK)
        return status;
    status = file_save_begin(&picture, t->chrome, err);
    if (status == COSREL_OK) {
        status = chrome_create(picture.stream, &chrome);
        if (status == COSREL_OK)
            status = copy_events(reader, chrome, err);
        const cosrel_status written = chrome_finish(chrome, reader,
                                                    status == COSREL_OK ? err : NULL);
        status = status == COSREL_OK ? written : status;
        if (status == COSREL_OK)
            status = file_save_commit(&picture, err);
        else
            file_save_abort(&picture);
    }
    trace_close(reader);
    return status;
}

cosrel_status sim_trace_end(sim_trace *t, bool keep, cosrel_error *err)
{
    if (!t)
        return COSREL_OK;
    cosrel_status status = trace_writer_finish(t->writer, err);
    if (status == COSREL_OK && keep && t->chrome)
        status = draw(t, err);
    if (status == COSREL_OK && keep && t->wanted)
        status = file_save_commit(&t->save, err);
    else
        file_save_abort(&t->save);
    free(t->chrome);
    free(t);
    return status;
}
