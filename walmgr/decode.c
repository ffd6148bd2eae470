/*
 * Taking a record apart, and images back to pages. Every length comes from the disk: each is checked
 * against what is left before it is used, so that no bytes can make this read or write out of bounds,
 * whether or not a CRC vouched for them.
 */
#include "walmgr/wal_internal.h"

#include <stdio.h>

#ifdef HAVE_LZ4
#include <lz4.h>
#endif
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

static char why_text[200];

static bool
damaged(const char **why, Lsn start, const char *what)
{
    snprintf(why_text, sizeof(why_text), "%s at %s", what, lsn_text(start));
    *why = why_text;
    return false;
}

typedef struct Cursor { const char *p, *end; } Cursor;
static inline bool
has(const Cursor *c, size_t n)
{
    return (size_t)(c->end - c->p) >= n;
}

static const char *
decode_image_header(Cursor *c, unsigned flags, WalBlockRef *ref)
{
    if (!has(c, 6))
        return "record with a cut image header";
    ref->has_image = true;
    ref->hole_offset = load_u16(c->p);
    ref->hole_bytes = load_u16(c->p + 2);
    ref->image_bytes = load_u16(c->p + 4);
    ref->image_compression = (int)(flags >> REF_COMPRESSION_SHIFT);
    c->p += 6;
    if ((uint32_t)ref->hole_offset + ref->hole_bytes > PAGE_BYTES)
        return "record with an impossible hole in an image";
    uint32_t whole = PAGE_BYTES - ref->hole_bytes;
    if (ref->image_compression == IMAGE_PLAIN ? ref->image_bytes != whole
                                              : ref->image_bytes >= whole || ref->image_bytes == 0)
        return "record with an impossible image length";
    if (ref->image_compression > IMAGE_ZSTD)
        return "record with an unknown image compression";
    return NULL;
}

static const char *
decode_ref(Cursor *c, WalBlockRef *ref, const WalBlockRef *before)
{
    memset(ref, 0, sizeof(*ref));
    if (!has(c, 1))
        return "record with a cut block reference";
    unsigned flags = (unsigned char)*c->p++;
    if (flags == REF_ABSENT) {
        ref->block = BLOCK_INVALID;
        return NULL;
    }
    ref->fork = (ForkNo)(flags & REF_FORK_MASK);
    ref->flags = flags & REF_WILL_INIT ? WAL_REF_WILL_INIT : 0;
    if (flags & REF_SAME_REL) {
        if (!before)
            return "record whose first block reference has no relation";
        ref->locator = before->locator;
    } else {
        if (!has(c, 12))
            return "record with a cut block reference";
        memcpy(&ref->locator, c->p, 12);
        c->p += 12;
    }
    if (!has(c, 4))
        return "record with a cut block reference";
    ref->block = load_u32(c->p);
    c->p += 4;
    if (ref->block == BLOCK_INVALID)
        return "record with an invalid block number";
    if (flags & REF_HAS_IMAGE) {
        const char *what = decode_image_header(c, flags, ref);
        if (what)
            return what;
    } else if (flags >> REF_COMPRESSION_SHIFT) {
        return "record with compression but no image";
    }
    if (flags & REF_HAS_DATA) {
        if (!has(c, 2))
            return "record with a cut block reference";
        ref->data_bytes = load_u16(c->p);
        c->p += 2;
    }
    return NULL;
}

bool
wal_decode(const char *bytes, uint32_t length, Lsn start, WalRecord *out, const char **why)
{
    if (length < WAL_RECORD_MIN_BYTES)
        return damaged(why, start, "record too short");
    out->start = start;
    out->end = start + WAL_ALIGN(length);
    out->length = length;
    out->xid = load_u48(bytes + 16);
    out->rmgr = (uint8_t)bytes[22];
    out->info = (uint8_t)bytes[23];
    Cursor c = {bytes + WAL_HEADER_BYTES, bytes + length};
    int count = (unsigned char)*c.p++;
    if (count > (int)WAL_BLOCK_REFS_MAX)
        return damaged(why, start, "record with too many block references");
    out->ref_count = count;
    const WalBlockRef *before = NULL;
    for (int i = 0; i < count; i++) {
        const char *what = decode_ref(&c, &out->refs[i], before);
        if (what)
            return damaged(why, start, what);
        if (out->refs[i].block != BLOCK_INVALID)
            before = &out->refs[i];
    }
    for (int i = 0; i < count; i++) {
        WalBlockRef *ref = &out->refs[i];
        if (!has(&c, (size_t)ref->image_bytes + ref->data_bytes))
            return damaged(why, start, "record with cut block data");
        ref->image = ref->has_image ? c.p : NULL;
        c.p += ref->image_bytes;
        ref->data = ref->data_bytes ? c.p : NULL;
        c.p += ref->data_bytes;
    }
    out->data = c.p;
    out->data_bytes = (uint32_t)(c.end - c.p);
    return true;
}

static bool
decompress(const WalBlockRef *ref, char *to, uint32_t n)
{
    switch (ref->image_compression) {
#ifdef HAVE_LZ4
    case IMAGE_LZ4:
        return LZ4_decompress_safe(ref->image, to, (int)ref->image_bytes, (int)n) == (int)n;
#endif
#ifdef HAVE_ZSTD
    case IMAGE_ZSTD:
        return ZSTD_decompress(to, n, ref->image, ref->image_bytes) == n;
#endif
    default:
        return false; /* written by a program that was built with it */
    }
}

bool
wal_restore_image(const WalBlockRef *ref, char *page_out)
{
    char unpacked[PAGE_BYTES];
    if (!ref->has_image || (uint32_t)ref->hole_offset + ref->hole_bytes > PAGE_BYTES)
        return false;
    uint32_t n = PAGE_BYTES - ref->hole_bytes;
    const char *from = ref->image;
    if (ref->image_compression != IMAGE_PLAIN) {
        if (!decompress(ref, unpacked, n))
            return false;
        from = unpacked;
    } else if (ref->image_bytes != n) {
        return false;
    }
    uint32_t offset = MIN(ref->hole_offset, n);
    memcpy(page_out, from, offset);
    memset(page_out + offset, 0, ref->hole_bytes);
    memcpy(page_out + offset + ref->hole_bytes, from + offset, n - offset);
    return true;
}
