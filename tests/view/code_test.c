/* code_test.c -- the view Code below its picture: what a line shows is what its tasks say; and whatever a trace names, nothing is shown that is not
 * source of the user's own project. */
#include <check.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cases.h"
#include "unit/trace_forge.h"
#include "viz/listing.h"
#include "viz/view.h"

/* ---- What lines show -------------------------------------------------------------------------------------------------------------------- */

static void compare(sk_listing *l, const sk_model *m, sk_step k, int64_t ns)
{
    uint32_t tasks = 0;
    sk_listing_follow(l, m);
    sk_listing_at(l, m, k, ns);
    for (uint32_t i = 0; i < l->nmarks; i++) {
        const sk_listing_mark *mark = &l->marks[i];
        uint32_t states[SK_TASK_CANCELLED + 1] = { 0 };
        int64_t ran = 0;
        for (uint32_t t = 0; t < m->ntasks && mark->site != SK_NO_INDEX; t++)
            if (sk_model_same_line(m, mark->site, m->tasks[t].site)) {
                ck_assert_ptr_eq(sk_listing_of_task(l, m, t), mark);
                states[sk_model_task_at(m, t, k)]++;
                ran += sk_model_run_ns(m, t, k, ns);
                tasks++;
            }
        states[SK_TASK_NONE] = 0;
        ck_assert_mem_eq(states, mark->tasks, sizeof states);
        ck_assert_int_eq(ran, mark->ns);
    }
    ck_assert_uint_eq(tasks, m->ntasks);
}

START_TEST(a_line_shows_what_its_tasks_say_at_any_time)
{
    sk_model *m = sk_model_load(view_trace, NULL);
    sk_listing l = { 0 };
    for (sk_step k = 0; k <= m->nsteps; k++) {
        compare(&l, m, k, sk_model_ns(m, k));
        if (k < m->nsteps && m->events[k].ns > sk_model_ns(m, k) + 1)
            compare(&l, m, k, m->events[k].ns - 1); /* between two events what runs goes on */
    }
    for (sk_step k = m->nsteps; k > 0; k--) /* and back */
        compare(&l, m, k, sk_model_ns(m, k));
    ck_assert_uint_ge(l.nmarks, 8);
    sk_listing_clear(&l);
    sk_model_free(m);
}
END_TEST

/* The column is as wide as that; what does not fit would be cut, and be another number. */
START_TEST(how_many_tasks_a_line_has_is_never_wider_than_four_digits)
{
    static const struct { uint32_t n; const char *text; } all[] = { { 0, "× 0" }, { 9999, "× 9999" }, { 10000, "× 10k" }, { 35425, "× 35k" },
        { 999999, "× 999k" }, { 1000000, "× 1M" }, { UINT32_MAX, "× 4294M" } };
    char text[16];
    float room = sk_draw_width("× 9999", SK_FONT_BOLD, 12);
    for (unsigned i = 0; i < G_N_ELEMENTS(all); i++) {
        ck_assert_str_eq(sk_listing_times(all[i].n, text), all[i].text);
        ck_assert(all[i].n >= 1000000000 || sk_draw_width(text, SK_FONT_BOLD, 12) <= room + 1);
    }
}
END_TEST

START_TEST(a_listing_that_grows_with_a_long_run_shows_what_a_fresh_one_shows)
{
    forge f = forge_start(1, 4, "a", "b", "c", NULL);
    uint64_t ns = 0;
    for (uint64_t t = 1; t <= 3000; t++) {
        forge_task(&f, 0, ns, t, 1 + t % 3, 0, 1, 0, t);
        forge_move(&f, 0, ns, t, SK_TASK_NONE, SK_TASK_READY, 0);
        forge_move(&f, 0, ns += 3, t, SK_TASK_READY, SK_TASK_RUNNING, t % 4);
        forge_move(&f, 0, ns += 1 + t % 7, t, SK_TASK_RUNNING, SK_TASK_DONE, 0);
    }
    GByteArray *file = forge_end(&f, true, ns);
    sk_reader *log = sk_trace_read_memory("forged", file->data, file->len, NULL);
    sk_model *m = sk_model_new();
    sk_listing grown = { 0 };
    sk_cursor *c = sk_trace_read_cursor(log);
    for (sk_event e; sk_trace_read_next(c, &e);) {
        sk_model_take(m, &e);
        if (m->nsteps % 1700 == 0) {
            sk_listing fresh = { 0 };
            sk_step k = m->nsteps / 2;
            sk_listing_follow(&grown, m), sk_listing_follow(&fresh, m);
            sk_listing_at(&grown, m, k, sk_model_ns(m, k)), sk_listing_at(&fresh, m, k, sk_model_ns(m, k));
            ck_assert_uint_eq(grown.nmarks, fresh.nmarks);
            if (fresh.nmarks)
                ck_assert_mem_eq(grown.marks, fresh.marks, fresh.nmarks * sizeof *fresh.marks);
            sk_listing_clear(&fresh);
        }
    }
    for (sk_step k = 0; k < m->nsteps; k += 1 + k % 977)
        compare(&grown, m, k, sk_model_ns(m, k));
    ck_assert_uint_gt(grown.work.nchecks, 10);
    sk_listing_clear(&grown);
    sk_trace_read_cursor_free(c);
    sk_trace_read_close(log);
    g_byte_array_unref(file);
    sk_model_free(m);
}
END_TEST

