#include "server/reserve.h"

#include <math.h>

/* Chosen: some hundreds of answers of a fast model, some of a slow one. */
static const double HALVED_NS = 2e9;

static double kept_ns(const reserve *r, int64_t now_ns)
{
    return r->kept_ns > 0 ? r->kept_ns * exp2(-(double)(now_ns - r->at_ns) / HALVED_NS) : 0;
}

int64_t reserve_deadline_ns(const reserve *r, int64_t now_ns, int64_t timeout_ns)
{
    const double kept = kept_ns(r, now_ns);
    const int64_t most_ns = timeout_ns / 2;
    return timeout_ns - (kept < (double)most_ns ? (int64_t)kept : most_ns);
}

void reserve_learn(reserve *r, int64_t now_ns, int64_t over_ns)
{
    const double over = (double)over_ns;
    if (over <= kept_ns(r, now_ns))
        return;
    r->kept_ns = over;
    r->at_ns = now_ns;
}
