/*
 * Building a record: what the caller registers between wal_begin and wal_insert, the decision on full
 * page images, and the encoding.
 *
 * A small record is put together in one local buffer, so that there is one pass of the CRC and one
 * copy into the ring; of a large one only the headers are, the rest is taken from where it lies.
 * Nothing here allocates, with one exception: the zstd context, made once, and done without if malloc
 * has nothing.
 */
#include "walmgr/wal_internal.h"

#ifdef HAVE_LZ4
#include <lz4.h>
#endif
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

#include "core/base/crc32c.h"
#include "core/file/page.h"

/* Up to here a second copy (in L1) is cheaper than a CRC call and ring copy per piece. */
#define SMALL_BODY_BYTES 2048u
#define NO_PIECE (-1)

typedef struct Chunk { WalPiece piece; int next; } Chunk;
typedef struct BuildRef {
    RelLocator locator;
    BlockNo block;
    const char *page;
    uint32_t data_bytes;
    uint16_t fork, flags;
    int first, last; /* chunks of data */
    bool used;
    /* filled by decide_image */
    bool has_image;
    uint8_t compression;
    uint16_t hole_offset, hole_bytes, stored_bytes;
} BuildRef;

static struct {
    int ref_count, chunk_count;
    int main_first, main_last;
    uint32_t main_bytes;
    Xid xid;
    BuildRef refs[WAL_BLOCK_REFS_MAX];
    Chunk chunks[WAL_PIECES_MAX];
} build;
static CACHE_ALIGNED char head[WAL_HEAD_BYTES_MAX + SMALL_BODY_BYTES + 16];
/* an image takes two pieces when it is stored plain around a hole */
static WalPiece pieces[WAL_PIECES_MAX + 2 * WAL_BLOCK_REFS_MAX];
static char compressed[WAL_BLOCK_REFS_MAX][PAGE_BYTES];
static uint32_t phase_counter;

void
wal_set_xid(Xid xid)
{
    build.xid = xid;
}

void
wal_begin(void)
{
    build.ref_count = 0;
    build.chunk_count = 0;
    build.main_first = NO_PIECE;
    build.main_bytes = 0;
}

static inline int
add_chunk(const void *p, uint32_t n)
{
    if (UNLIKELY(build.chunk_count >= WAL_PIECES_MAX))
        PANIC("too many pieces in one WAL record");
    Chunk *c = &build.chunks[build.chunk_count];
    c->piece.p = p;
    c->piece.n = n;
    c->next = NO_PIECE;
    return build.chunk_count++;
}

void
wal_add_data(const void *p, uint32_t n)
{
    if (n == 0)
        return;
    int i = add_chunk(p, n);
    if (build.main_first == NO_PIECE)
        build.main_first = i;
    else
        build.chunks[build.main_last].next = i;
    build.main_last = i;
    if (UNLIKELY(n > WAL_RECORD_BYTES_MAX / 2 || build.main_bytes > WAL_RECORD_BYTES_MAX / 2))
        PANIC("WAL record of more than %u bytes", WAL_RECORD_BYTES_MAX / 2);
    build.main_bytes += n;
}

void
wal_add_block(int ref, RelLocator r, ForkNo f, BlockNo b, const char *page, unsigned flags)
{
    if (UNLIKELY(ref < 0 || ref >= (int)WAL_BLOCK_REFS_MAX))
        PANIC("WAL block reference %d out of range", ref);
    ASSERT(b != BLOCK_INVALID && f < FORK_COUNT);
    ASSERT(page != NULL || !(flags & WAL_REF_FORCE_IMAGE));
    for (; build.ref_count <= ref; build.ref_count++)
        build.refs[build.ref_count].used = false;
    BuildRef *x = &build.refs[ref];
    x->used = true;
    x->locator = r;
    x->fork = (uint16_t)f;
    x->block = b;
    x->page = page;
    x->flags = (uint16_t)flags;
    x->data_bytes = 0;
    x->first = NO_PIECE;
    x->has_image = false;
}

void
wal_add_block_data(int ref, const void *p, uint32_t n)
{
    ASSERT(ref >= 0 && ref < build.ref_count && build.refs[ref].used);
    if (n == 0)
        return;
    BuildRef *x = &build.refs[ref];
    int i = add_chunk(p, n);
    if (x->first == NO_PIECE)
        x->first = i;
    else
        build.chunks[x->last].next = i;
    x->last = i;
    x->data_bytes += n;
    if (UNLIKELY(x->data_bytes > UINT16_MAX))
        PANIC("more than 65535 bytes of data for one WAL block reference");
}

/* ---- the image rule (README, rule 4) ---- */

static inline uint32_t
next_phase(void)
{
    if ((++phase_counter & WAL_PHASE_INSERT_MASK) == 0)
        phase_counter++;
    return phase_counter & WAL_PHASE_INSERT_MASK;
}

