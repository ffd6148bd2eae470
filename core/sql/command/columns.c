/*
 * Column definitions and LIKE clauses of CREATE TABLE and ALTER TABLE ADD COLUMN, read into a TableSpec:
 * types, inline constraints, serial and identity sequences. Nothing of the table itself is written here.
 */
#include "core/sql/command/command_internal.h"

static const char *const system_columns[] = {"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"};

void
table_spec_init(TableSpec *t, CommandContext *c, const char *name, Oid nsp, char persistence)
{
    Arena *a = c->arena;

    *t = (TableSpec){.c = c, .name = name, .nsp = nsp, .persistence = persistence, .columns = list_new(a), .checks = list_new(a),
                     .keys = list_new(a), .fks = list_new(a), .like_indexes = list_new(a), .comments = list_new(a)};
}

ColumnSpec *
table_spec_find(TableSpec *t, const char *name)
{
    for (int i = 0; i < list_count(t->columns); i++) {
        ColumnSpec *s = list_at(t->columns, i);
        if (strcmp(s->col.name, name) == 0)
            return s;
    }
    return NULL;
}

static void
add_column(TableSpec *t, ColumnSpec *s)
{
    for (size_t i = 0; i < COUNT_OF(system_columns); i++)
        if (strcmp(system_columns[i], s->col.name) == 0)
            RAISE(SQLSTATE_DUPLICATE_COLUMN, "column name \"%s\" conflicts with a system column name", s->col.name);
    if (list_count(t->columns) >= MAX_COLUMNS)
        RAISE(SQLSTATE_TOO_MANY_COLUMNS, "tables can have at most %d columns", MAX_COLUMNS);
    list_push(t->columns, s);
}

static void
set_key(TableSpec *t, const PgQuery__Constraint *con, List *columns, bool primary)
{
    if (primary) {
        if (t->has_primary)
            RAISE_AT(SQLSTATE_INVALID_TABLE_DEFINITION, con->location, "multiple primary keys for table \"%s\" are not allowed", t->name);
        t->has_primary = true;
    }
    KeySpec *k = ARENA_NEW(t->c->arena, KeySpec);
    k->con = con;
    k->columns = columns;
    k->primary = primary;
    list_push(t->keys, k);
}

static void
set_foreign_key(TableSpec *t, const PgQuery__Constraint *con, List *columns)
{
    FkSpec *f = ARENA_NEW(t->c->arena, FkSpec);

    f->con = con;
    f->columns = columns;
    list_push(t->fks, f);
}

static List *
single(Arena *a, const char *name)
{
    List *l = list_new(a);
    list_push(l, (void *)name);
    return l;
}

static List *
string_list(Arena *a, PNode **items, size_t n)
{
    List *l = list_new(a);
    for (size_t i = 0; i < n; i++)
        list_push(l, (void *)pnode_string(items[i]));
    return l;
}

/* ---- types ---- */

static Oid
serial_type(const PgQuery__TypeName *t)
{
    static const struct { const char *name; Oid type; } serials[] = {
        {"smallserial", INT2_OID}, {"serial2", INT2_OID}, {"serial", INT4_OID}, {"serial4", INT4_OID}, {"bigserial", INT8_OID}, {"serial8", INT8_OID}};

    if (t->n_names != 1 || t->pct_type)
        return 0;
    for (size_t i = 0; i < COUNT_OF(serials); i++)
        if (strcmp(pnode_string(t->names[0]), serials[i].name) == 0) {
            if (t->n_array_bounds)
                RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, t->location, "array of serial is not implemented");
            return serials[i].type;
        }
    return 0;
}

static void
check_storable(const char *column, Oid type)
{
    const TypeInfo *ti = type_info(type);

    if (ti->typtype == 'p')
        RAISE(SQLSTATE_INVALID_TABLE_DEFINITION, "column \"%s\" has pseudo-type %s", column, type_format(txn_arena(), type, -1, false));
    if (ti->ops == NULL)
        UNSUPPORTED("columns of type %s are not supported", type_format(txn_arena(), type, -1, false));
}

