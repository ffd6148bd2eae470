/*
 * Functions of the number types answer as PostgreSQL 15 did when the cases were recorded: values,
 * printed scales, errors. An argument file of the same form may be given to run other cases.
 */
#include "types_number_util.h"

#include <CUnit/Basic.h>

typedef struct Case {
    Oid fn;
    const char *result;
    const char *args[NUMBER_ARGS_MAX];
} Case;

static const Case cases[] = {
#define CASE(fn, result, ...) {fn, result, {__VA_ARGS__}},
#ifdef NUMBER_CASES_FILE
#include NUMBER_CASES_FILE
#else
#include "types_number_cases.inc"
#endif
#undef CASE
};

/* Sums of series in libm may differ in the last place between platforms: such results may differ so much. */
static bool
nearly_equal(const FnDef *fn, const char *got, const char *want)
{
    if (strcmp(got, want) == 0)
        return true;
    if (strcmp(fn->ret, "float8") != 0 || *got == '!' || *want == '!')
        return false;
    double x = strtod(got, NULL), y = strtod(want, NULL);
    return fabs(x - y) <= 4e-16 * fabs(y);
}

static void
functions_answer_as_postgresql(void)
{
    Arena *a = arena_create(NULL, "test");
    int wrong = 0;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const Case *k = &cases[i];
        const FnDef *fn = number_fn(k->fn);
        const char *got = number_eval(a, k->fn, k->args);
        if (!nearly_equal(fn, got, k->result)) {
            if (wrong++ < 100) {
                printf("%s(", fn->name);
                for (int j = 0; j < NUMBER_ARGS_MAX && k->args[j]; j++)
                    printf("%s%s", j ? ", " : "", k->args[j]);
                printf(") [%s]: got %s, PostgreSQL %s\n", fn->args, got, k->result);
            }
        }
        arena_reset(a);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(COUNT_OF(cases) > 1000);
    arena_destroy(a);
}

int
main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("types_number", NULL, NULL);
    CU_ADD_TEST(s, functions_answer_as_postgresql);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures > 0;
}
