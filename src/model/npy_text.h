/* What reading and writing .npy share: NumPy's type descriptions ("<f4") and its strings. Only
 * model/tensor_npy*.c and model/npy_text.c include this. */
#ifndef MODEL_NPY_TEXT_H
#define MODEL_NPY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cosrel/tensor.h"

typedef struct npy_descr {
    cosrel_dtype type;
    char kind;         /* NumPy's letter: b i u f c S U */
    size_t item_bytes; /* of one element in the file; never 0 */
    size_t unit_bytes; /* of what a byte order applies to: half a complex number, one character */
    bool big_endian;
} npy_descr;

/* False: not a type that a tensor has. `text` need not end with a zero. */
bool npy_descr_read(const char *text, size_t length, npy_descr *out);

/* "<f4", "|b1"; NULL: NumPy has no such type, or it is strings. */
const char *npy_descr_of(cosrel_dtype type);

/* One string element into UTF-8 with a final zero; the bytes written, zero included; 0: not
 * Unicode. `to` needs item_bytes + 1. NumPy pads with zeros, so a string ends at the last character
 * that is none; one in the middle ends it too, since tensors hold C strings. */
size_t npy_text_decode(const npy_descr *descr, const uint8_t *from, char *to);

/* Characters of a UTF-8 text; false if it is not well-formed. */
bool npy_text_length(const char *text, size_t *characters);

/* The next character of a well-formed text; moves on. */
uint32_t npy_text_next(const char **at);

#endif
