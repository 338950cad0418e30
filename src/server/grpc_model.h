/* What Triton's extensions tell of a model, as messages: its configuration and its statistics. */
#ifndef SERVER_GRPC_MODEL_H
#define SERVER_GRPC_MODEL_H

#include "model/arena.h"
#include "server/grpc_answer.h"
#include "server/model_config.h"
#include "server/tally.h"

/* What is built lies in `memory`. OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status grpc_model_config(const model_config *config, arena *memory,
                                               grpc_answer *a, cosrel_error *err);

/* Of all models that are asked for, as statistics_next has it. OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status grpc_model_statistics(cosrel_runtime *rt, tally *counts,
                                                   const char *name, int64_t version, arena *memory,
                                                   grpc_answer *a, cosrel_error *err);

#endif
