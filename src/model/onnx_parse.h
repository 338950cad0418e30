/* What the parts of the ONNX walker share. Only model/onnx_*.c include this. */
#ifndef MODEL_ONNX_PARSE_H
#define MODEL_ONNX_PARSE_H

#include "model/onnx_file.h"
#include "model/wire.h"

/* A growing array of `item_bytes` items; moved into the arena at the end. Zeroed: empty. */
typedef struct onnx_list {
    void *items;
    size_t count;
    size_t capacity;
} onnx_list;

typedef struct onnx_parse {
    const char *path;
    const uint8_t *data;
    cosrel_error *err;
    onnx_file *file;  /* node_count, weight_bytes and memory are used on the way */
    onnx_list opsets; /* onnx_opset */
    onnx_list inputs; /* cosrel_value_info */
    onnx_list outputs;
    onnx_list initializers; /* onnx_initializer */
    onnx_list externals;    /* onnx_external */
    onnx_list op_types;     /* onnx_op_type, kept sorted */
    char *folder;           /* realpath of the model's folder; NULL until needed */
    bool graph_seen;
} onnx_parse;

/* INVALID_MODEL with "PATH: " before the sentence. */
cosrel_status onnx_fail(const onnx_parse *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
cosrel_status onnx_no_memory(const onnx_parse *p);

/* wire_next for everything below the top: OK and *more, or a sentence about a damaged `what`. */
COSREL_CHECKED cosrel_status onnx_next(const onnx_parse *p, wire *w, wire_field *field,
                                       const char *what, bool *more);

/* A zeroed new item at the end, or NULL. */
void *onnx_list_add(onnx_list *list, size_t item_bytes);

/* For messages: a name from the file, printable and cut to fit. */
typedef struct onnx_shown {
    char text[72];
} onnx_shown;
onnx_shown onnx_show(const uint8_t *data, size_t at, size_t bytes);

/* onnx_tensor.c: checks one TensorProto; `out` (may be NULL) gets what it found, with name and dims
 * in the arena. */
COSREL_CHECKED cosrel_status onnx_check_tensor(onnx_parse *p, wire w, onnx_initializer *out);
COSREL_CHECKED cosrel_status onnx_check_sparse(onnx_parse *p, wire w, onnx_initializer *out);

/* onnx_external.c: the file that a location names, checked and entered in p->externals; its index.
 */
COSREL_CHECKED cosrel_status onnx_find_external(onnx_parse *p, const wire_field *location,
                                                const char *tensor, int32_t *index);

/* onnx_graph.c: checks a graph, a function, or a TrainingInfoProto, with all that is inside. Only
 * the main graph's inputs, outputs and initializers are kept. depth: graphs around it. */
COSREL_CHECKED cosrel_status onnx_read_graph(onnx_parse *p, wire w, unsigned depth, bool is_main);
COSREL_CHECKED cosrel_status onnx_read_function(onnx_parse *p, wire w);
COSREL_CHECKED cosrel_status onnx_read_training(onnx_parse *p, wire w);

/* A copy of a name in the arena: NULL when out of memory. */
const char *onnx_keep_name(onnx_parse *p, const wire_field *field);

/* onnx_value.c: ValueInfoProto to cosrel_value_info; what ("input", "output") is for messages. */
COSREL_CHECKED cosrel_status onnx_read_value(onnx_parse *p, wire w, const char *what,
                                             onnx_list *list);
/* Duplicate names; then takes initializers out of the inputs. */
COSREL_CHECKED cosrel_status onnx_settle_inputs(onnx_parse *p);

#endif
