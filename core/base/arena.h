/*
 * Arenas: region allocation. What is allocated lives until the arena is reset or destroyed; nothing
 * is freed one by one. Arenas form a tree: destroying one destroys its children first and then runs
 * its cleanups, newest first. Not shared between processes or threads.
 *
 * errors   every allocating call raises 53200 (out of memory) instead of returning NULL; a request
 *          above MAX_ARENA_REQUEST raises 54000.
 * cost     small allocation: a pointer bump; reset keeps the first chunk, so a per-query arena
 *          reaches a steady state without malloc.
 */
#ifndef CORE_BASE_ARENA_H
#define CORE_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "core/base/macros.h"

typedef struct Arena Arena;

Arena *arena_create(Arena *parent, const char *name); /* parent may be NULL */
void arena_reset(Arena *a);   /* frees children and content, runs cleanups, keeps the arena */
void arena_destroy(Arena *a);

void *arena_alloc(Arena *a, size_t bytes) __attribute__((alloc_size(2), returns_nonnull)); /* 8-aligned, not zeroed */
/* As arena_alloc and arena_create, but NULL when there is no memory: for what must not raise. */
void *arena_try_alloc(Arena *a, size_t bytes);
Arena *arena_try_create(Arena *parent, const char *name);
void *arena_alloc0(Arena *a, size_t bytes) __attribute__((alloc_size(2), returns_nonnull));
void *arena_alloc_aligned(Arena *a, size_t bytes, size_t align);
/* Grows the block; in place when it was the last allocation. */
void *arena_realloc(Arena *a, void *old, size_t old_bytes, size_t new_bytes);
void *arena_memdup(Arena *a, const void *p, size_t bytes);
char *arena_strdup(Arena *a, const char *s);
char *arena_strndup(Arena *a, const char *s, size_t bytes);
char *arena_printf(Arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
char *arena_vprintf(Arena *a, const char *fmt, va_list ap);

typedef void (*ArenaCleanup)(void *arg);
void arena_on_reset(Arena *a, ArenaCleanup fn, void *arg);

/* A mark remembers the fill level; releasing to it frees what was allocated since (no children or
 * cleanups may have been added since). For per-tuple and per-batch scratch memory. */
typedef struct ArenaMark {
    void *chunk;
    char *next;
} ArenaMark;
ArenaMark arena_mark(Arena *a);
void arena_release(Arena *a, ArenaMark m);

size_t arena_bytes(const Arena *a); /* allocated from the system, children included */
Arena *arena_top(void);             /* the process's root arena, never destroyed */

#define ARENA_NEW(a, Type) ((Type *)arena_alloc0((a), sizeof(Type)))
#define ARENA_ARRAY(a, Type, n) ((Type *)arena_alloc0((a), sizeof(Type) * (size_t)(n)))

#endif
