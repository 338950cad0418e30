/* `cosrel bound`: what the best scheduler imaginable could get out of a device. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "commands.h"
#include "profile/table.h"
#include "sched/bound.h"
#include "sim/processors.h"

typedef struct bound_values {
    const char *device;
    const char *mix;
    double rate_rps; /* 0: not given */
    double load;     /* 0: not given */
    bool prices;
    bool json;
} bound_values;

static const cli_option OPTIONS[] = {
    {.name = "device",
     .kind = CLI_TEXT,
     .value = "D.csv",
     .help = "device table (needed)",
     .offset = offsetof(bound_values, device)},
    {.name = "mix",
     .kind = CLI_TEXT,
     .value = "M=W,...",
     .help = "weight of each model among the requests, of any sum;\n"
             "default: all models of the table alike",
     .offset = offsetof(bound_values, mix)},
    {.name = "rate",
     .kind = CLI_NUMBER,
     .value = "R",
     .help = "also the least energy per request at R requests/s",
     .offset = offsetof(bound_values, rate_rps),
     .min = 1e-9,
     .max = 1e12},
    {.name = "load",
     .kind = CLI_NUMBER,
     .value = "F",
     .help = "the same at F times the capacity, 0 < F <= 1",
     .offset = offsetof(bound_values, load),
     .min = 1e-9,
     .max = 1},
    {.name = "prices",
     .kind = CLI_FLAG,
     .help = "with --json: what processors and models are worth, too",
     .offset = offsetof(bound_values, prices)},
    {.name = "json",
     .kind = CLI_FLAG,
     .help = "one JSON object on standard output",
     .offset = offsetof(bound_values, json)},
};

/* What is asked, and the answers. */
typedef struct question {
    const cli_call *call;
    const char *path;
    device_table *table;
    sim_device device;
    double *mix; /* sums up to 1 */
    bound_problem problem;
    bound_result best;
    bool with_energy;
    bound_result frugal; /* only with_energy */
} question;

static int find_model(const sim_device *d, const char *name)
{
    for (int m = 0; m < d->model_count; m++)
        if (strcmp(d->models[m], name) == 0)
            return m;
    return -1;
}

/* One "model=weight". */
static int read_weight(const question *q, char *item)
{
    const sim_device *d = &q->device;
    char *equals = strrchr(item, '=');
    double weight;
    if (!equals)
        return cli_wrong(q->call->command, "--mix: '%s' has no weight; expected MODEL=WEIGHT",
                         item);
    *equals = '\0';
    const int m = find_model(d, item);
    if (m < 0) {
        const char *nearest = text_nearest(item, d->models, (size_t)d->model_count);
        return cli_wrong(q->call->command, "--mix: %s has no model '%s'%s%s%s", q->path, item,
                         nearest ? "; did you mean '" : "", nearest ? nearest : "",
                         nearest ? "'?" : "");
    }
    if (!text_to_double(equals + 1, &weight) || !(weight >= 0))
        return cli_wrong(q->call->command,
                         "--mix: the weight of '%s' is '%s'; expected a number of at least 0", item,
                         equals + 1);
    if (!isnan(q->mix[m]))
        return cli_wrong(q->call->command, "--mix: '%s' is there twice", item);
    q->mix[m] = weight;
    return CLI_DONE;
}

static int read_weights(const question *q, char *text)
{
    const char **items;
    size_t count;
    if (!cli_split(text, &items, &count))
        return cli_wrong(q->call->command,
                         "--mix: '%s' has an empty part; expected "
                         "MODEL=WEIGHT,MODEL=WEIGHT,...",
                         ((const bound_values *)q->call->values)->mix);
    int status = CLI_DONE;
    for (size_t i = 0; i < count && status == CLI_DONE; i++)
        status = read_weight(q, (char *)items[i]); /* parts of `text` */
    free(items);
    return status;
}

static int read_mix(question *q)
{
    const bound_values *v = q->call->values;
    const int models = q->device.model_count;
    double sum = 0;
    for (int m = 0; m < models; m++)
        q->mix[m] = v->mix ? NAN : 1;
    if (v->mix) {
        char *text = strdup(v->mix);
        const int status = text ? read_weights(q, text) : CLI_FAILED;
        free(text);
        if (status != CLI_DONE)
            return status;
    }
    for (int m = 0; m < models; m++) {
        q->mix[m] = isnan(q->mix[m]) ? 0 : q->mix[m];
        sum += q->mix[m];
    }
    if (!(sum > 0) || !isfinite(sum))
        return cli_wrong(q->call->command, "--mix: the weights sum up to %g; expected more than 0",
                         sum);
    for (int m = 0; m < models; m++)
        q->mix[m] /= sum;
    return CLI_DONE;
}

