#include "model/onnx_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/file.h"
#include "model/onnx_parse.h"
#include "model/value_info.h"

/* Field numbers of onnx.ModelProto. */
enum {
    MODEL_IR_VERSION = 1,
    MODEL_GRAPH = 7,
    MODEL_OPSET = 8,
    MODEL_TRAINING = 20,
    MODEL_FUNCTION = 25,
    OPSET_DOMAIN = 1,
    OPSET_VERSION = 2,
};

/* Chosen: a model names a handful of operator sets. */
enum { OPSETS_MAX = 1024 };

cosrel_status onnx_fail(const onnx_parse *p, const char *format, ...)
{
    char text[sizeof p->err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return error_set(p->err, COSREL_INVALID_MODEL, "%s: %s", p->path, text);
}

cosrel_status onnx_no_memory(const onnx_parse *p)
{
    const arena *memory = &p->file->memory;
    if (memory->refused)
        return onnx_fail(p, "its names and shapes take more than %zu bytes of memory",
                         memory->bytes_max);
    return error_set(p->err, COSREL_OUT_OF_MEMORY, "%s: no memory to read it", p->path);
}

cosrel_status onnx_next(const onnx_parse *p, wire *w, wire_field *field, const char *what,
                        bool *more)
{
    *more = false;
    switch (wire_next(w, field)) {
    case WIRE_FIELD:
        *more = true;
        return COSREL_OK;
    case WIRE_END:
        return COSREL_OK;
    case WIRE_CUT:
        return onnx_fail(p, "%s is damaged: the field at byte %zu runs past its end at byte %zu",
                         what, field->start, w->end);
    default:
        return onnx_fail(p, "%s is damaged at byte %zu", what, field->start);
    }
}

void *onnx_list_add(onnx_list *list, size_t item_bytes)
{
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity ? 2 * list->capacity : 16;
        void *items = realloc(list->items, capacity * item_bytes);
        if (!items)
            return NULL;
        list->items = items;
        list->capacity = capacity;
    }
    return memset((char *)list->items + list->count++ * item_bytes, 0, item_bytes);
}

onnx_shown onnx_show(const uint8_t *data, size_t at, size_t bytes)
{
    static const char more[] = "...";
    onnx_shown shown;
    const size_t room = sizeof shown.text - sizeof more;
    const size_t count = bytes < room ? bytes : room;
    for (size_t i = 0; i < count; i++) {
        const uint8_t c = data[at + i];
        /* Only ASCII: a cut or wrong UTF-8 character would spoil the whole line. */
        shown.text[i] = c >= 0x20 && c < 0x7f ? (char)c : '?';
    }
    memcpy(shown.text + count, bytes > count ? more : "", bytes > count ? sizeof more : 1);
    return shown;
}

/* What people hand in by mistake. */
static const char *foreign_format(const uint8_t *data, size_t bytes)
{
    static const struct {
        size_t at;
        const char *mark;
        const char *name;
    } formats[] = {
        {0, "version https://git-lfs",
         "a Git LFS pointer, not the file itself; run 'git lfs pull'"},
        {0, "PK\x03\x04", "a zip archive (a PyTorch file?); export the model to ONNX"},
        {0, "\x80\x02", "a Python pickle (a PyTorch file?); export the model to ONNX"},
        {4, "TFL3", "a TensorFlow Lite model; convert it to ONNX"},
        {4, "ORTM", "a model in ONNX Runtime's own format (.ort); give the .onnx file"},
        {0, "\x89HDF", "an HDF5 file (a Keras model?); convert it to ONNX"},
        {0, "\x1f\x8b", "compressed with gzip; unpack it first"},
        {0, "<", "an HTML or XML text; the download went wrong?"},
        {0, "{", "a JSON text"},
    };
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        const size_t length = strlen(formats[i].mark);
        if (bytes >= formats[i].at + length &&
            memcmp(data + formats[i].at, formats[i].mark, length) == 0)
            return formats[i].name;
    }
    return NULL;
}

static cosrel_status not_onnx(const onnx_parse *p, size_t bytes, const char *why, size_t at)
{
    const char *name = foreign_format(p->data, bytes);
    if (name)
        return onnx_fail(p, "is not an ONNX model but %s", name);
    return onnx_fail(p, "is not an ONNX model: %s at byte %zu", why, at);
}

static cosrel_status read_opset(onnx_parse *p, wire w)
{
    wire_field field;
    wire_field domain = {0};
    int64_t version = 0;
    bool more;
    for (;;) {
        const cosrel_status status = onnx_next(p, &w, &field, "an operator set", &more);
        if (status != COSREL_OK)
            return status;
        if (!more)
            break;
        if (field.number == OPSET_DOMAIN && field.type == WIRE_BYTES)
            domain = field;
        else if (field.number == OPSET_VERSION && field.type == WIRE_VARINT)
            version = (int64_t)field.value;
    }
    const wire all = {p->data, 0, 0};
    if (wire_equals(&all, &domain, "ai.onnx"))
        domain.bytes = 0;
    if (p->opsets.count == OPSETS_MAX)
        return onnx_fail(p, "it names more than %d operator sets", OPSETS_MAX);
    onnx_opset *opset = onnx_list_add(&p->opsets, sizeof *opset);
    if (!opset)
        return onnx_no_memory(p);
    opset->version = version;
    opset->domain = onnx_keep_name(p, &domain);
    return opset->domain ? COSREL_OK : onnx_no_memory(p);
}

