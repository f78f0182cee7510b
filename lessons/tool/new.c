/* new.c -- `skate new NAME`: a project of two files to start from, a program and its Makefile.
 *
 * The idea: nothing hidden. What is written is what one would type, short enough to be read before
 * the first change; the Makefile asks pkg-config where Skate is, and says what to do if it is not.
 *
 * Reading order: the two files, checking the name, writing, main.                                */
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The two files: $NAME and $PC are filled in ---------------------------------------------- */
static const char program_text[] =
    "/* $NAME.c -- adds the squares of 1 to 10, each square a task.\n"
    " *\n"
    " *   make              build it\n"
    " *   ./$NAME           run it\n"
    " *   make gantt        run it and see who did what when */\n"
    "#include <skate.h>\n"
    "#include <stdio.h>\n"
    "\n"
    "// A remote function: the type of its answer, its name, its parameters.\n"
    "SK_REMOTE(int, square, (int, x))\n"
    "{\n"
    "    sk_compute(20000);                       // some work to look at: about 20 ms\n"
    "    return x * x;\n"
    "}\n"
    "\n"
    "SK_REMOTE(int, add, (int, a), (int, b))\n"
    "{\n"
    "    return a + b;\n"
    "}\n"
    "\n"
    "int main(int argc, char **argv)\n"
    "{\n"
    "    sk_init(&argc, &argv, NULL);\n"
    "\n"
    "    // Each call returns at once, with a reference of the result to come.\n"
    "    sk_ref squares[10];\n"
    "    for (int i = 0; i < 10; i++)\n"
    "        squares[i] = sk_remote(square, i + 1);\n"
    "\n"
    "    // References may be arguments: a task waits for them by itself.\n"
    "    sk_ref sum = squares[0];\n"
    "    for (int i = 1; i < 10; i++)\n"
    "        sum = sk_remote(add, sum, squares[i]);\n"
    "\n"
    "    printf(\"the squares of 1 to 10 add up to %d\\n\", sk_get(int, sum));\n"
    "    sk_shutdown();\n"
    "    return 0;\n"
    "}\n";

/* $PC stands for a directory to look for skate.pc in besides pkg-config's own: this Skate's. */
static const char makefile_text[] =
    "# make           build $NAME\n"
    "# make run       run it; make gantt: and see who did what when\n"
    "# make clean     remove what was built\n"
    "\n"
    "# Where this Skate is; pkg-config also looks in its usual places.\n"
    "SKATE_PC = $PC\n"
    "PKG_CONFIG = PKG_CONFIG_PATH=\"$(PKG_CONFIG_PATH):$(SKATE_PC)\" pkg-config\n"
    "\n"
    "ifneq ($(MAKECMDGOALS),clean)\n"
    "ifneq ($(shell $(PKG_CONFIG) --exists skate && echo yes),yes)\n"
    "$(error pkg-config is not installed or does not know skate; say where its skate.pc is: \\\n"
    "    make SKATE_PC=/where/skate/is/lib/pkgconfig)\n"
    "endif\n"
    "endif\n"
    "\n"
    "CFLAGS = -std=gnu11 -Wall -Wextra -Wconversion -O2 -g\n"
    "# one-line messages from gcc where a call does not fit its function\n"
    "ifneq ($(findstring Free Software,$(shell $(CC) --version)),)\n"
    "CFLAGS += -ftrack-macro-expansion=0\n"
    "endif\n"
    "\n"
    "$NAME: $NAME.c\n"
    "\t$(CC) $(CFLAGS) $(shell $(PKG_CONFIG) --cflags skate) \\\n"
    "\t    $< -o $@ $(shell $(PKG_CONFIG) --libs skate)\n"
    "\n"
    "run: $NAME\n"
    "\t./$NAME\n"
    "\n"
    "gantt: $NAME\n"
    "\t./$NAME --sk-gantt\n"
    "\n"
    "clean:\n"
    "\trm -f $NAME\n"
    "\n"
    ".PHONY: run gantt clean\n";

