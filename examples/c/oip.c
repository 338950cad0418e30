#include "oip.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool fail(oip_client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail(oip_client *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(c->error, sizeof c->error, format, args);
    va_end(args);
    return false;
}

/* ---- Data types ---- */

static const struct {
    const char *name;
    size_t bytes;
} TYPES[] = {{"BOOL", 1},  {"INT8", 1},   {"UINT8", 1}, {"INT16", 2},  {"UINT16", 2},
             {"FP16", 2},  {"BF16", 2},   {"INT32", 4}, {"UINT32", 4}, {"FP32", 4},
             {"INT64", 8}, {"UINT64", 8}, {"FP64", 8}};

/* 0: one whose elements have no fixed size (BYTES), or none of the protocol. */
static size_t element_bytes(const char *datatype)
{
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        if (strcmp(TYPES[i].name, datatype) == 0)
            return TYPES[i].bytes;
    return 0;
}

static size_t elements_of(const oip_tensor *t)
{
    size_t elements = 1;
    for (size_t i = 0; i < t->rank; i++)
        elements *= (size_t)t->shape[i];
    return elements;
}

void oip_fill_random(oip_tensor *t)
{
    unsigned char *bytes = t->data;
    const size_t element = element_bytes(t->datatype), elements = elements_of(t);
    memset(bytes, 0, t->bytes);
    for (size_t i = 0; i < elements; i++) {
        const double unit = rand() / (RAND_MAX + 1.0);
        if (strcmp(t->datatype, "FP32") == 0)
            ((float *)t->data)[i] = (float)unit;
        else if (strcmp(t->datatype, "FP64") == 0)
            ((double *)t->data)[i] = unit;
        else if (strcmp(t->datatype, "FP16") == 0)
            bytes[2 * i + 1] = 0x38; /* 0.5 */
        else if (strcmp(t->datatype, "BF16") == 0)
            bytes[2 * i + 1] = 0x3f; /* 0.5 */
        else                         /* a whole number below 100, little-endian */
            bytes[element * i] = (unsigned char)(unit * (t->datatype[0] == 'B' ? 2 : 100));
    }
}

/* Binary tensors lie where the JSON before them ends: not aligned, so never read in place. */
static double value_at(const oip_tensor *t, size_t i)
{
    union {
        float fp32;
        double fp64;
        int32_t int32;
        int64_t int64;
        uint8_t uint8;
    } v;
    const size_t element = element_bytes(t->datatype);
    memcpy(&v, (const char *)t->data + i * element, element);
    return strcmp(t->datatype, "FP32") == 0    ? (double)v.fp32
           : strcmp(t->datatype, "FP64") == 0  ? v.fp64
           : strcmp(t->datatype, "INT32") == 0 ? (double)v.int32
           : strcmp(t->datatype, "INT64") == 0 ? (double)v.int64
                                               : (double)v.uint8;
}

static bool has_values(const oip_tensor *t)
{
    static const char *const shown[] = {"FP32", "FP64", "INT64", "INT32", "UINT8", "BOOL"};
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        if (strcmp(shown[i], t->datatype) == 0)
            return elements_of(t) > 0;
    return false;
}

static void print_highest(const oip_tensor *t, size_t elements)
{
    double below = 0; /* the one that was printed last */
    for (int k = 0; k < 3; k++) {
        size_t best = elements;
        for (size_t i = 0; i < elements; i++)
            if ((k == 0 || value_at(t, i) < below) &&
                (best == elements || value_at(t, i) > value_at(t, best)))
                best = i;
        if (best == elements)
            break;
        below = value_at(t, best);
        printf("%s%zu (%.3g)", k ? ", " : "highest ", best, below);
    }
    printf("\n");
}

void oip_print(const oip_tensor *t)
{
    const size_t elements = elements_of(t);
    printf("  %s %s[", t->name, t->datatype);
    for (size_t i = 0; i < t->rank; i++)
        printf(i ? ",%lld" : "%lld", (long long)t->shape[i]);
    printf("]: ");
    if (!t->data || !has_values(t)) {
        printf("%zu bytes\n", t->bytes);
    } else if (elements >= 5 && (int64_t)elements == t->shape[t->rank - 1]) {
        print_highest(t, elements);
    } else {
        double sum = 0;
        for (size_t i = 0; i < elements; i++)
            sum += value_at(t, i);
        printf("mean %.3g\n", sum / (double)elements);
    }
}

