/*
 * CREATE TABLE. Order: columns and constraints are read (sequences of serial and identity columns are
 * made on the way), the relation is made, then defaults, checks, keys and foreign keys are added to it,
 * each seeing what stands already.
 */
#include "core/sql/command/command_internal.h"

#include "core/sql/command/scan_rows.h"

#define NOTICE_EXISTS(name)                                                                          \
    REPORT(LEVEL_NOTICE, SQLSTATE_DUPLICATE_TABLE, err_message("relation \"%s\" already exists, skipping", name))

static void
refuse_unsupported(const PgQuery__CreateStmt *s)
{
    for (size_t i = 0; i < s->n_inh_relations; i++)
        range_var_lookup(s->inh_relations[i]->range_var, false);
    if (s->n_inh_relations && s->partbound == NULL)
        UNSUPPORTED("table inheritance is not supported");
    if (s->partbound || s->partspec)
        UNSUPPORTED("table partitioning is not supported");
    if (s->of_typename)
        UNSUPPORTED("typed tables are not supported");
    if (GIVEN(s->tablespacename) && strcmp(s->tablespacename, "pg_default") != 0)
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "tablespace \"%s\" does not exist", s->tablespacename);
    if (GIVEN(s->access_method) && strcmp(s->access_method, "heap") != 0)
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "access method \"%s\" does not exist", s->access_method);
}

/* The schema a new relation goes to; the position of a missing one is told, as CREATE TABLE does. */
static Oid
creation_schema(const PgQuery__RangeVar *rv, char persistence)
{
    const char *nsp = GIVEN(rv->schemaname) ? rv->schemaname : NULL;

    range_var_check_catalog(rv);
    if (nsp && strcmp(nsp, "pg_temp") != 0 && nsp_oid(nsp, true) == 0)
        RAISE_AT(SQLSTATE_UNDEFINED_SCHEMA, rv->location, "schema \"%s\" does not exist", nsp);
    Oid oid = 0;
    ERR_TRY
    {
        oid = nsp_for_creation(nsp, persistence == 't');
    }
    ERR_CATCH
    {
        ErrReport *r = err_copy(txn_arena(), err_current());
        r->position = rv->location;
        err_clear();
        err_throw_report(r);
    }
    ERR_END;
    check_new_relation_schema(oid, rv->relname);
    return oid;
}

static char
persistence_of(const PgQuery__RangeVar *rv)
{
    if (GIVEN(rv->schemaname) && strcmp(rv->schemaname, "pg_temp") == 0)
        return 't';
    return GIVEN(rv->relpersistence) ? rv->relpersistence[0] : 'p';
}

/* True when the name is taken and that is fine. */
static bool
name_taken(Oid nsp, const char *name, bool if_not_exists)
{
    if (rel_lookup(nsp_name(txn_arena(), nsp), name) == 0)
        return false;
    if (!if_not_exists)
        RAISE(SQLSTATE_DUPLICATE_TABLE, "relation \"%s\" already exists", name);
    NOTICE_EXISTS(name);
    return true;
}

static void
check_key_columns(TableSpec *t)
{
    for (int i = 0; i < list_count(t->keys); i++) {
        KeySpec *k = list_at(t->keys, i);
        for (int j = 0; j < list_count(k->columns); j++) {
            const char *name = list_at(k->columns, j);
            ColumnSpec *s = table_spec_find(t, name);
            if (s == NULL)
                RAISE_AT(SQLSTATE_UNDEFINED_COLUMN, k->con->location, "column \"%s\" named in key does not exist", name);
            for (int m = 0; m < j; m++)
                if (strcmp(list_at(k->columns, m), name) == 0)
                    RAISE_AT(SQLSTATE_DUPLICATE_COLUMN, k->con->location,
                             k->primary ? "column \"%s\" appears twice in primary key constraint" : "column \"%s\" appears twice in unique constraint", name);
            if (k->primary)
                s->col.not_null = true;
        }
    }
}

static char
storage_char(const char *name, Oid type)
{
    static const struct { const char *name; char c; } kinds[] = {{"plain", 'p'}, {"external", 'e'}, {"extended", 'x'}, {"main", 'm'}};

    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (str_casecmp_ascii(kinds[i].name, name) == 0) {
            if (kinds[i].c != 'p' && type_info(type)->storage == 'p')
                RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "column data type %s can only have storage PLAIN", type_format(txn_arena(), type, -1, false));
            return kinds[i].c;
        }
    RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid storage type \"%s\"", name);
}

