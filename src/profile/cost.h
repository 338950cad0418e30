/* What one run of (model, processor, batch) costs: the scheduler's only knowledge of devices.
 *
 * A dense table in memory, filled from a device table (profile/table.h) or by measuring, and moved
 * by what is seen while running: each cell by its own runs, and all cells of a processor together
 * when its runs show that the whole processor has become slower or faster (profile/drift.h). Batch
 * sizes are those in `batches` (ascending, the first is 1). A zero service time means: that
 * processor cannot run that model at that batch. Not locked: its owner serialises. */
#ifndef PROFILE_COST_H
#define PROFILE_COST_H

#include <stdbool.h>
#include <stdint.h>

#include "cosrel/status.h"
#include "profile/drift.h"

enum { COST_BATCHES_MAX = 16 };

typedef struct cost_cell {
    int64_t service_ns; /* expected time of one run of the whole batch; 0: cannot run */
    int64_t energy_uj;  /* expected energy of that run above idle; 0: unknown */
    uint32_t
        samples;  /* how many observations stand behind service_ns (0: from a table or a guess) */
    float recent; /* cost_observe's: how far its last runs have moved it, as a logarithm */
    /* Those of profile/batches.h. */
    bool trial;              /* service_ns is a guess that nothing has confirmed yet */
    uint8_t strikes;         /* runs in a row that spoke against the batch */
    int64_t closed_until_ns; /* not to be tried before; 0: at once */
} cost_cell;

typedef struct cost_processor {
    double speed; /* how much slower (> 1) or faster it is than its cells said at first */
    drift_watch drift;
} cost_processor;

typedef struct cost_table {
    int model_count;
    int model_max;
    int processor_count;
    int batch_count;
    int32_t batches[COST_BATCHES_MAX];
    cost_cell *cells; /* [model][processor][batch] */
    cost_processor *processors;
    uint64_t shifts; /* how many times many cells changed at once so far: those of a processor were
                        rescaled, those of a model replaced */
} cost_table;

/* batches: ascending, batches[0] == 1, 1 <= batch_count <= COST_BATCHES_MAX. Room for model_max
 * models. */
COSREL_CHECKED cosrel_status cost_init(cost_table *t, int model_max, int processor_count,
                                       const int32_t *batches, int batch_count);
void cost_deinit(cost_table *t);

/* A table like `from`, with all that it has learnt, and room for model_max models; those of `from`
 * beyond are left out. Deinitialise it; after an error that is not necessary. */
COSREL_CHECKED cosrel_status cost_copy(cost_table *t, const cost_table *from, int model_max);

static inline cost_cell *cost_at(const cost_table *t, int model, int processor, int batch_index)
{
    return &t->cells[((int64_t)model * t->processor_count + processor) * t->batch_count +
                     batch_index];
}

/* Index of the largest batch size <= n (n >= 1). */
int cost_batch_index(const cost_table *t, int32_t n);

/* A run has ended: moves the cell's estimate towards the observed time, an exponential mean with
 * weight 1/4 for the first samples and 1/16 after (chosen; Band, MobiSys 2022, uses 0.1). A single
 * outlier over 4x the estimate is clipped to 4x. Where the processor's last runs show a change of
 * its speed, all its cells take the new speed at once and `shifts` counts up; energies stay as they
 * are. O(1), but for that: O(models x batches). */
void cost_observe(cost_table *t, int model, int processor, int batch_index, int64_t service_ns);

/* The present speed by those changes alone, 1 at first; > 1: slower. */
static inline double cost_slowdown(const cost_table *t, int processor)
{
    return t->processors[processor].speed;
}

/* Replaces a model's cells by new ones, `cells` as [processor][batch], measured or known; counts as
 * one of `shifts`. */
void cost_set_model(cost_table *t, int model, const cost_cell *cells);

#endif