/* A field of the wrong kind here means that the file is something else that happens to look like
 * protobuf. */
static bool fits_schema(const wire_field *field)
{
    switch (field->number) {
    case MODEL_IR_VERSION:
        return field->type == WIRE_VARINT;
    case MODEL_GRAPH:
    case MODEL_OPSET:
    case MODEL_TRAINING:
    case MODEL_FUNCTION:
        return field->type == WIRE_BYTES;
    default:
        return true;
    }
}

static cosrel_status take_model_field(onnx_parse *p, const wire *w, const wire_field *field)
{
    switch (field->number) {
    case MODEL_IR_VERSION:
        p->file->ir_version = (int64_t)field->value;
        return COSREL_OK;
    case MODEL_GRAPH:
        /* protobuf would merge the two, and so would ONNX Runtime. */
        if (p->graph_seen)
            return onnx_fail(p, "it has two graphs; one is right");
        p->graph_seen = true;
        return onnx_read_graph(p, wire_inside(w, field), 0, true);
    case MODEL_OPSET:
        return read_opset(p, wire_inside(w, field));
    case MODEL_TRAINING:
        return onnx_read_training(p, wire_inside(w, field));
    case MODEL_FUNCTION:
        return onnx_read_function(p, wire_inside(w, field));
    default:
        return COSREL_OK;
    }
}

static cosrel_status read_fields(onnx_parse *p, size_t bytes)
{
    wire w = {p->data, 0, bytes};
    wire_field field;
    for (;;) {
        switch (wire_next(&w, &field)) {
        case WIRE_END:
            return COSREL_OK;
        case WIRE_CUT:
            if (field.number == MODEL_GRAPH && field.type == WIRE_BYTES && field.bytes > 0 &&
                p->file->ir_version > 0)
                return onnx_fail(p,
                                 "is cut off: its graph has %zu bytes, but the file ends after %zu "
                                 "of them; copy or "
                                 "download it again",
                                 field.bytes, bytes - field.at);
            if (p->file->ir_version > 0)
                return onnx_fail(p,
                                 "is cut off at byte %zu, inside the field that begins at byte "
                                 "%zu; copy or download "
                                 "it again",
                                 bytes, field.start);
            return not_onnx(p, bytes, "a field runs past the end", field.start);
        case WIRE_MALFORMED:
            return not_onnx(p, bytes, "no ONNX field begins", field.start);
        case WIRE_FIELD:
            break;
        }
        if (!fits_schema(&field))
            return not_onnx(p, bytes, "no ONNX field begins", field.start);
        const cosrel_status status = take_model_field(p, &w, &field);
        if (status != COSREL_OK)
            return status;
    }
}

static cosrel_status check_whole(onnx_parse *p, size_t bytes)
{
    const onnx_file *file = p->file;
    if (file->ir_version < 1)
        return not_onnx(p, bytes, "no format version (ir_version) up to the end", bytes);
    if (!p->graph_seen)
        return onnx_fail(p, "has no graph; the file is cut off or not a whole model");
    if (p->opsets.count == 0)
        return onnx_fail(
            p, "names no operator set (opset_import); the file is cut off or not a whole model");
    if (p->outputs.count == 0)
        return onnx_fail(p, "its graph has no output");
    return onnx_settle_inputs(p);
}

static bool move_list(arena *memory, onnx_list *list, size_t item_bytes, const void *out,
                      size_t *count)
{
    void *items = arena_take(memory, list->count * item_bytes);
    if (list->count > 0 && !items)
        return false;
    if (list->count > 0)
        memcpy(items, list->items, list->count * item_bytes);
    memcpy((void *)out, &items, sizeof items);
    *count = list->count;
    return true;
}

static cosrel_status move_lists(onnx_parse *p)
{
    onnx_file *f = p->file;
    arena *m = &f->memory;
    /* The lists are bounded by their own limits, the names by this one: together they need not meet
     * it. */
    m->bytes_max = 0;
    const bool ok =
        move_list(m, &p->opsets, sizeof(onnx_opset), &f->opsets, &f->opset_count) &&
        move_list(m, &p->inputs, sizeof(cosrel_value_info), &f->inputs, &f->input_count) &&
        move_list(m, &p->outputs, sizeof(cosrel_value_info), &f->outputs, &f->output_count) &&
        move_list(m, &p->initializers, sizeof(onnx_initializer), &f->initializers,
                  &f->initializer_count) &&
        move_list(m, &p->externals, sizeof(onnx_external), &f->externals, &f->external_count) &&
        move_list(m, &p->op_types, sizeof(onnx_op_type), &f->op_types, &f->op_type_count);
    f->path = arena_copy(m, p->path, strlen(p->path));
    if (!ok || !f->path)
        return error_set(p->err, COSREL_OUT_OF_MEMORY, "%s: no memory to read it", p->path);
    f->batchable = value_info_find_batch((cosrel_value_info *)f->inputs, f->input_count,
                                         (cosrel_value_info *)f->outputs, f->output_count);
    return COSREL_OK;
}

