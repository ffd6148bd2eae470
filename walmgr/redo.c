/*
 * Replay: read, prefetch, dispatch. Repeatable from any point, since handlers compare page LSNs and
 * nothing in the log is changed before the end is reached.
 *
 * A second reader runs ahead and asks the kernel for the pages that will be needed and have no image.
 * A small direct-mapped table remembers which were asked for or restored lately.
 */
#include "walmgr/recovery.h"

#include <stdio.h>
#include <sys/resource.h>

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/interrupt.h"
#include "core/file/relfile.h"

bool wal_in_redo;

#define RECENT_SLOTS 4096u
typedef struct Ahead {
    WalReader *reader;
    Lsn position;
    bool at_end;
    uint64_t recent[RECENT_SLOTS]; /* hash of a page seen */
} Ahead;

static void
prefetch_record(Ahead *a, const WalRecord *r)
{
    for (int i = 0; i < r->ref_count; i++) {
        const WalBlockRef *ref = &r->refs[i];
        if (ref->block == BLOCK_INVALID)
            continue;
        uint64_t h = hash_combine(hash_combine((uint64_t)ref->locator.db << 32 | ref->locator.rel,
                                               (uint64_t)ref->fork << 32 | ref->block), ref->locator.spc);
        uint64_t *slot = &a->recent[h % RECENT_SLOTS];
        if (*slot == h)
            continue;
        *slot = h;
        if (!ref->has_image && !(ref->flags & WAL_REF_WILL_INIT)) {
            ErrCode rc = relfile_prefetch(ref->locator, ref->fork, ref->block, 1);
            (void)rc; /* only advice: the file may not exist yet */
        }
    }
}

static void
look_ahead(Ahead *a, Lsn now)
{
    Lsn until = now + (Lsn)wal_decode_buffer_bytes;
    while (!a->at_end && a->position < until) {
        const WalRecord *r = wal_reader_next(a->reader, NULL);
        if (!r) {
            a->at_end = true;
            break;
        }
        a->position = r->end;
        prefetch_record(a, r);
    }
}

typedef struct Usage { uint64_t began_us; struct rusage began; } Usage;

static void
usage_start(Usage *u)
{
    u->began_us = clock_monotonic_us();
    getrusage(RUSAGE_SELF, &u->began);
}

static uint64_t
tv_us(struct timeval a, struct timeval b)
{
    return (uint64_t)((b.tv_sec - a.tv_sec) * 1000000 + (b.tv_usec - a.tv_usec));
}

static void
log_redo_done(const Usage *u, Lsn last)
{
    struct rusage now;
    getrusage(RUSAGE_SELF, &now);
    uint64_t user = tv_us(u->began.ru_utime, now.ru_utime), sys = tv_us(u->began.ru_stime, now.ru_stime);
    uint64_t elapsed = clock_monotonic_us() - u->began_us;
    LOG("redo done at %s system usage: CPU: user: %llu.%02llu s, system: %llu.%02llu s, elapsed: %llu.%02llu s",
        lsn_text(last), (unsigned long long)(user / 1000000), (unsigned long long)(user % 1000000 / 10000),
        (unsigned long long)(sys / 1000000), (unsigned long long)(sys % 1000000 / 10000),
        (unsigned long long)(elapsed / 1000000), (unsigned long long)(elapsed % 1000000 / 10000));
}

static void
redo_one(const WalRecord *r)
{
    const WalRmgrOps *ops = wal_rmgr_ops[r->rmgr];
    if (!ops || !ops->redo)
        PANIC("resource manager with ID %u not registered", r->rmgr);
    /* release: buffers whose LSN is this record's end may now be written */
    atomic_store_explicit(&wal_shared->flushed, r->end, memory_order_release);
    atomic_store_explicit(&wal_shared->insert_pos, r->end, memory_order_release); /* observers */
    if (wal_redo_record_hook)
        wal_redo_record_hook(r);
    FAULT_POINT("redo_record");
    ops->redo(r);
    WAL_RECORD_POINT("redo", r->rmgr, r->info);
    /* release: pairs with wal_last_replayed */
    atomic_store_explicit(&wal_shared->last_replayed, r->end, memory_order_release);
}

static void
redo_one_reported(const WalRecord *r, Arena *scratch)
{
    ERR_TRY {
        redo_one(r);
    } ERR_CATCH {
        StrBuf s;
        str_init(&s, scratch);
        wal_describe(r, &s);
        LOG("WAL redo at %s for %s/%s", lsn_text(r->start), wal_rmgr_name(r->rmgr), s.data);
        err_rethrow();
    } ERR_END;
}

