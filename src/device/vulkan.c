#include "device/vulkan.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <vulkan/vulkan.h>

int vulkan_find(vulkan_gpu *gpus)
{
    void *library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library)
        return 0;
    PFN_vkGetInstanceProcAddr get = NULL;
    *(void **)&get = dlsym(library, "vkGetInstanceProcAddr");
    PFN_vkCreateInstance create = get ? (PFN_vkCreateInstance)get(NULL, "vkCreateInstance") : NULL;
    if (!create)
        return 0;

    const VkApplicationInfo app = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                   .apiVersion = VK_API_VERSION_1_1};
    const VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                       .pApplicationInfo = &app};
    VkInstance instance;
    if (create(&info, NULL, &instance) != VK_SUCCESS)
        return 0;

    PFN_vkEnumeratePhysicalDevices list = (PFN_vkEnumeratePhysicalDevices)get(
        instance, "vkEnumeratePhysicalDevices");
    PFN_vkGetPhysicalDeviceProperties describe = (PFN_vkGetPhysicalDeviceProperties)get(
        instance, "vkGetPhysicalDeviceProperties");
    PFN_vkDestroyInstance destroy = (PFN_vkDestroyInstance)get(instance, "vkDestroyInstance");
    VkPhysicalDevice devices[VULKAN_GPUS_MAX];
    uint32_t count = VULKAN_GPUS_MAX;
    int found = 0;
    if (list && describe && list(instance, &count, devices) >= VK_SUCCESS) {
        for (uint32_t i = 0; i < count; i++) {
            VkPhysicalDeviceProperties p;
            describe(devices[i], &p);
            vulkan_gpu *gpu = &gpus[found++];
            snprintf(gpu->name, sizeof gpu->name, "%.*s", (int)sizeof gpu->name - 1, p.deviceName);
            gpu->software = p.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
            gpu->discrete = p.deviceType == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
        }
    }
    if (destroy)
        destroy(instance, NULL);
    return found;
}
