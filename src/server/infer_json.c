/* The JSON of an inference request. A general library reads all but the tensors' numbers. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "server/infer_request.h"
#include "server/json_spans.h"
#include "server/oip_dtype.h"

typedef struct reading {
    infer_request *request;
    const char *json;
    json_span spans[INFER_TENSORS_MAX];
    size_t span_count, spans_used;
    cosrel_error *err;
} reading;

/* Longer JSON is read each time: comparing and keeping it would cost, too (chosen). */
enum { SEEN_MAX = 4096 };

static cosrel_status wrong(const reading *r, const char *what, const char *name, const char *why)
{
    return error_set(r->err, COSREL_INVALID_ARGUMENT, "%s%s%s%s: %s", what, *name ? " '" : "", name,
                     *name ? "'" : "", why);
}

/* A copy that lives as long as the request. Room for all was made before. */
static const char *keep(infer_request *request, const char *text)
{
    char *at = request->names + request->names_used;
    const size_t bytes = strlen(text) + 1;
    memcpy(at, text, bytes);
    request->names_used += bytes;
    return at;
}

/* A string of the text is no longer than its text, its quotes making room for the NUL. */
static cosrel_status make_room(infer_request *request, size_t bytes)
{
    if (bytes <= request->names_room)
        return COSREL_OK;
    char *bigger = realloc(request->names, bytes);
    if (!bigger)
        return COSREL_OUT_OF_MEMORY;
    request->names = bigger;
    request->names_room = bytes;
    return COSREL_OK;
}

static cosrel_status read_size(const reading *r, const json_t *value, const char *name,
                               const char *key, uint64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        char why[96];
        snprintf(why, sizeof why, "parameter %s: expected an integer from 0", key);
        return wrong(r, "tensor", name, why);
    }
    *out = (uint64_t)json_integer_value(value);
    return COSREL_OK;
}

static cosrel_status read_region(const reading *r, const json_t *parameters, const char *name,
                                 infer_region *out)
{
    const json_t *region = json_object_get(parameters, "shared_memory_region");
    const json_t *offset = json_object_get(parameters, "shared_memory_offset");
    *out = (infer_region){.name = NULL};
    if (!region)
        return COSREL_OK;
    if (!json_is_string(region))
        return wrong(r, "tensor", name, "parameter shared_memory_region: expected a string");
    out->name = keep(r->request, json_string_value(region));
    if (offset) {
        const cosrel_status status = read_size(r, offset, name, "shared_memory_offset",
                                               &out->offset);
        if (status != COSREL_OK)
            return status;
    }
    return read_size(r, json_object_get(parameters, "shared_memory_byte_size"), name,
                     "shared_memory_byte_size", &out->bytes);
}

static cosrel_status read_shape(const reading *r, const json_t *shape, infer_input *in)
{
    if (!json_is_array(shape))
        return wrong(r, "input", in->name, "shape: expected an array of integers");
    in->rank = json_array_size(shape);
    if (in->rank > INFER_RANK_MAX)
        return wrong(r, "input", in->name, "shape: more than 16 dimensions");
    for (size_t d = 0; d < in->rank; d++) {
        const json_t *dim = json_array_get(shape, d);
        if (!json_is_integer(dim))
            return wrong(r, "input", in->name, "shape: expected an array of integers");
        in->shape[d] = json_integer_value(dim);
    }
    return infer_input_measure(in, r->err);
}

static cosrel_status read_data(reading *r, const json_t *object, infer_input *in)
{
    const json_t *parameters = json_object_get(object, "parameters");
    const json_t *data = json_object_get(object, "data");
    const json_t *binary = json_object_get(parameters, "binary_data_size");
    cosrel_status status = read_region(r, parameters, in->name, &in->region);
    in->raw = in->text = NULL;
    in->bytes = 0;
    if (status != COSREL_OK)
        return status;
    if ((in->region.name != NULL) + (data != NULL) + (binary != NULL) != 1)
        return wrong(r, "input", in->name,
                     "expected one of data, binary_data_size and shared_memory_region");
    if (binary) {
        uint64_t bytes;
        status = read_size(r, binary, in->name, "binary_data_size", &bytes);
        in->bytes = bytes;
        return status;
    }
    if (!data)
        return COSREL_OK;
    /* Numbers stand for the arrays that were taken out; any other is the client's own. */
    if (!json_is_integer(data) || r->spans_used == r->span_count ||
        json_integer_value(data) != (json_int_t)r->spans_used)
        return wrong(r, "input", in->name, "data: expected an array");
    in->text = r->json + r->spans[r->spans_used].at;
    in->bytes = r->spans[r->spans_used++].length;
    return COSREL_OK;
}

