/*
 * ALTER TABLE ... ALTER COLUMN ... TYPE. What is built over the column (indexes, keys, checks, foreign
 * keys from here and to here) is noted, dropped, and made anew after the rows have been rewritten, from
 * the same definition: expressions go through their SQL text, so that operators are chosen for the new
 * type.
 */
#include "core/sql/command/alter_internal.h"

#include "core/sql/analyze/analyze_internal.h"
#include "core/sql/command/scan_rows.h"

typedef struct Rebuild {
    char type;             /* i index, p u c f constraint */
    Oid oid;               /* of the constraint, or of a plain index */
    Oid rel;               /* where it stands: another table for foreign keys that point here */
    char *name, *comment, *index_comment;
    bool deferrable, deferred, valid, no_inherit;
    /* index */
    int nkeys, ncolumns;
    int16_t attnums[MAX_INDEX_KEYS], options[MAX_INDEX_KEYS];
    Oid opclass[MAX_INDEX_KEYS], collation[MAX_INDEX_KEYS];
    bool default_class[MAX_INDEX_KEYS];
    bool default_collation[MAX_INDEX_KEYS];
    bool unique, primary, immediate, nulls_not_distinct, clustered, replica;
    List *expr_texts;      /* char * */
    char *predicate_text, *check_text;
    Datum reloptions;
    bool no_options;
    /* foreign key */
    FkDesc fk;
} Rebuild;

/* ---- noting what stands over the column ---- */

static bool
noted(AlterTable *t, Oid oid)
{
    for (int i = 0; i < list_count(t->rebuild); i++)
        if (((Rebuild *)list_at(t->rebuild, i))->oid == oid)
            return true;
    return false;
}

static void
note_index(AlterTable *t, Rebuild *b, Oid index)
{
    Arena *a = t->arena;
    RelDesc *ix = rel_open(index, LOCK_ACCESS_EXCLUSIVE);
    IndexDesc *x = ix->index;
    const CatRow *row = cat_get(IDX_PG_INDEX_INDEXRELID_INDEX, oid_datum(index), 0, 0, 0);
    RowEdit *class = class_edit(a, index);
    List *exprs = x->expr_trees ? node_read_list(a, x->expr_trees) : NULL;
    int next = 0;

    b->name = arena_strdup(a, ix->name);
    b->nkeys = x->nkeys;
    b->ncolumns = x->ncolumns;
    memcpy(b->attnums, x->attnums, sizeof b->attnums);
    memcpy(b->options, x->options, sizeof b->options);
    memcpy(b->opclass, x->opclass, sizeof b->opclass);
    memcpy(b->collation, x->collation, sizeof b->collation);
    b->unique = x->unique;
    b->primary = x->primary;
    b->immediate = x->immediate;
    b->nulls_not_distinct = x->nulls_not_distinct;
    b->clustered = x->clustered;
    b->replica = datum_bool(cat_val(row, PG_INDEX_INDISREPLIDENT));
    b->no_options = class->nulls[PG_CLASS_RELOPTIONS - 1];
    b->reloptions = class->values[PG_CLASS_RELOPTIONS - 1];
    b->index_comment = comment_get(a, (ObjAddr){CAT_PG_CLASS, index, 0});
    b->expr_texts = list_new(a);
    for (int i = 0; i < x->ncolumns; i++) {
        const Expr *e = x->attnums[i] == 0 ? list_at(exprs, next++) : NULL;
        Oid type = e ? e->type : t->old->cols[x->attnums[i] - 1].type;
        Oid coll = e ? e->collation : t->old->cols[x->attnums[i] - 1].collation;
        if (e)
            list_push(b->expr_texts, sql_deparse_expr(a, e, t->old, false));
        b->default_class[i] = i < x->nkeys && x->opclass[i] == opclass_default(type, AM_BTREE_OID);
        b->default_collation[i] = i < x->nkeys && x->collation[i] == coll;
    }
    if (x->predicate_tree)
        b->predicate_text = sql_deparse_expr(a, node_read(a, x->predicate_tree), t->old, false);
}

