/*
 * Buffer pools for the benches: ours and the textbook's of the same size, frame i holding block i of one
 * relation. Pools of several sizes can stand side by side; use_pool switches to one. Only the first PAGES_THERE
 * pages have memory: nothing here reads a page, but a hit sends for its first line.
 */
#ifndef BENCH_POOL_H
#define BENCH_POOL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"
#include "bufmgr/buf_internal.h"
#include "core/base/cpu.h"
#include "core/shm/shm.h"
#include "textbook_buf.h"

#define PAGES_THERE 1024u

static const RelLocator pool_rel = {1663, 5, 16384};
static TextPool *text_pool;

static inline BufTag
pool_tag(uint64_t block)
{
    return tag_make(pool_rel, FORK_MAIN, (BlockNo)block);
}

static inline void
pool_put(Buf b)
{
    BufTag tag = pool_tag((uint64_t)b);
    buf_frames[b].tag = tag;
    if (!table_insert(tag_hash(&tag), b))
        abort();
    /* relaxed: nobody else is about */
    version_close(&buf_frames[b]);
    atomic_store_explicit(&buf_frames[b].state, BUF_STATE_TAG_VALID | BUF_STATE_VALID, memory_order_relaxed);
}

static void UNUSED
use_pool(uint32_t frames)
{
    static struct { uint32_t frames; void *base; TextPool *text; } pools[4];
    static char *pages;
    int i = 0;

    if (!pages) {
        pages = mmap(NULL, (size_t)1 << 30, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (pages == MAP_FAILED)
            abort();
        memset(pages, 1, (size_t)PAGES_THERE * PAGE_BYTES);
        cpu_init();
        proc_shm_register();
        shm_create_for_test();
        if (proc_attach(PROC_STANDALONE) != ERR_OK)
            abort();
        buf_process_init();
    }
    if (buf_frame_count == frames)
        return;
    while (pools[i].base && pools[i].frames != frames)
        i++;
    buf_shared_buffers = (int)frames;
    size_t bytes = buf_frames_size() + (2u << 20);
    if (!pools[i].base) {
        char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (at == MAP_FAILED)
            abort();
        pools[i].base = (void *)ALIGN_UP((uintptr_t)at, (uintptr_t)2 << 20);
        pools[i].frames = frames;
        madvise(at, bytes, MADV_HUGEPAGE); /* as shm.c does for the server */
        pools[i].text = text_pool_create(frames);
        buf_frames_init(pools[i].base);
        for (uint32_t b = 0; b < frames; b++) {
            pool_put((Buf)b);
            BufTag tag = pool_tag(b);
            text_install(pools[i].text, (int)b, &tag);
        }
    } else {
        buf_frames_attach(pools[i].base);
    }
    text_pool = pools[i].text;
    buf_pages = pages;
}

#endif
