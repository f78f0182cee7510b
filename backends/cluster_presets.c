/* cluster_presets.c -- built-in clusters, and the other ways to a spec: from a name, from settings; what is in it; and back to text. */
#include "cluster_file.h"
#include "cluster_units.h"
#include "error.h"

#include <glib.h>
#include <stdio.h>

const sk_cluster_preset sk_cluster_presets[] = {
    { "laptop", "# One machine with 8 cores; what skate itself costs on it.\n"
                "[cluster]\nworkers = 8\nstore-bytes = 4G\ndisk-bandwidth = 1GB/s\n"
                "[overheads]\nsubmit = 1us\ndispatch = 1us\nput = 1us\nput-per-byte = 0.1ns\n" },
    { "classroom-32", "# The desktops of a classroom on its gigabit switch.\n"
                      "[cluster]\nnodes = 32\nworkers = 4\nstore-bytes = 2G\ndisk-bandwidth = 200MB/s\npolicy = locality\n"
                      "[network]\nlatency = 100us\nbandwidth = 1Gbit/s\npulls = 8\n"
                      "[overheads]\nsubmit = 5us\nschedule = 10us\ndispatch = 50us\nget = 5us\nput = 5us\nput-per-byte = 0.2ns\n" },
    { "cluster-1000", "# A thousand nodes in racks; a hundred of them have four GPUs.\n"
                      "[cluster]\nnodes = 900\nworkers = 32\nstore-bytes = 64G\ndisk-bandwidth = 2GB/s\npolicy = locality\n"
                      "[node.gpu*]\ncount = 100\nresources = gpu=4\nstore-bytes = 128G\nbandwidth = 100Gbit/s\n"
                      "[network]\nlatency = 20us\nbandwidth = 25Gbit/s\npulls = 8\n"
                      "[overheads]\nsubmit = 2us\nschedule = 5us\ndispatch = 20us\nget = 2us\nput = 2us\nput-per-byte = 0.1ns\n" },
    { NULL, NULL },
};

const sk_cluster_preset *sk_cluster_preset_find(const char *name)
{
    for (const sk_cluster_preset *p = sk_cluster_presets; p->name; p++)
        if (!strcmp(p->name, name))
            return p;
    return NULL;
}

sk_cluster_spec *sk_cluster_spec_load(const char *name, sk_error *err)
{
    const sk_cluster_preset *preset = sk_cluster_preset_find(name);
    if (preset)
        return sk_cluster_spec_parse(preset->text, strlen(preset->text), name, err);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    gsize size;
    if (g_file_get_contents(name, &text, &size, &error))
        return sk_cluster_spec_parse(text, size, name, err);
    g_autoptr(GString) list = g_string_new(NULL);
    for (const sk_cluster_preset *p = sk_cluster_presets; p->name; p++)
        g_string_append_printf(list, " %s", p->name);
    if (g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        sk_error_set(err, SK_MISUSE, "\"%.300s\": there is no such file, and no such preset; the presets are:%s", name, list->str);
    else
        sk_error_set(err, SK_MISUSE, "%.300s: cannot be read: %.300s; give a cluster file, or a preset:%s", name, error->message, list->str);
    return NULL;
}

sk_cluster_spec *sk_cluster_spec_from_settings(int nodes, int workers, const char *resources, size_t store_bytes, sk_error *err)
{
    sk_node_kind kind = { .name = "node*", .count = (uint32_t)nodes, .workers = workers, .speed = SK_UNITS,
                          .store_bytes = (int64_t)store_bytes };
    if (!sk_demand_parse(&kind.resources, resources, err))
        return NULL;
    sk_cluster_spec *spec = g_new0(sk_cluster_spec, 1);
    *spec = (sk_cluster_spec){ .nodes = kind.count, .nkinds = 1, .seed = 1, .fault_seed = 1, .pulls = 8 };
    spec->kinds = g_memdup2(&kind, sizeof kind);
    return spec;
}

/* ---- what is in it ---- */

const sk_node_kind *sk_cluster_spec_node(const sk_cluster_spec *spec, uint32_t node)
{
    uint32_t low = 0, high = spec->nkinds;       /* kinds[low].first <= node < kinds[high].first */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (spec->kinds[middle].first <= node)
            low = middle;
        else
            high = middle;
    }
    return &spec->kinds[low];
}

