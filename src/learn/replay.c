#include "learn/replay.h"

#include <stdlib.h>

#include "base/error.h"
#include "learn/episode.h"
#include "sched/learned.h"
#include "sim/sim.h"

typedef struct replay {
    const world *w;
    window_end *ends;
} replay;

static void note_end(void *user, int64_t start_ns, int64_t end_ns, int processor, int model,
                     const uint32_t *ids, int count, bool ok)
{
    const replay *r = user;
    const cost_table *costs = &r->w->costs;
    const int batch_index = cost_batch_index(costs, count);
    const double energy_uj = (double)cost_at(costs, model, processor, batch_index)->energy_uj;
    (void)start_ns;
    for (int i = 0; ok && i < count; i++)
        r->ends[ids[i]] = (window_end){.t_ns = end_ns, .energy_uj = energy_uj / count};
}

static void note_drop(void *user, int64_t now_ns, uint32_t id, sched_drop_reason reason)
{
    const replay *r = user;
    (void)reason;
    r->ends[id] = (window_end){.t_ns = now_ns, .dropped = true};
}

/* Row k of the world is row k of the window, and simulated requests are numbered by rows. */
static cosrel_status rows_of(const window *w, arrivals_row **out)
{
    *out = malloc((w->count + 1) * sizeof **out);
    if (!*out)
        return COSREL_OUT_OF_MEMORY;
    for (size_t i = 0; i < w->count; i++) {
        const window_row *from = &w->rows[i];
        (*out)[i] = (arrivals_row){.t_ns = from->t_ns,
                                   .deadline_ns = from->deadline_ns > 0 ? from->deadline_ns : 1,
                                   .model = from->model,
                                   .priority = from->priority};
    }
    return COSREL_OK;
}

cosrel_status replay_ends(const world_place *place, const window *w, const char *policy,
                          const scorer *net, window_end *ends, cosrel_error *err)
{
    arrivals_row *rows = NULL;
    world again = {.model_count = 0};
    episode_result result;
    replay r = {.w = &again, .ends = ends};
    const sim_observer watching = {.user = &r, .end = note_end, .drop = note_drop};
    const learned_hook hook = {.net = net};
    for (size_t i = 0; i < w->count; i++)
        ends[i] = (window_end){.t_ns = INT64_MAX};
    cosrel_status status = rows_of(w, &rows);
    if (status == COSREL_OK)
        status = world_from(place, rows, w->count, 1, &again, err);
    else
        error_set(err, status, "no memory to replay %zu requests", w->count);
    again.observer = &watching;
    if (status == COSREL_OK)
        status = episode_run(&again, policy, &hook, &result, err);
    world_deinit(&again);
    free(rows);
    return status;
}

cosrel_status replay_window(const world_place *place, const window *w, const char *policy,
                            const scorer *net, double *cost, cosrel_error *err)
{
    *cost = 0;
    window_end *ends = malloc((w->count + 1) * sizeof *ends);
    if (!ends)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory to replay %zu requests", w->count);
    const cosrel_status status = replay_ends(place, w, policy, net, ends, err);
    if (status == COSREL_OK)
        *cost = window_cost(w, ends, &place->objective);
    free(ends);
    return status;
}
