#include "learn/window.h"

#include <stdlib.h>
#include <string.h>

bool window_can_run(const cost_table *costs, int model)
{
    if (model < 0 || model >= costs->model_count)
        return false;
    for (int p = 0; p < costs->processor_count; p++)
        if (cost_at(costs, model, p, 0)->service_ns > 0)
            return true;
    return false;
}

/* Later than start_ns if too many arrived since. */
static int64_t begin_of(const experience_record *records, size_t count, int64_t start_ns,
                        int64_t end_ns, size_t arrivals_max)
{
    size_t arrived = 0;
    for (size_t i = count; i-- > 0 && records[i].t_ns >= start_ns;) {
        arrived += records[i].t_ns < end_ns;
        if (arrived == arrivals_max)
            return records[i].t_ns;
    }
    return start_ns;
}

static int64_t since(int64_t t_ns, int64_t start_ns)
{
    return t_ns == INT64_MAX ? INT64_MAX : t_ns - start_ns;
}

static void add(window *w, const experience_record *r, int64_t start_ns)
{
    const bool before = r->t_ns < start_ns;
    const bool has_deadline = r->deadline_ns != INT64_MAX;
    w->rows[w->count] = (window_row){.t_ns = before ? 0 : r->t_ns - start_ns,
                                     .deadline_ns = since(r->deadline_ns, start_ns),
                                     .allowed_ns = has_deadline ? r->deadline_ns - r->t_ns : 0,
                                     .model = r->model,
                                     .priority = r->priority};
    w->measured[w->count++] = (window_end){.t_ns = since(r->end_ns, start_ns),
                                           .energy_uj = (double)r->energy_uj,
                                           .dropped = r->dropped};
    w->arrived += !before;
}

cosrel_status window_make(const experience_record *records, size_t count, int64_t start_ns,
                          int64_t end_ns, size_t arrivals_max, const cost_table *costs, window *out)
{
    memset(out, 0, sizeof *out);
    out->rows = malloc((count + 1) * sizeof *out->rows);
    out->measured = malloc((count + 1) * sizeof *out->measured);
    if (!out->rows || !out->measured)
        return COSREL_OUT_OF_MEMORY;
    const int64_t begin_ns = begin_of(records, count, start_ns, end_ns, arrivals_max);
    out->length_ns = end_ns - begin_ns;
    for (size_t i = 0; i < count; i++)
        if (records[i].t_ns < end_ns && records[i].end_ns > begin_ns &&
            window_can_run(costs, records[i].model))
            add(out, &records[i], begin_ns);
    return COSREL_OK;
}

cosrel_status window_copy(window *to, const window *from)
{
    *to = *from;
    to->rows = malloc((from->count + 1) * sizeof *to->rows);
    to->measured = malloc((from->count + 1) * sizeof *to->measured);
    if (!to->rows || !to->measured) {
        window_deinit(to);
        return COSREL_OUT_OF_MEMORY;
    }
    if (from->count > 0) {
        memcpy(to->rows, from->rows, from->count * sizeof *to->rows);
        memcpy(to->measured, from->measured, from->count * sizeof *to->measured);
    }
    return COSREL_OK;
}

void window_deinit(window *w)
{
    free(w->rows);
    free(w->measured);
    memset(w, 0, sizeof *w);
}

double window_cost(const window *w, const window_end *ends, const sched_objective *objective)
{
    double time_ns = 0, energy_uj = 0, allowed_ns = 0;
    size_t missed = 0, with_deadline = 0;
    for (size_t i = 0; i < w->count; i++) {
        const window_row *row = &w->rows[i];
        const bool inside = ends[i].t_ns <= w->length_ns;
        const int64_t until_ns = inside ? ends[i].t_ns : w->length_ns;
        time_ns += (double)(until_ns - row->t_ns);
        energy_uj += inside ? ends[i].energy_uj : 0;
        if (row->deadline_ns == INT64_MAX)
            continue;
        allowed_ns += (double)row->allowed_ns;
        with_deadline++;
        missed += row->deadline_ns > 0 && row->deadline_ns <= w->length_ns &&
                  (ends[i].dropped || ends[i].t_ns > row->deadline_ns);
    }
    if (w->arrived == 0)
        return 0;
    const double usual_ns = with_deadline ? allowed_ns / (double)with_deadline : 0;
    return (objective->latency * time_ns + objective->miss * usual_ns * (double)missed +
            objective->energy_ns_per_uj * energy_uj) /
           (double)w->arrived;
}
