/*
 * CREATE INDEX and REINDEX. CONCURRENTLY builds as a plain index does (it blocks writers while it
 * builds), after the checks that keep it out of transaction blocks.
 */
#include <sys/resource.h>

#include "core/base/clock.h"
#include "core/sql/command/command_internal.h"

#include "core/sql/analyze/analyze_internal.h"
#include "core/sql/command/scan_rows.h"

Oid
default_opclass(Oid type)
{
    Oid c = opclass_default(type, AM_BTREE_OID);

    if (c == 0)
        RAISE_ERR(SQLSTATE_UNDEFINED_OBJECT, err_message("data type %s has no default operator class for access method \"btree\"", type_format(txn_arena(), type, -1, false)),
                  err_hint("You must specify an operator class for the index or define a default operator class for the data type."));
    return c;
}

static Oid
opclass_of(const PgQuery__IndexElem *e, Oid type)
{
    const char *nsp, *name;

    if (e->n_opclass == 0)
        return default_opclass(type);
    if (e->n_opclassopts)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "operator class %s has no options", names_text(txn_arena(), e->opclass, e->n_opclass));
    names_split(e->opclass, e->n_opclass, &nsp, &name);
    Oid c = opclass_lookup(nsp, name, AM_BTREE_OID);
    if (c == 0)
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "operator class \"%s\" does not exist for access method \"btree\"", names_text(txn_arena(), e->opclass, e->n_opclass));
    Oid in = datum_oid(cat_val(cat_get_by_oid(CAT_PG_OPCLASS, c), PG_OPCLASS_OPCINTYPE));
    if (in != type_base(type, NULL) && !is_binary_coercible(type_base(type, NULL), in))
        RAISE(SQLSTATE_DATATYPE_MISMATCH, "operator class \"%s\" does not accept data type %s", names_text(txn_arena(), e->opclass, e->n_opclass),
              type_format(txn_arena(), type, -1, false));
    return c;
}

typedef struct Columns {
    int n, nkeys;
    int16_t atts[MAX_INDEX_KEYS];
    Oid classes[MAX_INDEX_KEYS], colls[MAX_INDEX_KEYS];
    int16_t options[MAX_INDEX_KEYS];
    List *exprs;
    List *names; /* for the generated name */
} Columns;

/* A name not yet used in the list: "expr", "expr1" ... */
static char *
unique_column_name(Arena *a, const List *names, const char *name)
{
    char *out = arena_strdup(a, name);

    for (int i = 1;; i++) {
        bool used = false;
        for (int k = 0; k < list_count(names); k++)
            used |= strcmp(list_at(names, k), out) == 0;
        if (!used)
            return out;
        out = arena_printf(a, "%s%d", name, i);
    }
}