static void
show_progress(const Usage *u, uint64_t *next_report_us, Lsn at)
{
    uint64_t elapsed = clock_monotonic_us() - u->began_us;
    if (log_startup_progress_ms <= 0 || elapsed < *next_report_us)
        return;
    *next_report_us = elapsed + (uint64_t)log_startup_progress_ms * 1000;
    LOG("redo in progress, elapsed time: %llu.%02llu s, current LSN: %s", (unsigned long long)(elapsed / 1000000),
        (unsigned long long)(elapsed % 1000000 / 10000), lsn_text(at));
}

/* In ps, as PostgreSQL's startup process does; 0: no longer. */
static void
show_segment(uint64_t segment, uint32_t timeline)
{
    char name[40];
    /* relaxed: own slot */
    if (!proc_self || atomic_load_explicit(&proc_self->kind, memory_order_relaxed) != PROC_STARTUP)
        return;
    wal_segment_name(segment, timeline, name, sizeof(name));
    if (segment)
        proc_set_title("postgres: startup recovering %s", name);
    else
        proc_set_title("postgres: startup");
}

static void
call_rmgrs(bool startup)
{
    for (int i = 0; i < RMGR_COUNT; i++) {
        const WalRmgrOps *ops = wal_rmgr_ops[i];
        void (*fn)(void) = !ops ? NULL : startup ? ops->startup : ops->cleanup;
        if (fn)
            fn();
    }
}

/* One run of replay. */
typedef struct Redo {
    Arena *arena, *scratch;
    WalReader *reader;
    Ahead *ahead;
    Usage usage;
    uint64_t next_report, titled, count;
    Lsn last, end;
    const char *why;
} Redo;

static void
redo_open(Redo *d, Lsn start)
{
    memset(d, 0, sizeof(*d));
    d->arena = arena_create(NULL, "redo");
    d->scratch = arena_create(d->arena, "redo scratch");
    d->reader = wal_reader_open(d->arena, start, recovery.timeline);
    wal_reader_set_source(d->reader, recovery_open_segment);
    if (recovery_prefetch) {
        d->ahead = ARENA_NEW(d->arena, Ahead);
        d->ahead->reader = wal_reader_open(d->arena, start, recovery.timeline);
        wal_reader_set_source(d->ahead->reader, recovery_open_segment);
    }
    d->end = d->last = start;
    d->titled = UINT64_MAX;
    d->why = "";
    usage_start(&d->usage);
    d->next_report = (uint64_t)log_startup_progress_ms * 1000;
}

/* NULL: that was all. In standby mode waits for more. */
static const WalRecord *
redo_next(Redo *d)
{
    for (;;) {
        const WalRecord *r = wal_reader_next(d->reader, &d->why);
        if (r || !recovery_wait_for_more())
            return r;
        wal_reader_retry(d->reader);
        if (d->ahead)
            d->ahead->at_end = true; /* it is behind now, and there is little to look ahead to */
    }
}

static void
before_record(Redo *d, const WalRecord *r)
{
    if (wal_segment_of(r->start) != d->titled) {
        d->titled = wal_segment_of(r->start);
        show_segment(d->titled, timeline_at(recovery.history, r->start));
    }
    if ((d->count++ & 63) == 0) {
        CHECK_INTERRUPTS();
        show_progress(&d->usage, &d->next_report, r->start);
        arena_reset(d->scratch);
    }
    if (d->ahead)
        look_ahead(d->ahead, r->start);
}

Lsn
wal_redo_run(Lsn start)
{
    Redo d;
    redo_open(&d, start);
    wal_in_redo = true;
    call_rmgrs(true);
    LOG("redo starts at %s", lsn_text(start));
    for (const WalRecord *r; !recovery.reached && (r = redo_next(&d)) != NULL;) {
        before_record(&d, r);
        if (recovery.requested && target_stops_before(r))
            break;
        d.last = r->start;
        d.end = r->end;
        redo_one_reported(r, d.scratch);
        recovery_after_record(r);
        if (recovery.requested)
            target_stops_after(r);
    }
    if (!recovery.reached)
        LOG("%s", d.why);
    if (recovery.requested)
        recovery_at_target(d.end);
    log_redo_done(&d.usage, d.last);
    if (recovery.last_xact_time)
        LOG("last completed transaction was at log time %s", recovery_time_text(recovery.last_xact_time));
    FAULT_POINT("redo_before_cleanup");
    call_rmgrs(false);
    FAULT_POINT("redo_after_cleanup");
    wal_in_redo = false;
    if (d.ahead)
        wal_reader_close(d.ahead->reader);
    wal_reader_close(d.reader);
    arena_destroy(d.arena);
    show_segment(0, 0);
    return d.end;
}