static void
resolve_column_type(ColumnSpec *s, const PgQuery__ColumnDef *d, const char *text)
{
    NewColumn *c = &s->col;

    sql_resolve_type_name(d->type_name, text, &c->type, &c->typmod);
    check_storable(c->name, c->type);
    c->ndims = (int)d->type_name->n_array_bounds;
    c->collation = type_info(c->type)->collation;
    if (d->coll_clause) {
        Oid coll = sql_resolve_collation(d->coll_clause);
        if (c->collation == 0)
            RAISE_AT(SQLSTATE_DATATYPE_MISMATCH, d->coll_clause->location, "collations are not supported by type %s",
                     type_format(txn_arena(), c->type, -1, false));
        c->collation = coll;
    }
}

/* ---- inline constraints ---- */

static void
identity_column(TableSpec *t, ColumnSpec *s, const PgQuery__Constraint *con, Oid owner)
{
    Oid type = type_base(s->col.type, NULL);

    if (s->col.identity)
        RAISE_AT(SQLSTATE_SYNTAX_ERROR, con->location, "multiple identity specifications for column \"%s\" of table \"%s\"", s->col.name, t->name);
    if (type != INT2_OID && type != INT4_OID && type != INT8_OID)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "identity column type must be smallint, integer, or bigint");
    const char *seq = NULL;
    PNode **options = con->options;
    size_t n = con->n_options;
    for (size_t i = 0; i < n; i++)
        if (strcmp(options[i]->def_elem->defname, "sequence_name") == 0) {
            const char *nsp;
            names_split(options[i]->def_elem->arg->list->items, options[i]->def_elem->arg->list->n_items, &nsp, &seq);
        }
    if (seq == NULL)
        seq = choose_relation_name(t->c->arena, t->name, s->col.name, "seq", t->nsp);
    s->sequence = sequence_make(t->c, seq, t->nsp, t->persistence, options, n, s->col.type, owner, true);
    s->col.identity = con->generated_when[0];
    s->col.not_null = true;
}

static void
column_constraint(TableSpec *t, ColumnSpec *s, const PgQuery__Constraint *con, Oid owner)
{
    const char *name = s->col.name;
    Arena *a = t->c->arena;

    switch (con->contype) {
    case CONSTR(NULL):
        if (s->null_given ? false : s->col.not_null && !s->is_serial)
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, con->location, "conflicting NULL/NOT NULL declarations for column \"%s\" of table \"%s\"", name, t->name);
        if (s->is_serial) /* PostgreSQL finds the serial's own NOT NULL, which stands nowhere */
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, -1, "conflicting NULL/NOT NULL declarations for column \"%s\" of table \"%s\"", name, t->name);
        s->null_given = true;
        break;
    case CONSTR(NOTNULL):
        if (s->null_given)
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, con->location, "conflicting NULL/NOT NULL declarations for column \"%s\" of table \"%s\"", name, t->name);
        s->col.not_null = true;
        break;
    case CONSTR(DEFAULT):
        if (s->default_given || s->is_serial)
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, s->is_serial ? -1 : con->location, "multiple default values specified for column \"%s\" of table \"%s\"", name, t->name);
        s->default_given = true;
        s->raw_default = con->raw_expr;
        break;
    case CONSTR(IDENTITY): identity_column(t, s, con, owner); break;
    case CONSTR(GENERATED):
        if (s->col.generated)
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, con->location, "multiple generation clauses specified for column \"%s\" of table \"%s\"", name, t->name);
        s->col.generated = 's';
        s->raw_default = con->raw_expr;
        break;
    case CONSTR(CHECK): table_spec_constraint(t, con); break;
    case CONSTR(PRIMARY): set_key(t, con, single(a, name), true); break;
    case CONSTR(UNIQUE): set_key(t, con, single(a, name), false); break;
    case CONSTR(FOREIGN): set_foreign_key(t, con, single(a, name)); break;
    case CONSTR(EXCLUSION): INTERNAL_ERROR("column exclusion constraints are not supported");
    default: break; /* deferrability: folded into its constraint below */
    }
    if (s->default_given && s->col.generated)
        RAISE_AT(SQLSTATE_SYNTAX_ERROR, con->location, "both default and generation expression specified for column \"%s\" of table \"%s\"", name, t->name);
    if (s->default_given && s->col.identity)
        RAISE_AT(SQLSTATE_SYNTAX_ERROR, con->location, "both default and identity specified for column \"%s\" of table \"%s\"", name, t->name);
    if (s->col.identity && s->col.generated)
        RAISE_AT(SQLSTATE_SYNTAX_ERROR, con->location, "both identity and generation expression specified for column \"%s\" of table \"%s\"", name, t->name);
}

