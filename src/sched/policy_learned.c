/* The learned policy: every candidate, waiting included, gets a score from one small network; the
 * best is taken (docs/learning.md). Under overload without deadlines, and for a model that starves,
 * a rule leaves no choice; and where a processor would stay idle before a long queue, waiting is
 * none: see observe_queues.c.
 *
 * Reading a policy's file is part of setting up; deciding touches no file and allocates nothing. */
#include <stdlib.h>

#include "base/error.h"
#include "sched/learned.h"
#include "sched/plan.h"
#include "sched/policies.h"

extern const unsigned char embedded_learned_policy[];
extern const size_t embedded_learned_policy_bytes;

typedef struct learned {
    observer *looks[2]; /* at foreground and at background requests: other processors serve them */
    const uint64_t *foreground; /* what the view's `can` is for the former */
    scorer net;                 /* its own; empty where the hook had one */
    bool from_file;             /* asked for by name: the hook's does not replace it */
    const learned_hook *hook;
    scorer_pass pass;
} learned;

cosrel_status learned_shipped(scorer *net, scorer_about *about, cosrel_error *err)
{
    const scorer_shape inputs = observe_shape(1, 1);
    return scorer_parse("the policy that was built in", embedded_learned_policy,
                        embedded_learned_policy_bytes, &inputs, OBSERVE_FEATURES_VERSION, net,
                        about, err);
}

cosrel_status learned_read(const char *path, scorer *net, scorer_about *about, cosrel_error *err)
{
    const scorer_shape inputs = observe_shape(1, 1);
    return scorer_read(path, &inputs, OBSERVE_FEATURES_VERSION, net, about, err);
}

static void destroy(void *state)
{
    learned *l = state;
    if (!l)
        return;
    observer_free(l->looks[0]);
    observer_free(l->looks[1]);
    scorer_deinit(&l->net);
    free(l);
}

static cosrel_status create(const sched_view *view, const char *argument, void **state,
                            cosrel_error *err)
{
    scorer_about about = {.note = NULL};
    cosrel_status status = COSREL_OK;
    learned *l = calloc(1, sizeof *l);
    if (!l || observer_create(view, &l->looks[0]) != COSREL_OK ||
        observer_create(view, &l->looks[1]) != COSREL_OK) {
        destroy(l);
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the policy");
    }
    l->hook = view->learned;
    l->foreground = view->can;
    l->from_file = argument != NULL;
    if (argument)
        status = learned_read(argument, &l->net, &about, err);
    else if (!l->hook || !l->hook->net)
        status = learned_shipped(&l->net, &about, err);
    scorer_about_deinit(&about);
    if (status != COSREL_OK) {
        destroy(l);
        return status;
    }
    *state = l;
    return COSREL_OK;
}

static const scorer *network(const learned *l)
{
    return l->hook && l->hook->net && !l->from_file ? l->hook->net : &l->net;
}

static int best_of(const float *scores, int count)
{
    int best = 0;
    for (int c = 1; c < count; c++)
        if (scores[c] > scores[best])
            best = c;
    return best;
}

static sched_decision decision_of(const sched_view *view, const observation *seen, int choice)
{
    if (choice < 0 || seen->all[choice].processor < 0)
        return (sched_decision){.processor = -1, .hold = plan_holds(view)};
    const observe_candidate *c = &seen->all[choice];
    return (sched_decision){.processor = c->processor,
                            .model = c->model,
                            .batch = view->costs->batches[c->batch_index],
                            .request = c->request};
}

/* Runs shorter than this end before a thought would pay (chosen: two decisions' time). */
static const int64_t THOUGHT_NS = 20000;

static bool all_are_short(const sched_view *view)
{
    for (int i = 0; i < view_active_count(view); i++)
        if (view_fastest_ns(view, view_active(view, i)) > THOUGHT_NS)
            return false;
    return true;
}

/* The oldest request, where it is short too and takes least of the device: time by resource units.
 */
static bool take_oldest(const sched_view *view, sched_decision *out)
{
    const uint32_t request = view_first(view);
    const int model = view->requests[request].model;
    int64_t least = SCHED_NEVER;
    *out = (sched_decision){.processor = -1, .model = model, .batch = 1, .request = request};
    for (uint64_t left = view->can[model] & view->startable; left; left &= left - 1) {
        const int p = view_lowest(left);
        const int64_t cost_ns = view_cost_ns(view, model, p, 0);
        const int64_t taken = cost_ns * __builtin_popcountll(view->processors[p].units);
        if (cost_ns > 0 && cost_ns <= THOUGHT_NS && taken < least) {
            least = taken;
            out->processor = p;
        }
    }
    return out->processor >= 0;
}

static bool decide(void *state, const sched_view *view, sched_decision *out)
{
    learned *l = state;
    /* While it learns, and for the other objectives, every decision counts. */
    if (view->objective->miss == 0 && !(l->hook && l->hook->follow) && all_are_short(view) &&
        take_oldest(view, out))
        return true;
    const observation *seen = observer_look(l->looks[view->can != l->foreground], view);
    int choice = seen->count - 1;
    if (seen->count > 1) {
        scorer_forward(network(l), &seen->input, &l->pass);
        choice = best_of(l->pass.scores, seen->count);
        if (l->hook && l->hook->choose)
            choice = l->hook->choose(l->hook->user, view, seen, l->pass.scores, choice);
    }
    *out = decision_of(view, seen, choice);
    if (l->hook && l->hook->follow)
        l->hook->follow(l->hook->user, view, out);
    return out->processor >= 0;
}

const sched_policy policy_learned = {
    .name = "learned",
    .summary =
        "each candidate scored by a small network that was trained in simulations; learned:FILE",
    .uses_prices = true,
    .create = create,
    .destroy = destroy,
    .arrive = NULL,
    .decide = decide,
};
