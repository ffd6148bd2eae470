/*
 * Finished transactions for which there is no room any more. Their locks become the summary's, each with
 * the latest end of those that held it; of their conflicts stay csn and earliest_out, in a ring ordered
 * by csn. What falls out of the ring is remembered by two bounds for all of them together. Every step
 * loses precision only on the safe side (rule 9).
 */
#include "lockmgr/predicate_internal.h"

static PredSummary *
ring_at(uint32_t i)
{
    return &pred_shared->ring[(pred_shared->ring_first + i) % PRED_RING];
}

static void
ring_drop_first(void)
{
    pred_shared->ring_first = (pred_shared->ring_first + 1) % PRED_RING;
    pred_shared->ring_count--;
}

static void
ring_add(Lsn csn, Lsn earliest_out)
{
    PredShared *s = pred_shared;
    uint32_t i;

    if (s->ring_count == PRED_RING) {
        s->lost_csn = MAX(s->lost_csn, ring_at(0)->csn);
        s->lost_earliest_out = MIN(s->lost_earliest_out, ring_at(0)->earliest_out);
        ring_drop_first();
    }
    if (csn <= s->lost_csn) { /* late: among those lost already */
        s->lost_earliest_out = MIN(s->lost_earliest_out, earliest_out);
        return;
    }
    for (i = s->ring_count++; i > 0 && ring_at(i - 1)->csn > csn; i--)
        *ring_at(i) = *ring_at(i - 1);
    *ring_at(i) = (PredSummary){csn, earliest_out};
}

bool
pred_summary_find(Lsn csn, Lsn *earliest_out)
{
    PredShared *s = pred_shared;
    uint32_t lo = 0, hi = s->ring_count;

    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;

        if (ring_at(mid)->csn < csn)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < s->ring_count && ring_at(lo)->csn == csn) {
        *earliest_out = ring_at(lo)->earliest_out;
        return true;
    }
    if (csn > s->lost_csn)
        return false; /* it was not serializable */
    *earliest_out = s->lost_earliest_out;
    return true;
}

bool
pred_summary_threatens(Lsn snapshot)
{
    PredShared *s = pred_shared;

    if (s->lost_csn > snapshot && s->lost_earliest_out <= snapshot)
        return true;
    for (uint32_t i = s->ring_count; i > 0 && ring_at(i - 1)->csn > snapshot; i--)
        if (ring_at(i - 1)->earliest_out <= snapshot)
            return true;
    return false;
}

void
pred_summarise(PredXact *x)
{
    PredShared *s = pred_shared;
    Lsn end = pred_end(x);

    if (!s->summary_used) {
        s->summary_used = true;
        atomic_fetch_add_explicit(&s->users, 1, memory_order_relaxed); /* as in pred_begin */
    }
    s->summary_end = MAX(s->summary_end, end);
    if (x->covers_all)
        pred_set_covers_all(&pred_xacts[PRED_SUMMARY]);
    if (pred_xacts[PRED_SUMMARY].covers_all)
        pred_release_locks(x);
    else
        pred_locks_to_summary(x, end);
    if (!x->read_only)
        ring_add(x->low, x->earliest_out);
    s->summarised++;
    pred_finished_unlink(x);
    pred_xact_free(x);
}

void
pred_summarise_finished(void)
{
    while (pred_shared->finished_head != PRED_NIL)
        pred_summarise(&pred_xacts[pred_shared->finished_head]);
}

void
pred_summary_cleanup(Lsn limit)
{
    PredShared *s = pred_shared;
    PredXact *summary = &pred_xacts[PRED_SUMMARY];

    if (LIKELY(!s->summary_used))
        return;
    while (s->ring_count > 0 && ring_at(0)->csn <= limit)
        ring_drop_first();
    if (s->lost_csn <= limit) {
        s->lost_csn = 0;
        s->lost_earliest_out = PRED_LSN_NEVER;
    }
    if (s->summary_end > limit)
        return;
    pred_release_locks(summary);
    if (summary->covers_all) {
        summary->covers_all = false;
        atomic_fetch_sub_explicit(&s->covering, 1, memory_order_relaxed); /* late is harmless */
    }
    s->summary_used = false;
    s->summary_end = 0;
    atomic_fetch_sub_explicit(&s->users, 1, memory_order_relaxed); /* late is harmless */
}
