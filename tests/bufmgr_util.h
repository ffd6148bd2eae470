/*
 * Shared by the bufmgr tests: a temporary data directory, a tiny pool, and a stand-in for the log that
 * lets tests check rule 5: a page's LSN is flushed before the page is written. (The stand-in's definitions take
 * the place of walmgr's at link time.)
 */
#ifndef TESTS_BUFMGR_UTIL_H
#define TESTS_BUFMGR_UTIL_H

#include "lockmgr_util.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "bufmgr/buf_internal.h"
#include "walmgr/walmgr.h"

/* ---- the log: a counter ---- */
typedef struct FakeLog {
    _Atomic Lsn insert, flushed, redo;
    _Atomic uint64_t images;
} FakeLog;
static FakeLog *fake_log;
#define fake_insert (fake_log->insert)
#define fake_redo (fake_log->redo)
#define fake_images (fake_log->images)
static int fake_holds;

bool wal_in_redo;
WalCheckpointStats wal_checkpoint_stats;

Lsn
wal_flushed(void)
{
    return fake_log->flushed;
}

static void (*fake_flush_hook)(Lsn lsn);

void
wal_flush_to(Lsn lsn)
{
    if (fake_flush_hook)
        fake_flush_hook(lsn);
    Lsn f = fake_log->flushed;
    MUST(lsn <= fake_log->insert);
    while (f < lsn && !atomic_compare_exchange_weak(&fake_log->flushed, &f, lsn))
        ;
}

Lsn
wal_hint_image(RelLocator r, ForkNo f, BlockNo b, const char *page)
{
    MUST(fake_holds == 1);
    if (page_lsn(page) > fake_log->redo)
        return 0;
    fake_log->images++;
    return fake_log->insert += 64;
}

void
wal_checkpoint_hold(void)
{
    fake_holds++;
}

void
wal_checkpoint_unhold(void)
{
    fake_holds--;
}

void
wal_checkpoint_delay(unsigned flags, double progress)
{
    MUST(progress >= 0 && progress <= 1);
}

void
wal_register_checkpoint_step(WalCheckpointStep fn)
{
}

void
wal_set_image_redo(void (*fn)(const WalRecord *r))
{
}

bool
wal_restore_image(const WalBlockRef *ref, char *page_out)
{
    return false;
}

const char *
lsn_text(Lsn l)
{
    return "";
}

/* ---- pages whose every byte follows from a number ---- */

static void
fill_page(char *p, unsigned content)
{
    page_init(p, 0);
    uint64_t rnd = content;
    for (size_t at = 64; at < PAGE_BYTES; at += 512)
        store_u64(p + at, test_random(&rnd));
    store_u32(p + 40, content);
}

static bool
page_text_holds(const char *p, unsigned content)
{
    if (content == 0)
        return page_is_new(p);
    uint64_t rnd = content;
    if (load_u32(p + 40) != content)
        return false;
    for (size_t at = 64; at < PAGE_BYTES; at += 512)
        if (load_u64(p + at) != test_random(&rnd))
            return false;
    return true;
}

static bool UNUSED
page_holds(Buf b, unsigned content)
{
    return page_text_holds(buf_page(b), content);
}

/* As the wal rules have it: dirty, log, LSN. */
static void UNUSED
write_page(Buf b, unsigned content)
{
    critical_enter();
    fill_page(buf_page(b), content);
    buf_mark_dirty(b);
    page_set_lsn(buf_page(b), fake_log->insert += 64);
    critical_leave();
}

static bool UNUSED
pool_is_sound(void)
{
    char why[200];
    if (buf_check_all(why, sizeof(why)))
        return true;
    fprintf(stderr, "\nbuf_check_all: %s (seed %u)\n", why, test_seed);
    return false;
}

static char test_dir[64];
static pid_t test_owner;

static void
remove_test_dir(void)
{
    char command[128];
    if (getpid() != test_owner || chdir("/") != 0) /* children inherit the exit handler */
        return;
    snprintf(command, sizeof(command), "rm -rf '%s'", test_dir);
    if (system(command) != 0)
        fprintf(stderr, "%s is left\n", test_dir);
}

static void UNUSED
bufmgr_test_start(int frames)
{
    snprintf(test_dir, sizeof(test_dir), "/tmp/bufmgr_test.XXXXXX");
    if (!mkdtemp(test_dir) || chdir(test_dir) != 0 || mkdir("base", 0700) != 0 || mkdir("base/5", 0700) != 0 || mkdir("global", 0700) != 0)
        abort();
    cpu_init();
    fake_log = test_shared(sizeof(*fake_log));
    fake_log->insert = 1024;
    enable_fsync = false;
    proc_shm_register();
    fsyncq_shm_register();
    lock_shm_register();
    buf_shm_register();
    buf_shared_buffers = frames;
    shm_create_for_test();
    if (proc_attach(PROC_BACKEND) != ERR_OK)
        abort();
    buf_process_init();
    test_owner = getpid();
    atexit(remove_test_dir);
}

#endif
