#include "explain_trace.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "sim_replay.h"

static cosrel_status no_memory(const char *path, cosrel_error *err)
{
    return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory to read it", path);
}

/* Room for `count` items: the array, which may have moved; NULL: no memory, the old one is there.
 */
static void *grown(void *items, size_t *room, size_t count, size_t size)
{
    if (count <= *room && items)
        return items;
    const size_t more = count > 2 * *room ? count : 2 * *room;
    void *bigger = realloc(items, more * size);
    if (bigger)
        *room = more;
    return bigger;
}

static bool add_given_up(explain_trace *t, int64_t t_ns, size_t request)
{
    sim_giving_up *more = grown(t->given_up, &t->given_up_room, t->given_up_count + 1,
                                sizeof *more);
    if (!more)
        return false;
    t->given_up = more;
    more[t->given_up_count++] = (sim_giving_up){.t_ns = t_ns, .id = (uint32_t)request};
    return true;
}

/* Models and processors are the reader's until all is read. */
static bool add_run(explain_trace *t, const trace_event *e)
{
    explain_run *runs = grown(t->runs, &t->run_room, t->run_count + 1, sizeof *runs);
    if (!runs)
        return false;
    t->runs = runs;
    size_t *members = grown(t->members, &t->member_room, t->member_count + e->request_count,
                            sizeof *members);
    if (!members)
        return false;
    t->members = members;
    t->runs[t->run_count++] = (explain_run){.t_ns = e->t_ns,
                                            .end_ns = e->end_ns,
                                            .processor = e->processor,
                                            .model = e->model,
                                            .first = t->member_count,
                                            .count = e->request_count,
                                            .ok = !e->failed};
    memcpy(t->members + t->member_count, e->requests, e->request_count * sizeof *t->members);
    t->member_count += e->request_count;
    t->failed += e->failed;
    return true;
}

static cosrel_status read_events(const char *path, explain_trace *t, cosrel_error *err)
{
    for (;;) {
        trace_event e;
        bool ok = true;
        const cosrel_status status = trace_next(t->reader, &e, err);
        if (status != COSREL_OK || e.type == TRACE_END)
            return status;
        if (e.type == TRACE_DISPATCH)
            ok = add_run(t, &e);
        else if (e.type == TRACE_DROP)
            ok = add_given_up(t, e.t_ns, e.requests[0]);
        t->recorded |= e.type == TRACE_RECORDING;
        if (!ok)
            return no_memory(path, err);
    }
}

static cosrel_status no_processor(const char *path, const char *name, const sim_device *d,
                                  cosrel_error *err)
{
    const char *names[SCHED_PROCESSORS_MAX];
    const size_t length = strlen(name);
    for (int p = 0; p < d->processor_count; p++)
        names[p] = d->processors[p].name;
    if (length > 3 && strcmp(name + length - 3, ".bg") == 0)
        return error_set(
            err, COSREL_INVALID_FILE,
            "%s: it ran background requests on '%s', and does not say which they were; "
            "give the --workload that it was made of",
            path, name);
    const char *nearest = text_nearest(name, names, (size_t)d->processor_count);
    return error_set(err, COSREL_INVALID_FILE,
                     "%s: it ran requests on the processor '%s', which the device table does not "
                     "have%s%s%s",
                     path, name, nearest ? "; did you mean '" : "", nearest ? nearest : "",
                     nearest ? "'?" : "");
}

static cosrel_status map_processors(const char *path, const explain_trace *t, const sim_device *d,
                                    int *map, cosrel_error *err)
{
    size_t count;
    const char *const *names = trace_processors(t->reader, &count);
    for (size_t i = 0; i < count; i++) {
        map[i] = 0;
        while (map[i] < d->processor_count && strcmp(d->processors[map[i]].name, names[i]) != 0)
            map[i]++;
        if (map[i] == d->processor_count)
            return no_processor(path, names[i], d, err);
    }
    return COSREL_OK;
}

/* In the device's indices, with a batch of the table; 0: the table knows none. */
static int fit_run(explain_run *run, const int *models, const int *processors, const sim_device *d)
{
    run->model = models[run->model];
    run->processor = processors[run->processor];
    const int most = run->count < SCHED_BATCH_MAX ? (int)run->count : SCHED_BATCH_MAX;
    for (int b = cost_batch_index(&d->costs, most); b >= 0 && run->batch == 0; b--)
        if (cost_at(&d->costs, run->model, run->processor, 0)->service_ns > 0 &&
            cost_at(&d->costs, run->model, run->processor, b)->service_ns > 0)
            run->batch = d->costs.batches[b];
    return run->batch;
}

static int by_time(const void *a, const void *b)
{
    const sim_giving_up *x = a, *y = b;
    return (x->t_ns > y->t_ns) - (x->t_ns < y->t_ns);
}

static cosrel_status fit_runs(const char *path, explain_trace *t, const int *processors,
                              const sim_device *d, cosrel_error *err)
{
    for (size_t i = 0; i < t->run_count; i++) {
        explain_run *run = &t->runs[i];
        if (fit_run(run, t->models, processors, d) == 0)
            return error_set(err, COSREL_INVALID_FILE,
                             "%s: at %.6f ms it ran '%s' on '%s', and the device table has no row "
                             "for that",
                             path, (double)run->t_ns / 1e6, d->models[run->model],
                             d->processors[run->processor].name);
        const cost_cell *cell = cost_at(&d->costs, run->model, run->processor,
                                        cost_batch_index(&d->costs, run->batch));
        t->varies |= d->processors[run->processor].level == 0 && run->ok &&
                     run->end_ns - run->t_ns != cell->service_ns;
        t->asked_ns[i] = run->t_ns;
        for (size_t k = (size_t)run->batch; k < run->count; k++)
            if (!add_given_up(t, run->t_ns, t->members[run->first + k]))
                return no_memory(path, err);
    }
    if (t->given_up_count > 0)
        qsort(t->given_up, t->given_up_count, sizeof *t->given_up, by_time);
    return COSREL_OK;
}

cosrel_status explain_trace_read(const char *path, const sim_device *device, explain_trace *t,
                                 cosrel_error *err)
{
    size_t models, processors;
    memset(t, 0, sizeof *t);
    cosrel_status status = trace_open(path, &t->reader, err);
    if (status == COSREL_OK)
        status = read_events(path, t, err);
    if (status != COSREL_OK)
        return status;
    t->requests = trace_requests(t->reader, &t->request_count);
    trace_models(t->reader, &models);
    trace_processors(t->reader, &processors);
    int *map = calloc(processors + 1, sizeof *map);
    t->models = calloc(models + 1, sizeof *t->models);
    t->asked_ns = calloc(t->run_count + 1, sizeof *t->asked_ns);
    if (!map || !t->models || !t->asked_ns)
        status = no_memory(path, err);
    if (status == COSREL_OK)
        status = sim_replay_models(path, t->reader, device->models, device->model_count, t->models,
                                   err);
    if (status == COSREL_OK)
        status = map_processors(path, t, device, map, err);
    if (status == COSREL_OK)
        status = fit_runs(path, t, map, device, err);
    free(map);
    return status;
}

void explain_trace_deinit(explain_trace *t)
{
    trace_close(t->reader);
    free(t->models);
    free(t->runs);
    free(t->members);
    free(t->given_up);
    free(t->asked_ns);
    memset(t, 0, sizeof *t);
}

size_t explain_trace_find(const explain_trace *t, int64_t id)
{
    for (size_t i = 0; i < t->request_count; i++)
        if ((int64_t)t->requests[i].id == id)
            return i;
    return SIZE_MAX;
}
