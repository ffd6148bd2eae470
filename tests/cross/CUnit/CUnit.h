/*
 * A stand-in for CUnit where it is not packaged (cross builds): the part of its interface that the
 * unit tests use, in one header. A failed assertion is printed and counted; a FATAL one ends its
 * test function by a long jump, as in CUnit.
 */
#ifndef TESTS_CROSS_CUNIT_H
#define TESTS_CROSS_CUNIT_H

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#define CU_TRUE 1
#define CU_FALSE 0
#define CU_TESTS_MAX 256
typedef int CU_BOOL;
typedef void (*CU_TestFunc)(void);
typedef int (*CU_InitializeFunc)(void);
typedef int (*CU_CleanupFunc)(void);
typedef enum { CUE_SUCCESS = 0, CUE_NOMEMORY = 1 } CU_ErrorCode;
typedef enum { CU_BRM_NORMAL = 0, CU_BRM_SILENT, CU_BRM_VERBOSE } CU_BasicRunMode;
typedef struct CU_SuiteRec { const char *name; CU_InitializeFunc init; CU_CleanupFunc cleanup; } *CU_pSuite;
typedef struct CU_TestRec { const char *name; CU_TestFunc fn; CU_pSuite suite; } *CU_pTest;

static struct CU_SuiteRec cu_suites[CU_TESTS_MAX] __attribute__((unused));
static struct CU_TestRec cu_tests[CU_TESTS_MAX] __attribute__((unused));
static int cu_suite_count, cu_test_count;
static unsigned cu_asserts, cu_failures, cu_tests_failed;
static jmp_buf cu_jump;

static inline CU_ErrorCode CU_initialize_registry(void) { return CUE_SUCCESS; }
static inline void CU_cleanup_registry(void) {}
static inline CU_ErrorCode CU_get_error(void) { return CUE_SUCCESS; }
static inline void CU_basic_set_mode(CU_BasicRunMode mode) { (void)mode; }
static inline unsigned CU_get_number_of_failures(void) { return cu_failures; }
static inline unsigned CU_get_number_of_tests_failed(void) { return cu_tests_failed; }
static inline unsigned CU_get_number_of_failure_records(void) { return cu_failures; }
static inline void CU_basic_show_failures(const void *list) { (void)list; }
static inline const void *CU_get_failure_list(void) { return NULL; }

static inline CU_pSuite
CU_add_suite(const char *name, CU_InitializeFunc init, CU_CleanupFunc cleanup)
{
    CU_pSuite s = &cu_suites[cu_suite_count++];
    s->name = name;
    s->init = init;
    s->cleanup = cleanup;
    return s;
}

static inline CU_pTest
CU_add_test(CU_pSuite suite, const char *name, CU_TestFunc fn)
{
    CU_pTest t = &cu_tests[cu_test_count++];
    t->name = name;
    t->fn = fn;
    t->suite = suite;
    return t;
}
#define CU_ADD_TEST(suite, test) (CU_add_test(suite, #test, (CU_TestFunc)test))

static inline CU_ErrorCode
CU_basic_run_tests(void)
{
    for (int s = 0; s < cu_suite_count; s++) {
        CU_pSuite suite = &cu_suites[s];
        printf("\nSuite: %s\n", suite->name);
        if (suite->init && suite->init() != 0) {
            printf("  suite initialisation failed\n");
            cu_failures++;
            continue;
        }
        for (int i = 0; i < cu_test_count; i++) {
            if (cu_tests[i].suite != suite)
                continue;
            volatile unsigned before = cu_failures;
            printf("  Test: %s ...", cu_tests[i].name);
            fflush(stdout);
            if (setjmp(cu_jump) == 0)
                cu_tests[i].fn();
            if (cu_failures != before)
                cu_tests_failed++;
            printf("%s\n", cu_failures == before ? "passed" : "FAILED");
        }
        if (suite->cleanup)
            suite->cleanup();
    }
    printf("\ntests %d, failed %u; asserts %u, failed %u\n", cu_test_count, cu_tests_failed, cu_asserts,
           cu_failures);
    fflush(stdout);
    return CUE_SUCCESS;
}

static inline CU_BOOL
CU_assertImplementation(CU_BOOL ok, unsigned line, const char *cond, const char *file, const char *func,
                        CU_BOOL fatal)
{
    (void)func;
    cu_asserts++;
    if (ok)
        return CU_TRUE;
    cu_failures++;
    printf("\n    %s:%u: %s\n", file, line, cond);
    if (fatal)
        longjmp(cu_jump, 1);
    return CU_FALSE;
}

