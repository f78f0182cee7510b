/* become.h -- what the commands that run a program have to say if it cannot be run. */
#ifndef SK_TOOL_BECOME_H
#define SK_TOOL_BECOME_H

#include <errno.h>
#include <glib.h>
#include <string.h>

/* Why exec of it has failed with this errno, and what to do; to be freed by g_free. */
static inline char *why_not_run(const char *program, int why)
{
    gboolean is_path = strchr(program, '/') != NULL;
    if (why == ENOENT && !is_path && g_file_test(program, G_FILE_TEST_IS_REGULAR))
        return g_strdup_printf("there is no program \"%s\" in PATH; did you mean ./%s ?", program, program);
    if (why == ENOENT && !is_path)
        return g_strdup_printf("there is no program \"%s\", neither in PATH nor here; give its path: ./%s", program, program);
    if (why == ENOENT && g_file_test(program, G_FILE_TEST_EXISTS))
        return g_strdup_printf("%s: what it is to be run with (its #! line or its loader) is not there", program);
    if (why == ENOENT)
        return g_strdup_printf("there is no program %s; build it first, or give another path", program);
    if (why == EACCES && g_file_test(program, G_FILE_TEST_IS_DIR))
        return g_strdup_printf("%s is a directory; give the program inside it", program);
    if (why == EACCES && g_str_has_suffix(program, ".c"))
        return g_strdup_printf("%s is source code; compile it first, then give the program", program);
    if (why == EACCES)
        return g_strdup_printf("%s may not be executed; if it is a program: chmod +x %s", program, program);
    return g_strdup_printf("%s cannot be run: %s", program, g_strerror(why));
}

#endif
