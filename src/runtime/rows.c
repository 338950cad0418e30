/* Memory for requests' inputs in rows of one tensor, so that requests which are run together can be
 * read where they lie (run.c).
 *
 * A slab holds twice as many rows as the largest batch; requests take them in order of coming,
 * which is the order in which a model's requests are put together, and in a ring, so that a few
 * warm slabs are enough. Once all rows of a slab were given back it begins anew: at low load that
 * is the same row again and again. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/value_info.h"
#include "runtime/parts.h"

/* Bytes of a slab at most, unless a single row is larger (chosen: 13 images of 224 x 224 x 3
 * floats); and how many slabs a model may have (chosen: what is in flight beyond that is not the
 * usual case, and its callers have memory of their own). */
static const size_t SLAB_BYTES_MAX = (size_t)8 << 20;
enum { SLABS_MAX = 16, ALIGNMENT = 64 };

struct cosrel_inputs {
    row_slab *slab;
    uint32_t holders; /* who took it, and a run that reads it; 0: free */
};

struct row_slab {
    row_pool *pool;
    row_slab *next_slab;
    char *memory;
    uint32_t next, held; /* the row to be taken next, if it is free; how many are not */
    cosrel_inputs rows[];
};

/* Bytes of one row of this input; 0: not known before the request is there. */
static size_t row_bytes(const cosrel_value_info *info)
{
    const size_t bytes = info->batch_axis == 0 ? value_info_bytes(info, 1) : 0;
    /* Elements of four bits: a row may end in the middle of a byte. */
    return value_info_bytes(info, 2) == 2 * bytes ? bytes : 0;
}

static cosrel_status add_input(row_pool *pool, const cosrel_value_info *info, size_t i)
{
    const size_t bytes = row_bytes(info);
    if (bytes == 0)
        return COSREL_UNSUPPORTED;
    pool->shapes[i] = malloc(info->rank * sizeof *pool->shapes[i]);
    if (!pool->shapes[i])
        return COSREL_OUT_OF_MEMORY;
    memcpy(pool->shapes[i], info->shape, info->rank * sizeof *pool->shapes[i]);
    pool->shapes[i][0] = 1;
    pool->bytes[i] = bytes;
    return COSREL_OK;
}

