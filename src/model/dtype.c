#include "cosrel/tensor.h"

#include <stddef.h>
#include <stdint.h>

typedef struct dtype_row {
    const char *name;
    unsigned bits; /* of one element as it lies in memory */
} dtype_row;

/* The public names are lower case; the table's are macros' names, so the pairs stand here once
 * more. A type that is added to COSREL_DTYPE_TABLE without a name here fails to compile. */
#define NAME_FLOAT32        "float32"
#define NAME_UINT8          "uint8"
#define NAME_INT8           "int8"
#define NAME_UINT16         "uint16"
#define NAME_INT16          "int16"
#define NAME_INT32          "int32"
#define NAME_INT64          "int64"
#define NAME_STRING         "string"
#define NAME_BOOL           "bool"
#define NAME_FLOAT16        "float16"
#define NAME_FLOAT64        "float64"
#define NAME_UINT32         "uint32"
#define NAME_UINT64         "uint64"
#define NAME_COMPLEX64      "complex64"
#define NAME_COMPLEX128     "complex128"
#define NAME_BFLOAT16       "bfloat16"
#define NAME_FLOAT8E4M3FN   "float8e4m3fn"
#define NAME_FLOAT8E4M3FNUZ "float8e4m3fnuz"
#define NAME_FLOAT8E5M2     "float8e5m2"
#define NAME_FLOAT8E5M2FNUZ "float8e5m2fnuz"
#define NAME_UINT4          "uint4"
#define NAME_INT4           "int4"

static const dtype_row rows[] = {
#define DTYPE_ROW(name, value, bits) [value] = {NAME_##name, (bits) ? (bits) : 8 * sizeof(char *)},
    COSREL_DTYPE_TABLE(DTYPE_ROW)
#undef DTYPE_ROW
};

static const dtype_row *row_of(cosrel_dtype type)
{
    const unsigned index = (unsigned)type;
    return index < sizeof rows / sizeof rows[0] && rows[index].name ? &rows[index] : NULL;
}

const char *cosrel_dtype_name(cosrel_dtype type)
{
    const dtype_row *row = row_of(type);
    return row ? row->name : "undefined";
}

size_t cosrel_dtype_bytes(cosrel_dtype type, uint64_t elements)
{
    const dtype_row *row = row_of(type);
    if (!row)
        return 0;
    const uint64_t per_byte = row->bits < 8 ? 8 / row->bits : 1;
    const uint64_t units = elements / per_byte + (elements % per_byte != 0);
    const uint64_t unit_bytes = row->bits < 8 ? 1 : row->bits / 8;
    if (units > SIZE_MAX / unit_bytes)
        return 0;
    return (size_t)(units * unit_bytes);
}
