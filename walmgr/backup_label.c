/*
 * The files a base backup brings along: backup_label says where redo has to begin (the control file in the
 * backup may be newer than most of the data), tablespace_map which links to make.
 *
 * They are renamed only after the control file says the same: a crash in between reads them again.
 */
#include "walmgr/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file/io.h"
#include "core/file/relfile.h"

static char *
read_whole(Arena *a, const char *path)
{
    char *text;
    size_t n;
    if (access(path, F_OK) != 0) {
        if (errno != ENOENT)
            RAISE_FATAL(err_sqlstate_of_errno(errno), "could not read file \"%s\": %m", path);
        return NULL;
    }
    if (file_read_all(path, a, &text, &n) != ERR_OK) {
        errno = err_sys()->errnum;
        RAISE_FATAL(err_sqlstate_of_errno(errno), "%s: %m", err_sys()->what);
    }
    return text;
}

static NORETURN void
invalid_data(const char *file, const char *detail)
{
    err_start(LEVEL_FATAL, SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, __FILE__, __LINE__, __func__);
    err_message("invalid data in file \"%s\"", file);
    if (detail)
        err_detail("%s", detail);
    err_throw();
}

/* The text behind "KEY: " up to the line's end, cut out; NULL: no such line. */
static const char *
find_line(Arena *a, const char *text, const char *key)
{
    size_t n = strlen(key);
    for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, key, n) == 0 && line[n] == ':' && line[n + 1] == ' ')
            return arena_strndup(a, line + n + 2, strcspn(line + n + 2, "\r\n"));
    return NULL;
}

static bool
parse_lsn(const char *text, Lsn *out)
{
    unsigned hi, lo;
    if (!text || sscanf(text, "%X/%X", &hi, &lo) != 2)
        return false;
    *out = (Lsn)hi << 32 | lo;
    return true;
}

bool
backup_label_read(BackupLabel *out)
{
    Arena *a = arena_create(NULL, "backup label");
    const char *text = read_whole(a, BACKUP_LABEL_FILE), *line, *file;
    uint64_t segment;
    memset(out, 0, sizeof(*out));
    if (!text) {
        arena_destroy(a);
        return false;
    }
    line = find_line(a, text, "START WAL LOCATION");
    file = line ? strstr(line, "(file ") : NULL;
    if (!parse_lsn(line, &out->redo) || !file || strlen(file) < 6 + 24 ||
        !wal_segment_parse(arena_strndup(a, file + 6, 24), &segment, &out->timeline) ||
        !parse_lsn(find_line(a, text, "CHECKPOINT LOCATION"), &out->checkpoint))
        invalid_data(BACKUP_LABEL_FILE, NULL);
    line = find_line(a, text, "START TIMELINE");
    uint32_t timeline;
    if (line && sscanf(line, "%" SCNu32, &timeline) == 1 && timeline != out->timeline)
        invalid_data(BACKUP_LABEL_FILE, arena_printf(a, "Timeline ID parsed is %u, but expected %u.", timeline, out->timeline));
    line = find_line(a, text, "BACKUP METHOD");
    out->end_required = line && strcmp(line, "streamed") == 0;
    line = find_line(a, text, "BACKUP FROM");
    if (line && strcmp(line, "standby") == 0)
        RAISE_FATAL(SQLSTATE_FEATURE_NOT_SUPPORTED, "backups taken from a standby are not supported");
    arena_destroy(a);
    return true;
}

/* Lines "OID PATH"; in a path a backslash stands before a newline, a carriage return or a backslash. */
void
tablespace_map_apply(void)
{
    Arena *a = arena_create(NULL, "tablespace map");
    char *text = read_whole(a, TABLESPACE_MAP_FILE);
    while (text && *text) {
        char oid[32], link[64], *path = arena_alloc(a, strlen(text) + 1), *to = path;
        size_t n = strcspn(text, " ");
        if (n == 0 || n >= sizeof(oid) || text[n] != ' ' || strspn(text, "0123456789") != n)
            invalid_data(TABLESPACE_MAP_FILE, NULL);
        snprintf(oid, sizeof(oid), "%.*s", (int)n, text);
        for (text += n + 1; *text && *text != '\n'; text++) {
            if (*text == '\\' && text[1])
                text++;
            *to++ = *text;
        }
        *to = '\0';
        if (*text)
            text++;
        snprintf(link, sizeof(link), "pg_tblspc/%s", oid);
        if (io_unlink(link) != 0 && errno != ENOENT)
            RAISE_FATAL(err_sqlstate_of_errno(errno), "could not remove symbolic link \"%s\": %m", link);
        if (symlink(path, link) != 0)
            RAISE_FATAL(err_sqlstate_of_errno(errno), "could not create symbolic link \"%s\": %m", link);
    }
    arena_destroy(a);
}

void
backup_label_retire(void)
{
    static const char *const names[] = {BACKUP_LABEL_FILE, TABLESPACE_MAP_FILE};
    char old[64];
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(old, sizeof(old), "%s.old", names[i]);
        if (io_rename(names[i], old) != 0 && errno != ENOENT)
            RAISE_FATAL(err_sqlstate_of_errno(errno), "could not rename file \"%s\" to \"%s\": %m", names[i], old);
    }
    if (file_sync_dir(".") != ERR_OK)
        RAISE_FATAL(SQLSTATE_IO_ERROR, "could not fsync directory \".\"");
}
