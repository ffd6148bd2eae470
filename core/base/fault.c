/*
 * Failed assertions, and the fault points of test builds.
 *
 * POSTHASTE_FAULT=name:action[:count], several separated by commas: at the count-th time (default
 * the first) that the process passes FAULT_POINT(name): crash kills it with SIGKILL, as the OOM
 * killer would; error raises XX000 there; sleep waits a second.
 */
#include "core/base/macros.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/err.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the page and log formats are little-endian"
#endif

NORETURN void
assert_failed(const char *cond, const char *file, int line)
{
    char text[512];
    int n = snprintf(text, sizeof(text), "PANIC:  assertion failed: %s, file %s, line %d, pid %d\n",
                     cond, file, line, (int)getpid());
    if (n > 0)
        (void)!write(STDERR_FILENO, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
    abort();
}

#ifdef ENABLE_FAULT_POINTS
#define FAULTS_MAX 16

typedef struct Fault {
    char name[64], action[16];
    long left; /* passes until it acts */
} Fault;

static Fault faults[FAULTS_MAX];
static int fault_count = -1; /* not read yet */

static void
read_faults(void)
{
    const char *text = getenv("POSTHASTE_FAULT");
    fault_count = 0;
    while (text && *text && fault_count < FAULTS_MAX) {
        Fault *f = &faults[fault_count];
        f->left = 1;
        if (sscanf(text, "%63[^:,]:%15[^:,]:%ld", f->name, f->action, &f->left) >= 2)
            fault_count++;
        text = strchr(text, ',');
        if (text)
            text++;
    }
}

void
fault_point_hit(const char *name)
{
    if (fault_count < 0)
        read_faults();
    for (int i = 0; i < fault_count; i++) {
        Fault *f = &faults[i];
        if (strcmp(f->name, name) != 0 || --f->left != 0)
            continue;
        if (strcmp(f->action, "crash") == 0)
            kill(getpid(), SIGKILL);
        else if (strcmp(f->action, "sleep") == 0)
            sleep(1);
        else if (strcmp(f->action, "error") == 0)
            INTERNAL_ERROR("fault injected at \"%s\"", name);
    }
}
#endif
