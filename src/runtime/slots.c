/* Requests in flight, in a pool that is sized once. The slot used last is used next: it is warm,
 * and what it has grown to serves again, so that nothing is allocated in the long run. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "runtime/parts.h"

cosrel_status slots_init(cosrel_runtime *rt, uint32_t count)
{
    slot_pool *pool = &rt->pool;
    pthread_mutex_init(&pool->lock, NULL);
    pool->slots = calloc(count, sizeof *pool->slots);
    if (!pool->slots)
        return COSREL_OUT_OF_MEMORY;
    pool->count = count;
    for (uint32_t i = count; i-- > 0;) {
        slot *s = &pool->slots[i];
        s->rt = rt;
        s->index = i;
        s->next = pool->free;
        pool->free = s;
    }
    return COSREL_OK;
}

void output_set_clear(output_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->values[i])
            ort_api()->ReleaseValue(set->values[i]);
        set->values[i] = NULL;
        free(set->strings[i]);
        set->strings[i] = NULL;
    }
}

static void set_free(output_set *set)
{
    output_set_clear(set);
    free(set->values);
    free(set->strings);
    free(set);
}

void slots_deinit(cosrel_runtime *rt)
{
    slot_pool *pool = &rt->pool;
    for (uint32_t i = 0; i < pool->count; i++) {
        slot *s = &pool->slots[i];
        output_set_release(rt, s->outputs);
        free(s->inputs);
        free(s->input_dims);
        free(s->views);
        free(s->view_dims);
        free(s->places);
    }
    while (pool->free_sets) {
        output_set *set = pool->free_sets;
        pool->free_sets = set->next;
        set_free(set);
    }
    free(pool->slots);
    if (pool->count)
        pthread_mutex_destroy(&pool->lock);
    memset(pool, 0, sizeof *pool);
}

slot *slot_take(cosrel_runtime *rt)
{
    slot_pool *pool = &rt->pool;
    pthread_mutex_lock(&pool->lock);
    slot *s = pool->free;
    if (s)
        pool->free = s->next;
    pthread_mutex_unlock(&pool->lock);
    if (!s)
        return NULL;
    memset(&s->result, 0, sizeof s->result);
    atomic_store_explicit(&s->answered, 0, memory_order_relaxed);
    atomic_store_explicit(&s->sleeping, 0, memory_order_relaxed);
    s->cancelled = s->trial = s->loads = s->parked = false;
    s->id = 0;
    s->next = NULL;
    s->message[0] = '\0';
    return s;
}

void slot_give(slot *s)
{
    slot_pool *pool = &s->rt->pool;
    output_set *set = s->outputs;
    s->outputs = NULL;
    output_set_release(s->rt, set);
    /* From here on a ticket of the old generation is a stranger. */
    atomic_fetch_add(&s->generation, 1);
    pthread_mutex_lock(&pool->lock);
    s->state = SLOT_FREE;
    s->next = pool->free;
    pool->free = s;
    pthread_mutex_unlock(&pool->lock);
}

cosrel_ticket slot_ticket(const slot *s)
{
    return ((cosrel_ticket)atomic_load(&s->generation) << 32) | (s->index + 1u);
}

slot *slot_of_ticket(cosrel_runtime *rt, cosrel_ticket ticket)
{
    const uint32_t index = (uint32_t)ticket - 1u;
    if (index >= rt->pool.count)
        return NULL;
    slot *s = &rt->pool.slots[index];
    return atomic_load(&s->generation) == (uint32_t)(ticket >> 32) ? s : NULL;
}

/* Grows *array to hold `count` elements; keeps it if it does already. */
static cosrel_status grow(void **array, size_t *capacity, size_t count, size_t element_bytes)
{
    if (count <= *capacity)
        return COSREL_OK;
    void *bigger = realloc(*array, count * element_bytes);
    if (!bigger)
        return COSREL_OUT_OF_MEMORY;
    *array = bigger;
    *capacity = count;
    return COSREL_OK;
}

cosrel_status slot_reserve_inputs(slot *s, size_t count, size_t dims)
{
    const cosrel_status status = grow((void **)&s->inputs, &s->input_capacity, count,
                                      sizeof *s->inputs);
    if (status != COSREL_OK)
        return status;
    return grow((void **)&s->input_dims, &s->input_dims_capacity, dims, sizeof *s->input_dims);
}

cosrel_status slot_reserve_views(slot *s, size_t count, size_t dims)
{
    const cosrel_status status = grow((void **)&s->views, &s->view_capacity, count,
                                      sizeof *s->views);
    if (status != COSREL_OK)
        return status;
    return grow((void **)&s->view_dims, &s->view_dims_capacity, dims, sizeof *s->view_dims);
}

cosrel_status slot_reserve_places(slot *s, size_t count)
{
    return grow((void **)&s->places, &s->place_capacity, count, sizeof *s->places);
}

output_set *output_set_take(cosrel_runtime *rt, size_t count)
{
    slot_pool *pool = &rt->pool;
    pthread_mutex_lock(&pool->lock);
    output_set *set = pool->free_sets;
    if (set)
        pool->free_sets = set->next;
    pthread_mutex_unlock(&pool->lock);
    if (!set && !(set = calloc(1, sizeof *set)))
        return NULL;
    if (set->capacity < count) {
        free(set->values);
        free(set->strings);
        set->values = calloc(count, sizeof *set->values);
        set->strings = calloc(count, sizeof *set->strings);
        set->capacity = count;
        if (!set->values || !set->strings) {
            set->count = 0;
            set_free(set);
            return NULL;
        }
    }
    set->count = count;
    set->next = NULL;
    atomic_store(&set->users, 1);
    return set;
}

void output_set_release(cosrel_runtime *rt, output_set *set)
{
    if (!set || atomic_fetch_sub(&set->users, 1) != 1)
        return;
    output_set_clear(set);
    slot_pool *pool = &rt->pool;
    pthread_mutex_lock(&pool->lock);
    set->next = pool->free_sets;
    pool->free_sets = set;
    pthread_mutex_unlock(&pool->lock);
}
