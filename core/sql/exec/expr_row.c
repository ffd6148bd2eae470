/*
 * Row values: ROW(...), comparing rows, taking and storing fields. Rows that leave an expression are
 * records: self-describing bytes (record_make), so that a field can be taken and printed without a
 * catalog entry.
 */
#include "core/sql/exec/exec_internal.h"

/* ---- records as values ---- */

Datum
record_make(Arena *a, Oid row_type, int n, const Oid *types, const Datum *values, const bool *nulls)
{
    size_t bytes = 8;
    char *p;

    for (int i = 0; i < n; i++) {
        int16_t len;
        bool byval;
        bytes += 5;
        if (nulls[i])
            continue;
        type_physical(types[i], &len, &byval);
        bytes += byval ? 8 : datum_bytes(values[i], len);
    }
    Datum d = var_alloc(a, bytes, &p);
    store_u32(p, (uint32_t)n);
    store_u32(p + 4, row_type);
    p += 8;
    for (int i = 0; i < n; i++) {
        int16_t len;
        bool byval;
        store_u32(p, types[i]);
        p[4] = nulls[i];
        p += 5;
        if (nulls[i])
            continue;
        type_physical(types[i], &len, &byval);
        if (byval) {
            store_u64(p, values[i]);
            p += 8;
        } else {
            size_t size = datum_bytes(values[i], len);
            memcpy(p, datum_ptr(values[i]), size);
            p += size;
        }
    }
    return d;
}

int
record_columns(Datum d)
{
    return (int)load_u32(var_data(d));
}

Datum
record_get(Arena *a, Datum d, int field, Oid *type, bool *isnull)
{
    const char *p = var_data(d) + 8;

    if (field > record_columns(d) && load_u32(var_data(d) + 4) != RECORD_OID) {
        *isnull = true; /* the type got the column after the value was made */
        return 0;
    }
    if (field < 1 || field > record_columns(d))
        INTERNAL_ERROR("field %d of a record of %d", field, record_columns(d));
    for (int i = 1;; i++) {
        Oid t = load_u32(p);
        bool null = p[4];
        int16_t len = 0;
        bool byval = false;
        if (!null)
            type_physical(t, &len, &byval);
        p += 5;
        if (i == field) {
            if (type)
                *type = t;
            *isnull = null;
            return null ? 0 : byval ? load_u64(p) : ptr_datum(p);
        }
        if (!null)
            p += byval ? 8 : datum_bytes(ptr_datum(p), len);
    }
}

/* ---- ROW(...) ---- */

typedef struct MakeRow { Oid type; Oid *types; Datum *values; bool *nulls; Prim *present; } MakeRow;

static const Vec *
run_make_row(Prim *p, int n, const uint16_t *sel)
{
    MakeRow *m = p->data;
    Vec *out = prim_out(p);

    for (int j = 0; j < p->nargs; j++)
        p->argv[j] = prim_eval(p->args[j], n, sel);
    const Vec *present = m->present ? prim_eval(m->present, n, sel) : NULL;
    FOR_ROWS (row, n, sel) {
        if (present && vec_null(present, row)) {
            vec_set_null(out, row);
            continue;
        }
        for (int j = 0; j < p->nargs; j++) {
            m->nulls[j] = vec_null(p->argv[j], row);
            m->values[j] = m->nulls[j] ? 0 : vec_get(p->argv[j], row);
        }
        out->v[row] = record_make(p->env->arena, m->type, p->nargs, m->types, m->values, m->nulls);
    }
    return out;
}

static Prim *
compile_make_row(ExprEnv *env, const RowExpr *r)
{
    int n = list_count(r->args);
    Prim *p = prim_new(env, run_make_row, n);
    MakeRow *m = ARENA_NEW(env->state, MakeRow);

    *m = (MakeRow){r->expr.type, ARENA_ARRAY(env->state, Oid, n + 1), ARENA_ARRAY(env->state, Datum, n + 1),
                   ARENA_ARRAY(env->state, bool, n + 1), r->present ? expr_compile(env, r->present) : NULL};
    for (int i = 0; i < n; i++) {
        const Expr *e = list_at(r->args, i);
        m->types[i] = e->type;
        p->args[i] = expr_compile(env, e);
    }
    p->data = m;
    prim_lanes(p);
    return p;
}

