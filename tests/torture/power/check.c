/*
 * The rules of the load (load.c) that must hold in every image:
 *   1. no acknowledged transaction is missing;
 *   2. a client's numbers have no gap: nothing is there without all it followed (asynchronous commits
 *      may be lost, but only from the end);
 *   3. the sums over accounts and history agree, documents have the length and the hash that their row
 *      says (long ones are out of line), the table ddl lists exactly the tables there are, with their rows;
 *   4. every index is sound, and every visible row is in it; every page of the tables can be read and holds what it
 *      may, long values included.
 */
#include "tests/exec_util.h"

#include "check.h"
#include "procs/procs.h"

#define POSTGRES_OID 5u

void
check_register(void)
{
    modules_register();
    settings_set_argv("fsync", "off"); /* the image is what it is */
    settings_set_argv("shared_buffers", "16MB");
    settings_set_argv("wal_buffers", "1MB");
    settings_set_argv("max_connections", "4");
    settings_set_argv("superuser_reserved_connections", "0");
    settings_set_argv("huge_pages", "off");
    settings_set_argv("log_min_messages", "warning");
    settings_set_argv("log_checkpoints", "off");
    settings_set_argv("log_line_prefix", "");
    settings_set_argv("min_wal_size", "32MB");
    settings_set_argv("csn_ring_size", "2048");
}

static void __attribute__((noreturn, format(printf, 1, 2)))
wrong(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "WRONG: ");
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    _exit(1);
}

static const char *
query(const char *text)
{
    if (!sql(text))
        wrong("%s: %s", text, exec_error);
    return exec_out.len ? exec_out.data : "";
}

static void
same(const char *a, const char *b)
{
    char *first = strdup(query(a));
    const char *second = query(b);
    if (strcmp(first, second) != 0)
        wrong("%s gives %s but %s gives %s", a, first, b, second);
    free(first);
}

/* Rules 1 and 2. */
static void
check_acknowledged(const uint64_t *acked)
{
    uint64_t found[POWER_CLIENTS_MAX] = {0};
    const char *p = query("SELECT client, count(*), min(seq), max(seq) FROM acked GROUP BY client");
    while (*p) {
        unsigned client;
        unsigned long long count, min, max;
        int used = 0;
        if (sscanf(p, "%u|%llu|%llu|%llu\n%n", &client, &count, &min, &max, &used) != 4 || client >= POWER_CLIENTS_MAX)
            wrong("unexpected row: %s", p);
        if (min != 1 || max != count)
            wrong("client %u has a gap: %llu rows from %llu to %llu", client, count, min, max);
        found[client] = max;
        p += used;
    }
    for (unsigned i = 0; i < POWER_CLIENTS_MAX; i++)
        if (found[i] < acked[i])
            wrong("lost: client %u has %llu of %llu acknowledged transactions", i, (unsigned long long)found[i],
                  (unsigned long long)acked[i]);
}

/* Rule 3. */
static void
check_contents(void)
{
    same("SELECT coalesce(sum(balance), 0) FROM accounts", "SELECT coalesce(sum(delta), 0) FROM history");
    same("SELECT 0", "SELECT count(*) FROM docs WHERE length(body) <> len OR md5(body) <> hash");
    same("SELECT k FROM ddl WHERE present ORDER BY k",
         "SELECT substr(relname, 3)::int FROM pg_class WHERE relname LIKE 't\\_%' AND relkind = 'r' ORDER BY 1");
    char *tables = strdup(query("SELECT k, nrows FROM ddl WHERE present ORDER BY k")), text[200], expected[100];
    for (char *p = tables; *p;) {
        int k, rows, used = 0;
        if (sscanf(p, "%d|%d\n%n", &k, &rows, &used) != 2)
            wrong("unexpected row: %s", p);
        snprintf(text, sizeof(text), "SELECT count(*), coalesce(sum(i), 0) FROM t_%d", k);
        snprintf(expected, sizeof(expected), "%d|%lld\n", rows, (long long)rows * (rows + 1) / 2);
        if (strcmp(query(text), expected) != 0)
            wrong("%s gives %s not %s", text, exec_out.data, expected);
        p += used;
    }
    free(tables);
}

/* Rule 4. */
static void
check_indexes(int thorough)
{
    char *indexes = strdup(query(thorough ? "SELECT oid FROM pg_class WHERE relkind = 'i'"
                                          : "SELECT oid FROM pg_class WHERE relkind = 'i' AND oid >= 16384"));
    volatile Oid oid = 0;
    txn_begin();
    snapshot_push_active(snapshot_latest());
    ERR_TRY {
        for (char *p = indexes; *p;) {
            oid = (Oid)strtoul(p, &p, 10);
            IndexDesc *ix = index_open(oid, LOCK_ACCESS_SHARE);
            if (ix->btree)
                btree_check(ix->btree, &rel_open(ix->heap, LOCK_ACCESS_SHARE)->heap);
            p += strspn(p, "\n");
        }
    } ERR_CATCH {
        wrong("index %u: %s", oid, err_current()->message);
    } ERR_END;
    snapshot_pop_active();
    txn_commit();
    free(indexes);
}

static void
heap_finding(void *arg, BlockNo block, OffsetNo off, int attnum, const char *text)
{
    wrong("table %u, block %u, line %u, column %d: %s", *(Oid *)arg, block, off, attnum, text);
}

static void
check_heaps(void)
{
    char *tables = strdup(query("SELECT oid FROM pg_class WHERE relkind IN ('r', 't') AND oid >= 16384"));
    volatile Oid oid = 0;
    txn_begin();
    snapshot_push_active(snapshot_latest());
    ERR_TRY {
        for (char *p = tables; *p;) {
            Oid rel = (Oid)strtoul(p, &p, 10);
            HeapRel *heap = &rel_open(rel, LOCK_ACCESS_SHARE)->heap;
            oid = rel;
            for (BlockNo b = 0, n = heap_blocks(heap); b < n; b++)
                (void)heap_verify_block(heap, b, true, heap_finding, &rel);
            p += strspn(p, "\n");
        }
    } ERR_CATCH {
        wrong("table %u: %s", oid, err_current()->message);
    } ERR_END;
    snapshot_pop_active();
    txn_commit();
    free(tables);
}

void
check_image(const char *dir, const uint64_t *acked, int thorough)
{
    alarm(60);
    if (chdir(dir) != 0)
        wrong("no directory %s", dir);
    ERR_TRY {
        shm_create_for_test();
        RAISE_ON(proc_attach(PROC_STANDALONE));
        modules_process_init();
        wal_startup();
        txn_startup();
        catalog_open_database(POSTGRES_OID);
        str_init(&exec_out, arena_top());
    } ERR_CATCH {
        wrong("start: %s", err_current()->message);
    } ERR_END;
    check_acknowledged(acked);
    check_contents();
    check_indexes(thorough);
    check_heaps();
    _exit(0);
}