json_t *oip_tensor_to_json(const oip_tensor *t)
{
    json_t *shape = json_array();
    for (size_t i = 0; i < t->rank; i++)
        json_array_append_new(shape, json_integer(t->shape[i]));
    return json_pack("{s:s, s:s, s:o}", "name", t->name, "datatype", t->datatype, "shape", shape);
}

bool oip_tensor_from_json(oip_client *c, const json_t *from, int64_t open, oip_tensor *t)
{
    const char *name = json_string_value(json_object_get(from, "name"));
    const char *datatype = json_string_value(json_object_get(from, "datatype"));
    const json_t *shape = json_object_get(from, "shape");
    memset(t, 0, sizeof *t);
    if (!name || !datatype || !json_is_array(shape) || json_array_size(shape) > OIP_RANK_MAX)
        return fail(c, "%s: a tensor is described in a way that this program does not know",
                    c->url);
    snprintf(t->name, sizeof t->name, "%s", name);
    snprintf(t->datatype, sizeof t->datatype, "%s", datatype);
    t->rank = json_array_size(shape);
    for (size_t i = 0; i < t->rank; i++) {
        t->shape[i] = json_integer_value(json_array_get(shape, i));
        if (t->shape[i] < 0)
            t->shape[i] = open;
    }
    t->bytes = elements_of(t) * element_bytes(datatype);
    if (element_bytes(datatype) == 0)
        return fail(c, "tensor %s: this program knows no %s", name, datatype);
    return true;
}

/* ---- HTTP ---- */

static size_t keep_body(char *data, size_t one, size_t bytes, void *client)
{
    oip_client *c = client;
    char *bigger = realloc(c->body, c->body_bytes + bytes + 1);
    (void)one;
    if (!bigger)
        return 0; /* libcurl gives up */
    memcpy(bigger + c->body_bytes, data, bytes);
    c->body = bigger;
    c->body_bytes += bytes;
    c->body[c->body_bytes] = '\0';
    return bytes;
}

bool oip_open(oip_client *c, const char *url, const char *token)
{
    char header[1024];
    memset(c, 0, sizeof *c);
    snprintf(c->url, sizeof c->url, "%s", url);
    if (c->url[0] && c->url[strlen(c->url) - 1] == '/')
        c->url[strlen(c->url) - 1] = '\0';
    if (token && *token) {
        snprintf(header, sizeof header, "Authorization: Bearer %s", token);
        c->headers = curl_slist_append(NULL, header);
    }
    c->curl = curl_easy_init();
    return c->curl || fail(c, "libcurl does not start");
}

void oip_close(oip_client *c)
{
    curl_easy_cleanup(c->curl);
    curl_slist_free_all(c->headers);
    free(c->body);
}

/* False: no answer, or one that is no success. */
static bool perform(oip_client *c, const char *path, const void *body, size_t json_bytes,
                    size_t body_bytes)
{
    char url[1024], length[64];
    long status = 0;
    snprintf(url, sizeof url, "%s%s", c->url, path);
    snprintf(length, sizeof length, "Inference-Header-Content-Length: %zu", json_bytes);
    struct curl_slist *headers = NULL;
    for (const struct curl_slist *h = c->headers; h; h = h->next)
        headers = curl_slist_append(headers, h->data);
    if (body && json_bytes < body_bytes)
        headers = curl_slist_append(headers, length);
    curl_easy_reset(c->curl); /* the connection stays */
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, keep_body);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
    if (body) {
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_bytes);
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body);
    }
    c->body_bytes = 0;
    const CURLcode code = curl_easy_perform(c->curl);
    curl_slist_free_all(headers);
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(c->curl, CURLINFO_TOTAL_TIME, &c->seconds);
    if (code != CURLE_OK)
        return fail(c, "%s: no answer (%s); is cosrel serve running there?", c->url,
                    curl_easy_strerror(code));
    if (status == 200)
        return true;
    json_t *said = c->body_bytes ? json_loadb(c->body, c->body_bytes, 0, NULL) : NULL;
    const char *why = json_string_value(json_object_get(said, "error"));
    fail(c, "%s: %ld, %s", url, status, why ? why : "no more is said");
    json_decref(said);
    return false;
}

