#include "explain_print.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STRIDE = SCORER_CANDIDATES_MAX,
    SHOWN_MAX = 10, /* features by name (chosen: what fits on a screen); the others are summed up */
    ACTION_BYTES = 256,
};

/* ---- What is shown ---- */

cosrel_status explain_contrast_of(const explain_decision *d, const scorer *net,
                                  explain_contrast *out)
{
    *out = (explain_contrast){.one = d->best, .other = -1};
    if (d->done >= 0 && d->done != d->best)
        out->other = d->done;
    for (int c = 0; c < d->count && (d->done < 0 || d->done == d->best); c++)
        if (c != d->best && (out->other < 0 || d->all[c].score > d->all[out->other].score))
            out->other = c;
    if (out->other < 0)
        return COSREL_OK;
    return scorer_attribute(net, &d->input, out->one, out->other, &out->parts);
}

/* By score, best first. */
static void rank(const explain_decision *d, int *order)
{
    for (int c = 0; c < d->count; c++) {
        int at = c;
        for (; at > 0 && d->all[order[at - 1]].score < d->all[c].score; at--)
            order[at] = order[at - 1];
        order[at] = c;
    }
}

static double probability_of(const explain_decision *d, int c)
{
    const double best = d->all[d->best].score;
    double sum = 0;
    for (int i = 0; i < d->count; i++)
        sum += exp(d->all[i].score - best);
    return exp(d->all[c].score - best) / sum;
}

static void rank_features(const scorer_attribution *a, int *order)
{
    for (int f = 0; f < CANDIDATE_FEATURES; f++) {
        int at = f;
        for (; at > 0 && fabs(a->parts[order[at - 1]]) < fabs(a->parts[f]); at--)
            order[at] = order[at - 1];
        order[at] = f;
    }
}

static const char *ms(int64_t ns, char text[32])
{
    text[trace_format_ms(text, ns)] = '\0';
    return text;
}

/* "start unet on npu0 (request 7)". */
static const char *action(const explain_view *v, const explain_candidate *c, char *out)
{
    char batch[40] = "";
    if (c->processor < 0)
        return "wait";
    if (c->batch > 1)
        snprintf(batch, sizeof batch, " and %d more", c->batch - 1);
    snprintf(out, ACTION_BYTES, "start %.80s on %.80s (request %u%s)", v->device->models[c->model],
             v->device->processors[c->processor].name, c->request, batch);
    return out;
}

/* ---- For people ---- */

static void print_candidates(const explain_view *v, const explain_decision *d)
{
    int order[OBSERVE_CANDIDATES_MAX];
    char end[32];
    rank(d, order);
    printf("\n%-16s %-24s %5s %10s %14s %10s %8s\n", "processor", "model", "batch", "request",
           "would end ms", "score", "softmax");
    for (int i = 0; i < d->count; i++) {
        const int c = order[i];
        const explain_candidate *x = &d->all[c];
        if (x->processor < 0)
            printf("%-16s %-24s %5s %10s %14s", "(wait)", "-", "-", "-", "-");
        else
            printf("%-16s %-24s %5d %10u %14s", v->device->processors[x->processor].name,
                   v->device->models[x->model], x->batch, x->request, ms(x->end_ns, end));
        printf(" %10.4f %7.1f%%%s\n", x->score, 100 * probability_of(d, c),
               c == d->done ? "  done" : "");
    }
}

static void print_contrast(const explain_view *v, const explain_decision *d,
                           const explain_contrast *c)
{
    char one[ACTION_BYTES], other[ACTION_BYTES];
    int order[CANDIDATE_FEATURES];
    double rest = 0;
    int count = 0;
    if (c->other < 0)
        return;
    rank_features(&c->parts, order);
    printf("\nWhy %s", action(v, &d->all[c->one], one));
    printf(" rather than %s: %.4f more\n", action(v, &d->all[c->other], other),
           c->parts.difference);
    printf("%10s %8s %8s  %s\n", "adds", "this", "other", "feature");
    for (int i = 0; i < CANDIDATE_FEATURES; i++) {
        const int f = order[i];
        if (i >= SHOWN_MAX || c->parts.parts[f] == 0) {
            rest += c->parts.parts[f];
            count += c->parts.parts[f] != 0;
            continue;
        }
        printf("%+10.4f %8.3f %8.3f  %-15s %s\n", c->parts.parts[f],
               d->input.x[f * STRIDE + c->one], d->input.x[f * STRIDE + c->other],
               observe_name(false, f), observe_text(false, f));
    }
    if (count > 0)
        printf("%+10.4f %8s %8s  the other %d features\n", rest, "", "", count);
    printf("%+10.4f %8s %8s  left over: how exact the sum is\n", c->parts.left_over, "", "");
}

