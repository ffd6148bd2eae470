/*
 * The fsync queue: which files have been written since the last checkpoint, and which dropped files
 * wait for a checkpoint before their name may be used again.
 *
 * One shared table, a request per segment. A request carries the cycle of the oldest write it stands
 * for; a checkpoint starts a new cycle and syncs what belongs to older ones. A segment written again
 * before its turn keeps its old cycle, or the checkpoint would pass over the older write; one written
 * again while it is being synced stays, with the new cycle. The order that matters is the writer's:
 * write, add, and only then let the page count as clean; so whatever the checkpointer finds clean is
 * either synced or in the table.
 *
 * A full table makes the writer sync its segment itself. Without shared memory (initdb before it has
 * any, unit tests) every add syncs at once.
 */
#include "core/file/relfile.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/file/file_internal.h"
#include "core/file/io.h"
#include "core/shm/shm.h"
#include "lockmgr/lockmgr.h"

#define QUEUE_SLOTS 8192u /* power of two; 256 kB */
#define QUEUE_FILL_MAX (QUEUE_SLOTS * 3 / 4)
#define UNLINK_MAX 4096

typedef struct SyncRequest {
    SegmentKey key;
    uint16_t state; /* SLOT_* */
    uint16_t again; /* added while it is being synced */
    uint64_t cycle; /* of the oldest write that no sync has covered */
} SyncRequest;
enum { SLOT_EMPTY = 0, SLOT_USED = 1, SLOT_DELETED = 2 };

typedef struct UnlinkRequest {
    RelLocator rel;
    uint32_t pad;
    uint64_t cycle;
} UnlinkRequest;

typedef struct FsyncQueueShared {
    LwLock lock; /* guards everything but generation */
    CACHE_ALIGNED _Atomic uint64_t generation; /* see relfile.c; relaxed readers only act later */
    uint64_t cycle;
    uint32_t used, deleted, unlink_count;
    SyncRequest slots[QUEUE_SLOTS];
    UnlinkRequest unlinks[UNLINK_MAX];
} FsyncQueueShared;

static FsyncQueueShared *queue;
uint64_t fsyncq_longest_us, fsyncq_total_us;

static size_t
queue_size(void)
{
    return sizeof(FsyncQueueShared);
}

static void
queue_init(void *base)
{
    queue = base;
    memset(queue, 0, sizeof(*queue));
    lw_init(&queue->lock, LWT_FSYNC_QUEUE);
    queue->cycle = 1;
}

void
fsyncq_shm_register(void)
{
    file_settings_register();
    static const ShmRequest request = {"fsync queue", SHM_CONTROL, queue_size, queue_init};
    shm_register(&request);
}

uint64_t
fsyncq_generation(void)
{
    /* acquire: what was unlinked before the bump is seen unlinked by an open that follows */
    return queue ? atomic_load_explicit(&queue->generation, memory_order_acquire) : 0;
}

void
fsyncq_generation_bump(void)
{
    if (queue) /* release: pairs with the acquire in fsyncq_generation */
        atomic_fetch_add_explicit(&queue->generation, 1, memory_order_release);
}

static uint32_t
key_slot(const SegmentKey *key)
{
    uint64_t a = (uint64_t)key->rel.rel << 32 | key->segment;
    uint64_t b = (uint64_t)key->rel.db << 32 | (key->rel.spc ^ (uint32_t)key->fork << 24);
    return (uint32_t)hash_combine(a, b) & (QUEUE_SLOTS - 1);
}

/* The slot of key, or where it would go. The table always has an empty slot, so this ends. */
static SyncRequest *
find_slot(const SegmentKey *key, bool *found)
{
    SyncRequest *reuse = NULL;

    for (uint32_t i = key_slot(key);; i = (i + 1) & (QUEUE_SLOTS - 1)) {
        SyncRequest *s = &queue->slots[i];
        if (s->state == SLOT_EMPTY) {
            *found = false;
            return reuse ? reuse : s;
        }
        if (s->state == SLOT_DELETED) {
            if (!reuse)
                reuse = s;
        } else if (memcmp(&s->key, key, sizeof(*key)) == 0) {
            *found = true;
            return s;
        }
    }
}

static void
delete_slot(SyncRequest *s)
{
    s->state = SLOT_DELETED;
    queue->used--;
    queue->deleted++;
    if (queue->used == 0 && queue->deleted > QUEUE_SLOTS / 8) { /* after a checkpoint: forget the tombstones */
        memset(queue->slots, 0, sizeof(queue->slots));
        queue->deleted = 0;
    }
}

void
fsyncq_add(RelLocator r, ForkNo f, uint32_t segment)
{
    SegmentKey key = segment_key(r, f, segment);

    if (queue) {
        bool found, full;
        lw_acquire(&queue->lock, LW_EXCLUSIVE);
        SyncRequest *s = find_slot(&key, &found);
        full = !found && s->state == SLOT_EMPTY && queue->used + queue->deleted >= QUEUE_FILL_MAX;
        if (found) {
            s->again = 1;
        } else if (!full) {
            queue->deleted -= s->state == SLOT_DELETED;
            queue->used++;
            *s = (SyncRequest){key, SLOT_USED, 0, queue->cycle};
        }
        lw_release(&queue->lock);
        if (!full)
            return;
    }
    ErrCode rc = file_sync_segment(key);
    if (rc != ERR_OK && rc != ERR_NOT_FOUND)
        PANIC("%s: %s", err_sys()->what, strerror(err_sys()->errnum));
}