void
wal_phase_begin(void)
{
    _Atomic uint32_t *phase = wal_my_phase();
    /* relaxed load: only this process writes it. The store is seq_cst, as is the load of the rule that
     * follows: one of us and the checkpointer sees the other (wait_for_phases in checkpoint.c). */
    uint32_t hold = atomic_load_explicit(phase, memory_order_relaxed) & WAL_PHASE_HOLD_MASK;
    atomic_store_explicit(phase, hold | next_phase(), memory_order_seq_cst);
}

void
wal_phase_end(void)
{
    _Atomic uint32_t *phase = wal_my_phase();
    uint32_t hold = atomic_load_explicit(phase, memory_order_relaxed) & WAL_PHASE_HOLD_MASK;
    /* release: the reservation comes before; pairs with wait_for_phases */
    atomic_store_explicit(phase, hold, memory_order_release);
}

Lsn
wal_current_rule(void)
{
    return atomic_load_explicit(&wal_shared->image_rule, memory_order_seq_cst); /* see wal_phase_begin */
}

void
wal_checkpoint_hold(void)
{
    _Atomic uint32_t *phase = wal_my_phase();
    uint32_t old = atomic_load_explicit(phase, memory_order_relaxed); /* own word */
    ASSERT((old & WAL_PHASE_HOLD_MASK) == 0);
    static uint32_t hold_counter;
    if ((++hold_counter & 0xFFFFu) == 0)
        hold_counter++;
    /* seq_cst: also orders against a rule read under the hold without an insertion (wal_hint_image) */
    atomic_store_explicit(phase, (old & WAL_PHASE_INSERT_MASK) | hold_counter << 16, memory_order_seq_cst);
}

void
wal_checkpoint_unhold(void)
{
    _Atomic uint32_t *phase = wal_my_phase();
    uint32_t old = atomic_load_explicit(phase, memory_order_relaxed); /* own word */
    /* release: what was changed under the hold is visible to the checkpointer that sees it end */
    atomic_store_explicit(phase, old & WAL_PHASE_INSERT_MASK, memory_order_release);
}

#ifdef HAVE_ZSTD
static uint16_t
compress_zstd(const char *from, uint32_t n, char *to, uint32_t max)
{
    static ZSTD_CCtx *context;
    if (!context && !(context = ZSTD_createCCtx()))
        return 0;
    size_t out = ZSTD_compressCCtx(context, to, max, from, n, 1);
    return ZSTD_isError(out) ? 0 : (uint16_t)out;
}
#endif

/* Stored size, 0 if compression does not pay or is not built in. */
static uint16_t
compress_image(BuildRef *x, int slot)
{
    uint32_t n = PAGE_BYTES - x->hole_bytes;
    uint16_t out = 0;
    static char joined[PAGE_BYTES];
    const char *from = x->page;
    if (n < 64)
        return 0;
#if defined(HAVE_LZ4) || defined(HAVE_ZSTD)
    if (x->hole_bytes) {
        memcpy(joined, x->page, x->hole_offset);
        memcpy(joined + x->hole_offset, x->page + x->hole_offset + x->hole_bytes, n - x->hole_offset);
        from = joined;
    }
#else
    (void)joined;
    (void)from;
    (void)slot;
#endif
#ifdef HAVE_ZSTD
    if (wal_compression == WAL_COMPRESSION_ZSTD) {
        out = compress_zstd(from, n, compressed[slot], n - 32);
        x->compression = IMAGE_ZSTD;
        return out;
    }
#endif
#ifdef HAVE_LZ4
    out = (uint16_t)LZ4_compress_default(from, compressed[slot], (int)n, (int)n - 32);
    x->compression = IMAGE_LZ4;
#endif
    return out;
}

static void
decide_image(BuildRef *x, int slot, Lsn rule)
{
    bool needed = x->page != NULL &&
                  ((x->flags & WAL_REF_FORCE_IMAGE) ||
                   (!(x->flags & (WAL_REF_WILL_INIT | WAL_REF_NO_IMAGE)) && page_lsn(x->page) <= rule &&
                    rule != WAL_RULE_NEVER));
    x->has_image = needed;
    if (!needed)
        return;
    x->hole_offset = x->hole_bytes = 0;
    x->compression = IMAGE_PLAIN;
    if (x->flags & WAL_REF_STANDARD) {
        const PageHeader *h = page_header(x->page);
        if (h->lower >= sizeof(PageHeader) && h->upper > h->lower && h->upper <= PAGE_BYTES) {
            x->hole_offset = h->lower;
            x->hole_bytes = (uint16_t)(h->upper - h->lower);
        }
    }
    x->stored_bytes = wal_compression == WAL_COMPRESSION_OFF ? 0 : compress_image(x, slot);
    if (x->stored_bytes == 0) {
        x->compression = IMAGE_PLAIN;
        x->stored_bytes = (uint16_t)(PAGE_BYTES - x->hole_bytes);
    }
    wal_stats.images++;
}

