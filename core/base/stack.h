/*
 * Guard against runaway recursion: raises 54001 before the kernel's stack limit kills the process.
 */
#ifndef CORE_BASE_STACK_H
#define CORE_BASE_STACK_H

#include <stddef.h>

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

#endif
