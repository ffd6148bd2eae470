/*
 * BASE_BACKUP: the data directory as one tar stream, between pg_backup_start and pg_backup_stop.
 *
 * Order: backup_label first (a copy that was cut off has at least that, and will not pass for a cluster), the
 * control file last of the data (its checkpoint is not newer than what was copied), then, if asked for, the log from
 * the start to the stop. Left out: what the next start makes anew, what belongs to this instance, and the contents of
 * pg_wal, which come by another way.
 */
#include "core/session/replication.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"

typedef struct Options {
    const char *label, *manifest_algorithm;
    bool progress, fast, wait, wal, manifest, encode_all, verify;
    uint32_t max_rate_kb;
} Options;

/* ---- options ---- */

static void
unsupported_option(const char *name, const char *value)
{
    RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "%s \"%s\" of BASE_BACKUP is not supported yet", name, value);
}

static void
set_manifest(Options *o, const char *value)
{
    bool on;
    o->encode_all = str_casecmp_ascii(value, "force-encode") == 0;
    if (o->encode_all)
        o->manifest = true;
    else if (settings_parse_bool(value, &on))
        o->manifest = on;
    else
        RAISE(SQLSTATE_SYNTAX_ERROR, "unrecognized manifest option: \"%s\"", value);
}

static void
set_rate(Options *o, uint32_t rate)
{
    if (rate < 32 || rate > 1048576)
        RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "%u is outside the valid range for parameter \"%s\" (%d .. %d)", rate, "MAX_RATE",
              32, 1048576);
    o->max_rate_kb = rate;
}

static void
set_checkpoint(Options *o, const char *value)
{
    o->fast = str_casecmp_ascii(value, "fast") == 0;
    if (!o->fast && str_casecmp_ascii(value, "spread") != 0)
        RAISE(SQLSTATE_SYNTAX_ERROR, "unrecognized checkpoint type: \"%s\"", value);
}

/* One of the parenthesised list: NAME [value]. */
static void
new_option(Words *w, Options *o)
{
    char *name = words_name(w);
    for (char *c = name; *c; c++)
        *c = char_lower_ascii(*c);
    if (strcmp(name, "label") == 0)
        o->label = words_name(w);
    else if (strcmp(name, "progress") == 0)
        o->progress = words_option_bool(w);
    else if (strcmp(name, "checkpoint") == 0)
        set_checkpoint(o, words_name(w));
    else if (strcmp(name, "wait") == 0)
        o->wait = words_option_bool(w);
    else if (strcmp(name, "wal") == 0)
        o->wal = words_option_bool(w);
    else if (strcmp(name, "max_rate") == 0)
        set_rate(o, words_number(w));
    else if (strcmp(name, "tablespace_map") == 0)
        words_option_bool(w); /* there are none */
    else if (strcmp(name, "verify_checksums") == 0)
        o->verify = words_option_bool(w);
    else if (strcmp(name, "manifest") == 0)
        set_manifest(o, words_name(w));
    else if (strcmp(name, "manifest_checksums") == 0)
        o->manifest_algorithm = words_name(w);
    else if (strcmp(name, "target") == 0) {
        char *target = words_name(w);
        if (strcmp(target, "client") != 0)
            unsupported_option("target", target);
    } else if (strcmp(name, "compression") == 0) {
        char *method = words_name(w);
        if (str_casecmp_ascii(method, "none") != 0)
            unsupported_option("compression", method);
    } else {
        RAISE(SQLSTATE_SYNTAX_ERROR, "unrecognized base backup option: \"%s\"", name);
    }
}

/* As servers before 15 were asked. */
static void
old_option(Words *w, Options *o)
{
    if (words_accept(w, "label"))
        o->label = words_name(w);
    else if (words_accept(w, "progress"))
        o->progress = true;
    else if (words_accept(w, "fast"))
        o->fast = true;
    else if (words_accept(w, "wal"))
        o->wal = true;
    else if (words_accept(w, "nowait"))
        o->wait = false;
    else if (words_accept(w, "max_rate"))
        set_rate(o, words_number(w));
    else if (words_accept(w, "noverify_checksums"))
        o->verify = false;
    else if (words_accept(w, "manifest"))
        set_manifest(o, words_name(w));
    else if (words_accept(w, "manifest_checksums"))
        o->manifest_algorithm = words_name(w);
    else if (!words_accept(w, "tablespace_map"))
        words_error(w);
}

