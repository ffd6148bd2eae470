/*
 * What a new row version must satisfy and where it must be entered: generated columns, NOT NULL, CHECK,
 * indexes. The compiled constraints are kept with the relation's descriptor (exec_cache), so a repeated
 * statement compiles nothing.
 */
#include "core/sql/exec/exec_internal.h"

#include "core/sql/sql.h"

/* ---- values ---- */

static bool
is_stored_form(const AttrPhys *p, Datum d)
{
    return p->kind == PHYS_VAR &&
           (var_is_external(datum_ptr(d)) || var_is_compressed(datum_ptr(d)));
}

const Datum *
values_plain(Arena *a, const TupleLayout *l, const Datum *values, const bool *nulls, Datum *buffer)
{
    bool copied = false;

    for (int i = 0; i < l->ntail; i++) {
        int c = l->tail_atts[i];
        if (nulls[c] || !is_stored_form(&l->atts[c], values[c]))
            continue;
        if (!copied) {
            memcpy(buffer, values, sizeof(Datum) * (size_t)l->natts);
            copied = true;
        }
        buffer[c] = toast_fetch(a, values[c]);
    }
    return copied ? buffer : values;
}

void
value_print(StrBuf *out, Oid type, Datum d)
{
    const TypeOps *ops = type_ops(type);
    Oid types[1] = {type};
    FnCtx c = {.arena = out->arena,
               .state_arena = out->arena,
               .nargs = 1,
               .arg_types = types,
               .ret_type = CSTRING_OID,
               .ret_typmod = -1};

    if (ops && ops->out)
        ops->out(&c, d, out);
}

#define PRINTED_VALUE_MAX 64

char *
row_describe(Arena *a, RelDesc *rel, const Datum *values, const bool *nulls)
{
    StrBuf s, one;
    bool first = true;

    if (!role_is_superuser(current_user_oid) &&
        !acl_check(CAT_PG_CLASS, rel->oid, current_user_oid, ACL_SELECT))
        return NULL;
    str_init(&s, a);
    str_init(&one, a);
    str_add_char(&s, '(');
    for (int i = 0; i < rel->natts; i++) {
        if (rel->cols[i].dropped)
            continue;
        if (!first)
            str_add(&s, ", ");
        first = false;
        if (nulls[i]) {
            str_add(&s, "null");
            continue;
        }
        str_reset(&one);
        value_print(&one, rel->cols[i].type, values[i]);
        if (one.len <= PRINTED_VALUE_MAX) {
            str_add_bytes(&s, one.data, one.len);
        } else {
            str_add_bytes(&s, one.data, utf8_clip(one.data, one.len, PRINTED_VALUE_MAX));
            str_add(&s, "...");
        }
    }
    str_add_char(&s, ')');
    return s.data;
}

/* ---- compiling ---- */

static IndexProgram *
index_program(Arena *parent, IndexDesc *ix)
{
    Arena *a = arena_create(parent, "index expressions");
    IndexProgram *p = ARENA_NEW(a, IndexProgram);

    p->arena = a;
    p->ix = ix;
    if (ix->expr_trees) {
        List *l = node_read_list(a, ix->expr_trees);
        p->nexprs = l->count;
        p->exprs = ARENA_ARRAY(a, ExprState *, p->nexprs + 1);
        for (int i = 0; i < p->nexprs; i++)
            p->exprs[i] = expr_prepare(a, list_at(l, i));
    }
    if (ix->predicate_tree)
        p->predicate = expr_prepare(a, node_read(a, ix->predicate_tree));
    return p;
}

static bool
program_values(const IndexProgram *p, const IndexDesc *ix, Arena *a, const Datum *values,
               const bool *nulls, Datum *out, bool *outnull)
{
    int e = 0;

    if (p && p->predicate) {
        bool isnull;
        Datum d = expr_eval(p->predicate, a, values, nulls, &isnull);
        if (isnull || !d)
            return false;
    }
    for (int i = 0; i < ix->ncolumns; i++) {
        int att = ix->attnums[i];
        if (att > 0) {
            out[i] = values[att - 1];
            outnull[i] = nulls[att - 1];
        } else {
            out[i] = expr_eval(p->exprs[e++], a, values, nulls, &outnull[i]);
        }
    }
    return true;
}

/* For the catalog's index builds: row after row of one index. */
static bool
index_expr(IndexDesc *ix, RelDesc *heap, const Datum *row, const bool *nulls, Datum *out,
           bool *outnull)
{
    static struct {
        IndexDesc *ix;
        Oid oid;
        uint64_t version;
        IndexProgram *program;
        Arena *values;
    } last;
    Oid oid = ix->btree ? ix->btree->oid : 0;

    if (last.program == NULL || last.ix != ix || last.oid != oid ||
        last.version != catalog_version()) {
        if (last.program)
            arena_destroy(last.program->arena);
        last.program = NULL;
        last.ix = ix;
        last.oid = oid;
        last.version = catalog_version();
        last.program = index_program(arena_top(), ix);
        if (last.values == NULL)
            last.values = arena_create(arena_top(), "index expression values");
    }
    arena_reset(last.values);
    return program_values(last.program, ix, last.values, row, nulls, out, outnull);
}