/* ---- Checking the name ----------------------------------------------------------------------- */
G_GNUC_PRINTF(1, 2) G_GNUC_NORETURN
static void refuse(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "skate new: ");
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    exit(2);
}

/* The name becomes a directory, a file and a target of make, so letters, digits, _ and - only; and
 * not what the Makefile's other targets are called. */
static void check_name(const char *name)
{
    static const char *const taken[] = { "run", "gantt", "clean", "Makefile" };
    if (strlen(name) > 64)
        refuse("the name is too long; 64 letters are enough");
    if (!g_ascii_isalpha(name[0]))
        refuse("\"%s\" is no name for a project; begin with a letter: skate new hello", name);
    for (const char *c = name; *c; c++)
        if (!g_ascii_isalnum(*c) && *c != '_' && *c != '-')
            refuse("\"%s\" is no name for a project; use letters, digits, _ and - only", name);
    for (size_t i = 0; i < G_N_ELEMENTS(taken); i++)
        if (strcmp(name, taken[i]) == 0)
            refuse("\"%s\" is the name of something else in the Makefile; choose another", name);
}

/* ---- Writing --------------------------------------------------------------------------------- */
/* Owned by the caller: the directory of the skate.pc that belongs to this program, which is
 * PREFIX/libexec/skate/skate-lessons; NULL if there is none. */
static char *pkgconfig_dir(void)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    if (!self)
        return NULL;
    g_autofree char *here = g_path_get_dirname(self);
    g_autofree char *up = g_build_filename(here, "..", "..", "lib", "pkgconfig", NULL);
    g_autofree char *dir = g_canonicalize_filename(up, NULL);
    g_autofree char *file = g_build_filename(dir, "skate.pc", NULL);
    return g_file_test(file, G_FILE_TEST_EXISTS) ? g_steal_pointer(&dir) : NULL;
}

static void write_file(const char *dir, const char *file, const char *text, const char *name,
                       const char *pc)
{
    g_autoptr(GString) filled = g_string_new(text);
    g_string_replace(filled, "$NAME", name, 0);
    g_string_replace(filled, "$PC", pc, 0);

    g_autofree char *path = g_build_filename(dir, file, NULL);
    FILE *out = fopen(path, "wx");
    if (!out)
        refuse("%s cannot be written: %s", path, g_strerror(errno));
    fwrite(filled->str, 1, filled->len, out);
    if (ferror(out) | fclose(out))
        refuse("%s cannot be written: %s", path, g_strerror(errno));
}

static void new_project(const char *name)
{
    check_name(name);
    if (g_file_test(name, G_FILE_TEST_EXISTS))
        refuse("%s is there already, and nothing is ever overwritten; choose another name", name);
    if (g_mkdir(name, 0777) != 0)
        refuse("the directory %s cannot be made: %s", name, g_strerror(errno));

    g_autofree char *pc = pkgconfig_dir();
    g_autofree char *source = g_strdup_printf("%s.c", name);
    write_file(name, source, program_text, name, pc ? pc : "");
    write_file(name, "Makefile", makefile_text, name, pc ? pc : "");

    printf("%s/%s and %s/Makefile are written. Next:\n\n"
           "  cd %s\n"
           "  make\n"
           "  ./%s\n"
           "  make gantt\n", name, source, name, name, name);
}

int main(int argc, char **argv)
{
    static const char usage[] =
        "usage: skate new NAME\n\n"
        "Makes the directory NAME with a program, NAME.c, and a Makefile that builds it.\n\n"
        "Example:\n"
        "  skate new hello && cd hello && make && ./hello\n";

    if (argc < 2 || strcmp(argv[1], "new") != 0)
        refuse("the command is: skate new NAME");
    if (argc == 3 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
        printf("%s", usage);
        return 0;
    }
    if (argc < 3)
        refuse("what shall it be called? For example: skate new hello");
    if (argc > 3)
        refuse("one NAME only (\"%s\" is one too many)", argv[3]);
    new_project(argv[2]);
    return 0;
}