const char *sk_cluster_spec_name(const sk_cluster_spec *spec, uint32_t node, char *room, size_t size)
{
    const sk_node_kind *kind = sk_cluster_spec_node(spec, node);
    int stem = (int)strcspn(kind->name, "*");
    if (kind->name[stem])
        snprintf(room, size, "%.*s%u", stem, kind->name, node - kind->first);
    else
        snprintf(room, size, "%s", kind->name);
    return room;
}

bool sk_cluster_spec_find(const sk_cluster_spec *spec, const char *name, uint32_t *node)
{
    uint64_t n;
    for (uint32_t i = 0; i < spec->nkinds; i++) {
        const sk_node_kind *kind = &spec->kinds[i];
        size_t stem = strcspn(kind->name, "*");
        const char *digits = name + stem;
        if (!kind->name[stem] ? !strcmp(kind->name, name)
                              : !strncmp(kind->name, name, stem) && sk_parse_whole(digits, kind->count - 1, &n)
                                    && (digits[0] != '0' || !digits[1])) {
            *node = kind->first + (kind->name[stem] ? (uint32_t)n : 0);
            return true;
        }
    }
    return false;
}

/* ---- back to text ---- */

static bool same_demand(const sk_demand *a, const sk_demand *b)
{
    bool same = a->n == b->n;
    for (int i = 0; same && i < a->n; i++)
        same = a->amounts[i].units == b->amounts[i].units && !strcmp(a->amounts[i].name, b->amounts[i].name);
    return same;
}

static void put_resources(GString *s, const sk_demand *d)
{
    char room[40];
    g_string_append(s, "resources = ");
    for (int i = 0; i < d->n; i++)
        g_string_append_printf(s, "%s%s=%s", i ? "," : "", d->amounts[i].name, sk_units_text(d->amounts[i].units, room, sizeof room));
    g_string_append_c(s, '\n');
}

/* What is as in `like` is left out; a limit cannot be taken back. */
static void put_kind(GString *s, const sk_node_kind *k, const sk_node_kind *like)
{
    char room[40];
    if (k->workers != like->workers)
        g_string_append_printf(s, "workers = %d\n", k->workers);
    if (!same_demand(&k->resources, &like->resources))
        put_resources(s, &k->resources);
    if (k->speed != like->speed)
        g_string_append_printf(s, "speed = %s\n", sk_units_text(k->speed, room, sizeof room));
    if (k->store_bytes != like->store_bytes)
        g_string_append_printf(s, "store-bytes = %s\n", sk_bytes_text(k->store_bytes, room, sizeof room));
    if (k->disk_bandwidth != like->disk_bandwidth)
        g_string_append_printf(s, "disk-bandwidth = %s\n", sk_bandwidth_text(k->disk_bandwidth, room, sizeof room));
    if (k->bandwidth != like->bandwidth)
        g_string_append_printf(s, "bandwidth = %s\n", sk_bandwidth_text(k->bandwidth, room, sizeof room));
}

static void put_cluster(GString *s, const sk_cluster_spec *spec)
{
    static const sk_node_kind none = { .speed = SK_UNITS };
    const sk_node_kind *kinds = spec->kinds;
    bool plain = spec->nkinds && !strcmp(kinds[0].name, "node*");
    g_string_append(s, "[cluster]\n");
    if (plain)
        g_string_append_printf(s, "nodes = %u\n", kinds[0].count);
    if (*spec->policy)
        g_string_append_printf(s, "policy = %s\n", spec->policy);
    g_string_append_printf(s, "seed = %llu\n", (unsigned long long)spec->seed);
    if (plain) {
        g_string_append(s, "# of each node: cpus, named resources, speed factor, object store, its disk\n");
        put_kind(s, &kinds[0], &none);
    }
    for (uint32_t i = plain; i < spec->nkinds; i++) {
        g_string_append_printf(s, "\n[node.%s]\n", kinds[i].name);
        if (strchr(kinds[i].name, '*'))
            g_string_append_printf(s, "count = %u\n", kinds[i].count);
        put_kind(s, &kinds[i], plain ? &kinds[0] : &none);
    }
}

