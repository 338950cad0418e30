/* One run: from the memory of a batch's requests to their outputs.
 *
 * Requests are run in place where they lie one after the other (rows.c), as a single one always
 * does: the session reads the callers' memory. On devices whose driver may go on reading after a
 * run was given up, only from memory that the model has lent, which is held until the run is over.
 * Otherwise the inputs are gathered into the worker's buffers, to stand one after the other along
 * the batch axis, or to be ours. Outputs are not copied: each request gets a view of its rows, in
 * memory of its own if it brought some (places.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "runtime/parts.h"

static cosrel_status reserve(worker *w, size_t inputs)
{
    if (inputs <= w->input_capacity)
        return COSREL_OK;
    OrtValue **values = realloc(w->inputs, inputs * sizeof *values);
    if (values)
        w->inputs = values;
    void **buffers = realloc(w->buffers, inputs * sizeof *buffers);
    if (buffers)
        w->buffers = buffers;
    size_t *bytes = realloc(w->buffer_bytes, inputs * sizeof *bytes);
    if (bytes)
        w->buffer_bytes = bytes;
    if (!values || !buffers || !bytes)
        return COSREL_OUT_OF_MEMORY;
    for (size_t i = w->input_capacity; i < inputs; i++) {
        w->inputs[i] = NULL;
        w->buffers[i] = NULL;
        w->buffer_bytes[i] = 0;
    }
    w->input_capacity = inputs;
    return COSREL_OK;
}

/* The requests' inputs i as one tensor in `data`. */
static cosrel_status wrap(worker *w, slot *const *slots, int32_t n, size_t i, int64_t rows,
                          void *data, size_t bytes, cosrel_error *err)
{
    int64_t shape[TENSOR_RANK_MAX];
    cosrel_tensor joined = slots[0]->inputs[i];
    if (n > 1) {
        if (joined.rank > TENSOR_RANK_MAX)
            return error_set(err, COSREL_UNSUPPORTED, "input '%s' has %zu dimensions", joined.name,
                             joined.rank);
        memcpy(shape, joined.shape, joined.rank * sizeof *shape);
        shape[0] = rows;
        joined.shape = shape;
    }
    joined.data = data;
    joined.bytes = bytes;
    return ort_value_wrap(&joined, &w->inputs[i], err);
}

static size_t bytes_of(slot *const *slots, int32_t n, size_t i)
{
    size_t bytes = 0;
    for (int32_t k = 0; k < n; k++)
        bytes += slots[k]->inputs[i].bytes;
    return bytes;
}

static bool lie_together(slot *const *slots, int32_t n, size_t i)
{
    for (int32_t k = 1; k < n; k++) {
        const cosrel_tensor *before = &slots[k - 1]->inputs[i];
        if ((const char *)before->data + before->bytes != (const char *)slots[k]->inputs[i].data)
            return false;
    }
    return true;
}

/* For a batch at once as much as the largest one needs: pages that none reaches are not touched. */
static size_t room_for(const cosrel_runtime *rt, size_t bytes, int32_t n, int64_t rows)
{
    const int64_t most = rt->costs.batches[rt->costs.batch_count - 1];
    return n > 1 && most > rows ? bytes / (size_t)rows * (size_t)most : bytes;
}

/* Input i of all requests, one after the other, as one value. */
static cosrel_status gather(worker *w, slot *const *slots, int32_t n, size_t i, int64_t rows,
                            cosrel_error *err)
{
    const size_t bytes = bytes_of(slots, n, i);
    if (bytes > w->buffer_bytes[i]) {
        /* 64: what vector loads like best; aligned_alloc wants a multiple of it. */
        const size_t room = (room_for(w->rt, bytes, n, rows) + 63) / 64 * 64;
        free(w->buffers[i]);
        w->buffers[i] = aligned_alloc(64, room);
        w->buffer_bytes[i] = w->buffers[i] ? room : 0;
        if (!w->buffers[i])
            return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a batch of %d", n);
    }
    char *at = w->buffers[i];
    for (int32_t k = 0; k < n; k++) {
        const cosrel_tensor *t = &slots[k]->inputs[i];
        if (t->bytes)
            memcpy(at, t->data, t->bytes);
        at += t->bytes;
    }
    atomic_fetch_add_explicit(&w->rt->bytes_copied, bytes, memory_order_relaxed);
    return wrap(w, slots, n, i, rows, w->buffers[i], bytes, err);
}

static void give_rows(worker *w)
{
    while (w->row_count > 0)
        cosrel_inputs_give(w->rows[--w->row_count]);
}

/* All requests' inputs lie in rows that the model has lent, and stay there until give_rows. */
static bool hold_rows(worker *w, cosrel_model *m, slot *const *slots, int32_t n)
{
    for (int32_t k = 0; k < n; k++) {
        w->rows[k] = rows_hold(&m->rows, slots[k]->inputs);
        if (!w->rows[k])
            break;
        w->row_count++;
    }
    const bool all = w->row_count == n;
    if (!all)
        give_rows(w);
    return all;
}

