/* A small client of the Open Inference Protocol over HTTP, on libcurl and jansson: metadata and
 * inference with binary tensors, which go from memory to the wire as they are.
 *
 * Functions that return bool say false when something went wrong; oip_client.error is one sentence
 * about it. One thread per client. */
#ifndef OIP_H
#define OIP_H

#include <curl/curl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OIP_TENSORS_MAX = 16, OIP_RANK_MAX = 8 };

typedef struct oip_tensor {
    char name[128];
    char datatype[8]; /* "FP32", "INT64", ... */
    size_t rank;
    int64_t shape[OIP_RANK_MAX];
    size_t bytes;
    void *data; /* row-major, little-endian, without gaps */
} oip_tensor;

typedef struct oip_tensors {
    size_t count;
    oip_tensor at[OIP_TENSORS_MAX];
} oip_tensors;

typedef struct oip_client {
    CURL *curl;
    char url[512];
    struct curl_slist *headers; /* of every request: the token */
    char *body;                 /* of the last answer */
    size_t body_bytes;
    double seconds; /* that the last answer took */
    char error[1024];
} oip_client;

/* url: "http://127.0.0.1:8000"; token: a bearer token, or NULL. The connection is made by the first
 * request and then kept. oip_close also after a failure. */
bool oip_open(oip_client *c, const char *url, const char *token);
void oip_close(oip_client *c);

/* What the model takes and gives, without data: `bytes` is what there will be. Dimensions that it
 * leaves open become `open`. */
bool oip_describe(oip_client *c, const char *model, int64_t open, oip_tensors *inputs,
                  oip_tensors *outputs);

/* The outputs' data lies in the client and is valid until its next call. */
bool oip_infer(oip_client *c, const char *model, const oip_tensors *inputs, oip_tensors *outputs);

/* Any route with any body; NULL: GET. json_bytes < body_bytes: the rest is binary tensors. The
 * answer's JSON, to be freed by json_decref; *binary is where its tensors begin. NULL: it failed.
 */
json_t *oip_call(oip_client *c, const char *path, const void *body, size_t json_bytes,
                 size_t body_bytes, char **binary);

/* One tensor in a request or an answer: {"name": ..., "datatype": ..., "shape": [...]}. */
json_t *oip_tensor_to_json(const oip_tensor *t);
bool oip_tensor_from_json(oip_client *c, const json_t *from, int64_t open, oip_tensor *t);

/* For the examples: random numbers into t->data, and a line about a tensor: the three highest
 * values where they look like scores of classes, else the mean. */
void oip_fill_random(oip_tensor *t);
void oip_print(const oip_tensor *t);

#endif
