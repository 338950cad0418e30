#include "server/metrics.h"

#include <math.h>
#include <string.h>

/* ---- The format ---- */

static void head(text_builder *out, const char *name, const char *type, const char *help)
{
    text_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and newline are escaped. */
static void add_label_value(text_builder *out, const char *value)
{
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            text_addf(out, "\\%c", *value);
        else if (*value == '\n')
            text_add(out, "\\n");
        else
            text_add_bytes(out, value, 1);
    }
}

static void add_labels(text_builder *out, const cosrel_model *model)
{
    const cosrel_model_info *info = cosrel_model_describe(model);
    text_add(out, "model=\"");
    add_label_value(out, info->name);
    text_addf(out, "\",version=\"%lld\"", (long long)info->version);
}

static void add_histogram(text_builder *out, const char *name, const cosrel_model *model,
                          const tally_hist *h)
{
    uint64_t below = 0;
    for (int b = 0; b <= TALLY_BUCKETS; b++) {
        below += h->count[b];
        text_addf(out, "%s_bucket{", name);
        add_labels(out, model);
        if (b < TALLY_BUCKETS)
            text_addf(out, ",le=\"%g\"} %llu\n", tally_bounds[b], (unsigned long long)below);
        else
            text_addf(out, ",le=\"+Inf\"} %llu\n", (unsigned long long)below);
    }
    text_addf(out, "%s_sum{", name);
    add_labels(out, model);
    text_addf(out, "} %.9g\n%s_count{", h->sum_s, name);
    add_labels(out, model);
    text_addf(out, "} %llu\n", (unsigned long long)h->total);
}

/* ---- Models ---- */

static void add_answers(text_builder *out, const tally *t)
{
    head(out, "cosrel_requests_total", "counter",
         "Inference requests that were answered, by status; refused ones too.");
    for (int i = 0; i < t->count; i++)
        for (int s = 0; s < TALLY_STATUSES; s++) {
            if (s != COSREL_OK && !t->models[i].by_status[s])
                continue;
            text_add(out, "cosrel_requests_total{");
            add_labels(out, t->models[i].model);
            text_addf(out, ",status=\"%s\"} %llu\n", cosrel_status_name((cosrel_status)s),
                      (unsigned long long)t->models[i].by_status[s]);
        }
    head(out, "cosrel_requests_unknown_model_total", "counter",
         "Inference requests for models that are not served.");
    text_addf(out, "cosrel_requests_unknown_model_total %llu\n",
              (unsigned long long)t->without_model);
}

/* Of those that were accepted, or would have been but for a full queue, and got no result. */
static void add_drops(text_builder *out, const tally *t)
{
    static const struct {
        cosrel_status status;
        const char *reason;
    } all[] = {{COSREL_DEADLINE_EXCEEDED, "late"},
               {COSREL_RUN_FAILED, "failed"},
               {COSREL_UNAVAILABLE, "unavailable"},
               {COSREL_CANCELLED, "cancelled"},
               {COSREL_QUEUE_FULL, "queue_full"}};
    head(out, "cosrel_requests_dropped_total", "counter",
         "Inference requests that the scheduler gave no result, by reason.");
    for (int i = 0; i < t->count; i++)
        for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
            text_add(out, "cosrel_requests_dropped_total{");
            add_labels(out, t->models[i].model);
            text_addf(out, ",reason=\"%s\"} %llu\n", all[k].reason,
                      (unsigned long long)t->models[i].by_status[all[k].status]);
        }
}

static void add_refusals(text_builder *out, const tally *t)
{
    static const char *const reasons[] = {
#define REASON(name, label) label,
        TALLY_REFUSALS(REASON)
#undef REASON
    };
    head(out, "cosrel_requests_refused_total", "counter",
         "Requests of any kind that were refused before a model was asked, by reason.");
    for (int k = 0; k < TALLY_REFUSAL_COUNT; k++)
        text_addf(out, "cosrel_requests_refused_total{reason=\"%s\"} %llu\n", reasons[k],
                  (unsigned long long)t->refusals[k]);
}

