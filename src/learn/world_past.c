/* Worlds of the recent past: costs and arrivals that were seen, instead of drawn ones. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "learn/world.h"

/* Only the models that are asked for: a policy sees what matters, and a runtime may have loaded far
 * more. number: per model of the place, its own here, or -1. */
static cosrel_status number_models(const world_place *place, const arrivals_row *rows, size_t count,
                                   int *number, world *w, cosrel_error *err)
{
    for (int m = 0; m < place->costs->model_count; m++)
        number[m] = -1;
    for (size_t i = 0; i < count; i++) {
        const int m = rows[i].model;
        if (m < 0 || m >= place->costs->model_count)
            return error_set(err, COSREL_INVALID_ARGUMENT, "the past names model %d; there are %d",
                             m, place->costs->model_count);
        number[m] = 0;
    }
    for (int m = 0; m < place->costs->model_count; m++)
        if (number[m] == 0)
            number[m] = w->model_count++;
    if (w->model_count > WORLD_MODELS_MAX)
        return error_set(err, COSREL_UNSUPPORTED, "%d models; at most %d can be learned from",
                         w->model_count, WORLD_MODELS_MAX);
    return COSREL_OK;
}

static cosrel_status take_costs(world *w, const world_place *place, const int *number)
{
    const cost_table *from = place->costs;
    const cosrel_status status = cost_init(&w->costs, w->model_count, place->processor_count,
                                           from->batches, from->batch_count);
    if (status != COSREL_OK)
        return status;
    w->costs.model_count = w->model_count;
    for (int m = 0; m < from->model_count; m++)
        for (int p = 0; number[m] >= 0 && p < place->processor_count; p++)
            memcpy(cost_at(&w->costs, number[m], p, 0), cost_at(from, m, p, 0),
                   (size_t)from->batch_count * sizeof *from->cells);
    for (int p = 0; p < place->processor_count; p++)
        w->costs.processors[p] = from->processors[p];
    return COSREL_OK;
}

/* Each model's usual deadline, for what a miss costs, and its part in the arrivals. */
static void sum_up(world *w)
{
    double with[WORLD_MODELS_MAX] = {0};
    const arrivals_list *all = w->arrivals;
    for (size_t i = 0; i < all->count; i++) {
        const arrivals_row *row = &all->rows[i];
        w->mix[row->model] += 1.0 / (double)all->count;
        if (row->deadline_ns == INT64_MAX)
            continue;
        w->deadline_ns[row->model] += (double)(row->deadline_ns - row->t_ns);
        with[row->model]++;
    }
    for (int m = 0; m < w->model_count; m++)
        if (with[m] > 0)
            w->deadline_ns[m] /= with[m];
}

static cosrel_status fill(world *w, const world_place *place, const arrivals_row *rows,
                          size_t count, const int *number, cosrel_error *err)
{
    cosrel_status status = arrivals_make(&w->arrivals, err);
    for (size_t i = 0; i < count && status == COSREL_OK; i++) {
        arrivals_row row = rows[i];
        row.model = number[row.model];
        status = arrivals_add(w->arrivals, &row, err);
    }
    if (status == COSREL_OK && take_costs(w, place, number) != COSREL_OK)
        status = error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a world of the past");
    if (status == COSREL_OK)
        sum_up(w);
    return status;
}

cosrel_status world_from(const world_place *place, const arrivals_row *rows, size_t count,
                         uint64_t seed, world *w, cosrel_error *err)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->objective = place->objective;
    w->patience = place->patience;
    w->drop_late = place->drop_late;
    w->processor_count = place->processor_count;
    if (place->processor_count > WORLD_PROCESSORS_MAX)
        return error_set(err, COSREL_UNSUPPORTED, "%d processors; at most %d can be learned from",
                         place->processor_count, WORLD_PROCESSORS_MAX);
    int *number = calloc((size_t)place->costs->model_count + 1, sizeof *number);
    if (!number)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a world of the past");
    for (int p = 0; p < place->processor_count; p++)
        w->processors[p] = place->processors[p];
    cosrel_status status = number_models(place, rows, count, number, w, err);
    for (int m = 0; status == COSREL_OK && m < w->model_count; m++) {
        snprintf(w->model_names[m], sizeof w->model_names[m], "m%d", m % 1000);
        w->models[m] = w->model_names[m];
    }
    if (status == COSREL_OK)
        status = fill(w, place, rows, count, number, err);
    free(number);
    return status;
}

/* ---- Resampling ---- */

static int by_time(const void *a, const void *b)
{
    const arrivals_row *x = a, *y = b;
    if (x->t_ns != y->t_ns)
        return x->t_ns < y->t_ns ? -1 : 1;
    return x->model < y->model ? -1 : x->model > y->model;
}

/* Each model's arrivals by an offset of their own, around the end to the start again. */
static void shift(arrivals_row *rows, size_t count, int64_t length_ns, uint64_t seed)
{
    for (size_t i = 0; i < count; i++) {
        rng own;
        rng_init(&own, seed + (uint64_t)rows[i].model * UINT64_C(0x9e3779b97f4a7c15));
        const int64_t by_ns = (int64_t)rng_below(&own, (uint64_t)length_ns);
        const int64_t allowed_ns = rows[i].deadline_ns == INT64_MAX
                                       ? INT64_MAX
                                       : rows[i].deadline_ns - rows[i].t_ns;
        rows[i].t_ns = (rows[i].t_ns + by_ns) % length_ns;
        rows[i].deadline_ns = allowed_ns == INT64_MAX ? INT64_MAX : rows[i].t_ns + allowed_ns;
    }
    qsort(rows, count, sizeof *rows, by_time);
}

size_t world_resample(arrivals_row *rows, size_t count, int64_t length_ns, size_t count_max, rng *r)
{
    const uint64_t seed = rng_u64(r);
    if (count == 0 || length_ns <= 0)
        return 0;
    shift(rows, count, length_ns, seed);
    if (count <= count_max)
        return count;
    const size_t first = (size_t)rng_below(r, count - count_max + 1);
    memmove(rows, rows + first, count_max * sizeof *rows);
    const int64_t start_ns = rows[0].t_ns;
    for (size_t i = 0; i < count_max; i++) {
        rows[i].t_ns -= start_ns;
        if (rows[i].deadline_ns != INT64_MAX)
            rows[i].deadline_ns -= start_ns;
    }
    return count_max;
}
