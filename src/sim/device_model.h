#ifndef SIM_DEVICE_MODEL_H
#define SIM_DEVICE_MODEL_H
#include <stdint.h>
#include <stdbool.h>
typedef struct device_model device_model;
typedef enum { DEVICE_DOWN, DEVICE_UP, DEVICE_REMOVE } device_change;
static inline int64_t device_model_begin(device_model *d, int64_t now_ns, int processor, int model, int64_t table_ns){(void)d;(void)now_ns;(void)processor;(void)model;return table_ns;}
static inline void device_model_advance(device_model *d, int64_t now_ns, uint64_t busy){(void)d;(void)now_ns;(void)busy;}
static inline double device_model_speed(const device_model *d, int processor){(void)d;(void)processor;return 1;}
static inline int64_t device_model_next_ns(const device_model *d){(void)d;return INT64_MAX;}
static inline bool device_model_take_change(device_model *d, int64_t now_ns, int *processor, device_change *change){(void)d;(void)now_ns;(void)processor;(void)change;return false;}
static inline bool device_model_run_fails(device_model *d, int64_t now_ns, int processor){(void)d;(void)now_ns;(void)processor;return false;}
static inline double device_model_energy_factor(const device_model *d, int processor){(void)d;(void)processor;return 1;}
#endif