static cosrel_status read_input(reading *r, const json_t *object)
{
    const json_t *name = json_object_get(object, "name"),
                 *type = json_object_get(object, "datatype");
    if (r->request->input_count == INFER_TENSORS_MAX)
        return wrong(r, "inputs", "", "more than 64");
    infer_input *in = &r->request->inputs[r->request->input_count];
    if (!json_is_string(name))
        return wrong(r, "inputs", "", "an input without a name");
    in->name = keep(r->request, json_string_value(name));
    if (!json_is_string(type))
        return wrong(r, "input", in->name, "it has no datatype");
    in->type = oip_dtype_find(json_string_value(type), json_string_length(type));
    if (in->type == COSREL_DTYPE_UNDEFINED)
        return wrong(r, "input", in->name,
                     "datatype: expected BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, "
                     "INT64, FP16, FP32, FP64, BF16 or BYTES");
    cosrel_status status = read_shape(r, json_object_get(object, "shape"), in);
    if (status == COSREL_OK)
        status = read_data(r, object, in);
    r->request->input_count += status == COSREL_OK;
    return status;
}

static cosrel_status read_flag(const reading *r, const json_t *parameters, const char *key,
                               const char *name, bool *out)
{
    const json_t *value = json_object_get(parameters, key);
    if (!value)
        return COSREL_OK;
    if (!json_is_boolean(value)) {
        char why[96];
        snprintf(why, sizeof why, "parameter %s: expected true or false", key);
        return wrong(r, *name ? "output" : "request", name, why);
    }
    *out = json_is_true(value);
    return COSREL_OK;
}

static cosrel_status read_output(reading *r, const json_t *object)
{
    const json_t *name = json_object_get(object, "name");
    const json_t *parameters = json_object_get(object, "parameters");
    const json_t *classes = json_object_get(parameters, "classification");
    if (r->request->output_count == INFER_TENSORS_MAX)
        return wrong(r, "outputs", "", "more than 64");
    infer_output *out = &r->request->outputs[r->request->output_count];
    if (!json_is_string(name))
        return wrong(r, "outputs", "", "an output without a name");
    out->name = keep(r->request, json_string_value(name));
    out->binary = r->request->binary_outputs;
    if (classes && !(json_is_integer(classes) && json_integer_value(classes) == 0))
        return wrong(r, "output", out->name, "the classification extension is not offered");
    cosrel_status status = read_flag(r, parameters, "binary_data", out->name, &out->binary);
    if (status == COSREL_OK)
        status = read_region(r, parameters, out->name, &out->region);
    r->request->output_count += status == COSREL_OK;
    return status;
}

static cosrel_status read_count(const reading *r, const json_t *parameters, const char *key,
                                int64_t *out)
{
    const json_t *value = json_object_get(parameters, key);
    if (!value)
        return COSREL_OK;
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        char why[96];
        snprintf(why, sizeof why, "parameter %s: expected an integer from 0", key);
        return wrong(r, "request", "", why);
    }
    *out = json_integer_value(value);
    return COSREL_OK;
}

