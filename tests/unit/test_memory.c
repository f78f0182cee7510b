/* test_memory.c -- where the kernel's count of processes killed for want of memory is found (backends/memory.c), in trees of files made here. */
#include "backends/memory.h"

#include <check.h>
#include <glib.h>
#include <glib/gstdio.h>

typedef struct file { const char *path, *text; } file;

static int64_t kills_with(const file *files, size_t n)
{
    char *root = g_dir_make_tmp("skate-memory-XXXXXX", NULL);
    ck_assert_ptr_nonnull(root);
    for (size_t i = 0; i < n; i++) {
        char *path = g_strconcat(root, files[i].path, NULL), *directory = g_path_get_dirname(path);
        ck_assert_int_eq(g_mkdir_with_parents(directory, 0700), 0);
        ck_assert(g_file_set_contents(path, files[i].text, -1, NULL));
        g_free(path);
        g_free(directory);
    }
    int64_t kills = sk_memory_kills(root);
    char *argv[] = { "rm", "-r", root, NULL };
    ck_assert(g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
    g_free(root);
    return kills;
}
#define KILLS(...) kills_with((const file[]){ __VA_ARGS__ }, sizeof (const file[]){ __VA_ARGS__ } / sizeof(file))
#define V1(n)     "oom_kill_disable 0\nunder_oom 0\noom_kill " #n "\n"
#define V2(n)     "low 0\nhigh 0\nmax 1\noom 2\noom_kill " #n "\noom_group_kill 9\n"
#define VMSTAT(n) "nr_free_pages 7\noom_kill " #n "\nzone_reclaim_failed 0\n"

START_TEST(the_count_is_that_of_the_group_in_the_unified_hierarchy)
{
    ck_assert_int_eq(KILLS({ "/proc/self/cgroup", "0::/user/a b\n" }, { "/sys/fs/cgroup/user/a b/memory.events", V2(3) },
                           { "/proc/vmstat", VMSTAT(50) }), 3);
}
END_TEST

START_TEST(the_count_is_that_of_the_group_in_the_hierarchy_of_memory)
{
    ck_assert_int_eq(KILLS({ "/proc/self/cgroup", "9:name=systemd:/x\n4:cpu,memory:/jobs/7\n0::/\n" },
                           { "/sys/fs/cgroup/memory/jobs/7/memory.oom_control", V1(4) },
                           { "/sys/fs/cgroup/memory/memory.oom_control", V1(40) }, { "/proc/vmstat", VMSTAT(50) }), 4);
}
END_TEST

START_TEST(a_container_that_sees_its_group_as_the_root_has_the_count_there)
{
    ck_assert_int_eq(KILLS({ "/proc/self/cgroup", "4:memory:/docker/0123\n" }, { "/sys/fs/cgroup/memory/memory.oom_control", V1(5) },
                           { "/proc/vmstat", VMSTAT(50) }), 5);
}
END_TEST

START_TEST(beside_the_older_hierarchies_the_unified_one_lies_in_a_folder_of_its_own)
{
    ck_assert_int_eq(KILLS({ "/proc/self/cgroup", "1:cpu:/\n0::/g\n" }, { "/sys/fs/cgroup/unified/g/memory.events", V2(6) }), 6);
}
END_TEST

START_TEST(without_groups_the_count_is_that_of_the_machine)
{
    ck_assert_int_eq(KILLS({ "/proc/self/cgroup", "0::/\n" }, { "/proc/vmstat", VMSTAT(50) }), 50);
    ck_assert_int_eq(KILLS({ "/proc/vmstat", VMSTAT(51) }), 51);
}
END_TEST

START_TEST(where_nothing_counts_it_is_not_known)
{
    ck_assert_int_eq(KILLS({ "/proc/self/cgroup", "nonsense\n3:memoryless:/\n" }, { "/proc/vmstat", "nr_free_pages 7\n" }), -1);
    ck_assert_int_eq(KILLS({ "/unrelated", "" }), -1);
}
END_TEST

START_TEST(here_the_kernel_counts_and_the_count_does_not_fall)
{
    int64_t before = sk_memory_kills(""), after = sk_memory_kills("");
    ck_assert_int_ge(after, before);
}
END_TEST

Suite *memory_suite(void)
{
    Suite *suite = suite_create("memory");
    TCase *tests = tcase_create("memory");
    tcase_add_test(tests, the_count_is_that_of_the_group_in_the_unified_hierarchy);
    tcase_add_test(tests, the_count_is_that_of_the_group_in_the_hierarchy_of_memory);
    tcase_add_test(tests, a_container_that_sees_its_group_as_the_root_has_the_count_there);
    tcase_add_test(tests, beside_the_older_hierarchies_the_unified_one_lies_in_a_folder_of_its_own);
    tcase_add_test(tests, without_groups_the_count_is_that_of_the_machine);
    tcase_add_test(tests, where_nothing_counts_it_is_not_known);
    tcase_add_test(tests, here_the_kernel_counts_and_the_count_does_not_fall);
    suite_add_tcase(suite, tests);
    return suite;
}
