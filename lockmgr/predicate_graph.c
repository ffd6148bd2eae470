/*
 * The conflict graph: who has read past whose writes, and whom to stop.
 *
 * An edge reader -> writer says that the reader's snapshot does not hold what the writer wrote, so that
 * in every serial order the reader comes first. Every history that is not serializable has T1 -> T2 -> T3
 * among concurrent transactions with T3 the first of the cycle to commit; such a chain is broken by
 * ending T2 (the pivot), or whoever notices where T2 cannot be ended any more. All that a neighbour which
 * has finished can still do is in one number (rule 4), so edges join only unfinished transactions.
 *
 * Where a commit's LSN is not known yet, a bound stands for it that can only make a chain look more
 * dangerous: as T3 the lower bound taken when it passed its check, as T1 and T2 infinity.
 */
#include <string.h>

#include "lockmgr/predicate_internal.h"

static const char *const reasons[] = {
    [PV_PIVOT_CONFLICT_OUT] = "Canceled on identification as a pivot, during conflict out checking.",
    [PV_OLD_PIVOT] = "Canceled on conflict out to old pivot %llu.",
    [PV_PIVOT_OLD_OUT] = "Canceled on identification as a pivot, with conflict out to old committed transaction %llu.",
    [PV_PIVOT_CONFLICT_IN] = "Canceled on identification as a pivot, during conflict in checking.",
    [PV_PIVOT_WRITE] = "Canceled on identification as a pivot, during write.",
    [PV_PIVOT_READ] = "Canceled on conflict out to pivot %llu, during read.",
    [PV_PIVOT_COMMIT] = "Canceled on identification as a pivot, during commit attempt.",
    [PV_PREPARED_PIVOT] = "Canceled on commit attempt with conflict in from prepared pivot.",
};

NORETURN void
pred_raise(PredVerdict v, Xid xid)
{
    Arena *a = arena_create(arena_top(), "serialization failure");
    const char *at = strstr(reasons[v], "%llu");
    const char *reason = reasons[v];

    if (at)
        reason = arena_printf(a, "%.*s%llu%s", (int)(at - reason), reason, (unsigned long long)xid, at + 4);
    RAISE_ERR(SQLSTATE_T_R_SERIALIZATION_FAILURE,
              err_message("could not serialize access due to read/write dependencies among transactions"),
              err_detail("Reason code: %s", reason), err_hint("The transaction might succeed if retried."),
              arena_destroy(a));
}

/* ---- edges ---- */

static bool
edge_exists(const PredXact *reader, const PredXact *writer)
{
    int32_t w = pred_index(writer);

    for (int32_t e = reader->out; e != PRED_NIL; e = pred_edges[e].out_next)
        if (pred_edges[e].writer == w)
            return true;
    return false;
}

static void
edge_add(PredXact *reader, PredXact *writer)
{
    int32_t i = pred_shared->free_edges;
    PredEdge *e;

    if (edge_exists(reader, writer))
        return;
    if (i == PRED_NIL) { /* rule 7: as if each had a finished neighbour of the worst kind */
        reader->earliest_out = 0;
        writer->latest_in = PRED_LSN_NEVER;
        pred_shared->overflows++;
        return;
    }
    e = &pred_edges[i];
    pred_shared->free_edges = e->out_next;
    *e = (PredEdge){.reader = pred_index(reader), .writer = pred_index(writer), .out_next = reader->out, .out_prev = PRED_NIL,
                    .in_next = writer->in, .in_prev = PRED_NIL};
    if (reader->out != PRED_NIL)
        pred_edges[reader->out].out_prev = i;
    reader->out = i;
    if (writer->in != PRED_NIL)
        pred_edges[writer->in].in_prev = i;
    writer->in = i;
}

