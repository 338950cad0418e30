#include "fuzz_runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tiny_onnx.h"

/* Cosrel is C: what C++'s operator new gave belongs to ONNX Runtime, which keeps some of it
 * (tests/lsan.supp; there is no more of the stack to see here). */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libonnxruntime.so.1\nleak:libstdc++.so\n";
}

static cosrel_runtime *opened;

static void end(void)
{
    cosrel_runtime_close(opened);
}

static bool write_words(const char *path)
{
    return tiny_identity(path, 8);
}

static void load(const char *folder, const char *name, bool (*write_model)(const char *path))
{
    char path[128];
    cosrel_error err = {""};
    snprintf(path, sizeof path, "%s/%s.onnx", folder, name);
    if (!write_model(path) || cosrel_runtime_load(opened, path, &err) != COSREL_OK) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    unlink(path);
}

cosrel_runtime *fuzz_runtime(void)
{
    char folder[] = "/tmp/fuzz-runtime-XXXXXX";
    cosrel_options options;
    cosrel_error err = {""};
    if (opened)
        return opened;
    cosrel_options_init(&options);
    options.cache_folder = "";
    options.processors = "cpu0";
    if (!mkdtemp(folder) || cosrel_runtime_open(&options, &opened, &err) != COSREL_OK) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    load(folder, "add", tiny_add);
    load(folder, "multi", tiny_multi);
    load(folder, "words", write_words);
    rmdir(folder);
    atexit(end);
    return opened;
}

void fuzz_service_begin(service *s)
{
    cosrel_error err = {""};
    *s = (service){.rt = fuzz_runtime(),
                   .policy = "",
                   .objective = "latency",
                   .finished.wake_fd = -1,
                   .bodies.max = 1 << 20,
                   .who.open = true};
    if (finished_init(&s->finished, &err) == COSREL_OK &&
        desk_open(s->rt, NULL, 1, &s->desk, &err) == COSREL_OK)
        return;
    fprintf(stderr, "%s\n", err.text);
    abort();
}

void fuzz_service_end(service *s)
{
    desk_close(s->desk);
    finished_deinit(&s->finished);
    regions_deinit(&s->regions);
}
