/*
 * pg_controldata: prints the control file, with PostgreSQL's labels for all that exists here.
 */
#include "procs/procs.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "walmgr/walmgr.h"

static const char *
state_text(uint32_t state)
{
    static const char *const texts[] = {"starting up", "shut down", "shut down in recovery", "shutting down",
                                        "in crash recovery", "in archive recovery", "in production"};
    return state < COUNT_OF(texts) ? texts[state] : "unrecognized status code";
}

static const char *
time_text(TimestampTz t, char out[64])
{
    time_t s = (time_t)(t / 1000000 + CLOCK_PG_EPOCH_UNIX_S);
    struct tm tm;
    localtime_r(&s, &tm);
    strftime(out, 64, "%a %b %e %H:%M:%S %Y", &tm);
    return out;
}

static const char *
wal_level_text(uint32_t level)
{
    return level == WAL_LEVEL_MINIMAL ? "minimal" : level == WAL_LEVEL_REPLICA ? "replica" : level == WAL_LEVEL_LOGICAL ? "logical" : "unrecognized wal_level";
}

static void PRINTF_LIKE(2, 3)
line(const char *label, const char *fmt, ...)
{
    va_list ap;
    printf("%-38s", label);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

static void
print_checkpoint(const ControlFile *f)
{
    const WalCheckpoint *c = &f->checkpoint_copy;
    char text[64];
    line("Latest checkpoint location:", "%s", lsn_text(f->checkpoint));
    line("Latest checkpoint's REDO location:", "%s", lsn_text(c->redo));
    uint64_t segment = c->redo / WAL_SEGMENT_BYTES;
    line("Latest checkpoint's REDO WAL file:", "%08X%08X%08X", c->timeline, (unsigned)(segment / 256), (unsigned)(segment % 256));
    line("Latest checkpoint's TimeLineID:", "%u", c->timeline);
    line("Latest checkpoint's PrevTimeLineID:", "%u", c->prev_timeline);
    line("Latest checkpoint's full_page_writes:", "%s", c->full_page_writes ? "on" : "off");
    line("Latest checkpoint's NextXID:", "%u:%u", (unsigned)(c->next_xid >> 32), (unsigned)c->next_xid);
    line("Latest checkpoint's NextOID:", "%u", c->next_oid);
    line("Latest checkpoint's NextMultiXactId:", "%llu", (unsigned long long)c->next_multi);
    line("Latest checkpoint's NextMultiOffset:", "%llu", (unsigned long long)c->next_multi_offset);
    line("Latest checkpoint's oldestXID:", "%llu", (unsigned long long)c->oldest_xid);
    line("Latest checkpoint's oldestXID's DB:", "%u", c->oldest_xid_db);
    line("Latest checkpoint's oldestActiveXID:", "%llu", (unsigned long long)c->oldest_active_xid);
    line("Latest checkpoint's oldestMultiXid:", "%llu", (unsigned long long)c->oldest_multi);
    line("Time of latest checkpoint:", "%s", time_text(c->time, text));
}

static void
print_all(const ControlFile *f)
{
    char text[65];
    line("pg_control version number:", "%u", f->version);
    line("Catalog version number:", "%u", f->catalog_version);
    line("Database system identifier:", "%llu", (unsigned long long)f->system_identifier);
    line("Database cluster state:", "%s", state_text(f->state));
    line("pg_control last modified:", "%s", time_text(f->time, text));
    print_checkpoint(f);
    line("Minimum recovery ending location:", "%s", lsn_text(f->min_recovery_point));
    line("Min recovery ending loc's timeline:", "%u", f->min_recovery_timeline);
    line("Backup start location:", "%s", lsn_text(f->backup_start));
    line("Backup end location:", "%s", lsn_text(f->backup_end));
    line("End-of-backup record required:", "%s", f->backup_end_required ? "yes" : "no");
    line("wal_level setting:", "%s", wal_level_text(f->wal_level));
    line("max_connections setting:", "%d", f->max_connections);
    line("max_worker_processes setting:", "%d", f->max_worker_processes);
    line("max_wal_senders setting:", "%d", f->max_wal_senders);
    line("max_prepared_xacts setting:", "%d", f->max_prepared_xacts);
    line("max_locks_per_xact setting:", "%d", f->max_locks_per_xact);
    line("Maximum data alignment:", "%d", 8);
    line("Database block size:", "%u", f->page_bytes);
    line("Blocks per segment of large relation:", "%u", REL_SEGMENT_PAGES);
    line("WAL block size:", "%u", PAGE_BYTES);
    line("Bytes per WAL segment:", "%u", f->wal_segment_bytes);
    line("Maximum length of identifiers:", "%u", f->name_bytes);
    line("Maximum columns in an index:", "%u", f->index_max_keys);
    line("Maximum size of a TOAST chunk:", "%u", f->toast_chunk);
    line("Date/time type storage:", "%s", "64-bit integers");
    line("Float8 argument passing:", "%s", "by value");
    line("Data page checksum version:", "%u", f->data_checksum_version);
    for (int i = 0; i < 32; i++)
        snprintf(text + i * 2, 3, "%02x", f->mock_auth_nonce[i]);
    line("Mock authentication nonce:", "%s", text);
}

int
pg_controldata_main(int argc, char **argv)
{
    static const struct option options[] = {{"pgdata", required_argument, NULL, 'D'}, {NULL, 0, NULL, 0}};
    const char *dir = NULL;
    ControlFile f;
    int c;

    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0)) {
        printf("pg_controldata displays control information of a PostgreSQL database cluster.\n\n"
               "Usage:\n  pg_controldata [OPTION] [DATADIR]\n\nOptions:\n [-D, --pgdata=]DATADIR  data directory\n"
               "  -V, --version          output version information, then exit\n"
               "  -?, --help             show this help, then exit\n\n"
               "If no data directory (DATADIR) is specified, the environment variable PGDATA\nis used.\n");
        return 0;
    }
    if (argc > 1 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)) {
        printf("pg_controldata %s\n", PROGRAM_VERSION);
        return 0;
    }
    while ((c = getopt_long(argc, argv, "D:", options, NULL)) != -1) {
        if (c != 'D') {
            fprintf(stderr, "pg_controldata: hint: Try \"pg_controldata --help\" for more information.\n");
            return 1;
        }
        dir = optarg;
    }
    if (dir == NULL)
        dir = optind < argc ? argv[optind++] : getenv("PGDATA");
    if (dir == NULL) {
        fprintf(stderr, "pg_controldata: error: no data directory specified\n"
                        "pg_controldata: hint: Try \"pg_controldata --help\" for more information.\n");
        return 1;
    }
    if (chdir(dir) != 0)
        die("error: could not open file \"%s/global/pg_control\" for reading: %m", dir);
    if (control_read(&f) != ERR_OK)
        die("error: %s", err_sys()->what[0] ? err_sys()->what : "the control file is damaged");
    print_all(&f);
    return 0;
}