static void add_latencies(text_builder *out, const tally *t)
{
    static const struct {
        const char *name, *help;
        size_t offset;
    } all[] = {
        {"cosrel_request_duration_seconds", "From a request's acceptance to its answer.",
         offsetof(tally_model, total)},
        {"cosrel_request_queue_seconds", "Of that, before its run.", offsetof(tally_model, queue)},
        {"cosrel_request_compute_seconds", "Of that, its run.", offsetof(tally_model, compute)},
    };
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        head(out, all[k].name, "histogram", all[k].help);
        for (int i = 0; i < t->count; i++)
            add_histogram(
                out, all[k].name, t->models[i].model,
                (const tally_hist *)(const void *)((const char *)&t->models[i] + all[k].offset));
    }
}

static void add_batches(text_builder *out, const tally *t)
{
    head(out, "cosrel_request_batch_size", "histogram", "Requests in the run that served it.");
    for (int i = 0; i < t->count; i++) {
        const tally_model *m = &t->models[i];
        uint64_t below = 0;
        for (int b = 0; b < TALLY_BATCHES; b++) {
            below += m->batches[b].requests;
            text_add(out, "cosrel_request_batch_size_bucket{");
            add_labels(out, m->model);
            if (b < TALLY_BATCHES - 1)
                text_addf(out, ",le=\"%d\"} %llu\n", 1 << b, (unsigned long long)below);
            else
                text_addf(out, ",le=\"+Inf\"} %llu\n", (unsigned long long)below);
        }
        text_add(out, "cosrel_request_batch_size_count{");
        add_labels(out, m->model);
        text_addf(out, "} %llu\n", (unsigned long long)below);
    }
    head(out, "cosrel_runs_total", "counter", "Runs: a batch is one.");
    for (int i = 0; i < t->count; i++) {
        text_add(out, "cosrel_runs_total{");
        add_labels(out, t->models[i].model);
        text_addf(out, "} %.0f\n", round(t->models[i].runs));
    }
}

static void add_runtime_models(text_builder *out, cosrel_runtime *rt)
{
    static const struct {
        const char *name, *type, *help;
    } all[] = {
        {"cosrel_requests_waiting", "gauge", "Requests in the queue."},
        {"cosrel_deadlines_total", "counter", "Answered requests that had a deadline."},
        {"cosrel_deadlines_missed_total", "counter",
         "Of those, answered after it or dropped because of it."},
    };
    for (int k = 0; k < 3; k++) {
        head(out, all[k].name, all[k].type, all[k].help);
        const cosrel_model *model;
        for (size_t i = 0; (model = cosrel_runtime_model(rt, i)) != NULL; i++) {
            cosrel_model_stats stats;
            cosrel_model_get_stats(rt, model, &stats);
            const uint64_t values[] = {stats.waiting, stats.with_deadline,
                                       stats.late + stats.dropped};
            text_addf(out, "%s{", all[k].name);
            add_labels(out, model);
            text_addf(out, "} %llu\n", (unsigned long long)values[k]);
        }
    }
}

/* ---- The device ---- */

static void add_processors(text_builder *out, cosrel_runtime *rt)
{
    static const struct {
        const char *name, *type, *help;
    } all[] = {
        {"cosrel_processor_busy_seconds_total", "counter", "Time with a run under way."},
        {"cosrel_processor_runs_total", "counter", "Runs."},
        {"cosrel_processor_failures_total", "counter", "Runs that failed or hung."},
        {"cosrel_processor_available", "gauge", "0: taken out after a failure."},
    };
    for (int k = 0; k < 4; k++) {
        head(out, all[k].name, all[k].type, all[k].help);
        for (size_t p = 0; p < cosrel_runtime_processor_count(rt); p++) {
            cosrel_processor_info info;
            cosrel_processor_stats stats;
            cosrel_runtime_processor(rt, p, &info);
            cosrel_processor_get_stats(rt, p, &stats);
            const double values[] = {(double)stats.busy_ns / 1e9, (double)stats.runs,
                                     (double)stats.failures, info.available};
            text_addf(out, "%s{processor=\"", all[k].name);
            add_label_value(out, info.name);
            text_addf(out, "\"} %.9g\n", values[k]);
        }
    }
}

static void add_number(text_builder *out, const char *name, const char *type, const char *help,
                       double value)
{
    head(out, name, type, help);
    text_addf(out, "%s %.9g\n", name, value);
}

