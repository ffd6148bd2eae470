/*
 * One program under several names: which one runs is told by argv[0] (postgres, initdb, pg_ctl,
 * pg_controldata) or, when called as posthaste, by the first word.
 */
#include "procs/procs.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "walmgr/walmgr.h"

const char *program_name = "postgres";

typedef struct Program {
    const char *name;
    int (*main)(int argc, char **argv);
} Program;

/* With all resource managers, so that it can say what their records are. */
static int
pg_waldump_main(int argc, char **argv)
{
    modules_register();
    return waldump_main(argc, argv);
}

static const Program programs[] = {
    {"postgres", postmaster_main}, {"postmaster", postmaster_main},         {"initdb", initdb_main},
    {"pg_ctl", pg_ctl_main},       {"pg_controldata", pg_controldata_main}, {"pg_waldump", pg_waldump_main},
};

static const Program *
find_program(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(programs); i++)
        if (strcmp(programs[i].name, name) == 0)
            return &programs[i];
    return NULL;
}

void
die(const char *fmt, ...)
{
    va_list ap;
    fflush(stdout);
    fprintf(stderr, "%s: ", program_name);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

const char *
program_sibling(const char *name)
{
    static char path[MAX_PATH_BYTES];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (n <= 0)
        return name;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL || (size_t)(slash - path) + strlen(name) + 2 > sizeof(path))
        return name;
    strcpy(slash + 1, name);
    return path;
}

int
main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    const char *name = slash ? slash + 1 : argv[0];
    const Program *p = find_program(name);
    if (p == NULL && argc > 1) {
        p = find_program(argv[1]);
        if (p) {
            argc--;
            argv++;
        }
    }
    if (p == NULL) {
        fprintf(stderr, "usage: posthaste postgres|initdb|pg_ctl|pg_controldata|pg_waldump [OPTION]...\n"
                        "The same programs are started by links of these names.\n");
        return argc > 1 && strcmp(argv[1], "--help") == 0 ? 0 : 1;
    }
    program_name = p->main == postmaster_main ? "postgres" : p->name;
    return p->main(argc, argv);
}
