/* Processors break: at planned times, and at random as alternating renewal processes with
 * exponential times up and down (availability: up / (up + down)). Down means gone at once; hanging
 * means that runs stand still, which is noticed when one has done so for `detect_ms`. A hang that
 * passes before that goes unnoticed, and the run goes on.
 *
 * While a processor is broken, nothing breaks it further: planned faults are passed over, and a
 * random one waits anew from the time at which it would have come. */
#include <math.h>
#include <stdlib.h>

#include "sim/device_match.h"
#include "sim/device_parts.h"

static int by_time(const void *left, const void *right)
{
    const device_fault *a = left;
    const device_fault *b = right;
    if (a->at_ns != b->at_ns)
        return a->at_ns < b->at_ns ? -1 : 1;
    return (a->host > b->host) - (a->host < b->host);
}

static bool plan(device_faults *f, const device_faults_spec *spec, const device_layout *layout)
{
    const size_t room = (size_t)spec->event_count * (size_t)layout->count;
    f->planned = calloc(room ? room : 1, sizeof *f->planned);
    if (!f->planned)
        return false;
    for (uint32_t i = 0; i < spec->event_count; i++) {
        const device_event_spec *e = &spec->events[i];
        for (uint64_t left = layout->hosts; left; left &= left - 1) {
            const int p = __builtin_ctzll(left);
            if (device_match(e->processor, layout->processors[p].name) >= 0)
                f->planned[f->planned_count++] = (device_fault){
                    .at_ns = device_ns_of_s(e->at_s),
                    .down_ns = e->for_s ? device_ns_of_s(*e->for_s) : NEVER_NS,
                    .kind = e->kind,
                    .host = p};
        }
    }
    qsort(f->planned, f->planned_count, sizeof *f->planned, by_time);
    return true;
}

/* At least 1 ns, and no later than an int64_t can take a few of. */
static int64_t draw_ns(device_breaks *b, double mean_ns)
{
    const double ns = rng_exponential(&b->stream, mean_ns);
    return ns < 1 ? 1 : ns < 1e18 ? (int64_t)ns : (int64_t)1e18;
}

static int64_t later(int64_t now_ns, int64_t by_ns)
{
    return by_ns >= NEVER_NS - now_ns ? NEVER_NS : now_ns + by_ns;
}

static void init_breaks(device_breaks *b, const device_faults_spec *spec, device_fault_kind kind,
                        const device_layout *layout, const char *name)
{
    int best_match = -1;
    b->next_ns = NEVER_NS;
    for (uint32_t i = 0; i < spec->random_count; i++) {
        const device_random_spec *r = &spec->random[i];
        const int match = r->kind == kind ? device_match(r->processor, name) : -1;
        if (match <= best_match)
            continue;
        best_match = match;
        b->between_ns = r->mean_between_s * 1e9;
        b->down_ns = r->mean_down_s * 1e9;
    }
    if (best_match < 0)
        return;
    device_stream(&b->stream, layout->seed, kind == DEVICE_FAULT_HANG ? "hangs" : "downs", name);
    b->next_ns = draw_ns(b, b->between_ns);
}

static void init_health(device_health *h, const device_faults_spec *spec,
                        const device_layout *layout, const char *name)
{
    const device_failure_spec *fails = device_match_best(spec->failures, sizeof *spec->failures,
                                                         spec->failure_count, name);
    h->back_ns = h->stalled_ns = NEVER_NS;
    h->failure_probability = fails ? fails->probability : 0;
    device_stream(&h->failures, layout->seed, "failures", name);
    init_breaks(&h->breaks[DEVICE_FAULT_DOWN], spec, DEVICE_FAULT_DOWN, layout, name);
    init_breaks(&h->breaks[DEVICE_FAULT_HANG], spec, DEVICE_FAULT_HANG, layout, name);
}

