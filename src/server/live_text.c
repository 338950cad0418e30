#include "server/live_text.h"

#include <math.h>

#include "cosrel/version.h"

/* Milliseconds with three digits, whatever the locale. */
static void add_ms(text_builder *out, int64_t ns)
{
    const int64_t us = (ns < 0 ? -ns : ns) / 1000;
    text_addf(out, "%s%lld", ns < 0 && us > 0 ? "-" : "", (long long)(us / 1000));
    if (us % 1000)
        text_addf(out, ".%03d", (int)(us % 1000));
}

static void add_count(text_builder *out, uint64_t count)
{
    text_addf(out, ",%llu", (unsigned long long)count);
}

/* Viewers know models by their number in the last hello. */
static int number_of(const trail_picture *p, int model)
{
    return model >= 0 && model < p->model_count ? p->models[model].number : -1;
}

/* ---- What there is ---- */

static void add_names(text_builder *out)
{
    const char *name, *summary;
    text_add(out, ",\"objectives\":[");
    for (size_t i = 0; (name = cosrel_objective_at(i)) != NULL; i++)
        text_addf(out, i ? ",\"%s\"" : "\"%s\"", name);
    text_add(out, "],\"policies\":{");
    for (size_t i = 0; cosrel_policy_at(i, &name, &summary); i++) {
        if (i)
            text_add(out, ",");
        text_add_json(out, name);
        text_add(out, ":");
        text_add_json(out, summary);
    }
    text_add(out, "}");
}

void live_text_hello(text_builder *out, const live_facts *facts)
{
    const trail_picture *p = facts->picture;
    text_add(out, "{\"cosrel\":");
    text_add_json(out, cosrel_version());
    text_addf(out, ",\"started_unix_ms\":%lld,\"pace_ms\":%d,\"window_ms\":%d,\"admin\":%s",
              (long long)facts->started_unix_ms, facts->pace_ms, facts->window_ms,
              facts->admin ? "true" : "false");
    text_add(out, ",\"models\":[");
    for (int i = 0; i < p->model_count; i++) {
        if (p->models[i].number < 0)
            continue;
        text_add(out, p->models[i].number ? ",{\"name\":" : "{\"name\":");
        text_add_json(out, p->models[i].name);
        text_addf(out, ",\"version\":%lld}", (long long)p->models[i].version);
    }
    text_add(out, "],\"processors\":[");
    for (int i = 0; i < p->processor_count; i++) {
        const trail_processor *from = &p->processors[i];
        text_add(out, i ? ",{\"name\":" : "{\"name\":");
        text_add_json(out, from->name);
        text_add(out, ",\"kind\":");
        text_add_json(out, from->kind);
        text_add(out, ",\"description\":");
        text_add_json(out, from->description);
        text_addf(out, ",\"background\":%s}", from->background ? "true" : "false");
    }
    text_add(out, "]");
    add_names(out);
    text_add(out, ",\"model_fields\":[\"waiting\",\"completed\",\"failed\",\"cancelled\","
                  "\"dropped\",\"late\",\"with_deadline\",\"runs\",\"recent\",\"p50_ms\","
                  "\"p95_ms\",\"p99_ms\"]");
    text_add(out, ",\"processor_fields\":[\"busy_ms\",\"runs\",\"failures\",\"available\","
                  "\"model\",\"batch\",\"start_ms\"]");
    text_add(out, ",\"run_fields\":[\"processor\",\"model\",\"batch\",\"start_ms\",\"took_ms\","
                  "\"ok\",\"decision\"]}");
}

/* ---- A snapshot ---- */

static void add_models(text_builder *out, const live_frame *f)
{
    text_add(out, ",\"models\":[");
    for (int i = 0; i < f->picture->model_count; i++) {
        const trail_model *m = &f->picture->models[i];
        const hist *h = &f->recent[i];
        if (m->number < 0)
            continue;
        text_addf(out, m->number ? ",[%u" : "[%u", m->waiting);
        const uint64_t counts[] = {m->completed, m->failed,        m->cancelled, m->dropped,
                                   m->late,      m->with_deadline, m->runs,      h->count};
        for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
            add_count(out, counts[k]);
        static const double shares[] = {0.50, 0.95, 0.99};
        for (size_t k = 0; k < sizeof shares / sizeof *shares; k++) {
            text_add(out, ",");
            if (h->count)
                add_ms(out, hist_percentile(h, shares[k]));
            else
                text_add(out, "null");
        }
        text_add(out, "]");
    }
    text_add(out, "]");
}

