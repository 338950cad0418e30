#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <xxhash.h>

#include "base/file.h"
#include "runs.h"
#include "zoo/layers.h"
#include "zoo/models.h"
#include "zoo/zoo.h"

/* Models of fewer multiply-accumulates run once more, as a batch of two: all but the U-Net. */
static const int64_t batch_macs = 10000000000;

/* What a model's first output looks like behind the batch; every one has "batch" in front. */
static const struct {
    const char *name;
    const char *output;
    size_t rank;
    int64_t dims[3];
} shapes[] = {
    {"efficientnet_lite0", "output", 2, {1000}}, {"inception_v3", "output", 2, {1000}},
    {"keyword_spotter", "output", 2, {12}},      {"mobilebert", "last_hidden_state", 3, {128, 512}},
    {"mobilenet_v1", "output", 2, {1000}},       {"mobilenet_v2", "output", 2, {1000}},
    {"mobilenet_v3_large", "output", 2, {1000}}, {"resnet18", "output", 2, {1000}},
    {"resnet50", "output", 2, {1000}},           {"small_cnn", "output", 2, {10}},
    {"squeezenet", "output", 2, {1000}},         {"ssd_mobilenet_v2", "boxes", 3, {1917, 4}},
    {"unet", "output", 4, {12, 256, 256}},
};

static double relative_error(int64_t counted, int64_t published)
{
    return fabs((double)(counted - published)) / (double)published;
}

static void counts_are_the_published_ones(void **state)
{
    (void)state;
    for (size_t i = 0; i < zoo_size(); i++) {
        const zoo_entry *entry = zoo_at(i);
        cosrel_error err;
        graph g;
        if (zoo_build(entry, &g, &err) != COSREL_OK)
            fail_msg("%s: %s", entry->name, err.text);
        const double params = relative_error(g.params, entry->params_published);
        const double macs = relative_error(g.macs, entry->macs_published);
        print_message("%-20s %9lld parameters (%.2f %% off) %11lld MACs (%.2f %% off) %4zu nodes\n",
                      entry->name, (long long)g.params, 100 * params, (long long)g.macs, 100 * macs,
                      g.node_count);
        if (params > 0.02 || macs > 0.02)
            fail_msg("%s is more than 2 %% off", entry->name);
        graph_deinit(&g);
    }
}

static void names_are_sorted_and_found(void **state)
{
    (void)state;
    assert_int_equal(zoo_size(), sizeof shapes / sizeof *shapes);
    for (size_t i = 0; i < zoo_size(); i++) {
        assert_string_equal(zoo_at(i)->name, shapes[i].name);
        assert_ptr_equal(zoo_find(shapes[i].name), zoo_at(i));
        assert_true(i == 0 || strcmp(zoo_at(i - 1)->name, zoo_at(i)->name) < 0);
    }
    assert_null(zoo_at(zoo_size()));
    assert_null(zoo_find("mobilenet_v9"));
}

static char *write_model(const zoo_entry *entry, const char *folder, const char *suffix,
                         uint64_t seed, zoo_counts *counts)
{
    char name[128];
    snprintf(name, sizeof name, "%s%s.onnx", entry->name, suffix);
    char *path = file_join(folder, name);
    cosrel_error err;
    assert_non_null(path);
    if (zoo_write(entry, path, seed, counts, &err) != COSREL_OK)
        fail_msg("%s: %s", entry->name, err.text);
    return path;
}

static void same_seed_same_bytes(void **state)
{
    static const char *const names[] = {"keyword_spotter", "small_cnn", "squeezenet"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const zoo_entry *entry = zoo_find(names[i]);
        zoo_counts counts;
        char *data[3];
        size_t bytes[3];
        for (size_t k = 0; k < 3; k++) { /* seeds 7, 7, 8 */
            char *path = write_model(entry, *state, "_seed", k < 2 ? 7 : 8, &counts);
            assert_int_equal(file_read(path, (size_t)1 << 30, &data[k], &bytes[k], NULL),
                             COSREL_OK);
            assert_int_equal(bytes[k], counts.bytes);
            unlink(path);
            free(path);
        }
        assert_int_equal(bytes[0], bytes[1]);
        assert_memory_equal(data[0], data[1], bytes[0]);
        assert_int_equal(bytes[0], bytes[2]);
        assert_int_not_equal(memcmp(data[0], data[2], bytes[0]), 0);
        for (size_t k = 0; k < 3; k++)
            free(data[k]);
    }
}

/* Drawing weights uses whole numbers and one rounding each, so every machine must get these bytes.
 * A changed model or generator changes them on purpose: then the message below has the new digest.
 */
