/* Writes the seeds of the fuzz corpora: make_corpus FOLDER. One small input for each branch worth
 * beginning at. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jpeglib.h>
#include <png.h>

#include "h2_bytes.h"
#include "oip.pb-c.h"
#include "onnx-ml.pb-c.h"
#include "tiny_onnx.h"

typedef struct corpus {
    const char *root;
    char path[4096];
} corpus;

static const char *at(corpus *c, const char *folder, const char *name)
{
    snprintf(c->path, sizeof c->path, "%s/%s", c->root, folder);
    mkdir(c->path, 0755);
    snprintf(c->path, sizeof c->path, "%s/%s/%s", c->root, folder, name);
    return c->path;
}

static void save(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, bytes, file) != bytes || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

/* A policy of 3 and 2 inputs, 2 and 1 units; the fuzz target mends the checksum. */
static void make_one_policy(corpus *c, const char *name, uint32_t first, uint32_t note_bytes,
                            size_t parameters)
{
    const uint32_t numbers[] = {1, 1, 3, 2, first, 1, 9, 0, note_bytes};
    uint8_t file[256] = "COSRELP\n";
    size_t bytes = 8;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++, bytes += 4)
        memcpy(file + bytes, &numbers[i], 4);
    save(at(c, "policy", name), file, bytes + note_bytes % 100 + 4 * parameters + 8);
}

static void make_policy(corpus *c)
{
    make_one_policy(c, "whole", 2, 4, 18);
    make_one_policy(c, "short", 2, 4, 17);
    make_one_policy(c, "wide", 3, 4, 18);
    make_one_policy(c, "noted", 2, 400, 18);
}

static void make_onnx(corpus *c)
{
    bool ok = tiny_add(at(c, "onnx", "add"));
    ok = tiny_multi(at(c, "onnx", "multi")) && ok;
    ok = tiny_identity(at(c, "onnx", "identity_string"), 8) && ok;
    ok = tiny_identity(at(c, "onnx", "identity_int4"), 22) && ok;
    ok = tiny_external(at(c, "onnx", "external"), "weights.bin", 64, NULL) && ok;
    ok = tiny_external(at(c, "onnx", "external_up"), "../weights.bin", 0, NULL) && ok;
    ok = tiny_unsupported(at(c, "onnx", "unsupported")) && ok;
    ok = tiny_lying(at(c, "onnx", "lying"), (int64_t)1 << 30) && ok;
    ok = tiny_matmul(at(c, "onnx", "matmul"), 64) && ok;
    if (!ok)
        exit(1);
    save(at(c, "onnx", "git_lfs"), "version https://git-lfs.github.com/spec/v1\n", 43);
}

static void make_one_npy(corpus *c, const char *name, unsigned version, const char *dictionary,
                         const void *data, size_t bytes)
{
    uint8_t file[512];
    const size_t length = strlen(dictionary);
    const size_t prefix = version == 1 ? 10 : 12;
    memset(file, 0, prefix);
    memcpy(file, "\x93NUMPY", 6);
    file[6] = (uint8_t)version;
    file[8] = (uint8_t)length;
    memcpy(file + prefix, dictionary, length);
    memcpy(file + prefix + length, data, bytes);
    save(at(c, "npy", name), file, prefix + length + bytes);
}

static void make_npy(corpus *c)
{
    static const uint8_t data[32] = {1, 0, 0, 0, 2, 0, 0, 0, 'a'};
    make_one_npy(c, "float32", 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n",
                 data, 24);
    make_one_npy(c, "big_fortran", 2,
                 "{'descr': '>u2', 'fortran_order': True, 'shape': (2, 3), }\n", data, 12);
    make_one_npy(c, "complex", 3, "{'descr': '<c16', 'fortran_order': False, 'shape': (), }\n",
                 data, 16);
    make_one_npy(c, "bool", 1, "{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }\n", data,
                 3);
    make_one_npy(c, "unicode", 1, "{'descr': '<U2', 'fortran_order': False, 'shape': (2,), }\n",
                 data, 16);
    make_one_npy(c, "bytes", 1, "{'descr': '|S4', 'fortran_order': True, 'shape': (2, 2), }\n",
                 data, 16);
    make_one_npy(c, "empty", 1, "{'descr': '<i8', 'fortran_order': False, 'shape': (0, 4L), }\n",
                 data, 0);
    make_one_npy(c, "records", 1,
                 "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }\n", data, 4);
}

