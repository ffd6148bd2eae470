/*
 * What the files of core/access/toast share.
 */
#ifndef CORE_ACCESS_TOAST_TOAST_INTERNAL_H
#define CORE_ACCESS_TOAST_TOAST_INTERNAL_H

#include "core/access/btree/btree.h"
#include "core/access/heap/heap_internal.h"
#include "core/access/toast/toast.h"

#define TOAST_KIND_TABLE 1
#define TOAST_STORED_COMPRESSED 0x80000000u

/* The pointer on the page, unpacked. raw: payload bytes of the plain value; stored: bytes in the chunks. */
typedef struct ToastPointer {
    uint32_t raw, stored;
    bool compressed;
    Oid value, rel;
} ToastPointer;

static inline ToastPointer
toast_pointer_load(const char *p)
{
    uint32_t stored = load_u32(p + 6);

    if (p[1] != TOAST_KIND_TABLE)
        RAISE(SQLSTATE_DATA_CORRUPTED, "unrecognized kind of external value: %d", p[1]);
    return (ToastPointer){load_u32(p + 2), stored & ~TOAST_STORED_COMPRESSED, (stored & TOAST_STORED_COMPRESSED) != 0, load_u32(p + 10),
                          load_u32(p + 14)};
}
static inline void
toast_pointer_store(char *p, const ToastPointer *t)
{
    p[0] = (char)VAR_EXTERNAL;
    p[1] = TOAST_KIND_TABLE;
    store_u32(p + 2, t->raw);
    store_u32(p + 6, t->stored | (t->compressed ? TOAST_STORED_COMPRESSED : 0));
    store_u32(p + 10, t->value);
    store_u32(p + 14, t->rel);
}

/* compress.c. False: not worth it (or built without LZ4). */
bool toast_compress(Arena *a, Datum d, Datum *out);
Datum toast_decompress(Arena *a, const char *block, uint32_t bytes, uint32_t raw_bytes);
/* chunks.c */
Datum toast_save(Arena *a, HeapRel *rel, Datum d, CommandId cid);
void toast_read(Arena *a, const ToastPointer *t, char *out);
void toast_remove(HeapRel *rel, const char *pointer, CommandId cid);

#endif
