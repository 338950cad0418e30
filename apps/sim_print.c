#include "sim_print.h"

#include <stdio.h>

static double decision_us(const sim_result *r, double q)
{
    return (double)hist_percentile(&r->decision_ns, q) / 1e3;
}

json_t *sim_result_json(const char *policy, const sim_result *r)
{
    sim_summary s;
    if (sim_summarise(r, -1, &s) != COSREL_OK)
        return NULL;
    return json_pack("{s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:f, s:f}", "policy",
                     policy, "served", (json_int_t)r->served, "dropped", (json_int_t)r->dropped,
                     "mean_ms", s.mean_ms, "p50_ms", s.p50_ms, "p99_ms", s.p99_ms, "throughput_rps",
                     s.throughput_rps, "deadline_miss_rate", s.deadline_miss_rate,
                     "energy_mj_per_request", s.energy_mj_per_request, "decisions",
                     (json_int_t)r->decisions, "decision_us_p50", decision_us(r, 0.5),
                     "decision_us_p99", decision_us(r, 0.99));
}

void sim_print_heading(void)
{
    printf("%-20s %9s %8s %10s %10s %10s %10s %8s %9s %12s\n", "policy", "served", "dropped",
           "mean ms", "p50 ms", "p99 ms", "req/s", "missed", "mJ/req", "us/decision");
}

cosrel_status sim_print_line(const char *policy, const sim_result *r)
{
    sim_summary s;
    const cosrel_status status = sim_summarise(r, -1, &s);
    if (status != COSREL_OK)
        return status;
    char energy[16] = "-", missed[16] = "-";
    uint64_t with_deadline = 0;
    for (int m = 0; m < r->model_count; m++)
        with_deadline += r->models[m].with_deadline;
    if (r->energy_uj > 0)
        snprintf(energy, sizeof energy, "%.1f", s.energy_mj_per_request);
    if (with_deadline > 0)
        snprintf(missed, sizeof missed, "%.2f%%", 100 * s.deadline_miss_rate);
    printf("%-20s %9llu %8llu %10.3f %10.3f %10.3f %10.3f %8s %9s %12.2f\n", policy,
           (unsigned long long)r->served, (unsigned long long)r->dropped, s.mean_ms, s.p50_ms,
           s.p99_ms, s.throughput_rps, missed, energy, decision_us(r, 0.5));
    if (r->left > 0)
        printf("  %llu requests were never served: nothing was left that can run them\n",
               (unsigned long long)r->left);
    return COSREL_OK;
}

cosrel_status sim_print_details(const sim_result *r, const char *const *models,
                                const sched_processor *processors)
{
    printf("\n%-28s %9s %10s %10s %10s %8s\n", "model", "served", "mean ms", "p50 ms", "p99 ms",
           "missed");
    for (int m = 0; m < r->model_count; m++) {
        sim_summary s;
        char missed[16] = "-";
        const cosrel_status status = sim_summarise(r, m, &s);
        if (status != COSREL_OK)
            return status;
        if (r->models[m].served == 0 && r->models[m].with_deadline == 0)
            continue;
        if (r->models[m].with_deadline > 0)
            snprintf(missed, sizeof missed, "%.2f%%", 100 * s.deadline_miss_rate);
        printf("%-28s %9llu %10.3f %10.3f %10.3f %8s\n", models[m],
               (unsigned long long)r->models[m].served, s.mean_ms, s.p50_ms, s.p99_ms, missed);
    }
    printf("\n%-28s %9s %8s\n", "processor", "runs", "busy");
    const double span_ns = (double)(r->last_end_ns - r->first_arrival_ns);
    for (int p = 0; p < r->processor_count; p++)
        printf("%-28s %9llu %7.1f%%\n", processors[p].name,
               (unsigned long long)r->processors[p].runs,
               span_ns > 0 ? 100 * (double)r->processors[p].busy_ns / span_ns : 0);
    return COSREL_OK;
}
