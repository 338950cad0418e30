#include "bench_learn.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Chosen: a benchmark lasts seconds where a device serves for days; several windows fall into one
 * run of a policy. */
static const int64_t INTERVAL_NS = 1000000000;

bool bench_learn_fits(const bench_plan *plan)
{
    for (int i = 0; i < plan->count; i++)
        if (strcmp(plan->policies[i].spec, "learned") == 0)
            return true;
    return false;
}

cosrel_status bench_learn_open(cosrel_runtime *rt, uint64_t seed, cosrel_learner **out,
                               cosrel_error *err)
{
    cosrel_learner_options options;
    cosrel_learner_options_init(&options);
    options.interval_ns = INTERVAL_NS;
    options.seed = seed;
    return cosrel_learner_open(rt, &options, out, err);
}

/* Whether it waits says nothing here: the last policy measured may be any. */
static const char *state_of(const cosrel_learner_stats *s)
{
    switch (s->state) {
    case COSREL_LEARNER_LEARNED:
        return "learned";
    case COSREL_LEARNER_PROBATION:
        return "probation";
    case COSREL_LEARNER_SAFE:
        return "safe";
    case COSREL_LEARNER_WAITING:
        break;
    }
    return "waiting";
}

json_t *bench_learn_json(cosrel_learner *learner)
{
    cosrel_learner_stats s;
    cosrel_learner_get_stats(learner, &s);
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "state", state_of(&s), "version",
                     (json_int_t)s.version, "promoted", (json_int_t)s.promoted, "taken_back",
                     (json_int_t)s.taken_back, "fallen", (json_int_t)s.fallen, "windows",
                     (json_int_t)s.windows, "candidates", (json_int_t)s.candidates, "lessons",
                     (json_int_t)s.lessons);
}

void bench_learn_sentence(cosrel_learner *learner, char *text, size_t bytes)
{
    cosrel_learner_stats s;
    cosrel_learner_get_stats(learner, &s);
    snprintf(text, bytes,
             "learned went on learning: version %" PRIu64 ", state %s; %" PRIu64
             " promoted, %" PRIu64 " taken back, %" PRIu64 " times the safe rule; %" PRIu64
             " windows, %" PRIu64 " candidates, %" PRIu64 " lessons.",
             s.version, state_of(&s), s.promoted, s.taken_back, s.fallen, s.windows, s.candidates,
             s.lessons);
}
