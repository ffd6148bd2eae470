/*
 * The inner side of a hash join: rows by hash in chained buckets, built in one pass. When they outgrow
 * the memory, the hash's upper bits split them into batches, all but the current one in temporary files;
 * the number of batches doubles as often as needed, rows of later batches moving on when met.
 */
#include "core/sql/exec/hash_build.h"

static uint64_t
memory_limit(void)
{
    return (uint64_t)work_mem_kb * 1024 * 2; /* hash_mem_multiplier's default */
}

void
hash_build_init(HashBuild *h, Arena *parent, int ncols, const Oid *types)
{
    *h = (HashBuild){.parent = parent, .nbatch = 1};
    h->arena = arena_create(parent, "hash join rows");
    h->file_arena = arena_create(parent, "hash join files");
    row_shape_init(&h->shape, parent, ncols, types);
}

void
hash_build_clear(HashBuild *h)
{
    arena_reset(h->arena);
    arena_reset(h->file_arena);
    h->first = NULL;
    h->buckets = NULL;
    h->count = h->bytes = h->peak = 0;
    h->nbatch = 1;
    h->current = 0;
    h->inner = h->outer = NULL;
    h->no_more_splits = false;
}

static TempFile **
grow_files(HashBuild *h, TempFile **old, int n)
{
    TempFile **f = ARENA_ARRAY(h->file_arena, TempFile *, n);

    if (old)
        memcpy(f, old, sizeof(*f) * (size_t)(n / 2));
    return f;
}

static void
to_file(HashBuild *h, TempFile **files, int batch, const RowShape *s, Row *r)
{
    if (files[batch] == NULL)
        files[batch] = temp_file_create(h->file_arena);
    row_write(files[batch], s, r);
}

void
hash_build_spill_inner(HashBuild *h, Row *r)
{
    to_file(h, h->inner, hash_batch_of(h, r->hash), &h->shape, r);
}

void
hash_build_spill_outer(HashBuild *h, const RowShape *s, Row *r)
{
    to_file(h, h->outer, hash_batch_of(h, r->hash), s, r);
}

/* Twice as many batches: rows that no longer belong to the current one go to their files. */
static void
split(HashBuild *h)
{
    Arena *old = h->arena;
    uint64_t before = h->count;

    if (h->nbatch >= 1 << 16) {
        h->no_more_splits = true;
        return;
    }
    h->nbatch *= 2;
    h->inner = grow_files(h, h->inner, h->nbatch);
    h->outer = grow_files(h, h->outer, h->nbatch);
    h->arena = arena_create(h->parent, "hash join rows");
    Row *list = h->first;
    h->first = NULL;
    h->count = h->bytes = 0;
    for (Row *r = list, *next; r; r = next) {
        next = r->next;
        if (hash_batch_of(h, r->hash) == h->current) {
            Row *c = row_copy(h->arena, &h->shape, r);
            c->next = h->first;
            h->first = c;
            h->count++;
            h->bytes += c->bytes + 16;
        } else {
            hash_build_spill_inner(h, r);
        }
    }
    arena_destroy(old);
    if (h->count == before)
        h->no_more_splits = h->same_twice; /* equal hashes: splitting does not help */
    h->same_twice = h->count == before;
}

static void
keep(HashBuild *h, Row *r)
{
    r->next = h->first;
    h->first = r;
    h->count++;
    h->bytes += r->bytes + 16;
    if (h->bytes > h->peak)
        h->peak = h->bytes;
    if (UNLIKELY(h->bytes > memory_limit() && !h->no_more_splits))
        split(h);
}

void
hash_build_add(HashBuild *h, const Vec *const *cols, int row, uint64_t hash)
{
    if (h->nbatch > 1 && hash_batch_of(h, hash) != h->current) {
        ArenaMark m = arena_mark(h->arena);
        Row *r = row_form_ptrs(h->arena, &h->shape, cols, row, 0);
        r->hash = hash;
        hash_build_spill_inner(h, r);
        arena_release(h->arena, m);
        return;
    }
    Row *r = row_form_ptrs(h->arena, &h->shape, cols, row, 0);
    r->hash = hash;
    keep(h, r);
}

/* All rows of the batch are in: makes the buckets. */
void
hash_build_finish(HashBuild *h)
{
    uint64_t n = 64;

    while (n < h->count)
        n *= 2;
    h->mask = n - 1;
    h->buckets = arena_alloc0(h->arena, n * sizeof(Row *));
    /* The list is in reverse; so are the chains then, in order of arrival. */
    for (Row *r = h->first, *next; r; r = next) {
        Row **b = &h->buckets[r->hash & h->mask];
        next = r->next;
        r->next = *b;
        *b = r;
    }
}

bool
hash_build_next_batch(HashBuild *h)
{
    if (h->current + 1 >= h->nbatch)
        return false;
    h->current++;
    arena_reset(h->arena);
    h->first = NULL;
    h->buckets = NULL;
    h->count = h->bytes = 0;
    h->no_more_splits = h->same_twice = false;
    TempFile *f = h->inner[h->current];
    if (f) {
        temp_file_rewind(f);
        for (Row *r; (r = row_read(f, &h->shape, h->arena)) != NULL;) {
            if (hash_batch_of(h, r->hash) != h->current) /* split since it was written */
                hash_build_spill_inner(h, r);
            else
                keep(h, r);
            CHECK_INTERRUPTS();
        }
        temp_file_close(f);
        h->inner[h->current] = NULL;
    }
    hash_build_finish(h);
    return true;
}
