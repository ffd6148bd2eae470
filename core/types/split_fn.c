/*
 * Text to pieces and back: split_part, string_to_array and _to_table, array_to_string, string_agg.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* memmem */
#endif
#include "core/types/array.h"
#include "core/types/collation.h"
#include "core/types/text_type.h"

#define INT(i) datum_int32(args[i])

static void
require_deterministic(Oid collation)
{
    if (UNLIKELY(!collation_is_deterministic(collation)))
        UNSUPPORTED("nondeterministic collations are not supported for substring searches");
}

/* Field n counted from the end: its start is found by collecting the separators' places. */
static Datum
split_from_end(FnCtx *c, Span s, Span sep, int64_t back)
{
    int64_t fields = 1;

    for (size_t at = 0; (at = span_find(s, sep, at)) != SIZE_MAX; at += sep.n)
        fields++;
    int64_t want = fields - back; /* 0-based */
    if (want < 0)
        return var_make(c->arena, "", 0);
    size_t from = 0;
    for (int64_t i = 0; i < want; i++)
        from = span_find(s, sep, from) + sep.n;
    size_t end = span_find(s, sep, from);
    return var_make(c->arena, s.p + from, (end == SIZE_MAX ? s.n : end) - from);
}

Datum
fn_split_part(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = var_span(args[0]), sep = var_span(args[1]);
    int32_t field = INT(2);

    if (field == 0)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "field position must not be zero");
    require_deterministic(c->collation);
    if (s.n == 0)
        return var_make(c->arena, "", 0);
    if (sep.n == 0) /* one field */
        return field == 1 || field == -1 ? args[0] : var_make(c->arena, "", 0);
    if (field < 0)
        return split_from_end(c, s, sep, -(int64_t)field);
    size_t from = 0;
    for (int32_t i = 1; i < field; i++) {
        from = span_find(s, sep, from);
        if (from == SIZE_MAX)
            return var_make(c->arena, "", 0);
        from += sep.n;
    }
    size_t end = span_find(s, sep, from);
    return var_make(c->arena, s.p + from, (end == SIZE_MAX ? s.n : end) - from);
}

/*
 * The next piece of `s` from *pos on. A null separator splits into characters, an empty one not at
 * all. Returns false at the end; *pos is SIZE_MAX then.
 */
static bool
next_piece(Span s, Span sep, bool sep_null, size_t *pos, Span *piece)
{
    if (*pos == SIZE_MAX)
        return false;
    size_t from = *pos, end;
    if (sep_null) {
        if (from >= s.n) {
            *pos = SIZE_MAX;
            return false;
        }
        end = from + (size_t)utf8_len((unsigned char)s.p[from]);
        *pos = end;
    } else {
        end = sep.n == 0 ? SIZE_MAX : span_find(s, sep, from);
        *pos = end == SIZE_MAX ? SIZE_MAX : end + sep.n;
        if (end == SIZE_MAX)
            end = s.n;
    }
    *piece = (Span){s.p + from, end - from};
    return true;
}

/* (text, separator [, what stands for null]) */
Datum
fn_text_to_array(FnCtx *c, const Datum *args, bool *isnull)
{
    ArrayBuilder b;
    Span piece, sep = {NULL, 0}, null_text = {NULL, 0};
    size_t pos = 0;
    bool has_null_text = c->nargs > 2 && !c->argnull[2];

    if (c->argnull[0]) {
        *isnull = true;
        return 0;
    }
    Span s = var_span(args[0]);
    if (s.n == 0)
        return array_empty(c->arena, TEXT_OID);
    if (!c->argnull[1]) {
        sep = var_span(args[1]);
        require_deterministic(c->collation);
    }
    if (has_null_text)
        null_text = var_span(args[2]);
    array_builder_init(&b, c->arena);
    while (next_piece(s, sep, c->argnull[1], &pos, &piece)) {
        bool null = has_null_text && span_equal(piece, null_text);
        array_builder_add(&b, null ? 0 : span_datum(c->arena, piece), null);
    }
    return array_construct_1d(c->arena, TEXT_OID, b.v, b.nulls, b.n);
}

