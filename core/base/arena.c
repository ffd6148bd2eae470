/*
 * Arenas: a list of chunks, newest first, and a bump region in the newest ordinary one.
 *
 * The Arena itself sits at the start of its first chunk, so creating one is one malloc (or none:
 * a few first chunks are kept for reuse) and a small arena is one block. Chunks double up to
 * CHUNK_MAX_BYTES. A big request gets a chunk of its own, flagged `big`; the bump region stays where
 * it was. Since every chunk is pushed at the head, a mark is (head, next) and releasing pops down to
 * it; the region then is the newest chunk that is not big.
 *
 * Releasing or resetting keeps one popped ordinary chunk as `spare`: a loop that spills over the
 * first chunk at each turn would otherwise malloc and free at each turn.
 *
 * Built with AddressSanitizer, free space is poisoned and each block is followed by a red zone.
 */
#include "core/base/arena.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/limits.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define POISON(p, n) __asan_poison_memory_region((p), (n))
#define UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#define RED_ZONE 16
#define KEPT_FIRST_CHUNKS 0
#else
#define POISON(p, n) ((void)0)
#define UNPOISON(p, n) ((void)0)
#define RED_ZONE 0
#define KEPT_FIRST_CHUNKS 16
#endif

#define FIRST_CHUNK_BYTES 4096u           /* most per-statement arenas never need a second one */
#define CHUNK_MAX_BYTES (1024u * 1024)    /* doubling ends here: bounds the unused tail */
#define SPARE_MAX_BYTES (128u * 1024)     /* an idle arena holds no more than this in reserve */

typedef struct Chunk {
    struct Chunk *prev; /* older */
    size_t bytes;       /* the whole block, header included */
    bool big;
    char pad[15];       /* keeps data 16-aligned */
} Chunk;
STATIC_ASSERT(sizeof(Chunk) % 16 == 0);

typedef struct Cleanup {
    struct Cleanup *next;
    ArenaCleanup fn;
    void *arg;
} Cleanup;

struct Arena {
    char *next, *end; /* the bump region */
    Chunk *head;
    Chunk *spare;
    size_t grow_bytes; /* size of the next ordinary chunk */
    size_t own_bytes;
    Cleanup *cleanups;
    Arena *parent, *first_child, *next_sibling, *prev_sibling;
    const char *name;
    Chunk first[]; /* ends the struct; the first chunk's header, its data follow */
};

static void *kept_first[KEPT_FIRST_CHUNKS + 1];
static int kept_first_count;
static Arena *top_arena;

static char *
chunk_end(Chunk *c)
{
    return (char *)c + c->bytes;
}

static char *
chunk_data(Chunk *c)
{
    return (char *)(c + 1);
}

static Chunk *
first_chunk(Arena *a)
{
    return a->first;
}

static void
set_region(Arena *a, Chunk *c, char *next)
{
    a->next = next;
    a->end = chunk_end(c);
    POISON(next, (size_t)(a->end - next));
}

static void
raise_no_memory(const Arena *a, size_t bytes)
{
    RAISE_ERR(SQLSTATE_OUT_OF_MEMORY, err_message("out of memory"),
              err_detail("Failed on request of size %zu in memory context \"%s\".", bytes,
                         a ? a->name : "new arena"));
}

/* NULL when the system has no memory. */
static Arena *
create_raw(Arena *parent, const char *name)
{
    Arena *a;
    if (kept_first_count > 0)
        a = kept_first[--kept_first_count];
    else
        a = malloc(FIRST_CHUNK_BYTES);
    if (a == NULL)
        return NULL;
    memset(a, 0, sizeof(*a));
    a->name = name;
    a->parent = parent;
    a->own_bytes = FIRST_CHUNK_BYTES;
    a->grow_bytes = 2 * FIRST_CHUNK_BYTES;
    Chunk *c = first_chunk(a);
    c->prev = NULL;
    c->big = false;
    c->bytes = FIRST_CHUNK_BYTES - offsetof(Arena, first);
    a->head = c;
    set_region(a, c, chunk_data(c));
    if (parent) {
        a->next_sibling = parent->first_child;
        if (parent->first_child)
            parent->first_child->prev_sibling = a;
        parent->first_child = a;
    }
    return a;
}

