/*
 * Redo of btree records. Each page is handled by itself and only if its LSN is older than the record.
 */
#include "core/access/btree/btree_internal.h"

NORETURN static void
damaged(const WalRecord *r, const char *what)
{
    PANIC("btree record at %s: %s", lsn_text(r->start), what);
}

static void
page_done(const WalRecord *r, Buf b)
{
    page_set_lsn(buf_page(b), r->end);
    buf_mark_dirty(b);
}

/* For references without data whose change is a word of the special space. */
static void
finish(const WalRecord *r, Buf b, RedoAction action)
{
    if (action == REDO_NEEDED)
        page_done(r, b);
    if (b != BUF_INVALID)
        buf_release(b);
}

static void
redo_clear_incomplete(const WalRecord *r, int ref, uint16_t more)
{
    Buf b;
    RedoAction action = redo_read(r, ref, &b);

    if (action == REDO_NEEDED)
        bt_special(buf_page(b))->flags &= (uint16_t)~(BT_INCOMPLETE | more);
    finish(r, b, action);
}

static void
redo_insert(const WalRecord *r)
{
    const WalBlockRef *ref = &r->refs[0];
    RedoAction action;
    Buf b;

    if (r->info == BT_OP_INSERT_INNER)
        redo_clear_incomplete(r, 1, 0);
    action = redo_read(r, 0, &b);
    if (action == REDO_NEEDED && !page_add_item(buf_page(b), ref->data + 2, ref->data_bytes - 2, load_u16(ref->data), true, false))
        damaged(r, "an item does not fit");
    finish(r, b, action);
}

static void
redo_split_left(const WalRecord *r, BlockNo right)
{
    static char image[PAGE_BYTES] __attribute__((aligned(8)));
    const WalBlockRef *ref = &r->refs[0];
    RedoAction action;
    BtSplitLeft s;
    Buf b;

    action = redo_read(r, 0, &b);
    if (action == REDO_NEEDED) {
        const char *high = ref->data + sizeof s;

        memcpy(&s, ref->data, sizeof s);
        if (ref->data_bytes < sizeof s + s.high_bytes)
            damaged(r, "a split is cut short");
        bt_build_left(buf_page(b), image, &s, high, high + s.high_bytes, ref->data_bytes - (uint32_t)sizeof s - s.high_bytes);
        bt_special(image)->right = right;
        memcpy(buf_page(b), image, PAGE_BYTES);
    }
    finish(r, b, action);
}

static void
redo_split(const WalRecord *r)
{
    const WalBlockRef *ref = &r->refs[1];
    RedoAction action;
    BtSplitRight s;
    Buf b;

    redo_clear_incomplete(r, 3, 0);
    redo_split_left(r, ref->block);
    action = redo_read(r, 1, &b);
    if (action == REDO_NEEDED) {
        const char *p = ref->data + sizeof s, *end = ref->data + ref->data_bytes;
        OffsetNo line = 1;

        memcpy(&s, ref->data, sizeof s);
        bt_page_init(buf_page(b), s.level, s.flags, s.left, s.right);
        for (; p < end; p += 2 + load_u16(p))
            if (!page_add_item(buf_page(b), p + 2, load_u16(p), line++, false, false))
                damaged(r, "the right half of a split does not fit");
    }
    finish(r, b, action);
    action = redo_read(r, 2, &b);
    if (action == REDO_NEEDED)
        bt_special(buf_page(b))->left = ref->block;
    finish(r, b, action);
}

static void
redo_new_root(const WalRecord *r)
{
    const WalBlockRef *ref = &r->refs[0];
    RedoAction action;
    Buf b;

    redo_clear_incomplete(r, 1, BT_ROOT);
    action = redo_read(r, 0, &b);
    if (action == REDO_NEEDED)
        bt_make_root(buf_page(b), load_u32(ref->data), load_u32(ref->data + 4), load_u16(ref->data + 8), ref->data + 10, ref->data_bytes - 10);
    finish(r, b, action);
    action = redo_read(r, 2, &b);
    if (action == REDO_NEEDED)
        bt_make_meta(buf_page(b), ref->block, load_u16(ref->data + 8));
    finish(r, b, action);
}

