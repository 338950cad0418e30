#include "learn/lesson.h"

#include <stdlib.h>
#include <string.h>

static size_t numbers_of(int count)
{
    return STATE_FEATURES + (size_t)count * (CANDIDATE_FEATURES + 1);
}

static cosrel_status make_room(lessons *l, size_t numbers, size_t count)
{
    if (l->used + numbers > l->room) {
        const size_t room = 2 * l->room + numbers + 4096;
        float *grown = realloc(l->numbers, room * sizeof *grown);
        if (!grown)
            return COSREL_OUT_OF_MEMORY;
        l->numbers = grown;
        l->room = room;
    }
    if (l->count + count > l->all_room) {
        const size_t room = 2 * l->all_room + count + 64;
        lesson *grown = realloc(l->all, room * sizeof *grown);
        if (!grown)
            return COSREL_OUT_OF_MEMORY;
        l->all = grown;
        l->all_room = room;
    }
    return COSREL_OK;
}

cosrel_status lessons_add(lessons *l, const observation *seen, const float *costs)
{
    const size_t numbers = numbers_of(seen->count);
    const size_t row = (size_t)seen->count * sizeof(float);
    if (make_room(l, numbers, 1) != COSREL_OK)
        return COSREL_OUT_OF_MEMORY;
    float *at = l->numbers + l->used;
    l->all[l->count++] = (lesson){.at = l->used, .count = seen->count};
    l->used += numbers;
    memcpy(at, seen->input.state, STATE_FEATURES * sizeof *at);
    at += STATE_FEATURES;
    for (int f = 0; f < CANDIDATE_FEATURES; f++, at += seen->count)
        memcpy(at, seen->input.x + f * SCORER_CANDIDATES_MAX, row);
    memcpy(at, costs, row);
    return COSREL_OK;
}

cosrel_status lessons_append(lessons *l, const lessons *from, double factor)
{
    if (make_room(l, from->used, from->count) != COSREL_OK)
        return COSREL_OUT_OF_MEMORY;
    if (from->used > 0)
        memcpy(l->numbers + l->used, from->numbers, from->used * sizeof *l->numbers);
    for (size_t i = 0; i < from->count; i++) {
        const lesson *one = &from->all[i];
        float *costs = l->numbers + l->used + one->at + numbers_of(one->count) - one->count;
        l->all[l->count++] = (lesson){.at = l->used + one->at, .count = one->count};
        for (int c = 0; c < one->count; c++)
            costs[c] = (float)(costs[c] * factor);
    }
    l->used += from->used;
    return COSREL_OK;
}

const float *lessons_get(const lessons *l, size_t index, scorer_input *in)
{
    const lesson *one = &l->all[index];
    const float *at = l->numbers + one->at;
    in->count = one->count;
    memcpy(in->state, at, STATE_FEATURES * sizeof *at);
    at += STATE_FEATURES;
    for (int f = 0; f < CANDIDATE_FEATURES; f++, at += one->count)
        memcpy(in->x + f * SCORER_CANDIDATES_MAX, at, (size_t)one->count * sizeof *at);
    return at;
}

void lessons_drop(lessons *l, size_t count)
{
    if (count >= l->count) {
        lessons_clear(l);
        return;
    }
    const size_t numbers = l->all[count].at;
    memmove(l->numbers, l->numbers + numbers, (l->used - numbers) * sizeof *l->numbers);
    memmove(l->all, l->all + count, (l->count - count) * sizeof *l->all);
    l->used -= numbers;
    l->count -= count;
    for (size_t i = 0; i < l->count; i++)
        l->all[i].at -= numbers;
}

void lessons_clear(lessons *l)
{
    l->used = l->count = 0;
}

void lessons_deinit(lessons *l)
{
    free(l->numbers);
    free(l->all);
    memset(l, 0, sizeof *l);
}