static void bytes_are_the_recorded_ones(void **state)
{
    char *path = write_model(zoo_find("keyword_spotter"), *state, "_golden", 7, NULL);
    char *data, digest[32];
    size_t bytes;
    assert_int_equal(file_read(path, (size_t)1 << 20, &data, &bytes, NULL), COSREL_OK);
    snprintf(digest, sizeof digest, "%016llx", (unsigned long long)XXH3_64bits(data, bytes));
    assert_string_equal(digest, "9064a35a091131c8");
    unlink(path);
    free(path);
    free(data);
}

static void expect_alive(const char *model, const run_output *out)
{
    double sum = 0, square = 0;
    for (size_t i = 0; i < out->elements; i++) {
        if (!isfinite(out->data[i]))
            fail_msg("%s: %s[%zu] is not finite", model, out->name, i);
        sum += out->data[i];
        square += (double)out->data[i] * out->data[i];
    }
    const double mean = sum / (double)out->elements;
    const double deviation = sqrt(square / (double)out->elements - mean * mean);
    print_message("%-20s %-18s mean %7.3f deviation %.3f\n", model, out->name, mean, deviation);
    /* Outputs stay near mean square 1 by construction; these bounds are 20 and 30 times off. */
    if (deviation < 0.05 || deviation > 30)
        fail_msg("%s: %s has deviation %g", model, out->name, deviation);
}

static double distance(const float *a, const float *b, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++)
        most = fmax(most, fabs((double)a[i] - b[i]) / (1 + fabs((double)a[i])));
    return most;
}

/* Row 0 of a batch of two is what it is alone, and row 1 is another. */
static void expect_rows(const char *name, const loaded *model, const run_output *one)
{
    run_output two[RUN_VALUES_MAX];
    run_model(model, 2, 1, two);
    for (size_t i = 0; i < model->output_count; i++) {
        assert_int_equal(two[i].rank, one[i].rank);
        assert_int_equal(two[i].dims[0], 2);
        for (size_t d = 1; d < one[i].rank; d++)
            assert_int_equal(two[i].dims[d], one[i].dims[d]);
        const double near = distance(one[i].data, two[i].data, one[i].elements);
        const double far = distance(one[i].data, two[i].data + one[i].elements, one[i].elements);
        if (near >
            1e-3) /* kernels may add in another order; 1e-3 is a thousand times float's precision */
            fail_msg("%s: %s of row 0 changes by %g in a batch", name, one[i].name, near);
        if (far < 1e-2)
            fail_msg("%s: %s differs by only %g for another input", name, one[i].name, far);
    }
    run_free(model, two);
}

static void expect_inputs(const loaded *model)
{
    for (size_t i = 0; i < model->input_count; i++) {
        char name[64], symbol[64];
        ONNXTensorElementDataType type;
        run_describe_input(model, i, name, symbol, &type);
        assert_string_equal(symbol, "batch");
        assert_int_equal(type, strcmp(name, "input") == 0 ? ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT
                                                          : ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64);
    }
}

/* What the builder worked out on the way is what ONNX Runtime gives. */
static void expect_shapes(const zoo_entry *entry, const run_output *outputs)
{
    graph g;
    assert_int_equal(zoo_build(entry, &g, NULL), COSREL_OK);
    for (size_t i = 0; i < g.output_count; i++) {
        const graph_kind kind = graph_kind_of(&g, g.outputs[i]);
        assert_int_equal(outputs[i].rank, kind.rank);
        for (size_t d = 1; d < kind.rank; d++)
            assert_int_equal(outputs[i].dims[d], kind.dims[d]);
    }
    graph_deinit(&g);
}

static void run_one(const zoo_entry *entry, const char *folder)
{
    size_t index = 0;
    while (strcmp(shapes[index].name, entry->name) != 0)
        index++;
    zoo_counts counts;
    loaded model;
    run_output one[RUN_VALUES_MAX];
    char *path = write_model(entry, folder, "", 1, &counts);
    run_load(path, &model);
    expect_inputs(&model);
    run_model(&model, 1, 1, one);
    assert_string_equal(one[0].name, shapes[index].output);
    assert_int_equal(one[0].rank, shapes[index].rank);
    for (size_t d = 1; d < one[0].rank; d++)
        assert_int_equal(one[0].dims[d], shapes[index].dims[d - 1]);
    for (size_t i = 0; i < model.output_count; i++) {
        assert_string_equal(one[i].symbol, "batch");
        assert_int_equal(one[i].dims[0], 1);
        expect_alive(entry->name, &one[i]);
    }
    expect_shapes(entry, one);
    if (counts.macs < batch_macs)
        expect_rows(entry->name, &model, one);
    run_free(&model, one);
    run_unload(&model);
    unlink(path);
    free(path);
}

