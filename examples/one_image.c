/* Runs one image through a model: cc one_image.c $(pkg-config --cflags --libs cosrel) */
#include <cosrel/cosrel.h>
#include <stdio.h>

int main(void)
{
    static float image[3 * 224 * 224]; /* yours, from a camera */
    const int64_t shape[] = {1, 3, 224, 224};
    const cosrel_tensor input = {NULL, COSREL_FLOAT32, 4, shape, image, sizeof image};
    cosrel_runtime *rt = NULL;
    const cosrel_result *result = NULL;
    cosrel_error err;
    if (cosrel_runtime_open(NULL, &rt, &err) || cosrel_runtime_load(rt, "models", &err) ||
        cosrel_run(rt, cosrel_runtime_find_model(rt, "mobilenet_v2", 0), &input, 1, &result, &err))
        return fprintf(stderr, "%s\n", err.text), 1;
    printf("%s, first score %g\n", result->processor, ((float *)result->outputs[0].data)[0]);
    cosrel_result_release(result);
    cosrel_runtime_close(rt);
    return 0;
}
