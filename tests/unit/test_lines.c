/* test_lines.c -- what a process writes passes in whole lines, however it arrives. */
#include "backends/lines.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

typedef struct stream {                /* a pipe, what has come out of it, and the reader between */
    sk_lines lines;
    bool is_fed;                       /* or no pipe: somebody else reads it */
    int ends[2];
    FILE *file;
    char *text;
    size_t size;
} stream;

static void stream_open(stream *s, const char *prefix)
{
    s->is_fed = false;
    ck_assert_int_eq(pipe2(s->ends, O_CLOEXEC | O_NONBLOCK), 0);
    s->file = open_memstream(&s->text, &s->size);
    sk_lines_init(&s->lines, s->file, prefix);
}

static void give(stream *s, const char *text, size_t size)
{
    if (s->is_fed)
        sk_lines_feed(&s->lines, text, size);
    while (!s->is_fed && size) {
        ssize_t wrote = write(s->ends[1], text, size);
        ck_assert_int_gt(wrote, 0);
        text += wrote;
        size -= (size_t)wrote;
        ck_assert(sk_lines_read(&s->lines, s->ends[0]));
    }
    fflush(s->file);
}

/* What came out is this, all of it. */
static void expect(stream *s, const char *text, size_t size)
{
    fflush(s->file);
    ck_assert_uint_eq(s->size, size);
    ck_assert(!memcmp(s->text, text, size));
}

static void stream_end(stream *s)
{
    close(s->ends[1]);
    if (s->is_fed)
        sk_lines_clear(&s->lines);
    else
        ck_assert(!sk_lines_read(&s->lines, s->ends[0]));
    fflush(s->file);
}

static void stream_close(stream *s)
{
    sk_lines_clear(&s->lines);
    sk_lines_clear(&s->lines);
    close(s->ends[0]);
    fclose(s->file);
    free(s->text);
}

static const char some[] = "one\n\ntwo and a half\nno newline";

static void cut_everywhere(bool is_fed)
{
    static const char want[] = "[worker 1] one\n[worker 1] \n[worker 1] two and a half\n[worker 1] no newline\n";
    size_t size = sizeof some - 1;
    for (size_t i = 0; i <= size; i++)
        for (size_t j = i; j <= size; j++) {
            stream s;
            stream_open(&s, "[worker 1] ");
            s.is_fed = is_fed;
            size_t cuts[] = { 0, i, j, size };
            for (int part = 0; part < 3; part++) {
                give(&s, some + cuts[part], cuts[part + 1] - cuts[part]);
                ck_assert(s.size == 0 || s.text[s.size - 1] == '\n');
                size_t lines_given = 0, lines_out = 0;
                for (size_t k = 0; k < cuts[part + 1]; k++)
                    lines_given += some[k] == '\n';
                for (size_t k = 0; k < s.size; k++)
                    lines_out += s.text[k] == '\n';
                ck_assert_uint_eq(lines_out, lines_given);      /* none is kept back */
            }
            stream_end(&s);
            expect(&s, want, sizeof want - 1);
            stream_close(&s);
        }
}

START_TEST(lines_are_whole_and_prefixed_wherever_the_stream_is_cut) { cut_everywhere(false); }
END_TEST

START_TEST(lines_that_somebody_else_has_read_are_whole_and_prefixed_too) { cut_everywhere(true); }
END_TEST

START_TEST(without_a_prefix_not_a_byte_is_changed)
{
    for (size_t i = 0; i < 2 * sizeof some; i++) {
        stream s;                                                   /* with the NUL at its end, and a second one */
        stream_open(&s, NULL);
        s.is_fed = i >= sizeof some;
        give(&s, some, i % sizeof some);
        give(&s, some + i % sizeof some, sizeof some - i % sizeof some);
        stream_end(&s);
        expect(&s, some, sizeof some);
        stream_close(&s);
    }
}
END_TEST

START_TEST(the_rest_passes_when_its_reader_is_cleared)
{
    stream s;
    stream_open(&s, NULL);
    give(&s, "half", 4);
    expect(&s, "", 0);
    sk_lines_clear(&s.lines);
    expect(&s, "half", 4);
    close(s.ends[1]);
    stream_close(&s);
}
END_TEST

