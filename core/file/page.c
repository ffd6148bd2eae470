/*
 * Items on a page: adding, deleting, defragmenting, checking, checksumming.
 *
 * Tuples are 8-aligned and grow down from the special space; line pointers grow up from the header.
 * Deleting a line of a heap page only changes its state and page_compact closes the gaps in one pass;
 * index pages close gap and line at once (the *_shift calls), since their line numbers are positions
 * in key order and nothing outside the page refers to them.
 */
#include "core/file/page.h"

#include <string.h>

#include "core/base/hash.h"

#define ITEM_ALIGN 8u

void
page_init(char *p, size_t special_bytes)
{
    size_t special = ALIGN_UP(special_bytes, (size_t)ITEM_ALIGN);

    ASSERT(special + sizeof(PageHeader) < PAGE_BYTES);
    memset(p, 0, PAGE_BYTES);
    PageHeader *h = page_header(p);
    h->lower = sizeof(PageHeader);
    h->upper = h->special = (uint16_t)(PAGE_BYTES - special);
    h->layout = PAGE_LAYOUT;
}

size_t
page_exact_free_bytes(const char *p)
{
    const PageHeader *h = page_header(p);
    return h->upper > h->lower ? (size_t)(h->upper - h->lower) : 0;
}

size_t
page_free_bytes(const char *p)
{
    size_t space = page_exact_free_bytes(p);
    return space > sizeof(LinePtr) ? space - sizeof(LinePtr) : 0;
}

/* A free line to reuse, or the one after the last. Clears the page's flag when it turns out stale. */
static OffsetNo
find_free_line(char *p)
{
    int count = page_line_count(p);
    PageHeader *h = page_header(p);

    if (h->flags & PAGE_FLAG_HAS_FREE_LINES) {
        const LinePtr *lines = page_lines(p);
        for (int i = 0; i < count; i++)
            if (LINE_STATE(lines[i]) == LINE_UNUSED && LINE_LENGTH(lines[i]) == 0)
                return (OffsetNo)(i + 1);
        h->flags &= (uint16_t)~PAGE_FLAG_HAS_FREE_LINES;
    }
    return (OffsetNo)(count + 1);
}

OffsetNo
page_add_item(char *p, const void *item, size_t bytes, OffsetNo off, bool insert_shift, bool overwrite)
{
    PageHeader *h = page_header(p);
    int count = page_line_count(p);
    bool shift = false;

    ASSERT(!(insert_shift && overwrite));
    ASSERT(h->lower >= sizeof(PageHeader) && h->lower <= h->upper && h->upper <= h->special);
    if (off == OFFSET_INVALID) {
        off = insert_shift ? (OffsetNo)(count + 1) : find_free_line(p);
    } else if (off > count + 1) {
        return OFFSET_INVALID; /* would leave a hole in the line array */
    } else if (off <= count) {
        if (insert_shift)
            shift = true;
        else if (LINE_STATE(page_line(p, off)) != LINE_UNUSED)
            return OFFSET_INVALID; /* a used line is never overwritten, not even by redo */
    }

    size_t aligned = ALIGN_UP(bytes, (size_t)ITEM_ALIGN);
    size_t lower = h->lower + ((off > count || shift) ? sizeof(LinePtr) : 0);
    if (aligned > h->upper || h->upper - aligned < lower)
        return OFFSET_INVALID;
    uint16_t upper = (uint16_t)(h->upper - aligned);

    LinePtr *lines = page_lines(p);
    if (shift)
        memmove(&lines[off], &lines[off - 1], (size_t)(count - off + 1) * sizeof(LinePtr));
    lines[off - 1] = LINE_MAKE(upper, LINE_NORMAL, bytes);
    memcpy(p + upper, item, bytes);
    if (aligned != bytes)
        memset(p + upper + bytes, 0, aligned - bytes); /* pages compare equal after redo */
    h->lower = (uint16_t)lower;
    h->upper = upper;
    return off;
}

/* Whether the line owns bytes in the tuple area (a dead line may still do so). */
static bool
line_has_storage(LinePtr l)
{
    return LINE_LENGTH(l) != 0 && LINE_STATE(l) != LINE_REDIRECT;
}

