#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cosrel/cosrel.h"
#include "datapath/ways.h"

static const char *policy, *objective;
static cosrel_runtime *rt;
static cosrel_model *models[LOAD_MODELS];
static cosrel_tensor inputs[LOAD_MODELS]; /* without data */

void ways_set_policy(const char *new_policy, const char *new_objective)
{
    policy = new_policy;
    objective = new_objective;
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_datapath: cosrel: %s: %s\n", what, why);
    exit(1);
}

/* What remains when the model has lent all that it lends: memory of the caller's own. */
static void take_own(load_request *r)
{
    r->held = NULL;
    r->input = aligned_alloc(64, (load_models[r->model].in_bytes + 63) / 64 * 64);
    if (!r->input)
        die(load_models[r->model].name, "no memory");
}

static void lend(void *unused, load_request *r)
{
    (void)unused;
    cosrel_tensor tensor;
    cosrel_inputs *row;
    if (cosrel_inputs_take(models[r->model], &tensor, &row, NULL) != COSREL_OK) {
        take_own(r);
        return;
    }
    r->held = row;
    r->input = tensor.data;
}

static void give(void *input, cosrel_inputs *row)
{
    cosrel_inputs_give(row);
    if (!row)
        free(input);
}

/* Once it is answered the request is the load's: what is to be given back is read before. */
static void answered(const cosrel_result *result)
{
    load_request *r = result->user;
    void *const input = r->input;
    cosrel_inputs *const row = r->held;
    if (result->status == COSREL_OK)
        load_answered(r, result->outputs[0].data);
    else
        load_failed(r);
    give(input, row);
}

static void submit(void *unused, load_request *r)
{
    (void)unused;
    cosrel_tensor input = inputs[r->model];
    input.data = r->input;
    const cosrel_request request = {
        .inputs = &input, .input_count = 1, .done = answered, .user = r};
    if (cosrel_submit(rt, models[r->model], &request, NULL, NULL) == COSREL_OK)
        return;
    give(r->input, r->held);
    load_failed(r);
}

static uint64_t copied(void *unused)
{
    (void)unused;
    cosrel_runtime_stats stats;
    cosrel_runtime_get_stats(rt, &stats);
    return stats.bytes_copied;
}

static void describe(int m)
{
    static int64_t shapes[LOAD_MODELS][8];
    models[m] = cosrel_runtime_find_model(rt, load_models[m].name, 0);
    if (!models[m])
        die(load_models[m].name, "is not loaded");
    const cosrel_value_info *info = &cosrel_model_describe(models[m])->inputs[0];
    for (size_t d = 0; d < info->rank && d < 8; d++)
        shapes[m][d] = info->shape[d] < 0 ? 1 : info->shape[d];
    inputs[m] = (cosrel_tensor){.type = info->type,
                                .rank = info->rank,
                                .shape = shapes[m],
                                .bytes = load_models[m].in_bytes};
}

/* Options as they are, and profiled, as `cosrel serve` does. */
static void open_runtime(void *unused)
{
    (void)unused;
    char cache[160];
    cosrel_options options;
    cosrel_error err;
    cosrel_options_init(&options);
    snprintf(cache, sizeof cache, "%.120s.cache", load_models[0].path);
    options.policy = policy;
    options.objective = objective;
    options.cache_folder = cache;
    if (cosrel_runtime_open(&options, &rt, &err) != COSREL_OK)
        die("open", err.text);
    for (int m = 0; m < LOAD_MODELS; m++) {
        if (cosrel_runtime_load(rt, load_models[m].path, &err) != COSREL_OK)
            die(load_models[m].path, err.text);
        describe(m);
    }
    if (cosrel_runtime_profile(rt, NULL, &err) != COSREL_OK)
        die("profile", err.text);
}

static void close_runtime(void *unused)
{
    (void)unused;
    cosrel_runtime_close(rt);
}

const load_way way_cosrel = {"cosrel", NULL, open_runtime, lend, submit, copied, close_runtime};