/* DEFERRABLE and INITIALLY DEFERRED follow the constraint they modify as nodes of their own. */
static void
fold_attributes(PNode **items, size_t n)
{
    PgQuery__Constraint *last = NULL;
    bool saw_deferrability = false, saw_initially = false;

    for (size_t i = 0; i < n; i++) {
        PgQuery__Constraint *con = items[i]->constraint;
        bool can = last && (last->contype == CONSTR(PRIMARY) || last->contype == CONSTR(UNIQUE) || last->contype == CONSTR(EXCLUSION) || last->contype == CONSTR(FOREIGN));
        switch (con->contype) {
        case CONSTR(ATTR_DEFERRABLE):
            if (!can)
                RAISE_AT(SQLSTATE_SYNTAX_ERROR, con->location, "misplaced DEFERRABLE clause");
            if (saw_deferrability)
                RAISE_AT(SQLSTATE_SYNTAX_ERROR, con->location, "multiple DEFERRABLE/NOT DEFERRABLE clauses not allowed");
            saw_deferrability = true;
            last->deferrable = true;
            break;
        case CONSTR(ATTR_NOT_DEFERRABLE):
            if (!can)
                RAISE_AT(SQLSTATE_SYNTAX_ERROR, con->location, "misplaced NOT DEFERRABLE clause");
            if (saw_deferrability)
                RAISE_AT(SQLSTATE_SYNTAX_ERROR, con->location, "multiple DEFERRABLE/NOT DEFERRABLE clauses not allowed");
            saw_deferrability = true;
            last->deferrable = false;
            if (saw_initially && last->initdeferred)
                RAISE_AT(SQLSTATE_SYNTAX_ERROR, con->location, "constraint declared INITIALLY DEFERRED must be DEFERRABLE");
            break;
        case CONSTR(ATTR_DEFERRED):
            if (!can)
                RAISE_AT(SQLSTATE_SYNTAX_ERROR, con->location, "misplaced INITIALLY DEFERRED clause");
            if (saw_initially)
                RAISE_AT(SQLSTATE_SYNTAX_ERROR, con->location, "multiple INITIALLY IMMEDIATE/DEFERRED clauses not allowed");
            if (saw_deferrability && !last->deferrable)
                RAISE_AT(SQLSTATE_SYNTAX_ERROR, con->location, "constraint declared INITIALLY DEFERRED must be DEFERRABLE");
            saw_initially = true;
            last->initdeferred = last->deferrable = true;
            break;
        case CONSTR(ATTR_IMMEDIATE):
            if (!can)
                RAISE_AT(SQLSTATE_SYNTAX_ERROR, con->location, "misplaced INITIALLY IMMEDIATE clause");
            if (saw_initially)
                RAISE_AT(SQLSTATE_SYNTAX_ERROR, con->location, "multiple INITIALLY IMMEDIATE/DEFERRED clauses not allowed");
            saw_initially = true;
            break;
        default:
            last = con;
            saw_deferrability = saw_initially = false;
            break;
        }
    }
}