/* ---- row comparison: the first pair that differs decides ---- */

typedef struct RowOp {
    int n, kind;
    const Vec **l, **r;   /* of the current evaluation */
    Prim **eq, **order;   /* over aliases of l, r */
} RowOp;

static const Vec *
run_row_compare(Prim *p, int n, const uint16_t *sel)
{
    RowOp *o = p->data;
    Vec *out = prim_out(p);
    uint16_t *open = p->rows, *differ = (uint16_t *)(p->rows + p->env->lanes);
    int nopen = n;

    rows_all(open, n, sel);
    for (int c = 0; c < o->n && nopen > 0; c++) {
        int same = 0, nd = 0;
        o->l[c] = prim_eval(p->args[2 * c], nopen, open);
        o->r[c] = prim_eval(p->args[2 * c + 1], nopen, open);
        const Vec *v = prim_eval(o->eq[c], nopen, open);
        for (int k = 0; k < nopen; k++) {
            int row = open[k];
            if (vec_null(v, row))
                vec_set_null(out, row);
            else if (vec_get(v, row))
                open[same++] = (uint16_t)row;
            else
                differ[nd++] = (uint16_t)row;
        }
        nopen = same;
        if (nd == 0)
            continue;
        if (o->kind == ROWCOMPARE_EQ || o->kind == ROWCOMPARE_NE) {
            for (int k = 0; k < nd; k++)
                out->v[differ[k]] = o->kind == ROWCOMPARE_NE;
            continue;
        }
        v = prim_eval(o->order[c], nd, differ);
        for (int k = 0; k < nd; k++) {
            if (vec_null(v, differ[k]))
                vec_set_null(out, differ[k]);
            else
                out->v[differ[k]] = vec_get(v, differ[k]);
        }
    }
    bool equal = o->kind == ROWCOMPARE_LE || o->kind == ROWCOMPARE_GE || o->kind == ROWCOMPARE_EQ;
    for (int k = 0; k < nopen; k++)
        out->v[open[k]] = equal;
    return out;
}

static Prim *
compile_row_compare(ExprEnv *env, const RowCompare *r)
{
    int n = list_count(r->left);
    Prim *p = prim_new(env, run_row_compare, 2 * n);
    RowOp *o = ARENA_NEW(env->state, RowOp);

    o->n = n;
    o->kind = r->kind;
    o->l = ARENA_ARRAY(env->state, const Vec *, n);
    o->r = ARENA_ARRAY(env->state, const Vec *, n);
    o->eq = ARENA_ARRAY(env->state, Prim *, n);
    o->order = ARENA_ARRAY(env->state, Prim *, n);
    for (int i = 0; i < n; i++) {
        const Expr *l = list_at(r->left, i), *rr = list_at(r->right, i);
        Oid types[2] = {l->type, rr->type},
            collation = r->collations ? (Oid)r->collations->items[i] : 0;
        Oid lt, rt, op = (Oid)r->ops->items[i];
        p->args[2 * i] = expr_compile(env, l);
        p->args[2 * i + 1] = expr_compile(env, rr);
        Prim *alias[2] = {prim_alias(env, &o->l[i]), prim_alias(env, &o->r[i])};
        int strategy = op_btree_strategy(op, &lt, &rt);
        if (strategy == 0) {
            lt = op_info(op)->left;
            rt = op_info(op)->right;
        }
        Oid eq = strategy == 3 ? op : op_for_strategy(lt, rt, 3);
        /* (a, b) <= (c, d): where a differs from c, a < c decides */
        int order = o->kind == ROWCOMPARE_LT || o->kind == ROWCOMPARE_LE ? 1 : 5;
        Oid ord = op_for_strategy(lt, rt, order);
        if (eq == 0 || ord == 0)
            RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED,
                  "could not determine interpretation of row comparison operator %s",
                  op_info(op)->name);
        o->eq[i] = compile_call_prims(env, op_info(eq)->fn, collation, alias, types, 2, BOOL_OID,
                                      -1, false);
        o->order[i] = compile_call_prims(env, op_info(ord)->fn, collation, alias, types, 2,
                                         BOOL_OID, -1, false);
    }
    p->data = o;
    p->rows = arena_alloc(env->state, 2 * sizeof(uint16_t) * (size_t)env->lanes);
    prim_lanes(p);
    return p;
}

