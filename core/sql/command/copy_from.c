/*
 * COPY FROM: fields to rows of a table, in batches through the bulk writer. Errors carry PostgreSQL's
 * context: COPY t, line 3, column a: "x".
 */
#include "core/sql/command/copy.h"

#define BATCH_BYTES (1u << 20) /* values kept before a batch is written */

typedef struct CopyLine { const char *text; size_t len; } CopyLine;

typedef struct CopyIn {
    CopyJob *j;
    CopyReader *reader;
    TableWriter *writer;
    const TypeOps **ops;    /* per copied column */
    FnCtx *ctx;
    int32_t *typmods;
    Oid *elems;
    bool *force_not_null, *force_null;
    ExprState **defaults;   /* per table column, NULL: null */
    ExprState *where;
    Batch *batch;           /* table columns */
    Arena *values;          /* what the batch points at */
    Arena *row_scratch;
    Datum *row; bool *nulls;
    bool direct;            /* rows need nothing computed */
    int *missing, nmissing; /* direct: columns of the table that stay null */
    uint64_t rows, rows_read; /* written; binary: read, the one in work included */
    uint64_t *lines;        /* line number of each row of the batch */
    CopyLine *texts;        /* its text, kept when the table has checks */
    bool flushing;
    /* for error contexts */
    int column;             /* attnum being converted, 0 none */
    const CopyField *field;
    bool in_row;
} CopyIn;

static void
add_context(CopyIn *in, ErrReport *r)
{
    Arena *a = in->j->c->arena;
    const char *t = in->j->rel->name;
    unsigned long long line = copy_reader_line_number(in->reader);
    char *text;

    if (in->flushing && in->j->o.format != COPY_BINARY) { /* an error of a row that waited in the batch */
        int at = writer_batch_row(in->writer);
        size_t n;
        if (at < 0 || at >= in->batch->n)
            at = in->batch->n - 1;
        line = in->lines[at];
        if (in->texts && (r->sqlstate == SQLSTATE_CHECK_VIOLATION || r->sqlstate == SQLSTATE_NOT_NULL_VIOLATION)) {
            const CopyLine *l = &in->texts[at];
            n = utf8_clip(l->text, l->len, 100);
            text = arena_printf(a, "COPY %s, line %llu: \"%.*s%s\"", t, line, (int)n, l->text, n < l->len ? "..." : "");
        } else
            text = arena_printf(a, "COPY %s, line %llu", t, line);
        r->context = r->context ? arena_printf(a, "%s\n%s", r->context, text) : text;
        return;
    }
    if (in->j->o.format == COPY_BINARY) {
        line = in->rows_read;
        if (line == 0)
            return; /* the header */
        text = in->column ? arena_printf(a, "COPY %s, line %llu, column %s", t, line, in->j->rel->cols[in->column - 1].name) : arena_printf(a, "COPY %s, line %llu", t, line);
    } else if (in->column && in->field) {
        const char *col = in->j->rel->cols[in->column - 1].name;
        size_t n = utf8_clip(in->field->text, in->field->len, 100);
        if (in->field->is_null)
            text = arena_printf(a, "COPY %s, line %llu, column %s: null input", t, line, col);
        else
            text = arena_printf(a, "COPY %s, line %llu, column %s: \"%.*s%s\"", t, line, col, (int)n, in->field->text, n < in->field->len ? "..." : "");
    } else if (in->in_row && copy_reader_in_line(in->reader)) {
        size_t len, n;
        const char *raw = copy_reader_line_text(in->reader, &len);
        n = utf8_clip(raw, len, 100);
        text = arena_printf(a, "COPY %s, line %llu: \"%.*s%s\"", t, line, (int)n, raw, n < len ? "..." : "");
    } else
        text = arena_printf(a, "COPY %s, line %llu", t, line);
    r->context = r->context ? arena_printf(a, "%s\n%s", r->context, text) : text;
}

