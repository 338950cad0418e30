/* Asks a running `cosrel serve` over HTTP: what a model takes, then for inferences with random
 * numbers as binary tensors.
 *
 *     cc infer.c oip.c $(pkg-config --cflags --libs libcurl jansson) -o infer
 *     ./infer http://127.0.0.1:8000 mobilenet_v2 [dimension that the model leaves open, default 1]
 *
 * COSREL_TOKEN in the environment is sent as the bearer token. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "oip.h"

static bool run(oip_client *c, const char *model, int64_t open)
{
    oip_tensors inputs = {0}, outputs = {0};
    bool good = oip_describe(c, model, open, &inputs, &outputs);
    for (size_t i = 0; good && i < inputs.count; i++) {
        oip_tensor *t = &inputs.at[i];
        t->data = malloc(t->bytes);
        good = t->data != NULL;
        if (good)
            oip_fill_random(t);
    }
    for (int i = 0; good && i < 3; i++) { /* the first one also connects */
        good = oip_infer(c, model, &inputs, &outputs);
        if (good)
            printf("%s: %.2f ms\n", model, c->seconds * 1e3);
    }
    for (size_t i = 0; good && i < outputs.count; i++)
        oip_print(&outputs.at[i]);
    for (size_t i = 0; i < inputs.count; i++)
        free(inputs.at[i].data);
    return good;
}

int main(int argc, char **argv)
{
    const long open = argc > 3 ? strtol(argv[3], NULL, 10) : 1;
    if (argc < 3 || argc > 4 || open < 1) {
        fprintf(stderr, "usage: infer URL MODEL [OPEN-DIMENSION]\n");
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
