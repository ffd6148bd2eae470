/*
 * Guard against runaway recursion: raises 54001 before the kernel's stack limit kills the process. Foreign code that
 * recurses without such a guard runs on a stack of its own that is large enough for whatever it is given.
 */
#ifndef CORE_BASE_STACK_H
#define CORE_BASE_STACK_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/macros.h"

void stack_set_base(void);           /* once per process, near the bottom of main */
extern int max_stack_depth_kb;       /* setting max_stack_depth */
extern const char *stack_base;
void stack_check_failed(void);
#define CHECK_STACK()                                                                                \
    do {                                                                                             \
        char here_;                                                                                  \
        if (stack_base && __builtin_expect((size_t)(stack_base - &here_) > (size_t)max_stack_depth_kb * 1024, 0)) \
            stack_check_failed();                                                                    \
    } while (0)

/*
 * Runs fn(arg) on a fresh stack of `bytes`, of which only what is touched costs memory; it is gone when fn returns.
 * False: there is no such address space, and fn did not run. Not from within fn. If fn raises, the handler calls
 * stack_abandon before anything else.
 */
MUST_USE bool stack_run(size_t bytes, void (*fn)(void *), void *arg);
void stack_abandon(void);

#endif
