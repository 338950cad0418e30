#include "server/infer_call.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "server/finished.h"
#include "server/json_numbers.h"
#include "server/oip_dtype.h"

/* What vector loads like best; also of the first binary tensor, see http_body.c. */
enum { ALIGNMENT = 64 };

/* Versions in a row that may go between being found and being asked (chosen: a second one in those
 * microseconds has not been seen). */
enum { LOOKS_MAX = 4 };

void infer_call_clear(infer_call *call)
{
    cosrel_result_release(call->result);
    call->result = NULL;
    call->model = NULL;
    call->ticket = 0;
    call->at_once = false;
    call->memory_used = 0;
    for (size_t i = 0; i < call->used_count; i++)
        region_let_go(call->used[i]);
    call->used_count = 0;
}

void infer_call_deinit(infer_call *call)
{
    infer_call_clear(call);
    infer_request_deinit(&call->request);
    free(call->memory);
    call->memory = NULL;
    call->memory_room = 0;
}

/* ---- Tensors ---- */

static size_t padded(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static bool needs_memory(const infer_input *in)
{
    if (in->text || in->type == COSREL_STRING)
        return true;
    const size_t element = cosrel_dtype_bytes(in->type, 1);
    return element && (uintptr_t)in->raw % element != 0;
}

/* Strings become pointers and texts that end in NUL; the lengths before them, or their quotes, and
 * the separators take more room than the NULs. */
static size_t memory_for(const infer_input *in)
{
    const size_t own = padded(cosrel_dtype_bytes(in->type, in->elements));
    return own + (in->type == COSREL_STRING ? padded(in->bytes + in->elements) : 0);
}

/* All at once, since tensors point into it. Never none: a tensor without elements lies somewhere,
 * too. */
static cosrel_status make_room(infer_call *call, cosrel_error *err)
{
    size_t bytes = 1;
    for (size_t i = 0; i < call->request.input_count; i++)
        if (needs_memory(&call->request.inputs[i]))
            bytes += memory_for(&call->request.inputs[i]);
    call->memory_used = 0;
    if (bytes <= call->memory_room)
        return COSREL_OK;
    free(call->memory);
    call->memory_room = padded(bytes);
    call->memory = aligned_alloc(ALIGNMENT, call->memory_room);
    if (call->memory)
        return COSREL_OK;
    call->memory_room = 0;
    return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for tensors of %zu bytes", bytes);
}

static cosrel_status wrong(const infer_input *in, cosrel_error *err, const char *why)
{
    return error_set(err, COSREL_INVALID_ARGUMENT, "input '%s': %s", in->name, why);
}

/* Each: four bytes of length, then so many bytes. */
static cosrel_status read_raw_strings(const infer_input *in, char **pointers, char *at,
                                      cosrel_error *err)
{
    const char *from = in->raw, *end = in->raw + in->bytes;
    for (uint64_t i = 0; i < in->elements; i++) {
        uint32_t length;
        if ((size_t)(end - from) < sizeof length)
            return wrong(in, err, "fewer strings than the shape says");
        memcpy(&length, from, sizeof length);
        from += sizeof length;
        if (length > (size_t)(end - from))
            return wrong(in, err, "a string longer than the data");
        if (memchr(from, '\0', length))
            return wrong(in, err, "a string with a zero byte in it");
        pointers[i] = at;
        memcpy(at, from, length);
        at[length] = '\0';
        at += length + 1;
        from += length;
    }
    return from == end ? COSREL_OK : wrong(in, err, "more strings than the shape says");
}

static cosrel_status flatten(const infer_input *in, const json_t *value, char **pointers,
                             uint64_t *count, char **at, cosrel_error *err)
{
    if (json_is_array(value)) {
        cosrel_status status = COSREL_OK;
        for (size_t i = 0; i < json_array_size(value) && status == COSREL_OK; i++)
            status = flatten(in, json_array_get(value, i), pointers, count, at, err);
        return status;
    }
    if (!json_is_string(value))
        return wrong(in, err, "data: expected strings");
    if (*count == in->elements)
        return wrong(in, err, "more strings than the shape says");
    const size_t length = json_string_length(value);
    pointers[(*count)++] = *at;
    memcpy(*at, json_string_value(value), length + 1);
    *at += length + 1;
    return COSREL_OK;
}

static cosrel_status read_text_strings(const infer_input *in, char **pointers, char *at,
                                       cosrel_error *err)
{
    json_error_t why;
    uint64_t count = 0;
    json_t *root = json_loadb(in->text, in->bytes, 0, &why);
    if (!root && !why.text[0]) /* the library says no more of it */
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a request");
    cosrel_status status = root ? flatten(in, root, pointers, &count, &at, err)
                                : wrong(in, err, why.text);
    if (status == COSREL_OK && count != in->elements)
        status = wrong(in, err, "fewer strings than the shape says");
    json_decref(root);
    return status;
}

static cosrel_status read_strings(infer_call *call, const infer_input *in, cosrel_tensor *out,
                                  cosrel_error *err)
{
    char *at = call->memory + call->memory_used;
    char *texts = at + padded(cosrel_dtype_bytes(COSREL_STRING, in->elements));
    if (in->elements > in->bytes)
        return wrong(in, err, "fewer strings than the shape says");
    out->data = at;
    out->bytes = cosrel_dtype_bytes(COSREL_STRING, in->elements);
    call->memory_used += memory_for(in);
    return in->text ? read_text_strings(in, (char **)(void *)at, texts, err)
                    : read_raw_strings(in, (char **)(void *)at, texts, err);
}

static cosrel_status read_numbers(infer_call *call, const infer_input *in, cosrel_tensor *out,
                                  cosrel_error *err)
{
    cosrel_error why;
    out->data = call->memory + call->memory_used;
    out->bytes = cosrel_dtype_bytes(in->type, in->elements);
    call->memory_used += memory_for(in);
    if (json_numbers_read(in->text, in->bytes, in->type, out->data, in->elements, &why) ==
        COSREL_OK)
        return COSREL_OK;
    return wrong(in, err, why.text);
}

/* Kernels take these bytes for C++'s bool, for which any other value is undefined. What lies in
 * shared memory may change afterwards; then the client's own answer is at stake. */
static bool are_bools(const char *data, size_t bytes)
{
    unsigned char others = 0;
    for (size_t i = 0; i < bytes; i++)
        others |= (unsigned char)data[i] & 0xfe;
    return others == 0;
}

static cosrel_status make_tensor(infer_call *call, const infer_input *in, cosrel_tensor *out,
                                 cosrel_error *err)
{
    *out = (cosrel_tensor){
        .name = in->name, .type = in->type, .rank = in->rank, .shape = in->shape};
    if (in->type == COSREL_STRING)
        return read_strings(call, in, out, err);
    const size_t bytes = cosrel_dtype_bytes(in->type, in->elements);
    if (in->text)
        return read_numbers(call, in, out, err);
    if (in->type == COSREL_BOOL && !are_bools(in->raw, bytes))
        return wrong(in, err, "a byte of a BOOL is neither 0 nor 1");
    out->bytes = bytes;
    out->data = (char *)in->raw;
    if (needs_memory(in)) {
        out->data = call->memory + call->memory_used;
        memcpy(out->data, in->raw, bytes);
        call->memory_used += padded(bytes);
    }
    return COSREL_OK;
}

/* Checked before memory is asked for: a shape costs the client nothing. An element takes a byte of
 * text or of data at least. */
static cosrel_status check_sizes(const infer_request *r, cosrel_error *err)
{
    for (size_t i = 0; i < r->input_count; i++) {
        const infer_input *in = &r->inputs[i];
        const bool sized = !in->text && in->type != COSREL_STRING;
        const size_t bytes = cosrel_dtype_bytes(in->type, in->elements);
        if (!sized && in->elements > in->bytes)
            return wrong(in, err, "fewer elements than its shape says");
        if (sized && in->bytes != bytes)
            return error_set(err, COSREL_INVALID_ARGUMENT,
                             "input '%s': %zu bytes; its shape and type make %zu", in->name,
                             in->bytes, bytes);
    }
    return COSREL_OK;
}

/* ---- Regions ---- */

static cosrel_status use(infer_call *call, const infer_region *where, void **data,
                         cosrel_error *err)
{
    return regions_use(call->regions, where->name, where->offset, where->bytes,
                       &call->used[call->used_count], data, err);
}

/* From here on an input in a region is like one in the message. */
static cosrel_status open_regions(infer_call *call, cosrel_error *err)
{
    infer_request *r = &call->request;
    cosrel_status status = COSREL_OK;
    for (size_t i = 0; i < r->input_count && status == COSREL_OK; i++) {
        infer_input *in = &r->inputs[i];
        void *data;
        if (!in->region.name)
            continue;
        status = use(call, &in->region, &data, err);
        call->used_count += status == COSREL_OK;
        in->raw = status == COSREL_OK ? data : NULL;
        in->bytes = in->region.bytes;
    }
    call->place_count = 0;
    for (size_t i = 0; i < r->output_count && status == COSREL_OK; i++) {
        const infer_output *out = &r->outputs[i];
        cosrel_tensor *place = &call->places[call->place_count];
        if (!out->region.name)
            continue;
        *place = (cosrel_tensor){.name = out->name, .bytes = out->region.bytes};
        status = use(call, &out->region, &place->data, err);
        call->used_count += status == COSREL_OK;
        call->place_count += status == COSREL_OK;
    }
    return status;
}

cosrel_status infer_call_check_regions(const infer_call *call, cosrel_error *err)
{
    for (size_t i = 0; i < call->used_count; i++)
        if (region_is_broken(call->used[i]))
            return error_set(err, COSREL_INVALID_ARGUMENT,
                             "region '%s' has shrunk since it was registered", call->used[i]->name);
    return COSREL_OK;
}

const cosrel_tensor *infer_call_output(const infer_call *call, const char *name)
{
    for (size_t i = 0; i < call->result->output_count; i++)
        if (strcmp(call->result->outputs[i].name, name) == 0)
            return &call->result->outputs[i];
    return NULL;
}

/* ---- The way through the runtime ---- */

/* What the calling thread is handing in. */
static _Thread_local infer_call *starting;

static void done(const cosrel_result *result)
{
    infer_call *call = result->user;
    cosrel_result_keep(result);
    call->result = result;
    if (call == starting)
        call->at_once = true;
    else
        finished_push(call->finished, call);
}

/* As Triton counts: 1 is the highest, 0 the default. */
static int priority_of(int64_t asked)
{
    return asked == 1   ? COSREL_PRIORITY_HIGH
           : asked <= 2 ? COSREL_PRIORITY_NORMAL
                        : COSREL_PRIORITY_BACKGROUND;
}

/* Before anything is run for nothing. */
static cosrel_status check_outputs(const infer_call *call, cosrel_error *err)
{
    const cosrel_model_info *info = cosrel_model_describe(call->model);
    if (call->request.output_count == 0 && info->output_count > INFER_TENSORS_MAX)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "%s has %zu outputs, more than an answer holds: ask for at most %d of "
                         "them in outputs",
                         info->name, info->output_count, INFER_TENSORS_MAX);
    for (size_t i = 0; i < call->request.output_count; i++) {
        const char *name = call->request.outputs[i].name;
        size_t k = 0;
        while (k < info->output_count && strcmp(info->outputs[k].name, name) != 0)
            k++;
        if (k == info->output_count)
            return error_set(err, COSREL_INVALID_ARGUMENT, "%s has no output '%s'", info->name,
                             name);
    }
    return COSREL_OK;
}