static void every_model_runs(void **state)
{
    for (size_t i = 0; i < zoo_size(); i++)
        run_one(zoo_at(i), *state);
}

static void bad_paths_are_refused(void **state)
{
    (void)state;
    cosrel_error err = {""};
    const zoo_entry stranger = {.name = "mobilenet_v9"};
    assert_int_equal(zoo_write(&stranger, "/nonexistent/x.onnx", 1, NULL, &err), COSREL_NOT_FOUND);
    assert_non_null(strstr(err.text, "mobilenet_v9"));
    err.text[0] = 0;
    assert_int_not_equal(zoo_write(zoo_find("small_cnn"), "/nonexistent/x.onnx", 1, NULL, &err),
                         COSREL_OK);
    assert_non_null(strstr(err.text, "/nonexistent"));
}

static void full_disks_are_noticed(void **state)
{
    (void)state;
    graph g;
    cosrel_error err = {""};
    uint64_t bytes;
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    setvbuf(full, NULL, _IONBF, 0);
    assert_int_equal(zoo_build(zoo_find("small_cnn"), &g, NULL), COSREL_OK);
    assert_int_equal(graph_write(&g, "small_cnn", "", 1, full, &bytes, &err), COSREL_IO);
    assert_non_null(strstr(err.text, "small_cnn"));
    graph_deinit(&g);
    fclose(full);
}

static graph_value reshape_wrongly(graph *g, graph_value image)
{
    return layer_reshape(g, image, 2, (int64_t[]){GRAPH_BATCH, 100});
}

static graph_value group_wrongly(graph *g, graph_value image)
{
    return layer_convolve(g, image, (layer_conv){.channels = 4, .kernel = 3, .groups = 2});
}

static graph_value add_wrongly(graph *g, graph_value image)
{
    return layer_add(g, image, layer_average_pool(g, image, 2, 2, 0));
}

static graph_value join_wrongly(graph *g, graph_value image)
{
    const graph_value both[] = {image, layer_average_pool(g, image, 2, 2, 0)};
    return layer_concat(g, both, 2, 1);
}

static graph_value multiply_wrongly(graph *g, graph_value image)
{
    return layer_matmul(g, image, layer_flatten(g, image));
}

static graph_value pool_wrongly(graph *g, graph_value image)
{
    return layer_global_pool(g, layer_flatten(g, image));
}

/* The first mistake is kept, named by its scope, and nothing is added after it. */
static void mistakes_stick(void **state)
{
    static const struct {
        graph_value (*make)(graph *g, graph_value image);
        const char *fault;
    } mistakes[] = {
        {reshape_wrongly, "a reshape that changes the number of elements"},
        {group_wrongly, "groups do not divide a convolution's channels"},
        {add_wrongly, "shapes that cannot be combined"},
        {join_wrongly, "shapes that cannot be joined"},
        {multiply_wrongly, "matrices that cannot be multiplied"},
        {pool_wrongly, "a layer's input has the wrong number of dimensions"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        graph g = {0};
        cosrel_error err = {""};
        uint64_t bytes;
        graph_scope(&g, "part");
        const graph_value image = layer_image(&g, 3, 8, 8);
        assert_int_equal(mistakes[i].make(&g, image), 0);
        const size_t nodes = g.node_count;
        graph_scope(&g, "later");
        assert_int_equal(layer_flatten(&g, image), 0);
        assert_int_equal(g.node_count, nodes);
        assert_int_equal(graph_write(&g, "x", "", 1, stdout, &bytes, &err), COSREL_INTERNAL);
        assert_non_null(strstr(err.text, "\"part\""));
        assert_non_null(strstr(err.text, mistakes[i].fault));
        graph_deinit(&g);
    }
}

static int make_folder(void **state)
{
    static const char pattern[] = "/zoo-XXXXXX";
    char *folder = malloc(sizeof COSREL_BINARY_DIR + sizeof pattern);
    if (!folder)
        return -1;
    strcpy(folder, COSREL_BINARY_DIR);
    strcat(folder, pattern);
    *state = folder;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    const int failed = rmdir(*state);
    free(*state);
    return failed;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_sorted_and_found),
        cmocka_unit_test(counts_are_the_published_ones),
        cmocka_unit_test(bad_paths_are_refused),
        cmocka_unit_test(full_disks_are_noticed),
        cmocka_unit_test(mistakes_stick),
        cmocka_unit_test(bytes_are_the_recorded_ones),
        cmocka_unit_test(same_seed_same_bytes),
        cmocka_unit_test(every_model_runs),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
