/* One function per reference model: adds all of it, inputs and outputs included, to an empty graph.
 */
#ifndef ZOO_MODELS_H
#define ZOO_MODELS_H

#include "zoo/graph.h"
#include "zoo/zoo.h"

typedef void (*zoo_build_fn)(graph *g);

void build_efficientnet_lite0(graph *g);
void build_inception_v3(graph *g);
void build_keyword_spotter(graph *g);
void build_mobilebert(graph *g);
void build_mobilenet_v1(graph *g);
void build_mobilenet_v2(graph *g);
void build_mobilenet_v3_large(graph *g);
void build_resnet18(graph *g);
void build_resnet50(graph *g);
void build_small_cnn(graph *g);
void build_squeezenet(graph *g);
void build_ssd_mobilenet_v2(graph *g);
void build_unet(graph *g);

/* Builds an entry's graph without writing it. graph_deinit(g) afterwards, on failure too. */
COSREL_CHECKED cosrel_status zoo_build(const zoo_entry *entry, graph *g, cosrel_error *err);

#endif
