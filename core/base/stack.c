/*
 * Stack depth guard, see stack.h.
 */
#include "core/base/stack.h"

#include "core/base/err.h"

const char *stack_base;
int max_stack_depth_kb = 2048;

void
stack_set_base(void)
{
    stack_base = __builtin_frame_address(0);
}

void
stack_check_failed(void)
{
    RAISE_ERR(SQLSTATE_STATEMENT_TOO_COMPLEX, err_message("stack depth limit exceeded"),
              err_hint("Increase the configuration parameter \"max_stack_depth\" (currently %dkB), after ensuring "
                       "the platform's stack depth limit is adequate.", max_stack_depth_kb));
}
