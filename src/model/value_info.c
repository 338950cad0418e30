#include "model/value_info.h"

#include <inttypes.h>
#include <string.h>

static bool has_first(const cosrel_value_info *value, const char *symbol)
{
    return value->rank > 0 && value->shape[0] < 0 && value->symbols && value->symbols[0] &&
           strcmp(value->symbols[0], symbol) == 0;
}

bool value_info_find_batch(cosrel_value_info *inputs, size_t input_count,
                           cosrel_value_info *outputs, size_t output_count)
{
    const char *symbol = "";
    if (input_count > 0 && output_count > 0 && inputs[0].rank > 0 && inputs[0].symbols &&
        inputs[0].symbols[0])
        symbol = inputs[0].symbols[0];
    bool batch = symbol[0] != '\0';
    for (size_t i = 0; i < input_count && batch; i++)
        batch = has_first(&inputs[i], symbol);
    for (size_t i = 0; i < output_count && batch; i++)
        batch = has_first(&outputs[i], symbol);
    for (size_t i = 0; i < input_count; i++)
        inputs[i].batch_axis = batch ? 0 : -1;
    for (size_t i = 0; i < output_count; i++)
        outputs[i].batch_axis = batch ? 0 : -1;
    return batch;
}

size_t value_info_bytes(const cosrel_value_info *info, int64_t rows)
{
    uint64_t elements = 1;
    if (info->rank == 0 || info->type == COSREL_STRING)
        return 0;
    for (size_t d = 0; d < info->rank; d++) {
        const int64_t size = d == 0 && info->batch_axis == 0 ? rows : info->shape[d];
        if (size <= 0 || __builtin_mul_overflow(elements, (uint64_t)size, &elements))
            return 0;
    }
    return cosrel_dtype_bytes(info->type, elements);
}

void value_info_add_shape(text_builder *text, const int64_t *shape, const char *const *symbols,
                          size_t rank)
{
    text_add(text, "[");
    for (size_t i = 0; i < rank; i++) {
        if (i > 0)
            text_add(text, ",");
        if (shape[i] >= 0 || !symbols)
            text_addf(text, "%" PRId64, shape[i]);
        else
            text_add(text, symbols[i] && symbols[i][0] ? symbols[i] : "?");
    }
    text_add(text, "]");
}
