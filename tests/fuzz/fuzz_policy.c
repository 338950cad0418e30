/* Any bytes as a policy: refused with a sentence, or a network that scores. The checksum is made to
 * fit, or nothing behind it would ever be reached. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "nn/scorer_file.h"

enum { BYTES_MAX = 1 << 16, SUM_BYTES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static void score(const scorer *net)
{
    static scorer_input in;
    static scorer_pass pass;
    in.count = 9;
    scorer_forward(net, &in, &pass);
}

static void read_one(const uint8_t *data, size_t size)
{
    static const scorer_shape inputs = {.candidate_inputs = 3, .state_inputs = 2};
    scorer net;
    scorer_about about;
    cosrel_error err = {""};
    if (scorer_parse("fuzz.policy", data, size, &inputs, 1, &net, &about, &err) != COSREL_OK) {
        require(!net.parameters && !about.note && strncmp(err.text, "fuzz.policy:", 12) == 0);
        return;
    }
    require(net.shape.candidate_inputs == 3 && net.shape.state_inputs == 2 && about.note);
    for (int i = 0; i < net.parameter_count; i++)
        require(isfinite(net.parameters[i]));
    score(&net);
    scorer_deinit(&net);
    scorer_about_deinit(&about);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t copy[BYTES_MAX];
    read_one(data, size);
    if (size < SUM_BYTES || size > BYTES_MAX)
        return 0;
    memcpy(copy, data, size);
    const uint64_t sum = XXH64(copy, size - SUM_BYTES, 0);
    for (int i = 0; i < SUM_BYTES; i++)
        copy[size - SUM_BYTES + (size_t)i] = (uint8_t)(sum >> 8 * i);
    read_one(copy, size);
    return 0;
}