static char *
encode_ref(char *o, const BuildRef *x, const BuildRef *before)
{
    if (!x->used) {
        *o++ = (char)REF_ABSENT;
        return o;
    }
    bool same = before && rel_locator_equal(before->locator, x->locator);
    bool data = x->data_bytes > 0 && !x->has_image;
    unsigned flags = x->fork | (x->has_image ? REF_HAS_IMAGE : 0) | (same ? REF_SAME_REL : 0) |
                     (x->flags & WAL_REF_WILL_INIT ? REF_WILL_INIT : 0) | (data ? REF_HAS_DATA : 0) |
                     (x->has_image ? (unsigned)x->compression << REF_COMPRESSION_SHIFT : 0);
    *o++ = (char)flags;
    if (!same) {
        memcpy(o, &x->locator, 12);
        o += 12;
    }
    store_u32(o, x->block);
    o += 4;
    if (x->has_image) {
        store_u16(o, x->hole_offset);
        store_u16(o + 2, x->hole_bytes);
        store_u16(o + 4, x->stored_bytes);
        o += 6;
    }
    if (data) {
        store_u16(o, (uint16_t)x->data_bytes);
        o += 2;
    }
    return o;
}

/* Where the pieces go: appended to the head while it has room, listed after. */
typedef struct Output { char *o; char *small_end; int count; } Output;

static inline void
emit(Output *out, const void *p, uint32_t n)
{
    if (LIKELY(out->small_end != NULL)) {
        memcpy(out->o, p, n);
        out->o += n;
    } else {
        pieces[out->count].p = p;
        pieces[out->count++].n = n;
    }
}

static void
emit_image(Output *out, const BuildRef *x, int slot)
{
    if (x->compression != IMAGE_PLAIN) {
        emit(out, compressed[slot], x->stored_bytes);
    } else if (x->hole_bytes == 0) {
        emit(out, x->page, PAGE_BYTES);
    } else {
        uint32_t behind = (uint32_t)x->hole_offset + x->hole_bytes;
        emit(out, x->page, x->hole_offset);
        emit(out, x->page + behind, PAGE_BYTES - behind);
    }
}

static void
emit_chunks(Output *out, int first)
{
    for (int i = first; i != NO_PIECE; i = build.chunks[i].next)
        emit(out, build.chunks[i].piece.p, build.chunks[i].piece.n);
}

void
wal_build(WalRmgr rmgr, uint8_t info, WalBuilt *out)
{
    char *o = head + WAL_HEADER_BYTES;
    uint64_t body = build.main_bytes;
    *o++ = (char)build.ref_count;
    if (build.ref_count > 0) {
        wal_phase_begin();
        Lsn rule = wal_current_rule();
        const BuildRef *before = NULL;
        for (int i = 0; i < build.ref_count; i++) {
            BuildRef *x = &build.refs[i];
            if (x->used) {
                decide_image(x, i, rule);
                body += x->has_image ? x->stored_bytes : x->data_bytes;
            }
            o = encode_ref(o, x, before);
            if (x->used)
                before = x;
        }
    }
    uint32_t head_bytes = (uint32_t)(o - head);
    if (UNLIKELY(head_bytes + body > WAL_RECORD_BYTES_MAX))
        PANIC("WAL record of %llu bytes is too long", (unsigned long long)(head_bytes + body));

    Output w = {o, body <= SMALL_BODY_BYTES ? o + body : NULL, 0};
    for (int i = 0; i < build.ref_count; i++) {
        const BuildRef *x = &build.refs[i];
        if (!x->used)
            continue;
        if (x->has_image)
            emit_image(&w, x, i);
        else
            emit_chunks(&w, x->first);
    }
    emit_chunks(&w, build.main_first);

    out->head = head;
    out->head_bytes = (uint32_t)(w.o - head);
    out->length = head_bytes + (uint32_t)body;
    out->piece_count = w.count;
    out->pieces = pieces;
    uint32_t crc = crc32c_update(0, head + WAL_HEADER_BYTES, out->head_bytes - WAL_HEADER_BYTES);
    for (int i = 0; i < w.count; i++)
        crc = crc32c_update(crc, pieces[i].p, pieces[i].n);
    out->body_crc = crc;
    store_u64(w.o, 0); /* the padding of a small record */
    out->identity = (build.xid & XID_MASK_48) | (uint64_t)rmgr << 48 | (uint64_t)info << 56;
}

uint32_t
wal_record_crc(const char *bytes, uint32_t length)
{
    char header[WAL_HEADER_BYTES];
    memcpy(header, bytes, WAL_HEADER_BYTES);
    store_u32(header + 12, 0);
    uint32_t crc = crc32c_update(0, bytes + WAL_HEADER_BYTES, length - WAL_HEADER_BYTES);
    return crc32c_update(crc, header, WAL_HEADER_BYTES);
}
