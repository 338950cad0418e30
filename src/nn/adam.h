/* Adam (Kingma and Ba, ICLR 2015), with its published constants. */
#ifndef NN_ADAM_H
#define NN_ADAM_H

#include <stdint.h>

#include "cosrel/status.h"

typedef struct adam {
    int count;
    int64_t steps;
    float *mean, *square; /* moving moments of the gradient */
} adam;

COSREL_CHECKED cosrel_status adam_init(adam *a, int count);
void adam_deinit(adam *a); /* zeroed is fine */

/* One step down the gradient. Its norm is cut to norm_max first (Pascanu et al., ICML 2013). A
 * gradient that is not finite changes nothing. Returns the norm before cutting. */
double adam_step(adam *a, float *parameters, const float *gradient, double rate, double norm_max);

#endif
