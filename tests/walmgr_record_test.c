/*
 * Records in one process: what is inserted comes back, over wraps of the ring and segment borders; a
 * torn tail ends the log at the last whole record; damaged bytes never crash the reader; the control
 * file survives a torn write; a start after a crash leaves nothing of the old run behind the end.
 */
#include "walmgr_util.h"

#include "core/base/settings.h"

#define MODEL_RECORDS 3000

/* ---- model ---- */
static void
model_instance(void *arg)
{
    uint64_t seed = test_seed;
    static Lsn starts[MODEL_RECORDS], ends[MODEL_RECORDS];
    RandomRecord r;
    wal_compression = *(int *)arg;
    wal_bootstrap(1, 100, 16384);
    Lsn first = wal_insert_position();
    for (int i = 0; i < MODEL_RECORDS; i++) {
        describe_random(&r, seed + (uint64_t)i, 400000); /* larger than the ring */
        ends[i] = insert_random(&r, i % 2 ? 1 : 1 + WAL_START_LSN * 100, &starts[i]);
        MUST(starts[i] == (i ? ends[i - 1] : first) && ends[i] > starts[i]);
        if (i % 97 == 0) {
            wal_flush_to(ends[i]);
            MUST(wal_flushed() >= ends[i]);
        }
    }
    wal_flush_to(ends[MODEL_RECORDS - 1]);
    MUST(wal_flushed() == wal_insert_position());

    Arena *a = arena_create(NULL, "test");
    const char *why = NULL;
    WalReader *reader = wal_reader_open(a, first, 1);
    for (int i = 0; i < MODEL_RECORDS; i++) {
        const WalRecord *w = wal_reader_next(reader, &why);
        MUST(w != NULL);
        MUST(w->start == starts[i] && w->end == ends[i]);
        describe_random(&r, seed + (uint64_t)i, 400000);
        check_random(w, &r, i % 2 ? 1 : 1 + WAL_START_LSN * 100);
    }
    MUST(wal_reader_next(reader, &why) == NULL);
    MUST(strncmp(why, "invalid record length at", 24) == 0 || strncmp(why, "record of another place", 23) == 0);
    /* the reader follows a log that goes on */
    describe_random(&r, seed, 100);
    wal_flush_to(insert_random(&r, 1, NULL));
    const WalRecord *w = wal_reader_next(reader, &why);
    MUST(w != NULL);
    check_random(w, &r, 1);
    wal_reader_close(reader);
    arena_destroy(a);
    MUST(wal_insert_position() > WAL_START_LSN + (Lsn)WAL_SEGMENT_BYTES || wal_compression);
}

static void
all_records_come_back(void)
{
    int off = WAL_COMPRESSION_OFF;
    wal_buffers_blocks = 8;
    test_directory("model");
    RUN_INSTANCE(model_instance, &off);
    wal_buffers_blocks = 512;
    test_directory("model_large_ring");
    RUN_INSTANCE(model_instance, &off);
}

static void
compressed_images_come_back(void)
{
    int methods[] = {WAL_COMPRESSION_LZ4, WAL_COMPRESSION_ZSTD};
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        test_directory("compressed");
        RUN_INSTANCE(model_instance, &methods[i]);
    }
}

/* ---- image rule, one process ---- */
static bool
last_has_image(Lsn start)
{
    Arena *a = arena_create(NULL, "test");
    wal_flush_to(wal_insert_position());
    WalReader *reader = wal_reader_open(a, start, 1);
    const WalRecord *w = wal_reader_next(reader, NULL);
    MUST(w != NULL && w->ref_count == 1);
    bool has = w->refs[0].has_image;
    arena_destroy(a);
    return has;
}

static Lsn
change_page(char *page, unsigned flags, Lsn *start)
{
    wal_begin();
    wal_add_block(0, (RelLocator){1663, 5, 16384}, FORK_MAIN, 3, page, flags);
    wal_add_block_data(0, "change", 6);
    Lsn end = wal_insert(RMGR_HEAP, 0, start);
    page_set_lsn(page, end);
    return end;
}

