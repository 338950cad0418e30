#include "profile/batches.h"

enum {
    STRIKES = 2, /* runs in a row that must show no gain (chosen: one may have been disturbed) */
    SAMPLES_SURE =
        8 /* behind a mean that is believed (cost.c: it then holds 90 % of what was seen) */
};

/* How long a closed batch is left alone (chosen: two runs for nothing in that time are nothing). */
static const int64_t CLOSED_NS = INT64_C(300000000000);

/* A batch that was good is closed only when it is worse by this (chosen: estimates differ by some
 * percent without any reason). */
static const double MARGIN = 1.05;

/* A larger batch holds its requests up for longer: it must be worth that. So much less per request
 * than the next smaller one it must take to be kept, and to have a larger one tried (chosen: some
 * percent are what estimates are wrong by). */
static const double GAIN = 0.95;

/* A guess of a new batch's time: so much of what the smaller one takes per request (chosen: enough
 * to be preferred, too little to promise anything). */
static const double HOPE = 0.98;

static double each_ns(const cost_table *t, const cost_cell *cell, int batch_index)
{
    return (double)cell->service_ns / t->batches[batch_index];
}

/* The next smaller batch whose time is known. */
static int smaller(const cost_table *t, int model, int processor, int batch_index)
{
    int b = batch_index - 1;
    while (b > 0 && (cost_at(t, model, processor, b)->service_ns == 0 ||
                     cost_at(t, model, processor, b)->trial))
        b--;
    return b;
}

static bool close_cell(cost_table *t, cost_cell *cell, int64_t now_ns)
{
    *cell = (cost_cell){.closed_until_ns = now_ns + CLOSED_NS};
    t->shifts++;
    return true;
}

/* A cell that holds a guess: the first run that shows a gain is what is known from then on. */
static bool judge_trial(cost_table *t, cost_cell *cell, int batch_index, double each_before,
                        int64_t service_ns, int64_t now_ns)
{
    const bool gains = (double)service_ns / t->batches[batch_index] <= GAIN * each_before;
    if (!gains) /* the guess stays until the verdict: else nobody would try again */
        return ++cell->strikes >= STRIKES && close_cell(t, cell, now_ns);
    *cell = (cost_cell){.service_ns = service_ns, .samples = 1};
    t->shifts++;
    return false;
}

bool batches_observe(cost_table *t, int model, int processor, int batch_index, int64_t service_ns,
                     int64_t now_ns)
{
    cost_cell *cell = cost_at(t, model, processor, batch_index);
    if (batch_index == 0 || cell->service_ns == 0) {
        cost_observe(t, model, processor, batch_index, service_ns);
        return false;
    }
    const int before = smaller(t, model, processor, batch_index);
    const double each_before = each_ns(t, cost_at(t, model, processor, before), before);
    if (cell->trial)
        return judge_trial(t, cell, batch_index, each_before, service_ns > 0 ? service_ns : 1,
                           now_ns);
    cost_observe(t, model, processor, batch_index, service_ns);
    return cell->samples >= SAMPLES_SURE && each_before > 0 &&
           each_ns(t, cell, batch_index) > MARGIN * each_before &&
           cost_at(t, model, processor, before)->samples >= SAMPLES_SURE &&
           close_cell(t, cell, now_ns);
}

bool batches_try_next(cost_table *t, int model, int processor, int batch_index, uint32_t waiting,
                      int32_t largest, int64_t now_ns)
{
    const int next = batch_index + 1;
    const cost_cell *cell = cost_at(t, model, processor, batch_index);
    if (next >= t->batch_count || t->batches[next] > largest ||
        waiting < (uint32_t)t->batches[next] || cell->service_ns == 0 || cell->trial)
        return false;
    if (batch_index > 0) {
        const int before = smaller(t, model, processor, batch_index);
        if (each_ns(t, cell, batch_index) >
            GAIN * each_ns(t, cost_at(t, model, processor, before), before))
            return false;
    }
    cost_cell *open = cost_at(t, model, processor, next);
    if (open->service_ns > 0 || now_ns < open->closed_until_ns)
        return false;
    const double guess_ns = HOPE * each_ns(t, cell, batch_index) * t->batches[next];
    *open = (cost_cell){.service_ns = guess_ns > 1 ? (int64_t)guess_ns : 1, .trial = true};
    t->shifts++;
    return true;
}

void batches_close_lost(const cost_table *t, cost_cell *cells, bool all)
{
    bool lost = false;
    int before = 0;
    for (int b = 1; b < t->batch_count; b++) {
        if (cells[b].service_ns == 0 && (lost || all))
            cells[b] = (cost_cell){.closed_until_ns = BATCHES_NEVER};
        if (cells[b].service_ns == 0)
            continue;
        lost |= cells[before].service_ns > 0 &&
                each_ns(t, &cells[b], b) > each_ns(t, &cells[before], before);
        before = b;
    }
}
