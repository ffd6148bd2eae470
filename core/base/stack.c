/*
 * Stack depth guard, see stack.h.
 */
#include "core/base/stack.h"

#include <sys/mman.h>
#include <ucontext.h>

#include "core/base/err.h"

#ifdef __SANITIZE_ADDRESS__ /* it must be told which stack is in use */
#include <sanitizer/common_interface_defs.h>
#else
#define __sanitizer_start_switch_fiber(save, bottom, bytes) ((void)0)
#define __sanitizer_finish_switch_fiber(save, bottom, bytes) ((void)0)
#endif

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

/* ---- another stack ---- */

#define GUARD_BYTES 4096u /* at its low end: running over is a fault, not a write into something else */

static struct {
    char *map; /* NULL: on the process's own stack */
    size_t bytes;
    const char *outer_base;
    void (*fn)(void *);
    void *arg;
    bool inside; /* between enter and its end: still set in stack_abandon, fn raised */
    void *asan_state;
    const void *asan_bottom;
    size_t asan_bytes;
    ucontext_t caller, callee;
} big;

static void
enter(void)
{
    __sanitizer_finish_switch_fiber(NULL, &big.asan_bottom, &big.asan_bytes);
    big.inside = true;
    big.fn(big.arg);
    big.inside = false;
    __sanitizer_start_switch_fiber(NULL, big.asan_bottom, big.asan_bytes);
}

bool
stack_run(size_t bytes, void (*fn)(void *), void *arg)
{
    ASSERT(big.map == NULL);
    bytes = ALIGN_UP(bytes, (size_t)4096) + GUARD_BYTES;
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (map == MAP_FAILED)
        return false;
    madvise(map, bytes, MADV_NOHUGEPAGE); /* little of it is used as a rule */
    mprotect(map, GUARD_BYTES, PROT_NONE);
    big.map = map;
    big.bytes = bytes;
    big.fn = fn;
    big.arg = arg;
    big.outer_base = stack_base;
    getcontext(&big.callee);
    big.callee.uc_stack.ss_sp = map;
    big.callee.uc_stack.ss_size = bytes;
    big.callee.uc_link = &big.caller;
    makecontext(&big.callee, enter, 0);
    stack_base = big.map + bytes;
    __sanitizer_start_switch_fiber(&big.asan_state, big.map, big.bytes);
    swapcontext(&big.caller, &big.callee);
    __sanitizer_finish_switch_fiber(big.asan_state, NULL, NULL);
    stack_abandon();
    return true;
}

void
stack_abandon(void)
{
    if (big.map == NULL)
        return;
    if (big.inside) {
        __sanitizer_start_switch_fiber(NULL, big.asan_bottom, big.asan_bytes);
        __sanitizer_finish_switch_fiber(big.asan_state, NULL, NULL);
        big.inside = false;
    }
    stack_base = big.outer_base;
    munmap(big.map, big.bytes);
    big.map = NULL;
}
