#include "bench_plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "cli.h"
#include "cosrel/runtime.h"

/* The policy whose name is what stands before ':'. */
static bool find_policy(const char *spec, const char **summary)
{
    const size_t length = strcspn(spec, ":");
    const char *name;
    for (size_t i = 0; cosrel_policy_at(i, &name, summary); i++)
        if (strlen(name) == length && strncmp(name, spec, length) == 0)
            return true;
    return false;
}

static cosrel_status unknown(const char *spec, cosrel_error *err)
{
    const char *names[BENCH_POLICIES_MAX * 2];
    size_t count = 0;
    const char *name, *summary;
    for (size_t i = 0; ort_baseline_at(i) && count < BENCH_POLICIES_MAX; i++)
        names[count++] = ort_baseline_at(i)->name;
    for (size_t i = 0; cosrel_policy_at(i, &name, &summary) && count < BENCH_POLICIES_MAX * 2; i++)
        names[count++] = name;
    const char *nearest = text_nearest(spec, names, count);
    if (nearest)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "--policies: unknown policy '%s': did you mean '%s'?", spec, nearest);
    return error_set(err, COSREL_INVALID_ARGUMENT,
                     "--policies: unknown policy '%s': see 'cosrel bench --help'", spec);
}

static cosrel_status add(bench_plan *plan, const char *spec, cosrel_error *err)
{
    bench_policy *p = &plan->policies[plan->count];
    if (plan->count == BENCH_POLICIES_MAX)
        return error_set(err, COSREL_INVALID_ARGUMENT, "--policies: more than %d",
                         BENCH_POLICIES_MAX);
    for (int i = 0; i < plan->count; i++)
        if (strcmp(plan->policies[i].spec, spec) == 0)
            return error_set(err, COSREL_INVALID_ARGUMENT, "--policies: '%s' stands there twice",
                             spec);
    p->spec = spec;
    p->baseline = ort_baseline_find(spec);
    p->summary = p->baseline ? p->baseline->summary : NULL;
    if (!p->baseline && !find_policy(spec, &p->summary))
        return unknown(spec, err);
    plan->any_cosrel |= !p->baseline;
    plan->any_baseline |= p->baseline != NULL;
    plan->count++;
    return COSREL_OK;
}

static cosrel_status add_all(bench_plan *plan, cosrel_error *err)
{
    cosrel_status status = COSREL_OK;
    const char *name, *summary;
    for (size_t i = 0; ort_baseline_at(i) && status == COSREL_OK; i++)
        status = add(plan, ort_baseline_at(i)->name, err);
    for (size_t i = 0; cosrel_policy_at(i, &name, &summary) && status == COSREL_OK; i++)
        if (strcmp(name, "single") != 0) /* it needs to be told a processor */
            status = add(plan, name, err);
    return status;
}

cosrel_status bench_plan_make(const char *list, bench_plan *plan, cosrel_error *err)
{
    memset(plan, 0, sizeof *plan);
    if (!list)
        return add_all(plan, err);
    const char **specs = NULL;
    size_t count = 0;
    plan->text = strdup(list);
    cosrel_status status = COSREL_OK;
    if (!plan->text || !cli_split(plan->text, &specs, &count))
        status = error_set(err, COSREL_INVALID_ARGUMENT,
                           "--policies: an empty name: write --policies a,b");
    for (size_t i = 0; i < count && status == COSREL_OK; i++)
        status = add(plan, specs[i], err);
    free(specs);
    if (status != COSREL_OK)
        bench_plan_free(plan);
    return status;
}

void bench_plan_free(bench_plan *plan)
{
    free(plan->text);
    memset(plan, 0, sizeof *plan);
}

int bench_plan_at(const bench_plan *plan, int round, int rounds, int place)
{
    const int step = plan->count / (rounds > 0 ? rounds : 1) > 1 ? plan->count / rounds : 1;
    return (place + round * step) % plan->count;
}
