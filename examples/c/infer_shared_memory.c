/* Asks a `cosrel serve` on the same machine for an inference whose tensors never travel: both
 * programs map the same shared memory, and the request says where in it they are. For large tensors
 * that is the cheapest way there is.
 *
 *     cc infer_shared_memory.c oip.c $(pkg-config --cflags --libs libcurl jansson) -o infer_shm
 *     ./infer_shm http://127.0.0.1:8000 mobilenet_v2 [dimension that is open, default 1]
 *
 * The server must run as the same user or one that may open the memory. COSREL_TOKEN in the
 * environment is sent as the bearer token. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "oip.h"

/* Of each tensor's place, so that vector instructions load it well. */
enum { ALIGNMENT = 64 };

typedef struct shared {
    char key[64]; /* as shm_open names it; our name for the region too, but for the slash */
    int fd;
    char *memory;
    size_t bytes;
} shared;

static bool fail(oip_client *c, const char *what)
{
    snprintf(c->error, sizeof c->error, "%s", what);
    return false;
}

/* Gives every tensor its place in the memory. Outputs get the room that the metadata says. */
static size_t lay_out(oip_tensors *inputs, oip_tensors *outputs, char *memory)
{
    size_t bytes = 0;
    oip_tensors *const both[] = {inputs, outputs};
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < both[k]->count; i++) {
            both[k]->at[i].data = memory ? memory + bytes : NULL;
            bytes += (both[k]->at[i].bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        }
    return bytes;
}

static bool map(oip_client *c, shared *s, size_t bytes)
{
    snprintf(s->key, sizeof s->key, "/cosrel-example-%ld", (long)getpid());
    s->bytes = bytes;
    s->fd = shm_open(s->key, O_CREAT | O_EXCL | O_RDWR, 0600);
    if (s->fd < 0 || ftruncate(s->fd, (off_t)bytes) != 0)
        return fail(c, "no shared memory to be had (/dev/shm)");
    s->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
    return s->memory != MAP_FAILED || fail(c, "the shared memory cannot be mapped");
}

static bool post(oip_client *c, const char *path, json_t *request, json_t **answer)
{
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    if (!text)
        return fail(c, "no memory for the request");
    *answer = oip_call(c, path, text, strlen(text), strlen(text), NULL);
    free(text);
    return *answer != NULL;
}

/* Tells the server of the region: the client's name for it, and how to open it. */
static bool add_region(oip_client *c, const shared *s)
{
    char path[256];
    json_t *answer = NULL;
    snprintf(path, sizeof path, "/v2/systemsharedmemory/region%s/register", s->key);
    const bool good = post(
        c, path, json_pack("{s:s, s:I}", "key", s->key, "byte_size", (json_int_t)s->bytes),
        &answer);
    json_decref(answer);
    return good;
}

static void remove_region(oip_client *c, const shared *s)
{
    char path[256];
    json_t *answer = NULL;
    snprintf(path, sizeof path, "/v2/systemsharedmemory/region%s/unregister", s->key);
    (void)post(c, path, json_object(), &answer);
    json_decref(answer);
}

/* A tensor in the request says where it is instead of what it holds. */
static json_t *places(const oip_tensors *tensors, const shared *s, bool input)
{
    json_t *list = json_array();
    for (size_t i = 0; i < tensors->count; i++) {
        const oip_tensor *t = &tensors->at[i];
        json_t *one = input ? oip_tensor_to_json(t) : json_pack("{s:s}", "name", t->name);
        json_object_set_new(one, "parameters",
                            json_pack("{s:s, s:I, s:I}", "shared_memory_region", s->key + 1,
                                      "shared_memory_offset",
                                      (json_int_t)((char *)t->data - s->memory),
                                      "shared_memory_byte_size", (json_int_t)t->bytes));
        json_array_append_new(list, one);
    }
    return list;
}

static bool infer(oip_client *c, const char *model, const shared *s, const oip_tensors *inputs,
                  oip_tensors *outputs)
{
    char path[512];
    json_t *answer = NULL;
    snprintf(path, sizeof path, "/v2/models/%s/infer", model);
    json_t *request = json_pack("{s:o, s:o}", "inputs", places(inputs, s, true), "outputs",
                                places(outputs, s, false));
    bool good = post(c, path, request, &answer);
    const json_t *list = json_object_get(answer, "outputs");
    for (size_t i = 0; good && i < outputs->count; i++) { /* the shapes are known only now */
        void *place = outputs->at[i].data;
        good = oip_tensor_from_json(c, json_array_get(list, i), 1, &outputs->at[i]);
        outputs->at[i].data = place;
    }
    json_decref(answer);
    return good;
}

static bool run(oip_client *c, const char *model, int64_t open)
{
    oip_tensors inputs = {0}, outputs = {0};
    shared s = {.fd = -1, .memory = MAP_FAILED};
    bool good = oip_describe(c, model, open, &inputs, &outputs) &&
                map(c, &s, lay_out(&inputs, &outputs, NULL));
    if (good) {
        lay_out(&inputs, &outputs, s.memory);
        good = add_region(c, &s);
    }
    for (int i = 0; good && i < 3; i++) {
        for (size_t k = 0; k < inputs.count; k++)
            oip_fill_random(&inputs.at[k]); /* in place: a camera's driver would write here */
        good = infer(c, model, &s, &inputs, &outputs);
        if (good)
            printf("%s: %.2f ms\n", model, c->seconds * 1e3);
    }
    for (size_t i = 0; good && i < outputs.count; i++)
        oip_print(&outputs.at[i]);
    if (good)
        remove_region(c, &s);
    if (s.memory != MAP_FAILED)
        munmap(s.memory, s.bytes);
    if (s.fd >= 0) {
        close(s.fd);
        shm_unlink(s.key);
    }
    return good;
}

int main(int argc, char **argv)
{
    const long open = argc > 3 ? strtol(argv[3], NULL, 10) : 1;
    if (argc < 3 || argc > 4 || open < 1) {
        fprintf(stderr, "usage: infer_shared_memory URL MODEL [OPEN-DIMENSION]\n");
        return 2;
    }
    oip_client c;
    srand((unsigned)time(NULL));
    const bool good = oip_open(&c, argv[1], getenv("COSREL_TOKEN")) && run(&c, argv[2], open);
    if (!good)
        fprintf(stderr, "%s\n", c.error);
    oip_close(&c);
    return good ? 0 : 1;
}
