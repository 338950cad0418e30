/* What happened lately: every foreground request that was accepted, and when its answer came.
 *
 * A ring of records, filled on the dispatch path: O(1), without allocation. Not locked: its owner
 * serialises (beside a runtime, the runtime's lock does). */
#ifndef LEARN_EXPERIENCE_H
#define LEARN_EXPERIENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"

typedef struct experience_record {
    int64_t t_ns;        /* accepted */
    int64_t deadline_ns; /* absolute; INT64_MAX: none */
    int64_t end_ns;      /* answered; INT64_MAX: not yet */
    float energy_uj;     /* of its run, by the cost table; 0: unknown */
    int16_t model;
    int8_t priority; /* 0 or 1 */
    bool dropped;    /* answered without a run, because it was too late */
} experience_record;

typedef struct experience experience;

/* Room for so many records, the last ones. OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status experience_create(uint32_t room, experience **out);
void experience_free(experience *e); /* NULL is fine */

/* Returns the record's number: 0, 1, 2, ... Times never go back. */
uint64_t experience_accept(experience *e, int64_t now_ns, int model, int64_t deadline_ns,
                           int priority);
/* The answer to a record that the ring has lost already is passed over. */
void experience_answer(experience *e, int64_t now_ns, uint64_t number, bool dropped,
                       double energy_uj);

/* The model's records say nothing from now on: their model is -1. O(room). */
void experience_forget(experience *e, int model);

uint64_t experience_count(const experience *e); /* accepted so far */
uint32_t experience_room(const experience *e);

/* Copies the records from *from on, or from the oldest one that is left, which *from is set to; at
 * most `count`. Returns how many. */
size_t experience_copy(const experience *e, uint64_t *from, size_t count, experience_record *out);

#endif