static void
note_constraint(AlterTable *t, Oid oid)
{
    Arena *a = t->arena;
    const CatRow *r = cat_get_by_oid(CAT_PG_CONSTRAINT, oid);
    Rebuild *b;

    if (r == NULL || noted(t, oid))
        return;
    b = ARENA_NEW(a, Rebuild);
    b->type = (char)cat_val(r, PG_CONSTRAINT_CONTYPE);
    b->oid = oid;
    b->rel = datum_oid(cat_val(r, PG_CONSTRAINT_CONRELID));
    b->comment = comment_get(a, (ObjAddr){CAT_PG_CONSTRAINT, oid, 0});
    b->deferrable = datum_bool(cat_val(r, PG_CONSTRAINT_CONDEFERRABLE));
    b->deferred = datum_bool(cat_val(r, PG_CONSTRAINT_CONDEFERRED));
    b->valid = datum_bool(cat_val(r, PG_CONSTRAINT_CONVALIDATED));
    b->no_inherit = datum_bool(cat_val(r, PG_CONSTRAINT_CONNOINHERIT));
    switch (b->type) {
    case 'p': case 'u': note_index(t, b, datum_oid(cat_val(r, PG_CONSTRAINT_CONINDID))); break;
    case 'c': b->check_text = sql_deparse_expr(a, node_read(a, cat_name(a, r, PG_CONSTRAINT_CONBIN)), t->old, false); break;
    case 'f': {
        RelDesc *rel = rel_open(b->rel, LOCK_ACCESS_EXCLUSIVE);
        for (int i = 0; i < rel->nfks; i++)
            if (rel->fks[i].oid == oid)
                b->fk = rel->fks[i];
        break;
    }
    default: UNSUPPORTED("cannot alter type of a column used by constraint \"%s\"", cat_name(a, r, PG_CONSTRAINT_CONNAME));
    }
    b->name = cat_name(a, r, PG_CONSTRAINT_CONNAME);
    list_push(t->rebuild, b);
}

static void
note_plain_index(AlterTable *t, Oid index)
{
    Oid con = index_constraint(index);

    if (con) {
        note_constraint(t, con);
        return;
    }
    if (noted(t, index))
        return;
    Rebuild *b = ARENA_NEW(t->arena, Rebuild);
    b->type = 'i';
    b->oid = index;
    b->rel = t->oid;
    note_index(t, b, index);
    list_push(t->rebuild, b);
}

static void
check_attrdef(AlterTable *t, Oid attrdef, int att)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_ATTRDEF, attrdef);
    RelDesc *rel = alter_rel(t);
    int other = r ? datum_int16(cat_val(r, PG_ATTRDEF_ADNUM)) : att;

    if (other != att && datum_oid(cat_val(r, PG_ATTRDEF_ADRELID)) == t->oid)
        RAISE_ERR(SQLSTATE_FEATURE_NOT_SUPPORTED, err_message("cannot alter type of a column used by a generated column"),
                  err_detail("Column \"%s\" is used by generated column \"%s\".", rel->cols[att - 1].name, rel->cols[other - 1].name));
}

/* Everything that depends on the column: noted for rebuilding, or a reason to refuse. */
static void
note_dependents(AlterTable *t, int att)
{
    Datum keys[3] = {oid_datum(CAT_PG_CLASS), oid_datum(t->oid), int32_datum(att)};
    CatScan *s = cat_scan_begin(CAT_PG_DEPEND, IDX_PG_DEPEND_REFERENCE_INDEX, 3, keys);
    const CatRow *r;
    ObjAddr *found = NULL;
    int n = 0, cap = 0;

    while ((r = cat_scan_next(s)) != NULL) {
        if (n == cap) {
            int more = cap ? cap * 2 : 16;
            found = arena_realloc(t->arena, found, sizeof *found * (size_t)cap, sizeof *found * (size_t)more);
            cap = more;
        }
        found[n++] = (ObjAddr){datum_oid(cat_val(r, PG_DEPEND_CLASSID)), datum_oid(cat_val(r, PG_DEPEND_OBJID)),
                               datum_int32(cat_val(r, PG_DEPEND_OBJSUBID))};
    }
    cat_scan_end(s);
    for (int i = 0; i < n; i++) {
        ObjAddr o = found[i];
        const CatRow *k = o.cls == CAT_PG_CLASS ? cat_get_by_oid(CAT_PG_CLASS, o.obj) : NULL;
        const char *what = o.cls == CAT_PG_REWRITE ? "a view or rule" : o.cls == CAT_PG_TRIGGER ? "a trigger definition"
                           : o.cls == CAT_PG_POLICY ? "a policy definition" : o.cls == CAT_PG_PROC ? "a function or procedure" : NULL;
        if (what)
            RAISE_ERR(SQLSTATE_FEATURE_NOT_SUPPORTED, err_message("cannot alter type of a column used by %s", what),
                      err_detail("%s depends on column \"%s\"", object_describe(t->arena, o), alter_rel(t)->cols[att - 1].name));
        if (o.cls == CAT_PG_CONSTRAINT)
            note_constraint(t, o.obj);
        else if (o.cls == CAT_PG_ATTRDEF)
            check_attrdef(t, o.obj, att);
        else if (k && (char)cat_val(k, PG_CLASS_RELKIND) == 'i')
            note_plain_index(t, o.obj);
    }
}