/* A model that has been unloaded since it was found has made place for another version, as a rule:
 * whoever did not ask for the very one that is gone gets that. */
static cosrel_status submit(infer_call *call, const cosrel_request *request, cosrel_ticket *ticket,
                            cosrel_error *err)
{
    cosrel_status status = cosrel_submit(call->rt, call->model, request, ticket, err);
    for (int i = 0; status == COSREL_NOT_FOUND && i < LOOKS_MAX; i++) {
        const cosrel_model_info *gone = cosrel_model_describe(call->model);
        cosrel_model *other = cosrel_runtime_find_model(call->rt, gone->name, call->version);
        if (!other || other == call->model)
            break;
        call->model = other;
        status = check_outputs(call, err);
        if (status == COSREL_OK)
            status = cosrel_submit(call->rt, other, request, ticket, err);
    }
    return status;
}

cosrel_status infer_call_start(infer_call *call, cosrel_error *err)
{
    const infer_request *r = &call->request;
    const tally_model *seen = tally_of(call->counts, call->model);
    cosrel_status status = check_outputs(call, err);
    if (status == COSREL_OK)
        status = open_regions(call, err);
    if (status == COSREL_OK)
        status = check_sizes(r, err);
    if (status == COSREL_OK)
        status = make_room(call, err);
    for (size_t i = 0; i < r->input_count && status == COSREL_OK; i++)
        status = make_tensor(call, &r->inputs[i], &call->tensors[i], err);
    if (status != COSREL_OK)
        return status;
    const int64_t timeout_us = r->timeout_us < INT64_MAX / 1000 ? r->timeout_us : INT64_MAX / 1000;
    call->due_ns = timeout_us * 1000;
    if (seen && call->due_ns)
        call->due_ns = reserve_deadline_ns(&seen->reserve, clock_now_ns(), call->due_ns);
    const cosrel_request request = {.inputs = call->tensors,
                                    .input_count = r->input_count,
                                    .deadline_ns = call->due_ns,
                                    .priority = priority_of(r->priority),
                                    .done = done,
                                    .user = call,
                                    .outputs = call->places,
                                    .output_count = call->place_count,
                                    .may_run_here = true};
    cosrel_ticket ticket;
    starting = call;
    status = submit(call, &request, &ticket, err);
    starting = NULL;
    if (status == COSREL_OK)
        call->ticket = ticket;
    return status;
}

void infer_call_sends(infer_call *call)
{
    tally_model *seen = call->due_ns ? tally_of(call->counts, call->model) : NULL;
    const int64_t now_ns = clock_now_ns();
    if (seen)
        reserve_learn(&seen->reserve, now_ns, now_ns - call->result->submitted_ns - call->due_ns);
}

void infer_call_cancel(infer_call *call)
{
    cosrel_cancel(call->rt, call->ticket);
}