void
fsyncq_forget_relation(RelLocator r)
{
    if (!queue)
        return;
    lw_acquire(&queue->lock, LW_EXCLUSIVE);
    /* Segment numbers are dense: probe each fork until a number is missing. A request lost between
     * (segments synced earlier) is met by ENOENT in fsyncq_process, which is fine. */
    for (uint16_t f = 0; f < FORK_COUNT; f++)
        for (uint32_t segment = 0;; segment++) {
            SegmentKey key = segment_key(r, (ForkNo)f, segment);
            bool found;
            SyncRequest *s = find_slot(&key, &found);
            if (!found)
                break;
            delete_slot(s);
        }
    lw_release(&queue->lock);
}

void
fsyncq_forget_database(Oid db)
{
    if (!queue)
        return;
    lw_acquire(&queue->lock, LW_EXCLUSIVE);
    for (uint32_t i = 0; i < QUEUE_SLOTS; i++)
        if (queue->slots[i].state == SLOT_USED && queue->slots[i].key.rel.db == db)
            delete_slot(&queue->slots[i]);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < queue->unlink_count; i++)
        if (queue->unlinks[i].rel.db != db)
            queue->unlinks[kept++] = queue->unlinks[i];
    queue->unlink_count = kept;
    lw_release(&queue->lock);
}

/* ---- the checkpointer's side ---- */

/* Directories whose entries must be durable with the files in them: a small set, remembered by the
 * last few; one fsync too many is only a little slower. */
typedef struct DirSet {
    RelLocator recent[16];
    int count;
} DirSet;

static ErrCode
sync_directory_of(DirSet *dirs, RelLocator r)
{
    char path[MAX_PATH_BYTES];

    for (int i = 0; i < MIN(dirs->count, (int)COUNT_OF(dirs->recent)); i++)
        if (dirs->recent[i].spc == r.spc && dirs->recent[i].db == r.db)
            return ERR_OK;
    relfile_db_path(r.spc, r.db, path, sizeof(path));
    ErrCode rc = file_sync_dir(path);
    if (rc != ERR_OK && err_sys()->errnum != ENOENT)
        return rc;
    dirs->recent[dirs->count++ % (int)COUNT_OF(dirs->recent)] = r;
    return ERR_OK;
}

static ErrCode
sync_timed(SegmentKey key)
{
    uint64_t began = clock_monotonic_us();
    ErrCode rc = file_sync_segment(key);
    uint64_t took = clock_monotonic_us() - began;

    fsyncq_total_us += took;
    fsyncq_longest_us = MAX(fsyncq_longest_us, took);
    return rc;
}

ErrCode
fsyncq_process(int *count)
{
    DirSet dirs = {.count = 0};
    ErrCode rc = ERR_OK;
    int synced = 0;

    fsyncq_longest_us = fsyncq_total_us = 0;
    if (!queue) {
        *count = 0;
        return ERR_OK;
    }
    lw_acquire(&queue->lock, LW_EXCLUSIVE);
    uint64_t cycle = ++queue->cycle;
    for (uint32_t i = 0; i < QUEUE_SLOTS && rc == ERR_OK && queue->used > 0; i++) {
        SyncRequest *s = &queue->slots[i];
        if (s->state != SLOT_USED || s->cycle >= cycle)
            continue;
        SegmentKey key = s->key;
        s->again = 0;
        lw_release(&queue->lock);
        rc = sync_timed(key);
        if (rc == ERR_OK) {
            synced++;
            rc = sync_directory_of(&dirs, key.rel);
        } else if (rc == ERR_NOT_FOUND) {
            rc = ERR_OK; /* dropped; nothing of it needs to be durable */
        }
        lw_acquire(&queue->lock, LW_EXCLUSIVE);
        /* The slot itself stays in place while used, but it may have been deleted and refilled. */
        if (rc == ERR_OK && s->state == SLOT_USED && s->cycle < cycle && memcmp(&s->key, &key, sizeof(key)) == 0) {
            if (s->again)
                s->cycle = cycle;
            else
                delete_slot(s);
        }
    }
    lw_release(&queue->lock);
    if (rc == ERR_OK)
        *count = synced;
    return rc;
}

bool
fsyncq_unlink_later(RelLocator r)
{
    bool kept = false;

    if (!queue)
        return false;
    lw_acquire(&queue->lock, LW_EXCLUSIVE);
    if (queue->unlink_count < UNLINK_MAX) {
        queue->unlinks[queue->unlink_count++] = (UnlinkRequest){r, 0, queue->cycle};
        kept = true;
    }
    lw_release(&queue->lock);
    return kept;
}

/*
 * A drop that is older than the cycle before the last was made before the redo point of the checkpoint
 * that has just ended: no redo will ever meet its commit record again, so the name is free.
 */
void
fsyncq_unlink_pending(void)
{
    bool removed = false;

    if (!queue)
        return;
    for (;;) {
        RelLocator r;
        bool found = false;
        lw_acquire(&queue->lock, LW_EXCLUSIVE);
        for (uint32_t i = 0; i < queue->unlink_count && !found; i++)
            if (queue->unlinks[i].cycle + 1 < queue->cycle) {
                r = queue->unlinks[i].rel;
                queue->unlinks[i] = queue->unlinks[--queue->unlink_count];
                found = true;
            }
        lw_release(&queue->lock);
        if (!found)
            break;
        char path[MAX_PATH_BYTES];
        relfile_path(r, FORK_MAIN, 0, path, sizeof(path));
        if (io_unlink(path) != 0 && errno != ENOENT)
            REPORT(LEVEL_WARNING, SQLSTATE_IO_ERROR, err_message("could not remove file \"%s\": %s", path, strerror(errno)));
        removed = true;
    }
    if (removed)
        fsyncq_generation_bump();
}
