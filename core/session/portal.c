/*
 * Portals: statements being run, suspended between fetches, and SQL cursors.
 *
 * A portal of the protocol streams from its Exec. An SQL cursor, and a utility that returns rows in pieces,
 * keeps its rows: they are fetched as far as needed and served from memory; a NO SCROLL cursor lets go of
 * those it has passed. What a cursor's plan holds (snapshot, pins) belongs to the portal's own resource
 * owner, since it outlives the statement that fetches.
 */
#include <limits.h>
#include <stdio.h>

#include "core/session/session_internal.h"

static Portal *portals;

typedef struct StoredRow { Datum *values; bool *nulls; } StoredRow;

Portal *
portal_find(const char *name)
{
    for (Portal *p = portals; p; p = p->next)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

Portal *
portal_create(const char *name, bool replace)
{
    Portal *old = portal_find(name);
    if (old) {
        if (!replace || old->state == PORTAL_ACTIVE) {
            if (name[0] == '\0') { /* nested unnamed portal: SQL EXECUTE inside a protocol Execute */
                Arena *a = arena_create(arena_top(), "portal");
                Portal *p = ARENA_NEW(a, Portal);
                p->arena = a;
                p->nesting = txn_nesting();
                p->sub_id = txn_sub_id();
                snprintf(p->name, sizeof p->name, "%s", "<nested>");
                p->next = portals;
                portals = p;
                return p;
            }
            RAISE(SQLSTATE_DUPLICATE_CURSOR, "cursor \"%s\" already exists", name);
        }
        portal_drop(old);
    }
    Arena *a = arena_create(arena_top(), "portal");
    Portal *p = ARENA_NEW(a, Portal);
    p->arena = a;
    snprintf(p->name, sizeof p->name, "%s", name);
    p->nesting = txn_nesting();
    p->sub_id = txn_sub_id();
    p->time = clock_now();
    p->next = portals;
    portals = p;
    return p;
}

/* The Exec goes back to its statement for the next run, if nothing went wrong with it. */
static void
end_exec(Portal *p, bool ok)
{
    if (p->exec == NULL)
        return;
    Exec *x = p->exec;
    p->exec = NULL;
    if (ok)
        exec_finish(x);
    else
        exec_abort(x);
    if (ok && p->plan && p->plan->valid && p->plan->idle_exec == NULL && p->plan->plans && p->plan->plans->count == 1)
        p->plan->idle_exec = x;
    else
        exec_destroy(x);
}

static void
drop_snapshot(Portal *p)
{
    if (p->snapshot)
        snapshot_unregister(p->snapshot);
    p->snapshot = NULL;
}

void
portal_drop(Portal *p)
{
    for (Portal **at = &portals; *at; at = &(*at)->next)
        if (*at == p) {
            *at = p->next;
            break;
        }
    ResOwner *saved = res_current;
    if (p->owner)
        res_current = p->owner;
    if (p->exec)
        end_exec(p, p->state != PORTAL_FAILED && p->state != PORTAL_ACTIVE);
    drop_snapshot(p);
    res_current = saved;
    if (p->owner) {
        res_release(p->owner, p->state != PORTAL_FAILED);
        res_destroy(p->owner);
    }
    cached_plan_release(p->plan);
    arena_destroy(p->arena);
}

void
portals_drop_all(void)
{
    Portal *next;
    for (Portal *p = portals; p; p = next) {
        next = p->next;
        if (p->state != PORTAL_ACTIVE) /* but for the one that runs DISCARD ALL */
            portal_drop(p);
    }
}

/* After an abort the run-time state is only memory; what it held its owner gives back: here, if that is a
 * portal's from before the subtransaction that failed, else with the (sub)transaction. */
static void
forget(Portal *p, bool owner_lives)
{
    if (!owner_lives)
        p->owner = NULL;
    if (p->exec)
        exec_abort(p->exec);
    if (p->exec)
        exec_destroy(p->exec);
    p->exec = NULL;
    p->snapshot = NULL;
    p->state = PORTAL_FAILED;
}

void
portals_at_abort(int nesting)
{
    Portal *next;
    for (Portal *p = portals; p; p = next) {
        next = p->next;
        if (p->holdable && p->all_fetched && p->nesting == 0)
            continue;
        if (nesting > 1 && p->nesting < nesting && p->state != PORTAL_ACTIVE)
            continue;
        if (p->state == PORTAL_ACTIVE && p->plan && p->plan->is_transaction_stmt)
            continue; /* runs the ROLLBACK itself and is dropped by who runs it */
        forget(p, nesting > 1 && p->nesting < nesting);
        portal_drop(p);
    }
}

/* After an error nothing runs any more: what still says so was cut short. */
void
portals_after_error(void)
{
    Portal *next;
    for (Portal *p = portals; p; p = next) {
        next = p->next;
        if (p->state != PORTAL_ACTIVE)
            continue;
        forget(p, false);
        portal_drop(p);
    }
}

/* ---- running ---- */

void
plan_completion_tag(const PlannedStmt *p, uint64_t rows, char *out, size_t n)
{
    switch (p->command) {
    case CMD_SELECT: snprintf(out, n, "SELECT %llu", (unsigned long long)rows); break;
    case CMD_INSERT: snprintf(out, n, "INSERT 0 %llu", (unsigned long long)rows); break;
    case CMD_UPDATE: snprintf(out, n, "UPDATE %llu", (unsigned long long)rows); break;
    case CMD_DELETE: snprintf(out, n, "DELETE %llu", (unsigned long long)rows); break;
    case CMD_MERGE: snprintf(out, n, "MERGE %llu", (unsigned long long)rows); break;
    default: out[0] = '\0'; break;
    }
}

void
portal_bind(Portal *p, CachedPlan *plan, ParamValues *params, const int16_t *formats, int nformats)
{
    p->plan = plan;
    plan->in_use++;
    p->params = params;
    p->formats = nformats ? arena_memdup(p->arena, formats, sizeof(int16_t) * (size_t)nformats) : NULL;
    p->nformats = nformats;
    p->text = plan->text;
    p->desc = plan->desc;
    p->state = PORTAL_READY;
    snprintf(p->tag, sizeof p->tag, "%s", plan->tag ? plan->tag : "");
}

static PlannedStmt *
only_stmt(const Portal *p)
{
    return p->plan->plans && p->plan->plans->count ? list_at(p->plan->plans, 0) : NULL;
}

static void
start_exec(Portal *p, PlannedStmt *s)
{
    if (p->plan->idle_exec && p->plan->plans->count == 1) {
        p->exec = p->plan->idle_exec;
        p->plan->idle_exec = NULL;
    } else
        p->exec = exec_create(p->plan->plan_arena ? p->plan->plan_arena : p->plan->arena, s);
    if (p->snapshot == NULL)
        p->snapshot = snapshot_register(snapshot_for_statement());
    snapshot_push_active(p->snapshot);
    exec_start(p->exec, snapshot_active(), p->params, false);
    snapshot_pop_active();
}

static void
run_utility(Portal *p, PlannedStmt *s, Dest *dest, bool top_level)
{
    CommandContext c = {.arena = p->arena, .text = p->text, .params = p->params, .dest = dest, .top_level = top_level, .is_atomic_block = xact_in_block()};
    snprintf(c.tag, sizeof c.tag, "%s", p->plan->tag ? p->plan->tag : "");
    bool snap = !p->plan->is_transaction_stmt && txn_in_progress();
    /* transaction control and settings that rule it must run without a snapshot */
    const PgQuery__Node *n = s->utility->stmt;
    switch (n->node_case) {
    case PG_QUERY__NODE__NODE_TRANSACTION_STMT: case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT: case PG_QUERY__NODE__NODE_VARIABLE_SHOW_STMT:
    case PG_QUERY__NODE__NODE_LOCK_STMT: case PG_QUERY__NODE__NODE_CONSTRAINTS_SET_STMT: case PG_QUERY__NODE__NODE_CHECK_POINT_STMT:
    case PG_QUERY__NODE__NODE_LISTEN_STMT: case PG_QUERY__NODE__NODE_UNLISTEN_STMT: case PG_QUERY__NODE__NODE_NOTIFY_STMT:
    case PG_QUERY__NODE__NODE_FETCH_STMT: case PG_QUERY__NODE__NODE_VACUUM_STMT: case PG_QUERY__NODE__NODE_CREATEDB_STMT:
    case PG_QUERY__NODE__NODE_DROPDB_STMT: case PG_QUERY__NODE__NODE_EXECUTE_STMT:
        snap = false;
        break;
    default: break;
    }
    if (snap)
        snapshot_push_active(snapshot_for_statement());
    command_execute(&c, s->utility);
    if (txn_in_progress())
        fk_statement_end(); /* COPY, CREATE TABLE AS */
    if (snap && txn_in_progress())
        snapshot_pop_active();
    snprintf(p->tag, sizeof p->tag, "%s", c.tag);
}

/* ---- keeping rows ---- */

typedef struct Keep { Dest dest; Portal *p; } Keep;

static int
stored_columns(const Portal *p)
{
    return p->tid_column ? p->tid_column : p->desc ? p->desc->n : 0;
}

static bool
keep_rows(Dest *d, const Batch *b)
{
    Portal *p = ((Keep *)d)->p;
    int n = p->desc ? stored_columns(p) : b->ncols;
    for (int k = 0; k < b->nsel; k++) {
        int row = batch_row(b, k);
        StoredRow *r = ARENA_NEW(p->row_arena, StoredRow);
        r->values = ARENA_ARRAY(p->row_arena, Datum, n + 1);
        r->nulls = ARENA_ARRAY(p->row_arena, bool, n + 1);
        for (int c = 0; c < n; c++) {
            const TypeOps *ops = p->desc && c < p->desc->n ? type_info(p->desc->cols[c].type)->ops : NULL;
            r->nulls[c] = vec_null(&b->cols[c], row);
            if (!r->nulls[c])
                r->values[c] = ops ? datum_copy(p->row_arena, vec_get(&b->cols[c], row), ops->byval, ops->len) : vec_get(&b->cols[c], row);
        }
        list_push(p->rows, r);
    }
    return true;
}

static void
keep_start(Dest *d, const RowDesc *desc)
{
    Portal *p = ((Keep *)d)->p;
    if (p->desc && only_stmt(p)->command != CMD_UTILITY)
        return; /* known since Bind */
    RowDesc *own = NULL; /* a description made by the run must outlive it */
    if (desc) {
        own = arena_memdup(p->row_arena, desc, sizeof *own);
        own->cols = ARENA_ARRAY(p->row_arena, RowColumn, desc->n + 1);
        if (desc->n)
            memcpy(own->cols, desc->cols, sizeof(RowColumn) * (size_t)desc->n);
        for (int i = 0; i < own->n; i++)
            own->cols[i].name = arena_strdup(p->row_arena, desc->cols[i].name);
    }
    p->desc = own;
}

static void keep_finish(Dest *d) { (void)d; }

static int64_t
rows_known(const Portal *p)
{
    return p->rows ? p->first_row + p->rows->count : 0;
}

#define ALL_ROWS INT64_MAX

static void
fetch_from_exec(Portal *p, PlannedStmt *s, uint64_t max_rows, Dest *dest)
{
    ResOwner *saved = res_current;
    if (p->owner)
        res_current = p->owner;
    if (p->exec == NULL)
        start_exec(p, s);
    snapshot_push_active(p->snapshot);
    uint64_t n = exec_run(p->exec, max_rows, false, dest);
    snapshot_pop_active();
    if (max_rows == 0 || n < max_rows) {
        plan_completion_tag(s, exec_rows_processed(p->exec), p->tag, sizeof p->tag);
        end_exec(p, true);
        drop_snapshot(p);
        p->all_fetched = true;
    }
    res_current = saved; /* an error leaves it to the abort, which sets its own */
}

/* Fetches until `want` rows are known, or the end. */
static void
store_until(Portal *p, int64_t want)
{
    if (p->all_fetched || rows_known(p) >= want)
        return;
    Keep k = {{keep_start, keep_rows, keep_finish, NULL}, p};
    PlannedStmt *s = only_stmt(p);
    if (p->rows == NULL) {
        p->row_arena = arena_create(p->arena, "kept rows");
        p->rows = list_new(p->row_arena);
    } else if (p->no_scroll && p->position >= rows_known(p) && want != ALL_ROWS) {
        p->first_row += p->rows->count;
        arena_reset(p->row_arena);
        p->rows = list_new(p->row_arena);
    }
    PortalState was = p->state;
    p->state = PORTAL_ACTIVE; /* an error ends it */
    if (s->command == CMD_UTILITY) {
        run_utility(p, s, &k.dest, true);
        p->all_fetched = true;
    } else
        fetch_from_exec(p, s, want == ALL_ROWS ? 0 : (uint64_t)(want - rows_known(p)), &k.dest);
    p->state = was;
}

static const StoredRow *
stored_row(const Portal *p, int64_t row)
{
    return row > p->first_row && row <= rows_known(p) ? list_at(p->rows, (int)(row - p->first_row - 1)) : NULL;
}

/* Sends `count` stored rows, the first being row number `from` + 1, forwards or backwards. */
static void
send_stored(Portal *p, int64_t from, int64_t count, int step, Dest *dest)
{
    int n = p->desc ? p->desc->n : 0;
    Arena *a = arena_create(p->arena, "stored rows");
    Batch *b = batch_new(a, n);
    dest->start(dest, p->desc);
    while (count > 0) {
        int fill = 0;
        for (int c = 0; c < n; c++)
            vec_clear_nulls(&b->cols[c]);
        while (fill < BATCH_ROWS && count > 0) {
            const StoredRow *r = stored_row(p, from + 1);
            for (int c = 0; c < n; c++) {
                b->cols[c].v[fill] = r->values[c];
                if (r->nulls[c])
                    vec_set_null(&b->cols[c], fill);
            }
            fill++;
            from += step;
            count--;
        }
        b->n = b->nsel = fill;
        b->sel = NULL;
        dest->rows(dest, b);
    }
    dest->finish(dest);
    arena_destroy(a);
}

bool
portal_run(Portal *p, uint64_t max_rows, Dest *dest, bool top_level)
{
    if (p->state == PORTAL_DONE) { /* run again: nothing more comes */
        const PlannedStmt *done = only_stmt(p);
        if (done && done->command != CMD_UTILITY && p->desc)
            plan_completion_tag(done, 0, p->tag, sizeof p->tag);
        else if (done)
            RAISE(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "portal \"%s\" cannot be run", p->name);
        return true;
    }
    if (p->state != PORTAL_READY)
        RAISE(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "portal \"%s\" cannot be run", p->name);
    if (top_level && p->plan && p->plan->tag)
        proc_set_title_activity(p->plan->tag); /* ps shows what runs */
    PlannedStmt *s = only_stmt(p);
    if (s == NULL) { /* an empty query, or rules that leave nothing */
        p->state = PORTAL_DONE;
        return true;
    }
    if (p->plan->raw)
        xact_check_not_aborted(p->plan->raw->node);
    /* Utility commands look for themselves. */
    if (txn_read_only && txn_in_progress() && (s->command == CMD_INSERT || s->command == CMD_UPDATE || s->command == CMD_DELETE || s->has_modifying_cte))
        RAISE(SQLSTATE_READ_ONLY_SQL_TRANSACTION, "cannot execute %s in a read-only transaction", p->plan->tag);
    p->state = PORTAL_ACTIVE;
    if (s->command == CMD_UTILITY && max_rows == 0 && p->rows == NULL) {
        run_utility(p, s, dest, top_level);
        p->state = PORTAL_DONE;
        return true;
    }
    if (s->command == CMD_UTILITY || p->is_cursor) { /* SHOW, EXPLAIN ... fetched in pieces */
        p->state = PORTAL_READY;
        store_until(p, max_rows == 0 ? ALL_ROWS : p->position + (int64_t)max_rows);
        int64_t left = MAX(rows_known(p) - p->position, 0);
        int64_t n = max_rows == 0 || (int64_t)max_rows > left ? left : (int64_t)max_rows;
        send_stored(p, p->position, n, 1, dest);
        p->position += n;
        bool end = max_rows == 0 || n < (int64_t)max_rows;
        p->state = end && !p->is_cursor ? PORTAL_DONE : PORTAL_READY;
        if (s->command != CMD_UTILITY)
            snprintf(p->tag, sizeof p->tag, "SELECT %lld", (long long)n);
        return end;
    }
    ResOwner *saved = res_current;
    if (max_rows && p->owner == NULL) /* suspended, it outlives this command */
        p->owner = res_create(res_current, "portal");
    if (p->owner)
        res_current = p->owner;
    if (p->exec == NULL)
        start_exec(p, s);
    snapshot_push_active(p->snapshot);
    uint64_t rows = exec_run(p->exec, max_rows, false, dest);
    snapshot_pop_active();
    bool end = max_rows == 0 || rows < max_rows || exec_at_end(p->exec);
    if (max_rows != 0 && rows == max_rows)
        end = false; /* PostgreSQL says "suspended" even at the exact end */
    uint64_t total = s->command == CMD_SELECT ? rows : exec_rows_processed(p->exec);
    plan_completion_tag(s, total, p->tag, sizeof p->tag);
    if (end) {
        end_exec(p, true);
        drop_snapshot(p);
        fk_statement_end(); /* immediate constraints are checked at the end of the statement */
        p->state = PORTAL_DONE;
    } else
        p->state = PORTAL_READY;
    res_current = saved;
    return end;
}

/* ---- end of transaction ---- */

void
portals_at_commit(int nesting)
{
    Portal *next;
    if (nesting > 1) {
        for (Portal *p = portals; p; p = p->next)
            if (p->nesting >= nesting)
                p->nesting = nesting - 1;
        return;
    }
    for (Portal *p = portals; p; p = next) {
        next = p->next;
        if (p->holdable) {
            if (p->nesting > 0 && p->state == PORTAL_READY) {
                store_until(p, ALL_ROWS);
                if (p->owner) {
                    res_release(p->owner, true);
                    res_destroy(p->owner);
                    p->owner = NULL;
                }
            }
            p->nesting = 0;
            continue;
        }
        if (p->state == PORTAL_ACTIVE) /* the one that runs COMMIT itself */
            continue;
        portal_drop(p);
    }
}

/* ---- cursors ---- */

#define CURSOR_BINARY 1
#define CURSOR_SCROLL 2
#define CURSOR_NO_SCROLL 4
#define CURSOR_HOLD 32

/* The query of the DECLARE in a text parsed again, in the plan's own arena. */
static RawStmt *
declared_query(CachedPlan *plan, const char *text, const char *name)
{
    List *raws = sql_parse(plan->arena, text);
    for (int i = 0; i < raws->count; i++) {
        RawStmt *r = raws->items[i];
        if (r->node->node_case == PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT && strcmp(r->node->declare_cursor_stmt->portalname, name) == 0) {
            RawStmt *found = arena_memdup(plan->arena, r, sizeof *r);
            found->node = r->node->declare_cursor_stmt->query;
            return found;
        }
    }
    INTERNAL_ERROR("DECLARE CURSOR not found in its own text");
}

/*
 * WHERE CURRENT OF needs to know where the row last fetched lies: to a query over one table its ctid is
 * added as a last column, which is kept but not sent. Whether the query bears it (a view has no ctid, an
 * aggregate has no row) analysis shows.
 */
static bool
wants_tid(const RawStmt *r)
{
    if (r->node->node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
        return false;
    const PgQuery__SelectStmt *s = r->node->select_stmt;
    return s->op == PG_QUERY__SET_OPERATION__SETOP_NONE && s->n_from_clause == 1 && s->from_clause[0]->node_case == PG_QUERY__NODE__NODE_RANGE_VAR &&
           s->n_target_list > 0 && s->n_group_clause == 0 && s->having_clause == NULL && s->n_distinct_clause == 0 && s->n_window_clause == 0 &&
           s->with_clause == NULL && (s->n_sort_clause == 0 || s->n_locking_clause > 0);
}

static void
add_tid_column(Arena *a, PgQuery__SelectStmt *s)
{
    PgQuery__String *name = ARENA_NEW(a, PgQuery__String);
    PgQuery__ColumnRef *ref = ARENA_NEW(a, PgQuery__ColumnRef);
    PgQuery__ResTarget *target = ARENA_NEW(a, PgQuery__ResTarget);
    PgQuery__Node *nodes = ARENA_ARRAY(a, PgQuery__Node, 3);
    pg_query__string__init(name);
    pg_query__column_ref__init(ref);
    pg_query__res_target__init(target);
    for (int i = 0; i < 3; i++)
        pg_query__node__init(&nodes[i]);
    name->sval = arena_strdup(a, "ctid");
    nodes[0].node_case = PG_QUERY__NODE__NODE_STRING;
    nodes[0].string = name;
    ref->n_fields = 1;
    ref->fields = ARENA_ARRAY(a, PgQuery__Node *, 1);
    ref->fields[0] = &nodes[0];
    nodes[1].node_case = PG_QUERY__NODE__NODE_COLUMN_REF;
    nodes[1].column_ref = ref;
    target->val = &nodes[1];
    nodes[2].node_case = PG_QUERY__NODE__NODE_RES_TARGET;
    nodes[2].res_target = target;
    PgQuery__Node **list = ARENA_ARRAY(a, PgQuery__Node *, s->n_target_list + 1);
    memcpy(list, s->target_list, sizeof *list * s->n_target_list);
    list[s->n_target_list++] = &nodes[2];
    s->target_list = list;
}

/* The cursor's plan, with the hidden column if that can be. */
static CachedPlan *
cursor_plan(CommandContext *c, const char *name, bool with_tid)
{
    CachedPlan *plan = cached_plan_new("cursor");
    CachedPlan *volatile result = plan;
    ERR_TRY
    {
        char *text = arena_strdup(plan->arena, c->text);
        RawStmt *raw = declared_query(plan, text, name);
        if (with_tid && wants_tid(raw))
            add_tid_column(plan->arena, raw->node->select_stmt);
        else if (with_tid)
            result = NULL;
        if (result) {
            cached_plan_init(plan, text, raw, c->params ? c->params->types : NULL, c->params ? c->params->count : 0, false);
            cached_plan_ready(plan);
        } else
            cached_plan_release(plan);
    }
    ERR_CATCH
    {
        cached_plan_release(plan);
        if (!with_tid || err_current()->level > LEVEL_ERROR)
            err_rethrow();
        err_clear(); /* the query without the column tells what is wrong, if anything is */
        result = NULL;
    }
    ERR_END;
    return result;
}

static ParamValues *
copy_params(Arena *a, const ParamValues *from)
{
    if (from == NULL)
        return NULL;
    ParamValues *v = ARENA_NEW(a, ParamValues);
    v->count = from->count;
    v->types = arena_memdup(a, from->types, sizeof(Oid) * (size_t)from->count);
    v->values = arena_memdup(a, from->values, sizeof(Datum) * (size_t)from->count);
    v->nulls = arena_memdup(a, from->nulls, sizeof(bool) * (size_t)from->count);
    for (int i = 0; i < v->count; i++) {
        const TypeOps *ops = v->nulls[i] || v->types[i] == 0 ? NULL : type_info(v->types[i])->ops;
        if (ops)
            v->values[i] = datum_copy(a, v->values[i], ops->byval, ops->len);
    }
    return v;
}

void
portal_declare(CommandContext *c, const PgQuery__DeclareCursorStmt *s)
{
    if (!(s->options & CURSOR_HOLD))
        xact_require_block(c, "DECLARE CURSOR");
    if (s->portalname[0] == '\0')
        RAISE(SQLSTATE_INVALID_CURSOR_NAME, "invalid cursor name: must not be empty");
    if (portal_find(s->portalname))
        RAISE(SQLSTATE_DUPLICATE_CURSOR, "cursor \"%s\" already exists", s->portalname);
    CachedPlan *plan = cursor_plan(c, s->portalname, true);
    bool with_tid = plan != NULL;
    if (plan == NULL)
        plan = cursor_plan(c, s->portalname, false);
    ERR_TRY
    {
        Portal *p = portal_create(s->portalname, false);
        portal_bind(p, plan, copy_params(p->arena, c->params), NULL, 0);
        if (with_tid) {
            p->desc = arena_memdup(p->arena, plan->desc, sizeof(RowDesc));
            p->tid_column = p->desc->n--;
        }
        p->is_cursor = true;
        p->holdable = (s->options & CURSOR_HOLD) != 0;
        p->scrollable = (s->options & CURSOR_SCROLL) != 0;
        p->no_scroll = (s->options & CURSOR_NO_SCROLL) != 0;
        p->binary = (s->options & CURSOR_BINARY) != 0;
        /* the cursor sees the data as of now: own later commands are invisible to its snapshot */
        p->owner = res_create(res_current, "cursor");
        ResOwner *saved = res_current;
        res_current = p->owner;
        p->snapshot = snapshot_register(snapshot_for_statement());
        res_current = saved;
    }
    ERR_CATCH
    {
        cached_plan_release(plan);
        err_rethrow();
    }
    ERR_END;
    cached_plan_release(plan); /* the portal holds its own reference */
}

static Portal *
cursor_named(const char *name)
{
    Portal *p = portal_find(name);
    if (p == NULL || !p->is_cursor)
        RAISE(SQLSTATE_INVALID_CURSOR_NAME, "cursor \"%s\" does not exist", name);
    return p;
}

/* How many rows must be known for a fetch. */
static int64_t
rows_wanted(const Portal *p, PgQuery__FetchDirection dir, int64_t count)
{
    int64_t from = dir == PG_QUERY__FETCH_DIRECTION__FETCH_ABSOLUTE ? 0 : p->position;
    if (dir == PG_QUERY__FETCH_DIRECTION__FETCH_ABSOLUTE && count < 0)
        return ALL_ROWS; /* counted from the end */
    if (dir == PG_QUERY__FETCH_DIRECTION__FETCH_BACKWARD)
        count = count == INT64_MIN ? ALL_ROWS : -count;
    if (count < 0)
        return 0;
    return count > ALL_ROWS - from ? ALL_ROWS : from + count;
}

static void
refuse_backward(void)
{
    RAISE_ERR(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, err_message("cursor can only scan forward"), err_hint("Declare it with SCROLL option to enable backward scan."));
}

static int64_t
fetch_rows(Portal *p, PgQuery__FetchDirection dir, int64_t count, Dest *dest, bool is_move)
{
    store_until(p, rows_wanted(p, dir, count));
    int64_t total = rows_known(p), sent = 0;
    Dest *d = is_move ? &dest_none : dest;
    bool backward = false;
    switch (dir) {
    case PG_QUERY__FETCH_DIRECTION__FETCH_FORWARD:
        if (count < 0) {
            backward = true;
            count = -count;
        }
        break;
    case PG_QUERY__FETCH_DIRECTION__FETCH_BACKWARD:
        backward = count >= 0;
        count = count < 0 ? -count : count;
        break;
    default: { /* absolute and relative: one row */
        int64_t target = dir == PG_QUERY__FETCH_DIRECTION__FETCH_ABSOLUTE ? (count >= 0 ? count : total + count + 1) : p->position + count;
        if (target < p->position && p->no_scroll)
            refuse_backward();
        if (target < 1 || target > total) {
            p->position = target < 1 ? 0 : total + 1;
            send_stored(p, 0, 0, 1, d);
            return 0;
        }
        p->position = target;
        send_stored(p, target - 1, 1, 1, d);
        return 1;
    }
    }
    if (backward && p->no_scroll)
        refuse_backward();
    if (count == 0) { /* the current row again */
        bool on_row = p->position >= 1 && p->position <= total;
        send_stored(p, on_row ? p->position - 1 : 0, on_row, 1, d);
        return on_row;
    }
    if (!backward) {
        int64_t from = MIN(p->position, total);
        sent = MIN(count, total - from);
        send_stored(p, from, sent, 1, d);
        p->position = sent < count ? total + 1 : from + sent;
    } else {
        int64_t from = MIN(p->position - 1, total); /* rows before the current one */
        if (from < 0)
            from = 0;
        sent = MIN(count, from);
        send_stored(p, from - 1, sent, -1, d);
        p->position = sent < count ? 0 : from - sent + 1;
    }
    return sent;
}

void
portal_fetch(CommandContext *c, const PgQuery__FetchStmt *s)
{
    Portal *p = cursor_named(s->portalname);
    int64_t count = s->how_many;
    if (count >= INT32_MAX || count == INT64_MAX)
        count = INT64_MAX;
    if (count <= -INT32_MAX)
        count = -INT64_MAX;
    int64_t n = fetch_rows(p, s->direction, count, c->dest, s->ismove);
    snprintf(c->tag, sizeof c->tag, "%s %lld", s->ismove ? "MOVE" : "FETCH", (long long)n);
}

RowDesc *
portal_fetch_desc(Arena *a, const PgQuery__FetchStmt *s)
{
    (void)a;
    Portal *p = portal_find(s->portalname);
    return p && !s->ismove ? p->desc : NULL;
}

/* Where the row lies that the cursor stands on; what WHERE CURRENT OF names. */
bool
portal_cursor_position(const char *cursor, Oid table, ItemPtr *tid)
{
    const Portal *p = cursor_named(cursor);
    const RelDesc *rel = rel_cached(table);
    const PlannedStmt *s = only_stmt(p);
    if (p->nesting == 0)
        RAISE(SQLSTATE_INVALID_CURSOR_STATE, "cursor \"%s\" is held from a previous transaction", cursor);
    if (p->tid_column == 0 || s == NULL || !ints_has(s->relations, table))
        RAISE(SQLSTATE_INVALID_CURSOR_STATE, "cursor \"%s\" is not a simply updatable scan of table \"%s\"", cursor, rel ? rel->name : "?");
    const StoredRow *r = stored_row(p, p->position);
    if (r == NULL || r->nulls[p->tid_column - 1])
        RAISE(SQLSTATE_INVALID_CURSOR_STATE, "cursor \"%s\" is not positioned on a row", cursor);
    Datum d = r->values[p->tid_column - 1];
    *tid = (ItemPtr){datum_tid_block(d), datum_tid_offset(d)};
    return true;
}

void
portal_close(CommandContext *c, const PgQuery__ClosePortalStmt *s)
{
    (void)c;
    if (s->portalname[0] == '\0') {
        Portal *next;
        for (Portal *p = portals; p; p = next) {
            next = p->next;
            if (p->is_cursor)
                portal_drop(p);
        }
        return;
    }
    portal_drop(cursor_named(s->portalname));
}

/* ---- pg_cursors ---- */

int
portal_list_views(Arena *a, CursorView **out)
{
    int n = 0;
    for (const Portal *p = portals; p; p = p->next)
        n++;
    *out = ARENA_ARRAY(a, CursorView, n + 1);
    n = 0;
    for (const Portal *p = portals; p; p = p->next)
        if (p->is_cursor || (p->name[0] && p->name[0] != '<'))
            (*out)[n++] = (CursorView){.name = p->name, .statement = p->text, .holdable = p->holdable, .binary = p->binary,
                                       .scrollable = p->is_cursor && !p->no_scroll, .created = p->time};
    return n;
}

/* ---- rows to the client ---- */

typedef struct WireDest {
    Dest dest;
    Arena *arena;
    const RowDesc *desc;
    const int16_t *formats;
    int nformats;
    bool describe;
    RowSender *sender;
} WireDest;

static void
wire_start(Dest *d, const RowDesc *desc)
{
    WireDest *w = (WireDest *)d;
    if (w->desc == NULL) /* a statement without result columns */
        return;
    w->desc = desc;
    if (w->describe && desc)
        wire_send_row_description(desc, w->formats, w->nformats);
    w->sender = desc ? row_sender_new(w->arena, desc, w->formats, w->nformats) : NULL;
}

static bool
wire_rows(Dest *d, const Batch *b)
{
    if (((WireDest *)d)->sender)
        row_sender_send(((WireDest *)d)->sender, b);
    return true;
}

static void wire_finish(Dest *d) { (void)d; }

Dest *
dest_wire(Arena *a, const RowDesc *desc, const int16_t *formats, int nformats, bool describe)
{
    WireDest *w = ARENA_NEW(a, WireDest);
    w->dest = (Dest){wire_start, wire_rows, wire_finish, NULL};
    w->arena = a;
    w->desc = desc;
    w->formats = formats;
    w->nformats = nformats;
    w->describe = describe;
    return &w->dest;
}

bool
portal_uses_relation(Oid rel)
{
    for (Portal *p = portals; p; p = p->next) {
        if (p->exec == NULL || p->plan == NULL || (p->state != PORTAL_READY && p->state != PORTAL_ACTIVE))
            continue;
        for (int i = 0; i < list_count(p->plan->plans); i++)
            if (ints_has(((PlannedStmt *)list_at(p->plan->plans, i))->relations, rel))
                return true;
    }
    return false;
}