static void print_state(const explain_decision *d)
{
    printf("\nWhat all candidates have in common:\n");
    for (int f = 0; f < STATE_FEATURES; f++)
        printf("%10.3f  %-15s %s\n", d->input.state[f], observe_name(true, f),
               observe_text(true, f));
}

static void print_done(const explain_view *v, const explain_decision *d)
{
    char done[ACTION_BYTES], best[ACTION_BYTES];
    const char *policy = trace_policy(v->trace->reader);
    printf("%s%s%s%s: %s", v->path, policy[0] ? " (" : "", policy, policy[0] ? ")" : "",
           action(v, &d->brief.done, done));
    if (d->brief.agrees)
        printf("; the network prefers the same\n");
    else
        printf("%s; the network prefers to %s\n",
               d->brief.known ? "" : ", which is no candidate of the network",
               action(v, &d->brief.best, best));
}

/* What the user must know of how well the trace could be followed. */
static void print_doubts(const explain_view *v)
{
    const explain_result *r = v->result;
    if (v->trace->recorded)
        printf("\nA recording: the state is that of the simulator, led along the runs.\n");
    if (v->trace->failed > 0)
        printf("\n%zu runs failed. Whether their processor was out of service after that, a trace "
               "does "
               "not say: here it is not.\n",
               v->trace->failed);
    if (r->bent + r->lost > 0)
        printf("\nNot quite the trace's state: %zu of its runs could only begin later or smaller, "
               "%zu not at all. Is it\nthe right device table?\n",
               r->bent, r->lost);
}

void explain_print_decision(const explain_view *v, const explain_contrast *c)
{
    const explain_decision *d = &v->result->shown;
    char t[32];
    printf("decision %zu of %zu, at %s ms; requests that wait: %u\n", d->brief.number,
           v->result->decisions, ms(d->brief.t_ns, t), d->waiting);
    if (d->last_number > d->brief.number)
        printf("(decisions %zu to %zu are of that instant)\n", d->brief.number, d->last_number);
    print_done(v, d);
    print_candidates(v, d);
    print_contrast(v, d, c);
    print_state(d);
    print_doubts(v);
}

static double percent(size_t part, size_t all)
{
    return all > 0 ? 100 * (double)part / (double)all : 0;
}

void explain_print_summary(const explain_view *v)
{
    const explain_result *r = v->result;
    char t[32], done[ACTION_BYTES], best[ACTION_BYTES];
    printf("%zu decisions; %zu runs more were started where there was nothing to choose\n",
           r->decisions, r->forced);
    printf("the network agrees at %zu (%.1f%%)", r->agreed, percent(r->agreed, r->decisions));
    if (r->unknown > 0)
        printf("; at %zu what was done is no candidate of the network", r->unknown);
    printf("\n");
    if (r->worst_count > 0)
        printf("\nWhere they differ most in score (--decision N explains one):\n%9s %16s %8s\n",
               "decision", "at ms", "differ");
    for (size_t i = 0; i < r->worst_count; i++) {
        const explain_brief *b = &r->worst[i];
        printf("%9zu %16s %8.4f  the trace: %s", b->number, ms(b->t_ns, t), b->loss,
               action(v, &b->done, done));
        printf("; the network: %s\n", action(v, &b->best, best));
    }
    print_doubts(v);
}

/* ---- JSON ---- */

static int put_json(json_t *json)
{
    if (!json)
        return -1;
    const int failed = json_dumpf(json, stdout, JSON_REAL_PRECISION(15));
    putchar('\n');
    json_decref(json);
    return failed;
}

static json_t *candidate_json(const explain_view *v, const explain_candidate *c)
{
    if (c->processor < 0)
        return json_pack("{s:n}", "processor");
    return json_pack("{s:s, s:s, s:i, s:I, s:f}", "processor",
                     v->device->processors[c->processor].name, "model", v->device->models[c->model],
                     "batch", c->batch, "request", (json_int_t)c->request, "end_ms",
                     (double)c->end_ns / 1e6);
}

