/*
 * What lies in shared memory, how big it is, and the settings that say so.
 */
#include <stdio.h>
#include <string.h>

#include "bufmgr/buf_internal.h"
#include "core/base/settings.h"
#include "core/shm/shm.h"
#include "walmgr/walmgr.h"

bool buf_ignore_checksum_failure, buf_zero_damaged_pages;
int buf_shared_buffers = 16384;
int bgwriter_delay_ms = 200, bgwriter_lru_maxpages = 100, bgwriter_flush_after = 64, backend_flush_after;
int checkpoint_flush_after = 32, effective_io_concurrency = 1;
double bgwriter_lru_multiplier = 2.0;

char *buf_pages;
BufShared *buf_shared;
BufSharedStats *buf_shared_stats;
BufStats buf_stats;
Frame *buf_frames;
uint8_t *buf_usage;
_Atomic uint64_t *buf_dirty_bits;
Bucket *buf_buckets;
uint32_t buf_frame_count, buf_bucket_count, buf_bucket_mask, buf_partition_count;

void buf_redo_images(const WalRecord *r);

/* 0: never force; the unit is a page. */
#define FLUSH_AFTER_MAX 256
static const SettingDef buf_settings[] = {
    {.name = "ignore_checksum_failure", .type = SETTING_BOOL, .context = CONTEXT_SUPERUSER, .group = "Developer Options",
     .description = "Continues processing after a checksum failure.", .variable = &buf_ignore_checksum_failure, .boot = "off"},
    {.name = "zero_damaged_pages", .type = SETTING_BOOL, .context = CONTEXT_SUPERUSER, .group = "Developer Options",
     .description = "Continues processing past damaged page headers.", .variable = &buf_zero_damaged_pages, .boot = "off"},
    {.name = "shared_buffers", .type = SETTING_INT, .context = CONTEXT_POSTMASTER, .unit = UNIT_BLOCKS,
     .group = "Resource Usage / Memory", .description = "Sets the number of shared memory buffers used by the server.",
     .variable = &buf_shared_buffers, .boot = "128MB", .min = 16, .max = 1073741823},
    {.name = "bgwriter_delay", .type = SETTING_INT, .context = CONTEXT_SIGHUP, .unit = UNIT_MS,
     .group = "Resource Usage / Background Writer", .description = "Background writer sleep time between rounds.",
     .variable = &bgwriter_delay_ms, .boot = "200ms", .min = 10, .max = 10000},
    {.name = "bgwriter_lru_maxpages", .type = SETTING_INT, .context = CONTEXT_SIGHUP,
     .group = "Resource Usage / Background Writer", .description = "Background writer maximum number of LRU pages to flush per round.",
     .variable = &bgwriter_lru_maxpages, .boot = "100", .min = 0, .max = 1073741823},
    {.name = "bgwriter_lru_multiplier", .type = SETTING_REAL, .context = CONTEXT_SIGHUP,
     .group = "Resource Usage / Background Writer", .description = "Multiple of the average buffer usage to free per round.",
     .variable = &bgwriter_lru_multiplier, .boot = "2", .min = 0, .max = 10},
    {.name = "bgwriter_flush_after", .type = SETTING_INT, .context = CONTEXT_SIGHUP, .unit = UNIT_BLOCKS,
     .group = "Resource Usage / Background Writer",
     .description = "Number of pages after which previously performed writes are flushed to disk.",
     .variable = &bgwriter_flush_after, .boot = "64", .min = 0, .max = FLUSH_AFTER_MAX},
    {.name = "backend_flush_after", .type = SETTING_INT, .context = CONTEXT_USER, .unit = UNIT_BLOCKS,
     .group = "Resource Usage / Asynchronous Behavior",
     .description = "Number of pages after which previously performed writes are flushed to disk.",
     .variable = &backend_flush_after, .boot = "0", .min = 0, .max = FLUSH_AFTER_MAX},
    {.name = "checkpoint_flush_after", .type = SETTING_INT, .context = CONTEXT_SIGHUP, .unit = UNIT_BLOCKS,
     .group = "Write-Ahead Log / Checkpoints",
     .description = "Number of pages after which previously performed writes are flushed to disk.",
     .variable = &checkpoint_flush_after, .boot = "32", .min = 0, .max = FLUSH_AFTER_MAX},
    {.name = "effective_io_concurrency", .type = SETTING_INT, .context = CONTEXT_USER,
     .group = "Resource Usage / Asynchronous Behavior",
     .description = "Number of simultaneous requests that can be handled efficiently by the disk subsystem.",
     .variable = &effective_io_concurrency, .boot = "1", .min = 0, .max = 1000},
};