ColumnSpec *
table_spec_column(TableSpec *t, const PgQuery__ColumnDef *d, Oid owner)
{
    Arena *a = t->c->arena;
    ColumnSpec *s = ARENA_NEW(a, ColumnSpec);

    s->col.name = d->colname;
    s->col.typmod = -1;
    s->location = d->location;
    s->storage = GIVEN(d->storage) ? d->storage : NULL;
    s->compression = GIVEN(d->compression) ? d->compression : NULL;
    if (table_spec_find(t, d->colname))
        RAISE(SQLSTATE_DUPLICATE_COLUMN, "column \"%s\" specified more than once", d->colname);
    Oid serial = serial_type(d->type_name);
    if (serial) {
        s->is_serial = true;
        s->col.type = serial;
        s->col.not_null = true;
        char *seq = choose_relation_name(a, t->name, d->colname, "seq", t->nsp);
        s->sequence = sequence_make(t->c, seq, t->nsp, t->persistence, NULL, 0, serial, owner, false);
        s->cooked_default = make_nextval(a, s->sequence);
    } else
        resolve_column_type(s, d, t->c->text);
    if (d->is_not_null)
        s->col.not_null = true;
    if (d->raw_default)
        s->raw_default = d->raw_default;
    add_column(t, s);
    fold_attributes(d->constraints, d->n_constraints);
    for (size_t i = 0; i < d->n_constraints; i++)
        column_constraint(t, s, d->constraints[i]->constraint, owner);
    return s;
}

void
table_spec_constraint(TableSpec *t, const PgQuery__Constraint *con)
{
    Arena *a = t->c->arena;

    switch (con->contype) {
    case CONSTR(CHECK): {
        CheckSpec *s = ARENA_NEW(a, CheckSpec);
        s->con = con;
        s->name = GIVEN(con->conname) ? con->conname : NULL;
        s->valid = !con->skip_validation || !t->is_alter;
        s->no_inherit = con->is_no_inherit;
        list_push(t->checks, s);
        break;
    }
    case CONSTR(PRIMARY): set_key(t, con, string_list(a, con->keys, con->n_keys), true); break;
    case CONSTR(UNIQUE): set_key(t, con, string_list(a, con->keys, con->n_keys), false); break;
    case CONSTR(FOREIGN): set_foreign_key(t, con, string_list(a, con->fk_attrs, con->n_fk_attrs)); break;
    case CONSTR(EXCLUSION): UNSUPPORTED("exclusion constraints are not supported");
    default: INTERNAL_ERROR("unrecognized constraint type: %d", (int)con->contype);
    }
}

/* ---- LIKE ---- */

#define LIKE_COMMENTS (1u << 0)
#define LIKE_CONSTRAINTS (1u << 2)
#define LIKE_DEFAULTS (1u << 3)
#define LIKE_GENERATED (1u << 4)
#define LIKE_IDENTITY (1u << 5)
#define LIKE_INDEXES (1u << 6)
#define LIKE_STORAGE (1u << 8)

typedef struct AttrMap { Arena *arena; const int *map; } AttrMap;

static void *
remap(void *n, void *arg)
{
    AttrMap *m = arg;

    if (IS(n, Var)) {
        Var *v = node_copy(m->arena, n);
        if (v->attno > 0)
            v->attno = v->orig_attno = m->map[v->attno];
        return v;
    }
    return node_mutate_children(m->arena, n, remap, arg, false);
}

static char *
comment_of(Arena *a, Oid cls, Oid obj, int sub)
{
    const CatRow *r = cat_get(IDX_PG_DESCRIPTION_O_C_O_INDEX, oid_datum(obj), oid_datum(cls), int32_datum(sub), 0);
    return r ? cat_name(a, r, PG_DESCRIPTION_DESCRIPTION) : NULL;
}

