/*
 * Array functions, input and output give PostgreSQL's answers: recorded cases.
 */
#include "types_text_util.h"

#include <CUnit/Basic.h>

static void
array_functions_answer_as_postgresql(void)
{
    int ran = 0;
    CU_ASSERT_EQUAL(test_run_file(__FILE__, "array_cases.tsv", &ran), 0);
    CU_ASSERT(ran > 1000);
}

int
main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("types_array", NULL, NULL);
    CU_ADD_TEST(s, array_functions_answer_as_postgresql);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    int failures = (int)CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures > 0;
}