static cosrel_status read_root(reading *r, const json_t *root)
{
    const json_t *id = json_object_get(root, "id"), *inputs = json_object_get(root, "inputs");
    const json_t *outputs = json_object_get(root, "outputs");
    const json_t *parameters = json_object_get(root, "parameters");
    infer_request *request = r->request;
    cosrel_status status = COSREL_OK;
    if (id && !json_is_string(id))
        return wrong(r, "id", "", "expected a string");
    if (id)
        request->id = (char *)keep(request, json_string_value(id));
    status = read_count(r, parameters, "priority", &request->priority);
    if (status == COSREL_OK)
        status = read_count(r, parameters, "timeout", &request->timeout_us);
    if (status == COSREL_OK)
        status = read_flag(r, parameters, "binary_data_output", "", &request->binary_outputs);
    if (status != COSREL_OK)
        return status;
    if (!json_is_array(inputs))
        return wrong(r, "inputs", "", "expected an array of tensors");
    if (outputs && !json_is_array(outputs))
        return wrong(r, "outputs", "", "expected an array");
    for (size_t i = 0; i < json_array_size(inputs) && status == COSREL_OK; i++)
        status = read_input(r, json_array_get(inputs, i));
    for (size_t i = 0; i < json_array_size(outputs) && status == COSREL_OK; i++)
        status = read_output(r, json_array_get(outputs, i));
    if (status == COSREL_OK && r->spans_used != r->span_count)
        status = wrong(r, "inputs", "", "data where none belongs");
    return status;
}

static cosrel_status parse(reading *r, const char *slim, size_t bytes)
{
    json_error_t why;
    json_t *root = json_loadb(slim, bytes, JSON_REJECT_DUPLICATES, &why);
    cosrel_status status;
    if (json_is_object(root))
        status = read_root(r, root);
    else if (!root && !why.text[0]) /* the library says no more of it */
        status = error_set(r->err, COSREL_OUT_OF_MEMORY, "no memory for a request");
    else
        status = error_set(r->err, COSREL_INVALID_ARGUMENT, "the request is not JSON: %s",
                           root ? "expected an object" : why.text);
    json_decref(root);
    return status;
}

static cosrel_status read_json(reading *r, size_t json_bytes)
{
    char small[2048];
    char *slim = json_bytes < sizeof small ? small : malloc(json_bytes + 1);
    size_t slim_bytes = 0;
    infer_request_clear(r->request);
    if (!slim)
        return error_set(r->err, COSREL_OUT_OF_MEMORY, "no memory for a request");
    cosrel_status status = json_spans_take(r->json, json_bytes, slim, &slim_bytes, r->spans,
                                           INFER_TENSORS_MAX, &r->span_count, r->err);
    if (status == COSREL_OK && make_room(r->request, slim_bytes + 1) != COSREL_OK)
        status = error_set(r->err, COSREL_OUT_OF_MEMORY, "no memory for a request");
    if (status == COSREL_OK)
        status = parse(r, slim, slim_bytes);
    if (slim != small)
        free(slim);
    return status;
}

/* ---- The same again ---- */

static bool is_seen(const infer_request *r, const char *json, size_t bytes)
{
    return r->seen_bytes > 0 && bytes == r->seen_bytes && memcmp(json, r->seen, bytes) == 0;
}

/* Not where tensors are in the text: they point into it. */
static void keep_seen(reading *r, size_t bytes)
{
    infer_request *request = r->request;
    if (r->span_count > 0 || bytes > SEEN_MAX)
        return;
    if (bytes > request->seen_room) {
        char *bigger = realloc(request->seen, bytes);
        if (!bigger)
            return;
        request->seen = bigger;
        request->seen_room = bytes;
    }
    memcpy(request->seen, r->json, bytes);
    request->seen_bytes = bytes;
}

/* ---- What is behind the JSON ---- */

static cosrel_status attach(const reading *r, const char *binary, size_t bytes)
{
    size_t at = 0;
    for (size_t i = 0; i < r->request->input_count; i++) {
        infer_input *in = &r->request->inputs[i];
        if (in->text || in->region.name)
            continue;
        if (in->bytes > bytes - at)
            return wrong(r, "input", in->name,
                         "binary_data_size: the body ends before; it needs the header "
                         "Inference-Header-Content-Length");
        in->raw = binary + at;
        at += in->bytes;
    }
    return at == bytes ? COSREL_OK : wrong(r, "body", "", "bytes after the last tensor");
}

cosrel_status infer_json_read(const char *json, size_t json_bytes, const char *binary,
                              size_t binary_bytes, infer_request *r, cosrel_error *err)
{
    reading now = {.request = r, .json = json, .err = err};
    if (!is_seen(r, json, json_bytes)) {
        const cosrel_status status = read_json(&now, json_bytes);
        if (status != COSREL_OK)
            return status;
        keep_seen(&now, json_bytes);
    }
    return attach(&now, binary, binary_bytes);
}