static void
like_column(TableSpec *t, const RelDesc *from, int i, unsigned options, int *map)
{
    Arena *a = t->c->arena;
    const ColDesc *c = &from->cols[i];
    ColumnSpec *s = ARENA_NEW(a, ColumnSpec);

    if (table_spec_find(t, c->name))
        RAISE(SQLSTATE_DUPLICATE_COLUMN, "column \"%s\" specified more than once", c->name);
    s->col = (NewColumn){.name = arena_strdup(a, c->name), .type = c->type, .typmod = c->typmod, .collation = c->collation, .not_null = c->not_null, .ndims = c->ndims};
    s->from_like = true;
    if (c->default_tree && (c->generated ? options & LIKE_GENERATED : options & LIKE_DEFAULTS)) {
        s->cooked_default = node_read(a, c->default_tree);
        if (c->generated)
            s->col.generated = c->generated;
    }
    if (c->identity && (options & LIKE_IDENTITY)) {
        RelDesc *seq = rel_open(sequence_of_column(from->oid, i + 1, 'i'), LOCK_ACCESS_SHARE);
        s->sequence = sequence_make(t->c, choose_relation_name(a, t->name, c->name, "seq", t->nsp), t->nsp, t->persistence, NULL, 0, c->type, current_user_oid, true);
        RowEdit *row = row_edit(a, CAT_PG_SEQUENCE, cat_get(IDX_PG_SEQUENCE_SEQRELID_INDEX, oid_datum(s->sequence), 0, 0, 0));
        const SeqParams *p = seq->sequence;
        row_set(row, PG_SEQUENCE_SEQSTART, int64_datum(p->start));
        row_set(row, PG_SEQUENCE_SEQINCREMENT, int64_datum(p->increment));
        row_set(row, PG_SEQUENCE_SEQMAX, int64_datum(p->max));
        row_set(row, PG_SEQUENCE_SEQMIN, int64_datum(p->min));
        row_set(row, PG_SEQUENCE_SEQCACHE, int64_datum(p->cache));
        row_set(row, PG_SEQUENCE_SEQCYCLE, bool_datum(p->cycle));
        row_save(row);
        rel_invalidate(s->sequence);
        txn_command_increment();
        sequence_restart(s->sequence);
        s->col.identity = c->identity;
    }
    if (options & LIKE_STORAGE)
        s->storage = c->storage == 'p' ? "plain" : c->storage == 'e' ? "external" : c->storage == 'm' ? "main" : "extended";
    if (options & LIKE_COMMENTS) {
        char *text = comment_of(a, CAT_PG_CLASS, from->oid, i + 1);
        if (text) {
            LikeComment *k = ARENA_NEW(a, LikeComment);
            *k = (LikeComment){s->col.name, text};
            list_push(t->comments, k);
        }
    }
    add_column(t, s);
    map[i + 1] = list_count(t->columns);
}

void
table_spec_like(TableSpec *t, const PgQuery__TableLikeClause *like)
{
    Arena *a = t->c->arena;
    unsigned o = like->options;

    if (range_var_lookup(like->relation, true) == 0)
        RAISE_AT(SQLSTATE_UNDEFINED_TABLE, like->relation->location, "relation \"%s\" does not exist", range_var_text(a, like->relation));
    RelDesc *from = range_var_open(like->relation, LOCK_ACCESS_SHARE, false);

    if (strchr("rvmcfp", from->kind) == NULL)
        RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("relation \"%s\" is invalid in LIKE clause", from->name),
                  err_detail("This operation is not supported for %s.", from->kind == 'i' ? "indexes" : "sequences"), err_position(like->relation->location));
    if (!acl_check(CAT_PG_CLASS, from->oid, current_user_oid, ACL_SELECT))
        acl_raise(CAT_PG_CLASS, from->oid);
    int *map = ARENA_ARRAY(a, int, from->natts + 1);
    int first = list_count(t->columns);
    for (int i = 0; i < from->natts; i++)
        if (!from->cols[i].dropped)
            like_column(t, from, i, o, map);
    AttrMap m = {a, map};
    for (int i = first; i < list_count(t->columns); i++) {
        ColumnSpec *s = list_at(t->columns, i);
        if (s->cooked_default && s->col.generated)
            s->cooked_default = remap(s->cooked_default, &m);
    }
    for (int i = 0; (o & LIKE_CONSTRAINTS) && i < from->nchecks; i++) {
        CheckSpec *s = ARENA_NEW(a, CheckSpec);
        s->cooked = remap(node_read(a, from->checks[i].tree), &m);
        s->name = arena_strdup(a, from->checks[i].name);
        s->valid = true;
        s->no_inherit = from->checks[i].no_inherit;
        list_push(t->checks, s);
    }
    for (int i = 0; (o & LIKE_INDEXES) && i < from->nindexes; i++) {
        LikeIndex *x = ARENA_NEW(a, LikeIndex);
        x->index = from->indexes[i];
        list_push(t->like_indexes, x);
    }
}
