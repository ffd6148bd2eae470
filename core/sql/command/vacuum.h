/*
 * VACUUM and ANALYZE of one relation: what the statement and autovacuum share.
 */
#ifndef CORE_SQL_COMMAND_VACUUM_H
#define CORE_SQL_COMMAND_VACUUM_H

#include <sys/resource.h>

#include "core/sql/sql.h"

typedef struct VacuumJob {
    bool vacuum, analyze, full, freeze, verbose, truncate, skip_locked, index_cleanup;
    bool autovacuum;
    bool no_toast;         /* the toast table is somebody else's work */
    int log_min_ms;        /* autovacuum: logs what takes this long; -1: nothing */
    int work_mem_kb;       /* 0: maintenance_work_mem */
    int64_t freeze_min_age;/* -1: the setting */
    List *columns;         /* char *, of the one relation being analysed; NULL: all */
} VacuumJob;

/* One relation in the current transaction (vacuum holds no snapshot: it would keep its own garbage
 * alive). A relation that is gone, or locked with skip_locked, is left. */
void vacuum_relation(CommandContext *c, Oid oid, const VacuumJob *j);

/* ---- vacuum_report.c: what a round cost ---- */
typedef struct VacuumUsage {
    struct rusage cpu;
    uint64_t start_us;
    BufStats buffers;
    WalStats wal;
} VacuumUsage;
void vacuum_usage_begin(VacuumUsage *u);
/* To the client (verbose) or, if it took long enough, to the log. */
void vacuum_report(Arena *a, const RelDesc *r, const VacuumJob *j, const VacuumStats *st, char *const *index_names, int nindexes, const VacuumUsage *u);
void analyze_report(Arena *a, const RelDesc *r, const VacuumJob *j, const VacuumUsage *u);

#endif
