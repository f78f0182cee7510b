/* calibration.h -- what a calibrated cluster file says about itself, written by `skate calibrate` and read by `skate predict`: comments that
 * begin like these.
 *
 *     # calibrated 2026-11-25 18:30 UTC
 *     # host larch: 2 processors, AMD EPYC
 *     # measured on threads with 2 workers
 *     # error band: median 3.1 %, worst 8.8 %
 *
 * And the median, which both need. */
#ifndef SK_CALIBRATION_H
#define SK_CALIBRATION_H

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CALIBRATED "calibrated "
#define CALIBRATION_HOST "host "
#define CALIBRATION_BAND "error band: "

/* "larch: 2 processors, AMD EPYC". To be freed with g_free. */
static inline char *calibration_this_host(void)
{
    char name[128] = "?", model[128] = "", line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (gethostname(name, sizeof name - 1) != 0)
        strcpy(name, "?");
    while (file && !*model && fgets(line, sizeof line, file))
        if (strncmp(line, "model name", 10) == 0 && strchr(line, ':'))
            snprintf(model, sizeof model, ", %.100s", g_strstrip(strchr(line, ':') + 1));
    if (file)
        fclose(file);
    return g_strdup_printf("%s: %ld processors%s", name, sysconf(_SC_NPROCESSORS_ONLN), model);
}

/* What follows "# KEY" in the text, to the end of the line; NULL: it says nothing. To be freed with g_free. */
static inline char *calibration_say(const char *text, const char *key)
{
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, "# ", 2) == 0 && strncmp(line + 2, key, strlen(key)) == 0)
            return g_strndup(line + 2 + strlen(key), strcspn(line + 2 + strlen(key), "\n"));
        if (!*line)
            break;
    }
    return NULL;
}

static inline int calibration_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts them. */
static inline double calibration_median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, calibration_compare);
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

#endif
