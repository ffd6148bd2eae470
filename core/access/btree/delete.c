/*
 * Removing items from a leaf: what is marked dead when room is short, and what vacuum found.
 */
#include "core/access/btree/btree_internal.h"

void
bt_delete_lines(BtreeIndex *ix, Buf b, const OffsetNo *lines, int n, uint8_t op)
{
    char *page = buf_page(b);

    critical_enter();
    page_delete_items_shift(page, lines, n);
    bt_special(page)->flags &= (uint16_t)~BT_GARBAGE;
    buf_mark_dirty(b);
    if (ix->logged) {
        wal_begin();
        wal_add_block(0, ix->locator, FORK_MAIN, buf_block(b), page, WAL_REF_STANDARD);
        wal_add_block_data(0, lines, (uint32_t)n * 2);
        page_set_lsn(page, wal_insert(RMGR_BTREE, op, NULL));
    }
    critical_leave();
}

bool
bt_delete_marked(BtreeIndex *ix, Buf b)
{
    char *page = buf_page(b);
    OffsetNo lines[BT_PAGE_ITEMS_MAX];
    int n = 0, count = page_line_count(page);

    for (int i = bt_first(page); i <= count; i++)
        if (LINE_STATE(page_line(page, (OffsetNo)i)) == LINE_DEAD)
            lines[n++] = (OffsetNo)i;
    if (n > 0)
        bt_delete_lines(ix, b, lines, n, BT_OP_DELETE);
    return n > 0;
}