static void parse_deinit(onnx_parse *p)
{
    free(p->opsets.items);
    free(p->inputs.items);
    free(p->outputs.items);
    free(p->initializers.items);
    free(p->externals.items);
    free(p->op_types.items);
    free(p->folder);
}

cosrel_status onnx_file_parse(const char *path, const uint8_t *data, size_t bytes, onnx_file *out,
                              cosrel_error *err)
{
    memset(out, 0, sizeof *out);
    out->memory.bytes_max = ONNX_NAMES_BYTES_MAX;
    onnx_parse p = {.path = path, .data = data, .err = err, .file = out};
    cosrel_status status = bytes > 0 ? read_fields(&p, bytes)
                                     : onnx_fail(&p, "is empty, not an ONNX model");
    if (status == COSREL_OK)
        status = check_whole(&p, bytes);
    if (status == COSREL_OK)
        status = move_lists(&p);
    parse_deinit(&p);
    if (status != COSREL_OK)
        onnx_file_close(out);
    return status;
}

cosrel_status onnx_file_open(const char *path, onnx_file *out, cosrel_error *err)
{
    char *data;
    size_t bytes;
    memset(out, 0, sizeof *out);
    cosrel_status status = file_read(path, ONNX_FILE_BYTES_MAX, &data, &bytes, err);
    if (status == COSREL_INVALID_FILE)
        return COSREL_INVALID_MODEL;
    if (status != COSREL_OK)
        return status;
    status = onnx_file_parse(path, (const uint8_t *)data, bytes, out, err);
    if (status != COSREL_OK) {
        free(data);
        return status;
    }
    out->data = data;
    out->bytes = bytes;
    return COSREL_OK;
}

void onnx_file_close(onnx_file *file)
{
    free(file->data);
    arena_deinit(&file->memory);
    memset(file, 0, sizeof *file);
}

static bool hash_length(XXH3_state_t *state, uint64_t bytes)
{
    uint8_t length[8];
    for (unsigned i = 0; i < sizeof length; i++)
        length[i] = (uint8_t)(bytes >> (8 * i));
    return XXH3_128bits_update(state, length, sizeof length) == XXH_OK;
}

/* How many bytes there were, -1 where they could not be read. */
static int64_t hash_rest(XXH3_state_t *state, int fd)
{
    char buffer[65536];
    int64_t all = 0;
    for (;;) {
        const ssize_t n = read(fd, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -1 : all;
        if (XXH3_128bits_update(state, buffer, (size_t)n) != XXH_OK)
            return -1;
        all += n;
    }
}

static cosrel_status hash_external(XXH3_state_t *state, const onnx_file *file,
                                   const onnx_external *external, cosrel_error *err)
{
    const int fd = open(external->path, O_RDONLY | O_CLOEXEC);
    const int64_t bytes = fd >= 0 && hash_length(state, external->bytes) ? hash_rest(state, fd)
                                                                         : -1;
    const int why = errno;
    if (fd >= 0)
        close(fd);
    if (bytes < 0)
        return error_set(err, COSREL_IO, "%s: its external data file '%s' cannot be read: %s",
                         file->path, external->location, strerror(why));
    if ((uint64_t)bytes != external->bytes)
        return error_set(err, COSREL_INVALID_MODEL,
                         "%s: its external data file '%s' changed while it was read", file->path,
                         external->location);
    return COSREL_OK;
}

cosrel_status onnx_file_hash(const onnx_file *file, onnx_hash *out, cosrel_error *err)
{
    if (!file->data)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "%s: was not opened as a file; there is nothing to hash",
                         file->path ? file->path : "a model");
    XXH3_state_t *state = XXH3_createState();
    if (!state)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory to hash it", file->path);
    cosrel_status status = COSREL_OK;
    if (XXH3_128bits_reset(state) != XXH_OK || !hash_length(state, file->bytes) ||
        XXH3_128bits_update(state, file->data, file->bytes) != XXH_OK)
        status = error_set(err, COSREL_INTERNAL, "%s: hashing failed", file->path);
    for (size_t i = 0; i < file->external_count && status == COSREL_OK; i++)
        status = hash_external(state, file, &file->externals[i], err);
    if (status == COSREL_OK) {
        XXH128_canonical_t canonical;
        XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
        _Static_assert(sizeof canonical.digest == sizeof out->bytes, "128 bits");
        memcpy(out->bytes, canonical.digest, sizeof out->bytes);
    }
    XXH3_freeState(state);
    return status;
}

void onnx_hash_text(const onnx_hash *hash, char text[33])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof hash->bytes; i++) {
        text[2 * i] = digits[hash->bytes[i] >> 4];
        text[2 * i + 1] = digits[hash->bytes[i] & 15];
    }
    text[32] = '\0';
}