static cosrel_status make_inputs(worker *w, cosrel_model *m, const backend_session *session,
                                 slot *const *slots, int32_t n, int64_t rows, cosrel_error *err)
{
    if (reserve(w, m->io.input_count) != COSREL_OK)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a run");
    cosrel_status status = COSREL_OK;
    const bool stays = session->reads_in_place || hold_rows(w, m, slots, n);
    for (size_t i = 0; i < m->io.input_count && status == COSREL_OK; i++) {
        const cosrel_tensor *first = &slots[0]->inputs[i];
        const bool in_place = stays || (n == 1 && first->type == COSREL_STRING);
        if (in_place && lie_together(slots, n, i))
            status = wrap(w, slots, n, i, rows, first->data, bytes_of(slots, n, i), err);
        else
            status = gather(w, slots, n, i, rows, err);
    }
    return status;
}

static void release_inputs(worker *w, size_t count)
{
    give_rows(w);
    for (size_t i = 0; i < count && i < w->input_capacity; i++) {
        if (w->inputs[i])
            ort_api()->ReleaseValue(w->inputs[i]);
        w->inputs[i] = NULL;
    }
}

/* A string tensor as an array of pointers followed by the text. `text` and `offsets` are scratch.
 */
static cosrel_status copy_strings(const OrtValue *value, size_t count, size_t text_bytes,
                                  char *text, size_t *offsets, char *block, cosrel_error *err)
{
    const cosrel_status status = ort_check(
        ort_api()->GetStringTensorContent(value, text, text_bytes, offsets, count), "strings", err);
    if (status != COSREL_OK)
        return status;
    offsets[count] = text_bytes;
    char **pointers = (char **)(void *)block;
    char *at = block + count * sizeof(char *);
    for (size_t k = 0; k < count; k++) {
        const size_t length = offsets[k + 1] - offsets[k];
        pointers[k] = at;
        memcpy(at, text + offsets[k], length);
        at[length] = '\0';
        at += length + 1;
    }
    return COSREL_OK;
}

static cosrel_status look_strings(output_set *set, size_t i, cosrel_tensor *view, cosrel_error *err)
{
    const size_t count = view->bytes / sizeof(char *);
    size_t text_bytes = 0;
    cosrel_status status = ort_check(
        ort_api()->GetStringTensorDataLength(set->values[i], &text_bytes), "strings", err);
    if (status != COSREL_OK)
        return status;
    size_t *offsets = calloc(count + 1, sizeof *offsets);
    char *text = malloc(text_bytes + 1);
    char *block = malloc(count * sizeof(char *) + text_bytes + count + 1);
    if (offsets && text && block)
        status = copy_strings(set->values[i], count, text_bytes, text, offsets, block, err);
    else
        status = error_set(err, COSREL_OUT_OF_MEMORY, "no memory for strings");
    free(offsets);
    free(text);
    if (status != COSREL_OK) {
        free(block);
        return status;
    }
    view->data = block;
    set->strings[i] = block;
    return COSREL_OK;
}

/* Each request's rows of output i. */
static cosrel_status attach_output(const cosrel_model *m, output_set *set, size_t i,
                                   slot *const *slots, int32_t n, int64_t rows, size_t *dims_used,
                                   cosrel_error *err)
{
    cosrel_tensor whole;
    int64_t shape[64];
    cosrel_status status = ort_value_look(set->values[i], &whole, shape,
                                          sizeof shape / sizeof shape[0], err);
    if (status == COSREL_OK && whole.type == COSREL_STRING)
        status = look_strings(set, i, &whole, err);
    if (status != COSREL_OK)
        return status;
    if (n > 1 && (whole.rank == 0 || shape[0] != rows || whole.bytes % (size_t)rows != 0))
        return error_set(err, COSREL_UNSUPPORTED, "%s: output '%s' does not follow the batch",
                         m->info.name, m->io.output_names[i]);
    size_t offset = 0;
    for (int32_t k = 0; k < n; k++) {
        slot *s = slots[k];
        if (slot_reserve_views(s, m->io.output_count, dims_used[k] + whole.rank) != COSREL_OK)
            return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for outputs");
        int64_t *dims = s->view_dims + dims_used[k];
        if (whole.rank)
            memcpy(dims, shape, whole.rank * sizeof *dims);
        cosrel_tensor *view = &s->views[i];
        *view = whole;
        view->name = m->io.output_names[i];
        if (n > 1) {
            dims[0] = s->rows;
            view->bytes = whole.bytes / (size_t)rows * (size_t)s->rows;
            view->data = (char *)whole.data + offset;
            offset += view->bytes;
        }
        dims_used[k] += whole.rank;
    }
    return COSREL_OK;
}