/* ---- fields ---- */

static const Vec *
run_field(Prim *p, int n, const uint16_t *sel)
{
    const Vec *v = prim_eval(p->args[0], n, sel);
    Vec *out = prim_out(p);

    if (v->is_const) {
        if (vec_null(v, 0))
            return &vec_null_const;
        out->is_const = true;
        n = 1;
        sel = NULL;
    }
    FOR_ROWS (row, n, sel) {
        bool isnull = true;
        Datum d = 0;
        if (!vec_null(v, row))
            d = record_get(p->env->arena, vec_get(v, row), p->i, NULL, &isnull);
        if (isnull)
            vec_set_null(out, row);
        else
            out->v[row] = d;
    }
    return out;
}

typedef struct StoreFields {
    int n;
    int *fields;
    Oid type;
    const Vec *old;
    Oid *new_types;
    int ncols;
    Oid *col_types;
} StoreFields;

static const Vec *
run_store_fields(Prim *p, int n, const uint16_t *sel)
{
    StoreFields *s = p->data;
    Vec *out = prim_out(p);
    Datum *values = arena_alloc(p->env->arena, sizeof(Datum) * (size_t)(s->ncols + 1));
    bool *nulls = arena_alloc(p->env->arena, (size_t)s->ncols + 1);

    s->old = prim_eval(p->args[0], n, sel);
    for (int j = 1; j < p->nargs; j++)
        p->argv[j] = prim_eval(p->args[j], n, sel);
    FOR_ROWS (row, n, sel) {
        bool none = vec_null(s->old, row);
        for (int c = 0; c < s->ncols; c++) {
            nulls[c] = true;
            values[c] = 0;
            if (!none)
                values[c] = record_get(p->env->arena, vec_get(s->old, row), c + 1, NULL, &nulls[c]);
        }
        for (int j = 0; j < s->n; j++) {
            int c = s->fields[j] - 1;
            nulls[c] = vec_null(p->argv[j + 1], row);
            values[c] = nulls[c] ? 0 : vec_get(p->argv[j + 1], row);
        }
        out->v[row] = record_make(p->env->arena, s->type, s->ncols, s->col_types, values, nulls);
    }
    return out;
}

static Prim *
compile_store_fields(ExprEnv *env, const FieldStore *f)
{
    int n = list_count(f->values);
    Prim *p = prim_new(env, run_store_fields, n + 1);
    StoreFields *s = ARENA_NEW(env->state, StoreFields);
    const TypeInfo *t = type_info(type_base(f->expr.type, NULL));
    const Vec **saved = compile_case_value;

    if (t->rel == 0)
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "type %s is not composite",
              type_format(env->state, f->expr.type, -1, false));
    RelDesc *rel = rel_open(t->rel, LOCK_ACCESS_SHARE);
    s->ncols = rel->natts;
    s->col_types = ARENA_ARRAY(env->state, Oid, s->ncols + 1);
    for (int i = 0; i < s->ncols; i++)
        s->col_types[i] = rel->cols[i].type;
    s->n = n;
    s->type = f->expr.type;
    s->fields = ARENA_ARRAY(env->state, int, n + 1);
    p->args[0] = expr_compile(env, f->arg);
    compile_case_value = &s->old;
    for (int i = 0; i < n; i++) {
        s->fields[i] = (int)f->fields->items[i];
        p->args[i + 1] = expr_compile(env, list_at(f->values, i));
    }
    compile_case_value = saved;
    p->data = s;
    prim_lanes(p);
    return p;
}

Prim *
compile_row(ExprEnv *env, const Expr *e)
{
    switch ((int)e->tag) {
    case TAG_RowExpr:
        return compile_make_row(env, (const RowExpr *)e);
    case TAG_RowCompare:
        return compile_row_compare(env, (const RowCompare *)e);
    case TAG_FieldStore:
        return compile_store_fields(env, (const FieldStore *)e);
    default: {
        const FieldSelect *f = (const FieldSelect *)e;
        if (IS(f->arg, RowExpr))
            return expr_compile(env, list_at(((const RowExpr *)f->arg)->args, f->field - 1));
        Prim *p = prim_new(env, run_field, 1);
        p->args[0] = expr_compile(env, f->arg);
        p->i = f->field;
        prim_lanes(p);
        return p;
    }
    }
}
