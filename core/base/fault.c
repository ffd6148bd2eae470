/*
 * Failed assertions; faults on purpose (fault.h).
 *
 * The state is one shared mapping, so that "the third write" is counted over all processes and a test
 * can arm a rule while the server runs. Nothing here may allocate or raise on a passing call: points
 * stand in critical sections.
 */
#include "core/base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
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

/* ---- rules as text ---- */

static const char *const action_names[] = {"none", "crash", "crash_all", "error", "sleep",
                                           "eio",  "enospc", "short",    "flip"};

static bool
parse_pair(FaultRule *r, const char *key, const char *value, const char **why)
{
    if (strcmp(key, "point") == 0 || strcmp(key, "op") == 0) {
        r->is_point = key[0] == 'p';
        snprintf(r->what, sizeof(r->what), "%s", value);
    } else if (strcmp(key, "kind") == 0) {
        snprintf(r->kind, sizeof(r->kind), "%s", value);
    } else if (strcmp(key, "path") == 0) {
        snprintf(r->path, sizeof(r->path), "%s", value);
    } else if (strcmp(key, "nth") == 0) {
        r->nth = strtoull(value, NULL, 10);
    } else if (strcmp(key, "times") == 0) {
        r->times = strtoull(value, NULL, 10);
    } else if (strcmp(key, "prob") == 0) {
        r->prob = strtod(value, NULL);
    } else if (strcmp(key, "do") == 0) {
        for (size_t i = 1; i < COUNT_OF(action_names); i++)
            if (strcmp(value, action_names[i]) == 0)
                r->action = (uint32_t)i;
        if (r->action == FAULT_NONE)
            *why = "unknown action";
    } else {
        *why = "unknown key";
    }
    return *why == NULL;
}

bool
fault_rule_parse(const char *text, FaultRule *out, const char **why)
{
    char copy[512], *rest = NULL;
    *why = NULL;
    memset(out, 0, sizeof(*out));
    out->nth = out->times = 1;
    out->prob = 1;
    strcpy(out->kind, "*");
    strcpy(out->path, "*");
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *pair = strtok_r(copy, ",", &rest); pair; pair = strtok_r(NULL, ",", &rest)) {
        char *value = strchr(pair, '=');
        if (!value) {
            *why = "not key=value";
            return false;
        }
        *value++ = '\0';
        if (!parse_pair(out, pair, value, why))
            return false;
    }
    if (out->action == FAULT_NONE || out->what[0] == '\0')
        *why = "neither place nor action may be missing";
    return *why == NULL;
}

void
fault_rule_arm(FaultRule *slot, const FaultRule *rule)
{
    /* relaxed: a reader that still saw it armed may act on a mixture once; a test arms before it asks */
    atomic_store_explicit(&slot->armed, 0, memory_order_relaxed);
    memcpy((char *)slot + sizeof(slot->armed), (const char *)rule + sizeof(slot->armed),
           sizeof(*slot) - sizeof(slot->armed));
    /* release: pairs with the acquire in rule_acts */
    atomic_store_explicit(&slot->armed, 1, memory_order_release);
}

#ifdef ENABLE_FAULT_POINTS

static FaultState *state;
static char process_kind[FAULT_KIND_BYTES] = "postmaster";

static FaultState *
map_state(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(FaultState), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    return p == MAP_FAILED || ((FaultState *)p)->magic != FAULT_STATE_MAGIC ? NULL : p;
}

