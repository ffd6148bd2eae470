/*
 * Block references of log records, on the way in.
 */
#include "bufmgr/buf_redo.h"

#include "bufmgr/buf_internal.h"

static void
read_or_panic(const WalBlockRef *ref, BufMode mode, Buf *out)
{
    ErrCode rc = buf_read(ref->locator, ref->fork, ref->block, mode, NULL, out);

    if (rc != ERR_OK)
        PANIC("redo cannot read block %u of relation %u/%u/%u, fork %d: %s", ref->block, ref->locator.spc, ref->locator.db,
              ref->locator.rel, (int)ref->fork, err_sys()->what);
}

Buf
buf_redo_init_block(const WalRecord *r, int ref)
{
    Buf b;

    read_or_panic(&r->refs[ref], BUF_ZERO_LOCK, &b);
    return b;
}

static Buf
restore_image(const WalRecord *r, int ref)
{
    Buf b = buf_redo_init_block(r, ref);

    if (!wal_restore_image(&r->refs[ref], buf_page(b)))
        PANIC("image of block %u of relation %u/%u/%u in the log record at %s is damaged", r->refs[ref].block,
              r->refs[ref].locator.spc, r->refs[ref].locator.db, r->refs[ref].locator.rel, lsn_text(r->start));
    if (page_is_new(buf_page(b))) /* an image of an empty page stays all zeros */
        buf_mark_dirty(b);
    else
        buf_redo_finish(r, b);
    return b;
}

BufRedo
buf_redo_block(const WalRecord *r, int ref, Buf *out)
{
    const WalBlockRef *block = &r->refs[ref];

    if (block->has_image) {
        *out = restore_image(r, ref);
        return BUF_REDO_RESTORED;
    }
    if (block->flags & WAL_REF_WILL_INIT) {
        *out = buf_redo_init_block(r, ref);
        return BUF_REDO_APPLY;
    }
    Buf b;
    ErrCode rc = buf_read(block->locator, block->fork, block->block, BUF_NORMAL_NO_LOG, NULL, &b);
    if (rc == ERR_NOT_FOUND)
        return BUF_REDO_GONE;
    if (rc != ERR_OK)
        read_or_panic(block, BUF_NORMAL_NO_LOG, &b); /* for the message; damage does not go away */
    buf_lock(b, LW_EXCLUSIVE);
    *out = b;
    return page_lsn(buf_page(b)) >= r->end ? BUF_REDO_DONE : BUF_REDO_APPLY;
}

void
buf_redo_images(const WalRecord *r)
{
    for (int i = 0; i < r->ref_count; i++) {
        if (!wal_has_ref(r, i) || !r->refs[i].has_image)
            continue;
        buf_release(restore_image(r, i));
    }
}
