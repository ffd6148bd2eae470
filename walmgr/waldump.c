/*
 * waldump: prints the records of a log. Options as pg_waldump's: -p DIR, -s START, -e END, -n LIMIT,
 * -t TIMELINE, -r RMGR, -b (block details), -q, -z (statistics; --stats, --stats=record); or a segment
 * file's name (and an end one).
 */
#include "walmgr/wal_internal.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct Options {
    Lsn start, end;
    uint32_t timeline;
    unsigned long limit;
    int rmgr;
    bool blocks, quiet, stats, stats_by_record;
} Options;

static bool
parse_lsn(const char *text, Lsn *out)
{
    unsigned hi, lo;
    char rest;
    if (sscanf(text, "%X/%X%c", &hi, &lo, &rest) != 2)
        return false;
    *out = (Lsn)hi << 32 | lo;
    return true;
}

static const char *const fork_names[] = {"main", "fsm", "vm", "init"};

static void
add_ref(StrBuf *s, const WalBlockRef *ref, int i, bool details)
{
    if (ref->block == BLOCK_INVALID)
        return;
    str_printf(s, details ? "\n\tblkref #%d: rel %u/%u/%u fork %s blk %u" : ", blkref #%d: rel %u/%u/%u fork %s blk %u",
               i, ref->locator.spc, ref->locator.db, ref->locator.rel, fork_names[ref->fork], ref->block);
    if (ref->has_image && details)
        str_printf(s, " (FPW); hole: offset: %u, length: %u, stored: %u", ref->hole_offset, ref->hole_bytes,
                   ref->image_bytes);
    else if (ref->has_image)
        str_add(s, " FPW");
}

static void
print_record(const WalRecord *r, const Options *o, Arena *scratch)
{
    uint32_t images = 0;
    StrBuf s;
    str_init(&s, scratch);
    wal_describe(r, &s);
    for (int i = 0; i < r->ref_count; i++) {
        images += r->refs[i].image_bytes;
        add_ref(&s, &r->refs[i], i, o->blocks);
    }
    printf("rmgr: %-11s len (rec/tot): %6u/%6u, tx: %10llu, lsn: %X/%08X, desc: %s\n", wal_rmgr_name(r->rmgr),
           r->length - images, r->length, (unsigned long long)r->xid, (unsigned)(r->start >> 32),
           (unsigned)r->start, s.data);
}

static int
dump(const Options *o)
{
    Arena *arena = arena_create(NULL, "waldump"), *scratch = arena_create(arena, "record");
    WalReader *reader = wal_reader_open(arena, o->start, o->timeline);
    const char *why = "";
    const WalRecord *r = NULL;
    unsigned long count = 0;
    Lsn last = o->start;
    while (count < o->limit && (r = wal_reader_next(reader, &why)) != NULL && r->start < o->end) {
        if (o->rmgr >= 0 && r->rmgr != o->rmgr)
            continue;
        count++;
        last = r->end;
        if (o->stats)
            wal_stats_add(r);
        else if (!o->quiet)
            print_record(r, o, scratch);
        arena_reset(scratch);
    }
    if (o->stats)
        wal_stats_print(o->start, last, o->stats_by_record);
    bool ended = count < o->limit && !r;
    if (ended)
        fprintf(stderr, "waldump: error: error in WAL record: %s\n", why);
    wal_reader_close(reader);
    arena_destroy(arena);
    return ended ? 1 : 0;
}

static int
find_rmgr(const char *name)
{
    for (int i = 0; i < RMGR_COUNT; i++)
        if (str_casecmp_ascii(name, wal_rmgr_name((unsigned)i)) == 0)
            return i;
    return -1;
}

static int
usage(const char *program)
{
    fprintf(stderr, "usage: %s [-p DATADIR] [-s START] [-e END] [-n LIMIT] [-t TIMELINE] [-r RMGR] [-b] [-q] "
            "[-z|--stats[=record]] [STARTSEG [ENDSEG]]\n", program);
    return 1;
}

