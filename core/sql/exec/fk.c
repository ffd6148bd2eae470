/*
 * Constraint events: what a statement did to rows that foreign keys (and deferrable unique constraints)
 * care about. Immediate events are handled at the end of the statement, deferred ones before commit or at
 * SET CONSTRAINTS ... IMMEDIATE. An event holds addresses only: the versions are still on their pages
 * when it is handled. Handling may queue more (cascades); rounds follow until none is left.
 *
 * An event belongs to the subtransaction it was queued in and goes with it when that aborts.
 */
#include "core/sql/exec/fk.h"

typedef enum EventKind { EVENT_CHECK, EVENT_REF_DELETE, EVENT_REF_UPDATE, EVENT_UNIQUE } EventKind;
typedef struct Event {
    uint8_t kind;
    bool deferrable, initially_deferred;
    int nesting;
    Oid rel, constraint;  /* rel: whose row it is; EVENT_UNIQUE: the index in `constraint_index` */
    Oid index;
    ItemPtr old_tid, new_tid;
} Event;
typedef struct Queue { Event *e; size_t n, cap; } Queue;

static Queue immediate, deferred;
static Arena *queue_arena;
static bool firing;

/* SET CONSTRAINTS of this transaction. */
static struct {
    bool all_set, all_deferred;
    int n;
    struct {
        Oid constraint;
        bool deferred;
    } one[64];
} modes;

static void
push(Queue *q, const Event *e)
{
    if (q->n == q->cap) {
        size_t cap = MAX((size_t)64, q->cap * 2);
        if (queue_arena == NULL)
            queue_arena = arena_create(arena_top(), "constraint events");
        Event *more = arena_alloc(queue_arena, cap * sizeof(Event));
        if (q->n)
            memcpy(more, q->e, q->n * sizeof(Event));
        q->e = more;
        q->cap = cap;
    }
    q->e[q->n++] = *e;
}

static void
reset_if_empty(void)
{
    if (immediate.n == 0 && deferred.n == 0 && queue_arena && !firing) {
        arena_reset(queue_arena);
        immediate = deferred = (Queue){NULL, 0, 0};
    }
}

static bool
is_deferred(Oid constraint, bool deferrable, bool initially)
{
    if (!deferrable)
        return false;
    for (int i = modes.n - 1; i >= 0; i--)
        if (modes.one[i].constraint == constraint)
            return modes.one[i].deferred;
    return modes.all_set ? modes.all_deferred : initially;
}

static void
queue(EventKind kind, RelDesc *rel, const FkDesc *fk, ItemPtr old_tid, ItemPtr new_tid,
      bool deferrable)
{
    Event e = {.kind = (uint8_t)kind,
               .deferrable = deferrable && fk->deferrable,
               .initially_deferred = fk->deferred,
               .nesting = txn_nesting(),
               .rel = rel->oid,
               .constraint = fk->oid,
               .old_tid = old_tid,
               .new_tid = new_tid};

    push(is_deferred(fk->oid, e.deferrable, e.initially_deferred) ? &deferred : &immediate, &e);
}

static bool
has_deferred(Oid constraint)
{
    for (size_t i = 0; i < deferred.n; i++)
        if (deferred.e[i].constraint == constraint)
            return true;
    return false;
}

/* ---- what happened to rows ---- */

bool
fk_wants_insert(const RelDesc *rel)
{
    return rel->nfks > 0;
}

bool
fk_wants_delete(const RelDesc *rel)
{
    return rel->nrefs > 0;
}

/* 0: a null makes the check needless; 1: check. MATCH FULL refuses a mix of nulls and values. */
static bool
needs_check(RelDesc *rel, const FkDesc *fk, const bool *nulls)
{
    int n = 0;

    for (int i = 0; i < fk->n; i++)
        n += nulls[fk->cols[i] - 1];
    if (n == 0)
        return true;
    if (fk->match == 'f' && n < fk->n)
        RAISE_ERR(
            SQLSTATE_FOREIGN_KEY_VIOLATION,
            err_message("insert or update on table \"%s\" violates foreign key constraint \"%s\"",
                        rel->name, fk->name),
            err_detail("MATCH FULL does not allow mixing of null and nonnull key values."),
            err_object(rel->nsp_name, rel->name, NULL, NULL, fk->name));
    return false;
}

void
fk_after_insert(RelDesc *rel, ItemPtr tid, const Datum *values, const bool *nulls)
{
    for (int i = 0; i < rel->nfks; i++)
        if (needs_check(rel, &rel->fks[i], nulls))
            queue(EVENT_CHECK, rel, &rel->fks[i], tid, tid, true);
}