static void print_json(const question *q)
{
    const bound_values *v = q->call->values;
    text_builder b = {0};
    char *line;
    text_add(&b, "{\"capacity_rps\":");
    text_add_double(&b, q->best.rate_rps);
    if (q->with_energy) {
        text_add(&b, ",\"energy_mj_per_request\":");
        text_add_double(&b, q->frugal.energy_mj_per_request);
    }
    for (int p = 0; p < q->device.processor_count && v->prices; p++) {
        text_add(&b, p ? "," : ",\"prices\":{\"processors\":{");
        text_add_json(&b, q->device.processors[p].name);
        text_add(&b, ":");
        text_add_double(&b, q->best.processor_price[p]);
    }
    for (int m = 0; m < q->device.model_count && v->prices; m++) {
        text_add(&b, m ? "," : "},\"models\":{");
        text_add_json(&b, q->device.models[m]);
        text_add(&b, ":");
        text_add_double(&b, q->best.model_price[m]);
    }
    text_add(&b, v->prices ? "}}}" : "}");
    if (text_take(&b, &line, NULL) == COSREL_OK)
        puts(line);
    else
        cli_say(q->call->command, "out of memory");
    free(line);
}

static int longest_name(const question *q)
{
    size_t longest = strlen("requests/s per s");
    for (int m = 0; m < q->device.model_count; m++)
        longest = strlen(q->device.models[m]) > longest ? strlen(q->device.models[m]) : longest;
    return (int)longest;
}

static int column_of(const question *q, int p)
{
    const size_t length = strlen(q->device.processors[p].name);
    return length > 8 ? (int)length : 8;
}

static void print_share(double share, int width)
{
    if (share > 0)
        printf("  %*.1f%%", width - 1, 100 * share);
    else
        printf("  %*s", width, "-");
}

/* How a plan shares out the processors' time. */
static void print_plan(const question *q, const bound_result *r)
{
    const sim_device *d = &q->device;
    const int width = longest_name(q);
    printf("%-*s  %7s  %8s", width, "share of time", "mix", "cost");
    for (int p = 0; p < d->processor_count; p++)
        printf("  %*s", column_of(q, p), d->processors[p].name);
    for (int m = 0; m < d->model_count; m++) {
        if (q->mix[m] <= 0)
            continue;
        printf("\n%-*s  %6.2f%%  %8.4g", width, d->models[m], 100 * q->mix[m], r->model_price[m]);
        for (int p = 0; p < d->processor_count; p++)
            print_share(bound_share(&q->problem, r, m, p), column_of(q, p));
    }
    printf("\n%-*s  %7s  %8s", width, "all", "", "");
    for (int p = 0; p < d->processor_count; p++)
        print_share(bound_share(&q->problem, r, -1, p), column_of(q, p));
    putchar('\n');
}

static void print_prices(const question *q, const bound_result *r, const char *unit)
{
    printf("%-*s  %7s  %8s", longest_name(q), unit, "", "");
    for (int p = 0; p < q->device.processor_count; p++)
        printf("  %*.4g", column_of(q, p), r->processor_price[p]);
    putchar('\n');
}

/* The narrowest processor that holds the dearest unit: sets of cores are dear through their cores.
 */
static int bottleneck(const question *q)
{
    const sim_device *d = &q->device;
    int unit = 0, found = -1;
    for (int u = 1; u < 64; u++)
        unit = q->best.unit_price[u] > q->best.unit_price[unit] ? u : unit;
    for (int p = 0; p < d->processor_count; p++) {
        const uint64_t units = d->processors[p].units;
        if ((units >> unit & 1) &&
            (found < 0 ||
             __builtin_popcountll(units) < __builtin_popcountll(d->processors[found].units)))
            found = p;
    }
    return found;
}