static void put_costs(GString *s, const sk_cluster_spec *spec)
{
    static const char *const names[] = { "submit", "schedule", "dispatch", "get", "put" };
    char room[40];
    g_string_append(s, "\n# of each node's card; pulls: how many at a time\n[network]\n");
    g_string_append_printf(s, "latency = %s\n", sk_time_text(spec->latency, room, sizeof room));
    if (spec->bandwidth)
        g_string_append_printf(s, "bandwidth = %s\n", sk_bandwidth_text(spec->bandwidth, room, sizeof room));
    g_string_append_printf(s, "pulls = %d\n\n# what each call takes, and each byte of it\n[overheads]\n", spec->pulls);
    for (int i = 0; i < SK_OVERHEADS; i++) {
        g_string_append_printf(s, "%s = %s\n", names[i], sk_time_text(spec->overheads[i].fixed, room, sizeof room));
        if (spec->overheads[i].per_byte)
            g_string_append_printf(s, "%s-per-byte = %s\n", names[i], sk_per_byte_text(spec->overheads[i].per_byte, room, sizeof room));
    }
}

static void put_rest(GString *s, int64_t by, int64_t lasts)
{
    char room[40];
    if (by)
        g_string_append_printf(s, " by %s", sk_units_text(by, room, sizeof room));
    if (lasts)
        g_string_append_printf(s, " for %s", sk_time_text(lasts, room, sizeof room));
}

static void put_faults(GString *s, const sk_cluster_spec *spec)
{
    static const char *const names[] = { "crash", "freeze", "slow", "cut", "restart" };
    char room[48];
    g_string_append_printf(s, "\n[faults]\nseed = %llu\n", (unsigned long long)spec->fault_seed);
    for (int i = 0; i < SK_FAULT_RATES; i++)
        if (spec->rates[i].every) {
            g_string_append_printf(s, "%s = every %s", names[i], sk_time_text(spec->rates[i].every, room, sizeof room));
            put_rest(s, spec->rates[i].by, spec->rates[i].lasts);
            g_string_append_c(s, '\n');
        }
    for (uint32_t i = 0; i < spec->nfaults; i++) {
        const sk_fault *f = &spec->faults[i];
        if (i && f->at == f[-1].at)
            g_string_append(s, "; ");
        else
            g_string_append_printf(s, "%sat %s = ", i ? "\n" : "", sk_time_text(f->at, room, sizeof room));
        g_string_append_printf(s, "%s %s", names[f->kind], sk_cluster_spec_name(spec, f->node, room, sizeof room));
        if (f->kind == SK_FAULT_CUT)
            g_string_append_printf(s, " %s", sk_cluster_spec_name(spec, f->other, room, sizeof room));
        put_rest(s, f->by, f->lasts);
    }
    g_string_append(s, spec->nfaults ? "\n" : "");
}

char *sk_cluster_spec_write(const sk_cluster_spec *spec, const char *about)
{
    GString *s = g_string_new(NULL);
    g_auto(GStrv) lines = g_strsplit(about ? about : "", "\n", -1);
    for (char **line = lines; *line; line++)
        if (**line)
            g_string_append_printf(s, "# %s\n", *line);
    put_cluster(s, spec);
    put_costs(s, spec);
    put_faults(s, spec);
    char *text = strdup(s->str);
    if (!text)
        abort();
    g_string_free(s, TRUE);
    return text;
}

/* Field by field: there are holes between them. */
static bool same_kind(const sk_node_kind *a, const sk_node_kind *b)
{
    return same_demand(&a->resources, &b->resources) && !strcmp(a->name, b->name)
           && a->first == b->first && a->count == b->count && a->workers == b->workers
           && a->speed == b->speed && a->store_bytes == b->store_bytes && a->disk_bandwidth == b->disk_bandwidth
           && a->bandwidth == b->bandwidth;
}

static bool same_fault(const sk_fault *a, const sk_fault *b)
{
    return a->at == b->at && a->lasts == b->lasts && a->by == b->by && a->kind == b->kind && a->node == b->node && a->other == b->other;
}

bool sk_cluster_spec_equal(const sk_cluster_spec *a, const sk_cluster_spec *b)
{
    bool same = a->nodes == b->nodes && a->nkinds == b->nkinds && a->nfaults == b->nfaults && !strcmp(a->policy, b->policy)
                && a->seed == b->seed && a->fault_seed == b->fault_seed && a->latency == b->latency && a->bandwidth == b->bandwidth
                && a->pulls == b->pulls && memcmp(a->overheads, b->overheads, sizeof a->overheads) == 0
                && memcmp(a->rates, b->rates, sizeof a->rates) == 0;
    for (uint32_t i = 0; same && i < a->nkinds; i++)
        same = same_kind(&a->kinds[i], &b->kinds[i]);
    for (uint32_t i = 0; same && i < a->nfaults; i++)
        same = same_fault(&a->faults[i], &b->faults[i]);
    return same;
}
