/* Any bytes as the request of any method but inference, answered by a service over a real runtime:
 * an answer in one frame, or an error that says why. The first byte chooses the method. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_runtime.h"
#include "server/grpc_methods.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char *const paths[] = {
#define METHOD(name) "/inference.GRPCInferenceService/" name
    METHOD("ServerLive"),
    METHOD("ServerReady"),
    METHOD("ModelReady"),
    METHOD("ServerMetadata"),
    METHOD("ModelMetadata"),
    METHOD("ModelConfig"),
    METHOD("ModelStatistics"),
    METHOD("RepositoryIndex"),
    METHOD("RepositoryModelLoad"),
    METHOD("RepositoryModelUnload"),
    METHOD("SystemSharedMemoryStatus"),
    METHOD("SystemSharedMemoryRegister"),
    METHOD("SystemSharedMemoryUnregister"),
    "/grpc.health.v1.Health/Check",
};

static service shared;

static void end(void)
{
    fuzz_service_end(&shared);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    grpc_answer answer;
    cosrel_error err = {""};
    if (!shared.rt) {
        fuzz_service_begin(&shared);
        atexit(end); /* before the runtime is closed */
    }
    if (bytes == 0)
        return 0;
    const grpc_question q = {
        .method = grpc_method_find(paths[data[0] % (sizeof paths / sizeof *paths)]),
        .message = (const char *)data + 1,
        .bytes = bytes - 1};
    if (!q.method || (!q.method->answer && !q.method->begin))
        abort();
    if (q.method->begin) {
        desk_task task = {.next = NULL};
        if (grpc_method_begin(&shared, &q, &task, &err) == COSREL_OK || err.text[0] == '\0')
            abort();
        return 0;
    }
    memset(&answer, 0, sizeof answer);
    if (grpc_method_answer(&shared, &q, &answer, &err) != COSREL_OK) {
        if (err.text[0] == '\0')
            abort();
    } else if (answer.bytes_left < GRPC_PREFIX_BYTES || answer.piece_count != 1 ||
               answer.pieces[0].iov_len != answer.bytes_left) {
        abort();
    }
    grpc_answer_deinit(&answer);
    return 0;
}
