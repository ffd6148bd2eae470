/*
 * faultctl: the state of faults that a running test server maps (core/base/fault.h).
 *
 *   faultctl init FILE          a fresh state
 *   faultctl arm FILE RULE ...  these rules and no others
 *   faultctl clear FILE         no rules
 *   faultctl fired FILE         how often the rules have acted
 *   faultctl seen FILE          what was passed: "point|op NAME KIND COUNT" a line
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fault.h"

static FaultState *
map(const char *path, bool create)
{
    int fd = open(path, O_RDWR | (create ? O_CREAT : 0), 0666);
    if (fd < 0 || (create && ftruncate(fd, sizeof(FaultState)) != 0)) {
        perror(path);
        exit(2);
    }
    void *p = mmap(NULL, sizeof(FaultState), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED || (!create && ((FaultState *)p)->magic != FAULT_STATE_MAGIC)) {
        fprintf(stderr, "faultctl: \"%s\" is not a state of faults\n", path);
        exit(2);
    }
    if (create) {
        fchmod(fd, 0666); /* the server is another user */
        memset(p, 0, sizeof(FaultState));
        ((FaultState *)p)->magic = FAULT_STATE_MAGIC;
    }
    close(fd);
    return p;
}

static void
clear(FaultState *s)
{
    for (int i = 0; i < FAULT_RULES_MAX; i++)
        atomic_store_explicit(&s->rules[i].armed, 0, memory_order_release);
    atomic_store_explicit(&s->insert_lock, 0, memory_order_release); /* its holder may have been killed */
}

static int
arm(FaultState *s, int count, char **rules)
{
    clear(s);
    for (int i = 0; i < count && i < FAULT_RULES_MAX; i++) {
        FaultRule r;
        const char *why;
        if (!fault_rule_parse(rules[i], &r, &why)) {
            fprintf(stderr, "faultctl: \"%s\": %s\n", rules[i], why);
            return 2;
        }
        fault_rule_arm(&s->rules[i], &r);
    }
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    FaultState *s = map(argv[2], strcmp(argv[1], "init") == 0);
    if (strcmp(argv[1], "arm") == 0)
        return arm(s, argc - 3, argv + 3);
    if (strcmp(argv[1], "clear") == 0)
        clear(s);
    unsigned long long fired = 0;
    for (int i = 0; i < FAULT_RULES_MAX; i++)
        if (atomic_load_explicit(&s->rules[i].armed, memory_order_acquire))
            fired += atomic_load_explicit(&s->rules[i].fired, memory_order_relaxed);
    if (strcmp(argv[1], "fired") == 0)
        printf("%llu\n", fired);
    if (strcmp(argv[1], "seen") == 0)
        for (uint32_t i = 0; i < atomic_load_explicit(&s->seen_count, memory_order_acquire); i++)
            printf("%s %s %s %llu\n", s->seen[i].is_point ? "point" : "op", s->seen[i].what, s->seen[i].kind,
                   (unsigned long long)atomic_load_explicit(&s->seen[i].count, memory_order_relaxed));
    return 0;
}
