/* Sessions of ONNX Runtime: their options for a processor, and what they say of a model. */
#ifndef DEVICE_ORT_SESSION_H
#define DEVICE_ORT_SESSION_H

#include "device/backend.h"
#include "device/ort.h"

/* Options for a session on `spec`: exactly its threads (which ort_pool_set pins), spinning inside a
 * run and never between runs. `optimised`: the file is an optimised copy, so nothing is optimised
 * again. Release with ReleaseSessionOptions. */
COSREL_CHECKED cosrel_status ort_session_options(const device_spec *spec, bool optimised,
                                                 OrtSessionOptions **out, cosrel_error *err);

/* A session from the model's own files, on `spec`'s kind of processor. IO: they do not hold
 * source->content any more, or ceased to meanwhile. May change `options`. */
COSREL_CHECKED cosrel_status ort_source_open(OrtEnv *env, const device_spec *spec,
                                             model_source *source, OrtSessionOptions *options,
                                             OrtSession **out, cosrel_error *err);

/* The signature of a session. On error nothing is left to free. */
COSREL_CHECKED cosrel_status ort_session_describe(const OrtSession *session, model_io *io,
                                                  cosrel_error *err);

/* Makes sure that source->optimised_path names an optimised copy of the model in the cache (see
 * ort_cache.c), or leaves it "" where there can be none. Never fails: the plain file serves as
 * well, only its weights are not shared. */
void ort_cache_ensure(OrtEnv *env, model_source *source);

/* Throws the copy away: it could not be loaded. */
void ort_cache_discard(model_source *source);

#endif
