/* Runs one image through a model: cc one_image.c $(pkg-config --cflags --libs cosrel) */
#include <cosrel/cosrel.h>
#include <stdio.h>

int main(void)
{
    static float image[3 * 224 * 224]; /* yours, from a camera */
    const int64_t shape[] = {1, 3, 224, 224};
    const cosrel_tensor input = {
        .type = COSREL_FLOAT32, .rank = 4, .shape = shape, .data = image, .bytes = sizeof image};
    cosrel_runtime *rt = NULL;
    const cosrel_result *result = NULL;
    cosrel_error err;
    cosrel_status status = cosrel_runtime_open(NULL, &rt, &err);
    if (status == COSREL_OK)
        status = cosrel_runtime_load(rt, "models", &err);
    if (status == COSREL_OK)
        status = cosrel_run(rt, cosrel_runtime_find_model(rt, "mobilenet_v2", 0), &input, 1,
                            &result, &err);
    if (status == COSREL_OK)
        printf("%s, first score %g, %.1f ms\n", result->processor,
               ((float *)result->outputs[0].data)[0],
               (double)(result->finished_ns - result->submitted_ns) / 1e6);
    else
        fprintf(stderr, "%s\n", err.text);
    cosrel_result_release(result);
    cosrel_runtime_close(rt);
    return status;
}