static void
apply_column_attributes(Arena *a, Oid rel, TableSpec *t)
{
    for (int i = 0; i < list_count(t->columns); i++) {
        ColumnSpec *s = list_at(t->columns, i);
        if (s->storage == NULL && s->compression == NULL)
            continue;
        RowEdit *e = attribute_edit(a, rel, i + 1);
        if (s->storage)
            row_set(e, PG_ATTRIBUTE_ATTSTORAGE, (Datum)storage_char(s->storage, s->col.type));
        if (s->compression && strcmp(s->compression, "default") != 0) {
            if (strcmp(s->compression, "pglz") != 0 && strcmp(s->compression, "lz4") != 0)
                RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid compression method \"%s\"", s->compression);
            row_set(e, PG_ATTRIBUTE_ATTCOMPRESSION, (Datum)s->compression[0]);
        }
        row_save(e);
    }
}

static void
add_defaults(CommandContext *c, Oid oid, TableSpec *t)
{
    RelDesc *rel = rel_open_again(oid);

    for (int i = 0; i < list_count(t->columns); i++) {
        ColumnSpec *s = list_at(t->columns, i);
        if (s->raw_default == NULL && s->cooked_default == NULL)
            continue;
        bool generated = s->col.generated != 0;
        const ColDesc *col = &rel->cols[i];
        Expr *e = s->cooked_default;
        if (e == NULL)
            e = cook_default(c->arena, s->raw_default, rel, col, c->text, generated);
        else if (!s->from_like)
            e = sql_coerce_assignment(c->arena, e, col->type, col->typmod, col->collation, col->name);
        if (IS(e, Const) && ((Const *)e)->isnull)
            continue; /* DEFAULT NULL is no default */
        store_default(c->arena, rel, i + 1, e, generated);
    }
}

static void
add_sequences(Oid rel, TableSpec *t)
{
    for (int i = 0; i < list_count(t->columns); i++) {
        ColumnSpec *s = list_at(t->columns, i);
        if (s->sequence)
            sequence_own(s->sequence, rel, i + 1, s->col.identity ? 'i' : 'a');
    }
}

static void
add_checks(CommandContext *c, Oid rel, TableSpec *t)
{
    for (int i = 0; i < list_count(t->checks); i++) {
        CheckSpec *k = list_at(t->checks, i);
        for (int j = 0; k->name && j < i; j++) {
            const char *other = ((CheckSpec *)list_at(t->checks, j))->name;
            if (other && strcmp(other, k->name) == 0)
                RAISE(SQLSTATE_DUPLICATE_OBJECT, "check constraint \"%s\" already exists", k->name);
        }
        RelDesc *r = rel_open_again(rel);
        Expr *e = k->cooked ? k->cooked : cook_check(c->arena, k->con->raw_expr, r, c->text);
        add_check(c->arena, r, k->name, e, true, k->no_inherit, NULL);
    }
}

static void
add_keys(CommandContext *c, Oid rel, TableSpec *t)
{
    for (int primary = 1; primary >= 0; primary--)
        for (int i = 0; i < list_count(t->keys); i++) {
            KeySpec *k = list_at(t->keys, i);
            if (k->primary == primary)
                add_key(c, rel_open_again(rel), k->con, k->columns);
        }
}

/* LIKE ... INCLUDING INDEXES: the same index over the columns of the same names. */
static void
copy_index(CommandContext *c, Oid rel, Oid index)
{
    Arena *a = c->arena;
    RelDesc *from_ix = rel_open(index, LOCK_ACCESS_SHARE);
    IndexDesc *x = from_ix->index;
    RelDesc *from = rel_open(x->heap, LOCK_ACCESS_SHARE), *to = rel_open_again(rel);
    int16_t atts[MAX_INDEX_KEYS];
    List *names = list_new(a);

    if (x->expr_trees || x->predicate_tree)
        UNSUPPORTED("LIKE INCLUDING INDEXES of expression or partial indexes is not supported");
    for (int i = 0; i < x->ncolumns; i++) {
        atts[i] = (int16_t)rel_attnum(to, from->cols[x->attnums[i] - 1].name);
        list_push(names, from->cols[x->attnums[i] - 1].name);
    }
    Oid con = index_constraint(index);
    const char *name = x->primary ? choose_relation_name(a, to->name, NULL, "pkey", to->nsp)
                                  : choose_relation_name(a, to->name, join_names(a, names), con ? "key" : "idx", to->nsp);
    for (int i = 0; x->primary && i < x->nkeys; i++)
        if (!to->cols[atts[i] - 1].not_null)
            set_not_null(a, rel, atts[i], true);
    Oid ix = index_create(rel, name, x->nkeys, x->ncolumns, atts, x->opclass, x->collation, x->options, NULL, NULL, x->unique, x->primary, x->immediate, x->nulls_not_distinct, true);
    txn_command_increment();
    if (con)
        constraint_create(name, to->nsp, x->primary ? 'p' : 'u', !x->immediate, false, true, rel, atts, x->nkeys, ix, 0, NULL, NULL, 0, 0, 0, NULL, 0, NULL, 0, true);
    rel_invalidate(rel);
    txn_command_increment();
}

