#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char folder[] = "/tmp/cosrel-test-XXXXXX";

int fixture_setup(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

int fixture_teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

void fixture_path(const char *name, char path[512])
{
    snprintf(path, 512, "%s/%s", folder, name);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
}

void fixture_write(const char *name, const char *text)
{
    char path[512];
    fixture_path(name, path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static void log_quietly(void *user, cosrel_log_level level, const char *message)
{
    (void)user;
    if (getenv("COSREL_TEST_LOG"))
        fprintf(stderr, "log %d: %s\n", (int)level, message);
}

cosrel_options fixture_options(void)
{
    static char cache[512];
    cosrel_options options;
    fixture_path("cache", cache);
    cosrel_options_init(&options);
    options.cache_folder = cache;
    options.log = log_quietly;
    return options;
}

cosrel_runtime *fixture_open(const cosrel_options *options, const char *models)
{
    cosrel_runtime *rt;
    cosrel_error err = {.text = ""};
    char path[512];
    if (cosrel_runtime_open(options, &rt, &err) != COSREL_OK)
        fail_msg("open: %s", err.text);
    fixture_path(models, path);
    if (cosrel_runtime_load(rt, path, &err) != COSREL_OK)
        fail_msg("load: %s", err.text);
    return rt;
}

cosrel_model *fixture_model(cosrel_runtime *rt, const char *name)
{
    cosrel_model *m = cosrel_runtime_find_model(rt, name, 0);
    if (!m)
        fail_msg("no model %s", name);
    return m;
}

cosrel_tensor fixture_floats(const int64_t *shape, size_t rank, float *data)
{
    uint64_t elements = 1;
    for (size_t d = 0; d < rank; d++)
        elements *= (uint64_t)shape[d];
    return (cosrel_tensor){.type = COSREL_FLOAT32,
                           .rank = rank,
                           .shape = shape,
                           .data = data,
                           .bytes = (size_t)elements * sizeof *data};
}

cosrel_ticket fixture_submit(cosrel_runtime *rt, cosrel_model *m, const cosrel_tensor *inputs,
                             size_t count)
{
    const cosrel_request request = {.inputs = inputs, .input_count = count};
    cosrel_ticket ticket = 0;
    cosrel_error err = {.text = ""};
    if (cosrel_submit(rt, m, &request, &ticket, &err) != COSREL_OK)
        fail_msg("submit: %s", err.text);
    return ticket;
}

cosrel_status fixture_answer(cosrel_runtime *rt, cosrel_ticket ticket)
{
    const cosrel_result *result = NULL;
    const cosrel_status status = cosrel_wait(rt, ticket, INT64_C(60000000000), &result);
    if (status != COSREL_OK)
        fail_msg("wait: %s", cosrel_status_name(status));
    const cosrel_status answer = result->status;
    cosrel_result_release(result);
    return answer;
}

size_t fixture_processor(cosrel_runtime *rt, const char *name)
{
    for (size_t i = 0; i < cosrel_runtime_processor_count(rt); i++) {
        cosrel_processor_info info;
        cosrel_runtime_processor(rt, i, &info);
        if (strcmp(info.name, name) == 0)
            return i;
    }
    fail_msg("no processor %s", name);
    return 0;
}
