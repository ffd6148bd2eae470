/*
 * CREATE TABLE AS, SELECT INTO, CREATE MATERIALIZED VIEW and REFRESH: a query's rows into a new table by
 * the bulk path.
 */
#include "core/sql/command/command_internal.h"

typedef struct TableDest {
    Dest dest;
    TableWriter *writer;
    Arena *arena;
} TableDest;

static void dest_start(Dest *d, const RowDesc *desc) {}
static void dest_finish(Dest *d) {}

static bool
dest_rows(Dest *d, const Batch *b)
{
    TableDest *t = d->arg;

    writer_insert_batch(t->writer, b);
    return true;
}

static uint64_t
fill(CommandContext *c, PlannedStmt *p, const ParamValues *params, Oid rel)
{
    Exec *x = exec_create(c->arena, p);
    TableDest t = {.dest = {dest_start, dest_rows, dest_finish, NULL}, .arena = c->arena};

    t.dest.arg = &t;
    exec_start(x, snapshot_for_statement(), params, false);
    t.writer = writer_open(c->arena, rel_open_again(rel), true);
    uint64_t n = exec_run(x, 0, false, &t.dest);
    writer_close(t.writer);
    exec_finish(x);
    return n;
}

static Oid
make_relation(CommandContext *c, const PgQuery__IntoClause *into, const List *targets, char kind)
{
    const PgQuery__RangeVar *rv = into->rel;
    char persistence = GIVEN(rv->relpersistence) ? rv->relpersistence[0] : 'p';
    Arena *a = c->arena;
    int n = 0;
    bool no_options;
    NewColumn *cols = ARENA_ARRAY(a, NewColumn, list_count(targets) + 1);

    for (int i = 0; i < list_count(targets); i++) {
        const TargetEntry *te = list_at(targets, i);
        if (te->junk)
            continue;
        const char *name = (size_t)n < into->n_col_names ? pnode_string(into->col_names[n]) : te->name;
        const TypeInfo *t = type_info(te->expr->type);
        if (t->collation && te->expr->collation == 0)
            RAISE_ERR(SQLSTATE_INDETERMINATE_COLLATION, err_message("no collation was derived for column \"%s\" with collatable type %s", name, type_format(a, te->expr->type, -1, false)),
                      err_hint("Use the COLLATE clause to set the collation explicitly."));
        cols[n++] = (NewColumn){.name = name, .type = te->expr->type, .typmod = te->expr->typmod, .collation = t->collation ? te->expr->collation : 0};
    }
    if (into->n_col_names > (size_t)n)
        RAISE(SQLSTATE_SYNTAX_ERROR, "too many column names were specified");
    if (GIVEN(into->table_space_name) && strcmp(into->table_space_name, "pg_default") != 0)
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "tablespace \"%s\" does not exist", into->table_space_name);
    if (GIVEN(rv->schemaname) && strcmp(rv->schemaname, "pg_temp") == 0)
        persistence = 't';
    if (into->on_commit > PG_QUERY__ON_COMMIT_ACTION__ONCOMMIT_NOOP && persistence != 't')
        RAISE(SQLSTATE_INVALID_TABLE_DEFINITION, "ON COMMIT can only be used on temporary tables");
    Oid nsp = nsp_for_creation(GIVEN(rv->schemaname) ? rv->schemaname : NULL, persistence == 't');
    if (nsp_is_temp(nsp))
        persistence = 't';
    check_new_relation_schema(nsp, rv->relname);
    Datum opts = reloptions_make(a, 0, true, into->options, into->n_options, kind, false, &no_options);
    Oid oid = rel_create(rv->relname, nsp, kind, persistence, current_user_oid, cols, n, 0, no_options ? 0 : opts, 0);
    txn_command_increment();
    rel_open(oid, LOCK_ACCESS_EXCLUSIVE);
    if (into->on_commit > PG_QUERY__ON_COMMIT_ACTION__ONCOMMIT_PRESERVE_ROWS)
        remember_on_commit(oid, into->on_commit);
    return oid;
}

