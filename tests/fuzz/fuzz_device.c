/* Any bytes as a device file: one line that says what is wrong, or a device that, with all that is
 * described switched on, goes through a few hundred runs with sane times. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sim/device_model.h"
#include "sim/processors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(int condition)
{
    if (!condition)
        abort();
}

static const char *const NAMES[] = {"cpu0", "cpu1", "gpu", "npu0"};
static const char *const MODELS[] = {"lenet", "unet"};

static void take_changes(device_model *d, int64_t now_ns)
{
    int p;
    device_change change;
    for (int i = 0; device_model_take_change(d, now_ns, &p, &change); i++)
        require(i < 4 && p >= 0 && p < 4);
}

static void drive(device_model *d)
{
    int64_t now_ns = 0;
    for (unsigned i = 0; i < 300; i++) {
        const int p = (int)(i % 4);
        const int64_t next_ns = device_model_next_ns(d);
        require(next_ns > now_ns || (i == 0 && next_ns >= 0));
        /* Mostly to where something happens, as the simulator goes. */
        if (next_ns < INT64_MAX / 2 && i % 3)
            now_ns = next_ns;
        else if (next_ns - now_ns > 1000)
            now_ns += 1000;
        device_model_advance(d, now_ns, i * 7 % 16);
        take_changes(d, now_ns);
        require(device_model_begin(d, now_ns, p, (int)(i % 2), 1000000) >= 1);
        const double speed = device_model_speed(d, p);
        require(speed >= 0 && speed < 1e6);
        require(!(device_model_temperature_c(d) < -1e9));
        (void)device_model_run_fails(d, now_ns, p);
        require(device_model_energy_factor(d, p) >= 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    device_spec *spec;
    device_model *model;
    sched_processor processors[4];
    cosrel_error err = {""};
    char *text = malloc(bytes + 1);
    if (!text)
        return 0;
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    require(processors_from_names(NAMES, 4, processors, &err) == COSREL_OK);
    if (device_spec_parse("device.yaml", text, bytes, &spec, &err) != COSREL_OK) {
        require(!spec && err.text[0] != '\0' && !strchr(err.text, '\n'));
    } else {
        require(device_spec_enable(spec, device_spec_effects(spec), &err) == COSREL_OK);
        if (device_model_create(spec, processors, 4, MODELS, 2, 1, &model, &err) == COSREL_OK)
            drive(model);
        else
            require(err.text[0] != '\0' && !strchr(err.text, '\n'));
        device_model_free(model);
    }
    device_spec_free(spec);
    free(text);
    return 0;
}
