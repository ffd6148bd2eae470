/*
 * Faults on purpose, for test builds (ENABLE_FAULT_POINTS); nothing of it is in a release build.
 *
 * A rule says where (a named point of the code, or an operation on a file), in which kind of process,
 * the how-manieth time, and what happens. Rules are text:
 *
 *     point=wal_before_sync,kind=walwriter,do=crash,nth=3
 *     op=write,path=base*,do=enospc,times=0
 *     op=read,path=base/5/1*,do=flip,prob=0.01
 *
 * point, op, kind and path are patterns as the shell's. Operations: open create read write extend sync
 * truncate unlink rename link mkdir rmdir. nth (1): acts from that match on; times (1; 0: for ever): so
 * many matches; prob (1): each with that probability, from the seed. Actions: crash (SIGKILL to itself,
 * as the OOM killer), crash_all (first to its parent, the postmaster), error (raises XX000), sleep (a
 * second); for files eio, enospc, short (half of it is done), flip (one bit of what is read or written).
 *
 * POSTHASTE_FAULT_STATE names a file that every process maps: rules with their counts, and all points
 * and operations that were passed. tests/torture/faultctl.c writes and reads it while the server runs.
 * POSTHASTE_FAULT_RULES (rules separated by ';') arms rules at start without such a file.
 * POSTHASTE_FAULT=name:action[:count] is the short form for points, counted in each process.
 */
#ifndef CORE_BASE_FAULT_H
#define CORE_BASE_FAULT_H

#include "core/base/macros.h"

#include <stdatomic.h>
#include <stdbool.h>

#define FAULT_RULES_MAX 32
#define FAULT_SEEN_MAX 1024
#define FAULT_NAME_BYTES 48
#define FAULT_KIND_BYTES 32
#define FAULT_PATH_BYTES 96
#define FAULT_STATE_MAGIC UINT64_C(0x3130544C55414650)

typedef enum FaultAction {
    FAULT_NONE, FAULT_CRASH, FAULT_CRASH_ALL, FAULT_ERROR, FAULT_SLEEP, FAULT_EIO, FAULT_ENOSPC, FAULT_SHORT,
    FAULT_FLIP
} FaultAction;

typedef struct FaultRule {
    _Atomic uint32_t armed; /* set last (release), cleared first: the fields below stand while it is set */
    uint32_t action, is_point, pad;
    char what[FAULT_NAME_BYTES]; /* pattern of a point or an operation */
    char kind[FAULT_KIND_BYTES], path[FAULT_PATH_BYTES];
    uint64_t nth, times;
    double prob;
    _Atomic uint64_t matched, fired;
} FaultRule;

typedef struct FaultSeen {
    _Atomic uint64_t count;
    uint32_t is_point, pad;
    char what[FAULT_NAME_BYTES], kind[FAULT_KIND_BYTES];
} FaultSeen;

typedef struct FaultState {
    uint64_t magic;
    _Atomic uint64_t seed; /* stepped by each draw */
    _Atomic uint32_t insert_lock, seen_count;
    FaultRule rules[FAULT_RULES_MAX];
    FaultSeen seen[FAULT_SEEN_MAX];
} FaultState;

/* Reads one rule; false: *why says what is wrong. */
bool fault_rule_parse(const char *text, FaultRule *out, const char **why);
void fault_rule_arm(FaultRule *slot, const FaultRule *rule);

#ifdef ENABLE_FAULT_POINTS
void fault_init(void); /* by the postmaster, before its first fork */
void fault_set_kind(const char *kind);
/* What shall happen here, for files: crash and sleep have happened already. */
FaultAction fault_ask_file(const char *op, const char *path);
uint64_t fault_random(void);
#define FAULT_INIT() fault_init()
#define FAULT_SET_KIND(kind) fault_set_kind(kind)
#else
#define FAULT_INIT() ((void)0)
#define FAULT_SET_KIND(kind) ((void)0)
#endif

#endif