#define CU_CHECK_(ok, text, fatal) CU_assertImplementation((ok) ? CU_TRUE : CU_FALSE, __LINE__, text, __FILE__, "", fatal)
#define CU_PASS(msg) CU_CHECK_(1, "CU_PASS(" #msg ")", 0)
#define CU_FAIL(msg) CU_CHECK_(0, "CU_FAIL(" #msg ")", 0)
#define CU_FAIL_FATAL(msg) CU_CHECK_(0, "CU_FAIL_FATAL(" #msg ")", 1)
#define CU_TEST(v) CU_CHECK_((v), #v, 0)
#define CU_TEST_FATAL(v) CU_CHECK_((v), #v, 1)
#define CU_ASSERT(v) CU_CHECK_((v), #v, 0)
#define CU_ASSERT_FATAL(v) CU_CHECK_((v), #v, 1)
#define CU_ASSERT_TRUE(v) CU_CHECK_((v), #v " is true", 0)
#define CU_ASSERT_TRUE_FATAL(v) CU_CHECK_((v), #v " is true", 1)
#define CU_ASSERT_FALSE(v) CU_CHECK_(!(v), #v " is false", 0)
#define CU_ASSERT_FALSE_FATAL(v) CU_CHECK_(!(v), #v " is false", 1)
#define CU_ASSERT_EQUAL(a, b) CU_CHECK_((a) == (b), #a " == " #b, 0)
#define CU_ASSERT_EQUAL_FATAL(a, b) CU_CHECK_((a) == (b), #a " == " #b, 1)
#define CU_ASSERT_NOT_EQUAL(a, b) CU_CHECK_((a) != (b), #a " != " #b, 0)
#define CU_ASSERT_NOT_EQUAL_FATAL(a, b) CU_CHECK_((a) != (b), #a " != " #b, 1)
#define CU_ASSERT_PTR_EQUAL(a, b) CU_CHECK_((const void *)(a) == (const void *)(b), #a " == " #b, 0)
#define CU_ASSERT_PTR_EQUAL_FATAL(a, b) CU_CHECK_((const void *)(a) == (const void *)(b), #a " == " #b, 1)
#define CU_ASSERT_PTR_NOT_EQUAL(a, b) CU_CHECK_((const void *)(a) != (const void *)(b), #a " != " #b, 0)
#define CU_ASSERT_PTR_NOT_EQUAL_FATAL(a, b) CU_CHECK_((const void *)(a) != (const void *)(b), #a " != " #b, 1)
#define CU_ASSERT_PTR_NULL(a) CU_CHECK_((const void *)(a) == NULL, #a " is NULL", 0)
#define CU_ASSERT_PTR_NULL_FATAL(a) CU_CHECK_((const void *)(a) == NULL, #a " is NULL", 1)
#define CU_ASSERT_PTR_NOT_NULL(a) CU_CHECK_((const void *)(a) != NULL, #a " is not NULL", 0)
#define CU_ASSERT_PTR_NOT_NULL_FATAL(a) CU_CHECK_((const void *)(a) != NULL, #a " is not NULL", 1)
#define CU_ASSERT_STRING_EQUAL(a, b) CU_CHECK_(strcmp((const char *)(a), (const char *)(b)) == 0, #a " == " #b, 0)
#define CU_ASSERT_STRING_EQUAL_FATAL(a, b) CU_CHECK_(strcmp((const char *)(a), (const char *)(b)) == 0, #a " == " #b, 1)
#define CU_ASSERT_STRING_NOT_EQUAL(a, b) CU_CHECK_(strcmp((const char *)(a), (const char *)(b)) != 0, #a " != " #b, 0)
#define CU_ASSERT_NSTRING_EQUAL(a, b, n) CU_CHECK_(strncmp((const char *)(a), (const char *)(b), (size_t)(n)) == 0, #a " == " #b, 0)
#define CU_ASSERT_NSTRING_NOT_EQUAL(a, b, n) CU_CHECK_(strncmp((const char *)(a), (const char *)(b), (size_t)(n)) != 0, #a " != " #b, 0)
#define CU_ASSERT_DOUBLE_EQUAL(a, b, g) CU_CHECK_(fabs((double)(a) - (double)(b)) <= fabs((double)(g)), #a " == " #b, 0)
#define CU_ASSERT_DOUBLE_NOT_EQUAL(a, b, g) CU_CHECK_(fabs((double)(a) - (double)(b)) > fabs((double)(g)), #a " != " #b, 0)

#endif