static void
add_element(CommandContext *c, RelDesc *rel, const PgQuery__IndexElem *e, Columns *x, bool key)
{
    Arena *a = c->arena;
    Oid type, coll;

    if (GIVEN(e->name)) {
        int att = rel_attnum(rel, e->name);
        if (att == 0)
            RAISE(SQLSTATE_UNDEFINED_COLUMN, "column \"%s\" does not exist", e->name);
        if (att < 0)
            UNSUPPORTED("index creation on system columns is not supported");
        x->atts[x->n] = (int16_t)att;
        type = rel->cols[att - 1].type;
        coll = rel->cols[att - 1].collation;
        list_push(x->names, unique_column_name(a, x->names, e->name));
    } else {
        if (!key)
            UNSUPPORTED("expressions are not supported in included columns");
        Expr *ex = sql_analyze_expr(a, e->expr, rel, c->text, "index expressions");
        if (IS(ex, Const) && type_info(ex->type)->typtype == 'p')
            ex = sql_coerce_assignment(a, ex, TEXT_OID, -1, COLLATION_DEFAULT, "expr");
        if (IS(ex, Var) && ((Var *)ex)->attno > 0)
            x->atts[x->n] = (int16_t)((Var *)ex)->attno; /* a column in parentheses */
        else {
            if (expr_contains_mutable(ex))
                RAISE(SQLSTATE_INVALID_OBJECT_DEFINITION, "functions in index expression must be marked IMMUTABLE");
            x->atts[x->n] = 0;
            list_push(x->exprs, ex);
        }
        type = ex->type;
        coll = ex->collation;
        const char *name = figure_column_name(e->expr);
        list_push(x->names, unique_column_name(a, x->names, strcmp(name, "?column?") == 0 ? "expr" : name));
    }
    if (e->n_collation) {
        if (!key)
            RAISE(SQLSTATE_INVALID_OBJECT_DEFINITION, "including column does not support a collation");
        PgQuery__CollateClause cc = PG_QUERY__COLLATE_CLAUSE__INIT;
        cc.collname = e->collation;
        cc.n_collname = e->n_collation;
        cc.location = -1;
        if (type_info(type)->collation == 0)
            RAISE(SQLSTATE_DATATYPE_MISMATCH, "collations are not supported by type %s", type_format(a, type, -1, false));
        coll = sql_resolve_collation(&cc);
    }
    if (!key) {
        if (e->n_opclass)
            RAISE(SQLSTATE_INVALID_OBJECT_DEFINITION, "including column does not support an operator class");
        if (e->ordering > PG_QUERY__SORT_BY_DIR__SORTBY_DEFAULT)
            RAISE(SQLSTATE_INVALID_OBJECT_DEFINITION, "including column does not support ASC/DESC options");
        if (e->nulls_ordering > PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_DEFAULT)
            RAISE(SQLSTATE_INVALID_OBJECT_DEFINITION, "including column does not support NULLS FIRST/LAST options");
        x->classes[x->n] = 0;
        x->colls[x->n++] = 0;
        return;
    }
    if (type_info(type)->collation && coll == 0)
        RAISE_ERR(SQLSTATE_INDETERMINATE_COLLATION, err_message("could not determine which collation to use for index expression"),
                  err_hint("Use the COLLATE clause to set the collation explicitly."));
    bool desc = e->ordering == PG_QUERY__SORT_BY_DIR__SORTBY_DESC;
    bool first = e->nulls_ordering == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST || (desc && e->nulls_ordering != PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_LAST);
    x->classes[x->n] = opclass_of(e, type);
    x->colls[x->n] = type_info(type)->collation ? coll : 0;
    x->options[x->n++] = (int16_t)((desc ? 1 : 0) | (first ? 2 : 0));
}

Oid
index_from_definition(CommandContext *c, RelDesc *rel, const PgQuery__IndexStmt *s)
{
    Arena *a = c->arena;
    Columns x = {.exprs = list_new(a), .names = list_new(a)};
    Expr *pred = NULL;
    bool no_options;

    if (s->n_index_params == 0)
        RAISE(SQLSTATE_INVALID_OBJECT_DEFINITION, "must specify at least one column");
    if (s->n_index_params + s->n_index_including_params > MAX_INDEX_KEYS)
        RAISE(SQLSTATE_TOO_MANY_COLUMNS, "cannot use more than %d columns in an index", MAX_INDEX_KEYS);
    if (s->where_clause) {
        Scope *sc = scope_new(a, NULL, c->text, NULL);
        pred = coerce_to_boolean(sc, sql_analyze_expr(a, s->where_clause, rel, c->text, "index predicates"), "WHERE");
        if (expr_contains_mutable(pred))
            RAISE(SQLSTATE_INVALID_OBJECT_DEFINITION, "functions in index predicate must be marked IMMUTABLE");
    }
    for (size_t i = 0; i < s->n_index_params; i++)
        add_element(c, rel, s->index_params[i]->index_elem, &x, true);
    x.nkeys = x.n;
    for (size_t i = 0; i < s->n_index_including_params; i++)
        add_element(c, rel, s->index_including_params[i]->index_elem, &x, false);
    const char *name = GIVEN(s->idxname) ? s->idxname : choose_relation_name(a, rel->name, join_names(a, x.names), "idx", rel->nsp);
    if (rel_lookup(rel->nsp_name, name)) {
        if (!s->if_not_exists)
            RAISE(SQLSTATE_DUPLICATE_TABLE, "relation \"%s\" already exists", name);
        REPORT(LEVEL_NOTICE, SQLSTATE_DUPLICATE_TABLE, err_message("relation \"%s\" already exists, skipping", name));
        return 0;
    }
    Datum opts = reloptions_make(a, 0, true, s->options, s->n_options, 'i', false, &no_options);
    Oid ix = index_create(rel->oid, name, x.nkeys, x.n, x.atts, x.classes, x.colls, x.options, list_count(x.exprs) ? x.exprs : NULL, pred, s->unique, false, true,
                          s->nulls_not_distinct, true);
    txn_command_increment();
    if (!no_options) {
        RowEdit *row = class_edit(a, ix);
        row_set(row, PG_CLASS_RELOPTIONS, opts);
        row_save(row);
    }
    rel_invalidate(rel->oid);
    txn_command_increment();
    return ix;
}