static void add_decisions(text_builder *out, const cosrel_runtime_stats *stats)
{
    static const char name[] = "cosrel_decision_duration_seconds";
    uint64_t below = 0;
    add_number(out, "cosrel_decisions_total", "counter", "Decisions of the scheduler.",
               (double)stats->decisions);
    head(out, name, "histogram", "What a decision of the scheduler took.");
    for (int b = 0; b < COSREL_DECISION_BUCKETS; b++) {
        const int64_t bound_ns = cosrel_decision_bound_ns(b);
        below += stats->decision_times[b];
        if (bound_ns)
            text_addf(out, "%s_bucket{le=\"%g\"} %llu\n", name, (double)bound_ns / 1e9,
                      (unsigned long long)below);
        else
            text_addf(out, "%s_bucket{le=\"+Inf\"} %llu\n", name, (unsigned long long)below);
    }
    text_addf(out, "%s_sum %.9g\n%s_count %llu\n", name, (double)stats->decision_ns / 1e9, name,
              (unsigned long long)below);
}

static void add_learner(text_builder *out, cosrel_learner *learner)
{
    static const char *const states[] = {"learned", "probation", "safe", "waiting"};
    cosrel_learner_stats stats;
    cosrel_learner_get_stats(learner, &stats);
    add_number(out, "cosrel_policy_version", "gauge",
               "Version of the learned policy; 0: the one that ships.", (double)stats.version);
    add_number(out, "cosrel_policy_promotions_total", "counter", "New versions that took over.",
               (double)stats.promoted);
    add_number(out, "cosrel_policy_rollbacks_total", "counter", "Versions that were taken back.",
               (double)stats.taken_back);
    add_number(out, "cosrel_policy_falls_total", "counter", "How often the safe rule took over.",
               (double)stats.fallen);
    head(out, "cosrel_policy_guard_state", "gauge", "1 for the state that the guard is in.");
    for (int s = 0; s < 4; s++)
        text_addf(out, "cosrel_policy_guard_state{state=\"%s\"} %d\n", states[s],
                  (int)stats.state == s);
}

void metrics_add(text_builder *out, const metrics_source *source)
{
    cosrel_runtime_stats stats;
    cosrel_runtime_get_stats(source->rt, &stats);
    add_answers(out, source->counts);
    add_drops(out, source->counts);
    add_refusals(out, source->counts);
    add_latencies(out, source->counts);
    add_batches(out, source->counts);
    add_runtime_models(out, source->rt);
    add_processors(out, source->rt);
    add_decisions(out, &stats);
    add_number(out, "cosrel_copied_bytes_total", "counter",
               "Bytes that were copied to form batches and to take them apart.",
               (double)stats.bytes_copied);
    add_number(out, "cosrel_weights_bytes", "gauge",
               "Weights of the models that are awake, as the budget of memory counts them.",
               (double)stats.memory_bytes);
    add_number(out, "cosrel_model_wakes_total", "counter",
               "Models that slept to keep to the budget of memory and were woken by a request.",
               (double)stats.wakes);
    if (stats.energy_j >= 0)
        add_number(out, "cosrel_energy_joules_total", "counter", "Energy of the whole package.",
                   stats.energy_j);
    add_number(out, "cosrel_requests_under_way", "gauge", "Inference requests being served.",
               source->under_way);
    add_number(out, "cosrel_body_bytes", "gauge", "Bytes of requests' bodies that are held.",
               (double)source->body_bytes);
    add_number(out, "cosrel_access_log_lines_total", "counter", "Lines written to the access log.",
               (double)source->log.lines);
    add_number(out, "cosrel_access_log_lines_lost_total", "counter",
               "Lines that were dropped because the access log could not be written in time.",
               (double)source->log.lost);
    add_number(out, "process_start_time_seconds", "gauge", "When the server started, Unix time.",
               source->started_s);
    head(out, "cosrel_policy_info", "gauge", "The policy and objective that are set.");
    text_add(out, "cosrel_policy_info{policy=\"");
    add_label_value(out, source->policy);
    text_add(out, "\",objective=\"");
    add_label_value(out, source->objective);
    text_add(out, "\"} 1\n");
    if (source->learner)
        add_learner(out, source->learner);
}