static void
prepare_columns(CopyIn *in)
{
    CopyJob *j = in->j;
    Arena *a = j->c->arena;
    int n = j->ncols;
    in->ops = ARENA_ARRAY(a, const TypeOps *, n + 1);
    in->ctx = ARENA_ARRAY(a, FnCtx, n + 1);
    in->typmods = ARENA_ARRAY(a, int32_t, n + 1);
    in->elems = ARENA_ARRAY(a, Oid, n + 1);
    in->force_not_null = ARENA_ARRAY(a, bool, n + 1);
    in->force_null = ARENA_ARRAY(a, bool, n + 1);
    for (int i = 0; i < n; i++) {
        const ColDesc *c = &j->rel->cols[j->attnums[i] - 1];
        int32_t mod = c->typmod;
        Oid base = type_base(c->type, &mod);
        const TypeInfo *t = type_info(base);
        if (t->ops == NULL)
            UNSUPPORTED("COPY of type %s is not supported", type_format(a, c->type, -1, false));
        in->ops[i] = t->ops;
        in->elems[i] = t->elem;
        in->typmods[i] = mod;
        bool *argnull = ARENA_ARRAY(a, bool, 4);
        in->ctx[i] = (FnCtx){.arena = in->values, .state_arena = a, .ret_type = base, .ret_typmod = mod, .collation = c->collation, .argnull = argnull};
    }
    const List *lists[2] = {j->o.force_not_null, j->o.force_null};
    for (int l = 0; l < 2; l++)
        for (int k = 0; k < list_count(lists[l]); k++) {
            const char *name = lists[l]->items[k];
            bool found = false;
            if (rel_attnum(j->rel, name) <= 0)
                RAISE(SQLSTATE_UNDEFINED_COLUMN, "column \"%s\" of relation \"%s\" does not exist", name, j->rel->name);
            for (int i = 0; i < n; i++)
                if (strcmp(j->rel->cols[j->attnums[i] - 1].name, name) == 0)
                    (l ? in->force_null : in->force_not_null)[i] = found = true;
            if (!found)
                RAISE(SQLSTATE_INVALID_COLUMN_REFERENCE, "FORCE_%s column \"%s\" not referenced by COPY", l ? "NULL" : "NOT_NULL", name);
        }
}

static void
prepare_defaults(CopyIn *in)
{
    CopyJob *j = in->j;
    Arena *a = j->c->arena;
    in->defaults = ARENA_ARRAY(a, ExprState *, j->rel->natts + 1);
    in->missing = ARENA_ARRAY(a, int, j->rel->natts + 1);
    in->direct = true;
    for (int att = 1; att <= j->rel->natts; att++) {
        const ColDesc *c = &j->rel->cols[att - 1];
        bool given = c->dropped || c->generated;
        for (int i = 0; i < j->ncols && !given; i++)
            given = j->attnums[i] == att;
        if (given && !c->dropped && !c->generated)
            continue;
        in->missing[in->nmissing++] = att;
        if (given)
            continue;
        if (c->identity) {
            NextValue *nv = node_new(a, NextValue);
            nv->sequence = sequence_of_column(j->rel->oid, att, 'i');
            nv->expr.type = c->type;
            in->defaults[att - 1] = expr_prepare(a, &nv->expr);
            in->direct = false;
        } else if (c->default_tree) {
            in->direct = false;
            in->defaults[att - 1] = expr_prepare(a, plan_fold_constants(a, node_read(a, c->default_tree), NULL));
        }
    }
}

static Datum
convert_text(CopyIn *in, int i, const CopyField *f)
{
    in->column = in->j->attnums[i];
    in->field = f;
    const TypeOps *ops = in->ops[i];
    FnCtx *c = &in->ctx[i];
    Datum d = ops->in(c, f->text, f->len, in->elems[i], in->typmods[i]);
    in->column = 0;
    return d;
}