/* ---- Rows, and traces that name what they like ------------------------------------------------------------------------------------------- */

static char folder[256], trace_there[300];

static void make_folder(void)
{
    g_snprintf(folder, sizeof folder, "%s/skate-code-XXXXXX", g_get_tmp_dir());
    ck_assert_ptr_nonnull(g_mkdtemp(folder));
    char *real = realpath(folder, NULL);
    g_strlcpy(folder, real, sizeof folder);
    free(real);
    g_snprintf(trace_there, sizeof trace_there, "%s/run.sktrace", folder);
}

static void remove_folder(void)
{
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static const char *put(const char *name, const char *text, gssize n)
{
    static char path[600];
    g_snprintf(path, sizeof path, "%s/%s", folder, name);
    ck_assert(g_file_set_contents(path, text, n, NULL));
    return path;
}

static void refuses(const char *file, const char *words)
{
    sk_source *s = sk_source_read(file, trace_there, "?", NULL);
    ck_assert_msg(s->trouble && strstr(s->trouble, words), "%s: %s, not %s", file, s->trouble ? s->trouble : "is shown", words);
    ck_assert_uint_eq(s->nlines, 0);
    ck_assert_ptr_null(s->text);
    sk_source_free(s);
}

static void shows(const char *file, const char *program, unsigned n, const char *const *lines)
{
    sk_source *s = sk_source_read(file, trace_there, program, NULL);
    ck_assert_msg(!s->trouble, "%s", s->trouble);
    ck_assert_uint_eq(s->nlines, n);
    for (unsigned i = 0; i < n; i++)
        ck_assert_str_eq(s->text + s->line[i], lines[i]);
    sk_source_free(s);
}

START_TEST(source_beside_the_trace_is_found_by_its_path_and_by_its_name)
{
    make_folder();
    put("ok.c", "int x;\r\n\tif (x)\n  \ty();\n\nlast", -1);
    static const char *const lines[] = { "int x;", "    if (x)", "    y();", "", "last" };
    shows("ok.c", "?", 5, lines);
    shows("lessons/no/such/ok.c", "?", 5, lines);
    shows("/elsewhere/on/another/machine/ok.c", "?", 5, lines);
    put("empty.c", "", 0);
    shows("empty.c", "?", 0, NULL);
    put("odd.c", "a\001b\xff\xfe\n\xc3\xa9", -1);
    static const char *const odd[] = { "a b\xef\xbf\xbd\xef\xbf\xbd", "\xc3\xa9" };
    shows("odd.c", "?", 2, odd);
    remove_folder();
}
END_TEST

START_TEST(source_is_found_from_the_folder_of_the_program_if_it_is_the_users_own)
{
    static const char *const one[] = { "int main;" };
    make_folder();
    char home[300], program[400];
    g_snprintf(home, sizeof home, "%s/project/build/bin", folder);
    ck_assert_int_eq(g_mkdir_with_parents(home, 0700), 0);
    put("project/main.c", "int main;\n", -1);
    put("project/build/bin/prog", "", 0);
    g_snprintf(program, sizeof program, "%s/prog", home);
    g_snprintf(trace_there, sizeof trace_there, "/run.sktrace"); /* the trace is elsewhere */
    sk_source *s = sk_source_read("main.c", trace_there, program, NULL);
    ck_assert_ptr_nonnull(strstr(s->trouble, "is not here")); /* there is a file of that name, but no program */
    sk_source_free(s);
    ck_assert_int_eq(chmod(program, 0755), 0);
    shows("main.c", program, 1, one);
    shows("../main.c", program, 1, one);
    g_autofree char *full = g_strdup_printf("%s/project/main.c", folder);
    shows(full, program, 1, one);
    remove_folder();
}
END_TEST

/* What is said of the program that the trace names, if what it is made from is not found. */
static void program_is(const char *executable, const char *words)
{
    sk_source *s = sk_source_read("main.c", trace_there, "prog", executable);
    g_autofree char *end = g_strdup_printf("; the program, %s, %s. Go to", executable, words);
    ck_assert_msg(s->trouble && strstr(s->trouble, end), "%s: %s", words, s->trouble);
    sk_source_free(s);
}

START_TEST(a_trace_that_says_what_file_its_program_was_shows_its_source_from_anywhere_if_that_is_the_users)
{
    make_folder();
    g_autofree char *bin = g_strdup_printf("%s/project/build/bin", folder), *prog = g_strdup_printf("%s/prog", bin);
    ck_assert_int_eq(g_mkdir_with_parents(bin, 0700), 0);
    put("project/main.c", "int main;\n", -1);
    ck_assert_int_eq(chmod(put("project/build/bin/prog", "", 0), 0755), 0);
    g_snprintf(trace_there, sizeof trace_there, "/run.sktrace");
    sk_source *s = sk_source_read("main.c", trace_there, "build/bin/prog", NULL); /* an older log */
    ck_assert_ptr_nonnull(strstr(s->trouble, "is not here"));
    sk_source_free(s);
    static const char *const called[] = { "build/bin/prog", "./prog", "prog" };
    for (unsigned i = 0; i < G_N_ELEMENTS(called); i++) {
        s = sk_source_read("main.c", trace_there, called[i], prog);
        ck_assert_msg(!s->trouble, "%s", s->trouble);
        ck_assert_str_eq(s->text, "int main;");
        sk_source_free(s);
    }
    program_is("/elsewhere/bin/prog", "is not there");
    const char *plain = put("project/build/bin/plain", "", 0);
    ck_assert_int_eq(chmod(plain, 0644), 0);
    program_is(plain, "may not be run by its owner");
    program_is(bin, "is no plain file");
    const char *others = geteuid() ? "/bin/sh" : put("project/build/bin/others", "", 0);
    ck_assert(geteuid() || (chmod(others, 0755) == 0 && chown(others, 12345, 12345) == 0));
    program_is(others, "is another user's, and is not followed");
    program_is("project/build/bin/prog", "has no absolute path");
    s = sk_source_read("main.c", trace_there, "prog", "project/build/bin/prog"); /* not absolute: nothing leads to it */
    ck_assert_ptr_nonnull(s->trouble);
    sk_source_free(s);
    remove_folder();
}
END_TEST

START_TEST(a_program_whose_path_is_not_absolute_is_found_from_the_trace_or_above_it)
{
    static const char *const one[] = { "int main;" };
    make_folder();
    g_autofree char *bin = g_strdup_printf("%s/project/build/bin", folder), *traces = g_strdup_printf("%s/project/runs", folder);
    ck_assert_int_eq(g_mkdir_with_parents(bin, 0700) | g_mkdir_with_parents(traces, 0700), 0);
    put("project/build/main.c", "int main;\n", -1);
    ck_assert_int_eq(chmod(put("project/build/bin/prog", "", 0), 0755), 0);
    static const char *const traces_in[] = { "project/runs", "project" };
    for (unsigned i = 0; i < G_N_ELEMENTS(traces_in); i++) {
        g_snprintf(trace_there, sizeof trace_there, "%s/%s/run.sktrace", folder, traces_in[i]);
        shows("main.c", "build/bin/prog", 1, one);
        shows("main.c", "./build/bin/prog", 1, one);
    }
    static const char *const wrong[] = { "build/bin/none", "prog", "build/main.c", "build/bin" }; /* none, no path, not to be run, no file */
    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        sk_source *s = sk_source_read("main.c", trace_there, wrong[i], NULL);
        ck_assert_msg(s->trouble && strstr(s->trouble, "is not here"), "%s", wrong[i]);
        sk_source_free(s);
    }
    remove_folder();
}
END_TEST