Arena *
arena_create(Arena *parent, const char *name)
{
    Arena *a = create_raw(parent, name);
    if (UNLIKELY(a == NULL))
        raise_no_memory(parent, FIRST_CHUNK_BYTES);
    return a;
}

Arena *
arena_try_create(Arena *parent, const char *name)
{
    return create_raw(parent, name);
}

static void
free_chunk(Arena *a, Chunk *c)
{
    if (!c->big && c->bytes <= SPARE_MAX_BYTES && (a->spare == NULL || a->spare->bytes < c->bytes)) {
        Chunk *old = a->spare;
        a->spare = c;
        POISON(chunk_data(c), c->bytes - sizeof(Chunk));
        c = old;
    }
    if (c) {
        a->own_bytes -= c->bytes;
        UNPOISON(c, c->bytes);
        free(c);
    }
}

/* Children first, then cleanups newest first: a cleanup may still use its arena's memory. */
static void
run_end(Arena *a)
{
    while (a->first_child)
        arena_destroy(a->first_child);
    while (a->cleanups) {
        Cleanup *c = a->cleanups;
        a->cleanups = c->next;
        c->fn(c->arg);
    }
}

void
arena_reset(Arena *a)
{
    if (a->first_child || a->cleanups)
        run_end(a);
    Chunk *first = first_chunk(a);
    while (a->head != first) {
        Chunk *c = a->head;
        a->head = c->prev;
        free_chunk(a, c);
    }
    set_region(a, first, chunk_data(first));
    a->grow_bytes = 2 * FIRST_CHUNK_BYTES;
}

void
arena_destroy(Arena *a)
{
    if (a == NULL)
        return;
    ASSERT(a != top_arena);
    arena_reset(a);
    if (a->spare)
        free(a->spare);
    if (a->prev_sibling)
        a->prev_sibling->next_sibling = a->next_sibling;
    else if (a->parent)
        a->parent->first_child = a->next_sibling;
    if (a->next_sibling)
        a->next_sibling->prev_sibling = a->prev_sibling;
    UNPOISON(a, FIRST_CHUNK_BYTES);
    if (kept_first_count < KEPT_FIRST_CHUNKS)
        kept_first[kept_first_count++] = a;
    else
        free(a);
}

/* The region is too small for `need` bytes (red zone included). */
static void *
alloc_slow(Arena *a, size_t bytes, size_t need)
{
    if (bytes > MAX_ARENA_REQUEST)
        return NULL;
    bool big = need > a->grow_bytes / 4;
    Chunk *c;
    if (!big && a->spare) {
        c = a->spare; /* at least twice the first chunk, so `need` fits unless it is big */
        if (c->bytes - sizeof(Chunk) >= need) {
            a->spare = NULL;
            goto ready;
        }
    }
    size_t chunk_bytes = big ? sizeof(Chunk) + need : a->grow_bytes;
    c = malloc(chunk_bytes);
    if (c == NULL)
        return NULL;
    c->bytes = chunk_bytes;
    c->big = big;
    a->own_bytes += chunk_bytes;
ready:
    c->prev = a->head;
    a->head = c;
    if (big) {
        char *p = chunk_data(c);
        POISON(p + bytes, need - bytes);
        return p;
    }
    if (a->grow_bytes < CHUNK_MAX_BYTES)
        a->grow_bytes *= 2;
    char *p = chunk_data(c);
    set_region(a, c, p + need);
    UNPOISON(p, bytes);
    return p;
}

static inline void *
alloc_fast(Arena *a, size_t bytes)
{
    size_t need = ALIGN_UP(bytes, (size_t)8) + RED_ZONE;
    if (LIKELY(bytes <= (size_t)(a->end - a->next) && need <= (size_t)(a->end - a->next))) {
        char *p = a->next;
        a->next = p + need;
        UNPOISON(p, bytes);
        return p;
    }
    return alloc_slow(a, bytes, need);
}

static __attribute__((noinline, cold)) void
raise_failed(const Arena *a, size_t bytes)
{
    if (bytes > MAX_ARENA_REQUEST)
        RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "memory request of %zu bytes exceeds the limit of %zu",
              bytes, (size_t)MAX_ARENA_REQUEST);
    raise_no_memory(a, bytes);
}

