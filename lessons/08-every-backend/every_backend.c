/* Lesson 08 -- the same program on every backend: what is the same, and what is not.
 *
 * Results and errors are the same everywhere. What a task costs is not, and neither is what happens
 * when it does what no task should do: hence the parts. Without a word it runs `same`.
 *
 *   08-every-backend [same | overhead | global | segfault | exit | loop] --sk-backend=NAME
 *
 *   Ray: tasks are always in processes of their own (local_mode=True: in the driver's).          */
#include <skate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void outcome(const char *what, sk_ref ref)
{
    sk_error err;
    int x;
    if (sk_try_get(ref, &x, SK_FOREVER, &err))
        printf("%-18s %d\n", what, x);
    else
        printf("%-18s %s\n  %s\n", what, sk_code_name(err.code), err.message);
}

SK_REMOTE(int, hits, (int, points))
{
    int inside = 0;
    for (int i = 0; i < points; i++) {
        double x = sk_random(), y = sk_random();
        inside += x * x + y * y < 1;
    }
    return inside;
}

SK_REMOTE(int, add, (int, a), (int, b)) { return a + b; }
SK_REMOTE(const char *, join, (const char *, a), (const char *, b)) { return sk_format("%s%s", a, b); }
SK_REMOTE(int, give_up, (int, x)) { sk_fail("%d is no number to work with", x); }

static void same(void)
{
    enum { TASKS = 16, POINTS = 10000 };
    sk_ref counts[TASKS], letters[TASKS];
    for (int i = 0; i < TASKS; i++) {
        counts[i] = sk_remote(hits, POINTS);
        letters[i] = sk_put(sk_format("%c", 'a' + i));
    }
    int inside = sk_get(int, sk_reduce(add, counts, TASKS));
    printf("%-18s %.6f\n", "pi, by lot", 4.0 * inside / (TASKS * POINTS));
    printf("%-18s %s\n", "joined in order", sk_get(const char *, sk_reduce(join, letters, TASKS)));
    outcome("give_up(7)", sk_remote(give_up, 7));
}

SK_REMOTE(int, nothing) { return 0; }

static void overhead(void)
{
    enum { TASKS = 2000 };
    static sk_ref refs[TASKS];
    static int answers[TASKS];
    sk_get(int, sk_remote(nothing)); // the workers are there now
    double start = sk_now();
    for (int i = 0; i < TASKS; i++)
        sk_take(int, sk_remote(nothing));
    double alone = sk_now() - start;
    start = sk_now();
    for (int i = 0; i < TASKS; i++)
        refs[i] = sk_remote(nothing);
    sk_get_all(int, refs, TASKS, answers);
    double together = sk_now() - start;
    printf("an empty task      %.2f us one at a time, %.2f us all at once\n", 1e6 * alone / TASKS, 1e6 * together / TASKS);
}

// Never do this: a task that reads a global, and writes one.
static int factor = 1, calls = 0;
SK_REMOTE(int, times_factor, (int, x)) { calls++; return factor * x; }
SK_REMOTE(int, times, (int, f), (int, x)) { return f * x; }

static void global(void)
{
    factor = 10;
    int hidden = 0, given = 0;
    for (int x = 1; x <= 4; x++) {
        hidden += sk_get(int, sk_remote(times_factor, x));
        given += sk_get(int, sk_remote(times, factor, x));
    }
    printf("%-18s %d\n%-18s %d\n%-18s %d\n", "by a global", hidden, "calls counted", calls, "by an argument", given);
}

// What no task should do. (volatile: or the compiler, which may take a crash for impossible, leaves it out)
SK_REMOTE(int, crash) { volatile int *volatile nowhere = NULL; return *nowhere; }

static bool first_time = true;
SK_REMOTE(int, leave, (int, status)) // at its second attempt it would not
{
    if (first_time) {
        first_time = false;
        exit(status);
    }
    return status;
}

SK_REMOTE(int, run_away, (double, seconds))
{
    double end = sk_now() + seconds; // it has one, for backends where nobody else can end it,
    while (sk_now() < end)
        sk_compute(1000); // but never looks at sk_cancelled()
    return 0;
}

static void segfault(void) { outcome("segfault", sk_remote_with(SK_OPTS(.max_retries = 2), crash)); }
static void exits(void) { outcome("exit(3)", sk_remote_with(SK_OPTS(.max_retries = 2), leave, 3)); }
static void loop(void) { outcome("loop of 3 s", sk_remote_with(SK_OPTS(.timeout_s = 0.5), run_away, 3.0)); }

int main(int argc, char **argv)
{
    static const struct part { const char *name; void (*run)(void); } parts[] = {
        { "same", same }, { "overhead", overhead }, { "global", global }, { "segfault", segfault }, { "exit", exits }, { "loop", loop },
    };
    setvbuf(stdout, NULL, _IOLBF, 0); // or a crash takes with it what has been printed
    sk_init(&argc, &argv, NULL);
    size_t n = sizeof parts / sizeof *parts, i = 0;
    while (i < n && strcmp(argc > 1 ? argv[1] : "same", parts[i].name) != 0)
        i++;
    if (i == n) {
        fprintf(stderr, "there is no part %s; there are same, overhead, global, segfault, exit and loop\n", argv[1]);
    } else {
        parts[i].run();
        outcome("and the program", sk_remote(add, 20, 22));
    }
    sk_shutdown();
    return i == n ? 2 : 0;
}
