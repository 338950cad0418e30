/* Any bytes as a settings file: one line that says what is wrong, or settings within their bounds.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    settings s;
    cosrel_error err = {""};
    const cosrel_status status = settings_parse((const char *)data, bytes, &s, &err);
    if (status != COSREL_OK) {
        if (err.text[0] == '\0' || strchr(err.text, '\n'))
            abort();
    } else if (!s.policy || !s.cache_folder || s.requests_max == 0 || s.run_limit_ns <= 0 ||
               s.retry_ns <= 0) {
        abort();
    }
    settings_deinit(&s);
    return 0;
}