static void
compile_constraints(TableChecks *c)
{
    RelDesc *rel = c->rel;
    Arena *a = c->arena;

    c->not_null = ARENA_ARRAY(a, int, rel->natts + 1);
    c->generated_cols = ARENA_ARRAY(a, int, rel->natts + 1);
    c->generated = ARENA_ARRAY(a, ExprState *, rel->natts + 1);
    for (int i = 0; i < rel->natts; i++) {
        const ColDesc *col = &rel->cols[i];
        if (col->dropped)
            continue;
        if (col->not_null)
            c->not_null[c->nnot_null++] = i;
        if (col->generated == 's' && col->default_tree) {
            c->generated_cols[c->ngenerated] = i;
            c->generated[c->ngenerated++] = expr_prepare(a, node_read(a, col->default_tree));
        }
    }
    c->checks = ARENA_ARRAY(a, ExprState *, rel->nchecks + 1);
    c->check_names = ARENA_ARRAY(a, const char *, rel->nchecks + 1);
    for (int i = 0; i < rel->nchecks; i++) {
        c->checks[c->nchecks] = expr_prepare(a, node_read(a, rel->checks[i].tree));
        c->check_names[c->nchecks++] = rel->checks[i].name;
    }
    c->ixvalues = ARENA_ARRAY(a, Datum, MAX_INDEX_KEYS);
    c->ixnulls = ARENA_ARRAY(a, bool, MAX_INDEX_KEYS);
    c->plain = ARENA_ARRAY(a, Datum, rel->natts + 1);
    c->plain_nulls = ARENA_ARRAY(a, bool, rel->natts + 1);
    c->indexes = ARENA_ARRAY(a, OpenIndex, rel->nindexes + 1);
    c->nindexes = rel->nindexes;
}

static void
open_index(TableChecks *c, OpenIndex *o, Oid oid)
{
    IndexDesc *ix = index_open(oid, LOCK_ROW_EXCLUSIVE);

    if (o->ix == ix && o->oid == oid && (o->plain || o->program))
        return;
    if (o->program)
        arena_destroy(o->program->arena);
    *o = (OpenIndex){.oid = oid, .ix = ix, .plain = ix->expr_trees == NULL && ix->predicate_tree == NULL};
    if (!o->plain)
        o->program = index_program(c->arena, ix);
}

TableChecks *
checks_open(RelDesc *rel)
{
    TableChecks *c = rel->exec_cache;

    if (c == NULL) {
        Arena *a = arena_create(rel->arena, "constraints");
        c = ARENA_NEW(a, TableChecks);
        c->rel = rel;
        c->arena = a;
        c->row_arena = arena_create(a, "constraint values");
        compile_constraints(c);
        rel->exec_cache = c;
    }
    for (int i = 0; i < c->nindexes; i++)
        open_index(c, &c->indexes[i], rel->indexes[i]);
    return c;
}

/* ---- checking ---- */

void
checks_generated(TableChecks *c, Arena *a, Datum *values, bool *nulls)
{
    for (int i = 0; i < c->ngenerated; i++) {
        int col = c->generated_cols[i];
        bool isnull;
        Datum d = expr_eval(c->generated[i], a, values, nulls, &isnull);
        values[col] = d;
        nulls[col] = isnull;
    }
}

static NORETURN void
raise_not_null(TableChecks *c, int col, const Datum *values, const bool *nulls)
{
    RelDesc *rel = c->rel;
    char *row = row_describe(c->row_arena, rel, values, nulls);

    err_start(LEVEL_ERROR, SQLSTATE_NOT_NULL_VIOLATION, __FILE__, __LINE__, __func__);
    err_message("null value in column \"%s\" of relation \"%s\" violates not-null constraint",
                rel->cols[col].name, rel->name);
    if (row)
        err_detail("Failing row contains %s.", row);
    err_object(rel->nsp_name, rel->name, rel->cols[col].name, NULL, NULL);
    err_throw();
}

static NORETURN void
raise_check(TableChecks *c, int i, const Datum *values, const bool *nulls)
{
    RelDesc *rel = c->rel;
    char *row = row_describe(c->row_arena, rel, values, nulls);

    err_start(LEVEL_ERROR, SQLSTATE_CHECK_VIOLATION, __FILE__, __LINE__, __func__);
    err_message("new row for relation \"%s\" violates check constraint \"%s\"", rel->name,
                c->check_names[i]);
    if (row)
        err_detail("Failing row contains %s.", row);
    err_object(rel->nsp_name, rel->name, NULL, NULL, c->check_names[i]);
    err_throw();
}