static void
edge_remove(int32_t i)
{
    PredEdge *e = &pred_edges[i];

    if (e->out_prev != PRED_NIL)
        pred_edges[e->out_prev].out_next = e->out_next;
    else
        pred_xacts[e->reader].out = e->out_next;
    if (e->out_next != PRED_NIL)
        pred_edges[e->out_next].out_prev = e->out_prev;
    if (e->in_prev != PRED_NIL)
        pred_edges[e->in_prev].in_next = e->in_next;
    else
        pred_xacts[e->writer].in = e->in_next;
    if (e->in_next != PRED_NIL)
        pred_edges[e->in_next].in_prev = e->in_prev;
    e->out_next = pred_shared->free_edges;
    pred_shared->free_edges = i;
}

void
pred_drop_edges(PredXact *x)
{
    while (x->out != PRED_NIL)
        edge_remove(x->out);
    while (x->in != PRED_NIL)
        edge_remove(x->in);
}

void
pred_fold_edges(PredXact *x)
{
    Lsn end = pred_end(x), commit = pred_commit_end(x);

    for (int32_t e = x->out; e != PRED_NIL; e = pred_edges[e].out_next) {
        PredXact *w = &pred_xacts[pred_edges[e].writer];

        /* Prepared: it may come to commit before us. Active: it surely commits after. */
        if (w->state == PX_PREPARED && w->low <= commit && w->low < x->earliest_out)
            x->earliest_out = w->low;
        if (end > w->latest_in)
            w->latest_in = end;
    }
    for (int32_t e = x->in; e != PRED_NIL; e = pred_edges[e].in_next) {
        PredXact *r = &pred_xacts[pred_edges[e].reader];

        if (x->low < r->earliest_out)
            r->earliest_out = x->low;
    }
    pred_drop_edges(x);
}

/* ---- what a transaction's neighbours amount to ---- */

/* The earliest that a writer it has read past commits, as far as one has. */
Lsn
pred_min_out(const PredXact *x)
{
    Lsn least = x->earliest_out;

    for (int32_t e = x->out; e != PRED_NIL; e = pred_edges[e].out_next) {
        const PredXact *w = &pred_xacts[pred_edges[e].writer];

        if (w->state == PX_PREPARED && w->low < least)
            least = w->low;
    }
    return least;
}

/* The latest that a reader that read past it commits. */
Lsn
pred_max_in(const PredXact *x)
{
    Lsn most = x->latest_in;

    for (int32_t e = x->in; e != PRED_NIL; e = pred_edges[e].in_next) {
        const PredXact *r = &pred_xacts[pred_edges[e].reader];
        Lsn end = pred_is_doomed(r) ? 0 : pred_end(r);

        if (end > most)
            most = end;
    }
    return most;
}

static void
doom(PredXact *x)
{
    /* relaxed: its owner looks under the graph lock before it commits */
    atomic_store_explicit(&x->doomed, 1, memory_order_relaxed);
    pred_shared->dooms++;
}

/* ---- a new conflict ---- */

static void
note(PredXact *reader, PredXact *writer)
{
    if (writer->state == PX_COMMITTED) {
        if (writer->low < reader->earliest_out)
            reader->earliest_out = writer->low;
    } else if (reader->state == PX_COMMITTED) {
        if (pred_end(reader) > writer->latest_in)
            writer->latest_in = pred_end(reader);
    } else {
        edge_add(reader, writer);
    }
}

PredVerdict
pred_conflict(PredXact *reader, PredXact *writer, Xid *xid)
{
    Lsn reader_end = pred_end(reader), m;
    bool bad;

    if (pred_is_doomed(reader) || pred_is_doomed(writer))
        return PV_OK; /* one of them will not commit; its owner hears of it otherwise */
    if (reader_end <= writer->snapshot)
        return PV_OK; /* not concurrent (rule 3) */
    *xid = writer->xid;
    /* reader -> writer -> T3, the writer being the pivot. */
    m = pred_min_out(writer);
    bad = m != PRED_LSN_NEVER && m <= reader_end && m <= pred_commit_end(writer);
    /* T1 -> reader -> writer: the writer is the first to commit if it is about to. */
    if (!bad && writer->state != PX_ACTIVE && !reader->read_only)
        bad = writer->low <= pred_commit_end(reader) && writer->low <= pred_max_in(reader);
    if (bad) {
        if (writer == pred_me)
            return PV_PIVOT_WRITE;
        if (writer->state != PX_ACTIVE)
            return PV_PIVOT_READ;
        doom(writer);
        return PV_OK;
    }
    note(reader, writer);
    return PV_OK;
}

