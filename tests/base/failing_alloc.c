#include "failing_alloc.h"

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *data, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *data, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t bytes);

atomic_long failing_alloc_left;
_Thread_local bool failing_alloc_spared;

bool failing_alloc_now(void)
{
    long left = atomic_load(&failing_alloc_left);
    if (failing_alloc_spared)
        return false;
    while (left > 0) /* never below, whoever else counts at this moment */
        if (atomic_compare_exchange_weak(&failing_alloc_left, &left, left - 1))
            return left == 1;
    return false;
}

void *failing_alloc_malloc(size_t bytes)
{
    return __real_malloc(bytes);
}

void *__wrap_malloc(size_t bytes)
{
    return failing_alloc_now() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return failing_alloc_now() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *data, size_t bytes)
{
    return failing_alloc_now() ? NULL : __real_realloc(data, bytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return failing_alloc_now() ? NULL : __real_aligned_alloc(alignment, bytes);
}

char *__wrap_strdup(const char *text)
{
    return failing_alloc_now() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t bytes)
{
    return failing_alloc_now() ? NULL : __real_strndup(text, bytes);
}
