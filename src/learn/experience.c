#include "learn/experience.h"

#include <stdlib.h>

struct experience {
    uint64_t count;
    uint32_t room;
    experience_record records[];
};

cosrel_status experience_create(uint32_t room, experience **out)
{
    *out = calloc(1, sizeof **out + (size_t)room * sizeof(experience_record));
    if (!*out)
        return COSREL_OUT_OF_MEMORY;
    (*out)->room = room;
    return COSREL_OK;
}

void experience_free(experience *e)
{
    free(e);
}

uint64_t experience_accept(experience *e, int64_t now_ns, int model, int64_t deadline_ns,
                           int priority)
{
    e->records[e->count % e->room] = (experience_record){.t_ns = now_ns,
                                                         .deadline_ns = deadline_ns,
                                                         .end_ns = INT64_MAX,
                                                         .model = (int16_t)model,
                                                         .priority = priority > 0};
    return e->count++;
}

void experience_answer(experience *e, int64_t now_ns, uint64_t number, bool dropped,
                       double energy_uj)
{
    if (number >= e->count || e->count - number > e->room)
        return;
    experience_record *r = &e->records[number % e->room];
    r->end_ns = now_ns;
    r->dropped = dropped;
    r->energy_uj = (float)energy_uj;
}

void experience_forget(experience *e, int model)
{
    const uint64_t there = e->count < e->room ? e->count : e->room;
    for (uint64_t i = 0; i < there; i++)
        if (e->records[i].model == model)
            e->records[i].model = -1;
}

uint64_t experience_count(const experience *e)
{
    return e->count;
}

uint32_t experience_room(const experience *e)
{
    return e->room;
}

size_t experience_copy(const experience *e, uint64_t *from, size_t count, experience_record *out)
{
    const uint64_t oldest = e->count > e->room ? e->count - e->room : 0;
    if (*from < oldest)
        *from = oldest;
    size_t n = 0;
    for (; n < count && *from + n < e->count; n++)
        out[n] = e->records[(*from + n) % e->room];
    return n;
}