static void
image_instance(void *arg)
{
    static char page[PAGE_BYTES];
    Lsn start;
    (void)arg;
    wal_bootstrap(1, 100, 16384);
    random_page(page, 7, 8);
    change_page(page, WAL_REF_STANDARD, &start);
    MUST(last_has_image(start));
    change_page(page, WAL_REF_STANDARD, &start);
    MUST(!last_has_image(start));
    wal_checkpoint(CHECKPOINT_FORCE);
    MUST(wal_redo_point() > start);
    change_page(page, WAL_REF_STANDARD | WAL_REF_NO_IMAGE, &start);
    MUST(!last_has_image(start));
    wal_checkpoint(CHECKPOINT_FORCE);
    wal_checkpoint_hold();
    MUST(wal_hint_image((RelLocator){1663, 5, 16384}, FORK_MAIN, 3, page) != 0);
    wal_checkpoint_unhold();
    change_page(page, 0, &start);
    MUST(last_has_image(start));
    wal_checkpoint_hold();
    MUST(wal_hint_image((RelLocator){1663, 5, 16384}, FORK_MAIN, 3, page) == 0);
    wal_checkpoint_unhold();
    full_page_writes = false;
    wal_checkpoint(CHECKPOINT_FORCE);
    change_page(page, 0, &start);
    MUST(!last_has_image(start));
}

static void
images_follow_the_redo_point(void)
{
    wal_buffers_blocks = 64;
    test_directory("image");
    RUN_INSTANCE(image_instance, NULL);
}

/* ---- torn tail ---- */
#define TAIL_RECORDS 5
static Lsn *tail_positions; /* shared with the parent */

static void
tail_instance(void *arg)
{
    (void)arg;
    RandomRecord r;
    wal_bootstrap(1, 100, 16384);
    for (int i = 0; i < TAIL_RECORDS; i++) {
        describe_random(&r, (uint64_t)i, 100);
        r.refs = 0;
        r.main_bytes = 77;
        insert_random(&r, 1, &tail_positions[i]);
    }
    tail_positions[TAIL_RECORDS] = wal_insert_position();
    wal_flush_to(wal_insert_position());
}

static int replayed;
static void
count_redo(const WalRecord *r)
{
    MUST(r->start == tail_positions[replayed]);
    replayed++;
}

/* Starts, expects `arg` records replayed, writes one more with the same place as the torn one. */
static void
tail_restart_instance(void *arg)
{
    static const WalRmgrOps counting = {.name = "counting", .redo = count_redo};
    wal_register_rmgr(RMGR_HEAP, &counting);
    wal_register_rmgr(RMGR_HEAP2, &counting);
    wal_register_rmgr(RMGR_BTREE, &counting);
    control_file->state = DB_IN_PRODUCTION;
    ControlFile c;
    MUST(control_read(&c) == ERR_OK);
    *control_file = c;
    control_set_state(DB_IN_PRODUCTION);
    wal_startup();
    MUST(replayed == *(int *)arg);
    MUST(control_file->state == DB_IN_PRODUCTION && control_file->checkpoint >= tail_positions[*(int *)arg]);
}

static void
copy_file(const char *from, const char *to)
{
    char command[256];
    snprintf(command, sizeof(command), "cp --sparse=always %s %s", from, to);
    if (system(command) != 0)
        abort();
}

static void
redo_ends_at_the_torn_record(void)
{
    wal_buffers_blocks = 8;
    test_directory("torn");
    tail_positions = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    RUN_INSTANCE(tail_instance, NULL);
    const char *segment = "pg_wal/000000010000000000000001";
    copy_file(segment, "saved_segment");
    copy_file("global/pg_control", "saved_control");
    Lsn last = tail_positions[TAIL_RECORDS - 1];
    uint32_t length = 24 + 1 + 77;
    for (uint32_t cut = 0; cut <= length; cut++) {
        copy_file("saved_segment", segment);
        copy_file("saved_control", "global/pg_control");
        int fd = open(segment, O_RDWR);
        char junk[256];
        memset(junk, cut % 2 ? 0x5A : 0, sizeof(junk));
        CU_ASSERT_EQUAL(pwrite(fd, junk, length - cut, (off_t)((last + cut) % WAL_SEGMENT_BYTES)), (ssize_t)(length - cut));
        close(fd);
        int expected = cut == length ? TAIL_RECORDS : TAIL_RECORDS - 1;
        int status = test_instance(tail_restart_instance, &expected);
        if (status != 0)
            fprintf(stderr, "cut at %u of %u\n", cut, length);
        CU_ASSERT_EQUAL(status, 0);
    }
    munmap(tail_positions, 4096);
}

