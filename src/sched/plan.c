#include "sched/plan.h"

#include <string.h>

void plan_begin(sched_plan *p, const sched_view *view)
{
    p->view = view;
    p->open = view->startable;
    p->planned = 0;
    p->usable = view->lower_wait ? UINT64_MAX : 0;
    for (int i = 0; i < view_active_count(view); i++)
        p->usable |= view->can[view_active(view, i)];
    memcpy(p->ready_ns, view->ready_ns, (size_t)view->processor_count * sizeof *p->ready_ns);
}

void plan_give(sched_plan *p, int processor, int64_t cost_ns)
{
    const int64_t end_ns = p->ready_ns[processor] + cost_ns;
    const uint64_t conflicts = p->view->conflicts[processor];
    for (uint64_t left = conflicts; left; left &= left - 1) {
        const int q = view_lowest(left);
        if (p->ready_ns[q] < end_ns)
            p->ready_ns[q] = end_ns;
    }
    p->open &= ~conflicts;
    p->planned |= VIEW_BIT(processor);
}

int plan_earliest(const sched_plan *p, int model, uint32_t waiting, int64_t *end_ns)
{
    const sched_view *v = p->view;
    int best = -1;
    *end_ns = SCHED_NEVER;
    for (uint64_t left = v->can[model] & v->up; left; left &= left - 1) {
        const int q = view_lowest(left);
        int64_t cost_ns = view_cost_ns(v, model, q, 0);
        if (cost_ns == 0)
            continue;
        if (waiting > 0) {
            const double share = view_share(v, q, waiting);
            cost_ns = share > 1 ? (int64_t)((double)cost_ns * share) : cost_ns;
        }
        if (p->ready_ns[q] + cost_ns < *end_ns) {
            *end_ns = p->ready_ns[q] + cost_ns;
            best = q;
        }
    }
    return best;
}

uint64_t plan_holds(const sched_view *view)
{
    sched_plan plan;
    plan_begin(&plan, view);
    for (int i = 0; i < view_active_count(view); i++) {
        int64_t end_ns;
        const int model = view_active(view, i);
        const int p = plan_earliest(&plan, model, 0, &end_ns);
        if (p >= 0)
            plan_give(&plan, p, view_cost_ns(view, model, p, 0));
    }
    return plan.planned;
}
