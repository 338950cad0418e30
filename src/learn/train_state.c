#include "learn/train_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/file.h"

static const char MAGIC[8] = "COSRELT\n";
enum { HEADER_NUMBERS = 8, POINT_NUMBERS = 8, FILE_BYTES_MAX = 1 << 24 };

/* All numbers are doubles: whole ones below 2^53 stay exact. Same byte order as the machines it
 * runs on. */
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "training states are written as they lie in memory: little-endian"
#endif

cosrel_status train_state_add(train_state *t, const curve_point *point)
{
    if (t->curve_count == t->curve_room) {
        const size_t room = t->curve_room ? 2 * t->curve_room : 64;
        curve_point *grown = realloc(t->curve, room * sizeof *grown);
        if (!grown)
            return COSREL_OUT_OF_MEMORY;
        t->curve = grown;
        t->curve_room = room;
    }
    t->curve[t->curve_count++] = *point;
    return COSREL_OK;
}

void train_state_deinit(train_state *t)
{
    free(t->curve);
    memset(t, 0, sizeof *t);
}

static size_t bytes_of(size_t points, int parameters)
{
    return sizeof MAGIC + (HEADER_NUMBERS + points * POINT_NUMBERS) * sizeof(double) +
           3 * (size_t)parameters * sizeof(float) + sizeof(uint64_t);
}

static void put_point(double *at, const curve_point *p)
{
    const double numbers[POINT_NUMBERS] = {
        p->round,           (double)p->episodes, p->minutes,         p->exam.all,
        p->exam.by_kind[0], p->exam.by_kind[1],  p->exam.by_kind[2], p->exam.worst};
    memcpy(at, numbers, sizeof numbers);
}

static curve_point get_point(const double *at)
{
    return (curve_point){.round = (int)at[0],
                         .episodes = (uint64_t)at[1],
                         .minutes = at[2],
                         .exam = {.all = at[3], .by_kind = {at[4], at[5], at[6]}, .worst = at[7]}};
}

cosrel_status train_state_write(const char *path, const train_state *t, const student *s,
                                cosrel_error *err)
{
    const int parameters = s->net.parameter_count;
    const size_t bytes = bytes_of(t->curve_count, parameters);
    const size_t row = (size_t)parameters * sizeof(float);
    char *data = malloc(bytes), *at = data;
    if (!data)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory to write '%s'", path);
    const double header[HEADER_NUMBERS] = {(double)t->seed,
                                           t->round,
                                           (double)t->episodes,
                                           t->minutes,
                                           parameters,
                                           (double)t->curve_count,
                                           (double)s->optimiser.steps,
                                           1};
    memcpy(at, MAGIC, sizeof MAGIC);
    memcpy(at += sizeof MAGIC, header, sizeof header);
    at += sizeof header;
    for (size_t i = 0; i < t->curve_count; i++, at += POINT_NUMBERS * sizeof(double)) {
        double point[POINT_NUMBERS];
        put_point(point, &t->curve[i]);
        memcpy(at, point, sizeof point);
    }
    memcpy(at, s->net.parameters, row);
    memcpy(at += row, s->optimiser.mean, row);
    memcpy(at += row, s->optimiser.square, row);
    const uint64_t sum = XXH64(data, bytes - sizeof sum, 0);
    memcpy(at + row, &sum, sizeof sum);
    file_save save;
    cosrel_status status = file_save_begin(&save, path, err);
    if (status == COSREL_OK && fwrite(data, 1, bytes, save.stream) != bytes) {
        file_save_abort(&save);
        status = error_set(err, COSREL_IO, "cannot write '%s'", path);
    } else if (status == COSREL_OK) {
        status = file_save_commit(&save, err);
    }
    free(data);
    return status;
}

static cosrel_status check(const char *path, const char *data, size_t bytes, const student *s,
                           double *header, cosrel_error *err)
{
    uint64_t sum = 0;
    if (bytes < bytes_of(0, 0) || memcmp(data, MAGIC, sizeof MAGIC) != 0)
        return error_set(err, COSREL_INVALID_FILE,
                         "%s: not the state of a training; expected one that 'cosrel train' wrote",
                         path);
    memcpy(&sum, data + bytes - sizeof sum, sizeof sum);
    memcpy(header, data + sizeof MAGIC, HEADER_NUMBERS * sizeof *header);
    if (sum != XXH64(data, bytes - sizeof sum, 0) || !(header[5] >= 0 && header[5] < 1e6))
        return error_set(err, COSREL_INVALID_FILE,
                         "%s: damaged: its checksum does not fit what it holds", path);
    if (header[4] != s->net.parameter_count ||
        bytes != bytes_of((size_t)header[5], s->net.parameter_count))
        return error_set(err, COSREL_INVALID_FILE,
                         "%s: a training of a network of %.0f parameters; this one has %d", path,
                         header[4], s->net.parameter_count);
    return COSREL_OK;
}

static cosrel_status take(const char *data, const double *header, train_state *t, student *s)
{
    const size_t row = (size_t)s->net.parameter_count * sizeof(float);
    const char *at = data + sizeof MAGIC + HEADER_NUMBERS * sizeof(double);
    *t = (train_state){.seed = (uint64_t)header[0],
                       .round = (int)header[1],
                       .episodes = (uint64_t)header[2],
                       .minutes = header[3]};
    for (size_t i = 0; i < (size_t)header[5]; i++, at += POINT_NUMBERS * sizeof(double)) {
        double point[POINT_NUMBERS];
        memcpy(point, at, sizeof point);
        const curve_point p = get_point(point);
        if (train_state_add(t, &p) != COSREL_OK)
            return COSREL_OUT_OF_MEMORY;
    }
    s->optimiser.steps = (int64_t)header[6];
    memcpy(s->net.parameters, at, row);
    memcpy(s->optimiser.mean, at + row, row);
    memcpy(s->optimiser.square, at + 2 * row, row);
    return COSREL_OK;
}

cosrel_status train_state_read(const char *path, train_state *t, student *s, cosrel_error *err)
{
    char *data;
    size_t bytes;
    double header[HEADER_NUMBERS];
    memset(t, 0, sizeof *t);
    cosrel_status status = file_read(path, FILE_BYTES_MAX, &data, &bytes, err);
    if (status != COSREL_OK)
        return status;
    status = check(path, data, bytes, s, header, err);
    if (status == COSREL_OK && take(data, header, t, s) != COSREL_OK)
        status = error_set(err, COSREL_OUT_OF_MEMORY, "no memory to read '%s'", path);
    free(data);
    return status;
}