void *
arena_alloc(Arena *a, size_t bytes)
{
    void *p = alloc_fast(a, bytes);
    if (UNLIKELY(p == NULL))
        raise_failed(a, bytes);
    return p;
}

void *
arena_try_alloc(Arena *a, size_t bytes)
{
    return alloc_fast(a, bytes);
}

void *
arena_alloc0(Arena *a, size_t bytes)
{
    return memset(arena_alloc(a, bytes), 0, bytes);
}

void *
arena_alloc_aligned(Arena *a, size_t bytes, size_t align)
{
    ASSERT(align > 0 && (align & (align - 1)) == 0);
    if (align <= 8)
        return arena_alloc(a, bytes);
    if (UNLIKELY(bytes > MAX_ARENA_REQUEST))
        raise_failed(a, bytes);
    char *p = arena_alloc(a, bytes + align - 8);
    return (void *)ALIGN_UP((uintptr_t)p, (uintptr_t)align);
}

void *
arena_realloc(Arena *a, void *old, size_t old_bytes, size_t new_bytes)
{
    if (old == NULL)
        return arena_alloc(a, new_bytes);
    size_t old_need = ALIGN_UP(old_bytes, (size_t)8) + RED_ZONE;
    if (new_bytes <= old_bytes)
        return old;
    if ((char *)old + old_need == a->next && new_bytes <= MAX_ARENA_REQUEST) {
        size_t new_need = ALIGN_UP(new_bytes, (size_t)8) + RED_ZONE;
        if (new_need <= (size_t)(a->end - (char *)old)) {
            a->next = (char *)old + new_need;
            UNPOISON(old, new_bytes);
            return old;
        }
    }
    void *p = arena_alloc(a, new_bytes);
    return memcpy(p, old, old_bytes);
}

void *
arena_memdup(Arena *a, const void *p, size_t bytes)
{
    void *copy = arena_alloc(a, bytes);
    return bytes ? memcpy(copy, p, bytes) : copy;
}

char *
arena_strndup(Arena *a, const char *s, size_t bytes)
{
    char *copy = arena_alloc(a, bytes + 1);
    if (bytes)
        memcpy(copy, s, bytes);
    copy[bytes] = '\0';
    return copy;
}

char *
arena_strdup(Arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

char *
arena_vprintf(Arena *a, const char *fmt, va_list ap)
{
    va_list again;
    char small[256];
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof(small), fmt, ap);
    if (n < 0)
        n = 0, small[0] = '\0';
    char *p;
    if ((size_t)n < sizeof(small)) {
        p = arena_strndup(a, small, (size_t)n);
    } else {
        p = arena_alloc(a, (size_t)n + 1);
        vsnprintf(p, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    return p;
}

char *
arena_printf(Arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *p = arena_vprintf(a, fmt, ap);
    va_end(ap);
    return p;
}

void
arena_on_reset(Arena *a, ArenaCleanup fn, void *arg)
{
    Cleanup *c = arena_alloc(a, sizeof(Cleanup));
    c->fn = fn;
    c->arg = arg;
    c->next = a->cleanups;
    a->cleanups = c;
}

ArenaMark
arena_mark(Arena *a)
{
    return (ArenaMark){.chunk = a->head, .next = a->next};
}

void
arena_release(Arena *a, ArenaMark m)
{
    if (LIKELY(a->head == m.chunk)) {
        /* Nothing but the region has moved. */
        POISON(m.next, (size_t)(a->next - m.next));
        a->next = m.next;
        return;
    }
    while (a->head != m.chunk) {
        Chunk *c = a->head;
        a->head = c->prev;
        free_chunk(a, c);
    }
    Chunk *region = a->head;
    while (region->big)
        region = region->prev;
    set_region(a, region, m.next);
}

size_t
arena_bytes(const Arena *a)
{
    size_t sum = a->own_bytes;
    for (const Arena *child = a->first_child; child; child = child->next_sibling)
        sum += arena_bytes(child);
    return sum;
}

Arena *
arena_top(void)
{
    if (UNLIKELY(top_arena == NULL))
        top_arena = arena_create(NULL, "top");
    return top_arena;
}