static void
flush_batch(CopyIn *in)
{
    if (in->batch->n == 0)
        return;
    in->batch->nsel = in->batch->n;
    in->batch->sel = NULL;
    in->flushing = true;
    writer_insert_batch(in->writer, in->batch);
    in->flushing = false;
    in->batch->n = 0;
    for (int i = 0; i < in->batch->ncols; i++)
        vec_clear_nulls(&in->batch->cols[i]);
    arena_reset(in->values);
}

/* One more row stands in the batch. */
static inline void
row_taken(CopyIn *in)
{
    Batch *b = in->batch;
    in->lines[b->n] = copy_reader_line_number(in->reader);
    if (in->texts && in->j->o.format != COPY_BINARY) {
        size_t len;
        const char *raw = copy_reader_line_text(in->reader, &len);
        in->texts[b->n] = (CopyLine){arena_memdup(in->values, raw, len), len};
    }
    b->n++;
    in->rows++;
    if (b->n == BATCH_ROWS || ((b->n & 31) == 0 && arena_bytes(in->values) > BATCH_BYTES * 4))
        flush_batch(in);
}

/* The row in in->row goes to the batch. */
static void
take_row(CopyIn *in)
{
    RelDesc *rel = in->j->rel;
    for (int a = 0; a < rel->natts; a++)
        if (in->defaults[a])
            in->row[a] = expr_eval(in->defaults[a], in->values, in->row, in->nulls, &in->nulls[a]);
    if (in->where) {
        bool isnull;
        Datum ok = expr_eval(in->where, in->row_scratch, in->row, in->nulls, &isnull);
        arena_reset(in->row_scratch);
        if (isnull || !ok)
            return;
    }
    Batch *b = in->batch;
    for (int a = 0; a < rel->natts; a++) {
        b->cols[a].v[b->n] = in->row[a];
        if (in->nulls[a])
            vec_set_null(&b->cols[a], b->n);
    }
    row_taken(in);
}

static void
clear_row(CopyIn *in)
{
    for (int a = 0; a < in->j->rel->natts; a++) {
        in->row[a] = 0;
        in->nulls[a] = true;
    }
}

static void
check_header(CopyIn *in, CopyField *f, int n)
{
    CopyJob *j = in->j;
    if (n != j->ncols)
        RAISE(SQLSTATE_BAD_COPY_FILE_FORMAT, "wrong number of fields in header line: got %d, expected %d", n, j->ncols);
    for (int i = 0; i < n; i++) {
        const char *want = j->rel->cols[j->attnums[i] - 1].name;
        if (f[i].is_null)
            RAISE(SQLSTATE_BAD_COPY_FILE_FORMAT, "column name mismatch in header line field %d: got null value (\"%s\"), expected \"%s\"", i + 1, j->o.null, want);
        if (strcmp(f[i].text, want) != 0)
            RAISE(SQLSTATE_BAD_COPY_FILE_FORMAT, "column name mismatch in header line field %d: got \"%s\", expected \"%s\"", i + 1, f[i].text, want);
    }
}

static inline bool
field_is_null(const CopyIn *in, int i, const CopyField *f)
{
    if (f->is_null)
        return !in->force_not_null[i];
    const CopyOptions *o = &in->j->o;
    return f->quoted && in->force_null[i] && f->len == o->null_len && memcmp(f->text, o->null, f->len) == 0;
}

/* No default to compute and no WHERE: fields go straight to the batch's columns. */
static void
direct_row(CopyIn *in, const CopyField *f, int n)
{
    CopyJob *j = in->j;
    Batch *b = in->batch;
    for (int i = 0; i < j->ncols; i++) {
        int att = j->attnums[i];
        Vec *v = &b->cols[att - 1];
        if (UNLIKELY(i >= n))
            RAISE(SQLSTATE_BAD_COPY_FILE_FORMAT, "missing data for column \"%s\"", j->rel->cols[att - 1].name);
        if (field_is_null(in, i, &f[i]))
            vec_set_null(v, b->n);
        else
            v->v[b->n] = convert_text(in, i, &f[i]);
    }
    for (int k = 0; k < in->nmissing; k++)
        vec_set_null(&b->cols[in->missing[k] - 1], b->n);
    row_taken(in);
}