START_TEST(no_trace_makes_a_file_be_shown_that_is_no_source_of_the_project)
{
    make_folder();
    char path[400], link_to[400];
    refuses("/etc/shadow", "is no source");
    refuses("/etc/passwd", "is no source");
    refuses("/dev/zero", "is no source");
    refuses("", "is no source");
    refuses("nowhere.c", "nowhere.c is not here: sought by this path, and as nowhere.c, in ");
    refuses("nowhere.c", folder);
    static const char *const targets[] = { "/etc/passwd", "/dev/zero", "/proc/self/mem" };
    for (unsigned i = 0; i < G_N_ELEMENTS(targets); i++) { /* a link that came with the trace */
        g_snprintf(path, sizeof path, "%s/link%u.c", folder, i);
        ck_assert_int_eq(symlink(targets[i], path), 0);
        refuses(path, "is no source");
    }
    /* source, but of somebody else: by its path, by going up, by a link */
    char outside[300];
    g_snprintf(outside, sizeof outside, "%s-outside", folder);
    ck_assert_int_eq(g_mkdir(outside, 0700), 0);
    g_snprintf(path, sizeof path, "%s/secret.c", outside);
    ck_assert(g_file_set_contents(path, "secret\n", -1, NULL));
    refuses(path, "lies outside");
    g_snprintf(link_to, sizeof link_to, "../%s-outside/secret.c", strrchr(folder, '/') + 1);
    refuses(link_to, "lies outside");
    g_snprintf(link_to, sizeof link_to, "%s/mine.c", folder);
    ck_assert_int_eq(symlink(path, link_to), 0);
    refuses("mine.c", "lies outside");
    ck_assert_int_eq(g_remove(path), 0);
    ck_assert_int_eq(g_rmdir(outside), 0);
    /* what is no plain text of a size that a hand could have written */
    g_snprintf(path, sizeof path, "%s/pipe.c", folder);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    refuses("pipe.c", "no plain file"); /* and nobody waits for a writer */
    g_snprintf(path, sizeof path, "%s/folder.c", folder);
    ck_assert_int_eq(g_mkdir(path, 0700), 0);
    refuses("folder.c", "no plain file");
    g_snprintf(path, sizeof path, "%s/huge.c", folder);
    ck_assert(g_file_set_contents(path, "", 0, NULL));
    ck_assert_int_eq(truncate(path, 1 << 30), 0);
    refuses("huge.c", "more than 2 MiB");
    put("binary.c", "int\0x;\n", 7);
    refuses("binary.c", "no text");
    remove_folder();
}
END_TEST

