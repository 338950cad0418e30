/* In place of bound.c where Cosrel was built without GLPK (COSREL_GLPK=OFF). Policies then have no
 * prices: `priced` is min-min, and `lookahead` plays min-min in its futures. */
#include "sched/bound.h"

#include <string.h>

#include "base/error.h"

static cosrel_status unsupported(bound_result *out, cosrel_error *err)
{
    memset(out, 0, sizeof *out);
    return error_set(err, COSREL_UNSUPPORTED,
                     "this Cosrel was built without GLPK and cannot compute the bound");
}

cosrel_status bound_capacity(const bound_problem *problem, bound_result *out, cosrel_error *err)
{
    (void)problem;
    return unsupported(out, err);
}

cosrel_status bound_energy(const bound_problem *problem, double rate_rps, bound_result *out,
                           cosrel_error *err)
{
    (void)problem, (void)rate_rps;
    return unsupported(out, err);
}