static void
text_rows(CopyIn *in)
{
    CopyJob *j = in->j;
    CopyField *f;
    int n;
    if (j->o.header != HEADER_OFF) {
        in->in_row = true;
        in->in_row = true;
        if (!copy_reader_line(in->reader, &f, &n))
            return;
        if (j->o.header == HEADER_MATCH)
            check_header(in, f, n);
    }
    for (;;) {
        in->in_row = true; /* a line that cannot be split is shown, too */
        if (!copy_reader_line(in->reader, &f, &n)) {
            in->in_row = false;
            return;
        }
        if ((copy_reader_line_number(in->reader) & 1023) == 0)
            CHECK_INTERRUPTS();
        if (n > j->ncols && !(j->ncols == 0 && n == 1 && f[0].len == 0))
            RAISE(SQLSTATE_BAD_COPY_FILE_FORMAT, "extra data after last expected column");
        if (in->direct) {
            direct_row(in, f, n);
            continue;
        }
        clear_row(in);
        for (int i = 0; i < j->ncols; i++) {
            int att = j->attnums[i];
            if (i >= n)
                RAISE(SQLSTATE_BAD_COPY_FILE_FORMAT, "missing data for column \"%s\"", j->rel->cols[att - 1].name);
            if (field_is_null(in, i, &f[i]))
                continue;
            in->row[att - 1] = convert_text(in, i, &f[i]);
            in->nulls[att - 1] = false;
        }
        take_row(in);
    }
}

/* ---- binary ---- */

static void
need(CopyIn *in, void *out, size_t n)
{
    if (!copy_reader_bytes(in->reader, out, n))
        RAISE(SQLSTATE_BAD_COPY_FILE_FORMAT, "unexpected EOF in COPY data");
}

static void
binary_rows(CopyIn *in)
{
    char head[11], w[4];
    CopyJob *j = in->j;
    if (!copy_reader_bytes(in->reader, head, 11) || memcmp(head, "PGCOPY\n\377\r\n\0", 11) != 0)
        RAISE(SQLSTATE_BAD_COPY_FILE_FORMAT, "COPY file signature not recognized");
    if (!copy_reader_bytes(in->reader, w, 4))
        RAISE(SQLSTATE_BAD_COPY_FILE_FORMAT, "invalid COPY file header (missing flags)");
    uint32_t flags = load_be32(w);
    if (flags & 0x10000)
        RAISE(SQLSTATE_BAD_COPY_FILE_FORMAT, "invalid COPY file header (WITH OIDS)");
    if (flags >> 16)
        RAISE(SQLSTATE_BAD_COPY_FILE_FORMAT, "unrecognized critical flags in COPY file header");
    if (!copy_reader_bytes(in->reader, w, 4) || (int32_t)load_be32(w) < 0)
        RAISE(SQLSTATE_BAD_COPY_FILE_FORMAT, "invalid COPY file header (missing length)");
    for (uint32_t skip = load_be32(w); skip > 0; skip--)
        if (!copy_reader_bytes(in->reader, head, 1))
            RAISE(SQLSTATE_BAD_COPY_FILE_FORMAT, "invalid COPY file header (wrong length)");
    size_t cap = 64;
    char *buf = arena_alloc(j->c->arena, cap); /* also for fields without bytes */
    for (;;) {
        CHECK_INTERRUPTS();
        in->rows_read++;
        if (!copy_reader_bytes(in->reader, w, 2))
            return;
        int n = (int16_t)load_be16(w);
        if (n == -1) {
            copy_reader_skip_rest(in->reader);
            return;
        }
        if (n != j->ncols)
            RAISE(SQLSTATE_BAD_COPY_FILE_FORMAT, "row field count is %d, expected %d", n, j->ncols);
        clear_row(in);
        for (int i = 0; i < n; i++) {
            in->column = j->attnums[i];
            need(in, w, 4);
            int32_t len = (int32_t)load_be32(w);
            if (len == -1)
                continue;
            if (len < 0)
                RAISE(SQLSTATE_BAD_COPY_FILE_FORMAT, "invalid field size");
            if ((size_t)len > cap) {
                cap = (size_t)len * 2 + 64;
                buf = arena_alloc(j->c->arena, cap);
            }
            need(in, buf, (size_t)len);
            if (in->ops[i]->recv == NULL)
                UNSUPPORTED("binary input of type %s is not supported", type_format(j->c->arena, in->ctx[i].ret_type, -1, false));
            in->row[j->attnums[i] - 1] = in->ops[i]->recv(&in->ctx[i], buf, (size_t)len, in->elems[i], in->typmods[i]);
            in->nulls[j->attnums[i] - 1] = false;
        }
        in->column = 0;
        take_row(in);
    }
}