void
buf_settings_register(void)
{
    static bool done;

    if (done)
        return;
    done = true;
    settings_register(buf_settings, COUNT_OF(buf_settings));
}

/* ---- geometry ---- */

static uint32_t
group_count(void)
{
    return ((uint32_t)buf_shared_buffers + SWEEP_GROUP - 1) / SWEEP_GROUP;
}

/* Six entries to a bucket of ten at most, three at least: about one bucket in 25 overflows at worst. */
static uint32_t
bucket_count(void)
{
    uint32_t n = 4;
    while ((uint64_t)n * 6 < (uint64_t)buf_shared_buffers)
        n *= 2;
    return n;
}

/* At least 512 frames to a partition: its share of a hash over all frames then stays ten standard
 * deviations below its room, so that "partition full" does not happen. */
static uint32_t
partition_count(void)
{
    uint32_t n = 1;
    while (n < PARTITIONS_MAX && n * 2 * 512 <= (uint32_t)buf_shared_buffers)
        n *= 2;
    return n;
}

/* ---- control structures ---- */

size_t
buf_frames_size(void)
{
    return sizeof(BufShared) + (size_t)bucket_count() * sizeof(Bucket) + (size_t)buf_shared_buffers * sizeof(Frame) +
           (size_t)group_count() * (SWEEP_GROUP + sizeof(uint64_t)) + 4 * CACHE_LINE;
}

void
buf_frames_attach(void *base)
{
    char *p = base;

    buf_frame_count = (uint32_t)buf_shared_buffers;
    buf_bucket_count = bucket_count();
    buf_bucket_mask = buf_bucket_count - 1;
    buf_partition_count = partition_count();
    buf_shared = (BufShared *)(void *)p;
    p += ALIGN_UP(sizeof(BufShared), (size_t)CACHE_LINE);
    buf_buckets = (Bucket *)(void *)p;
    p += (size_t)buf_bucket_count * sizeof(Bucket);
    buf_frames = (Frame *)(void *)p;
    p += (size_t)buf_frame_count * sizeof(Frame);
    buf_usage = (uint8_t *)p;
    p += (size_t)group_count() * SWEEP_GROUP;
    buf_dirty_bits = (_Atomic uint64_t *)(void *)p;
    buf_shared_stats = &buf_shared->stats;
}

void
buf_frames_init(void *base)
{
    buf_frames_attach(base);
    memset(base, 0, buf_frames_size());
    lw_init(&buf_shared->checkpoint_lock.lock, LWT_CHECKPOINT);
    for (int i = 0; i < EXTEND_LOCKS; i++)
        lw_init(&buf_shared->extend_locks[i].lock, LWT_RELATION_EXTEND);
    for (int i = 0; i < PARTITIONS_MAX; i++)
        lw_init(&buf_shared->partitions[i].lock, LWT_BUFFER_MAPPING);
    for (uint32_t i = 0; i < buf_frame_count; i++)
        lw_init(&buf_frames[i].content, LWT_BUFFER_CONTENT);
    for (uint32_t i = 0; i < buf_frame_count; i++) /* no page: not to be read. relaxed: published with the segment */
        atomic_store_explicit(&buf_frames[i].version, 1, memory_order_relaxed);
    sweep_select();
}

/* ---- pages ---- */

#define PAGES_ALIGN 4096u

static size_t
pages_size(void)
{
    return (size_t)buf_shared_buffers * PAGE_BYTES + PAGES_ALIGN;
}

static void
pages_init(void *base)
{
    buf_pages = (char *)(ALIGN_UP((uintptr_t)base, (uintptr_t)PAGES_ALIGN));
}

void
buf_shm_register(void)
{
    static const ShmRequest frames = {"buffer frames", SHM_BUFFERS, buf_frames_size, buf_frames_init};
    static const ShmRequest pages = {"buffer pages", SHM_BUFFERS, pages_size, pages_init};

    buf_settings_register();
    shm_register(&frames);
    shm_register(&pages);
    wal_register_checkpoint_step(buf_checkpoint);
    wal_set_image_redo(buf_redo_images);
}

int
buf_count(void)
{
    return (int)buf_frame_count;
}