START_TEST(a_pipe_with_nothing_in_it_is_not_at_its_end)
{
    stream s;
    stream_open(&s, NULL);
    ck_assert(sk_lines_read(&s.lines, s.ends[0]));
    stream_end(&s);
    expect(&s, "", 0);
    stream_close(&s);
}
END_TEST

/* A line of `length` and its newline, then "end\n". */
static void long_line(bool is_fed, size_t length, const char *prefix, const char *want, size_t want_size)
{
    stream s;
    char *line = malloc(length + 5);
    memset(line, 'x', length);
    memcpy(line + length, "\nend\n", 5);
    stream_open(&s, prefix);
    s.is_fed = is_fed;
    give(&s, line, length + 5);
    stream_end(&s);
    if (want)
        expect(&s, want, want_size);
    else
        expect(&s, line, length + 5);
    stream_close(&s);
    free(line);
}

START_TEST(long_lines_pass_in_pieces_each_a_line_with_its_prefix)
{
    for (size_t length = SK_LINES_LONGEST - 2; length < 2 * SK_LINES_LONGEST + 3; length += length % SK_LINES_LONGEST == 2 ? SK_LINES_LONGEST - 4 : 1) {
        char *want = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&want, &size);
        size_t left = length;
        do {
            size_t piece = left >= SK_LINES_LONGEST ? SK_LINES_LONGEST : left;
            fputs("> ", f);
            for (size_t i = 0; i < piece; i++)
                putc('x', f);
            putc('\n', f);
            left -= piece;
        } while (left);
        fputs("> end\n", f);
        fclose(f);
        for (int is_fed = 0; is_fed < 2; is_fed++) {
            long_line(is_fed, length, "> ", want, size);
            long_line(is_fed, length, NULL, NULL, 0);
        }
        free(want);
    }
}
END_TEST

/* ---- two streams into one file ---- */

enum { LINES = 2000 };

typedef struct talker { FILE *to; const char *prefix, *line; } talker;

static void *talk(void *data)
{
    talker *t = data;
    int ends[2];
    sk_lines lines;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return "no pipe";
    sk_lines_init(&lines, t->to, t->prefix);
    for (int i = 0; i < LINES; i++) {
        size_t cut = (size_t)i % strlen(t->line);
        if (write(ends[1], t->line, cut) < 0 || !sk_lines_read(&lines, ends[0]) ||
            write(ends[1], t->line + cut, strlen(t->line) - cut) < 0 || !sk_lines_read(&lines, ends[0]))
            return "no stream";
    }
    close(ends[1]);
    bool more = sk_lines_read(&lines, ends[0]);
    close(ends[0]);
    sk_lines_clear(&lines);
    return more ? "no end" : NULL;
}

START_TEST(lines_of_two_processes_do_not_mix)
{
    static char text[LINES * 60];
    char *rest, *wrong[2];
    FILE *file = tmpfile();                /* not open_memstream, whose lock ThreadSanitizer does not see */
    ck_assert_ptr_nonnull(file);
    talker talkers[] = { { file, "a: ", "all the king's horses\n" }, { file, "b: ", "and all the king's men\n" } };
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, talk, &talkers[i]), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], (void **)&wrong[i]);
        ck_assert_ptr_null(wrong[i]);
    }
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    int seen[2] = { 0 };
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (!strcmp(line, "a: all the king's horses"))
            seen[0]++;
        else if (!strcmp(line, "b: and all the king's men"))
            seen[1]++;
        else
            ck_abort_msg("a torn line: %s", line);
    ck_assert_int_eq(seen[0], LINES);
    ck_assert_int_eq(seen[1], LINES);
}
END_TEST

