/* The statistics extension: what became of a model's requests, from the counts that the metrics are
 * made of. Computed here once; each protocol writes it down in its own way.
 *
 * Threads: the server's loop only. */
#ifndef SERVER_STATISTICS_H
#define SERVER_STATISTICS_H

#include <stdbool.h>

#include "base/text.h"
#include "server/tally.h"

typedef struct statistics_duration {
    uint64_t count, ns; /* ns: of all together */
} statistics_duration;

typedef struct statistics_batch {
    uint64_t size; /* the largest that is counted here */
    statistics_duration compute_input, compute_infer, compute_output;
} statistics_batch;

/* compute_input and compute_output take no time of their own: a run reads its inputs where they
 * were received. */
typedef struct statistics_row {
    const cosrel_model_info *model;
    uint64_t last_ms; /* of the last answer, since the epoch; 0: none */
    uint64_t inferences, executions;
    statistics_duration success, fail, queue, compute_input, compute_infer, compute_output;
    statistics_batch batches[TALLY_BATCHES];
    size_t batch_count;
} statistics_row;

/* False: nothing is counted for this model, since there are too many. */
bool statistics_of(tally *counts, const cosrel_model *model, statistics_row *out);

/* The next model from `*index` on that is asked for; NULL: no more. name NULL or "": any; version
 * 0: any. Sets *index behind it. */
const cosrel_model *statistics_next(cosrel_runtime *rt, const char *name, int64_t version,
                                    size_t *index);

/* {"model_stats":[...]} of all that are asked for. */
void statistics_add_json(text_builder *out, cosrel_runtime *rt, tally *counts, const char *name,
                         int64_t version);

#endif