static int64_t detect_at(const device_faults *f, const device_health *h)
{
    return h->stalled_ns == NEVER_NS ? NEVER_NS : later(h->stalled_ns, f->detect_ns);
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void find_next(device_faults *f)
{
    int64_t next_ns = f->planned_at < f->planned_count ? f->planned[f->planned_at].at_ns : NEVER_NS;
    for (uint64_t left = f->hosts; left; left &= left - 1) {
        const device_health *h = &f->health[__builtin_ctzll(left)];
        next_ns = sooner(next_ns, sooner(h->back_ns, detect_at(f, h)));
        next_ns = sooner(next_ns, sooner(h->breaks[0].next_ns, h->breaks[1].next_ns));
    }
    f->next_ns = next_ns;
}

bool faults_init(device_faults *f, const device_faults_spec *spec, const device_layout *layout)
{
    f->detect_ns = spec->detect_ms ? device_ns_of_ms(*spec->detect_ms) : NEVER_NS;
    f->hosts = layout->hosts;
    if (!plan(f, spec, layout))
        return false;
    for (uint64_t left = f->hosts; left; left &= left - 1) {
        const int p = __builtin_ctzll(left);
        init_health(&f->health[p], spec, layout, layout->processors[p].name);
    }
    find_next(f);
    return true;
}

void faults_deinit(device_faults *f)
{
    free(f->planned);
    f->planned = NULL;
}

void faults_set(device_faults *f, int64_t now_ns, uint64_t busy)
{
    for (uint64_t left = f->hosts; left; left &= left - 1) {
        const int p = __builtin_ctzll(left);
        device_health *h = &f->health[p];
        const bool stalls = h->broken && !h->out && (busy >> p & 1);
        if (!stalls)
            h->stalled_ns = NEVER_NS;
        else if (h->stalled_ns == NEVER_NS)
            h->stalled_ns = now_ns;
    }
    find_next(f);
}

static void break_down(device_health *h, int64_t now_ns, device_fault_kind kind, int64_t down_ns)
{
    h->broken = true;
    h->kind = kind;
    h->out = kind == DEVICE_FAULT_DOWN;
    h->back_ns = later(now_ns, down_ns);
}

/* What hangs or is down for ever is never tried again by a random process either: it would find it
 * broken. */
static void break_at_random(device_health *h, int64_t now_ns, device_fault_kind kind)
{
    device_breaks *b = &h->breaks[kind];
    if (b->next_ns > now_ns)
        return;
    if (h->broken && h->back_ns == NEVER_NS) {
        b->next_ns = NEVER_NS;
        return;
    }
    int64_t from_ns = now_ns;
    if (!h->broken) {
        break_down(h, now_ns, kind, draw_ns(b, b->down_ns));
        from_ns = h->back_ns;
    }
    b->next_ns = from_ns == NEVER_NS ? NEVER_NS : later(from_ns, draw_ns(b, b->between_ns));
}

uint64_t faults_step(device_faults *f, int64_t now_ns)
{
    uint64_t back = 0;
    for (uint64_t left = f->hosts; left; left &= left - 1) {
        const int p = __builtin_ctzll(left);
        device_health *h = &f->health[p];
        if (h->back_ns <= now_ns) {
            back |= h->out ? (uint64_t)1 << p : 0;
            h->broken = h->out = false;
            h->back_ns = NEVER_NS;
        }
        if (h->broken && detect_at(f, h) <= now_ns)
            h->out = true;
        h->stalled_ns = h->broken && !h->out ? h->stalled_ns : NEVER_NS;
    }
    for (; f->planned_at < f->planned_count && f->planned[f->planned_at].at_ns <= now_ns;
         f->planned_at++) {
        const device_fault *e = &f->planned[f->planned_at];
        if (!f->health[e->host].broken)
            break_down(&f->health[e->host], now_ns, e->kind, e->down_ns);
    }
    for (uint64_t left = f->hosts; left; left &= left - 1) {
        device_health *h = &f->health[__builtin_ctzll(left)];
        break_at_random(h, now_ns, DEVICE_FAULT_DOWN);
        break_at_random(h, now_ns, DEVICE_FAULT_HANG);
    }
    return back;
}

bool faults_run_fails(device_faults *f, int host)
{
    device_health *h = &f->health[host];
    return h->failure_probability > 0 && rng_unit(&h->failures) < h->failure_probability;
}