static sk_model *model_of(forge *f, uint64_t ns)
{
    GByteArray *file = forge_end(f, true, ns);
    g_autofree char *path = g_strdup(put("run.sktrace", (const char *)file->data, file->len));
    g_byte_array_unref(file);
    sk_model *m = sk_model_load(path, NULL);
    ck_assert_ptr_nonnull(m);
    return m;
}

/* Every row once, in order, and back from a mark to its row. */
static void check_rows(const sk_model *m, uint32_t rows, uint32_t marked)
{
    sk_listing l = { 0 };
    sk_listing_follow(&l, m);
    sk_listing_at(&l, m, m->nsteps, m->last);
    ck_assert_uint_eq(sk_listing_rows(&l, m, 0), rows);
    for (uint32_t i = 0; i < rows; i++) {
        sk_listing_row r = sk_listing_row_at(&l, m, 0, i);
        ck_assert(r.text || r.mark);
        marked -= r.mark != NULL;
        if (r.mark)
            ck_assert_uint_eq(sk_listing_row_of(&l, m, r.mark), i);
    }
    ck_assert_uint_eq(marked, 0);
    sk_listing_clear(&l);
}

/* A site for each of these lines of one file, and a task submitted on each. */
static sk_model *tasks_on(const char *file, const int *lines, unsigned n)
{
    forge f = forge_new(1);
    forge_fn(&f, 1, "work");
    for (unsigned i = 0; i < n; i++) {
        uint64_t site = (uint64_t)(i + 1) << 32 | (uint32_t)lines[i], w[4] = { i + 1, 1ull << 32 | (i + 1), 0, i + 1 };
        forge_text(&f, 0, 0, SK_TRACE_SITE, &site, 1, file, "main", NULL);
        forge_record(&f, 0, i, SK_TRACE_TASK_NEW, 1 << 4, w, 4);
    }
    return model_of(&f, n);
}

