/* Seeded random numbers (xoshiro256**, Blackman and Vigna 2018). The state is an argument: no
 * global, no clock. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

typedef struct rng {
    uint64_t s[4];
} rng;

void rng_init(rng *r, uint64_t seed); /* any seed, zero included (expanded by splitmix64) */
uint64_t rng_u64(rng *r);
uint64_t rng_below(rng *r, uint64_t n);      /* uniform in [0, n), n > 0, without modulo bias */
double rng_unit(rng *r);                     /* uniform in [0, 1) with 53 bits */
double rng_normal(rng *r);                   /* mean 0, deviation 1 (Marsaglia polar method) */
double rng_exponential(rng *r, double mean); /* mean > 0 */

#endif
