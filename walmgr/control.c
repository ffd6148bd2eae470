/*
 * The control file: two copies written in turn, so that a torn write leaves the other one whole.
 */
#include "walmgr/wal_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/crc32c.h"
#include "core/base/settings.h"
#include "core/file/io.h"
#include "core/file/relfile.h"

#define CONTROL_PATH "global/pg_control"
#define CONTROL_COPY_BYTES 8192

static uint32_t
control_crc(const ControlFile *c)
{
    return crc32c(c, offsetof(ControlFile, crc));
}

static bool
copy_is_valid(const ControlFile *c)
{
    return c->magic == CONTROL_MAGIC && c->version == CONTROL_VERSION && c->crc == control_crc(c);
}

ErrCode
control_read(ControlFile *out)
{
    char bytes[2 * CONTROL_COPY_BYTES];
    int fd = io_open(CONTROL_PATH, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        err_sys_set(errno, "could not open file \"%s\"", CONTROL_PATH);
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    }
    memset(bytes, 0, sizeof(bytes));
    ssize_t got = io_pread_all(fd, bytes, sizeof(bytes), 0);
    int saved = errno;
    io_close(fd);
    if (got < 0) {
        err_sys_set(saved, "could not read file \"%s\"", CONTROL_PATH);
        return ERR_IO;
    }
    ControlFile copies[2];
    memcpy(&copies[0], bytes, sizeof(ControlFile));
    memcpy(&copies[1], bytes + CONTROL_COPY_BYTES, sizeof(ControlFile));
    bool valid[2] = {copy_is_valid(&copies[0]), copy_is_valid(&copies[1])};
    if (!valid[0] && !valid[1]) {
        err_sys_set(0, "incorrect checksum in control file");
        return ERR_CORRUPT;
    }
    /* the difference, not the order: the counter may wrap */
    int newer = valid[0] && valid[1] ? (int32_t)(copies[1].generation - copies[0].generation) > 0 : valid[1];
    *out = copies[newer];
    return ERR_OK;
}

void
control_write(void)
{
    char bytes[CONTROL_COPY_BYTES];
    ControlFile *c = control_file;
    c->magic = CONTROL_MAGIC;
    c->version = CONTROL_VERSION;
    c->generation++;
    c->time = clock_now();
    c->crc = control_crc(c);
    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes, c, sizeof(*c));
    int fd = io_open(CONTROL_PATH, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        PANIC("could not open file \"%s\": %m", CONTROL_PATH);
    off_t at = (c->generation & 1) ? CONTROL_COPY_BYTES : 0;
    FAULT_POINT("control_before_write");
    if (!io_pwrite_all(fd, bytes, sizeof(bytes), at))
        PANIC("could not write to file \"%s\": %m", CONTROL_PATH);
    FAULT_POINT("control_before_sync");
    if (enable_fsync && io_fsync(fd) != 0)
        PANIC("could not fsync file \"%s\": %m", CONTROL_PATH);
    io_close(fd);
    FAULT_POINT("control_written");
}

void
control_lock(void)
{
    wal_lock_take(&wal_shared->control_lock, WAL_WAIT_CONTROL_LOCK);
}

void
control_unlock(void)
{
    wal_lock_release(&wal_shared->control_lock);
}

void
control_set_state(DbState s)
{
    control_lock();
    control_file->state = s;
    control_write();
    control_unlock();
}

/* A setting of a module above, by name; fallback where that module is not in the program. */
static int32_t
setting_value(const char *name, int32_t fallback)
{
    const char *hint, *text = settings_get(arena_top(), name, true);
    int value;
    return text && settings_parse_int(text, &value, UNIT_NONE, &hint) ? value : fallback;
}

void
control_defaults(ControlFile *c)
{
    c->wal_level = (uint32_t)wal_level;
    c->max_connections = setting_value("max_connections", 100);
    c->max_worker_processes = setting_value("max_worker_processes", 8);
    c->max_wal_senders = setting_value("max_wal_senders", 10);
    c->max_prepared_xacts = setting_value("max_prepared_transactions", 0);
    c->max_locks_per_xact = setting_value("max_locks_per_transaction", 64);
    c->page_bytes = PAGE_BYTES;
    c->wal_segment_bytes = WAL_SEGMENT_BYTES;
    c->name_bytes = NAME_BYTES;
    c->index_max_keys = MAX_INDEX_KEYS;
    c->toast_chunk = 1996;
    c->data_checksum_version = 1;
}