void
fault_init(void)
{
    const char *path = getenv("POSTHASTE_FAULT_STATE"), *rules = getenv("POSTHASTE_FAULT_RULES");
    if (state)
        return;
    if (path && !(state = map_state(path)))
        fprintf(stderr, "fault state \"%s\" cannot be used: %s\n", path, strerror(errno));
    if (!state) {
        state = mmap(NULL, sizeof(FaultState), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        CHECK(state != MAP_FAILED);
    }
    char copy[4096], *rest = NULL;
    snprintf(copy, sizeof(copy), "%s", rules ? rules : "");
    int n = 0;
    for (char *text = strtok_r(copy, ";", &rest); text && n < FAULT_RULES_MAX; text = strtok_r(NULL, ";", &rest)) {
        FaultRule r;
        const char *why;
        if (fault_rule_parse(text, &r, &why))
            fault_rule_arm(&state->rules[n++], &r);
        else
            fprintf(stderr, "fault rule \"%s\": %s\n", text, why);
    }
}

void
fault_set_kind(const char *kind)
{
    snprintf(process_kind, sizeof(process_kind), "%s", kind);
    for (char *p = process_kind; *p; p++)
        if (*p == ' ')
            *p = '_';
}

uint64_t
fault_random(void)
{
    /* relaxed: any order of draws is as good. splitmix64. */
    uint64_t z = atomic_fetch_add_explicit(&state->seed, 0x9e3779b97f4a7c15u, memory_order_relaxed);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Entries are only added, under a lock that is given up after a while: its holder may have been killed. */
static void
note_seen(const char *what, bool is_point)
{
    /* acquire: entries below the count are whole; pairs with the release below */
    uint32_t n = atomic_load_explicit(&state->seen_count, memory_order_acquire);
    for (uint32_t i = 0; i < n; i++) {
        FaultSeen *s = &state->seen[i];
        if (s->is_point == is_point && strcmp(s->what, what) == 0 && strcmp(s->kind, process_kind) == 0) {
            atomic_fetch_add_explicit(&s->count, 1, memory_order_relaxed); /* a count */
            return;
        }
    }
    for (int i = 0; atomic_exchange_explicit(&state->insert_lock, 1, memory_order_acquire) && i < 1000; i++)
        usleep(10);
    n = atomic_load_explicit(&state->seen_count, memory_order_relaxed);
    if (n < FAULT_SEEN_MAX) {
        FaultSeen *s = &state->seen[n];
        s->is_point = is_point;
        snprintf(s->what, sizeof(s->what), "%s", what);
        memcpy(s->kind, process_kind, sizeof(s->kind));
        atomic_store_explicit(&s->count, 1, memory_order_relaxed);
        atomic_store_explicit(&state->seen_count, n + 1, memory_order_release);
    }
    atomic_store_explicit(&state->insert_lock, 0, memory_order_release);
}

static bool
rule_acts(FaultRule *r, const char *what, bool is_point, const char *path)
{
    /* acquire: pairs with fault_rule_arm */
    if (!atomic_load_explicit(&r->armed, memory_order_acquire) || r->is_point != is_point ||
        fnmatch(r->what, what, 0) != 0 || fnmatch(r->kind, process_kind, 0) != 0 ||
        (path && fnmatch(r->path, path, 0) != 0))
        return false;
    if (r->prob < 1 && (double)(fault_random() >> 11) * 0x1p-53 >= r->prob)
        return false;
    uint64_t n = atomic_fetch_add_explicit(&r->matched, 1, memory_order_relaxed) + 1;
    if (n < r->nth || (r->times && n >= r->nth + r->times))
        return false;
    atomic_fetch_add_explicit(&r->fired, 1, memory_order_relaxed);
    return true;
}

static FaultAction
act(FaultAction action)
{
    if (action == FAULT_CRASH_ALL && strcmp(process_kind, "postmaster") != 0)
        kill(getppid(), SIGKILL);
    if (action == FAULT_CRASH || action == FAULT_CRASH_ALL)
        kill(getpid(), SIGKILL);
    if (action == FAULT_SLEEP) {
        sleep(1);
        return FAULT_NONE;
    }
    return action;
}

static FaultAction
ask(const char *what, bool is_point, const char *path)
{
    if (UNLIKELY(!state))
        fault_init();
    note_seen(what, is_point);
    for (int i = 0; i < FAULT_RULES_MAX; i++)
        if (rule_acts(&state->rules[i], what, is_point, path))
            return act((FaultAction)state->rules[i].action);
    return FAULT_NONE;
}

FaultAction
fault_ask_file(const char *op, const char *path)
{
    return ask(op, false, path);
}

/* ---- POSTHASTE_FAULT: private to the process ---- */

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

static FaultAction
ask_private(const char *name)
{
    if (fault_count < 0)
        read_faults();
    for (int i = 0; i < fault_count; i++) {
        Fault *f = &faults[i];
        if (strcmp(f->name, name) != 0 || --f->left != 0)
            continue;
        for (uint32_t a = 1; a < COUNT_OF(action_names); a++)
            if (strcmp(f->action, action_names[a]) == 0)
                return act((FaultAction)a);
    }
    return FAULT_NONE;
}

void
fault_point_hit(const char *name)
{
    FaultAction action = ask_private(name);
    if (action == FAULT_NONE)
        action = ask(name, true, NULL);
    if (action != FAULT_ERROR)
        return;
    INTERNAL_ERROR("fault injected at \"%s\"", name);
}
#endif
