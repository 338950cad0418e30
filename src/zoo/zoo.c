#include "zoo/zoo.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "zoo/models.h"

typedef struct recipe {
    zoo_entry entry;
    zoo_build_fn build;
} recipe;

#define TORCHVISION "torchvision, table of classification weights"

/* Where a source counts floating-point operations, two of them are one multiply-accumulate. */
static const recipe recipes[] = {
    {{"efficientnet_lite0", "image classification, 224x224, Tan and Le 2019 in the Lite variant", 4700000, 386000000,
      "parameters: EfficientNet-Lite's own table (4.7 M); operations: torchvision's efficientnet_b0 (0.386 G), which has "
      "under 1 M more for squeeze and excitation (the own table's 407 M counts more than convolutions)"}, build_efficientnet_lite0},
    {{"inception_v3", "image classification, 299x299, Szegedy et al. 2015, without auxiliary classifier", 23830000,
      5730000000, "timm, results of inception_v3 (23.83 M, 5.73 G)"}, build_inception_v3},
    {{"keyword_spotter", "12 spoken keywords from 49x10 MFCC, Zhang et al. 2017, DS-CNN S", 23756, 2700000,
      "parameters: MLPerf Tiny's Keras model (23,756); operations: Zhang et al. 2017, table 2 (5.4 M)"},
     build_keyword_spotter},
    {{"mobilebert", "text encoder, 128 tokens, Sun et al. 2020", 24581888, 2680000000,
      "parameters: google/mobilebert-uncased in Transformers; operations: SqueezeBERT (Iandola et al. 2020; 5.36 G)"},
     build_mobilebert},
    {{"mobilenet_v1", "image classification, 224x224, Howard et al. 2017, width 1.0", 4240000, 569000000,
      "TensorFlow-Slim, mobilenet_v1.md, MobileNet_v1_1.0_224"}, build_mobilenet_v1},
    {{"mobilenet_v2", "image classification, 224x224, Sandler et al. 2018, width 1.0", 3504872, 301000000,
      TORCHVISION}, build_mobilenet_v2},
    {{"mobilenet_v3_large", "image classification, 224x224, Howard et al. 2019", 5483032, 217000000,
      TORCHVISION}, build_mobilenet_v3_large},
    {{"resnet18", "image classification, 224x224, He et al. 2015", 11689512, 1814000000, TORCHVISION}, build_resnet18},
    {{"resnet50", "image classification, 224x224, He et al. 2015, stride in the 3x3 convolutions", 25557032, 4089000000,
      TORCHVISION}, build_resnet50},
    {{"small_cnn", "image classification, 32x32, the ResNet-20 of He et al. 2015 for CIFAR-10", 270000, 40810000,
      "chenyaofo/pytorch-cifar-models, cifar10_resnet20 (0.27 M, 40.81 M)"}, build_small_cnn},
    {{"squeezenet", "image classification, 224x224, Iandola et al. 2016, version 1.1", 1235496, 349000000,
      TORCHVISION}, build_squeezenet},
    {{"ssd_mobilenet_v2", "object detection, 300x300, SSD-Lite on MobileNetV2, Sandler et al. 2018", 4475000, 762500000,
      "Open Model Zoo, ssdlite_mobilenet_v2 (4.475 M, 1.525 G operations)"}, build_ssd_mobilenet_v2},
    {{"unet", "image segmentation, 256x256, Ronneberger et al. 2015, padded, batch normalization", 31030000,
      48250000000, "Open Model Zoo, unet-camvid-onnx-0001 (31.03 M, 260.1 G operations at 480x368; cost goes with pixels)"},
     build_unet},
};
enum { RECIPES = sizeof recipes / sizeof *recipes };

size_t zoo_size(void)
{
    return RECIPES;
}

const zoo_entry *zoo_at(size_t index)
{
    return index < RECIPES ? &recipes[index].entry : NULL;
}

static const recipe *find(const char *name)
{
    for (size_t i = 0; i < RECIPES; i++)
        if (strcmp(recipes[i].entry.name, name) == 0)
            return &recipes[i];
    return NULL;
}

const zoo_entry *zoo_find(const char *name)
{
    const recipe *found = find(name);
    return found ? &found->entry : NULL;
}

cosrel_status zoo_build(const zoo_entry *entry, graph *g, cosrel_error *err)
{
    *g = (graph){0};
    const recipe *found = find(entry->name);
    if (!found)
        return error_set(err, COSREL_NOT_FOUND, "there is no reference model \"%s\"", entry->name);
    found->build(g);
    return graph_check(g, err);
}

cosrel_status zoo_write(const zoo_entry *entry, const char *path, uint64_t seed, zoo_counts *counts, cosrel_error *err)
{
    graph g;
    file_save save = {0};
    uint64_t bytes = 0;
    cosrel_status status = zoo_build(entry, &g, err);
    if (status == COSREL_OK)
        status = file_save_begin(&save, path, err);
    if (status == COSREL_OK)
        status = graph_write(&g, entry->name, entry->summary, seed, save.stream, &bytes, err);
    if (status == COSREL_OK)
        status = file_save_commit(&save, err);
    file_save_abort(&save);
    if (status == COSREL_OK && counts)
        *counts = (zoo_counts){.params = g.params, .macs = g.macs, .nodes = g.node_count, .bytes = (size_t)bytes};
    graph_deinit(&g);
    return status;
}