static void make_one_pb(corpus *c, const char *name, Onnx__TensorProto *p)
{
    uint8_t packed[256];
    int64_t dims[] = {1, 2};
    p->n_dims = 2;
    p->dims = dims;
    p->has_data_type = 1;
    p->name = "input";
    save(at(c, "pb", name), packed, onnx__tensor_proto__pack(p, packed));
}

static void make_pb(corpus *c)
{
    float floats[] = {1, 2, 3, 4};
    int32_t ints[] = {1, -1};
    uint64_t longs[] = {1, UINT64_MAX};
    uint8_t raw[] = {0, 1, 2, 3, 4, 5, 6, 7};
    ProtobufCBinaryData words[] = {{3, (uint8_t *)"one"}, {0, NULL}};
    Onnx__TensorProto p = ONNX__TENSOR_PROTO__INIT;
    p.data_type = 1;
    p.n_float_data = 2;
    p.float_data = floats;
    make_one_pb(c, "float", &p);
    p.data_type = 14;
    p.n_float_data = 4;
    make_one_pb(c, "complex", &p);
    p.n_float_data = 0;
    p.data_type = 10;
    p.n_int32_data = 2;
    p.int32_data = ints;
    make_one_pb(c, "float16", &p);
    p.data_type = 22;
    p.n_int32_data = 1;
    make_one_pb(c, "int4", &p);
    p.n_int32_data = 0;
    p.data_type = 13;
    p.n_uint64_data = 2;
    p.uint64_data = longs;
    make_one_pb(c, "uint64", &p);
    p.n_uint64_data = 0;
    p.data_type = 8;
    p.n_string_data = 2;
    p.string_data = words;
    make_one_pb(c, "string", &p);
    p.n_string_data = 0;
    p.data_type = 6;
    p.has_raw_data = 1;
    p.raw_data.data = raw;
    p.raw_data.len = sizeof raw;
    make_one_pb(c, "raw", &p);
}

enum { SIDE = 12 };

/* The first byte picks the input (fuzz_image.c). */
static void make_jpeg(corpus *c, const char *name, uint8_t pick, int channels, J_COLOR_SPACE space,
                      bool progressive)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr manager;
    unsigned char *data = NULL;
    unsigned long bytes = 0;
    uint8_t row[SIDE * 4];
    uint8_t file[4096];
    for (size_t i = 0; i < sizeof row; i++)
        row[i] = (uint8_t)(i * 5);
    jpeg.err = jpeg_std_error(&manager);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &data, &bytes);
    jpeg.image_width = SIDE;
    jpeg.image_height = SIDE;
    jpeg.input_components = channels;
    jpeg.in_color_space = space;
    jpeg_set_defaults(&jpeg);
    if (progressive)
        jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < jpeg.image_height) {
        JSAMPROW line = row;
        jpeg_write_scanlines(&jpeg, &line, 1);
    }
    jpeg_finish_compress(&jpeg);
    if (bytes >= sizeof file)
        exit(1);
    file[0] = pick;
    memcpy(file + 1, data, bytes);
    save(at(c, "image", name), file, bytes + 1);
    jpeg_destroy_compress(&jpeg);
    free(data);
}

static void make_png(corpus *c, const char *name, uint8_t pick, png_uint_32 format,
                     const void *colormap)
{
    uint8_t pixels[SIDE * SIDE * 8];
    uint8_t file[4096];
    png_alloc_size_t bytes = sizeof file - 1;
    png_image png;
    memset(&png, 0, sizeof png);
    png.version = PNG_IMAGE_VERSION;
    png.width = SIDE;
    png.height = SIDE;
    png.format = format;
    png.colormap_entries = colormap ? 4 : 0;
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(colormap ? i % 4 : i * 3);
    if (!png_image_write_to_memory(&png, file + 1, &bytes, 0, pixels, 0, colormap)) {
        fprintf(stderr, "%s: %s\n", name, png.message);
        exit(1);
    }
    file[0] = pick;
    save(at(c, "image", name), file, bytes + 1);
}