/* ---- a stale record right behind a new one ---- */
static void
stale_first_instance(void *arg)
{
    (void)arg;
    RandomRecord r;
    wal_bootstrap(1, 100, 16384);
    for (int i = 0; i < 3; i++) {
        describe_random(&r, 42, 100);
        r.refs = 0;
        r.main_bytes = 77;
        insert_random(&r, 1, &tail_positions[i]);
    }
    wal_flush_to(wal_insert_position());
    /* and one in the next segment, at its very beginning */
    wal_switch_segment();
    insert_random(&r, 1, &tail_positions[3]);
    MUST(tail_positions[3] % WAL_SEGMENT_BYTES == 0);
    wal_flush_to(wal_insert_position());
    control_set_state(DB_IN_PRODUCTION);
    /* damage the first */
    int fd = open("pg_wal/000000010000000000000001", O_RDWR);
    MUST(pwrite(fd, "XX", 2, (off_t)(tail_positions[0] % WAL_SEGMENT_BYTES) + 40) == 2);
    close(fd);
}

static void
stale_restart_instance(void *arg)
{
    (void)arg;
    wal_startup();
    Lsn end = wal_insert_position();
    MUST(end > tail_positions[0] && end < tail_positions[3]);
    MUST(access("pg_wal/000000010000000000000002", F_OK) != 0);
    /* fill up to the segment's end with NOOPs: only they may follow, then nothing */
    Lsn before = end;
    while (end < tail_positions[3]) {
        static char filler[65536];
        wal_begin();
        uint64_t left = tail_positions[3] - end;
        uint32_t n = left > 40000 ? 8192 : (uint32_t)MAX(left, 32u) - 25;
        wal_add_data(filler, MIN(n, sizeof(filler)));
        end = wal_insert(RMGR_XLOG, XLOG_NOOP, NULL);
    }
    wal_flush_to(end);
    Arena *a = arena_create(NULL, "test");
    WalReader *reader = wal_reader_open(a, before, 1);
    const WalRecord *w, *last = NULL;
    const char *why;
    Lsn last_end = 0;
    while ((w = wal_reader_next(reader, &why)) != NULL) {
        MUST(w->rmgr == RMGR_XLOG);
        last = w;
        last_end = w->end;
    }
    MUST(last != NULL && last_end == end);
    arena_destroy(a);
}

static void
nothing_stale_follows_the_end(void)
{
    test_directory("stale");
    tail_positions = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    RUN_INSTANCE(stale_first_instance, NULL);
    RUN_INSTANCE(stale_restart_instance, NULL);
    munmap(tail_positions, 4096);
}

/* ---- switch ---- */
static void
switch_instance(void *arg)
{
    (void)arg;
    RandomRecord r;
    static Lsn starts[6];
    uint64_t seed = test_seed;
    wal_bootstrap(1, 100, 16384);
    Lsn first = wal_insert_position();
    for (int i = 0; i < 6; i++) {
        describe_random(&r, seed + (uint64_t)i, 1000);
        insert_random(&r, 1, &starts[i]);
        Lsn end = wal_switch_segment();
        MUST(end > starts[i] && wal_insert_position() % WAL_SEGMENT_BYTES == 0);
        MUST(wal_switch_segment() == wal_insert_position()); /* nothing to switch */
    }
    wal_flush_to(wal_insert_position());
    Arena *a = arena_create(NULL, "test");
    WalReader *reader = wal_reader_open(a, first, 1);
    for (int i = 0; i < 6; i++) {
        const WalRecord *w = wal_reader_next(reader, NULL);
        MUST(w && w->start == starts[i]);
        describe_random(&r, seed + (uint64_t)i, 1000);
        check_random(w, &r, 1);
        w = wal_reader_next(reader, NULL);
        MUST(w && w->rmgr == RMGR_XLOG && w->info == XLOG_SWITCH);
    }
    MUST(wal_reader_next(reader, NULL) == NULL);
    arena_destroy(a);
    /* a checkpoint recycles what is behind */
    wal_checkpoint(CHECKPOINT_FORCE);
    MUST(access("pg_wal/000000010000000000000003", F_OK) != 0);
    MUST(wal_checkpoint_stats.segments_recycled > 0);
}