START_TEST(lines_that_the_source_does_not_have_follow_its_last_and_all_do_where_there_is_none)
{
    static const int lines[] = { 2, -7, 0, 1, 3, 4, INT32_MAX, 3 }; /* 3 twice */
    make_folder();
    put("some.c", "one\ntwo\nthree\n", -1);
    sk_model *m = tasks_on("some.c", lines, G_N_ELEMENTS(lines));
    check_rows(m, 3 + 4, 7);
    sk_model_free(m);
    m = tasks_on("none.c", lines, G_N_ELEMENTS(lines));
    check_rows(m, 7, 7);
    sk_model_free(m);
    remove_folder();
}
END_TEST

static char *text_of(const sk_model *m, const sk_view_state *s, float width, float height)
{
    sk_draw *d = sk_draw_new();
    void *memory = sk_view_code.open();
    GString *all = g_string_new(NULL);
    sk_frame_draw(&sk_view_code, memory, m, s, width, height, d);
    for (uint32_t i = 0; i < d->nitems; i++)
        if (d->items[i].kind == SK_DRAW_TEXT)
            g_string_append_printf(all, "%s\n", d->chars + d->items[i].text);
    sk_view_code.close(memory);
    sk_draw_free(d);
    return g_string_free(all, FALSE);
}

START_TEST(a_source_that_was_changed_after_the_run_is_said_to_be)
{
    static const int lines[] = { 2 };
    sk_view_state s;
    make_folder();
    put("some.c", "one\ntwo\n", -1);
    sk_model *m = tasks_on("some.c", lines, 1);
    sk_view_state_init(&s, m);
    m->written += 10;
    g_autofree char *before = text_of(m, &s, 900, 600);
    ck_assert_ptr_null(strstr(before, "changed after the run"));
    ck_assert_ptr_nonnull(strstr(before, "two"));
    m->written -= 20;
    g_autofree char *after = text_of(m, &s, 900, 600);
    ck_assert_ptr_nonnull(strstr(after, "changed after the run"));
    ck_assert_ptr_nonnull(strstr(after, "two"));
    sk_model_free(m);
    remove_folder();
}
END_TEST

START_TEST(where_there_is_no_source_its_lines_are_a_table_and_the_path_that_was_sought_is_said)
{
    static const int lines[] = { 11, 22 };
    sk_view_state s;
    make_folder();
    sk_model *m = tasks_on("gone/away.c", lines, 2);
    sk_view_state_init(&s, m);
    g_autofree char *text = text_of(m, &s, 1280, 720);
    ck_assert_ptr_nonnull(strstr(text, "gone/away.c is not here"));
    ck_assert_ptr_nonnull(strstr(text, "main submits work"));
    ck_assert_ptr_nonnull(strstr(text, "\n11\n"));
    ck_assert_ptr_nonnull(strstr(text, "\n22\n"));
    sk_model_free(m);
    remove_folder();
}
END_TEST

/* Of this colour as a frame; NULL: there is none. */
static const sk_item *framed(const sk_draw *d, sk_colour stroke, float narrowest)
{
    for (uint32_t i = 0; i < d->nitems; i++)
        if (d->items[i].kind == SK_DRAW_RECT && d->items[i].pen.stroke == stroke && d->items[i].box.w >= narrowest)
            return &d->items[i];
    return NULL;
}

START_TEST(a_notice_is_as_high_as_its_lines_and_a_selected_row_leaves_the_warmth_of_its_margin_to_be_seen)
{
    static const int lines[] = { 11, 22 };
    sk_view_state s;
    unsigned seen[4] = { 0 };
    make_folder();
    sk_model *m = tasks_on("gone/away.c", lines, 2);
    sk_view_state_init(&s, m);
    s.task = 1;
    for (float w = 200; w < 2400; w += 13) {
        sk_draw *d = sk_draw_new();
        void *memory = sk_view_code.open();
        const sk_palette *p = sk_palette_of(SK_THEME_LIGHT);
        sk_view_in in = { m, &s, p, { 0, 0, w, 700 }, 1 };
        sk_view_code.draw(memory, &in, d);
        const sk_item *notice = framed(d, p->failed, 0), *row = framed(d, p->select, w * 0.8f);
        ck_assert(notice && row);
        float end = 0;
        unsigned n = 0;
        for (uint32_t i = 0; i < d->nitems; i++) {
            sk_rect b = d->items[i].box;
            bool in_notice = b.y > notice->box.y && b.y <= notice->box.y + notice->box.h;
            if (d->items[i].kind == SK_DRAW_TEXT && in_notice)
                end = MAX(end, b.y), n++;
            if (d->items[i].kind == SK_DRAW_RECT && !d->items[i].pen.stroke && b.w < 9 && b.x < 9 && b.y == row->box.y)
                ck_assert_float_ge(row->box.x - row->pen.width / 2, b.x + b.w); /* warmth */
        }
        ck_assert_float_le(end, notice->box.y + notice->box.h);
        ck_assert_msg(notice->box.y + notice->box.h - end < 14, "an empty line of %g in a notice of %u lines at %g", (double)(notice->box.y + notice->box.h - end), n,
                      (double)w);
        seen[MIN(n, 3)]++;
        sk_view_code.close(memory);
        sk_draw_free(d);
    }
    ck_assert(!seen[0] && seen[1] && seen[2] && seen[3]);
    sk_model_free(m);
    remove_folder();
}
END_TEST

