#include "learn/world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/rng.h"
#include "sched/bound.h"

double world_fastest_ns(const world *w, int model)
{
    double least = 1e30;
    for (int p = 0; p < w->processor_count; p++) {
        const int64_t cost_ns = cost_at(&w->costs, model, p, 0)->service_ns;
        if (cost_ns > 0 && (double)cost_ns < least)
            least = (double)cost_ns;
    }
    return least;
}

static double between(rng *r, double low, double high)
{
    return low + (high - low) * rng_unit(r);
}

static void draw_mix(world *w, rng *r)
{
    const bool uniform = rng_unit(r) < 0.5;
    double sum = 0;
    for (int m = 0; m < w->model_count; m++) {
        w->mix[m] = uniform ? 1 : rng_exponential(r, 1) * rng_exponential(r, 1) + 0.02;
        sum += w->mix[m];
    }
    for (int m = 0; m < w->model_count; m++)
        w->mix[m] /= sum;
}

static cosrel_status find_capacity(world *w, cosrel_error *err)
{
    const bound_problem problem = {
        .costs = &w->costs, .processors = w->processors, .mix = w->mix, .models = w->models};
    bound_result bound;
    const cosrel_status status = bound_capacity(&problem, &bound, err);
    w->capacity_rps = status == COSREL_OK ? bound.rate_rps : 0;
    bound_result_deinit(&bound);
    return status;
}

/* The named objectives, and anything between them. */
static sched_objective draw_objective(rng *r, bool energy)
{
    static const char *const names[] = {"latency", "deadline", "energy", "balanced"};
    static const double parts[] = {0.45, 0.3, 0.12, 0.08};
    sched_objective out = {.latency = 1};
    double pick = rng_unit(r);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (pick < parts[i]) {
            const cosrel_status found = objective_find(names[i], &out, NULL);
            (void)found;
            break;
        }
        pick -= parts[i];
        out = (sched_objective){.latency = 1};
        if (i + 1 == sizeof parts / sizeof *parts) {
            out.miss = rng_unit(r) < 0.5 ? 0 : between(r, 0, 6);
            out.energy_ns_per_uj = rng_unit(r) < 0.4 ? 0 : pow(10, between(r, 0, 4));
        }
    }
    if (!energy && out.energy_ns_per_uj > 0) /* it would have nothing to save */
        out = (sched_objective){.latency = 1, .miss = out.miss > 0 ? 3 : 0};
    return out;
}

static void draw_deadlines(world *w, rng *r)
{
    const bool any = w->objective.miss > 0 || rng_unit(r) < 0.3;
    const double factor = rng_unit(r) < 0.4 ? 4 : between(r, 1.5, 10);
    const double without = rng_unit(r) < 0.7 ? 0 : 0.3;
    for (int m = 0; m < w->model_count; m++) {
        const bool has = any && rng_unit(r) >= without;
        w->deadline_ns[m] = has ? factor * world_fastest_ns(w, m) : 0;
    }
}

static int draw_model(const world *w, rng *r)
{
    double pick = rng_unit(r);
    for (int m = 0; m + 1 < w->model_count; m++) {
        if (pick < w->mix[m])
            return m;
        pick -= w->mix[m];
    }
    return w->model_count - 1;
}

static cosrel_status add_request(world *w, double t_ns, int model, cosrel_error *err)
{
    const int64_t at_ns = (int64_t)t_ns;
    const arrivals_row row = {.t_ns = at_ns,
                              .model = model,
                              .deadline_ns = w->deadline_ns[model] > 0
                                                 ? at_ns + (int64_t)w->deadline_ns[model]
                                                 : INT64_MAX};
    return arrivals_add(w->arrivals, &row, err);
}

/* Poisson, or with two rates that take turns around the same mean. */
static cosrel_status draw_poisson(world *w, rng *r, int requests, bool bursts, cosrel_error *err)
{
    const double mean_ns = 1e9 / (w->load * w->capacity_rps);
    const double high = bursts ? between(r, 1.3, 2.5) : 1, part = 0.3;
    const double low = (1 - part * high) / (1 - part) > 0.05 ? (1 - part * high) / (1 - part)
                                                             : 0.05;
    const double stay = mean_ns * between(r, 20, 120);
    bool burst = false;
    double t = 0, turn = rng_exponential(r, stay);
    for (int i = 0; i < requests;) {
        const double rate = bursts ? (burst ? high : low) : 1;
        const double next = t + rng_exponential(r, mean_ns / rate);
        if (bursts && next > turn) {
            t = turn;
            burst = !burst;
            turn = t + rng_exponential(r, stay * (burst ? part : 1 - part));
            continue;
        }
        t = next;
        const cosrel_status status = add_request(w, t, draw_model(w, r), err);
        if (status != COSREL_OK)
            return status;
        i++;
    }
    return COSREL_OK;
}

