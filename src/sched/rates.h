/* Arrival rates, estimated from the arrivals themselves: what policies that look ahead expect.
 *
 * The rate of all arrivals together follows quickly (a burst shows within tens of arrivals), the
 * models' shares slowly, since each sees only its own part. Both are means with exponentially
 * fading weights per arrival, so that they need no clock of their own and cost a few nanoseconds.
 */
#ifndef SCHED_RATES_H
#define SCHED_RATES_H

#include <stdint.h>

#include "cosrel/status.h"

typedef struct arrival_rates {
    int model_max;
    double *weight; /* per model: arrivals, faded; scaled up instead of fading the others */
    int64_t *
        deadline_ns; /* per model: from arrival to deadline, of the last request; INT64_MAX: none */
    double weight_sum; /* of all models */
    double unit;       /* the weight of the next arrival */
    double count;      /* arrivals, faded */
    double span_ns;    /* the time between them, faded */
    int64_t last_ns;   /* of the last arrival; INT64_MIN: none yet */
} arrival_rates;

COSREL_CHECKED cosrel_status rates_init(arrival_rates *r, int model_max);
void rates_deinit(arrival_rates *r); /* zeroed is fine */

/* deadline_ns: absolute, INT64_MAX: none. */
void rates_arrive(arrival_rates *r, int64_t now_ns, int model, int64_t deadline_ns);

/* Who asked for the one asks for the other from now on. */
void rates_pass_on(arrival_rates *r, int from, int to);

/* As if the model had never been asked for. */
void rates_forget(arrival_rates *r, int model);

/* Arrivals per nanosecond of all models together; 0 before the second arrival. Falls while nothing
 * arrives. */
double rates_total(const arrival_rates *r, int64_t now_ns);

/* The model's part in it, in (0, 1]. A model that was never asked for counts as if it had been
 * once, long ago: `models` is how many there are. */
double rates_share(const arrival_rates *r, int model, int models);

#endif
