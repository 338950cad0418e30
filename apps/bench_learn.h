/* `cosrel bench --learn`: the policy "learned" goes on learning while it is measured. */
#ifndef APPS_BENCH_LEARN_H
#define APPS_BENCH_LEARN_H

#include <jansson.h>

#include "bench_plan.h"
#include "cosrel/cosrel.h"

/* Whether the plan has a policy that can learn. */
bool bench_learn_fits(const bench_plan *plan);

COSREL_CHECKED cosrel_status bench_learn_open(cosrel_runtime *rt, uint64_t seed,
                                              cosrel_learner **out, cosrel_error *err);

/* What came of it, as `--json` has it; and the same as a sentence. */
json_t *bench_learn_json(cosrel_learner *learner);
void bench_learn_sentence(cosrel_learner *learner, char *text, size_t bytes);

#endif