static bool
exists_already(CommandContext *c, const PgQuery__RangeVar *rv, bool if_not_exists)
{
    range_var_check_catalog(rv);
    Oid nsp = nsp_for_creation(GIVEN(rv->schemaname) ? rv->schemaname : NULL, GIVEN(rv->relpersistence) && rv->relpersistence[0] == 't');
    if (rel_lookup(nsp_name(c->arena, nsp), rv->relname) == 0)
        return false;
    if (!if_not_exists)
        RAISE(SQLSTATE_DUPLICATE_TABLE, "relation \"%s\" already exists", rv->relname);
    REPORT(LEVEL_NOTICE, SQLSTATE_DUPLICATE_TABLE, err_message("relation \"%s\" already exists, skipping", rv->relname));
    return true;
}

/* The rows of a materialised view come from the query its rule keeps. */
static void
store_matview_rule(CommandContext *c, Oid rel, Query *q)
{
    Arena *a = c->arena;
    RowEdit *row = row_new(a, CAT_PG_REWRITE);
    Oid rule = cat_new_oid(CAT_PG_REWRITE);
    ObjAddr self = {CAT_PG_REWRITE, rule, 0};

    row_set(row, PG_REWRITE_OID, oid_datum(rule));
    row_set_name(a, row, PG_REWRITE_RULENAME, "_RETURN");
    row_set(row, PG_REWRITE_EV_CLASS, oid_datum(rel));
    row_set(row, PG_REWRITE_EV_TYPE, (Datum)'1');
    row_set(row, PG_REWRITE_EV_ENABLED, (Datum)'O');
    row_set(row, PG_REWRITE_IS_INSTEAD, bool_datum(true));
    row_set(row, PG_REWRITE_EV_QUAL, var_from_cstring(a, "<>"));
    row_set(row, PG_REWRITE_EV_ACTION, var_from_cstring(a, node_write(a, q)));
    row_insert(row);
    RowEdit *e = class_edit(a, rel);
    row_set(e, PG_CLASS_RELHASRULES, bool_datum(true));
    row_save(e);
    depend_add(self, (ObjAddr){CAT_PG_CLASS, rel, 0}, 'i');
    depend_add_expr(self, q, 0, 'n');
    rel_invalidate(rel);
    txn_command_increment();
}

static void
set_populated(CommandContext *c, Oid rel, bool on)
{
    RowEdit *e = class_edit(c->arena, rel);

    row_set(e, PG_CLASS_RELISPOPULATED, bool_datum(on));
    row_save(e);
}

static PlannedStmt *
plan_one(CommandContext *c, Node *q, const ParamValues *params)
{
    List *plans = sql_plan_all(c->arena, q, c->text, params, 0);

    if (list_count(plans) != 1)
        UNSUPPORTED("statements that rewrite to several are not supported here");
    return list_at(plans, 0);
}