static void make_images(corpus *c)
{
    static const uint8_t colours[] = {1, 2, 3, 200, 100, 0, 9, 9, 9, 255, 255, 255};
    make_jpeg(c, "jpeg_rgb", 0, 3, JCS_RGB, false);
    make_jpeg(c, "jpeg_grey", 1, 1, JCS_GRAYSCALE, false);
    make_jpeg(c, "jpeg_progressive", 2, 3, JCS_RGB, true);
    make_jpeg(c, "jpeg_cmyk", 3, 4, JCS_CMYK, false);
    make_png(c, "png_rgb", 0, PNG_FORMAT_RGB, NULL);
    make_png(c, "png_rgba", 1, PNG_FORMAT_RGBA, NULL);
    make_png(c, "png_grey", 2, PNG_FORMAT_GRAY, NULL);
    make_png(c, "png_linear", 3, PNG_FORMAT_LINEAR_RGB_ALPHA, NULL);
    make_png(c, "png_palette", 1, PNG_FORMAT_RGB_COLORMAP, colours);
}

static void make_settings(corpus *c)
{
    static const char *const texts[] = {
        "policy: min-min\nprocessors: [cpu0, cpu1]\nrequests_max: 64\nretry_ms: 2.5\n",
        "emulated:\n  - {name: npu, table: npu.csv, processor: npu0, cores: [0, 1], fail_every: "
        "3}\n",
        "providers:\n  - name: gpu9\n    provider: CUDA\n    options:\n      - {key: device_id, "
        "value: "
        "'0'}\n",
        "drop_late: perhaps\n",
        "policy: [\n",
        "a: &a [*a, *a]\n",
        "policy: !!binary aGVmdA==\n---\npolicy: heft\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char name[16];
        snprintf(name, sizeof name, "%zu.yaml", i);
        save(at(c, "settings", name), texts[i], strlen(texts[i]));
    }
}

static void make_workloads(corpus *c)
{
    static const char *const texts[] = {
        "streams:\n  - {model: a, kind: bursts, rate_hz: 2, burst_rate_hz: 50, quiet_s: 3, "
        "burst_s: "
        "1}\n  - {model: b, kind: closed, in_flight: 3, think_ms: 5}\n",
        "streams:\n  - model: a\n    kind: day\n    rate_hz: 9\n    period_s: 60\n    points: [[0, "
        "0.1], [9.5, 1], [18, 0]]\n",
        "streams:\n  - {name: e, model: a, kind: periodic, rate_hz: 60, jitter_ms: 3}\n"
        "  - {name: g, model: b, after: e, probability: 0.5, rate_hz: 60, deadline_ms: 16}\n"
        "  - {model: c, after: g}\n",
        "streams:\n  - {model: a, after: b}\n  - {model: b, after: a}\n",
        "streams:\n  - {kind: recorded, file: a.csv, priority: high}\n",
        "streams:\n  - {model: a, kind: day, rate_hz: 1, points: [[1]]}\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char name[16];
        snprintf(name, sizeof name, "kinds_%zu.yaml", i);
        save(at(c, "workload", name), texts[i], strlen(texts[i]));
    }
}

