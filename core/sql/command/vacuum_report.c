/*
 * What a vacuum or analyze did and cost, in PostgreSQL's words: for VERBOSE and for autovacuum's log.
 */
#include "core/base/clock.h"
#include "core/sql/command/command_internal.h"
#include "core/sql/command/vacuum.h"

void
vacuum_usage_begin(VacuumUsage *u)
{
    getrusage(RUSAGE_SELF, &u->cpu);
    u->start_us = clock_monotonic_us();
    u->buffers = buf_stats;
    u->wal = wal_stats;
}

static bool
wanted(const VacuumJob *j, const VacuumUsage *u)
{
    if (j->verbose)
        return true;
    return j->autovacuum && j->log_min_ms >= 0 && clock_monotonic_us() - u->start_us >= (uint64_t)j->log_min_ms * 1000;
}

static double
seconds_between(struct timeval from, struct timeval to)
{
    return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_usec - from.tv_usec) / 1e6;
}

static void
add_cost(StrBuf *s, const VacuumUsage *u, bool with_wal)
{
    double elapsed = (double)(clock_monotonic_us() - u->start_us) / 1e6;
    uint64_t hits = buf_stats.hit - u->buffers.hit, misses = buf_stats.read - u->buffers.read, dirtied = buf_stats.dirtied - u->buffers.dirtied;
    double mb = (double)PAGE_BYTES / (1024 * 1024);
    struct rusage now;

    getrusage(RUSAGE_SELF, &now);
    if (track_io_timing)
        str_printf(s, "I/O timings: read: %.3f ms, write: %.3f ms\n", (double)(buf_stats.read_us - u->buffers.read_us) / 1000,
                   (double)(buf_stats.write_us - u->buffers.write_us) / 1000);
    str_printf(s, "avg read rate: %.3f MB/s, avg write rate: %.3f MB/s\n", elapsed > 0 ? (double)misses * mb / elapsed : 0.0,
               elapsed > 0 ? (double)dirtied * mb / elapsed : 0.0);
    str_printf(s, "buffer usage: %llu hits, %llu misses, %llu dirtied\n", (unsigned long long)hits, (unsigned long long)misses,
               (unsigned long long)dirtied);
    if (with_wal)
        str_printf(s, "WAL usage: %llu records, %llu full page images, %llu bytes\n", (unsigned long long)(wal_stats.records - u->wal.records),
                   (unsigned long long)(wal_stats.images - u->wal.images), (unsigned long long)(wal_stats.bytes - u->wal.bytes));
    str_printf(s, "system usage: CPU: user: %.2f s, system: %.2f s, elapsed: %.2f s", seconds_between(u->cpu.ru_utime, now.ru_utime),
               seconds_between(u->cpu.ru_stime, now.ru_stime), elapsed);
}

static double
percent(BlockNo part, BlockNo all)
{
    return all > 0 ? 100.0 * part / all : 100.0;
}

static char *
database_name(Arena *a)
{
    return cat_name(a, cat_get_by_oid(CAT_PG_DATABASE, catalog_database), PG_DATABASE_DATNAME);
}

static void
add_indexes(StrBuf *s, const VacuumStats *st, const VacuumJob *j, char *const *names, int n)
{
    const char *what = st->index_scans > 0 ? "index scan needed: %u pages from table (%.2f%% of total) had %llu dead item identifiers removed\n"
                       : !j->index_cleanup ? "index scan bypassed: %u pages from table (%.2f%% of total) have %llu dead item identifiers\n"
                                           : "index scan not needed: %u pages from table (%.2f%% of total) had %llu dead item identifiers removed\n";

    str_printf(s, what, st->dead_pages, percent(st->dead_pages, st->pages), (unsigned long long)st->dead_lines);
    for (int i = 0; i < n && i < VACUUM_INDEXES_MAX; i++)
        if (st->index_done[i])
            str_printf(s, "index \"%s\": pages: %u in total, 0 newly deleted, 0 currently deleted, 0 reusable\n", names[i], st->index_pages[i]);
}

void
vacuum_report(Arena *a, const RelDesc *r, const VacuumJob *j, const VacuumStats *st, char *const *index_names, int nindexes, const VacuumUsage *u)
{
    StrBuf s;

    if (!wanted(j, u))
        return;
    str_init(&s, a);
    str_printf(&s, j->autovacuum ? "automatic vacuum of table \"%s.%s.%s\": index scans: %d\n" : "finished vacuuming \"%s.%s.%s\": index scans: %d\n",
               database_name(a), r->nsp_name, r->name, st->index_scans);
    str_printf(&s, "pages: %u removed, %u remain, %u scanned (%.2f%% of total)\n", st->removed_pages, st->pages - st->removed_pages, st->scanned,
               percent(st->scanned, st->pages));
    str_printf(&s, "tuples: %llu removed, %llu remain, %llu are dead but not yet removable\n", (unsigned long long)st->tuples_removed,
               (unsigned long long)st->tuples_live, (unsigned long long)st->tuples_dead_kept);
    if (st->missed_dead > 0)
        str_printf(&s, "tuples missed: %llu dead from %u pages not removed due to cleanup lock contention\n", (unsigned long long)st->missed_dead,
                   st->missed_pages);
    str_printf(&s, "removable cutoff: %llu, which was %lld XIDs old when operation ended\n", (unsigned long long)st->cutoff,
               (long long)(xid_next() - st->cutoff));
    add_indexes(&s, st, j, index_names, nindexes);
    add_cost(&s, u, true);
    REPORT(j->verbose ? LEVEL_INFO : LEVEL_LOG, SQLSTATE_SUCCESS, err_message("%s", s.data));
}

void
analyze_report(Arena *a, const RelDesc *r, const VacuumJob *j, const VacuumUsage *u)
{
    StrBuf s;

    if (!j->autovacuum || !wanted(j, u))
        return;
    str_init(&s, a);
    str_printf(&s, "automatic analyze of table \"%s.%s.%s\"\n", database_name(a), r->nsp_name, r->name);
    add_cost(&s, u, false);
    REPORT(LEVEL_LOG, SQLSTATE_SUCCESS, err_message("%s", s.data));
}