/* Foreign keys go first: they need the keys they point to. */
static void
drop_noted(AlterTable *t, int first)
{
    for (int pass = 0; pass < 2; pass++)
        for (int i = first; i < list_count(t->rebuild); i++) {
            Rebuild *b = list_at(t->rebuild, i);
            ObjAddr a = {b->type == 'i' ? CAT_PG_CLASS : CAT_PG_CONSTRAINT, b->oid, 0};
            if ((b->type == 'f') != (pass == 0))
                continue;
            rel_invalidate(b->rel);
            objects_drop(&a, 1, false, true);
            if (b->type == 'f')
                rel_invalidate(b->fk.ref_rel);
            txn_command_increment();
        }
    rel_invalidate(t->oid);
    txn_command_increment();
}

/* ---- making it anew ---- */

/* An expression's text to the grammar's tree. */
static const PNode *
parse_expression(Arena *a, const char *text, const char **whole)
{
    *whole = arena_printf(a, "SELECT %s", text);
    RawStmt *raw = list_at(sql_parse(a, *whole), 0);
    return raw->node->select_stmt->target_list[0]->res_target->val;
}

static Expr *
reread(Arena *a, const char *text, RelDesc *rel, const char *kind, bool boolean)
{
    const char *whole;
    const PNode *n = parse_expression(a, text, &whole);
    Expr *e = sql_analyze_expr(a, n, rel, whole, kind);

    if (!boolean)
        return e;
    Scope *s = scope_new(a, NULL, whole, NULL);
    e = coerce_to_boolean(s, e, "WHERE");
    assign_collations_expr(a, e);
    return e;
}

static void
restore_index_flags(AlterTable *t, const Rebuild *b, Oid index)
{
    Arena *a = t->arena;

    if (!b->no_options) {
        RowEdit *row = class_edit(a, index);
        row_set(row, PG_CLASS_RELOPTIONS, b->reloptions);
        row_save(row);
    }
    if (b->clustered || b->replica) {
        RowEdit *row = row_edit(a, CAT_PG_INDEX, cat_get(IDX_PG_INDEX_INDEXRELID_INDEX, oid_datum(index), 0, 0, 0));
        row_set(row, PG_INDEX_INDISCLUSTERED, bool_datum(b->clustered));
        row_set(row, PG_INDEX_INDISREPLIDENT, bool_datum(b->replica));
        row_save(row);
    }
    if (b->index_comment)
        comment_set((ObjAddr){CAT_PG_CLASS, index, 0}, b->index_comment);
    rel_invalidate(index);
}