void
page_delete_item_shift(char *p, OffsetNo off)
{
    PageHeader *h = page_header(p);
    int count = page_line_count(p);
    LinePtr *lines = page_lines(p);

    ASSERT(off >= OFFSET_FIRST && off <= count);
    LinePtr gone = lines[off - 1];
    memmove(&lines[off - 1], &lines[off], (size_t)(count - off) * sizeof(LinePtr));
    h->lower = (uint16_t)(h->lower - sizeof(LinePtr));
    if (!line_has_storage(gone))
        return;

    uint32_t at = LINE_OFFSET(gone);
    uint32_t size = ALIGN_UP(LINE_LENGTH(gone), ITEM_ALIGN);
    memmove(p + h->upper + size, p + h->upper, at - h->upper);
    h->upper = (uint16_t)(h->upper + size);
    for (int i = 0; i < count - 1; i++)
        if (line_has_storage(lines[i]) && LINE_OFFSET(lines[i]) < at)
            lines[i] += size; /* offset stands in the low bits; it cannot carry out of them */
}

void
page_delete_items_shift(char *p, const OffsetNo *offs, int n)
{
    int count = page_line_count(p);
    LinePtr *lines = page_lines(p);
    int kept = 0, next = 0;

    if (n <= 2) { /* moving the tail twice is cheaper than rebuilding the page */
        while (n > 0)
            page_delete_item_shift(p, offs[--n]);
        return;
    }
    for (int i = 0; i < count; i++) {
        if (next < n && offs[next] == i + 1) {
            next++;
            continue;
        }
        lines[kept++] = lines[i];
    }
    ASSERT(next == n); /* ascending and on the page */
    page_header(p)->lower = (uint16_t)(sizeof(PageHeader) + (size_t)kept * sizeof(LinePtr));
    page_compact(p);
}

/*
 * Moves all tuples up against the special space. When they already lie in line order (the usual case
 * after inserts and prunes) each one only moves up, in place; otherwise through a copy.
 */
void
page_compact(char *p)
{
    PageHeader *h = page_header(p);
    int count = page_line_count(p);
    LinePtr *lines = page_lines(p);
    uint32_t upper = h->special, previous = h->special;
    bool ordered = true, any_unused = false;

    for (int i = 0; i < count; i++) {
        if (!line_has_storage(lines[i])) {
            any_unused |= LINE_STATE(lines[i]) == LINE_UNUSED;
            continue;
        }
        if (LINE_OFFSET(lines[i]) >= previous)
            ordered = false;
        previous = LINE_OFFSET(lines[i]);
    }

    char copy[PAGE_BYTES];
    const char *from = p;
    if (!ordered) {
        memcpy(copy + h->upper, p + h->upper, (size_t)(h->special - h->upper));
        from = copy;
    }
    for (int i = 0; i < count; i++) {
        if (!line_has_storage(lines[i]))
            continue;
        uint32_t at = LINE_OFFSET(lines[i]), size = ALIGN_UP(LINE_LENGTH(lines[i]), ITEM_ALIGN);
        upper -= size;
        if (from != p || at != upper)
            memmove(p + upper, from + at, size);
        lines[i] = LINE_MAKE(upper, LINE_STATE(lines[i]), LINE_LENGTH(lines[i]));
    }
    h->upper = (uint16_t)upper;
    if (any_unused)
        h->flags |= PAGE_FLAG_HAS_FREE_LINES;
    else
        h->flags &= (uint16_t)~PAGE_FLAG_HAS_FREE_LINES;
}

static bool
all_zero(const char *p)
{
    uint64_t any = 0;
    for (size_t i = 0; i < PAGE_BYTES; i += sizeof(uint64_t))
        any |= load_u64(p + i);
    return any == 0;
}

bool
page_check(const char *p, BlockNo block, bool verify_checksum)
{
    const PageHeader *h = page_header(p);

    if (page_is_new(p))
        return all_zero(p); /* rule 1 */
    if (h->layout != PAGE_LAYOUT || h->lower < sizeof(PageHeader) || h->lower > h->upper ||
        h->upper > h->special || h->special > PAGE_BYTES || h->special % ITEM_ALIGN != 0)
        return false;
    return !verify_checksum || h->checksum == page_checksum(p, block);
}

/*
 * The header words beside the checksum are folded into the seed, so that no byte has to be cleared or
 * copied; the rest is one XXH3 run at memory speed. The block number tells a page written to the
 * wrong place.
 */
uint32_t
page_checksum(const char *p, BlockNo block)
{
    uint64_t seed = hash_combine(load_u64(p), (uint64_t)block << 32 | load_u32(p + 12));
    uint64_t h = hash_bytes_seed(p + 16, PAGE_BYTES - 16, seed);
    return (uint32_t)(h ^ h >> 32);
}