/* A label moves along every place in the reader's buffer, so that it is cut everywhere. */
START_TEST(a_label_changes_the_prefix_where_it_stands_and_does_not_pass)
{
    char label[SK_LINES_LABEL];
    size_t size = sk_lines_label(label, "(f\ng) ");
    for (size_t length = SK_LINES_LONGEST - 2 * SK_LINES_LABEL; length <= SK_LINES_LONGEST + 2; length++) {
        stream s;
        stream_open(&s, "> ");
        char *line = malloc(length);
        memset(line, 'x', length);
        give(&s, "one\n", 4);
        ck_assert(sk_lines_read(&s.lines, s.ends[0]));
        for (size_t at = 0; at < length; at += 60000) {
            give(&s, line + at, length - at < 60000 ? length - at : 60000);
            if (at + 60000 < length)
                ck_assert(sk_lines_read(&s.lines, s.ends[0]));
        }
        ck_assert(sk_lines_read(&s.lines, s.ends[0]));
        give(&s, label, size / 2);
        ck_assert(sk_lines_read(&s.lines, s.ends[0]));
        give(&s, label + size / 2, size - size / 2);
        give(&s, "two\nthree", 9);
        ck_assert(sk_lines_read(&s.lines, s.ends[0]));
        give(&s, label, size);
        give(&s, "four\n", 5);
        ck_assert(sk_lines_read(&s.lines, s.ends[0]));
        sk_lines_clear(&s.lines);
        fflush(s.file);
        size_t head = strlen("> one\n> "), xs = 0, rest = 0;
        ck_assert_int_eq(strncmp(s.text, "> one\n> ", head), 0);
        for (const char *at = s.text + head; *at && *at != '('; at++)
            xs += *at == 'x', rest += *at != 'x' && !strchr("> \n", *at);
        ck_assert_uint_eq(xs, length);
        ck_assert_uint_eq(rest, 0);
        const char *end = strchr(s.text, '(');
        ck_assert_ptr_nonnull(end);
        ck_assert_str_eq(end, "(f g) two\n(f g) three\n(f g) four\n");
        free(line);
        fclose(s.file);
        free(s.text);
        close(s.ends[0]);
        close(s.ends[1]);
    }
}
END_TEST

/* As the network brings it: what the worker wrote in one piece comes in others. */
START_TEST(a_label_that_is_fed_changes_the_prefix_wherever_it_is_cut)
{
    char text[2 * SK_LINES_LABEL] = "one\ntwo", label[SK_LINES_LABEL];
    size_t head = strlen(text), size = sk_lines_label(label, "(f) ");
    memcpy(text + head, label, size);
    memcpy(text + head + size, "three\nfour", 10);
    size += head + 10;
    for (size_t piece = 1; piece <= size; piece++) {
        stream s;
        stream_open(&s, "> ");
        s.is_fed = true;
        for (size_t at = 0; at < size; at += piece)
            give(&s, text + at, size - at < piece ? size - at : piece);
        stream_end(&s);
        static const char want[] = "> one\n> two\n(f) three\n(f) four\n";
        expect(&s, want, sizeof want - 1);
        stream_close(&s);
    }
}
END_TEST

START_TEST(without_a_prefix_a_label_passes_as_it_is)
{
    char label[SK_LINES_LABEL];
    size_t size = sk_lines_label(label, "(f) ");
    stream s;
    stream_open(&s, NULL);
    give(&s, label, size);
    ck_assert(sk_lines_read(&s.lines, s.ends[0]));
    sk_lines_clear(&s.lines);
    fflush(s.file);
    ck_assert_uint_eq(s.size, size);
    ck_assert_int_eq(memcmp(s.text, label, size), 0);
    fclose(s.file);
    free(s.text);
    close(s.ends[0]);
    close(s.ends[1]);
}
END_TEST

Suite *lines_suite(void)
{
    Suite *suite = suite_create("lines");
    TCase *tests = tcase_create("lines");
    tcase_add_test(tests, lines_are_whole_and_prefixed_wherever_the_stream_is_cut);
    tcase_add_test(tests, lines_that_somebody_else_has_read_are_whole_and_prefixed_too);
    tcase_add_test(tests, without_a_prefix_not_a_byte_is_changed);
    tcase_add_test(tests, the_rest_passes_when_its_reader_is_cleared);
    tcase_add_test(tests, a_pipe_with_nothing_in_it_is_not_at_its_end);
    tcase_add_test(tests, long_lines_pass_in_pieces_each_a_line_with_its_prefix);
    tcase_add_test(tests, lines_of_two_processes_do_not_mix);
    tcase_add_test(tests, a_label_changes_the_prefix_where_it_stands_and_does_not_pass);
    tcase_add_test(tests, a_label_that_is_fed_changes_the_prefix_wherever_it_is_cut);
    tcase_add_test(tests, without_a_prefix_a_label_passes_as_it_is);
    suite_add_tcase(suite, tests);
    return suite;
}