static Oid
make_table(CommandContext *c, TableSpec *t, PNode **options, size_t noptions, Oid owner)
{
    Arena *a = c->arena;
    int n = list_count(t->columns);
    NewColumn *cols = ARENA_ARRAY(a, NewColumn, n + 1);
    bool no_options;
    Datum opts = reloptions_make(a, 0, true, options, noptions, 'r', false, &no_options);

    for (int i = 0; i < n; i++)
        cols[i] = ((ColumnSpec *)list_at(t->columns, i))->col;
    Oid oid = rel_create(t->name, t->nsp, 'r', t->persistence, owner, cols, n, 0, no_options ? 0 : opts, 0);
    txn_command_increment();
    rel_open(oid, LOCK_ACCESS_EXCLUSIVE);
    return oid;
}

void
cmd_create_table(CommandContext *c, const PgQuery__CreateStmt *s)
{
    TableSpec t;
    char persistence = persistence_of(s->relation);

    refuse_unsupported(s);
    if (s->oncommit > PG_QUERY__ON_COMMIT_ACTION__ONCOMMIT_NOOP && persistence != 't')
        RAISE(SQLSTATE_INVALID_TABLE_DEFINITION, "ON COMMIT can only be used on temporary tables");
    Oid nsp = creation_schema(s->relation, persistence);
    if (nsp_is_temp(nsp))
        persistence = 't';
    if (s->if_not_exists && name_taken(nsp, s->relation->relname, true))
        return;
    table_spec_init(&t, c, s->relation->relname, nsp, persistence);
    for (size_t i = 0; i < s->n_table_elts; i++) {
        const PNode *n = s->table_elts[i];
        switch (n->node_case) {
        case PN(COLUMN_DEF): table_spec_column(&t, n->column_def, current_user_oid); break;
        case PN(CONSTRAINT): table_spec_constraint(&t, n->constraint); break;
        case PN(TABLE_LIKE_CLAUSE): table_spec_like(&t, n->table_like_clause); break;
        default: INTERNAL_ERROR("unrecognized table element: %d", (int)n->node_case);
        }
    }
    for (size_t i = 0; i < s->n_constraints; i++)
        table_spec_constraint(&t, s->constraints[i]->constraint);
    check_key_columns(&t);
    name_taken(nsp, s->relation->relname, false);
    Oid oid = make_table(c, &t, s->options, s->n_options, current_user_oid);
    apply_column_attributes(c->arena, oid, &t);
    add_sequences(oid, &t);
    add_defaults(c, oid, &t);
    add_checks(c, oid, &t);
    add_keys(c, oid, &t);
    for (int i = 0; i < list_count(t.like_indexes); i++)
        copy_index(c, oid, ((LikeIndex *)list_at(t.like_indexes, i))->index);
    for (int i = 0; i < list_count(t.fks); i++) {
        FkSpec *f = list_at(t.fks, i);
        add_foreign_key(c, rel_open_again(oid), f->con, f->columns);
    }
    for (int i = 0; i < list_count(t.comments); i++) {
        LikeComment *k = list_at(t.comments, i);
        comment_set((ObjAddr){CAT_PG_CLASS, oid, rel_attnum(rel_open_again(oid), k->column)}, k->text);
    }
    if (s->oncommit > PG_QUERY__ON_COMMIT_ACTION__ONCOMMIT_PRESERVE_ROWS)
        remember_on_commit(oid, s->oncommit);
    txn_command_increment();
}
