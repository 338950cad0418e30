/* Lessons: a decision with what each of its candidates would have cost, packed, and collections of
 * them.
 *
 * Costs are relative to each other only: the mean over the policy's choice is what learning makes
 * small. */
#ifndef LEARN_LESSON_H
#define LEARN_LESSON_H

#include <stddef.h>

#include "cosrel/status.h"
#include "sched/observe.h"

typedef struct lesson {
    size_t at; /* in `numbers`: the state, the candidates feature by feature, the costs */
    int count;
} lesson;

typedef struct lessons {
    float *numbers;
    size_t used, room;
    lesson *all;
    size_t count, all_room;
} lessons;

/* costs: one per candidate. OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status lessons_add(lessons *l, const observation *seen, const float *costs);

/* Appends those of `from`, with all their costs multiplied. */
COSREL_CHECKED cosrel_status lessons_append(lessons *l, const lessons *from, double factor);

/* Unpacks one; returns its costs. */
const float *lessons_get(const lessons *l, size_t index, scorer_input *in);

/* Forgets the first `count`. */
void lessons_drop(lessons *l, size_t count);

void lessons_clear(lessons *l);  /* keeps the memory */
void lessons_deinit(lessons *l); /* zeroed is fine */

#endif
