#include "nn/adam.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double KEEP_MEAN = 0.9, KEEP_SQUARE = 0.999, EPSILON = 1e-8;

cosrel_status adam_init(adam *a, int count)
{
    *a = (adam){.count = count};
    a->mean = calloc((size_t)count, sizeof *a->mean);
    a->square = calloc((size_t)count, sizeof *a->square);
    return a->mean && a->square ? COSREL_OK : COSREL_OUT_OF_MEMORY;
}

void adam_deinit(adam *a)
{
    free(a->mean);
    free(a->square);
    memset(a, 0, sizeof *a);
}

double adam_step(adam *a, float *parameters, const float *gradient, double rate, double norm_max)
{
    double squares = 0;
    for (int i = 0; i < a->count; i++)
        squares += (double)gradient[i] * gradient[i];
    const double norm = sqrt(squares);
    if (!isfinite(norm))
        return norm;
    const double cut = norm > norm_max ? norm_max / norm : 1;
    a->steps++;
    const double mean_part = 1 - pow(KEEP_MEAN, (double)a->steps);
    const double square_part = 1 - pow(KEEP_SQUARE, (double)a->steps);
    for (int i = 0; i < a->count; i++) {
        const double g = gradient[i] * cut;
        a->mean[i] = (float)(KEEP_MEAN * a->mean[i] + (1 - KEEP_MEAN) * g);
        a->square[i] = (float)(KEEP_SQUARE * a->square[i] + (1 - KEEP_SQUARE) * g * g);
        parameters[i] -= (float)(rate * (a->mean[i] / mean_part) /
                                 (sqrt(a->square[i] / square_part) + EPSILON));
    }
    return norm;
}