static void
check_target(const RelDesc *r)
{
    switch (r->kind) {
    case 'r': case 'p': return;
    case 'v':
        RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("cannot copy to view \"%s\"", r->name), err_hint("To enable copying to a view, provide an INSTEAD OF INSERT trigger."));
    case 'm': RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "cannot copy to materialized view \"%s\"", r->name);
    case 'S': RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "cannot copy to sequence \"%s\"", r->name);
    default: RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "cannot copy to non-table relation \"%s\"", r->name);
    }
}

uint64_t
copy_from(CopyJob *j, const PgQuery__CopyStmt *s)
{
    CopyIn *in = ARENA_NEW(j->c->arena, CopyIn);
    Arena *a = j->c->arena;
    check_target(j->rel);
    if (j->o.freeze && !storage_is_new(j->rel->heap.locator))
        RAISE(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "cannot perform COPY FREEZE because the table was not created or truncated in the current subtransaction");
    in->j = j;
    in->values = arena_create(a, "copied values");
    in->row_scratch = arena_create(a, "copied row");
    in->row = ARENA_ARRAY(a, Datum, j->rel->natts + 1);
    in->nulls = ARENA_ARRAY(a, bool, j->rel->natts + 1);
    in->batch = batch_new(a, j->rel->natts);
    in->lines = ARENA_ARRAY(a, uint64_t, BATCH_ROWS);
    bool checked = j->rel->nchecks > 0;
    for (int i = 0; i < j->rel->natts; i++)
        checked |= j->rel->cols[i].not_null;
    if (checked)
        in->texts = ARENA_ARRAY(a, CopyLine, BATCH_ROWS);
    prepare_columns(in);
    prepare_defaults(in);
    if (s->where_clause) {
        Expr *e = sql_analyze_expr(a, s->where_clause, j->rel, j->c->text, "COPY FROM WHERE conditions");
        in->direct = false;
        in->where = expr_prepare(a, plan_fold_constants(a, e, NULL));
    }
    if (j->file == NULL)
        session_hooks.copy->begin_in(session_hooks.copy->arg, j->ncols, j->o.format == COPY_BINARY);
    in->reader = copy_reader_new(j);
    in->writer = writer_open(a, j->rel, true);
    ERR_TRY
    {
        if (j->o.format == COPY_BINARY)
            binary_rows(in);
        else
            text_rows(in);
        in->in_row = false;
        flush_batch(in);
    }
    ERR_CATCH
    {
        ErrReport *r = err_copy(a, err_current());
        err_clear();
        add_context(in, r);
        copy_reader_close(in->reader);
        err_throw_report(r);
    }
    ERR_END;
    writer_close(in->writer);
    copy_reader_close(in->reader);
    return in->rows;
}