static bool
columns_same(const RelDesc *rel, const int16_t *cols, int n, const Datum *a, const bool *an,
             const Datum *b, const bool *bn)
{
    for (int i = 0; i < n; i++) {
        int c = cols[i] - 1;
        if (an[c] || bn[c]) {
            if (an[c] != bn[c])
                return false;
            continue;
        }
        const TypeOps *ops = type_ops(rel->cols[c].type);
        if (rel->cols[c].byval ? a[c] == b[c]
                               : ops && ops->eq && ops->eq(a[c], b[c], rel->cols[c].collation))
            continue;
        return false;
    }
    return true;
}

static bool
any_null(const int16_t *cols, int n, const bool *nulls)
{
    for (int i = 0; i < n; i++)
        if (nulls[cols[i] - 1])
            return true;
    return false;
}

void
fk_after_update(RelDesc *rel, ItemPtr old_tid, ItemPtr new_tid, const Datum *old_values,
                const bool *old_nulls, const Datum *values, const bool *nulls)
{
    for (int i = 0; i < rel->nfks; i++) {
        const FkDesc *fk = &rel->fks[i];
        /* An insertion of ours that waits to be checked is this row's: its event will find nothing. */
        if (columns_same(rel, fk->cols, fk->n, old_values, old_nulls, values, nulls) &&
            !has_deferred(fk->oid))
            continue;
        if (needs_check(rel, fk, nulls))
            queue(EVENT_CHECK, rel, fk, new_tid, new_tid, true);
    }
    for (int i = 0; i < rel->nrefs; i++) {
        const FkDesc *fk = &rel->refs[i];
        if (any_null(fk->ref_cols, fk->n, old_nulls) ||
            columns_same(rel, fk->ref_cols, fk->n, old_values, old_nulls, values, nulls))
            continue;
        queue(EVENT_REF_UPDATE, rel, fk, old_tid, new_tid, fk->on_update == 'a');
    }
}

void
fk_after_delete(RelDesc *rel, ItemPtr tid, const Datum *values, const bool *nulls)
{
    for (int i = 0; i < rel->nrefs; i++) {
        const FkDesc *fk = &rel->refs[i];
        if (!any_null(fk->ref_cols, fk->n, nulls))
            queue(EVENT_REF_DELETE, rel, fk, tid, tid, fk->on_delete == 'a');
    }
}

/* ---- deferrable unique constraints ---- */

/* The constraint an index stands for. */
static Oid
constraint_of_index(Oid rel, Oid index, bool *initially_deferred)
{
    Datum key = oid_datum(rel);
    CatScan *s = cat_scan_begin(CAT_PG_CONSTRAINT,
                                IDX_PG_CONSTRAINT_CONRELID_CONTYPID_CONNAME_INDEX, 1, &key);
    Oid found = 0;

    *initially_deferred = false;
    for (const CatRow *r; (r = cat_scan_next(s)) != NULL;) {
        char type = (char)cat_val(r, PG_CONSTRAINT_CONTYPE);
        if (datum_oid(cat_val(r, PG_CONSTRAINT_CONINDID)) != index || (type != 'p' && type != 'u'))
            continue;
        found = datum_oid(cat_val(r, PG_CONSTRAINT_OID));
        *initially_deferred = datum_bool(cat_val(r, PG_CONSTRAINT_CONDEFERRED));
    }
    cat_scan_end(s);
    return found;
}

void
unique_recheck_queue(RelDesc *rel, IndexDesc *ix, ItemPtr tid)
{
    Event e = {.kind = EVENT_UNIQUE,
               .deferrable = true,
               .nesting = txn_nesting(),
               .rel = rel->oid,
               .index = ix->btree->oid,
               .old_tid = tid,
               .new_tid = tid};
    bool initially;

    e.constraint = constraint_of_index(rel->oid, e.index, &initially);
    e.initially_deferred = initially;
    push(is_deferred(e.constraint, true, initially) ? &deferred : &immediate, &e);
}

static void
unique_recheck(RelDesc *rel, Oid index, ItemPtr tid, Arena *a)
{
    TableChecks *c = checks_open(rel);
    Datum *values = ARENA_ARRAY(a, Datum, rel->natts + 1);
    bool *nulls = ARENA_ARRAY(a, bool, rel->natts + 1);

    if (!fk_fetch_row(rel, tid, false, a, values, nulls))
        return;
    for (int i = 0; i < c->nindexes; i++) {
        OpenIndex *o = &c->indexes[i];
        if (o->oid != index || !checks_index_values(c, o, values, nulls, c->ixvalues, c->ixnulls))
            continue;
        for (;;) {
            ItemPtr other;
            Xid wait = XID_INVALID;
            if (!btree_find_conflict(o->ix->btree, &rel->heap, c->ixvalues, c->ixnulls, tid, &other,
                                     &wait))
                break;
            if (wait == XID_INVALID)
                btree_unique_violation(o->ix->btree, c->ixvalues, c->ixnulls);
            xid_wait(wait);
        }
    }
}

/* ---- handling ---- */

static const FkDesc *
find_fk(const FkDesc *list, int n, Oid oid)
{
    for (int i = 0; i < n; i++)
        if (list[i].oid == oid)
            return &list[i];
    return NULL; /* dropped since */
}