static json_t *scored_json(const explain_view *v, const explain_decision *d, int c)
{
    json_t *one = candidate_json(v, &d->all[c]);
    if (one && (json_object_set_new(one, "score", json_real(d->all[c].score)) != 0 ||
                json_object_set_new(one, "probability", json_real(probability_of(d, c))) != 0)) {
        json_decref(one);
        return NULL;
    }
    return one;
}

/* Best first, as they are printed; the numbers of `done` and `contrast` count in this order. */
static json_t *candidates_json(const explain_view *v, const explain_decision *d, const int *order)
{
    json_t *all = json_array();
    for (int i = 0; i < d->count; i++)
        json_array_append_new(all, scored_json(v, d, order[i]));
    return all;
}

static json_t *contrast_json(const explain_decision *d, const explain_contrast *c, const int *place)
{
    int order[CANDIDATE_FEATURES];
    if (c->other < 0)
        return json_null();
    json_t *all = json_array();
    rank_features(&c->parts, order);
    for (int i = 0; i < CANDIDATE_FEATURES; i++) {
        const int f = order[i];
        json_array_append_new(all,
                              json_pack("{s:s, s:s, s:f, s:f, s:f}", "name", observe_name(false, f),
                                        "text", observe_text(false, f), "adds", c->parts.parts[f],
                                        "this", (double)d->input.x[f * STRIDE + c->one], "other",
                                        (double)d->input.x[f * STRIDE + c->other]));
    }
    return json_pack("{s:i, s:i, s:f, s:f, s:o}", "this", place[c->one], "other", place[c->other],
                     "difference", c->parts.difference, "left_over", c->parts.left_over, "features",
                     all);
}

static json_t *state_json(const explain_decision *d)
{
    json_t *all = json_object();
    for (int f = 0; f < STATE_FEATURES; f++)
        json_object_set_new(all, observe_name(true, f), json_real(d->input.state[f]));
    return all;
}

cosrel_status explain_json_decision(const explain_view *v, const explain_contrast *c)
{
    const explain_result *r = v->result;
    const explain_decision *d = &r->shown;
    int order[OBSERVE_CANDIDATES_MAX], place[OBSERVE_CANDIDATES_MAX + 1];
    rank(d, order);
    for (int i = 0; i < d->count; i++)
        place[order[i]] = i;
    json_t *json = json_pack(
        "{s:I, s:I, s:f, s:I, s:b, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I}", "decision",
        (json_int_t)d->brief.number, "decisions", (json_int_t)r->decisions, "t_ms",
        (double)d->brief.t_ns / 1e6, "waiting", (json_int_t)d->waiting, "agrees", d->brief.agrees,
        "done", candidate_json(v, &d->brief.done), "done_candidate",
        d->done >= 0 ? json_integer(place[d->done]) : json_null(), "candidates",
        candidates_json(v, d, order), "contrast", contrast_json(d, c, place), "state",
        state_json(d), "bent", (json_int_t)r->bent, "lost", (json_int_t)r->lost, "failed",
        (json_int_t)v->trace->failed);
    return put_json(json) == 0 ? COSREL_OK : COSREL_OUT_OF_MEMORY;
}

cosrel_status explain_json_summary(const explain_view *v)
{
    const explain_result *r = v->result;
    json_t *worst = json_array();
    for (size_t i = 0; i < r->worst_count; i++) {
        const explain_brief *b = &r->worst[i];
        json_array_append_new(
            worst, json_pack("{s:I, s:f, s:f, s:o, s:o}", "decision", (json_int_t)b->number, "t_ms",
                             (double)b->t_ns / 1e6, "difference", b->loss, "done",
                             candidate_json(v, &b->done), "best", candidate_json(v, &b->best)));
    }
    json_t *json = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "decisions",
                             (json_int_t)r->decisions, "forced", (json_int_t)r->forced, "agreed",
                             (json_int_t)r->agreed, "unknown", (json_int_t)r->unknown, "bent",
                             (json_int_t)r->bent, "lost", (json_int_t)r->lost, "failed",
                             (json_int_t)v->trace->failed, "worst", worst);
    return put_json(json) == 0 ? COSREL_OK : COSREL_OUT_OF_MEMORY;
}
