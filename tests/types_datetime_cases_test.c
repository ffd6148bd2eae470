/*
 * Inputs, outputs and functions of dates and times answer as PostgreSQL 15 did when the cases were
 * recorded (tests/diff/datetime_cases.py): values, every style, errors with detail and hint.
 */
#include "types_datetime_util.h"

#include <CUnit/Basic.h>

typedef enum CaseKind { CASE_SET, CASE_IN, CASE_SEND, CASE_CALL } CaseKind;
typedef struct Case {
    CaseKind kind;
    int32_t number; /* typmod, or function */
    const char *name, *text, *answer;
    const char *args[CALL_ARGS_MAX];
} Case;

static const Case cases[] = {
#define SET(name, value, shown) {CASE_SET, 0, name, value, shown, {NULL}},
#define IN(type, typmod, text, answer) {CASE_IN, typmod, type, text, answer, {NULL}},
#define SEND(type, typmod, text, answer) {CASE_SEND, typmod, type, text, answer, {NULL}},
#define CALL(fn, answer, ...) {CASE_CALL, fn, NULL, NULL, answer, {__VA_ARGS__}},
#include "types_datetime_cases.inc"
#undef SET
#undef IN
#undef SEND
#undef CALL
};

static const char *
answer(Arena *a, const Case *k)
{
    switch (k->kind) {
    case CASE_SET:
        set_setting(k->name, k->text);
        return settings_get(a, k->name, false);
    case CASE_IN:
    case CASE_SEND:
        return eval_input(a, k->name, k->number, k->text, k->kind == CASE_SEND);
    default:
        return eval_call(a, (Oid)k->number, k->args);
    }
}

static void
answers_are_those_of_postgresql(void)
{
    Arena *a = arena_create(NULL, "test");
    int wrong = 0;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const Case *k = &cases[i];
        const char *got = answer(a, k);
        if (strcmp(got, k->answer) != 0 && wrong++ < 50) {
            printf("%s%s(", k->kind == CASE_CALL ? datetime_fn((Oid)k->number)->name : k->name,
                   k->kind == CASE_SET ? " =" : "");
            if (k->text)
                printf("'%s', %d", k->text, k->number);
            for (int j = 0; j < CALL_ARGS_MAX && k->args[j]; j++)
                printf("%s'%s'", j ? ", " : "", k->args[j]);
            printf(")\n    got        %s\n    PostgreSQL %s\n", got, k->answer);
        }
        arena_reset(a);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(COUNT_OF(cases) > 5000);
    arena_destroy(a);
}

int
main(void)
{
    datetime_test_init();
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("types_datetime_cases", NULL, NULL);
    CU_add_test(s, "answers_are_those_of_postgresql", answers_are_those_of_postgresql);
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed != 0;
}
