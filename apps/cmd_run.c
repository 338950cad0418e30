#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "commands.h"
#include "inputs.h"
#include "model/tensor_npy.h"
#include "model/value_info.h"
#include "open.h"

typedef struct run_values {
    open_values open;
    const char *processor;
    cli_texts inputs;
    const char *output;
    int64_t seed;
} run_values;

static const run_values DEFAULTS = {.seed = 1};

static const cli_option OPTIONS[] = {
    {.name = "processor",
     .kind = CLI_TEXT,
     .value = "P",
     .help = "where to run; default: the scheduler chooses",
     .offset = offsetof(run_values, processor)},
    {.name = "input",
     .kind = CLI_TEXTS,
     .value = "NAME=FILE",
     .help = "an input: .npy, TensorProto .pb, JPEG or PNG;\nrepeat it for each input; default: "
             "random values",
     .offset = offsetof(run_values, inputs)},
    {.name = "output",
     .kind = CLI_TEXT,
     .value = "DIR",
     .help = "write each output there as NAME.npy",
     .offset = offsetof(run_values, output)},
    {.name = "seed",
     .kind = CLI_INTEGER,
     .value = "N",
     .help = "of the random values; default: 1",
     .offset = offsetof(run_values, seed),
     .min = 0,
     .max = 9007199254740992.0},
    OPEN_OPTIONS(run_values),
};

/* An output's name may hold anything; a file's name may not hold '/' and should not begin with '.'.
 */
static char *output_path(const char *folder, const char *name)
{
    char file[200];
    snprintf(file, sizeof file, "%.190s.npy", name[0] ? name : "output");
    for (char *c = file; *c; c++)
        if (*c == '/' || (unsigned char)*c < ' ' || (c == file && *c == '.'))
            *c = '_';
    return file_join(folder, file);
}

static void print_values(const cosrel_tensor *t)
{
    if (t->type != COSREL_FLOAT32 || t->bytes == 0)
        return;
    const float *values = t->data;
    const size_t count = t->bytes / sizeof *values;
    double sum = 0;
    float low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        low = fminf(low, values[i]);
        high = fmaxf(high, values[i]);
        sum += (double)values[i];
    }
    printf("  from %g to %g, mean %g", (double)low, (double)high, sum / (double)count);
}

static cosrel_status write_outputs(const cosrel_result *result, const char *folder,
                                   cosrel_error *err)
{
    cosrel_status status = folder ? file_make_folder(folder, err) : COSREL_OK;
    for (size_t i = 0; i < result->output_count && status == COSREL_OK; i++) {
        const cosrel_tensor *t = &result->outputs[i];
        text_builder shape = {0};
        value_info_add_shape(&shape, t->shape, NULL, t->rank);
        printf("%s: %s %s", t->name, cosrel_dtype_name(t->type), shape.data ? shape.data : "[]");
        text_deinit(&shape);
        print_values(t);
        if (folder) {
            char *path = output_path(folder, t->name);
            status = path ? tensor_npy_write(path, t, err) : COSREL_OUT_OF_MEMORY;
            if (status == COSREL_OK)
                printf("  -> %s", path);
            free(path);
        }
        putchar('\n');
    }
    return status;
}

static cosrel_status run_once(cosrel_runtime *rt, cosrel_model *model, const run_values *v,
                              cosrel_error *err)
{
    const cosrel_model_info *info = cosrel_model_describe(model);
    inputs in = {0};
    cosrel_status status = inputs_random(info->inputs, info->input_count, (uint64_t)v->seed, &in,
                                         err);
    for (size_t i = 0; i < v->inputs.count && status == COSREL_OK; i++)
        status = inputs_assign(&in, info->inputs, v->inputs.items[i], err);
    const cosrel_result *result = NULL;
    if (status == COSREL_OK)
        status = cosrel_run(rt, model, in.views, in.count, &result, err);
    if (status == COSREL_OK) {
        printf("%s ran on %s in %.3f ms%s\n", info->name, result->processor,
               (double)(result->finished_ns - result->started_ns) / 1e6,
               result->emulated ? " (emulated: the outputs are zeros)" : "");
        status = write_outputs(result, v->output, err);
    }
    cosrel_result_release(result);
    inputs_deinit(&in);
    return status;
}

static cosrel_status load_and_run(cosrel_runtime *rt, const char *path, const run_values *v,
                                  cosrel_error *err)
{
    cosrel_status status = cosrel_runtime_load(rt, path, err);
    if (status != COSREL_OK)
        return status;
    if (cosrel_runtime_model_count(rt) != 1)
        return error_set(err, COSREL_INVALID_ARGUMENT, "%s holds %zu models: name one, such as %s",
                         path, cosrel_runtime_model_count(rt),
                         cosrel_model_describe(cosrel_runtime_model(rt, 0))->path);
    return run_once(rt, cosrel_runtime_model(rt, 0), v, err);
}

static int run(const cli_call *call)
{
    const run_values *v = call->values;
    cosrel_options options;
    progress shown;
    progress_begin(&shown, "load", v->open.quiet);
    open_log log = {.command = call->command, .hold = true};
    open_options(&v->open, &log, &shown, &options);
    if (v->processor)
        options.processors = v->processor;
    cosrel_runtime *rt;
    cosrel_error err = {""};
    cosrel_status status = cosrel_runtime_open(&options, &rt, &err);
    if (status == COSREL_OK) {
        status = load_and_run(rt, call->args[0], v, &err);
        progress_end(&shown);
        cosrel_runtime_close(rt);
    }
    return status == COSREL_OK ? CLI_DONE : cli_fail(call->command, status, &err);
}

const cli_command command_run = {
    .name = "run",
    .summary = "Run one model once",
    .arguments = "MODEL [options]",
    .details = "MODEL is an .onnx file, or a folder that holds one model.",
    .example = "cosrel run models/mobilenet_v2.onnx --input input=cat.jpg --output out",
    .options = OPTIONS,
    .option_count = sizeof OPTIONS / sizeof OPTIONS[0],
    .arg_count_min = 1,
    .arg_count_max = 1,
    .arg_missing = "name the model, an .onnx file",
    .defaults = &DEFAULTS,
    .values_bytes = sizeof DEFAULTS,
    .run = run,
};