static void
switched_segments_read_on(void)
{
    wal_buffers_blocks = 16;
    test_directory("switch");
    RUN_INSTANCE(switch_instance, NULL);
}

/* ---- fuzz ---- */
static void
touch_record(const WalRecord *w, unsigned *sum)
{
    char page[PAGE_BYTES];
    for (uint32_t i = 0; i < w->data_bytes; i++)
        *sum += (unsigned char)w->data[i];
    for (int i = 0; i < w->ref_count; i++) {
        for (uint32_t k = 0; k < w->refs[i].data_bytes; k++)
            *sum += (unsigned char)w->refs[i].data[k];
        if (w->refs[i].has_image && wal_restore_image(&w->refs[i], page))
            *sum += (unsigned char)page[100];
    }
}

static void
fuzz_instance(void *arg)
{
    (void)arg;
    RandomRecord r;
    uint64_t s = test_seed + 5;
    unsigned sum = 0;
    wal_compression = WAL_COMPRESSION_LZ4;
    wal_bootstrap(1, 100, 16384);
    Lsn first = wal_insert_position();
    for (int i = 0; i < 60; i++) {
        describe_random(&r, s + (uint64_t)i, 3000);
        insert_random(&r, 1, NULL);
    }
    Lsn end = wal_insert_position();
    wal_flush_to(end);
    size_t bytes = end - first;
    char *good = malloc(bytes);
    int fd = open("pg_wal/000000010000000000000001", O_RDWR);
    MUST(pread(fd, good, bytes, (off_t)(first % WAL_SEGMENT_BYTES)) == (ssize_t)bytes);
    for (int round = 0; round < 300; round++) {
        uint64_t at = test_random(&s) % bytes;
        char bad = (char)(good[at] ^ (1 << (test_random(&s) % 8)));
        MUST(pwrite(fd, &bad, 1, (off_t)((first + at) % WAL_SEGMENT_BYTES)) == 1);
        Arena *a = arena_create(NULL, "fuzz");
        WalReader *reader = wal_reader_open(a, first, 1);
        const WalRecord *w;
        const char *why = NULL;
        Lsn reached = first;
        while ((w = wal_reader_next(reader, &why)) != NULL) {
            touch_record(w, &sum);
            reached = w->end;
        }
        MUST(why != NULL);
        /* the end is before the damage, unless it hit padding */
        MUST(reached <= ALIGN_UP(first + at, (Lsn)8) || reached == end);
        arena_destroy(a);
        MUST(pwrite(fd, &good[at], 1, (off_t)((first + at) % WAL_SEGMENT_BYTES)) == 1);
    }
    close(fd);
    /* without the CRC's protection: whole records with damaged bodies, and noise */
    for (int round = 0; round < 20000; round++) {
        uint32_t n = 25 + (uint32_t)(test_random(&s) % 600);
        char *p = malloc(n); /* exact size: a byte too far is an ASan report */
        if (round % 2) {
            fill_random(p, n, test_random(&s));
            p[24] = (char)(test_random(&s) % 36);
        } else {
            memcpy(p, good + test_random(&s) % (bytes - n) / 8 * 8, n);
            p[24 + test_random(&s) % (n - 24)] ^= (char)(1 << (test_random(&s) % 8));
        }
        WalRecord w;
        const char *why = NULL;
        if (wal_decode(p, n, first, &w, &why))
            touch_record(&w, &sum);
        else
            MUST(why != NULL);
        free(p);
    }
    free(good);
    MUST(sum != 1);
}

static void
damaged_bytes_are_refused(void)
{
    wal_buffers_blocks = 16;
    test_directory("fuzz");
    RUN_INSTANCE(fuzz_instance, NULL);
}

