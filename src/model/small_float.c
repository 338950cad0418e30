#include "model/small_float.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum specials {
    IEEE,        /* the largest exponent holds infinities and NaN */
    ONE_NAN,     /* FN: only all ones is NaN */
    UNSIGNED_NAN /* FNUZ: only minus zero is NaN */
} specials;

typedef struct format {
    cosrel_dtype type;
    unsigned exponent_bits;
    unsigned fraction_bits;
    int bias;
    specials special;
} format;

static const format formats[] = {
    {COSREL_FLOAT16, 5, 10, 15, IEEE},       {COSREL_BFLOAT16, 8, 7, 127, IEEE},
    {COSREL_FLOAT8E4M3FN, 4, 3, 7, ONE_NAN}, {COSREL_FLOAT8E4M3FNUZ, 4, 3, 8, UNSIGNED_NAN},
    {COSREL_FLOAT8E5M2, 5, 2, 15, IEEE},     {COSREL_FLOAT8E5M2FNUZ, 5, 2, 16, UNSIGNED_NAN},
};

static const format *format_of(cosrel_dtype type)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (formats[i].type == type)
            return &formats[i];
    }
    return NULL;
}

float small_float_widen(cosrel_dtype type, uint16_t bits)
{
    const format *f = format_of(type);
    if (!f)
        return NAN;
    const unsigned exponent_max = (1u << f->exponent_bits) - 1;
    const unsigned fraction_max = (1u << f->fraction_bits) - 1;
    const unsigned fraction = bits & fraction_max;
    const unsigned exponent = bits >> f->fraction_bits & exponent_max;
    const bool negative = bits >> (f->fraction_bits + f->exponent_bits) & 1;
    float value;
    if (f->special == UNSIGNED_NAN && negative && exponent == 0 && fraction == 0)
        return NAN;
    if (f->special == ONE_NAN && exponent == exponent_max && fraction == fraction_max)
        return NAN;
    if (f->special == IEEE && exponent == exponent_max)
        value = fraction ? NAN : INFINITY;
    else if (exponent == 0)
        value = ldexpf((float)fraction, 1 - f->bias - (int)f->fraction_bits);
    else
        value = ldexpf((float)(fraction | 1u << f->fraction_bits),
                       (int)exponent - f->bias - (int)f->fraction_bits);
    return negative ? -value : value;
}

uint16_t small_float_half(float value)
{
    const uint16_t sign = signbit(value) ? 0x8000 : 0;
    int exponent;
    if (!isfinite(value))
        return sign | (isnan(value) ? 0x7e00 : 0x7c00);
    const float fraction = frexpf(fabsf(value), &exponent); /* 0.5 <= fraction < 1, or 0 */
    /* Below 2^-14 numbers are multiples of 2^-24; above, the fraction has 11 bits with its leading
     * one. */
    const int unit = exponent - 11 > -24 ? exponent - 11 : -24;
    const long steps = lrintf(ldexpf(fraction, exponent - unit));
    if (exponent > 16 || (exponent == 16 && steps > 2047))
        return sign | 0x7c00;
    /* A leading one that rounding carried over adds itself to the exponent. */
    return (uint16_t)(sign | (steps < 1024 ? steps : ((long)(unit + 24) << 10) + steps));
}

uint16_t small_float_one(cosrel_dtype type)
{
    const format *f = format_of(type);
    return f ? (uint16_t)(f->bias << f->fraction_bits) : 0;
}
