#include "server/oip_dtype.h"

#include <string.h>

static const struct {
    const char *name;
    cosrel_dtype type;
} names[] = {
    {"BOOL", COSREL_BOOL},     {"UINT8", COSREL_UINT8},   {"UINT16", COSREL_UINT16},
    {"UINT32", COSREL_UINT32}, {"UINT64", COSREL_UINT64}, {"INT8", COSREL_INT8},
    {"INT16", COSREL_INT16},   {"INT32", COSREL_INT32},   {"INT64", COSREL_INT64},
    {"FP16", COSREL_FLOAT16},  {"FP32", COSREL_FLOAT32},  {"FP64", COSREL_FLOAT64},
    {"BF16", COSREL_BFLOAT16}, {"BYTES", COSREL_STRING},
};

enum { NAME_COUNT = sizeof names / sizeof *names };

const char *oip_dtype_name(cosrel_dtype type)
{
    for (int i = 0; i < NAME_COUNT; i++)
        if (names[i].type == type)
            return names[i].name;
    return NULL;
}

cosrel_dtype oip_dtype_find(const char *name, size_t length)
{
    for (int i = 0; i < NAME_COUNT; i++)
        if (strlen(names[i].name) == length && memcmp(names[i].name, name, length) == 0)
            return names[i].type;
    return COSREL_DTYPE_UNDEFINED;
}
