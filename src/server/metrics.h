/* Metrics in the Prometheus text format (version 0.0.4), names by its conventions: base units,
 * _total on counters, cumulative buckets. docs/serve.md lists them. */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include <stdbool.h>

#include "base/text.h"
#include "cosrel/learn.h"
#include "server/access_log.h"
#include "server/tally.h"

typedef struct metrics_source {
    cosrel_runtime *rt;
    cosrel_learner *learner; /* NULL: none */
    tally *counts;
    access_log_counts log;          /* of the access log */
    size_t body_bytes;              /* of all bodies that are held now */
    const char *policy, *objective; /* as set; for labels */
    uint64_t connections;
    int under_way;
    double started_s; /* wall clock */
} metrics_source;

void metrics_add(text_builder *out, const metrics_source *source);

#endif
