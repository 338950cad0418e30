/* A user's C program against the installed library: links, starts the runtime, stops it. */
#include <cosrel/cosrel.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    if (strcmp(cosrel_version(), COSREL_VERSION) != 0) {
        fprintf(stderr, "headers are %s, library is %s\n", COSREL_VERSION, cosrel_version());
        return 1;
    }
    cosrel_options options;
    cosrel_options_init(&options);
    options.processors = "cpu0";
    options.cache_folder = "";
    cosrel_runtime *rt;
    cosrel_error err;
    if (cosrel_runtime_open(&options, &rt, &err) != COSREL_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    size_t processors = cosrel_runtime_processor_count(rt);
    cosrel_processor_info info = {0};
    if (processors == 1)
        cosrel_runtime_processor(rt, 0, &info);
    const char *const name = info.name ? info.name : "";
    int ok = processors == 1 && strcmp(name, "cpu0") == 0;
    printf("cosrel %s on ONNX Runtime %s: %s\n", cosrel_version(), cosrel_onnxruntime_version(),
           name);
    cosrel_runtime_close(rt);
    return ok ? 0 : 1;
}
