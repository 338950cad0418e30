#include "base/thermal.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TRIPS_MAX = 12 }; /* the kernel's THERMAL_MAX_TRIPS (drivers/thermal, until 6.8) */

/* Where heat begins to count. Chosen: what small boards have at rest in a room. */
static const double COOL_MC = 40000;

/* A zone without a passive trip point throttles somewhere below where the machine is switched off.
 * (chosen) */
static const double BELOW_HOT_MC = 10000;

static bool read_text(const char *path, char *text, size_t bytes)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    const ssize_t count = read(file, text, bytes - 1);
    close(file);
    if (count <= 0)
        return false;
    text[count] = '\0';
    return true;
}

static bool read_number(const char *path, double *value)
{
    char text[32];
    char *end;
    if (!read_text(path, text, sizeof text))
        return false;
    const long number = strtol(text, &end, 10);
    if (end == text)
        return false;
    *value = (double)number;
    return true;
}

/* Drivers give trip points that mean nothing, of 0 or of -274 degrees. */
static void lower(double *limit_mc, double mc)
{
    if (mc > COOL_MC && (*limit_mc == 0 || mc < *limit_mc))
        *limit_mc = mc;
}

/* Where the zone throttles; 0: it does not say. */
static double find_limit(const char *folder)
{
    double passive_mc = 0, hot_mc = 0;
    for (int i = 0; i < TRIPS_MAX; i++) {
        char path[192], type[32];
        double mc;
        snprintf(path, sizeof path, "%s/trip_point_%d_type", folder, i);
        if (!read_text(path, type, sizeof type))
            break;
        snprintf(path, sizeof path, "%s/trip_point_%d_temp", folder, i);
        if (!read_number(path, &mc))
            continue;
        if (strncmp(type, "passive", 7) == 0)
            lower(&passive_mc, mc);
        else if (strncmp(type, "hot", 3) == 0 || strncmp(type, "critical", 8) == 0)
            lower(&hot_mc, mc - BELOW_HOT_MC);
    }
    return passive_mc > 0 ? passive_mc : hot_mc;
}

void thermal_meter_open(thermal_meter *meter, const char *root)
{
    memset(meter, 0, sizeof *meter);
    for (int i = 0; i < THERMAL_ZONES_MAX; i++) {
        char folder[144];
        double now_mc;
        thermal_zone *zone = &meter->zones[meter->zone_count];
        const int length = snprintf(folder, sizeof folder, "%s/sys/class/thermal/thermal_zone%d",
                                    root, i);
        if (length < 0 || (size_t)length >= sizeof folder)
            continue;
        snprintf(zone->path, sizeof zone->path, "%s/temp", folder);
        zone->limit_mc = find_limit(folder);
        if (zone->limit_mc > 0 && read_number(zone->path, &now_mc))
            meter->zone_count++;
    }
}

double thermal_meter_read(const thermal_meter *meter)
{
    double most = 0;
    for (int i = 0; i < meter->zone_count; i++) {
        const thermal_zone *zone = &meter->zones[i];
        double mc;
        if (!read_number(zone->path, &mc))
            continue;
        const double heat = (mc - COOL_MC) / (zone->limit_mc - COOL_MC);
        most = heat > most ? heat : most;
    }
    return most < 1 ? most : 1;
}