static void make_devices(corpus *c)
{
    static const char *const texts[] = {
        "device: d\nnoise: {cv: 0.1, spike_probability: 0.1, spike_min: 2, spike_max: 6, source: "
        "s}\n",
        "device: d\ninterference:\n  - {processor: gpu, factor: 0.7, source: s}\n"
        "  - {processor: 'cpu*', busy: gpu, factor: 1.4, source: s}\n"
        "  - {processor: dsp, factor: 2, optional: yes, source: s}\n",
        "device: d\nheat:\n  ambient_c: 25\n  resistance_c_per_w: 8\n  capacity_j_per_c: 0.001\n"
        "  start_c: 30\n  idle_w: 1\n  max_w: 9\n  power: [{processor: '*', busy_w: 5}]\n"
        "  throttle:\n    - {processor: '*', at_c: 60, hysteresis_c: 5, speed: 0.5}\n"
        "    - {processor: gpu, at_c: 70, hysteresis_c: 1, speed: 0.4, power: 0.2}\n  source: s\n",
        "device: d\npower_modes:\n  start: a\n  modes:\n"
        "    - {name: a, factors: [{processor: gpu, speed: 0.5, power: 0.4}], source: s}\n"
        "    - {name: b, factors: [{processor: '*', speed: 2, power: 3}], source: s}\n"
        "  switches: [{at_s: 0.001, mode: b}, {at_s: 0.002, mode: a}]\n",
        "device: d\nload:\n  - processor: npu0\n    default_ms: 5\n    resident: 1\n"
        "    models: [{model: unet, ms: 30}, {model: 'le*', ms: 2}]\n    source: s\n",
        "device: d\nfaults:\n  detect_ms: 0.5\n  events:\n"
        "    - {processor: gpu, kind: hang, at_s: 0, for_s: 0.01}\n"
        "    - {processor: 'cpu*', kind: down, at_s: 0.001}\n  random:\n"
        "    - {processor: '*', kind: down, mean_between_s: 0.001, mean_down_s: 0.001}\n"
        "    - {processor: '*', kind: hang, mean_between_s: 0.001, mean_down_s: 0.001}\n"
        "  failures: [{processor: '*', probability: 0.5}]\n  source: s\n",
        "device: d\nnoise: {cv: 9, spike_probability: 0, spike_min: 2, spike_max: 1, source: s}\n",
        "device: d\nfaults: {events: [{processor: gpu, kind: hang, at_s: 0}], source: s}\n",
        "device: [\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char name[16];
        snprintf(name, sizeof name, "%zu.yaml", i);
        save(at(c, "device", name), texts[i], strlen(texts[i]));
    }
}

/* The first byte: whether any model may be named (fuzz_arrivals.c). */
static void make_arrivals(corpus *c)
{
    static const char *const texts[] = {
        "0t_ms,model,deadline_ms\n0,a,\n1.5,resnet50,33\n1.5,\"b,c\",0\n2e3,a,0.000001\n",
        "1\xef\xbb\xbf\"deadline_ms\",note,model,t_ms\r\n,x,m,0.25\r\n\r\n10,,n,1",
        "0t_ms,model,deadline_ms\n2,a,\n1,a,\n",
        "0t_ms,model,deadline_ms\n2,resnet5,\n",
        "1t_ms,model,deadline_ms\n0.1234567890123456789,\"\n\",1e400\n",
        "1t_ms,model\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char name[16];
        snprintf(name, sizeof name, "%zu.csv", i);
        save(at(c, "arrivals", name), texts[i], strlen(texts[i]));
    }
}

/* Before the message, the place of the cut (fuzz_grpc.c). */
static void make_one_request(corpus *c, const char *name, const Inference__ModelInferRequest *m)
{
    uint8_t packed[1024] = {9};
    save(at(c, "grpc", name), packed, 1 + inference__model_infer_request__pack(m, packed + 1));
}

