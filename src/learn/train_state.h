/* Where training stands, as a file: with it an interrupted training goes on. The network, its
 * optimiser's moments, the round and the learning curve; numbers little-endian, with a checksum.
 * What was being learned from is not in it: the first rounds after it gather that anew. */
#ifndef LEARN_TRAIN_STATE_H
#define LEARN_TRAIN_STATE_H

#include "learn/evaluate.h"
#include "learn/student.h"

typedef struct curve_point {
    int round;
    uint64_t episodes;
    double minutes;
    exam_result exam;
} curve_point;

typedef struct train_state {
    uint64_t seed;
    int round;
    uint64_t episodes;
    double minutes; /* trained so far */
    curve_point *curve;
    size_t curve_count, curve_room;
} train_state;

COSREL_CHECKED cosrel_status train_state_add(train_state *t, const curve_point *point);
void train_state_deinit(train_state *t); /* zeroed is fine */

COSREL_CHECKED cosrel_status train_state_write(const char *path, const train_state *t,
                                               const student *s, cosrel_error *err);

/* The student must have the shape that the file's has. NOT_FOUND, IO; INVALID_FILE: not such a
 * file, damaged, or of another shape. */
COSREL_CHECKED cosrel_status train_state_read(const char *path, train_state *t, student *s,
                                              cosrel_error *err);

#endif
