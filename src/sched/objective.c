#include "sched/objective.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

/* Chosen. Latency counts in each: with a count of misses alone, whatever is late already would be
 * left to starve (measured: misses fall by little more, and the tail grows tenfold). 8: of 3, 8 and
 * 20 it missed nearly as few as 20 with a tail at most 1.6 times the best baseline's, where 20
 * had 2.1. A joule that costs a second of somebody's latency outweighs it on every device for which
 * there are tables (their requests take 0.01 to 2 J), without letting queues grow for ever. */
static const struct {
    const char *name;
    sched_objective weights;
} objectives[] = {
    {"latency", {.latency = 1}},
    {"throughput", {.latency = 1}},
    {"deadline", {.latency = 1, .miss = 8}},
    {"energy", {.latency = 0.01, .energy_ns_per_uj = 1000}},
    {"balanced", {.latency = 1, .miss = 1, .energy_ns_per_uj = 200}},
};

enum { OBJECTIVE_COUNT = sizeof objectives / sizeof objectives[0] };

const char *objective_at(size_t index)
{
    return index < OBJECTIVE_COUNT ? objectives[index].name : NULL;
}

cosrel_status objective_find(const char *name, sched_objective *out, cosrel_error *err)
{
    const char *names[OBJECTIVE_COUNT];
    for (int i = 0; i < OBJECTIVE_COUNT; i++) {
        if (strcmp(objectives[i].name, name) == 0) {
            *out = objectives[i].weights;
            return COSREL_OK;
        }
        names[i] = objectives[i].name;
    }
    const char *near = text_nearest(name, names, OBJECTIVE_COUNT);
    return error_set(err, COSREL_INVALID_ARGUMENT,
                     "objective '%s' is unknown%s%s%s; expected latency, throughput, deadline, "
                     "energy or balanced",
                     name, near ? "; did you mean '" : "", near ? near : "", near ? "'" : "");
}
