/* main.c -- the unit tests. A new suite: one line in the list below.
 *
 * CK_RUN_CASE and CK_RUN_SUITE pick some; set but empty, Check would run none and call that a
 * success. */
#include "leaks.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *trace_read_suite(void), *timeline_suite(void), *wire_suite(void), *fn_table_suite(void), *secret_suite(void), *auth_suite(void),
    *auth_refusals_suite(void), *cluster_suite(void), *cluster_runs_suite(void), *events_suite(void), *fiber_suite(void), *network_suite(void),
    *cluster_file_suite(void), *stores_suite(void), *park_suite(void), *deque_suite(void), *ring_suite(void), *ring_scribble_suite(void), *child_suite(void),
    *lines_suite(void), *process_suite(void), *memory_suite(void), *shm_suite(void), *shm_whole_suite(void), *spill_suite(void), *sends_suite(void), *crc32c_suite(void),
    *frame_suite(void), *frame_wrong_suite(void), *digest_suite(void), *fault_pipe_suite(void), *proxy_suite(void), *proxy_faults_suite(void), *proxy_program_suite(void),
    *tls_suite(void), *transport_suite(void), *strangers_suite(void), *withstand_suite(void), *link_faults_suite(void), *node_wire_suite(void), *node_suite(void),
    *tcp_children_suite(void), *report_suite(void), *memory_of_records_suite(void);

static Suite *(*const suites[])(void) = {
    trace_read_suite,
    timeline_suite,
    wire_suite,
    fn_table_suite,
    secret_suite,
    auth_suite,
    auth_refusals_suite,
    cluster_suite,
    cluster_runs_suite,
    events_suite,
    fiber_suite,
    network_suite,
    cluster_file_suite,
    stores_suite,
    park_suite,
    deque_suite,
    ring_suite,
    ring_scribble_suite,
    child_suite,
    lines_suite,
    process_suite,
    memory_suite,
    shm_suite,
    shm_whole_suite,
    spill_suite,
    sends_suite,
    crc32c_suite,
    frame_suite,
    frame_wrong_suite,
    tls_suite,
    transport_suite,
    strangers_suite,
    withstand_suite,
    link_faults_suite,
    node_wire_suite,
    node_suite,
    tcp_children_suite,
    report_suite,
    memory_of_records_suite,
    digest_suite,
    fault_pipe_suite,
    proxy_suite,
    proxy_faults_suite,
    proxy_program_suite,
};

/* Two suites start it, and fail without it in ways that do not say so. */
static bool lacks_proxy(void)
{
    char path[4096];
    const char *only = getenv("CK_RUN_SUITE");
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 16);
    if ((only && strcmp(only, "proxy_program") != 0) || n <= 0)
        return false;
    path[n] = '\0';
    strcpy(strrchr(path, '/'), "/proxy");
    if (access(path, X_OK) == 0)
        return false;
    fprintf(stderr, "unit: missing: %s; build with: make build/tests/proxy (in the folder of this build)\n", path);
    return true;
}

int main(void)
{
    const char *picks[] = { "CK_RUN_CASE", "CK_RUN_SUITE" };
    for (unsigned i = 0; i < sizeof picks / sizeof *picks; i++)
        if (getenv(picks[i]) && !*getenv(picks[i]))
            unsetenv(picks[i]);
    if (lacks_proxy())
        return 2;
    setenv("CK_DEFAULT_TIMEOUT", "120", 0);       /* a guard against hanging; how fast the machine is does not matter */
    SRunner *runner = srunner_create(NULL);
    for (unsigned i = 0; i < sizeof suites / sizeof *suites; i++)
        srunner_add_suite(runner, suites[i]());
    leaks_look_once();
    srunner_run_all(runner, CK_ENV);
    int ran = srunner_ntests_run(runner), failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    if (ran == 0)
        fprintf(stderr, "unit: no test ran; is CK_RUN_CASE or CK_RUN_SUITE wrong?\n");
    printf("unit: %d passed, %d failed, 0 skipped\n", ran - failed, failed);
    return ran > 0 && failed == 0 ? 0 : 1;
}