static cosrel_status attach_outputs(worker *w, const cosrel_model *m, slot *const *slots, int32_t n,
                                    int64_t rows, cosrel_error *err)
{
    size_t dims_used[SCHED_BATCH_MAX] = {0};
    cosrel_status status = COSREL_OK;
    for (size_t i = 0; i < m->io.output_count && status == COSREL_OK; i++)
        status = attach_output(m, w->set, i, slots, n, rows, dims_used, err);
    if (status != COSREL_OK)
        return status;
    for (int32_t k = 0; k < n; k++) {
        slot *s = slots[k];
        /* The storage of the shapes may have moved while it grew: set them now. */
        int64_t *dims = s->view_dims;
        for (size_t i = 0; i < m->io.output_count; i++) {
            s->views[i].shape = dims;
            dims += s->views[i].rank;
        }
        atomic_fetch_add(&w->set->users, 1);
        s->outputs = w->set;
        s->result.outputs = s->views;
        s->result.output_count = m->io.output_count;
    }
    return COSREL_OK;
}

static cosrel_status take_set(worker *w, const cosrel_model *m, cosrel_error *err)
{
    if (!w->set)
        w->set = output_set_take(w->rt, m->io.output_count);
    return w->set ? COSREL_OK : error_set(err, COSREL_OUT_OF_MEMORY, "no memory for outputs");
}

static cosrel_status run_values(worker *w, cosrel_model *m, const OrtValue *const *inputs,
                                int32_t batch, cosrel_error *err)
{
    backend_session *session = m->sessions[w->index];
    w->run.inputs = inputs;
    w->run.outputs = w->set->values;
    w->run.batch = batch;
    return session->ops->run(session, &w->run, err);
}

/* Into the callers' memory where that can be. The session refuses to if the outputs are not what
 * the model says of them: then it makes its own, from now on. */
static cosrel_status run_into_places(worker *w, cosrel_model *m, slot *const *slots, int32_t n,
                                     int64_t rows, cosrel_error *err)
{
    const OrtValue *const *inputs = (const OrtValue *const *)w->inputs;
    const bool preset = m->sessions[w->index]->reads_in_place &&
                        places_preset(m, w->set, slots, n, rows);
    const cosrel_status status = run_values(w, m, inputs, n, err);
    if (status == COSREL_OK || !preset)
        return status;
    output_set_clear(w->set);
    const cosrel_status again = run_values(w, m, inputs, n, err);
    if (again == COSREL_OK)
        atomic_store(&m->outputs_differ, true);
    return again;
}

/* The run is over, and the device is free for the next one unless this one must be tried again.
 * False: it took too long and its requests were given to others meanwhile. */
static bool claim(worker *w, bool pass)
{
    pthread_mutex_lock(&w->rt->lock);
    w->claimed = true;
    const bool ours = !w->detached;
    if (pass)
        overlap_pass(w);
    pthread_mutex_unlock(&w->rt->lock);
    return ours;
}

void run_load(worker *w, job_outcome *out)
{
    cosrel_model *m = w->model;
    const device_spec *spec = &w->rt->devices->specs[w->device];
    backend_session *session = NULL;
    cosrel_error err = {.text = ""};
    out->lost = !overlap_take_turn(w);
    if (out->lost)
        return;
    out->statuses[0] = backend_for(spec->kind)->load(spec, &m->source, &session, &err);
    snprintf(w->slots[0]->message, sizeof w->slots[0]->message, "%.255s", err.text);
    if (claim(w, true))
        m->sessions[w->index] = session;
    else if (session)
        session->ops->unload(session);
}

cosrel_status run_batch(worker *w, cosrel_model *m, slot *const *slots, int32_t n, bool last,
                        cosrel_error *err)
{
    const backend_session *session = m->sessions[w->index];
    int64_t rows = 0;
    for (int32_t k = 0; k < n; k++)
        rows += slots[k]->rows;
    cosrel_status status = make_inputs(w, m, session, slots, n, rows, err);
    if (status == COSREL_OK)
        status = take_set(w, m, err);
    if (status == COSREL_OK && !overlap_take_turn(w))
        status = error_set(err, COSREL_UNAVAILABLE, "the processor was taken out");
    if (status == COSREL_OK)
        status = run_into_places(w, m, slots, n, rows, err);
    release_inputs(w, m->io.input_count);
    if (!session->reads_in_place && !claim(w, last && status == COSREL_OK))
        status = error_set(err, COSREL_TIMEOUT, "%s: the run took too long", m->info.name);
    else if (status == COSREL_OK)
        status = attach_outputs(w, m, slots, n, rows, err);
    output_set_release(w->rt, w->set);
    w->set = NULL;
    return status;
}

cosrel_status run_sample(worker *w, cosrel_model *m, cosrel_error *err)
{
    cosrel_status status = take_set(w, m, err);
    if (status == COSREL_OK)
        status = run_values(w, m, (const OrtValue *const *)m->samples, 1, err);
    output_set_release(w->rt, w->set);
    w->set = NULL;
    return status;
}
