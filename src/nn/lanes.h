/* Vectors of candidates. The compiler makes of them what the machine has; every sum is taken in the
 * same order on all, so that results agree to the last bit. */
#ifndef NN_LANES_H
#define NN_LANES_H

#include <stdbool.h>
#include <stdint.h>

#include "nn/scorer.h"

typedef float lanes __attribute__((vector_size(SCORER_LANES * sizeof(float)), aligned(4)));
typedef int32_t lane_bits __attribute__((vector_size(SCORER_LANES * sizeof(int32_t)), aligned(4)));

#define LANES_INLINE static inline __attribute__((always_inline))

/* Lets the x86-64 build use AVX2 where the machine has it, beside the baseline: `body` is compiled
 * twice. */
#if defined(__x86_64__)
#define LANES_WIDE     __attribute__((target("avx2")))
#define LANES_HAS_WIDE __builtin_cpu_supports("avx2")
#else
#define LANES_WIDE
#define LANES_HAS_WIDE 0
#endif

LANES_INLINE lanes *lanes_at(float *p)
{
    return (lanes *)p;
}

LANES_INLINE const lanes *lanes_of(const float *p)
{
    return (const lanes *)p;
}

LANES_INLINE bool lanes_any(const lane_bits *bits)
{
    typedef uint64_t halves
        __attribute__((vector_size(SCORER_LANES * sizeof(int32_t)), aligned(4)));
    const halves h = (halves)*bits;
    return (h[0] | h[1] | h[2] | h[3]) != 0;
}

LANES_INLINE float lanes_sum(const lanes *v)
{
    float sum = 0;
    for (int l = 0; l < SCORER_LANES; l++)
        sum += (*v)[l];
    return sum;
}

/* No function: one that returns a vector has another ABI on each machine. */
#define LANES_PICK(where, yes, no)                                                                 \
    ((lanes)(((lane_bits)(yes) & (where)) | ((lane_bits)(no) & ~(where))))

/* Those of v where `where` is above zero, else 0. */
LANES_INLINE void lanes_keep_positive(lanes *out, const lanes *v, const lanes *where)
{
    const lane_bits positive = *where > (lanes){0};
    *out = (lanes)((lane_bits)*v & positive);
}

#endif