/* ---- control file ---- */
static void
control_instance(void *arg)
{
    (void)arg;
    ControlFile c;
    MUST(control_read(&c) == ERR_NOT_FOUND);
    wal_bootstrap(77, 100, 16384);
    MUST(control_read(&c) == ERR_OK && c.system_identifier == 77 && c.state == DB_SHUTDOWNED);
    for (int round = 0; round < 20; round++) {
        control_set_state(round % 2 ? DB_IN_PRODUCTION : DB_SHUTDOWNING);
        MUST(control_read(&c) == ERR_OK);
        MUST(c.state == (round % 2 ? DB_IN_PRODUCTION : DB_SHUTDOWNING));
        /* tear the newer copy at some byte: the older one must be found */
        int fd = open("global/pg_control", O_RDWR);
        off_t at = (c.generation & 1) ? 8192 : 0;
        char old, bad;
        off_t where = at + (off_t)((unsigned)round * 17 % sizeof(ControlFile));
        MUST(pread(fd, &old, 1, where) == 1);
        bad = (char)~old;
        MUST(pwrite(fd, &bad, 1, where) == 1);
        ControlFile before;
        MUST(control_read(&before) == ERR_OK);
        MUST(before.generation == c.generation - 1);
        /* both torn: an error, not garbage */
        off_t other = 8192 - at + 8;
        char keep;
        MUST(pread(fd, &keep, 1, other) == 1);
        bad = (char)~keep;
        MUST(pwrite(fd, &bad, 1, other) == 1);
        MUST(control_read(&before) == ERR_CORRUPT);
        MUST(pwrite(fd, &keep, 1, other) == 1);
        MUST(pwrite(fd, &old, 1, where) == 1);
        close(fd);
    }
}

static void
a_torn_control_file_leaves_the_other_copy(void)
{
    test_directory("control");
    RUN_INSTANCE(control_instance, NULL);
}

/* ---- life ---- */
static void
life_instance(void *arg)
{
    int round = *(int *)arg;
    RandomRecord r;
    if (round / 2 % 2)
        proc_detach(); /* as initdb: without a slot */
    if (round == 0)
        wal_bootstrap(5, 100, 16384);
    else
        wal_startup();
    for (int i = 0; i < 50; i++) {
        describe_random(&r, (uint64_t)(round * 100 + i), 20000);
        insert_random(&r, 1, NULL);
    }
    if (round % 2 == 0) {
        wal_checkpoint(CHECKPOINT_IS_SHUTDOWN | CHECKPOINT_IMMEDIATE);
        MUST(control_file->state == DB_SHUTDOWNED);
    } else {
        wal_flush_to(wal_insert_position()); /* and die */
    }
}

static void
starts_follow_shutdowns_and_crashes(void)
{
    wal_buffers_blocks = 32;
    test_directory("life");
    for (int round = 0; round < 8; round++)
        RUN_INSTANCE(life_instance, &round);
}

/* ---- settings ---- */
static void
settings_instance(void *arg)
{
#ifdef HAVE_LZ4
    static const char best_compression[] = "lz4";
#elif defined(HAVE_ZSTD)
    static const char best_compression[] = "zstd";
#else
    static const char best_compression[] = "off";
#endif
    (void)arg;
    Arena *a = arena_create(NULL, "test");
    wal_buffers_blocks = 0;
    wal_settings_register();
    settings_boot();
    const char *const expected[][2] = {
        {"synchronous_commit", "on"}, {"wal_level", "replica"}, {"wal_sync_method", "fdatasync"},
        {"full_page_writes", "on"}, {"wal_compression", best_compression}, {"wal_log_hints", "off"}, {"wal_buffers", "4MB"},
        {"wal_writer_delay", "200ms"}, {"wal_writer_flush_after", "1MB"}, {"commit_delay", "0"},
        {"commit_siblings", "5"}, {"checkpoint_timeout", "5min"}, {"checkpoint_completion_target", "0.9"},
        {"checkpoint_warning", "30s"}, {"max_wal_size", "1GB"}, {"min_wal_size", "80MB"}, {"log_checkpoints", "on"},
        {"wal_segment_size", "16MB"}, {"wal_recycle", "on"}, {"wal_init_zero", "on"}, {"wal_block_size", "8192"},
        {"wal_keep_size", "0"}, {"recovery_prefetch", "try"}, {"wal_decode_buffer_size", "512kB"},
        {"log_startup_progress_interval", "10s"}, {"recovery_init_sync_method", "fsync"}};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        const char *got = settings_get(a, expected[i][0], false);
        if (strcmp(got, expected[i][1]) != 0)
            fprintf(stderr, "%s: %s, expected %s\n", expected[i][0], got, expected[i][1]);
        MUST(strcmp(got, expected[i][1]) == 0);
    }
    MUST(wal_ring_bytes() == 4 << 20);
    settings_set("synchronous_commit", "remote_apply", CONTEXT_USER, SOURCE_SESSION, ACTION_SET);
    MUST(synchronous_commit == SYNC_COMMIT_REMOTE_APPLY);
    if (strcmp(best_compression, "off") != 0) {
        settings_set("wal_compression", "off", CONTEXT_SUPERUSER, SOURCE_SESSION, ACTION_SET);
        settings_set("wal_compression", "on", CONTEXT_SUPERUSER, SOURCE_SESSION, ACTION_SET);
        MUST(strcmp(settings_get(a, "wal_compression", false), best_compression) == 0);
    }
    volatile bool refused = false;
    ERR_TRY {
        settings_set("wal_compression", "pglz", CONTEXT_SUPERUSER, SOURCE_SESSION, ACTION_SET);
    } ERR_CATCH {
        refused = strcmp(sqlstate_text(err_current()->sqlstate), "22023") == 0;
        err_clear();
    } ERR_END;
    MUST(refused);
}