static void
read_options(Words *w, Options *o)
{
    *o = (Options){.label = "base backup", .wait = true, .verify = true};
    if (words_sign(w, '(')) {
        if (!words_sign(w, ')')) {
            do
                new_option(w, o);
            while (words_sign(w, ','));
            if (!words_sign(w, ')'))
                words_error(w);
        }
    } else {
        while (w->now.kind == TOKEN_WORD)
            old_option(w, o);
    }
    words_done(w);
    if (o->manifest_algorithm && !o->manifest)
        RAISE(SQLSTATE_SYNTAX_ERROR, "manifest checksums require a backup manifest");
}

/* ---- which files ---- */

static bool
is_one_of(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

/* Directories whose contents the next start makes anew, or that belong to this server. */
static bool
contents_left_out(const char *path)
{
    static const char *const dirs[] = {"pg_stat_tmp", "pg_replslot", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots", "pg_subtrans", "pg_csn"};
    return is_one_of(path, dirs, COUNT_OF(dirs));
}

static bool
file_left_out(const char *path, const char *name)
{
    static const char *const top[] = {"postgresql.auto.conf.tmp", "current_logfiles.tmp", BACKUP_LABEL_FILE, TABLESPACE_MAP_FILE, "backup_manifest",
                                      "postmaster.pid", "postmaster.opts", PROMOTE_SIGNAL_FILE, RECOVERY_SIGNAL_FILE, STANDBY_SIGNAL_FILE};
    if (strcmp(path, name) == 0 && is_one_of(name, top, COUNT_OF(top)))
        return true;
    /* sorts' files; batches on their way into pg_xact, which redo of this backup writes again */
    return strncmp(name, "pgsql_tmp", 9) == 0 || strcmp(name, "double_write") == 0 || strcmp(path, "global/pg_control") == 0;
}

/* Temporary tables' files: tN_N. Unlogged ones: all but the init fork, from which the start makes the others. */
static bool
relation_left_out(const char *dir, const char *name)
{
    char init[MAX_PATH_BYTES];
    if (strncmp(dir, "base/", 5) != 0 && strcmp(dir, "global") != 0)
        return false;
    if (name[0] == 't' && name[1] >= '0' && name[1] <= '9')
        return true;
    size_t digits = strspn(name, "0123456789");
    if (digits == 0 || strncmp(name + digits, "_init", 5) == 0)
        return false;
    snprintf(init, sizeof(init), "%s/%.*s_init", dir, (int)digits, name);
    return access(init, F_OK) == 0;
}

typedef void (*Visit)(void *arg, const char *path, const struct stat *st, bool directory);

static void
walk(const char *dir, Visit visit, void *arg)
{
    DIR *d = opendir(dir[0] ? dir : ".");
    List *names = list_new(message_arena);
    if (!d) {
        if (errno == ENOENT) /* a database was dropped */
            return;
        RAISE(err_sqlstate_of_errno(errno), "could not open directory \"%s\": %m", dir);
    }
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            list_push(names, arena_strdup(message_arena, e->d_name));
    closedir(d);
    for (int i = 0; i < names->count; i++) {
        const char *name = names->items[i];
        const char *path = dir[0] ? arena_printf(message_arena, "%s/%s", dir, name) : name;
        struct stat st;
        CHECK_INTERRUPTS();
        if (file_left_out(path, name) || relation_left_out(dir, name) || stat(path, &st) != 0)
            continue;
        if (S_ISREG(st.st_mode)) {
            visit(arg, path, &st, false);
        } else if (S_ISDIR(st.st_mode)) {
            visit(arg, path, &st, true);
            if (strcmp(path, "pg_wal") == 0)
                visit(arg, "pg_wal/archive_status", &st, true);
            else if (!contents_left_out(path))
                walk(path, visit, arg);
        }
    }
}

static void
visit_send(void *arg, const char *path, const struct stat *st, bool directory)
{
    if (directory)
        sink_directory(arg, path);
    else
        sink_file(arg, path, true);
}

static void
visit_size(void *arg, const char *path, const struct stat *st, bool directory)
{
    *(uint64_t *)arg += 512 + (directory ? 0 : ALIGN_UP((uint64_t)st->st_size, (uint64_t)512));
}

/* ---- the log ---- */

static void
send_log(BackupSink *s, const WalBackup *b)
{
    char path[MAX_PATH_BYTES];
    for (uint64_t n = b->start / WAL_SEGMENT_BYTES; n <= (b->stop - 1) / WAL_SEGMENT_BYTES; n++) {
        wal_segment_path(n, b->stop_timeline, path, sizeof(path));
        const char *name = strrchr(path, '/') + 1;
        if (!sink_file(s, path, false))
            RAISE(SQLSTATE_UNDEFINED_FILE, "requested WAL segment %s has already been removed", name);
        sink_text(s, arena_printf(message_arena, "pg_wal/archive_status/%s.done", name), "", false);
    }
    /* The ways to the timelines: whoever recovers from here must find them. */
    DIR *d = opendir("pg_wal");
    List *names = list_new(message_arena);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;)
        if (strlen(e->d_name) == 16 && strcmp(e->d_name + 8, ".history") == 0)
            list_push(names, arena_strdup(message_arena, e->d_name));
    if (d)
        closedir(d);
    for (int i = 0; i < names->count; i++) {
        const char *name = names->items[i];
        sink_file(s, arena_printf(message_arena, "pg_wal/%s", name), false);
        sink_text(s, arena_printf(message_arena, "pg_wal/archive_status/%s.done", name), "", false);
    }
}

/* ---- the command ---- */

static void
send_position(Lsn at, uint32_t timeline)
{
    static const ReplColumn columns[] = {{"recptr", TEXT_OID, -1}, {"tli", INT8_OID, 8}};
    const char *row[] = {lsn_text(at), arena_printf(message_arena, "%u", timeline)};
    repl_send_columns(columns, 2);
    repl_send_row(row, 2);
    wire_send_command_complete("SELECT");
}

static void
send_tablespaces(const Options *o)
{
    static const ReplColumn columns[] = {{"spcoid", OID_OID, 4}, {"spclocation", TEXT_OID, -1}, {"size", INT8_OID, 8}};
    const char *row[] = {NULL, NULL, NULL};
    uint64_t bytes = 0;
    if (o->progress) {
        walk("", visit_size, &bytes);
        row[2] = arena_printf(message_arena, "%llu", (unsigned long long)(bytes / 1024));
    }
    repl_send_columns(columns, 3);
    repl_send_row(row, 3);
    wire_send_command_complete("SELECT");
}

static void
send_manifest(const StrBuf *text)
{
    wire_begin('d');
    wire_put_byte('m');
    wire_end();
    for (size_t at = 0; at < text->len;) {
        size_t n = MIN(text->len - at, (size_t)32768);
        wire_begin('d');
        wire_put_byte('d');
        wire_put_bytes(text->data + at, n);
        wire_end();
        at += n;
    }
}

static void
send_backup(const Options *o, WalBackup *b)
{
    BackupSink s = {.max_rate_kb = o->max_rate_kb, .start = b->start, .verify = o->verify};
    if (o->manifest)
        s.manifest = manifest_new(message_arena, o->manifest_algorithm, o->encode_all);
    send_position(b->start, b->start_timeline);
    send_tablespaces(o);
    wire_begin('H');
    wire_put_byte(0);
    wire_put_int16(0);
    wire_end();
    wire_flush();
    sink_begin_archive(&s, "base.tar");
    sink_text(&s, BACKUP_LABEL_FILE, wal_backup_label_text(message_arena, b), true);
    walk("", visit_send, &s);
    if (!sink_file(&s, "global/pg_control", true))
        RAISE(SQLSTATE_UNDEFINED_FILE, "could not open file \"%s\"", "global/pg_control");
    wal_backup_stop(b, o->wait);
    if (o->wal)
        send_log(&s, b);
    sink_end_archive(&s);
    if (s.damaged_pages)
        RAISE(SQLSTATE_DATA_CORRUPTED, "checksum verification failure during base backup");
    if (s.manifest)
        send_manifest(manifest_finish(s.manifest, b->stop_timeline, b->start, b->stop));
    wire_begin('c');
    wire_end();
    send_position(b->stop, b->stop_timeline);
}

static WalBackup backup; /* static: an exit in the middle must find it */

static void
abort_at_exit(void *arg)
{
    wal_backup_abort(&backup);
}

void
base_backup(Words *w)
{
    Options o;
    read_options(w, &o);
    proc_on_exit(abort_at_exit, NULL);
    wal_sender_set_state(WAL_SENDER_BACKUP);
    ERR_TRY {
        wal_backup_start(&backup, o.label, o.fast);
        send_backup(&o, &backup);
    } ERR_CATCH {
        wal_backup_abort(&backup);
        wal_sender_set_state(WAL_SENDER_STARTUP);
        err_rethrow();
    } ERR_END;
    wal_sender_set_state(WAL_SENDER_STARTUP);
}
