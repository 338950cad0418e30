/* Memory that a request brings for its outputs: the run writes there itself where the size is known
 * beforehand and the requests' memory makes one piece; else what came out is copied there. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/value_info.h"
#include "runtime/parts.h"

static cosrel_status find_output(const cosrel_model *m, const cosrel_tensor *t, size_t position,
                                 size_t *out, cosrel_error *err)
{
    size_t i = position;
    if (t->name && *t->name)
        for (i = 0; i < m->io.output_count && strcmp(m->io.output_names[i], t->name) != 0; i++)
            continue;
    *out = i;
    if (i < m->io.output_count)
        return COSREL_OK;
    if (t->name && *t->name)
        return error_set(err, COSREL_INVALID_ARGUMENT, "%s has no output '%s'", m->info.name,
                         t->name);
    return error_set(err, COSREL_INVALID_ARGUMENT, "%s has %zu outputs, not %zu", m->info.name,
                     m->io.output_count, position + 1);
}

static cosrel_status take_one(slot *s, const cosrel_model *m, const cosrel_tensor *t,
                              size_t position, cosrel_error *err)
{
    size_t i;
    const cosrel_status status = find_output(m, t, position, &i, err);
    if (status != COSREL_OK)
        return status;
    const cosrel_value_info *info = &m->io.outputs[i];
    const size_t needed = value_info_bytes(info, s->rows);
    if (s->places[i].data)
        return error_set(err, COSREL_INVALID_ARGUMENT, "%s: output '%s' is given memory twice",
                         m->info.name, info->name);
    if (!t->data)
        return error_set(err, COSREL_INVALID_ARGUMENT, "%s: output '%s': the memory is missing",
                         m->info.name, info->name);
    if (info->type == COSREL_STRING)
        return error_set(err, COSREL_UNSUPPORTED,
                         "%s: output '%s': strings are not written to memory of the caller's",
                         m->info.name, info->name);
    if (needed > t->bytes)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "%s: output '%s' has %zu bytes, more than the %zu of its memory",
                         m->info.name, info->name, needed, t->bytes);
    s->places[i] = (output_place){.data = t->data, .bytes = t->bytes};
    return COSREL_OK;
}

cosrel_status places_take(slot *s, const cosrel_model *m, const cosrel_request *request,
                          cosrel_error *err)
{
    const size_t count = m->io.output_count;
    cosrel_status status = COSREL_OK;
    s->has_places = request->output_count > 0;
    if (!s->has_places)
        return COSREL_OK;
    if (slot_reserve_places(s, count) != COSREL_OK)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a request");
    memset(s->places, 0, count * sizeof *s->places);
    for (size_t k = 0; k < request->output_count && status == COSREL_OK; k++)
        status = take_one(s, m, &request->outputs[k], k, err);
    return status;
}

/* ---- Before the run ---- */

static bool overlap(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
    const char *p = a, *q = b;
    return p < q + b_bytes && q < p + a_bytes;
}

/* Written while they are read, inputs would make other outputs. */
static bool is_input_too(const cosrel_model *m, slot *const *slots, int32_t n, const void *data,
                         size_t bytes)
{
    for (int32_t k = 0; k < n; k++)
        for (size_t i = 0; i < m->io.input_count; i++)
            if (overlap(slots[k]->inputs[i].data, slots[k]->inputs[i].bytes, data, bytes))
                return true;
    return false;
}

/* Where output i of all requests belongs, if that is one piece; else NULL. */
static void *one_piece(slot *const *slots, int32_t n, size_t i, size_t row_bytes)
{
    for (int32_t k = 0; k < n; k++)
        if (!slots[k]->has_places || !slots[k]->places[i].data)
            return NULL;
    for (int32_t k = 1; k < n; k++)
        if ((char *)slots[k - 1]->places[i].data + row_bytes * (size_t)slots[k - 1]->rows !=
            (char *)slots[k]->places[i].data)
            return NULL;
    return slots[0]->places[i].data;
}

static bool preset(const cosrel_model *m, output_set *set, size_t i, slot *const *slots, int32_t n,
                   int64_t rows)
{
    const cosrel_value_info *info = &m->io.outputs[i];
    const size_t row_bytes = value_info_bytes(info, 1);
    const size_t element = cosrel_dtype_bytes(info->type, 1);
    int64_t shape[TENSOR_RANK_MAX];
    cosrel_tensor t = {.name = info->name, .type = info->type, .rank = info->rank, .shape = shape};
    t.bytes = value_info_bytes(info, rows);
    t.data = row_bytes && info->rank <= TENSOR_RANK_MAX ? one_piece(slots, n, i, row_bytes) : NULL;
    if (!t.data || t.bytes == 0 || t.bytes != row_bytes * (size_t)rows ||
        (uintptr_t)t.data % element != 0 || is_input_too(m, slots, n, t.data, t.bytes))
        return false;
    memcpy(shape, info->shape, info->rank * sizeof *shape);
    if (info->batch_axis == 0)
        shape[0] = rows;
    cosrel_error ignored;
    return ort_value_wrap(&t, &set->values[i], &ignored) == COSREL_OK;
}

bool places_preset(const cosrel_model *m, output_set *set, slot *const *slots, int32_t n,
                   int64_t rows)
{
    bool any = false;
    if (!slots[0]->has_places || atomic_load(&m->outputs_differ))
        return false;
    for (size_t i = 0; i < m->io.output_count; i++)
        any |= preset(m, set, i, slots, n, rows);
    return any;
}

/* ---- After it ---- */

cosrel_status places_fill(slot *s, cosrel_error *err)
{
    for (size_t i = 0; s->has_places && i < s->result.output_count; i++) {
        cosrel_tensor *t = &s->views[i];
        const output_place *place = &s->places[i];
        if (!place->data || t->data == place->data)
            continue;
        if (t->bytes > place->bytes)
            return error_set(err, COSREL_INVALID_ARGUMENT,
                             "output '%s' has %zu bytes, more than the %zu of its memory", t->name,
                             t->bytes, place->bytes);
        if (t->bytes)
            memcpy(place->data, t->data, t->bytes);
        t->data = place->data;
        atomic_fetch_add_explicit(&s->rt->bytes_copied, t->bytes, memory_order_relaxed);
    }
    return COSREL_OK;
}
