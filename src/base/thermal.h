/* How near the machine is to throttling, from the kernel's thermal zones
 * (Documentation/ABI/testing/sysfs-class-thermal). */
#ifndef BASE_THERMAL_H
#define BASE_THERMAL_H

/* Chosen: phones' chips have some forty. */
enum { THERMAL_ZONES_MAX = 64 };

typedef struct thermal_zone {
    char path[160];  /* its temp file */
    double limit_mc; /* thousandths of a degree Celsius at which it throttles */
} thermal_zone;

/* One thread owns it. It holds nothing that must be freed. */
typedef struct thermal_meter {
    int zone_count; /* 0: none that says where it throttles */
    thermal_zone zones[THERMAL_ZONES_MAX];
} thermal_meter;

/* root: "" on a real machine; a folder that holds sys/class/thermal in tests. */
void thermal_meter_open(thermal_meter *meter, const char *root);

/* The hottest zone on the way from 40 degrees, 0, to where it throttles, 1; 0 without zones. A zone
 * that cannot be read now does not count. Blocks as long as sensors do, some as long as
 * milliseconds; allocates nothing. */
double thermal_meter_read(const thermal_meter *meter);

#endif