static Oid
rebuild_index(AlterTable *t, Rebuild *b)
{
    Arena *a = t->arena;
    RelDesc *rel = alter_rel(t);
    List *exprs = list_new(a);
    Expr *pred = NULL;
    int next = 0;

    for (int i = 0; i < b->ncolumns; i++) {
        Expr *e = NULL;
        if (b->attnums[i] == 0) {
            e = reread(a, list_at(b->expr_texts, next++), rel, "index expressions", false);
            list_push(exprs, e);
        }
        if (i >= b->nkeys)
            continue;
        Oid type = e ? e->type : rel->cols[b->attnums[i] - 1].type, coll = e ? e->collation : rel->cols[b->attnums[i] - 1].collation;
        if (b->default_class[i])
            b->opclass[i] = default_opclass(type);
        else {
            Oid in = opclass_input_type(b->opclass[i]);
            if (in != type_base(type, NULL) && !is_binary_coercible(type_base(type, NULL), in))
                RAISE(SQLSTATE_DATATYPE_MISMATCH, "operator class %u does not accept data type %s", b->opclass[i], type_format(a, type, -1, false));
        }
        if (type_info(type)->collation == 0)
            b->collation[i] = 0;
        else if (b->default_collation[i] || b->collation[i] == 0)
            b->collation[i] = coll;
    }
    if (b->predicate_text)
        pred = reread(a, b->predicate_text, rel, "index predicates", true);
    Oid index = index_create(t->oid, b->name, b->nkeys, b->ncolumns, b->attnums, b->opclass, b->collation, b->options, list_count(exprs) ? exprs : NULL, pred,
                             b->unique, b->primary, b->immediate, b->nulls_not_distinct, true);
    txn_command_increment();
    restore_index_flags(t, b, index);
    rel_invalidate(t->oid);
    txn_command_increment();
    return index;
}

static void
rebuild_key(AlterTable *t, Rebuild *b)
{
    Oid index = rebuild_index(t, b);

    if (b->type == 'i')
        return;
    Oid con = constraint_create(b->name, alter_rel(t)->nsp, b->type, b->deferrable, b->deferred, true, t->oid, b->attnums, b->nkeys, index, 0, NULL, NULL, 0, 0, 0, NULL,
                                0, NULL, 0, true);
    if (b->comment)
        comment_set((ObjAddr){CAT_PG_CONSTRAINT, con, 0}, b->comment);
    rel_invalidate(t->oid);
    txn_command_increment();
}

static void
rebuild_check(AlterTable *t, Rebuild *b)
{
    RelDesc *rel = alter_rel(t);
    const char *whole;
    const PNode *n = parse_expression(t->arena, b->check_text, &whole);
    Expr *e = cook_check(t->arena, n, rel, whole);
    bool merged;
    Oid con = add_check(t->arena, rel, b->name, e, b->valid, b->no_inherit, &merged);

    if (b->valid)
        validate_check(t->arena, alter_rel(t), b->name, e);
    if (b->comment)
        comment_set((ObjAddr){CAT_PG_CONSTRAINT, con, 0}, b->comment);
}

static char *
letter(Arena *a, char c)
{
    return arena_printf(a, "%c", c);
}

static PNode **
name_nodes(Arena *a, const RelDesc *rel, const int16_t *cols, int n)
{
    PNode **out = ARENA_ARRAY(a, PNode *, n + 1);

    for (int i = 0; i < n; i++) {
        PgQuery__String *s = ARENA_NEW(a, PgQuery__String);
        pg_query__string__init(s);
        s->sval = arena_strdup(a, rel->cols[cols[i] - 1].name);
        out[i] = ARENA_NEW(a, PNode);
        pg_query__node__init(out[i]);
        out[i]->node_case = PN(STRING);
        out[i]->string = s;
    }
    return out;
}

static void
rebuild_foreign_key(AlterTable *t, Rebuild *b)
{
    Arena *a = t->arena;
    const FkDesc *f = &b->fk;
    RelDesc *rel = rel_open_again(b->rel), *ref = rel_open_again(f->ref_rel);
    PgQuery__Constraint con;
    PgQuery__RangeVar rv;
    List *cols = list_new(a);

    pg_query__constraint__init(&con);
    pg_query__range_var__init(&rv);
    rv.schemaname = ref->nsp_name;
    rv.relname = ref->name;
    con.contype = CONSTR(FOREIGN);
    con.conname = b->name;
    con.deferrable = b->deferrable;
    con.initdeferred = b->deferred;
    con.skip_validation = !b->valid;
    con.location = -1;
    con.pktable = &rv;
    con.n_pk_attrs = (size_t)f->n;
    con.pk_attrs = name_nodes(a, ref, f->ref_cols, f->n);
    con.fk_matchtype = letter(a, f->match);
    con.fk_upd_action = letter(a, f->on_update);
    con.fk_del_action = letter(a, f->on_delete);
    con.n_fk_del_set_cols = (size_t)f->nset;
    con.fk_del_set_cols = name_nodes(a, rel, f->set_cols, f->nset);
    for (int i = 0; i < f->n; i++)
        list_push(cols, rel->cols[f->cols[i] - 1].name);
    Oid oid = add_foreign_key(t->c, rel, &con, cols);
    if (b->valid)
        alter_check_existing_fk(rel_open_again(b->rel), oid);
    if (b->comment)
        comment_set((ObjAddr){CAT_PG_CONSTRAINT, oid, 0}, b->comment);
    txn_command_increment();
}