bool
checks_pass(TableChecks *c, const Datum *values, const bool *nulls)
{
    for (int i = 0; i < c->nnot_null; i++)
        if (UNLIKELY(nulls[c->not_null[i]]))
            return false;
    for (int i = 0; i < c->nchecks; i++) {
        bool isnull;
        Datum d = expr_eval(c->checks[i], c->row_arena, values, nulls, &isnull);
        if (UNLIKELY(!isnull && !d))
            return false;
    }
    return true;
}

void
checks_row(TableChecks *c, const Datum *values, const bool *nulls)
{
    for (int i = 0; i < c->nnot_null; i++)
        if (UNLIKELY(nulls[c->not_null[i]]))
            raise_not_null(c, c->not_null[i], values, nulls);
    for (int i = 0; i < c->nchecks; i++) {
        bool isnull;
        Datum d = expr_eval(c->checks[i], c->row_arena, values, nulls, &isnull);
        if (UNLIKELY(!isnull && !d))
            raise_check(c, i, values, nulls);
    }
}

/* ---- indexes ---- */

bool
checks_index_values(TableChecks *c, OpenIndex *o, const Datum *values, const bool *nulls,
                    Datum *out, bool *outnull)
{
    return program_values(o->program, o->ix, c->row_arena, values, nulls, out, outnull);
}

bool
checks_index_insert(TableChecks *c, const Datum *values, const bool *nulls, ItemPtr tid,
                    const bool *arbiters)
{
    bool ok = true;

    for (int i = 0; i < c->nindexes && ok; i++) {
        OpenIndex *o = &c->indexes[i];
        IndexDesc *ix = o->ix;
        UniqueCheck check = !ix->unique                                   ? UNIQUE_NO
                            : (arbiters && arbiters[i]) || !ix->immediate ? UNIQUE_PARTIAL
                                                                          : UNIQUE_YES;
        ItemPtr conflict;

        if (!ix->ready)
            continue;
        if (!checks_index_values(c, o, values, nulls, c->ixvalues, c->ixnulls))
            continue;
        if (btree_insert(ix->btree, &c->rel->heap, c->ixvalues, c->ixnulls, tid, check, &conflict))
            continue;
        if (arbiters && arbiters[i])
            ok = false;
        else
            unique_recheck_queue(c->rel, ix, tid);
    }
    return ok;
}

/* ---- the message of a unique violation ---- */

static char *
index_column_name(Arena *a, const IndexDesc *ix, RelDesc *heap, int col)
{
    int e = 0;

    if (ix->attnums[col] > 0)
        return heap->cols[ix->attnums[col] - 1].name;
    for (int i = 0; i < col; i++)
        e += ix->attnums[i] == 0;
    List *exprs = node_read_list(a, ix->expr_trees);
    return sql_deparse_expr(a, list_at(exprs, e), heap, false);
}

static void
unique_violation(BtreeIndex *bt, const Datum *values, const bool *nulls)
{
    Arena *a = arena_create(arena_top(), "unique violation");
    IndexDesc *ix = index_open(bt->oid, LOCK_ACCESS_SHARE);
    RelDesc *heap = rel_open(ix->heap, LOCK_ACCESS_SHARE);
    StrBuf s;
    bool may_see = role_is_superuser(current_user_oid) ||
                   acl_check(CAT_PG_CLASS, heap->oid, current_user_oid, ACL_SELECT);

    str_init(&s, a);
    str_add_char(&s, '(');
    for (int i = 0; i < ix->nkeys; i++)
        str_printf(&s, "%s%s", i ? ", " : "", index_column_name(a, ix, heap, i));
    str_add(&s, ")=(");
    for (int i = 0; i < ix->nkeys; i++) {
        if (i)
            str_add(&s, ", ");
        if (nulls[i])
            str_add(&s, "null");
        else
            value_print(&s, bt->columns[i].type, values[i]);
    }
    str_add_char(&s, ')');
    err_start(LEVEL_ERROR, SQLSTATE_UNIQUE_VIOLATION, __FILE__, __LINE__, __func__);
    err_message("duplicate key value violates unique constraint \"%s\"", bt->name);
    if (may_see)
        err_detail("Key %s already exists.", s.data);
    err_object(heap->nsp_name, heap->name, NULL, NULL, bt->name);
    arena_destroy(a); /* the report has copied what it needs */
    err_throw();
}

void
checks_register(void)
{
    btree_unique_violation = unique_violation;
    index_expr_hook = index_expr;
}