static bool
segments_from_arguments(char **argv, int n, Options *o)
{
    uint64_t segment;
    for (int i = 0; i < n; i++) {
        const char *name = strrchr(argv[i], '/') ? strrchr(argv[i], '/') + 1 : argv[i];
        if (!wal_segment_parse(name, &segment, &o->timeline))
            return false;
        if (i == 0 && o->start == 0)
            o->start = segment * WAL_SEGMENT_BYTES;
        if (o->end == UINT64_MAX || i == 1)
            o->end = (segment + 1) * WAL_SEGMENT_BYTES;
    }
    return true;
}

/* The first record of a segment need not begin at its start: looks for a header that is in place. */
static bool
find_first_record(Options *o)
{
    Arena *arena = arena_create(NULL, "find first");
    bool found = false;
    for (Lsn at = o->start; !found && at < o->start + WAL_SEGMENT_BYTES; at += 8) {
        char path[64];
        static char bytes[WAL_SEGMENT_BYTES];
        static uint64_t loaded = UINT64_MAX;
        uint64_t segment = wal_segment_of(at);
        if (loaded != segment) {
            wal_segment_path(segment, o->timeline, path, sizeof(path));
            FILE *f = fopen(path, "rb");
            if (!f)
                break;
            memset(bytes, 0, sizeof(bytes));
            size_t got = fread(bytes, 1, sizeof(bytes), f);
            fclose(f);
            if (got == 0)
                break;
            loaded = segment;
        }
        if (load_u64(bytes + at % WAL_SEGMENT_BYTES) != at)
            continue; /* the reader would find the same, at greater cost */
        WalReader *r = wal_reader_open(arena, at, o->timeline);
        found = wal_reader_next(r, NULL) != NULL;
        wal_reader_close(r);
        if (found)
            o->start = at;
    }
    arena_destroy(arena);
    return found;
}

int
waldump_main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"path", required_argument, NULL, 'p'}, {"start", required_argument, NULL, 's'},
        {"end", required_argument, NULL, 'e'},  {"limit", required_argument, NULL, 'n'},
        {"timeline", required_argument, NULL, 't'}, {"rmgr", required_argument, NULL, 'r'},
        {"bkp-details", no_argument, NULL, 'b'}, {"quiet", no_argument, NULL, 'q'},
        {"stats", optional_argument, NULL, 'z'}, {NULL, 0, NULL, 0}};
    Options o = {.end = UINT64_MAX, .limit = ULONG_MAX, .rmgr = -1};
    for (int c; (c = getopt_long(argc, argv, "p:s:e:n:t:r:bqz", long_options, NULL)) != -1;) {
        switch (c) {
        case 'z':
            o.stats = true;
            o.stats_by_record = optarg && strcmp(optarg, "record") == 0;
            break;
        case 'p':
            if (chdir(optarg) != 0) {
                fprintf(stderr, "waldump: error: could not open directory \"%s\"\n", optarg);
                return 1;
            }
            break;
        case 's':
            if (!parse_lsn(optarg, &o.start))
                return usage(argv[0]);
            break;
        case 'e':
            if (!parse_lsn(optarg, &o.end))
                return usage(argv[0]);
            break;
        case 'n': o.limit = strtoul(optarg, NULL, 10); break;
        case 't': o.timeline = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'r':
            if ((o.rmgr = find_rmgr(optarg)) < 0)
                return usage(argv[0]);
            break;
        case 'b': o.blocks = true; break;
        case 'q': o.quiet = true; break;
        default: return usage(argv[0]);
        }
    }
    if (!segments_from_arguments(argv + optind, MIN(argc - optind, 2), &o))
        return usage(argv[0]);
    ControlFile control;
    if (o.start == 0 && control_read(&control) == ERR_OK) {
        o.start = control.checkpoint_copy.redo;
        o.timeline = o.timeline ? o.timeline : control.checkpoint_copy.timeline;
    }
    o.timeline = o.timeline ? o.timeline : 1;
    o.start = ALIGN_UP(o.start, (Lsn)8);
    if (o.start == 0) {
        fprintf(stderr, "waldump: error: no start WAL location given\n");
        return 1;
    }
    if (!find_first_record(&o)) {
        fprintf(stderr, "waldump: error: could not find a valid record after %s\n", lsn_text(o.start));
        return 1;
    }
    return dump(&o);
}