/* Each model by its own clock. */
static cosrel_status draw_periodic(world *w, rng *r, int requests, cosrel_error *err)
{
    const double mean_ns = 1e9 / (w->load * w->capacity_rps);
    double next[WORLD_MODELS_MAX];
    for (int m = 0; m < w->model_count; m++)
        next[m] = rng_unit(r) * mean_ns / w->mix[m];
    for (int i = 0; i < requests; i++) {
        int first = 0;
        for (int m = 1; m < w->model_count; m++)
            first = next[m] < next[first] ? m : first;
        const cosrel_status status = add_request(w, next[first], first, err);
        if (status != COSREL_OK)
            return status;
        next[first] += mean_ns / w->mix[first];
    }
    return COSREL_OK;
}

/* What a device does beyond its table: the built-in description's noise, interference, loading and
 * faults, one or several of them, and a heat of its own. */
static cosrel_status draw_effects(world *w, rng *r, cosrel_error *err)
{
    static const unsigned sets[] = {
        DEVICE_NOISE,  DEVICE_INTERFERENCE, DEVICE_NOISE | DEVICE_INTERFERENCE,
        DEVICE_FAULTS, DEVICE_HEAT,         DEVICE_HEAT | DEVICE_NOISE};
    static const char heat[] =
        "device: drawn\n"
        "heat: {ambient_c: 25, resistance_c_per_w: %.3f, capacity_j_per_c: %.3f, idle_w: 0.5, "
        "power: [{processor: '*', busy_w: 2}], throttle: [{processor: '*', at_c: 60, "
        "hysteresis_c: 5, speed: %.3f}], source: drawn}\n";
    const unsigned set = sets[rng_below(r, sizeof sets / sizeof *sets)];
    cosrel_status status;
    if (set & DEVICE_HEAT) {
        char text[512];
        const int bytes = snprintf(text, sizeof text, heat, between(r, 5, 12), between(r, 0.2, 2),
                                   between(r, 0.4, 0.8));
        status = device_spec_parse("drawn", text, (size_t)bytes, &w->effects, err);
        if (status == COSREL_OK && (set & DEVICE_NOISE))
            status = device_spec_set_noise(w->effects, between(r, 0.05, 0.3), err);
    } else {
        status = device_spec_default(&w->effects, err);
    }
    return status == COSREL_OK ? device_spec_enable(w->effects, set, err) : status;
}

static cosrel_status draw_requests(world *w, rng *r, int requests, cosrel_error *err)
{
    const double kind = rng_unit(r);
    const cosrel_status status = arrivals_make(&w->arrivals, err);
    if (status != COSREL_OK)
        return status;
    if (kind < 0.12)
        return draw_periodic(w, r, requests, err);
    return draw_poisson(w, r, requests, kind < 0.35, err);
}

static bool has_energy(const world *w)
{
    for (int p = 0; p < w->processor_count; p++)
        for (int m = 0; m < w->model_count; m++)
            if (cost_at(&w->costs, m, p, 0)->service_ns > 0 &&
                cost_at(&w->costs, m, p, 0)->energy_uj > 0)
                return true;
    return false;
}

static double draw_load(rng *r)
{
    const double kind = rng_unit(r);
    return kind < 0.08   ? between(r, 1, 1.3)
           : kind < 0.55 ? between(r, 0.8, 1)
                         : between(r, 0.35, 0.8);
}

cosrel_status world_draw(uint64_t seed, int requests, const world_limits *limits, world *w,
                         cosrel_error *err)
{
    rng r;
    memset(w, 0, sizeof *w);
    w->seed = seed;
    rng_init(&r, seed);
    cosrel_status status = limits->device ? world_take_device(w, limits->device)
                                          : world_draw_device(w, &r);
    if (status != COSREL_OK)
        return error_set(err, status, "a world of %d models cannot be had: %s; at most %d models",
                         w->model_count, cosrel_status_text(status), WORLD_MODELS_MAX);
    for (int m = 0; m < w->model_count; m++) {
        snprintf(w->model_names[m], sizeof w->model_names[m], "m%d", m % 1000);
        w->models[m] = w->model_names[m];
    }
    draw_mix(w, &r);
    const sched_objective drawn = draw_objective(&r, has_energy(w));
    w->objective = limits->objective ? *limits->objective : drawn;
    draw_deadlines(w, &r);
    const double load = draw_load(&r);
    w->load = limits->load > 0 ? limits->load : load;
    status = find_capacity(w, err);
    if (status == COSREL_OK)
        status = draw_requests(w, &r, requests, err);
    if (status == COSREL_OK && rng_unit(&r) < 0.25 && !limits->no_effects)
        status = draw_effects(w, &r, err);
    return status;
}

void world_deinit(world *w)
{
    cost_deinit(&w->costs);
    device_spec_free(w->effects);
    arrivals_free(w->arrivals);
    memset(w, 0, sizeof *w);
}
