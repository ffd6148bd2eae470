/*
 * Rows kept beyond their batch: one block each, lanes first, the bytes of by-reference values behind
 * them. A block is position-independent once its pointers are made offsets, which is how rows go to
 * disk (row_to_disk, row_from_disk).
 */
#include "core/sql/exec/exec_internal.h"

void
row_shape_init(RowShape *s, Arena *a, int ncols, const Oid *types)
{
    *s = (RowShape){.ncols = ncols, .nwords = (ncols + 63) / 64};
    s->len = ARENA_ARRAY(a, int16_t, ncols + 1);
    s->byval = ARENA_ARRAY(a, bool, ncols + 1);
    s->ref = ARENA_ARRAY(a, int16_t, ncols + 1);
    for (int i = 0; i < ncols; i++) {
        type_physical(types[i], &s->len[i], &s->byval[i]);
        if (!s->byval[i])
            s->ref[s->nref++] = (int16_t)i;
    }
}

void
row_shape_of_targets(RowShape *s, Arena *a, const List *targets)
{
    Oid *types = ARENA_ARRAY(a, Oid, list_count(targets) + 1);

    for (int i = 0; i < list_count(targets); i++)
        types[i] = ((const TargetEntry *)list_at(targets, i))->expr->type;
    row_shape_init(s, a, list_count(targets), types);
}

static inline size_t
value_bytes(const RowShape *s, int c, Datum d)
{
    return s->len[c] == -2 ? strlen(datum_ptr(d)) + 1 : datum_bytes(d, s->len[c]);
}

#define FORM_BODY(COL)                                                                               \
    size_t head = sizeof(Row) + ((size_t)s->nwords + (size_t)s->ncols) * 8, bytes = head;            \
    for (int j = 0; j < s->nref; j++) {                                                              \
        int c = s->ref[j];                                                                           \
        const Vec *v = (COL);                                                                        \
        if (!vec_null(v, i))                                                                         \
            bytes += ALIGN_UP(value_bytes(s, c, vec_get(v, i)), (size_t)8);                          \
    }                                                                                                \
    Row *r = arena_alloc(a, bytes + extra);                                                          \
    r->bytes = (uint32_t)bytes;                                                                      \
    r->flags = 0;                                                                                    \
    r->next = NULL;                                                                                  \
    Datum *lanes = row_lanes(s, r);                                                                  \
    char *p = (char *)r + head;                                                                      \
    for (int w = 0; w < s->nwords; w++)                                                              \
        r->words[w] = 0;                                                                             \
    for (int c = 0; c < s->ncols; c++) {                                                             \
        const Vec *v = (COL);                                                                        \
        if (vec_null(v, i)) {                                                                        \
            r->words[c >> 6] |= UINT64_C(1) << (c & 63);                                             \
            lanes[c] = 0;                                                                            \
        } else {                                                                                     \
            lanes[c] = vec_get(v, i);                                                                \
        }                                                                                            \
    }                                                                                                \
    for (int j = 0; j < s->nref; j++) {                                                              \
        int c = s->ref[j];                                                                           \
        if (row_null(r, c))                                                                          \
            continue;                                                                                \
        size_t n = value_bytes(s, c, lanes[c]);                                                      \
        memcpy(p, datum_ptr(lanes[c]), n);                                                           \
        lanes[c] = ptr_datum(p);                                                                     \
        p += ALIGN_UP(n, (size_t)8);                                                                 \
    }                                                                                                \
    return r;

Row *
row_form(Arena *a, const RowShape *s, const Vec *cols, int i, size_t extra)
{
    FORM_BODY(&cols[c])
}

Row *
row_form_ptrs(Arena *a, const RowShape *s, const Vec *const *cols, int i, size_t extra)
{
    FORM_BODY(cols[c])
}

void
rows_to_lanes(const RowShape *s, Row *const *rows, int n, Vec *cols, int at, const bool *needed)
{
    for (int c = 0; c < s->ncols; c++) {
        if (needed && !needed[c])
            continue;
        Vec *v = &cols[c];
        Datum *out = v->v + at;
        uint64_t any = 0;
        const int word = c >> 6, bit = c & 63, lane = s->nwords + c;
        v->is_const = false;
        for (int i = 0; i < n; i++) {
            const Row *r = rows[i];
            if (UNLIKELY(r == NULL)) {
                any = 1;
                continue;
            }
            any |= r->words[word] >> bit;
            out[i] = r->words[lane];
        }
        if (any & 1)
            for (int i = 0; i < n; i++)
                if (rows[i] == NULL || row_null(rows[i], c))
                    vec_set_null(v, at + i);
    }
}

void
rows_to_batch(const RowShape *s, Row *const *rows, int n, Batch *out, const bool *needed)
{
    for (int c = 0; c < s->ncols; c++)
        out->cols[c].has_nulls = false;
    rows_to_lanes(s, rows, n, out->cols, 0, needed);
    out->n = out->nsel = n;
    out->sel = NULL;
}

void
row_to_disk(const RowShape *s, Row *r)
{
    Datum *lanes = row_lanes(s, r);

    for (int j = 0; j < s->nref; j++)
        if (!row_null(r, s->ref[j]))
            lanes[s->ref[j]] -= (Datum)(uintptr_t)r;
}

void
row_from_disk(const RowShape *s, Row *r)
{
    Datum *lanes = row_lanes(s, r);

    for (int j = 0; j < s->nref; j++)
        if (!row_null(r, s->ref[j]))
            lanes[s->ref[j]] += (Datum)(uintptr_t)r;
}

Row *
row_copy(Arena *a, const RowShape *s, const Row *r)
{
    Row *c = arena_memdup(a, r, r->bytes);
    Datum *lanes = row_lanes(s, c);

    for (int j = 0; j < s->nref; j++)
        if (!row_null(c, s->ref[j]))
            lanes[s->ref[j]] += (Datum)((uintptr_t)c - (uintptr_t)r);
    return c;
}

void
row_write(TempFile *f, const RowShape *s, Row *r)
{
    if (s->nref == 0) {
        temp_file_write(f, r, r->bytes);
        return;
    }
    row_to_disk(s, r);
    temp_file_write(f, r, r->bytes);
    row_from_disk(s, r);
}

Row *
row_read(TempFile *f, const RowShape *s, Arena *a)
{
    uint32_t bytes;

    if (!temp_file_read(f, &bytes, sizeof(bytes)))
        return NULL;
    Row *r = arena_alloc(a, bytes);
    r->bytes = bytes;
    if (!temp_file_read(f, (char *)r + sizeof(bytes), bytes - sizeof(bytes)))
        INTERNAL_ERROR("temporary file ends inside a row");
    row_from_disk(s, r);
    return r;
}