typedef struct Firing { Arena *arena; FkContext *check; Oid check_of; } Firing;

static void
fire(Firing *f, const Event *e)
{
    RelDesc *rel = rel_open(e->rel, LOCK_ROW_SHARE);
    const FkDesc *fk;

    switch ((EventKind)e->kind) {
    case EVENT_CHECK:
        if (f->check == NULL || f->check_of != e->constraint || f->check->rel != rel) {
            if ((fk = find_fk(rel->fks, rel->nfks, e->constraint)) == NULL)
                return;
            f->check = fk_context_open(f->arena, rel, fk);
            f->check_of = e->constraint;
        }
        fk_check_row(f->check, e->new_tid);
        break;
    case EVENT_REF_DELETE:
    case EVENT_REF_UPDATE:
        if ((fk = find_fk(rel->refs, rel->nrefs, e->constraint)) != NULL) {
            fk_referenced_changed(rel, fk, e->old_tid, e->new_tid, e->kind == EVENT_REF_UPDATE);
            txn_command_increment(); /* the next event sees what this one has changed */
        }
        f->check = NULL; /* it may have changed what the context remembers */
        break;
    default:
        unique_recheck(rel, e->index, e->new_tid, f->arena);
        break;
    }
}

/* Handles all events of the queue, and those they cause. */
static void
fire_queue(Queue *q)
{
    while (q->n > 0) {
        Firing f = {.arena = arena_create(txn_arena(), "constraint checks")};
        Queue round = *q;
        size_t done = 0;

        /* Taken out first: an error leaves nothing behind to be handled twice. */
        *q = (Queue){NULL, 0, 0};
        txn_command_increment();
        for (; done < round.n; done++) {
            if ((done & 255) == 0)
                CHECK_INTERRUPTS();
            fire(&f, &round.e[done]);
        }
        arena_destroy(f.arena);
    }
}

static void
fire_all(Queue *q)
{
    if (q->n == 0)
        return;
    firing = true;
    ERR_TRY {
        fire_queue(q);
        if (q != &immediate)
            fire_queue(&immediate); /* cascades of deferred ones */
    } ERR_CATCH {
        firing = false;
        err_rethrow();
    } ERR_END;
    firing = false;
    reset_if_empty();
}

void
fk_statement_end(void)
{
    if (UNLIKELY(immediate.n > 0))
        fire_all(&immediate);
}

void
fk_set_deferred(const Oid *constraints, int n, bool all, bool defer)
{
    if (all) {
        modes.all_set = true;
        modes.all_deferred = defer;
        modes.n = 0;
    }
    for (int i = 0; i < n; i++) {
        if (modes.n == (int)COUNT_OF(modes.one)) {
            memmove(modes.one, modes.one + 1, sizeof(modes.one[0]) * (COUNT_OF(modes.one) - 1));
            modes.n--;
        }
        modes.one[modes.n].constraint = constraints[i];
        modes.one[modes.n++].deferred = defer;
    }
    if (defer)
        return;
    /* what no longer waits is handled now */
    Queue rest = {NULL, 0, 0};
    for (size_t i = 0; i < deferred.n; i++) {
        const Event *e = &deferred.e[i];
        push(is_deferred(e->constraint, e->deferrable, e->initially_deferred) ? &rest : &immediate,
             e);
    }
    deferred = rest;
    fire_all(&immediate);
}

/* ---- transactions ---- */

static void
drop_events(Queue *q, int nesting)
{
    size_t k = 0;

    for (size_t i = 0; i < q->n; i++)
        if (q->e[i].nesting < nesting)
            q->e[k++] = q->e[i];
    q->n = k;
}

static void
raise_events(Queue *q, int nesting)
{
    for (size_t i = 0; i < q->n; i++)
        if (q->e[i].nesting >= nesting)
            q->e[i].nesting = nesting - 1;
}

static void
on_txn_event(TxnEvent event, int nesting)
{
    switch (event) {
    case TXN_PRE_COMMIT:
    case TXN_PRE_PREPARE:
        fk_statement_end();
        fire_all(&deferred);
        break;
    case TXN_COMMIT:
    case TXN_ABORT:
    case TXN_PREPARE:
        immediate.n = deferred.n = 0;
        firing = false;
        memset(&modes, 0, sizeof(modes));
        reset_if_empty();
        break;
    case TXN_SUB_ABORT:
        drop_events(&immediate, nesting);
        drop_events(&deferred, nesting);
        firing = false;
        break;
    case TXN_SUB_COMMIT:
        raise_events(&immediate, nesting);
        raise_events(&deferred, nesting);
        break;
    default:
        break;
    }
}

void
exec_register(void)
{
    checks_register();
    catalog_set_record_ops(&type_ops_record);
    txn_on_event(on_txn_event);
}

void
exec_settings_register(void)
{
    /* work_mem and the planner's settings stand in core/sql/plan. */
}
