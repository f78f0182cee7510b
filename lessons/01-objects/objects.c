/* Lesson 01 -- objects: put a value in, get it back.
 *
 * An object is a value in the object store. It has no name and never changes; a reference stands
 * for it. References are small and cheap to hand around, however large the object is.
 *
 *   Ray: result_ids = [ray.put(i) for i in range(10)];  ray.get(result_ids)                      */
#include <skate.h>
#include <inttypes.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    sk_init(&argc, &argv, NULL);

    // Ten objects. What comes back from sk_put is a reference, not the value.
    sk_ref result_ids[10];
    for (int i = 0; i < 10; i++)
        result_ids[i] = sk_put(i);
    printf("result_ids[0]      a reference: %zu bytes, id 0x%" PRIx64 "\n", sizeof result_ids[0],
           result_ids[0].id);

    // One value, then all ten. sk_get is told the type: C cannot look it up as Python does.
    printf("get one            %d\n", sk_get(int, result_ids[0]));
    int values[10];
    sk_get_all(int, result_ids, 10, values);
    printf("get all           ");
    for (int i = 0; i < 10; i++)
        printf(" %d", values[i]);
    printf("\n");

    // Immutable: sk_put made a copy. What we do to our own variable afterwards is our own affair.
    char text[] = "tea";
    sk_ref text_id = sk_put(text);
    text[0] = 's';
    printf("our variable       %s\n", text);
    printf("the object         %s\n", sk_get(const char *, text_id));

    // Getting does not copy: two gets of an array are two views of the same memory. The views are
    // read-only (const double *): short of a cast, nobody can change the object through them.
    double numbers[] = { 1.5, 2.5, 3.5 };
    sk_ref numbers_id = sk_put(sk_array_of(numbers, 3));
    sk_array one = sk_get(sk_array, numbers_id);
    sk_array two = sk_get(sk_array, numbers_id);
    const double *x = sk_read(double, one);
    printf("an array           %g %g %g\n", x[0], x[1], x[2]);
    printf("two gets share it  %s\n", one.data == two.data ? "yes" : "no");

    sk_shutdown(); // drops our references, which frees the objects; views end here too
    return 0;
}