void
alter_rebuild(AlterTable *t)
{
    for (int pass = 0; pass < 3; pass++)
        for (int i = 0; i < list_count(t->rebuild); i++) {
            Rebuild *b = list_at(t->rebuild, i);
            int when = b->type == 'f' ? 2 : b->type == 'c' ? 1 : 0;
            if (when != pass)
                continue;
            if (pass == 0)
                rebuild_key(t, b);
            else if (pass == 1)
                rebuild_check(t, b);
            else
                rebuild_foreign_key(t, b);
        }
    t->rebuild = list_new(t->arena);
}

/* ---- the column ---- */

static Expr *
strip_implicit(Expr *e)
{
    for (;;) {
        if (IS(e, FuncCall) && ((FuncCall *)e)->form == FORM_IMPLICIT_CAST)
            e = list_at(((FuncCall *)e)->args, 0);
        else if (IS(e, Relabel) && ((Relabel *)e)->form == FORM_IMPLICIT_CAST)
            e = ((Relabel *)e)->arg;
        else if (IS(e, CoerceViaIO) && ((CoerceViaIO *)e)->form == FORM_IMPLICIT_CAST)
            e = ((CoerceViaIO *)e)->arg;
        else if (IS(e, CoerceToDomain) && ((CoerceToDomain *)e)->form == FORM_IMPLICIT_CAST)
            e = ((CoerceToDomain *)e)->arg;
        else
            return e;
    }
}

static Expr *
coerce(AlterTable *t, Expr *e, const NewColumn *c)
{
    Scope *s = scope_new(t->arena, NULL, t->c->text, NULL);
    Expr *out = coerce_to_target(s, e, c->type, c->typmod, COERCE_ASSIGNMENT, FORM_IMPLICIT_CAST, -1);

    if (out)
        assign_collations_expr(t->arena, out);
    return out;
}

/* A longer limit of the same type holds for every value there is. */
static bool
wider_typmod(Oid type, int32_t old, int32_t new)
{
    if (new < 0 || new == old)
        return true;
    if (old < 0)
        return false;
    switch (type_base(type, NULL)) {
    case VARCHAR_OID: case VARBIT_OID: return new >= old;
    case NUMERIC_OID: return ((old - 4) & 0x7FF) == ((new - 4) & 0x7FF) && (new - 4) >> 16 >= (old - 4) >> 16;
    default: return false;
    }
}

/* Are the bytes on the pages right as they are? */
static bool
same_bytes(const Expr *e, int att, const ColDesc *old, const NewColumn *c)
{
    bool limit = c->typmod >= 0 && !((old->type == c->type || (type_base(old->type, NULL) == type_base(c->type, NULL))) && wider_typmod(c->type, old->typmod, c->typmod));

    if (limit)
        return false;
    for (;;) {
        if (IS(e, Var))
            return ((const Var *)e)->attno == att;
        if (IS(e, Relabel))
            e = ((const Relabel *)e)->arg;
        else if (IS(e, CoerceToDomain) && !domain_has_constraints(e->type))
            e = ((const CoerceToDomain *)e)->arg;
        else if (IS(e, FuncCall) && e->type == old->type && ((const FuncCall *)e)->form == FORM_IMPLICIT_CAST && c->type == old->type)
            e = list_at(((const FuncCall *)e)->args, 0); /* the cast to a wider limit */
        else
            return false;
    }
}