static void
create_as(CommandContext *c, const PNode *query, const PgQuery__IntoClause *into, bool if_not_exists, bool matview)
{
    ParamTypes *types = ARENA_NEW(c->arena, ParamTypes);
    RawStmt raw = {(PNode *)query, 0, 0};
    ParamValues *exec_params = NULL;
    PlannedStmt *p;
    List *targets;
    Query *kept = NULL;

    if (exists_already(c, into->rel, if_not_exists))
        return;
    types->arena = c->arena;
    if (c->params) {
        types->types = c->params->types;
        types->count = c->params->count;
    }
    if (query->node_case == PN(EXECUTE_STMT)) {
        if (session_hooks.explain_execute == NULL)
            UNSUPPORTED("CREATE TABLE AS EXECUTE is not supported without a session");
        p = session_hooks.explain_execute(c, query->execute_stmt, &exec_params);
        if (p->command != CMD_SELECT)
            RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "prepared statement is not a SELECT");
        targets = p->plan->targets;
    } else {
        Query *q = (Query *)sql_analyze(c->arena, &raw, c->text, types);
        if (matview) {
            if (c->params && c->params->count)
                UNSUPPORTED("materialized views may not be defined using bound parameters");
            kept = node_copy(c->arena, q);
            for (int i = 0, n = 0; i < list_count(kept->targets); i++) {
                TargetEntry *te = list_at(kept->targets, i);
                if (!te->junk && (size_t)n < into->n_col_names)
                    te->name = (char *)pnode_string(into->col_names[n]);
                n += !te->junk;
            }
        }
        targets = node_copy(c->arena, q) ? q->targets : NULL;
        p = plan_one(c, (Node *)q, c->params);
        exec_params = (ParamValues *)c->params;
    }
    Oid rel = make_relation(c, into, targets, matview ? 'm' : 'r');
    if (matview) {
        store_matview_rule(c, rel, kept);
        if (into->skip_data)
            set_populated(c, rel, false);
    }
    uint64_t n = into->skip_data ? 0 : fill(c, p, exec_params, rel);
    if (into->skip_data)
        snprintf(c->tag, sizeof c->tag, matview ? "CREATE MATERIALIZED VIEW" : "CREATE TABLE AS");
    else
        snprintf(c->tag, sizeof c->tag, "SELECT %llu", (unsigned long long)n);
}

void
cmd_create_table_as(CommandContext *c, const PgQuery__CreateTableAsStmt *s)
{
    create_as(c, s->query, s->into, s->if_not_exists, s->objtype == OBJ(MATVIEW));
}

void
cmd_select_into(CommandContext *c, const PgQuery__SelectStmt *s)
{
    /* The same statement without its INTO. Set operations carry it in their leftmost branch. */
    PgQuery__SelectStmt *copy = arena_memdup(c->arena, s, sizeof *s);
    PgQuery__SelectStmt *at = copy;
    PNode node = PG_QUERY__NODE__INIT;

    while (at->into_clause == NULL && at->larg) {
        at->larg = arena_memdup(c->arena, at->larg, sizeof *at->larg);
        at = at->larg;
    }
    PgQuery__IntoClause *into = at->into_clause;
    if (into == NULL)
        INTERNAL_ERROR("SELECT without INTO as a utility statement");
    at->into_clause = NULL;
    node.node_case = PN(SELECT_STMT);
    node.select_stmt = copy;
    create_as(c, &node, into, false, false);
}

void
cmd_refresh_matview(CommandContext *c, const PgQuery__RefreshMatViewStmt *s)
{
    RelDesc *r = range_var_open(s->relation, s->concurrent ? LOCK_EXCLUSIVE : LOCK_ACCESS_EXCLUSIVE, false);

    if (r->kind != 'm')
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "\"%s\" is not a materialized view", r->name);
    acl_require_owner(CAT_PG_CLASS, r->oid);
    if (s->concurrent && s->skip_data)
        RAISE(SQLSTATE_SYNTAX_ERROR, "%s and %s options cannot be used together", "CONCURRENTLY", "WITH NO DATA");
    bool unique = false;
    for (int i = 0; i < r->nindexes; i++) {
        IndexDesc *x = index_open(r->indexes[i], LOCK_ACCESS_SHARE);
        unique |= x->unique && !x->predicate_tree && !x->expr_trees;
    }
    if (s->concurrent && !unique)
        RAISE_ERR(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                  err_message("cannot refresh materialized view \"%s.%s\" concurrently", sql_quote_ident(c->arena, r->nsp_name), sql_quote_ident(c->arena, r->name)),
                  err_hint("Create a unique index with no WHERE clause on one or more columns of the materialized view."));
    Oid oid = r->oid;
    Query *q = node_read(c->arena, r->view_tree);
    rel_open(oid, LOCK_ACCESS_EXCLUSIVE);
    rel_set_new_storage(oid);
    rel_invalidate(oid);
    txn_command_increment();
    if (!s->skip_data)
        fill(c, plan_one(c, (Node *)q, NULL), NULL, oid);
    set_populated(c, oid, !s->skip_data);
    rel_invalidate(oid);
}
