#include "inputs.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/text.h"
#include "model/tensor_image.h"
#include "model/tensor_npy.h"
#include "model/tensor_pb.h"
#include "model/tensor_random.h"

cosrel_status inputs_random(const cosrel_value_info *infos, size_t count, uint64_t seed,
                            inputs *out, cosrel_error *err)
{
    rng random;
    rng_init(&random, seed);
    memset(out, 0, sizeof *out);
    out->buffers = calloc(count + 1, sizeof *out->buffers);
    out->names = calloc(count + 1, sizeof *out->names);
    out->views = calloc(count + 1, sizeof *out->views);
    cosrel_status status = COSREL_OK;
    if (!out->buffers || !out->names || !out->views)
        status = error_set(err, COSREL_OUT_OF_MEMORY, "no memory for inputs");
    for (size_t i = 0; i < count && status == COSREL_OK; i++) {
        status = tensor_random_init(&random, infos, count, i, 1, &out->buffers[i], err);
        if (status != COSREL_OK)
            break;
        out->count++;
        out->names[i] = strdup(infos[i].name);
        if (!out->names[i])
            status = error_set(err, COSREL_OUT_OF_MEMORY, "no memory for inputs");
        out->views[i] = tensor_buffer_view(&out->buffers[i], out->names[i]);
    }
    if (status != COSREL_OK)
        inputs_deinit(out);
    return status;
}

static bool ends_with(const char *path, const char *ending)
{
    const size_t length = strlen(path);
    const size_t tail = strlen(ending);
    return length >= tail && strcasecmp(path + length - tail, ending) == 0;
}

static cosrel_status read_file(const char *path, const cosrel_value_info *info, tensor_buffer *out,
                               cosrel_error *err)
{
    if (ends_with(path, ".npy"))
        return tensor_npy_read(path, out, err);
    if (ends_with(path, ".pb"))
        return tensor_pb_read(path, out, err);
    if (ends_with(path, ".jpg") || ends_with(path, ".jpeg") || ends_with(path, ".png"))
        return tensor_image_read(path, info, out, err);
    return error_set(err, COSREL_INVALID_ARGUMENT,
                     "--input: %s: the ending must be .npy, .pb, .jpg, .jpeg or .png", path);
}

/* Index of the input that "NAME=..." begins with; *file: what follows. -1: err says why not. */
static int find_input(const inputs *in, const char *assignment, const char **file,
                      cosrel_error *err)
{
    const char *equals = strchr(assignment, '=');
    if (!equals && in->count == 1) {
        *file = assignment;
        return 0;
    }
    if (!equals) {
        error_set(err, COSREL_INVALID_ARGUMENT,
                  "--input: '%s': write NAME=FILE; the model has %zu inputs", assignment,
                  in->count);
        return -1;
    }
    *file = equals + 1;
    char *name = strndup(assignment, (size_t)(equals - assignment));
    int index = -1;
    for (size_t i = 0; name && i < in->count; i++)
        if (strcmp(name, in->names[i]) == 0)
            index = (int)i;
    if (index < 0) {
        const char *nearest = name ? text_nearest(name, (const char *const *)in->names, in->count)
                                   : NULL;
        error_set(err, COSREL_INVALID_ARGUMENT, "--input: the model has no input '%s': %s '%s'%s",
                  name ? name : "", nearest ? "did you mean" : "its first is",
                  nearest ? nearest : in->names[0], nearest ? "?" : "");
    }
    free(name);
    return index;
}

cosrel_status inputs_assign(inputs *in, const cosrel_value_info *infos, const char *assignment,
                            cosrel_error *err)
{
    if (in->count == 0)
        return error_set(err, COSREL_INVALID_ARGUMENT, "--input: the model takes no input");
    const char *file;
    const int index = find_input(in, assignment, &file, err);
    if (index < 0)
        return COSREL_INVALID_ARGUMENT;
    tensor_buffer read;
    const cosrel_status status = read_file(file, &infos[index], &read, err);
    if (status != COSREL_OK)
        return status;
    tensor_buffer_deinit(&in->buffers[index]);
    in->buffers[index] = read;
    in->views[index] = tensor_buffer_view(&in->buffers[index], in->names[index]);
    return COSREL_OK;
}

void inputs_deinit(inputs *in)
{
    for (size_t i = 0; i < in->count; i++) {
        tensor_buffer_deinit(&in->buffers[i]);
        free(in->names[i]);
    }
    free(in->buffers);
    free(in->names);
    free(in->views);
    memset(in, 0, sizeof *in);
}