typedef struct TableState {
    bool active;
    size_t pos;
} TableState;

bool
fn_text_to_table(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    TableState *t = c->state;
    Span piece, sep = {NULL, 0};

    if (!t)
        t = c->state = arena_alloc0(c->state_arena, sizeof *t);
    if (c->argnull[0])
        return false;
    Span s = var_span(args[0]);
    if (!t->active) {
        if (s.n == 0)
            return false;
        t->active = true;
        t->pos = 0;
    }
    if (!c->argnull[1])
        sep = var_span(args[1]);
    if (!next_piece(s, sep, c->argnull[1], &t->pos, &piece)) {
        t->active = false;
        return false;
    }
    *outnull = c->nargs > 2 && !c->argnull[2] && span_equal(piece, var_span(args[2]));
    *out = *outnull ? 0 : span_datum(c->arena, piece);
    return true;
}

/* (array, separator [, what stands for null]) */
Datum
fn_array_to_text(FnCtx *c, const Datum *args, bool *isnull)
{
    ArrayView v;
    ArrayIter it;
    StrBuf out;
    Datum d;
    bool null, first = true;

    if (c->argnull[0] || c->argnull[1]) {
        *isnull = true;
        return 0;
    }
    bool show_nulls = c->nargs > 2 && !c->argnull[2];
    Span sep = var_span(args[1]), null_text = {NULL, 0};
    if (show_nulls)
        null_text = var_span(args[2]);
    array_view(args[0], &v);
    str_init(&out, c->arena);
    const TypeOps *ops = array_elem_ops(v.elem);
    array_iter_init(&it, &v);
    while (array_next(&it, &d, &null)) {
        if (null && !show_nulls)
            continue;
        if (!first)
            str_add_bytes(&out, sep.p, sep.n);
        first = false;
        if (null)
            str_add_bytes(&out, null_text.p, null_text.n);
        else
            ops->out(c, d, &out);
    }
    return str_datum(c->arena, &out);
}

/* ---- string_agg ---- */

typedef struct JoinState {
    StrBuf text;
    bool any;
    uint32_t first_sep; /* bytes of the first separator: kept so that states can be merged */
} JoinState;

/* Every value goes in with its separator before it; the first separator is cut off at the end. */
static inline void
join_add(AggCtx *c, JoinState *s, Datum value, bool sep_null, Datum sep)
{
    if (!s->any) {
        str_init(&s->text, c->arena);
        s->any = true;
        s->first_sep = sep_null ? 0 : var_len(sep);
    }
    if (!sep_null)
        str_add_bytes(&s->text, var_data(sep), var_len(sep));
    str_add_bytes(&s->text, var_data(value), var_len(value));
}

static void
join_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)
{
    if (!nulls[0])
        join_add(c, state, args[0], nulls[1], args[1]);
}

static void
join_merge(AggCtx *c, void *state, const void *other)
{
    JoinState *s = state;
    const JoinState *o = other;

    if (!o->any)
        return;
    if (!s->any) {
        str_init(&s->text, c->arena);
        s->any = true;
        s->first_sep = o->first_sep;
    }
    str_add_bytes(&s->text, o->text.data, o->text.len);
}

static Datum
join_final(AggCtx *c, const void *state, bool *isnull)
{
    const JoinState *s = state;

    *isnull = !s->any;
    return s->any ? var_make(c->fn.arena, s->text.data + s->first_sep, s->text.len - s->first_sep)
                  : 0;
}

const AggImpl agg_string_agg = {
    .state_bytes = sizeof(JoinState), .step = join_step, .merge = join_merge, .final = join_final};
const AggImpl agg_string_agg_bytea = {
    .state_bytes = sizeof(JoinState), .step = join_step, .merge = join_merge, .final = join_final};