static void print_table(const question *q)
{
    const int dear = bottleneck(q);
    printf("capacity: %.6g requests/s of this mix; no scheduler can sustain more\n\n",
           q->best.rate_rps);
    print_plan(q, &q->best);
    print_prices(q, &q->best, "requests/s per s");
    printf(
        "\ncost: how many requests of the mix one of that model costs. requests/s per s: what a "
        "second more of a\nprocessor's time in every second would add. Bottleneck: %s, with %.0f%% "
        "of the worth of the device.\n",
        q->device.processors[dear].name, 100 * q->best.processor_price[dear] / q->best.rate_rps);
    if (!q->with_energy)
        return;
    printf("\nat %.6g requests/s (%.1f%% of the capacity): at least %.6g mJ per request\n\n",
           q->frugal.rate_rps, 100 * q->frugal.rate_rps / q->best.rate_rps,
           q->frugal.energy_mj_per_request);
    print_plan(q, &q->frugal);
    print_prices(q, &q->frugal, "mJ per s");
    printf("\ncost: energy of one request more, mJ. mJ per s: what a second more of a processor's "
           "time would save.\n");
}

/* The bound's own errors are about the table and the options: exit status 2. */
static int solve(question *q)
{
    const bound_values *v = q->call->values;
    cosrel_error err = {""};
    q->problem = (bound_problem){.costs = &q->device.costs,
                                 .processors = q->device.processors,
                                 .mix = q->mix,
                                 .models = q->device.models};
    cosrel_status status = bound_capacity(&q->problem, &q->best, &err);
    if (status == COSREL_UNAVAILABLE)
        return cli_wrong(q->call->command, "%s: %s", q->path, err.text);
    if (status != COSREL_OK)
        return cli_fail(q->call->command, status, &err);
    q->with_energy = v->rate_rps > 0 || v->load > 0;
    if (!q->with_energy)
        return CLI_DONE;
    const double rate_rps = v->rate_rps > 0 ? v->rate_rps : v->load * q->best.rate_rps;
    status = bound_energy(&q->problem, rate_rps, &q->frugal, &err);
    if (status == COSREL_UNAVAILABLE)
        return cli_wrong(q->call->command, "--rate: %s", err.text);
    return status == COSREL_OK ? CLI_DONE : cli_fail(q->call->command, status, &err);
}

static int answer(question *q)
{
    const bound_values *v = q->call->values;
    q->mix = calloc((size_t)q->device.model_count, sizeof *q->mix);
    if (!q->mix) {
        cli_say(q->call->command, "out of memory");
        return CLI_FAILED;
    }
    int status = read_mix(q);
    if (status == CLI_DONE)
        status = solve(q);
    if (status != CLI_DONE)
        return status;
    if (v->json)
        print_json(q);
    else
        print_table(q);
    return CLI_DONE;
}

static int run(const cli_call *call)
{
    const bound_values *v = call->values;
    cosrel_error err = {""};
    if (!v->device)
        return cli_wrong(call->command, "--device is missing: the device table (CSV)");
    if (v->rate_rps > 0 && v->load > 0)
        return cli_wrong(call->command, "--rate and --load exclude each other");
    if (v->prices && !v->json)
        return cli_wrong(call->command, "--prices goes with --json; the table shows them anyway");
    question q = {.call = call, .path = v->device};
    cosrel_status status = table_read(v->device, &q.table, &err);
    if (status != COSREL_OK)
        return cli_fail(call->command, status, &err);
    status = sim_device_init(&q.device, q.table, &err);
    const int result = status == COSREL_OK
                           ? answer(&q)
                           : cli_wrong(call->command, "%s: %s", v->device, err.text);
    bound_result_deinit(&q.best);
    bound_result_deinit(&q.frugal);
    free(q.mix);
    sim_device_deinit(&q.device);
    table_free(q.table);
    return result;
}

const cli_command command_bound = {
    .name = "bound",
    .summary = "The greatest arrival rate that any scheduler could sustain",
    .arguments = "--device D.csv [options]",
    .details = "Over all processors and batches of a device table, by linear programming. It also "
               "says how that is\nreached, what a second of each processor is worth, and where the "
               "bottleneck is.",
    .example = "cosrel bound --device this-machine.csv --mix mobilenet_v2=3,resnet50=1",
    .options = OPTIONS,
    .option_count = sizeof OPTIONS / sizeof OPTIONS[0],
    .values_bytes = sizeof(bound_values),
    .run = run,
};