static void
settings_have_their_defaults(void)
{
    RUN_INSTANCE(settings_instance, NULL);
}

/* ---- waldump ---- */
static void
waldump_instance(void *arg)
{
    (void)arg;
    RandomRecord r;
    char line[400];
    wal_bootstrap(1, 100, 16384);
    for (int i = 0; i < 30; i++) {
        describe_random(&r, (uint64_t)i, 2000);
        insert_random(&r, 1, NULL);
    }
    wal_flush_to(wal_insert_position());
    MUST(freopen("dump", "w", stdout) && freopen("dump_errors", "w", stderr));
    char *argv[] = {"waldump", "-b", "pg_wal/000000010000000000000001", NULL};
    optind = 1;
    int rc = waldump_main(3, argv);
    fflush(NULL);
    MUST(rc == 1); /* as pg_waldump at the end of a log */
    FILE *f = fopen("dump", "r");
    int records = 0;
    MUST(fgets(line, sizeof(line), f) && strstr(line, "rmgr: XLOG") && strstr(line, "lsn: 0/01000000") &&
         strstr(line, "desc: CHECKPOINT_SHUTDOWN redo 0/1000000"));
    while (fgets(line, sizeof(line), f))
        records += strncmp(line, "rmgr: ", 6) == 0;
    fclose(f);
    MUST(records == 30);

    char *stats_argv[] = {"waldump", "--stats", "pg_wal/000000010000000000000001", NULL};
    MUST(freopen("stats", "w", stdout));
    optind = 1;
    rc = waldump_main(3, stats_argv);
    fflush(NULL);
    MUST(rc == 1 && (f = fopen("stats", "r")) != NULL);
    unsigned long long total = 0, record_bytes = 0, image_bytes = 0;
    while (fgets(line, sizeof(line), f))
        (void)sscanf(line, "Total %llu %llu [%*[^]]] %llu", &total, &record_bytes, &image_bytes);
    fclose(f);
    MUST(total == 31 && record_bytes + image_bytes == wal_insert_position() - WAL_START_LSN);
}

static void
waldump_prints_every_record(void)
{
    wal_buffers_blocks = 16;
    test_directory("waldump");
    RUN_INSTANCE(waldump_instance, NULL);
}

static void
add_tests(CU_pSuite s)
{
    CU_ADD_TEST(s, all_records_come_back);
    CU_ADD_TEST(s, compressed_images_come_back);
    CU_ADD_TEST(s, images_follow_the_redo_point);
    CU_ADD_TEST(s, redo_ends_at_the_torn_record);
    CU_ADD_TEST(s, nothing_stale_follows_the_end);
    CU_ADD_TEST(s, switched_segments_read_on);
    CU_ADD_TEST(s, damaged_bytes_are_refused);
    CU_ADD_TEST(s, a_torn_control_file_leaves_the_other_copy);
    CU_ADD_TEST(s, starts_follow_shutdowns_and_crashes);
    CU_ADD_TEST(s, waldump_prints_every_record);
    CU_ADD_TEST(s, settings_have_their_defaults);
}

int
main(int argc, char **argv)
{
    return test_main(argc, argv, "walmgr_record", add_tests);
}