static Expr *
transform(AlterTable *t, const PNode *using, const ColDesc *old, int att, const NewColumn *c)
{
    bool given = using && using->node_case != PG_QUERY__NODE__NODE__NOT_SET;
    Expr *e;

    if (given)
        e = sql_analyze_expr(t->arena, using, t->old, t->c->text, "transform expressions");
    else {
        Var *v = node_new(t->arena, Var);
        v->rel = v->orig_rel = 1;
        v->attno = v->orig_attno = att;
        v->expr.type = old->type;
        v->expr.typmod = old->typmod;
        v->expr.collation = old->collation;
        e = &v->expr;
    }
    Expr *out = coerce(t, e, c);
    if (out)
        return out;
    const char *to = type_format(t->arena, c->type, -1, false);
    if (given)
        RAISE_ERR(SQLSTATE_DATATYPE_MISMATCH, err_message("result of USING clause for column \"%s\" cannot be cast automatically to type %s", c->name, to),
                  err_hint("You might need to add an explicit cast."));
    RAISE_ERR(SQLSTATE_DATATYPE_MISMATCH, err_message("column \"%s\" cannot be cast automatically to type %s", c->name, to),
              err_hint("You might need to specify \"USING %s::%s\".", sql_quote_ident(t->arena, c->name), type_format(t->arena, c->type, c->typmod, false)));
}

static void
read_new_type(AlterTable *t, const PgQuery__ColumnDef *d, NewColumn *c)
{
    sql_resolve_type_name(d->type_name, t->c->text, &c->type, &c->typmod);
    c->ndims = (int)d->type_name->n_array_bounds;
    c->collation = type_info(c->type)->collation;
    if (d->coll_clause) {
        Oid coll = sql_resolve_collation(d->coll_clause);
        if (c->collation == 0)
            RAISE_AT(SQLSTATE_DATATYPE_MISMATCH, d->coll_clause->location, "collations are not supported by type %s", type_format(t->arena, c->type, -1, false));
        c->collation = coll;
    }
    rel_check_column_type(c->name, c->type, 'r');
}

static void
store_column(AlterTable *t, int att, const NewColumn *c)
{
    Arena *a = t->arena;
    const TypeInfo *ti = type_info(c->type);
    RowEdit *e = attribute_edit(a, t->oid, att);
    ObjAddr self = {CAT_PG_CLASS, t->oid, att};
    Datum keys[2] = {oid_datum(t->oid), int16_datum((int16_t)att)};

    row_set(e, PG_ATTRIBUTE_ATTTYPID, oid_datum(c->type));
    row_set(e, PG_ATTRIBUTE_ATTTYPMOD, int32_datum(c->typmod));
    row_set(e, PG_ATTRIBUTE_ATTCOLLATION, oid_datum(c->collation));
    row_set(e, PG_ATTRIBUTE_ATTNDIMS, int32_datum(c->ndims));
    row_set(e, PG_ATTRIBUTE_ATTLEN, int16_datum(ti->ops ? ti->ops->len : ti->typlen));
    row_set(e, PG_ATTRIBUTE_ATTBYVAL, bool_datum(ti->ops ? ti->ops->byval : ti->byval));
    row_set(e, PG_ATTRIBUTE_ATTALIGN, (Datum)(unsigned char)ti->align);
    row_set(e, PG_ATTRIBUTE_ATTSTORAGE, (Datum)(unsigned char)ti->storage);
    if (ti->storage == 'p')
        row_set(e, PG_ATTRIBUTE_ATTCOMPRESSION, 0);
    if (!e->nulls[PG_ATTRIBUTE_ATTMISSINGVAL - 1]) {
        Datum *v;
        bool *nulls;
        int n;
        array_deconstruct(a, e->values[PG_ATTRIBUTE_ATTMISSINGVAL - 1], &v, &nulls, &n);
        if (!t->rewrite && n == 1) /* the same bytes, as a value of the new type */
            row_set(e, PG_ATTRIBUTE_ATTMISSINGVAL, array_construct_1d(a, c->type, v, nulls, n));
        else {
            row_set(e, PG_ATTRIBUTE_ATTHASMISSING, bool_datum(false));
            row_null(e, PG_ATTRIBUTE_ATTMISSINGVAL);
        }
    }
    row_save(e);
    depend_delete_for(self, 0);
    depend_add(self, (ObjAddr){CAT_PG_TYPE, c->type, 0}, 'n');
    if (c->collation && c->collation != COLLATION_DEFAULT)
        depend_add(self, (ObjAddr){CAT_PG_COLLATION, c->collation, 0}, 'n');
    CatScan *s = cat_scan_begin(CAT_PG_STATISTIC, IDX_PG_STATISTIC_RELID_ATT_INH_INDEX, 2, keys);
    const CatRow *r;
    while ((r = cat_scan_next(s)) != NULL)
        cat_delete(CAT_PG_STATISTIC, r->tid);
    cat_scan_end(s);
    rel_invalidate(t->oid);
    txn_command_increment();
}