/* Where the JSON of an answer ends: the header says so if binary tensors follow. */
static size_t json_end(oip_client *c)
{
    struct curl_header *header;
    if (curl_easy_header(c->curl, "Inference-Header-Content-Length", 0, CURLH_HEADER, -1,
                         &header) != CURLHE_OK)
        return c->body_bytes;
    const size_t end = strtoul(header->value, NULL, 10);
    return end < c->body_bytes ? end : c->body_bytes;
}

json_t *oip_call(oip_client *c, const char *path, const void *body, size_t json_bytes,
                 size_t body_bytes, char **binary)
{
    json_error_t why;
    if (!perform(c, path, body, json_bytes, body_bytes))
        return NULL;
    if (c->body_bytes == 0)
        return json_object(); /* some routes have nothing to say but yes */
    const size_t end = json_end(c);
    json_t *root = json_loadb(c->body, end, 0, &why);
    if (!root)
        fail(c, "%s%s: the answer is no JSON (%s)", c->url, path, why.text);
    if (binary)
        *binary = c->body + end;
    return root;
}

/* ---- The protocol ---- */

static bool read_tensors(oip_client *c, const json_t *from, int64_t open, oip_tensors *out)
{
    out->count = json_array_size(from);
    if (out->count > OIP_TENSORS_MAX)
        return fail(c, "%s: the model has more tensors than this program takes", c->url);
    for (size_t i = 0; i < out->count; i++)
        if (!oip_tensor_from_json(c, json_array_get(from, i), open, &out->at[i]))
            return false;
    return true;
}

bool oip_describe(oip_client *c, const char *model, int64_t open, oip_tensors *inputs,
                  oip_tensors *outputs)
{
    char path[512];
    snprintf(path, sizeof path, "/v2/models/%s", model);
    json_t *root = oip_call(c, path, NULL, 0, 0, NULL);
    const bool good = root && read_tensors(c, json_object_get(root, "inputs"), open, inputs) &&
                      read_tensors(c, json_object_get(root, "outputs"), open, outputs);
    json_decref(root);
    return good;
}

/* The JSON, and behind it the data of all inputs; *json_bytes is where that begins. */
static char *make_request(const oip_tensors *inputs, size_t *json_bytes, size_t *bytes)
{
    json_t *list = json_array();
    size_t data_bytes = 0;
    for (size_t i = 0; i < inputs->count; i++) {
        json_t *input = oip_tensor_to_json(&inputs->at[i]);
        json_object_set_new(
            input, "parameters",
            json_pack("{s:I}", "binary_data_size", (json_int_t)inputs->at[i].bytes));
        json_array_append_new(list, input);
        data_bytes += inputs->at[i].bytes;
    }
    json_t *root = json_pack("{s:o, s:{s:b}}", "inputs", list, "parameters", "binary_data_output",
                             1);
    char *json = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    *json_bytes = json ? strlen(json) : 0;
    *bytes = *json_bytes + data_bytes;
    char *body = json ? realloc(json, *bytes + 1) : NULL;
    if (!body)
        free(json);
    char *at = body ? body + *json_bytes : NULL;
    for (size_t i = 0; body && i < inputs->count; at += inputs->at[i++].bytes)
        memcpy(at, inputs->at[i].data, inputs->at[i].bytes);
    return body;
}

bool oip_infer(oip_client *c, const char *model, const oip_tensors *inputs, oip_tensors *outputs)
{
    char path[512], *binary = NULL;
    size_t json_bytes, bytes;
    snprintf(path, sizeof path, "/v2/models/%s/infer", model);
    char *body = make_request(inputs, &json_bytes, &bytes);
    if (!body)
        return fail(c, "no memory for the request");
    json_t *root = oip_call(c, path, body, json_bytes, bytes, &binary);
    free(body);
    bool good = root && read_tensors(c, json_object_get(root, "outputs"), 1, outputs);
    for (size_t i = 0; good && i < outputs->count; i++) {
        oip_tensor *t = &outputs->at[i];
        good = (size_t)(c->body + c->body_bytes - binary) >= t->bytes ||
               fail(c, "%s: the answer is shorter than it says", c->url);
        t->data = binary;
        binary += t->bytes;
    }
    json_decref(root);
    return good;
}