static void make_requests(corpus *c)
{
    int64_t shape[] = {1, 2};
    int32_t ints[] = {-1, 127};
    uint32_t unsigneds[] = {1, 255};
    float floats[] = {1, 2};
    protobuf_c_boolean bools[] = {1, 0};
    ProtobufCBinaryData raw[] = {{8, (uint8_t *)"12345678"}};
    ProtobufCBinaryData words[] = {{3, (uint8_t *)"one"}, {0, NULL}};
    Inference__InferParameter number = INFERENCE__INFER_PARAMETER__INIT, text = number;
    Inference__ModelInferRequest__ParametersEntry
        timeout = INFERENCE__MODEL_INFER_REQUEST__PARAMETERS_ENTRY__INIT,
        *parameters = &timeout;
    Inference__ModelInferRequest__InferInputTensor__ParametersEntry
        region = INFERENCE__MODEL_INFER_REQUEST__INFER_INPUT_TENSOR__PARAMETERS_ENTRY__INIT,
        size = region, *regions[] = {&region, &size};
    Inference__InferTensorContents contents = INFERENCE__INFER_TENSOR_CONTENTS__INIT;
    Inference__ModelInferRequest__InferInputTensor
        in = INFERENCE__MODEL_INFER_REQUEST__INFER_INPUT_TENSOR__INIT,
        *inputs = &in;
    Inference__ModelInferRequest__InferRequestedOutputTensor
        out = INFERENCE__MODEL_INFER_REQUEST__INFER_REQUESTED_OUTPUT_TENSOR__INIT,
        *outputs = &out;
    Inference__ModelInferRequest m = INFERENCE__MODEL_INFER_REQUEST__INIT;
    m.model_name = m.id = in.name = out.name = "x";
    in.n_shape = 2;
    in.shape = shape;
    m.n_inputs = m.n_raw_input_contents = m.n_outputs = m.n_parameters = 1;
    m.inputs = &inputs;
    m.outputs = &outputs;
    m.raw_input_contents = raw;
    m.parameters = &parameters;
    timeout.key = "timeout";
    timeout.value = &number;
    number.parameter_choice_case = INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_INT64_PARAM;
    number.int64_param = 8;
    in.datatype = "FP32";
    make_one_request(c, "raw", &m);
    m.n_raw_input_contents = 0;
    in.contents = &contents;
    contents.n_fp32_contents = 2;
    contents.fp32_contents = floats;
    make_one_request(c, "fp32", &m);
    contents.n_fp32_contents = 0;
    contents.n_int_contents = 2;
    contents.int_contents = ints;
    in.datatype = "INT8";
    make_one_request(c, "int8", &m);
    contents.n_int_contents = 0;
    contents.n_uint_contents = 2;
    contents.uint_contents = unsigneds;
    in.datatype = "UINT16";
    make_one_request(c, "uint16", &m);
    contents.n_uint_contents = 0;
    contents.n_bool_contents = 2;
    contents.bool_contents = bools;
    in.datatype = "BOOL";
    make_one_request(c, "bool", &m);
    contents.n_bool_contents = 0;
    contents.n_bytes_contents = 2;
    contents.bytes_contents = words;
    in.datatype = "BYTES";
    make_one_request(c, "bytes", &m);
    in.contents = NULL;
    region.key = "shared_memory_region";
    region.value = &text;
    text.parameter_choice_case = INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_STRING_PARAM;
    text.string_param = "r";
    size.key = "shared_memory_byte_size";
    size.value = &number;
    in.n_parameters = 2;
    in.parameters = regions;
    make_one_request(c, "region", &m);
    /* Raw data before what it belongs to: the rest is in two pieces. */
    save(at(c, "grpc", "raw_between"), "\x0b\x0a\1x\x3a\4abcd\x2a\x0c\x0a\1x\x12\4FP32\x1a\1\1",
         24);
    save(at(c, "grpc", "row"),
         "\x04\x0a\3add\x2a\x0d\x0a\1x\x12\4FP32\x1a\2\1\4\x3a\x10"
         "0123456789abcdef",
         1 + 5 + 15 + 18);
    save(at(c, "grpc", "rows"),
         "\x20\x0a\5multi\x2a\x0d\x0a\1n\x12\5INT64\x1a\1\1\x2a\x0d\x0a\1b\x12\4FP32\x1a\2\1\2"
         "\x2a\x0d\x0a\1a\x12\4FP32\x1a\2\1\2\x3a\010"
         "01234567\x3a\010"
         "abcdefgh\x3a\010"
         "ABCDEFGH",
         1 + 7 + 3 * 15 + 3 * 10);
    save(at(c, "grpc", "frame"), "\0\0\0\0\3\x0a\1x", 8);
}

