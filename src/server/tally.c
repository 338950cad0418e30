#include "server/tally.h"

#include <string.h>
#include <time.h>

const double tally_bounds[TALLY_BUCKETS] = {50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3,
                                            5e-3,  10e-3,  20e-3,  50e-3,  0.1,  0.2,
                                            0.5,   1,      2,      5,      10,   20};

/* The row of a model that is not loaded any more, and was answered for longest ago, goes: by then
 * its last numbers have been fetched. */
static bool make_room(tally *t)
{
    int oldest = -1;
    for (int i = 0; i < t->count; i++)
        if (!cosrel_model_is_loaded(t->models[i].model) &&
            (oldest < 0 || t->models[i].last_ns < t->models[oldest].last_ns))
            oldest = i;
    if (oldest < 0)
        return false;
    t->models[oldest] = t->models[--t->count];
    memset(&t->models[t->count], 0, sizeof *t->models);
    return true;
}

tally_model *tally_of(tally *t, const cosrel_model *model)
{
    for (int i = 0; i < t->count; i++)
        if (t->models[i].model == model)
            return &t->models[i];
    if (t->count == TALLY_MODELS_MAX && !make_room(t))
        return NULL;
    t->models[t->count].model = model;
    return &t->models[t->count++];
}

static void add(tally_hist *h, int64_t ns)
{
    const double seconds = (double)ns / 1e9;
    int bucket = 0;
    while (bucket < TALLY_BUCKETS && seconds > tally_bounds[bucket])
        bucket++;
    h->count[bucket]++;
    h->total++;
    h->sum_s += seconds;
}

static int batch_bucket(int32_t batch)
{
    int bucket = 0;
    for (int32_t most = 1; most < batch && bucket < TALLY_BATCHES - 1; most *= 2)
        bucket++;
    return bucket;
}

void tally_result(tally *t, const cosrel_model *model, const cosrel_result *result)
{
    tally_model *m = tally_of(t, model);
    struct timespec now;
    if (!m)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    m->by_status[result->status]++;
    m->last_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    if (result->status != COSREL_OK) {
        m->failed_ns += result->finished_ns - result->submitted_ns;
        return;
    }
    tally_batch *batch = &m->batches[batch_bucket(result->batch)];
    const int64_t compute_ns = result->finished_ns - result->started_ns;
    add(&m->total, result->finished_ns - result->submitted_ns);
    add(&m->queue, result->started_ns - result->submitted_ns);
    add(&m->compute, compute_ns);
    batch->requests++;
    batch->compute_ns += compute_ns;
    m->runs += 1.0 / (result->batch > 0 ? result->batch : 1);
}

void tally_refused(tally *t, const cosrel_model *model, cosrel_status status)
{
    tally_model *m = model ? tally_of(t, model) : NULL;
    if (m)
        m->by_status[status]++;
    else
        t->without_model++;
}
