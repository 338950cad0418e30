#include "server/grpc_status.h"

/* A switch without a default: the compiler asks for a line for each new status. */
grpc_code grpc_code_of(cosrel_status status)
{
    switch (status) {
    case COSREL_OK:
        return GRPC_OK;
    case COSREL_INVALID_ARGUMENT:
        return GRPC_INVALID_ARGUMENT;
    case COSREL_NOT_FOUND:
        return GRPC_NOT_FOUND;
    case COSREL_INVALID_MODEL:
        return GRPC_FAILED_PRECONDITION;
    case COSREL_INVALID_FILE: /* a message that is no protobuf: gRPC's list names this code */
        return GRPC_INTERNAL;
    case COSREL_OUT_OF_MEMORY:
    case COSREL_QUEUE_FULL:
        return GRPC_RESOURCE_EXHAUSTED;
    case COSREL_DEADLINE_EXCEEDED:
    case COSREL_TIMEOUT:
        return GRPC_DEADLINE_EXCEEDED;
    case COSREL_CANCELLED:
        return GRPC_CANCELLED;
    case COSREL_UNAVAILABLE:
    case COSREL_CLOSED:
        return GRPC_UNAVAILABLE;
    case COSREL_UNSUPPORTED:
        return GRPC_UNIMPLEMENTED;
    case COSREL_IO:
    case COSREL_RUN_FAILED:
    case COSREL_INTERNAL:
        return GRPC_INTERNAL;
    }
    return GRPC_INTERNAL;
}

const char *grpc_code_name(grpc_code code)
{
    static const char *const names[] = {
        [GRPC_OK] = "OK",
        [GRPC_CANCELLED] = "CANCELLED",
        [GRPC_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
        [GRPC_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
        [GRPC_NOT_FOUND] = "NOT_FOUND",
        [GRPC_PERMISSION_DENIED] = "PERMISSION_DENIED",
        [GRPC_RESOURCE_EXHAUSTED] = "RESOURCE_EXHAUSTED",
        [GRPC_FAILED_PRECONDITION] = "FAILED_PRECONDITION",
        [GRPC_UNIMPLEMENTED] = "UNIMPLEMENTED",
        [GRPC_INTERNAL] = "INTERNAL",
        [GRPC_UNAVAILABLE] = "UNAVAILABLE",
        [GRPC_UNAUTHENTICATED] = "UNAUTHENTICATED",
    };
    const size_t at = (size_t)code;
    return at < sizeof names / sizeof *names && names[at] ? names[at] : "UNKNOWN";
}

size_t grpc_encode_message(const char *text, char *out, size_t room)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t used = 0;
    for (; *text && used + 3 < room; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c >= 0x20 && c <= 0x7e && c != '%') {
            out[used++] = (char)c;
            continue;
        }
        out[used++] = '%';
        out[used++] = digits[c >> 4];
        out[used++] = digits[c & 15];
    }
    out[used] = '\0';
    return used;
}

bool grpc_read_timeout(const char *text, int64_t *ns)
{
    static const struct {
        char unit;
        int64_t ns;
    } units[] = {{'H', 3600000000000}, {'M', 60000000000}, {'S', 1000000000},
                 {'m', 1000000},       {'u', 1000},        {'n', 1}};
    int64_t number = 0;
    int digits = 0;
    for (; *text >= '0' && *text <= '9' && digits <= 8; text++, digits++)
        number = number * 10 + (*text - '0');
    if (digits < 1 || digits > 8 || text[0] == '\0' || text[1] != '\0')
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (units[i].unit != *text)
            continue;
        if (__builtin_mul_overflow(number, units[i].ns, ns))
            *ns = INT64_MAX;
        return true;
    }
    return false;
}