void
cmd_create_index(CommandContext *c, const PgQuery__IndexStmt *s)
{
    if (s->concurrent && session_hooks.require_no_block)
        session_hooks.require_no_block(c, "CREATE INDEX CONCURRENTLY");
    if (GIVEN(s->table_space) && strcmp(s->table_space, "pg_default") != 0)
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "tablespace \"%s\" does not exist", s->table_space);
    RelDesc *rel = range_var_open(s->relation, s->concurrent ? LOCK_SHARE_UPDATE_EXCLUSIVE : LOCK_SHARE, false);
    if (rel->kind != 'r' && rel->kind != 'm')
        RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("cannot create index on relation \"%s\"", rel->name),
                  err_detail("This operation is not supported for %ss.", rel->kind == 'i' ? "indexe" : relkind_noun(rel->kind)));
    acl_require_owner(CAT_PG_CLASS, rel->oid);
    require_ordinary(rel);
    if (s->concurrent)
        rel = rel_open(rel->oid, LOCK_SHARE);
    if (s->n_exclude_op_names)
        UNSUPPORTED("exclusion constraints are not supported");
    if (GIVEN(s->access_method) && strcmp(s->access_method, "btree") != 0) {
        static const char *const others[] = {"hash", "gist", "gin", "brin", "spgist"};
        for (size_t i = 0; i < COUNT_OF(others); i++)
            if (strcmp(s->access_method, others[i]) == 0)
                UNSUPPORTED("access method \"%s\" is not supported", s->access_method);
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "access method \"%s\" does not exist", s->access_method);
    }
    index_from_definition(c, rel, s);
}

/* ---- REINDEX ---- */

static bool reindex_verbose;

static void
report_reindexed(const RelDesc *ix, const struct rusage *from, TimestampTz started)
{
    struct rusage now;
    getrusage(RUSAGE_SELF, &now);
    int64_t user = (now.ru_utime.tv_sec - from->ru_utime.tv_sec) * 1000000LL + (now.ru_utime.tv_usec - from->ru_utime.tv_usec);
    int64_t sys = (now.ru_stime.tv_sec - from->ru_stime.tv_sec) * 1000000LL + (now.ru_stime.tv_usec - from->ru_stime.tv_usec);
    int64_t elapsed = clock_now() - started;

    REPORT(LEVEL_INFO, SQLSTATE_SUCCESS, err_message("index \"%s\" was reindexed", ix->name),
           err_detail("CPU: user: %.2f s, system: %.2f s, elapsed: %.2f s", (double)user / 1e6, (double)sys / 1e6, (double)elapsed / 1e6));
}

static void
reindex_one(Oid index)
{
    struct rusage from;
    TimestampTz started = clock_now();

    getrusage(RUSAGE_SELF, &from);

    RelDesc *ix = rel_open(index, LOCK_ACCESS_EXCLUSIVE);

    if (ix->kind != 'i')
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is not an index", ix->name);
    rel_open(ix->index->heap, LOCK_SHARE);
    rel_set_new_storage(index);
    rel_invalidate(index);
    txn_command_increment();
    index_build(index);
    txn_command_increment();
    if (reindex_verbose)
        report_reindexed(rel_open_again(index), &from, started);
}

