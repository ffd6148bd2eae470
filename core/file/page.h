/*
 * The page: 8 KiB, header, line pointers growing up, tuples growing down, special space at the end.
 *
 *   offset size
 *        0    8  lsn         end of the last record that changed the page
 *        8    4  checksum    xxh3 of bytes 16.., seeded with lsn, block number and bytes 12..15
 *       12    2  flags       PAGE_FLAG_*
 *       14    2  lower       end of line pointers
 *       16    2  upper       start of tuples
 *       18    2  special     start of special space
 *       20    2  layout      PAGE_LAYOUT
 *       22    2  reserved
 *       24    8  prune_xid   oldest xid whose deletion may be pruned, 0 none
 *       32    .. line pointers
 *
 * Rule 1: an all-zero page is valid and means "new".
 * Rule 2: the checksum is set on the way to disk (on a copy) and checked on the way in.
 */
#ifndef CORE_FILE_PAGE_H
#define CORE_FILE_PAGE_H

#include "core/base/err.h"
#include "core/base/limits.h"

#define PAGE_LAYOUT 1
#define PAGE_FLAG_HAS_FREE_LINES 1u
#define PAGE_FLAG_FULL 2u
#define PAGE_FLAG_ALL_VISIBLE 4u

typedef struct PageHeader {
    uint64_t lsn;
    uint32_t checksum;
    uint16_t flags;
    uint16_t lower;
    uint16_t upper;
    uint16_t special;
    uint16_t layout;
    uint16_t reserved;
    uint64_t prune_xid;
} PageHeader;
STATIC_ASSERT(sizeof(PageHeader) == 32);

/* Line pointer: offset 15 bits, state 2 bits, length 15 bits. */
typedef uint32_t LinePtr;
typedef enum LineState { LINE_UNUSED = 0, LINE_NORMAL = 1, LINE_REDIRECT = 2, LINE_DEAD = 3 } LineState;
#define LINE_OFFSET(l) ((l)&0x7FFFu)
#define LINE_STATE(l) ((LineState)(((l) >> 15) & 3u))
#define LINE_LENGTH(l) ((l) >> 17)
#define LINE_MAKE(off, state, len) ((LinePtr)(off) | (LinePtr)(state) << 15 | (LinePtr)(len) << 17)
/* A redirect keeps its target line number in the offset bits. */

typedef char *Page;
static inline PageHeader *page_header(const char *p) { return (PageHeader *)(uintptr_t)p; }
static inline bool page_is_new(const char *p) { return page_header(p)->upper == 0; }
static inline int page_line_count(const char *p) { return page_header(p)->lower <= sizeof(PageHeader) ? 0 : (int)((page_header(p)->lower - sizeof(PageHeader)) / sizeof(LinePtr)); }
static inline LinePtr *page_lines(const char *p) { return (LinePtr *)(uintptr_t)(p + sizeof(PageHeader)); } /* [0] is line 1 */
static inline LinePtr page_line(const char *p, OffsetNo off) { return page_lines(p)[off - 1]; }
static inline char *page_item(const char *p, LinePtr l) { return (char *)(uintptr_t)(p + LINE_OFFSET(l)); }
static inline char *page_special(const char *p) { return (char *)(uintptr_t)(p + page_header(p)->special); }
static inline Lsn page_lsn(const char *p) { return page_header(p)->lsn; }
static inline void page_set_lsn(char *p, Lsn lsn) { page_header(p)->lsn = lsn; }

void page_init(char *p, size_t special_bytes);
size_t page_free_bytes(const char *p);          /* for one more tuple and its line pointer; >= 0 */
size_t page_exact_free_bytes(const char *p);    /* upper - lower */
/* Adds an item; off = OFFSET_INVALID picks a free or new line (or, insert_shift, shifts lines up as
 * B-tree pages need). Items are 8-aligned. Returns the line used, OFFSET_INVALID when it does not fit. */
OffsetNo page_add_item(char *p, const void *item, size_t bytes, OffsetNo off, bool insert_shift, bool overwrite);
void page_delete_item_shift(char *p, OffsetNo off);                    /* removes line and bytes, index pages */
void page_delete_items_shift(char *p, const OffsetNo *offs, int n);    /* ascending */
void page_compact(char *p);                                             /* defragment tuples; lines keep their numbers */
bool page_check(const char *p, BlockNo block, bool verify_checksum);   /* structural sanity */
uint32_t page_checksum(const char *p, BlockNo block);

#endif