static void
redo_delete(const WalRecord *r)
{
    const WalBlockRef *ref = &r->refs[0];
    OffsetNo lines[BT_PAGE_ITEMS_MAX];
    RedoAction action;
    Buf b;

    action = redo_read(r, 0, &b);
    if (action == REDO_NEEDED) {
        if (ref->data_bytes > sizeof lines)
            damaged(r, "too many lines");
        memcpy(lines, ref->data, ref->data_bytes);
        page_delete_items_shift(buf_page(b), lines, (int)(ref->data_bytes / 2));
        bt_special(buf_page(b))->flags &= (uint16_t)~BT_GARBAGE;
    }
    finish(r, b, action);
}

/* Siblings and parent by themselves: what they get stands in the record's block numbers. */
static void
redo_unlink(const WalRecord *r)
{
    RedoAction action;
    Buf b;

    action = redo_read(r, 0, &b);
    if (action == REDO_NEEDED) {
        bt_special(buf_page(b))->flags |= BT_DELETED;
        page_header(buf_page(b))->prune_xid = r->end;
    }
    finish(r, b, action);
    action = redo_read(r, 1, &b);
    if (action == REDO_NEEDED)
        bt_special(buf_page(b))->right = r->refs[2].block;
    finish(r, b, action);
    action = redo_read(r, 2, &b);
    if (action == REDO_NEEDED)
        bt_special(buf_page(b))->left = r->refs[1].block;
    finish(r, b, action);
    action = redo_read(r, 3, &b);
    if (action == REDO_NEEDED) {
        OffsetNo line = load_u16(r->refs[3].data);

        store_u32(page_item(buf_page(b), page_line(buf_page(b), line)), r->refs[2].block);
        page_delete_item_shift(buf_page(b), (OffsetNo)(line + 1));
    }
    finish(r, b, action);
}

static void
btree_redo(const WalRecord *r)
{
    switch (r->info) {
    case BT_OP_INSERT_LEAF:
    case BT_OP_INSERT_INNER:
        redo_insert(r);
        break;
    case BT_OP_SPLIT:
        redo_split(r);
        break;
    case BT_OP_NEW_ROOT:
        redo_new_root(r);
        break;
    case BT_OP_DELETE:
    case BT_OP_VACUUM:
        redo_delete(r);
        break;
    case BT_OP_UNLINK:
        redo_unlink(r);
        break;
    default:
        damaged(r, "unknown operation");
    }
}

static const char *
btree_identify(uint8_t info)
{
    switch (info) {
    case BT_OP_INSERT_LEAF: return "INSERT_LEAF";
    case BT_OP_INSERT_INNER: return "INSERT_UPPER";
    case BT_OP_SPLIT: return "SPLIT";
    case BT_OP_NEW_ROOT: return "NEWROOT";
    case BT_OP_DELETE: return "DELETE";
    case BT_OP_VACUUM: return "VACUUM";
    case BT_OP_UNLINK: return "UNLINK_PAGE";
    default: return NULL;
    }
}

static void
btree_describe(const WalRecord *r, StrBuf *out)
{
    const WalBlockRef *ref = &r->refs[0];

    if (ref->data_bytes < 2)
        return; /* an image stands for it */
    switch (r->info) {
    case BT_OP_INSERT_LEAF:
    case BT_OP_INSERT_INNER:
        str_printf(out, "off %u", load_u16(ref->data));
        break;
    case BT_OP_SPLIT:
        str_printf(out, "level %u, %u items stay, new item at %u", wal_has_ref(r, 1) && r->refs[1].data_bytes >= 10 ? load_u16(r->refs[1].data + 8) : 0,
                   load_u16(ref->data), load_u16(ref->data + 2));
        break;
    case BT_OP_NEW_ROOT:
        str_printf(out, "level %u", load_u16(ref->data + 8));
        break;
    case BT_OP_DELETE:
    case BT_OP_VACUUM:
        str_printf(out, "%u items", ref->data_bytes / 2);
        break;
    default:
        break;
    }
}

void
btree_register_redo(void)
{
    static const WalRmgrOps ops = {"Btree", btree_redo, btree_describe, btree_identify, NULL, NULL};

    wal_register_rmgr(RMGR_BTREE, &ops);
}