static void
reindex_table(RelDesc *rel)
{
    int n = rel->nindexes;

    for (int i = 0; i < n; i++)
        reindex_one(rel->indexes[i]);
    if (rel->toast_rel) {
        RelDesc *toast = rel_open(rel->toast_rel, LOCK_SHARE);
        for (int i = 0; i < toast->nindexes; i++)
            reindex_one(toast->indexes[i]);
    }
}

static void
reindex_schema(CommandContext *c, Oid nsp, bool skip_system)
{
    List *tables = list_new(c->arena);
    CatScan *s = cat_scan_begin(CAT_PG_CLASS, 0, 0, NULL);
    const CatRow *r;

    while ((r = cat_scan_next(s)) != NULL) {
        char kind = (char)cat_val(r, PG_CLASS_RELKIND);
        Oid oid = datum_oid(cat_val(r, PG_CLASS_OID)), in = datum_oid(cat_val(r, PG_CLASS_RELNAMESPACE));
        if ((kind != 'r' && kind != 'm') || (nsp && in != nsp) || (skip_system && oid < OID_FIRST_USER))
            continue;
        if ((char)cat_val(r, PG_CLASS_RELPERSISTENCE) == 't' && !nsp_is_temp(in))
            continue;
        list_push(tables, (void *)(uintptr_t)oid);
    }
    cat_scan_end(s);
    for (int i = 0; i < list_count(tables); i++) {
        RelDesc *rel = rel_try_open((Oid)(uintptr_t)list_at(tables, i), LOCK_SHARE);
        if (rel)
            reindex_table(rel);
    }
}

void
cmd_reindex(CommandContext *c, const PgQuery__ReindexStmt *s)
{
    bool concurrently = false;

    reindex_verbose = false;
    for (size_t i = 0; i < s->n_params; i++) {
        const PgQuery__DefElem *d = s->params[i]->def_elem;
        if (strcmp(d->defname, "concurrently") == 0)
            concurrently = def_bool(d);
        else if (strcmp(d->defname, "verbose") == 0)
            reindex_verbose = def_bool(d);
        else if (strcmp(d->defname, "tablespace") == 0)
            UNSUPPORTED("REINDEX to another tablespace is not supported");
        else
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, d->location, "unrecognized REINDEX option \"%s\"", d->defname);
    }
    if (concurrently && session_hooks.require_no_block)
        session_hooks.require_no_block(c, "REINDEX CONCURRENTLY");
    switch (s->kind) {
    case PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_INDEX: {
        Oid oid = range_var_lookup(s->relation, false);
        RelDesc *r = rel_open(oid, LOCK_ACCESS_SHARE);
        if (r->kind != 'i')
            RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is not an index", r->name);
        acl_require_owner(CAT_PG_CLASS, oid);
        reindex_one(oid);
        break;
    }
    case PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_TABLE: {
        RelDesc *r = range_var_open(s->relation, LOCK_SHARE, false);
        if (r->kind != 'r' && r->kind != 'm' && r->kind != 't')
            RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is not a table or materialized view", r->name);
        acl_require_owner(CAT_PG_CLASS, r->oid);
        if (r->nindexes == 0)
            REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("table \"%s\" has no indexes to reindex", r->name));
        reindex_table(r);
        break;
    }
    case PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_SCHEMA: {
        if (session_hooks.require_no_block)
            session_hooks.require_no_block(c, "REINDEX SCHEMA");
        Oid nsp = nsp_oid(s->name, false);
        acl_require_owner(CAT_PG_NAMESPACE, nsp);
        reindex_schema(c, nsp, false);
        break;
    }
    case PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_DATABASE:
        if (session_hooks.require_no_block)
            session_hooks.require_no_block(c, "REINDEX DATABASE");
        if (GIVEN(s->name) && database_oid(s->name, true) != catalog_database)
            UNSUPPORTED("can only reindex the currently open database");
        acl_require_owner(CAT_PG_DATABASE, catalog_database);
        reindex_schema(c, 0, true);
        break;
    default: UNSUPPORTED("REINDEX SYSTEM is not supported");
    }
}
