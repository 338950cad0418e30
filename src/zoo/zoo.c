#include "zoo/zoo.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "zoo/models.h"

typedef struct recipe {
    zoo_entry entry;
    zoo_build_fn build;
} recipe;

#define TORCHVISION "torchvision, the weights' num_params and _ops"

/* Where a source counts floating-point operations, two of them are one multiply-accumulate. */
static const recipe recipes[] = {
    {
        .entry =
            {
                .name = "efficientnet_lite0",
                .summary = "image classification, 224x224, Tan and Le 2019 in the Lite variant",
                .params_published = 4700000,
                .macs_published = 386000000,
                .published_in =
                    "parameters: EfficientNet-Lite's own table (4.7 M); operations: torchvision's "
                    "efficientnet_b0 (0.386 G), with under 1 M more for squeeze and excitation; "
                    "the own table's 407 M counts more than convolutions",
            },
        .build = build_efficientnet_lite0,
    },
    {
        .entry =
            {
                .name = "inception_v3",
                .summary =
                    "image classification, 299x299, Szegedy et al. 2015, no auxiliary classifier",
                .params_published = 23830000,
                .macs_published = 5713000000,
                .published_in =
                    "parameters: timm (23.83 M; torchvision's 27.16 M count the auxiliary "
                    "classifier); operations: torchvision (5.713 G)",
            },
        .build = build_inception_v3,
    },
    {
        .entry =
            {
                .name = "keyword_spotter",
                .summary = "12 spoken keywords from 49x10 MFCC, Zhang et al. 2017, DS-CNN S",
                .params_published = 23756,
                .macs_published = 2700000,
                .published_in = "parameters: MLPerf Tiny's Keras model (23,756); operations: Zhang "
                                "et al. 2017 (5.4 M)",
            },
        .build = build_keyword_spotter,
    },
    {
        .entry =
            {
                .name = "mobilebert",
                .summary = "text encoder, 128 tokens, Sun et al. 2020",
                .params_published = 24581888,
                .macs_published = 2680000000,
                .published_in = "parameters: google/mobilebert-uncased in Transformers "
                                "(24,581,888); operations: Iandola et al. 2020, SqueezeBERT, "
                                "comparison of networks (5.36 G)",
            },
        .build = build_mobilebert,
    },
    {
        .entry =
            {
                .name = "mobilenet_v1",
                .summary = "image classification, 224x224, Howard et al. 2017, width 1.0",
                .params_published = 4240000,
                .macs_published = 569000000,
                .published_in =
                    "TensorFlow-Slim, mobilenet_v1.md, MobileNet_v1_1.0_224 (4.24 M, 569 M)",
            },
        .build = build_mobilenet_v1,
    },
    {
        .entry =
            {
                .name = "mobilenet_v2",
                .summary = "image classification, 224x224, Sandler et al. 2018, width 1.0",
                .params_published = 3504872,
                .macs_published = 301000000,
                .published_in = TORCHVISION,
            },
        .build = build_mobilenet_v2,
    },
    {
        .entry =
            {
                .name = "mobilenet_v3_large",
                .summary = "image classification, 224x224, Howard et al. 2019, width 1.0",
                .params_published = 5483032,
                .macs_published = 217000000,
                .published_in = TORCHVISION,
            },
        .build = build_mobilenet_v3_large,
    },
    {
        .entry =
            {
                .name = "resnet18",
                .summary = "image classification, 224x224, He et al. 2015",
                .params_published = 11689512,
                .macs_published = 1814000000,
                .published_in = TORCHVISION,
            },
        .build = build_resnet18,
    },
    {
        .entry =
            {
                .name = "resnet50",
                .summary =
                    "image classification, 224x224, He et al. 2015, stride in the 3x3 convolutions",
                .params_published = 25557032,
                .macs_published = 4089000000,
                .published_in = TORCHVISION,
            },
        .build = build_resnet50,
    },
    {
        .entry =
            {
                .name = "small_cnn",
                .summary =
                    "image classification, 32x32, He et al. 2015, the ResNet-44 for CIFAR-10",
                .params_published = 660000,
                .macs_published = 97440000,
                .published_in =
                    "chenyaofo/pytorch-cifar-models, cifar10_resnet44 (0.66 M, 97.44 M)",
            },
        .build = build_small_cnn,
    },
    {
        .entry =
            {
                .name = "squeezenet",
                .summary = "image classification, 224x224, Iandola et al. 2016, version 1.1",
                .params_published = 1235496,
                .macs_published = 349000000,
                .published_in = TORCHVISION,
            },
        .build = build_squeezenet,
    },
    {
        .entry =
            {
                .name = "ssd_mobilenet_v2",
                .summary =
                    "object detection, 300x300, SSD-Lite on MobileNetV2, Sandler et al. 2018",
                .params_published = 4475000,
                .macs_published = 762500000,
                .published_in =
                    "Open Model Zoo, ssdlite_mobilenet_v2 (4.475 M, 1.525 G operations)",
            },
        .build = build_ssd_mobilenet_v2,
    },
    {
        .entry =
            {
                .name = "unet",
                .summary =
                    "image segmentation, 256x256, Ronneberger et al. 2015, padded, normalized",
                .params_published = 31030000,
                .macs_published = 48250000000,
                .published_in = "Open Model Zoo, unet-camvid-onnx-0001 (31.03 M, 260.1 G "
                                "operations at 480x368; the cost goes with the pixels)",
            },
        .build = build_unet,
    },
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

cosrel_status zoo_write(const zoo_entry *entry, const char *path, uint64_t seed, zoo_counts *counts,
                        cosrel_error *err)
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
        *counts = (zoo_counts){
            .params = g.params, .macs = g.macs, .nodes = g.node_count, .bytes = (size_t)bytes};
    graph_deinit(&g);
    return status;
}
