#include "nn/scorer_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/file.h"

static const char MAGIC[8] = "COSRELP\n";
enum { FORMAT = 1, HEADER_BYTES = 44, SUM_BYTES = 8 };

static uint64_t get(const uint8_t *at, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

static uint8_t *put(uint8_t *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *at++ = (uint8_t)(value >> 8 * i);
    return at;
}

static cosrel_status check_header(const char *name, const uint8_t *data, size_t bytes,
                                  const scorer_shape *inputs, uint32_t features,
                                  scorer_shape *shape, cosrel_error *err)
{
    if (bytes < HEADER_BYTES + SUM_BYTES || memcmp(data, MAGIC, sizeof MAGIC) != 0)
        return error_set(err, COSREL_INVALID_FILE,
                         "%s: not a policy; expected a file that 'cosrel train' wrote", name);
    if (get(data + 8, 4) != FORMAT)
        return error_set(err, COSREL_INVALID_FILE,
                         "%s: a policy of format %u; this version reads format %d", name,
                         (unsigned)get(data + 8, 4), FORMAT);
    if (XXH64(data, bytes - SUM_BYTES, 0) != get(data + bytes - SUM_BYTES, SUM_BYTES))
        return error_set(err, COSREL_INVALID_FILE,
                         "%s: damaged: its checksum does not fit what it holds", name);
    *shape = (scorer_shape){.candidate_inputs = (int)get(data + 16, 4),
                            .state_inputs = (int)get(data + 20, 4),
                            .first = (int)get(data + 24, 4),
                            .second = (int)get(data + 28, 4)};
    if (get(data + 12, 4) != features || shape->candidate_inputs != inputs->candidate_inputs ||
        shape->state_inputs != inputs->state_inputs)
        return error_set(
            err, COSREL_INVALID_FILE,
            "%s: a policy for %d and %d inputs, meaning %u; this version's are %d and %d, "
            "meaning %u: train it again",
            name, shape->candidate_inputs, shape->state_inputs, (unsigned)get(data + 12, 4),
            inputs->candidate_inputs, inputs->state_inputs, (unsigned)features);
    return COSREL_OK;
}

static cosrel_status take_parameters(const char *name, const uint8_t *at, scorer *net,
                                     cosrel_error *err)
{
    for (int i = 0; i < net->parameter_count; i++, at += 4) {
        const uint32_t bits = (uint32_t)get(at, 4);
        memcpy(&net->parameters[i], &bits, sizeof bits);
        if (!isfinite(net->parameters[i]))
            return error_set(err, COSREL_INVALID_FILE, "%s: parameter %d is not a finite number",
                             name, i);
    }
    return COSREL_OK;
}

cosrel_status scorer_parse(const char *name, const void *bytes_of, size_t bytes,
                           const scorer_shape *inputs, uint32_t features, scorer *net,
                           scorer_about *about, cosrel_error *err)
{
    const uint8_t *data = bytes_of;
    scorer_shape shape;
    *net = (scorer){.parameters = NULL};
    *about = (scorer_about){.note = NULL};
    cosrel_status status = check_header(name, data, bytes, inputs, features, &shape, err);
    if (status != COSREL_OK)
        return status;
    const size_t note = (size_t)get(data + 40, 4);
    status = scorer_init(net, &shape);
    if (status == COSREL_INVALID_ARGUMENT)
        return error_set(err, COSREL_INVALID_FILE,
                         "%s: a network of %d and %d units; at most %d fit", name, shape.first,
                         shape.second, SCORER_UNITS_MAX);
    if (status != COSREL_OK)
        return error_set(err, status, "no memory for policy '%s'", name);
    const size_t expected = HEADER_BYTES + note + (size_t)net->parameter_count * 4 + SUM_BYTES;
    if (note > SCORER_NOTE_MAX || bytes != expected) {
        scorer_deinit(net);
        return error_set(err, COSREL_INVALID_FILE, "%s: %zu bytes; its header says %zu", name,
                         bytes, expected);
    }
    *about = (scorer_about){.features = features,
                            .version = get(data + 32, 8),
                            .checksum = get(data + bytes - SUM_BYTES, SUM_BYTES),
                            .note = strndup((const char *)data + HEADER_BYTES, note)};
    status = about->note ? take_parameters(name, data + HEADER_BYTES + note, net, err)
                         : error_set(err, COSREL_OUT_OF_MEMORY, "no memory for policy '%s'", name);
    if (status != COSREL_OK) {
        scorer_deinit(net);
        scorer_about_deinit(about);
    }
    return status;
}

cosrel_status scorer_read(const char *path, const scorer_shape *inputs, uint32_t features,
                          scorer *net, scorer_about *about, cosrel_error *err)
{
    char *data;
    size_t bytes;
    *net = (scorer){.parameters = NULL};
    *about = (scorer_about){.note = NULL};
    cosrel_status status = file_read(path, SCORER_FILE_BYTES_MAX, &data, &bytes, err);
    if (status != COSREL_OK)
        return status;
    status = scorer_parse(path, data, bytes, inputs, features, net, about, err);
    free(data);
    return status;
}

cosrel_status scorer_write(const char *path, const scorer *net, scorer_about *about,
                           cosrel_error *err)
{
    const scorer_shape *s = &net->shape;
    const size_t note = about->note ? strnlen(about->note, SCORER_NOTE_MAX) : 0;
    const size_t body = HEADER_BYTES + note + (size_t)net->parameter_count * 4;
    uint8_t *data = malloc(body + SUM_BYTES);
    if (!data)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory to write '%s'", path);
    memcpy(data, MAGIC, sizeof MAGIC);
    uint8_t *at = data + sizeof MAGIC;
    const uint32_t numbers[] = {FORMAT,
                                about->features,
                                (uint32_t)s->candidate_inputs,
                                (uint32_t)s->state_inputs,
                                (uint32_t)s->first,
                                (uint32_t)s->second};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        at = put(at, numbers[i], 4);
    at = put(at, about->version, 8);
    at = put(at, note, 4);
    if (note > 0)
        memcpy(at, about->note, note);
    at += note;
    for (int i = 0; i < net->parameter_count; i++) {
        uint32_t bits;
        memcpy(&bits, &net->parameters[i], sizeof bits);
        at = put(at, bits, 4);
    }
    about->checksum = XXH64(data, body, 0);
    put(at, about->checksum, SUM_BYTES);
    file_save save;
    cosrel_status status = file_save_begin(&save, path, err);
    if (status == COSREL_OK && fwrite(data, 1, body + SUM_BYTES, save.stream) != body + SUM_BYTES) {
        file_save_abort(&save);
        status = error_set(err, COSREL_IO, "cannot write '%s'", path);
    } else if (status == COSREL_OK) {
        status = file_save_commit(&save, err);
    }
    free(data);
    return status;
}

void scorer_about_deinit(scorer_about *about)
{
    free(about->note);
    memset(about, 0, sizeof *about);
}
