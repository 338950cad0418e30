/* Any bytes as a model: an error or a model whose every part lies within the bytes. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/onnx_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(bool ok)
{
    if (!ok)
        abort();
}

static void check_values(const cosrel_value_info *values, size_t count, bool batchable)
{
    for (size_t i = 0; i < count; i++) {
        require(values[i].name[0] != '\0' && values[i].rank <= ONNX_RANK_MAX);
        require(!batchable || (values[i].rank > 0 && values[i].shape[0] == -1));
        require(values[i].batch_axis == (batchable ? 0 : -1));
        for (size_t d = 0; d < values[i].rank; d++)
            require(values[i].shape[d] >= 0 ? values[i].symbols[d][0] == '\0'
                                            : strlen(values[i].symbols[d]) < SIZE_MAX);
    }
}

static void check_initializer(const onnx_initializer *t, size_t bytes)
{
    require(strlen(t->name) <= bytes && t->rank <= ONNX_RANK_MAX);
    for (size_t d = 0; d < t->rank; d++)
        require(t->dims[d] >= 0);
    if (t->where == ONNX_DATA_RAW || t->where == ONNX_DATA_TYPED)
        require(t->offset <= bytes && t->bytes <= bytes - t->offset);
    /* No file of that folder is there. */
    require(t->where != ONNX_DATA_EXTERNAL && t->external == -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    onnx_file f;
    cosrel_error err;
    err.text[0] = '\0';
    const cosrel_status status = onnx_file_parse("/nonexistent/model.onnx", data, bytes, &f, &err);
    if (status != COSREL_OK) {
        require(status == COSREL_INVALID_MODEL &&
                memcmp(err.text, "/nonexistent/model.onnx: ", 25) == 0);
        return 0;
    }
    require(f.output_count > 0 && f.opset_count > 0 && f.ir_version > 0);
    check_values(f.inputs, f.input_count, f.batchable);
    check_values(f.outputs, f.output_count, f.batchable);
    for (size_t i = 0; i < f.initializer_count; i++)
        check_initializer(&f.initializers[i], bytes);
    uint64_t nodes = 0;
    for (size_t i = 0; i < f.op_type_count; i++)
        nodes += f.op_types[i].count;
    require(nodes == f.node_count);
    onnx_file_close(&f);
    return 0;
}