static void add_processors(text_builder *out, const live_frame *f)
{
    text_add(out, ",\"processors\":[");
    for (int i = 0; i < f->picture->processor_count; i++) {
        const trail_processor *p = &f->picture->processors[i];
        text_add(out, i ? ",[" : "[");
        add_ms(out, p->busy_ns);
        add_count(out, p->runs);
        add_count(out, p->failures);
        const int model = number_of(f->picture, p->model);
        text_addf(out, ",%d,%d,%d,", !p->down, model, model < 0 ? 0 : (int)p->batch);
        add_ms(out, model < 0 ? 0 : p->started_ns - f->origin_ns);
        text_add(out, "]");
    }
    text_add(out, "]");
}

static void add_runs(text_builder *out, const live_frame *f)
{
    text_add(out, ",\"runs\":[");
    for (int i = 0; i < f->picture->run_count; i++) {
        const trail_run *r = &f->picture->runs[i];
        text_addf(out, i ? ",[%d,%d,%d," : "[%d,%d,%d,", r->processor,
                  number_of(f->picture, r->model), (int)r->batch);
        add_ms(out, r->started_ns - f->origin_ns);
        text_add(out, ",");
        add_ms(out, r->finished_ns - r->started_ns);
        text_addf(out, ",%d", r->ok);
        add_count(out, r->decision);
        text_add(out, "]");
    }
    text_add(out, "]");
}

static void add_option(text_builder *out, const trail_picture *p, const trail_option *o)
{
    text_addf(out, "{\"processor\":%d", o->processor);
    if (o->processor >= 0) {
        text_addf(out, ",\"model\":%d,\"batch\":%d,\"expected_ms\":", number_of(p, o->model),
                  (int)o->batch);
        add_ms(out, o->expected_ns);
        text_add(out, ",\"free_ms\":");
        add_ms(out, o->free_ns);
    }
    if (o->preference >= 0) {
        const int parts = (int)(o->preference * 1000 + 0.5);
        text_addf(out, ",\"preference\":%d.%03d", parts / 1000, parts % 1000);
    }
    text_add(out, "}");
}

static void add_decisions(text_builder *out, const live_frame *f)
{
    /* Chosen: more than this is not read by anybody, and costs more than all the rest. */
    enum { SHOWN = 16 };
    const trail_picture *p = f->picture;
    const int first = p->decision_count > SHOWN ? p->decision_count - SHOWN : 0;
    text_add(out, ",\"decisions\":[");
    for (int i = first; i < p->decision_count; i++) {
        const trail_decision *d = &p->decisions[i];
        text_addf(out, i > first ? ",{\"number\":%llu,\"t_ms\":" : "{\"number\":%llu,\"t_ms\":",
                  (unsigned long long)d->number);
        add_ms(out, d->at_ns - f->origin_ns);
        text_add(out, ",\"waited_ms\":");
        add_ms(out, d->waited_ns);
        text_addf(out, ",\"left\":%u,\"times\":%u,\"chosen\":", d->left, d->times);
        add_option(out, p, &d->chosen);
        text_add(out, ",\"others\":[");
        for (int k = 0; k < d->other_count; k++) {
            if (k)
                text_add(out, ",");
            add_option(out, p, &d->others[k]);
        }
        text_add(out, "]}");
    }
    text_add(out, "]");
}

void live_text_snapshot(text_builder *out, const live_frame *f)
{
    const trail_picture *p = f->picture;
    text_addf(out, "{\"number\":%llu,\"t_ms\":", (unsigned long long)f->number);
    add_ms(out, p->now_ns - f->origin_ns);
    text_add(out, ",\"policy\":");
    text_add_json(out, p->policy);
    text_add(out, ",\"objective\":");
    text_add_json(out, p->objective);
    text_add(out, ",\"weights\":[");
    text_add_double(out, p->latency);
    text_add(out, ",");
    text_add_double(out, p->miss);
    text_add(out, ",");
    text_add_double(out, p->energy_ns_per_uj);
    text_addf(out, "],\"decided\":%llu,\"runs_lost\":%llu", (unsigned long long)p->decided,
              (unsigned long long)p->runs_lost);
    text_add(out, ",\"energy_j\":");
    text_add_double(out, f->energy_j < 0 ? (double)NAN : f->energy_j);
    text_add(out, ",\"table_j\":");
    text_add_double(out, f->table_j);
    add_processors(out, f);
    add_models(out, f);
    add_runs(out, f);
    add_decisions(out, f);
    text_add(out, "}");
}
