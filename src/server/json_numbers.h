/* Arrays of numbers in JSON, from and to a tensor's memory.
 *
 * The bulk of a request or an answer in JSON is numbers; a general reader makes an object of each.
 * These go straight between the text and the memory, several times faster
 * (bench/bench_json: MB/s). Everything else in the protocol's JSON is left to a general library. */
#ifndef SERVER_JSON_NUMBERS_H
#define SERVER_JSON_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "cosrel/status.h"
#include "cosrel/tensor.h"

/* Reads an array, flat or nested to any depth, of exactly `elements` numbers (BOOL: true and false
 * too) into `out`. `text` begins with '[' and is read to the end of that array and no further than
 * `length` bytes; it need not end in NUL.
 *
 * Decimal numbers are rounded to the nearest double, and from there to the type; integers must be
 * written as such and lie within their type. INVALID_ARGUMENT: err says which element and why.
 * UNSUPPORTED: the type has no numbers (BYTES). */
COSREL_CHECKED cosrel_status json_numbers_read(const char *text, size_t length, cosrel_dtype type,
                                               void *out, uint64_t elements, cosrel_error *err);

/* Where the array that begins at text[0] == '[' ends: the number of bytes, its last bracket
 * included; 0: not within `length`. Strings in it may hold brackets. */
size_t json_array_length(const char *text, size_t length);

/* Adds a flat array. FP16, BF16 and FP32 are written with so many digits that reading gives the
 * same number; what JSON has no number for (NaN, infinities) as null. UNSUPPORTED as above. A lack
 * of memory shows in the builder. */
COSREL_CHECKED cosrel_status json_numbers_add(text_builder *out, cosrel_dtype type,
                                              const void *data, uint64_t elements);

#endif