static Expr *
new_default(AlterTable *t, const ColDesc *old, const NewColumn *c)
{
    if (old->default_tree == NULL)
        return NULL;
    Expr *e = node_read(t->arena, old->default_tree), *out = coerce(t, strip_implicit(e), c);
    if (out == NULL)
        RAISE(SQLSTATE_DATATYPE_MISMATCH,
              old->generated ? "generation expression for column \"%s\" cannot be cast automatically to type %s"
                             : "default for column \"%s\" cannot be cast automatically to type %s",
              c->name, type_format(t->arena, c->type, -1, false));
    return out;
}

/* The sequence of an identity column counts in the column's type. */
static void
follow_identity(AlterTable *t, int att, const NewColumn *c, const PgQuery__TypeName *type_name)
{
    PgQuery__DefElem d;
    PNode arg, opt, *opts[1] = {&opt};

    if (c->type != INT2_OID && c->type != INT4_OID && c->type != INT8_OID)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "identity column type must be smallint, integer, or bigint");
    pg_query__def_elem__init(&d);
    pg_query__node__init(&arg);
    pg_query__node__init(&opt);
    arg.node_case = PN(TYPE_NAME);
    arg.type_name = (PgQuery__TypeName *)type_name;
    d.defname = (char *)"as";
    d.arg = &arg;
    d.location = -1;
    opt.node_case = PN(DEF_ELEM);
    opt.def_elem = &d;
    sequence_alter(t->c, rel_open(sequence_of_column(t->oid, att, 'i'), LOCK_SHARE_ROW_EXCLUSIVE), opts, 1, false);
}

void
alter_column_type(AlterTable *t, const PgQuery__AlterTableCmd *cmd)
{
    const PgQuery__ColumnDef *d = cmd->def->column_def;
    int att = alter_attnum(t, cmd->name), first = list_count(t->rebuild);
    NewColumn c = {.name = cmd->name, .typmod = -1};

    alter_remember_old(t);
    if (att > t->old->natts)
        UNSUPPORTED("cannot alter type of a column that the same command adds");
    const ColDesc *old = &t->old->cols[att - 1];
    row_type_require_unused(t->arena, t->old);
    bool using = d->raw_default && d->raw_default->node_case != PG_QUERY__NODE__NODE__NOT_SET;
    for (int i = 0; i < list_count(t->new_values); i++)
        if (((NewValue *)list_at(t->new_values, i))->attnum == att)
            UNSUPPORTED("cannot alter type of column \"%s\" twice", cmd->name);
    if (old->generated && using)
        RAISE_ERR(SQLSTATE_INVALID_COLUMN_DEFINITION, err_message("cannot specify USING when altering type of generated column"),
                  err_detail("Column \"%s\" is a generated column.", cmd->name));
    read_new_type(t, d, &c);
    Expr *e = transform(t, d->raw_default, old, att, &c);
    Expr *def = new_default(t, old, &c);
    note_dependents(t, att);
    drop_noted(t, first);
    if (old->default_tree) {
        remove_default(t->arena, t->oid, att, false, true);
        txn_command_increment();
    }
    if (old->identity)
        follow_identity(t, att, &c, d->type_name);
    if (t->old->kind == 'c')
        ; /* no rows */
    else if (old->generated)
        alter_add_value(t, att, def, true);
    else if (!same_bytes(e, att, old, &c))
        alter_add_value(t, att, e, false);
    store_column(t, att, &c);
    if (def)
        store_default(t->arena, alter_rel(t), att, def, old->generated != 0);
    if (t->old->kind != 'c')
        rel_ensure_toast(t->oid);
    rel_invalidate(t->oid);
    txn_command_increment();
}