/* A hundred thousand files, lines of two million letters: the picture has a bounded number of items all the same. */
START_TEST(however_much_there_is_a_picture_is_small)
{
    sk_view_state s;
    make_folder();
    g_autofree char *wide = g_malloc(SK_SOURCE_MOST);
    memset(wide, '\t', SK_SOURCE_MOST);
    put("wide.c", wide, SK_SOURCE_MOST);
    memset(wide, '\n', SK_SOURCE_MOST);
    put("high.c", wide, SK_SOURCE_MOST);
    for (int which = 0; which < 3; which++) {
        static const char *const names[] = { "wide.c", "high.c" };
        static const int lines[] = { 1 };
        sk_model *m;
        if (which < 2) {
            m = tasks_on(names[which], lines, 1);
        } else {
            forge f = forge_new(1);
            forge_fn(&f, 1, "work");
            for (uint64_t i = 1; i <= 20000; i++) {
                uint64_t site = i << 32 | 1, w[4] = { i, 1ull << 32 | i, 0, i };
                g_autofree char *name = g_strdup_printf("no-%d.c", (int)i);
                forge_text(&f, 0, 0, SK_TRACE_SITE, &site, 1, name, "main", NULL);
                forge_record(&f, 0, i, SK_TRACE_TASK_NEW, 1 << 4, w, 4);
            }
            m = model_of(&f, 20001);
        }
        sk_view_state_init(&s, m);
        sk_draw *d = sk_draw_new();
        void *memory = sk_view_code.open();
        s.row = 1000;
        sk_frame_draw(&sk_view_code, memory, m, &s, 1280, 720, d);
        ck_assert_uint_gt(d->nitems, 10);
        ck_assert_uint_lt(d->nitems, 1000);
        sk_view_code.close(memory);
        sk_draw_free(d);
        sk_model_free(m);
    }
    remove_folder();
}
END_TEST

TCase *code_cases(void)
{
    TCase *t = tcase_create("code");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, a_line_shows_what_its_tasks_say_at_any_time);
    tcase_add_test(t, how_many_tasks_a_line_has_is_never_wider_than_four_digits);
    tcase_add_test(t, a_listing_that_grows_with_a_long_run_shows_what_a_fresh_one_shows);
    tcase_add_test(t, source_beside_the_trace_is_found_by_its_path_and_by_its_name);
    tcase_add_test(t, source_is_found_from_the_folder_of_the_program_if_it_is_the_users_own);
    tcase_add_test(t, a_trace_that_says_what_file_its_program_was_shows_its_source_from_anywhere_if_that_is_the_users);
    tcase_add_test(t, a_program_whose_path_is_not_absolute_is_found_from_the_trace_or_above_it);
    tcase_add_test(t, no_trace_makes_a_file_be_shown_that_is_no_source_of_the_project);
    tcase_add_test(t, lines_that_the_source_does_not_have_follow_its_last_and_all_do_where_there_is_none);
    tcase_add_test(t, a_source_that_was_changed_after_the_run_is_said_to_be);
    tcase_add_test(t, where_there_is_no_source_its_lines_are_a_table_and_the_path_that_was_sought_is_said);
    tcase_add_test(t, a_notice_is_as_high_as_its_lines_and_a_selected_row_leaves_the_warmth_of_its_margin_to_be_seen);
    tcase_add_test(t, however_much_there_is_a_picture_is_small);
    return t;
}