cosrel_status rows_init(row_pool *pool, const model_io *io, int32_t batch_max)
{
    size_t row = 0;
    pthread_mutex_init(&pool->lock, NULL);
    pool->io = io;
    pool->shapes = calloc(io->input_count + 1, sizeof *pool->shapes);
    pool->bytes = calloc(io->input_count + 1, sizeof *pool->bytes);
    pool->offsets = calloc(io->input_count + 1, sizeof *pool->offsets);
    cosrel_status status = pool->shapes && pool->bytes && pool->offsets ? COSREL_OK
                                                                        : COSREL_OUT_OF_MEMORY;
    for (size_t i = 0; i < io->input_count && status == COSREL_OK; i++) {
        status = add_input(pool, &io->inputs[i], i);
        row += pool->bytes[i];
    }
    if (status != COSREL_OK || row == 0)
        return status == COSREL_UNSUPPORTED ? COSREL_OK : status; /* without rows */
    const size_t fit = SLAB_BYTES_MAX / row;
    const size_t wanted = 2 * (size_t)batch_max; /* so that few batches lie across two slabs */
    pool->rows = (uint32_t)(fit < 1 ? 1 : fit < wanted ? fit : wanted);
    for (size_t i = 0; i < io->input_count; i++) {
        pool->offsets[i] = pool->slab_bytes;
        pool->slab_bytes += (pool->bytes[i] * pool->rows + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    return COSREL_OK;
}

static void free_slab(row_slab *s)
{
    free(s->memory);
    free(s);
}

/* Locked. */
static void drop_idle(row_pool *pool)
{
    for (row_slab **at = &pool->slabs; *at;) {
        row_slab *s = *at;
        if (s->held > 0) {
            at = &s->next_slab;
            continue;
        }
        *at = s->next_slab;
        pool->slab_count--;
        free_slab(s);
    }
}

void rows_close(row_pool *pool)
{
    if (!pool->io)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->closed = true;
    drop_idle(pool);
    pthread_mutex_unlock(&pool->lock);
}

void rows_reopen(row_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->closed = false;
    pthread_mutex_unlock(&pool->lock);
}

void rows_deinit(row_pool *pool)
{
    if (!pool->io)
        return;
    while (pool->slabs) {
        row_slab *s = pool->slabs;
        pool->slabs = s->next_slab;
        free_slab(s);
    }
    for (size_t i = 0; pool->shapes && i < pool->io->input_count; i++)
        free(pool->shapes[i]);
    free(pool->shapes);
    free(pool->bytes);
    free(pool->offsets);
    pthread_mutex_destroy(&pool->lock);
    memset(pool, 0, sizeof *pool);
}

static row_slab *make_slab(row_pool *pool)
{
    row_slab *s = calloc(1, sizeof *s + pool->rows * sizeof s->rows[0]);
    if (s)
        s->memory = aligned_alloc(ALIGNMENT, pool->slab_bytes);
    if (!s || !s->memory) {
        free(s);
        return NULL;
    }
    s->pool = pool;
    for (uint32_t k = 0; k < pool->rows; k++)
        s->rows[k].slab = s;
    return s;
}

/* One with room: one that was begun, so that rows follow each other; else one that is empty.
 * Locked. */
static row_slab *find_slab(row_pool *pool)
{
    row_slab *empty = NULL;
    for (row_slab *s = pool->slabs; s; s = s->next_slab) {
        if (s->held > 0 && s->rows[s->next].holders == 0)
            return s;
        if (s->held == 0)
            empty = s;
    }
    if (empty || pool->slab_count == SLABS_MAX)
        return empty;
    row_slab *s = make_slab(pool);
    if (!s)
        return NULL;
    s->next_slab = pool->slabs;
    pool->slabs = s;
    pool->slab_count++;
    return s;
}

cosrel_status cosrel_inputs_take(cosrel_model *model, cosrel_tensor *tensors, cosrel_inputs **out,
                                 cosrel_error *err)
{
    row_pool *pool = &model->rows;
    uint32_t row = 0;
    *out = NULL;
    if (pool->rows == 0)
        return error_set(err, COSREL_UNSUPPORTED,
                         "%s: its inputs have no shape that is known beforehand", model->name);
    pthread_mutex_lock(&pool->lock);
    row_slab *s = pool->closed ? NULL : find_slab(pool);
    if (s) {
        row = s->next;
        s->next = (row + 1) % pool->rows;
        s->held++;
        s->rows[row].holders = 1;
        *out = &s->rows[row];
    }
    pthread_mutex_unlock(&pool->lock);
    if (!s)
        return error_set(err, COSREL_UNAVAILABLE, "%s: no more memory for inputs is lent out",
                         model->name);
    for (size_t i = 0; i < pool->io->input_count; i++)
        tensors[i] = (cosrel_tensor){.name = pool->io->inputs[i].name,
                                     .type = pool->io->inputs[i].type,
                                     .rank = pool->io->inputs[i].rank,
                                     .shape = pool->shapes[i],
                                     .data = s->memory + pool->offsets[i] + row * pool->bytes[i],
                                     .bytes = pool->bytes[i]};
    return COSREL_OK;
}

void cosrel_inputs_give(cosrel_inputs *inputs)
{
    if (!inputs)
        return;
    row_slab *s = inputs->slab;
    row_pool *pool = s->pool;
    pthread_mutex_lock(&pool->lock);
    if (--inputs->holders == 0 && --s->held == 0)
        s->next = 0;
    if (pool->closed)
        drop_idle(pool);
    pthread_mutex_unlock(&pool->lock);
}

/* All inputs lie where that row's belong. */
static bool is_row(const row_pool *pool, const row_slab *s, size_t row, const cosrel_tensor *inputs)
{
    for (size_t i = 0; i < pool->io->input_count; i++)
        if (inputs[i].bytes != pool->bytes[i] ||
            (const char *)inputs[i].data != s->memory + pool->offsets[i] + row * pool->bytes[i])
            return false;
    return true;
}

/* Locked. */
static cosrel_inputs *find_row(const row_pool *pool, const cosrel_tensor *inputs)
{
    for (row_slab *s = pool->slabs; s; s = s->next_slab) {
        const uintptr_t from = (uintptr_t)s->memory + pool->offsets[0];
        const uintptr_t at = (uintptr_t)inputs[0].data;
        const size_t row = at < from ? pool->rows : (at - from) / pool->bytes[0];
        if (row < pool->rows && s->rows[row].holders > 0 && is_row(pool, s, row, inputs))
            return &s->rows[row];
    }
    return NULL;
}

cosrel_inputs *rows_hold(row_pool *pool, const cosrel_tensor *inputs)
{
    if (pool->rows == 0)
        return NULL;
    pthread_mutex_lock(&pool->lock);
    cosrel_inputs *row = find_row(pool, inputs);
    if (row)
        row->holders++;
    pthread_mutex_unlock(&pool->lock);
    return row;
}