/* On one or two connections; octal 370 to 374 are what happens in between (fuzz_clients.h). */
static void make_http(corpus *c)
{
#define INFER(model, more)                                                                         \
    "POST /v2/models/" model "/infer HTTP/1.1\r\nHost: localhost\r\n" more "\r\n"
#define JSON                                                                                       \
    "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],\"datatype\":\"FP32\",\"data\":[1,2,3,4]}]}"
#define SIZED "Content-Length: 74\r\n"
#define TENSOR(name, shape, type, bytes)                                                           \
    "{\"name\":\"" name "\",\"shape\":" shape ",\"datatype\":\"" type                              \
    "\",\"parameters\":{\"binary_data_size\":" bytes "}}"
#define BINARY(json, all) "Inference-Header-Content-Length: " json "\r\nContent-Length: " all "\r\n"
    static const struct {
        const char *name, *text;
    } all[] = {
        {"infer", INFER("add", SIZED) JSON},
        {"cut",
         "POST /v2/models/add/in\370fer HTTP/1.1\r\nHost: localhost\r\nContent-\370Length: "
         "77\r\n\r\n"
         "{\"inputs\":[{\"name\":\"x\",\"sha\370pe\":[1,4],\"datatype\":\"FP32\",\"data\":[1,2,"
         "3,4]}]}"},
        {"pipelined",
         INFER("add", SIZED) JSON INFER("add", SIZED) JSON "GET /v2 HTTP/1.1\r\n\r\n"
                                                           "GET /metrics HTTP/1.0\r\n\r\n"},
        {"two", INFER("add", SIZED) "{\"inp\371" INFER("add", SIZED) JSON "\371" JSON},
        {"chunked",
         INFER("add",
               "Transfer-Encoding: chunked\r\n") "10\r\n{\"inputs\":[{\"nam\r\n\3703a;a=b\r\n"
                                                 "e\":\"x\",\"shape\":[1,4],\"datatype\":"
                                                 "\"FP32\",\"data\":[1,2,3,4]}]}"
                                                 "\r\n0\r\nTrailer: x\r\n\r\n"},
        {"chunks_and_length",
         INFER("add", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") "4a\r\n" JSON
                                                                             "\r\n0\r\n\r\n"},
        {"lengths", INFER("add", "Content-Length: 2\r\nContent-Length: 74\r\n") JSON},
        {"short", INFER("add", SIZED) "{\"inputs\":[\373"},
        {"long", INFER("add", "Content-Length: 70\r\n") JSON "GET /v2 HTTP/1.1\r\n\r\n"},
        {"huge", INFER("add", "Content-Length: 99999999999\r\n") JSON},
        {"expect", INFER("add", SIZED "Expect: 100-continue\r\n") "\370" JSON},
        {"expect_refused", INFER("nix", SIZED "Expect: 100-continue\r\n") "\370" JSON},
        {"binary", INFER("add", "Inference-Header-Content-Length: 94\r\nContent-Length: "
                                "110\r\n") "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],"
                                           "\"datatype\":\"FP32\",\"parameters\":{"
                                           "\"binary_data_size\":16}}]}0123456789abcdef"},
        {"binary_cut", INFER("add", BINARY("94", "110")) "{\"inp\370uts\":[" TENSOR(
                           "x", "[1,4]", "FP32", "16") "]}\37001234\37156789abcdef"},
        {"binary_several",
         INFER("multi", BINARY("254", "278")) "{\"inputs\":[" TENSOR(
             "n", "[1]", "INT64",
             "8") "," TENSOR("b", "[1,2]", "FP32",
                             "8") "," TENSOR("a", "[1,2]", "FP32",
                                             "8") "]}01234567abcdefghABC\370DEFGH"},
        {"binary_more", INFER("add", "Inference-Header-Content-Length: 999\r\n" SIZED) JSON},
        {"words",
         INFER("words",
               "Content-Length: 78\r\n") "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,3],"
                                         "\"datatype\":\"BYTES\",\"data\":[\"\",\"b\",\"c\"]}]}"},
        {"leaves", INFER("add", SIZED) JSON "\374" INFER("add", SIZED) JSON "\373"},
        {"finishes", INFER("add", SIZED) JSON "\372" INFER("add", SIZED) JSON "\372"},
        {"parameters",
         INFER("add/versions/1",
               "Content-Length: 161\r\n") "{\"id\":\"7\",\"parameters\":{\"priority\":1,"
                                          "\"timeout\":1000000,\"binary_data_output\":true},"
                                          "\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],"
                                          "\"datatype\":\"FP32\",\"data\":[1,2,3,4]}]}      "},
        {"paths",
         "GET /v2/models/add HTTP/1.1\r\n\r\nGET /v2/models/%2e%2e%2f%00/ready HTTP/1.1\r\n\r\n"
         "HEAD /v2/models/multi/config HTTP/1.1\r\n\r\nGET /v2/models/stats?a=%00 "
         "HTTP/1.1\r\n\r\n"
         "GET /v2/health/ready HTTP/1.1\r\nConnection: close\r\n\r\n"},
        {"region",
         "POST /v2/systemsharedmemory/region/r/register HTTP/1.1\r\nContent-Length: 51\r\n\r\n"
         "{\"key\":\"/no-such-memory\",\"offset\":0,\"byte_size\":16}"
         "GET /v2/systemsharedmemory/status HTTP/1.1\r\n\r\n"
         "POST /v2/repository/index HTTP/1.1\r\nContent-Length: 0\r\n\r\n"},
        {"live", "GET / HTTP/1.1\r\n\r\nGET /live.js HTTP/1.1\r\nIf-None-Match: \"x\"\r\n\r\n"
                 "POST /live/objective HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
                 "GET /live/events HTTP/1.1\r\n\r\n\370"},
        {"odd", "BREW /v2 HTTP/1.1\r\nHost: a\r\n folded\r\n: none\r\nCookie: a=b; c\r\n\r\n"
                "OPTIONS * HTTP/1.1\r\n\r\nCONNECT x:1 HTTP/1.1\r\nUpgrade: h2c\r\n\r\nGET /v2"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        save(at(c, "http", all[i].name), all[i].text, strlen(all[i].text));
}

static void make_serve_configs(corpus *c)
{
    static const char *const texts[] = {
        "models: m\nhttp: 127.0.0.1:8000\ngrpc: off\npolicy: learned\nobjective: deadline\n"
        "profile: p.csv\nlearn: v\nsettings: s.yaml\nprocessors: cpu0\ncache_folder: ''\n"
        "queue_max: 64\nbody_max_mb: 1\nconnections_max: 9\nsoftware_gpu: yes\nquiet: false\n",
        "versions: 2\nbodies_max_mb: 64\nheader_max_kb: 8\nclient_requests_max: 9\ndrain_seconds: "
        "3\n"
        "access_log: l\nallow_host: h\ntls_cert: c\ntls_key: k\n",
        "tokens:\n  - {token: \"a-long-secret\", role: infer}\n  - token: another\n    role: "
        "read\n",
        "model: m\n",
        "queue_max: 100001\n",
        "body_max_mb: 0\n",
        "quiet: maybe\n",
        "tokens: [{token: a}]\n",
        "tokens: {}\n",
        "models: [a]\n",
        "models: &a m\nhttp: *a\n",
        "models: \"\\x07\\u263a\\\"<\"\n",
        "models: |\n  a\n  b\n",
        "# nothing\n",
        "- a\n",
        "a: [\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char name[16];
        snprintf(name, sizeof name, "%zu.yaml", i);
        save(at(c, "serve_config", name), texts[i], strlen(texts[i]));
    }
}

/* The first byte is the method's place in the table (fuzz_grpc_methods.c). */
static void make_one_question(corpus *c, const char *name, uint8_t method,
                              const ProtobufCMessage *message)
{
    uint8_t packed[1024] = {method};
    save(at(c, "grpc_methods", name), packed, 1 + protobuf_c_message_pack(message, packed + 1));
}

static void make_questions(corpus *c)
{
    /* These two fields are all that most of them have. */
    Inference__ModelMetadataRequest model = INFERENCE__MODEL_METADATA_REQUEST__INIT;
    Inference__SystemSharedMemoryRegisterRequest region =
        INFERENCE__SYSTEM_SHARED_MEMORY_REGISTER_REQUEST__INIT;
    model.name = "multi";
    for (uint8_t method = 0; method < 16; method++) {
        char name[24];
        snprintf(name, sizeof name, "model_%d", method);
        model.version = method & 1 ? "1" : "";
        make_one_question(c, name, method, &model.base);
    }
    region.name = "r";
    region.key = "/no-such-memory";
    region.byte_size = 16;
    for (uint8_t method = 0; method < 16; method++) {
        char name[24];
        snprintf(name, sizeof name, "region_%d", method);
        make_one_question(c, name, method, &region.base);
    }
}

/* Connections of HTTP/2; what happens in between as for HTTP (fuzz_clients.h). */
static void save_h2(corpus *c, const char *name, h2_bytes *h, text_builder *out, const char *end)
{
    h2_take(h, out);
    text_add(out, end);
    save(at(c, "h2", name), out->data, out->length);
    text_deinit(out);
    h2_end(h);
}

static void make_h2(corpus *c)
{
#define CALL(name) "/inference.GRPCInferenceService/" name
    static const uint8_t nothing[5];
    static const char *const methods[] = {CALL("ServerLive"),
                                          CALL("ServerMetadata"),
                                          CALL("ModelStatistics"),
                                          CALL("RepositoryIndex"),
                                          CALL("Nix"),
                                          "/grpc.health.v1.Health/Check"};
    uint8_t body[128];
    const size_t bytes = h2_infer_body(body);
    text_builder out = {.data = NULL};
    h2_bytes h;
    h2_begin(&h);
    (void)h2_ask(&h, CALL("ModelInfer"), body, bytes);
    save_h2(c, "infer", &h, &out, "\372");
    h2_begin(&h);
    (void)h2_ask(&h, CALL("ModelInfer"), body, bytes);
    (void)h2_ask(&h, CALL("ModelInfer"), body, bytes - 1);
    (void)h2_ask(&h, CALL("ModelInfer"), body, 3);
    save_h2(c, "short", &h, &out, "");
    h2_begin(&h);
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        (void)h2_ask(&h, methods[i], nothing, sizeof nothing);
    save_h2(c, "methods", &h, &out, "");
    h2_begin(&h);
    const int32_t stream = h2_ask(&h, CALL("ModelInfer"), body, bytes);
    h2_take(&h, &out);
    text_add(&out, "\370");
    (void)nghttp2_submit_rst_stream(h.session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
    (void)nghttp2_submit_ping(h.session, NGHTTP2_FLAG_NONE, NULL);
    (void)nghttp2_submit_window_update(h.session, NGHTTP2_FLAG_NONE, 0, 1000);
    (void)h2_ask(&h, CALL("ModelInfer"), body, bytes);
    save_h2(c, "cancelled", &h, &out, "\374");
    h2_begin(&h);
    const nghttp2_settings_entry narrow[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 3},
                                             {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0}};
    (void)nghttp2_submit_settings(h.session, NGHTTP2_FLAG_NONE, narrow, 2);
    (void)h2_ask(&h, CALL("ModelInfer"), body, bytes);
    h2_take(&h, &out);
    text_add(&out, "\372");
    (void)nghttp2_submit_window_update(h.session, NGHTTP2_FLAG_NONE, 1, 1000);
    save_h2(c, "narrow", &h, &out, "\373");
    h2_begin(&h);
    (void)h2_ask(&h, CALL("ModelInfer"), body, bytes);
    (void)nghttp2_submit_goaway(h.session, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, NULL, 0);
    save_h2(c, "goaway", &h, &out, "");
    static const char other[] =
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n\371PRI * HTTP/2.0\r\n\r\nSM";
    save(at(c, "h2", "no_http2"), other, sizeof other - 1);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make_corpus FOLDER\n");
        return 2;
    }
    corpus c = {.root = argv[1]};
    mkdir(c.root, 0755);
    make_policy(&c);
    make_onnx(&c);
    make_npy(&c);
    make_pb(&c);
    make_images(&c);
    make_settings(&c);
    make_workloads(&c);
    make_devices(&c);
    make_arrivals(&c);
    make_requests(&c);
    make_http(&c);
    make_serve_configs(&c);
    make_questions(&c);
    make_h2(&c);
    return 0;
}
