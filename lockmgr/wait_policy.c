/*
 * How long to spin before sleeping: one table, one row per instruction set, chosen once before the
 * first fork.
 *
 * Spinning pays while it is shorter than what sleeping costs both sides: two system calls, a task
 * switch and the wake-up of a processor, together 2 to 5 us. The budgets below are that, expressed in
 * pause instructions, whose length differs tenfold between processors: 10 cycles on x86-64 before
 * Skylake, 40 to 140 since (and on Zen), about 30 for arm64's isb (yield is a no-op on most cores).
 * Processors with AVX-512 are all of the long kind, which is what tells the two rows apart.
 * With one processor the holder cannot run while we spin, so nothing spins at all.
 */
#include <unistd.h>

#include "core/base/cpu.h"
#include "lockmgr/lock_internal.h"

enum { ROW_X86_LONG_PAUSE, ROW_X86_SHORT_PAUSE, ROW_ARM64, ROW_OTHER, ROW_ONE_PROCESSOR };

static const WaitPolicy policies[] = {
    /*                        name                  back-off  spinlock  LWLock  heavyweight */
    [ROW_X86_LONG_PAUSE] = {"x86-64, long pause",        16,     1000,     96,       64},
    [ROW_X86_SHORT_PAUSE] = {"x86-64, short pause",      64,     4000,    512,      320},
    [ROW_ARM64] = {"arm64, isb",                         32,     2000,    256,      160},
    [ROW_OTHER] = {"no pause instruction",               64,     8000,   1000,      600},
    [ROW_ONE_PROCESSOR] = {"one processor",               1,        0,      0,        0},
};

#if defined(__x86_64__)
#define ROW_DEFAULT ROW_X86_SHORT_PAUSE
#elif defined(__aarch64__)
#define ROW_DEFAULT ROW_ARM64
#else
#define ROW_DEFAULT ROW_OTHER
#endif

const WaitPolicy *lock_wait_policy = &policies[ROW_DEFAULT];

void
lock_wait_policy_select(void)
{
    if (sysconf(_SC_NPROCESSORS_ONLN) == 1)
        lock_wait_policy = &policies[ROW_ONE_PROCESSOR];
#if defined(__x86_64__)
    else if (cpu_features.avx512)
        lock_wait_policy = &policies[ROW_X86_LONG_PAUSE];
#endif
    else
        lock_wait_policy = &policies[ROW_DEFAULT];
}
