/*
 * Timelines: each recovery that ends before the log did begins a new one, so that the log it writes is
 * never taken for the one it left. pg_wal/TTTTTTTT.history tells the way to timeline T, a line for each
 * ancestor: its number, where it was left, and why. The format is PostgreSQL's.
 */
#include "walmgr/recovery.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/file/io.h"
#include "core/file/relfile.h"

void
wal_timeline_file_name(uint32_t timeline, char *out, size_t n)
{
    snprintf(out, n, "%08X.history", timeline);
}

/* The file's text, from the archive or pg_wal; NULL: there is none. */
static char *
read_file(Arena *a, uint32_t timeline, size_t *n)
{
    char name[40], path[MAX_PATH_BYTES], *text;
    wal_timeline_file_name(timeline, name, sizeof(name));
    if (timeline <= 1)
        return NULL; /* the first has no ancestors */
    bool restored = restore_from_archive(name, "RECOVERYHISTORY", 0);
    snprintf(path, sizeof(path), "%s/%s", WAL_DIR, restored ? "RECOVERYHISTORY" : name);
    if (access(path, F_OK) != 0) {
        if (errno != ENOENT)
            RAISE_FATAL(err_sqlstate_of_errno(errno), "could not open file \"%s\": %m", path);
        return NULL;
    }
    ErrCode rc = file_read_all(path, a, &text, n);
    if (rc != ERR_OK) {
        errno = err_sys()->errnum;
        RAISE_FATAL(err_sqlstate_of_errno(errno), "%s: %m", err_sys()->what);
    }
    return text;
}

static NORETURN void
syntax_error(const char *line, const char *hint)
{
    err_start(LEVEL_FATAL, SQLSTATE_DATA_CORRUPTED, __FILE__, __LINE__, __func__);
    err_message("syntax error in history file: %s", line);
    err_hint("%s", hint);
    err_throw();
}

static NORETURN void
data_error(const char *line, const char *hint)
{
    err_start(LEVEL_FATAL, SQLSTATE_DATA_CORRUPTED, __FILE__, __LINE__, __func__);
    err_message("invalid data in history file: %s", line);
    err_hint("%s", hint);
    err_throw();
}

/* One line; false: blank or comment. */
static bool
parse_line(char *line, uint32_t *timeline, Lsn *left_at)
{
    unsigned hi, lo;
    line += strspn(line, " \t\r");
    if (*line == '\0' || *line == '#')
        return false;
    int got = sscanf(line, "%" SCNu32 "%X/%X", timeline, &hi, &lo);
    if (got < 1)
        syntax_error(line, "Expected a numeric timeline ID.");
    if (got != 3)
        syntax_error(line, "Expected a write-ahead log switchpoint location.");
    *left_at = (Lsn)hi << 32 | lo;
    return true;
}

static void
add_entry(Arena *a, TimelineHistory *h, uint32_t timeline, Lsn begin, Lsn end)
{
    if ((h->count & 15) == 0) {
        TimelineEntry *more = ARENA_ARRAY(a, TimelineEntry, h->count + 16);
        if (h->count)
            memcpy(more, h->entries, sizeof(*more) * (size_t)h->count);
        h->entries = more;
    }
    h->entries[h->count++] = (TimelineEntry){timeline, begin, end};
}

TimelineHistory *
timeline_read(Arena *a, uint32_t timeline)
{
    TimelineHistory *h = ARENA_NEW(a, TimelineHistory);
    size_t n;
    char *text = read_file(a, timeline, &n), *rest = text;
    uint32_t last = 0, parent;
    Lsn begin = 0, end;
    for (char *line; rest && (line = strsep(&rest, "\n")) != NULL;) {
        if (!parse_line(line, &parent, &end))
            continue;
        if (parent <= last)
            data_error(line, "Timeline IDs must be in increasing sequence.");
        add_entry(a, h, parent, begin, end);
        last = parent;
        begin = end;
    }
    if (last >= timeline) {
        err_start(LEVEL_FATAL, SQLSTATE_DATA_CORRUPTED, __FILE__, __LINE__, __func__);
        err_message("invalid data in history file \"%08X.history\"", timeline);
        err_hint("Timeline IDs must be less than child timeline's ID.");
        err_throw();
    }
    add_entry(a, h, timeline, begin, UINT64_MAX);
    return h;
}

bool
timeline_exists(uint32_t timeline)
{
    Arena *a = arena_create(NULL, "timeline");
    size_t n;
    bool exists = timeline == 1 || read_file(a, timeline, &n) != NULL;
    arena_destroy(a);
    return exists;
}

uint32_t
timeline_newest(uint32_t from)
{
    while (timeline_exists(from + 1))
        from++;
    return from;
}

uint32_t
timeline_at(const TimelineHistory *h, Lsn at)
{
    for (int i = 0; i < h->count; i++)
        if (at >= h->entries[i].begin && at < h->entries[i].end)
            return h->entries[i].timeline;
    return 0; /* not reached: the entries cover everything */
}

Lsn
timeline_end(const TimelineHistory *h, uint32_t timeline)
{
    for (int i = 0; i < h->count; i++)
        if (h->entries[i].timeline == timeline)
            return h->entries[i].end;
    return LSN_INVALID;
}

bool
wal_timeline_left_at(uint32_t timeline, Lsn *at, uint32_t *next)
{
    Arena *a = arena_create(NULL, "timeline");
    const TimelineHistory *h = timeline_read(a, wal_timeline());
    bool found = false;
    for (int i = 0; i < h->count && !found; i++) {
        if (h->entries[i].timeline != timeline)
            continue;
        found = true;
        *at = h->entries[i].end;
        *next = i + 1 < h->count ? h->entries[i + 1].timeline : 0;
    }
    arena_destroy(a);
    return found;
}

/* The segment in which a timeline was left may exist only as its successor's copy. */
int
wal_segment_open_for_sending(Lsn at, uint32_t timeline, char *path, size_t n)
{
    uint64_t segment = wal_segment_of(at);
    wal_segment_path(segment, timeline, path, n);
    int fd = io_open(path, O_RDONLY | O_CLOEXEC);
    Lsn left;
    uint32_t next;
    if (fd < 0 && errno == ENOENT && wal_timeline_left_at(timeline, &left, &next) && next && wal_segment_of(left) == segment) {
        wal_segment_path(segment, next, path, n);
        fd = io_open(path, O_RDONLY | O_CLOEXEC);
    }
    return fd;
}

void
timeline_write(const TimelineHistory *parent, uint32_t timeline, Lsn at, const char *reason)
{
    char name[40], path[MAX_PATH_BYTES], *old;
    size_t n = 0;
    Arena *a = arena_create(NULL, "history file");
    StrBuf s;
    str_init(&s, a);
    uint32_t from = parent->entries[parent->count - 1].timeline;
    old = read_file(a, from, &n); /* with its comments */
    if (old) {
        str_add_bytes(&s, old, n);
        if (n && old[n - 1] != '\n')
            str_add_char(&s, '\n');
        str_add_char(&s, '\n');
    }
    str_printf(&s, "%u\t%s\t%s\n", from, lsn_text(at), reason);
    wal_timeline_file_name(timeline, name, sizeof(name));
    snprintf(path, sizeof(path), "%s/%s", WAL_DIR, name);
    if (file_replace_durable(path, s.data, s.len) != ERR_OK) {
        errno = err_sys()->errnum;
        RAISE_FATAL(err_sqlstate_of_errno(errno), "%s: %m", err_sys()->what);
    }
    arena_destroy(a);
    if (wal_archiving())
        wal_archive_notify(name);
}