PredVerdict
pred_conflict_with_summary(PredXact *writer, Lsn reader_end)
{
    Lsn m = pred_min_out(writer);

    if (reader_end <= writer->snapshot)
        return PV_OK;
    if (m != PRED_LSN_NEVER && m <= reader_end)
        return PV_PIVOT_WRITE;
    if (reader_end > writer->latest_in)
        writer->latest_in = reader_end;
    return PV_OK;
}

/* The writer was summarised: what is left of it is its csn and the earliest commit it read past. */
static PredVerdict
conflict_out_to_summary(PredXact *me, Lsn csn, Lsn earliest_out)
{
    if (earliest_out <= csn && earliest_out <= pred_end(me))
        return PV_OLD_PIVOT;
    if (!me->read_only && pred_max_in(me) >= csn)
        return PV_PIVOT_OLD_OUT;
    if (csn < me->earliest_out)
        me->earliest_out = csn;
    return PV_OK;
}

/* The last ids asked about: their answer does not change within the transaction. */
#define SEEN_SLOTS 64u
static struct { uint64_t seq; Xid xid; Lsn csn; } seen[SEEN_SLOTS];

void
pred_conflict_out(Xid xid, Lsn csn)
{
    PredVerdict v = PV_OK;
    PredXact *me, *writer;
    Lsn earliest;
    uint32_t slot = (uint32_t)xid % SEEN_SLOTS;

    pred_leave_if_safe();
    me = pred_me;
    if (!pred_tracking || (seen[slot].seq == me->seq && seen[slot].xid == xid && (seen[slot].csn == csn || csn == 0) && !pred_is_doomed(me)))
        return;
    lw_acquire(pred_graph(), LW_EXCLUSIVE);
    if (pred_is_doomed(me)) {
        v = PV_PIVOT_CONFLICT_OUT;
    } else if ((writer = pred_find(xid, csn)) != NULL) { /* serializable, and not summarised */
        if (writer != me)
            v = pred_conflict(me, writer, &xid);
    } else if (csn != 0 && pred_summary_find(csn, &earliest)) {
        v = conflict_out_to_summary(me, csn, earliest);
    }
    lw_release(pred_graph());
    if (v != PV_OK)
        pred_raise(v, xid);
    seen[slot].seq = me->seq;
    seen[slot].xid = xid;
    seen[slot].csn = csn;
}

/* ---- commit ---- */

/* Is there T1 -> pivot -> me in which I am the first to commit? Then the pivot is stopped. */
static PredVerdict
check_pivot(PredXact *pivot, Lsn low)
{
    if (pivot->state == PX_COMMITTED || pred_is_doomed(pivot) || pred_max_in(pivot) < low)
        return PV_OK;
    if (pivot->state == PX_PREPARED)
        return PV_PREPARED_PIVOT;
    doom(pivot);
    return PV_OK;
}

void
pred_commit_check(Lsn (*log_end)(void), Xid last_sub)
{
    PredXact *me = pred_me;
    PredVerdict v = PV_OK;
    Lsn low;

    if (!pred_tracking)
        return;
    lw_acquire(pred_graph(), LW_EXCLUSIVE);
    low = log_end() + 1; /* every csn published so far is below, ours will not be */
    if (pred_is_doomed(me) || me->latest_in == PRED_LSN_NEVER)
        v = PV_PIVOT_COMMIT;
    for (int32_t e = me->in; e != PRED_NIL && v == PV_OK; e = pred_edges[e].in_next)
        v = check_pivot(&pred_xacts[pred_edges[e].reader], low);
    if (v == PV_OK) {
        me->last_sub = last_sub;
        me->state = PX_PREPARED;
        me->low = low;
    }
    lw_release(pred_graph());
    if (v != PV_OK)
        pred_raise(v, me->xid);
}
