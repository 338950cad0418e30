/* The GPUs that Vulkan shows, found without linking against it. */
#ifndef DEVICE_VULKAN_H
#define DEVICE_VULKAN_H

#include <stdbool.h>

enum { VULKAN_GPUS_MAX = 8 };

typedef struct vulkan_gpu {
    char name[128];
    bool software; /* a CPU renders */
    bool discrete; /* has its own memory */
} vulkan_gpu;

/* Number of GPUs written to `gpus` (at most VULKAN_GPUS_MAX), in Vulkan's order. 0 where there is
 * no Vulkan loader, no driver or no device. Loads libvulkan.so.1 and leaves it loaded (drivers do
 * not survive being unloaded). */
int vulkan_find(vulkan_gpu *gpus);

#endif
