/*
 * Physical replication slots: names that hold back the removal of log until their users have it.
 *
 * The table is in shared memory under one mutex; a slot that is not temporary also has a file
 * pg_replslot/NAME/state. Its position on disk may be behind (it is saved by each checkpoint before old log is
 * removed): then a crash keeps more log than needed, never less.
 */
#include "walmgr/wal_internal.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/crc32c.h"
#include "core/base/settings.h"
#include "core/file/io.h"
#include "core/file/relfile.h"
#include "core/shm/shm.h"

#define SLOT_DIR "pg_replslot"
#define SLOT_MAGIC UINT32_C(0x544F4C53)

typedef struct Slot {
    bool in_use, temporary, invalidated, dirty;
    uint32_t active_pid;  /* 0: nobody uses it */
    Lsn restart_lsn;      /* log before this is not needed; 0: nothing is reserved */
    char name[WAL_SLOT_NAME_BYTES];
} Slot;
typedef struct SlotsShared {
    WalLock lock;         /* all below */
    Slot slots[];
} SlotsShared;
typedef struct SlotFile {
    uint32_t magic, version;
    Lsn restart_lsn;
    char name[WAL_SLOT_NAME_BYTES];
    uint32_t invalidated, crc;
} SlotFile;

static SlotsShared *shared;
static int slot_max = 10, keep_size_mb = -1;
static int mine = -1;     /* the slot this process has acquired */

/* ---- settings and memory ---- */

static const SettingDef defs[] = {
    {.name = "max_replication_slots", .type = SETTING_INT, .context = CONTEXT_POSTMASTER,
     .group = "Replication / Sending Servers", .description = "How many replication slots there may be.",
     .variable = &slot_max, .boot = "10", .min = 0, .max = 1024},
    {.name = "max_slot_wal_keep_size", .type = SETTING_INT, .context = CONTEXT_SIGHUP, .unit = UNIT_MB,
     .group = "Replication / Sending Servers", .description = "How much log a slot may hold back; -1: no limit.",
     .variable = &keep_size_mb, .boot = "-1", .min = -1, .max = INT_MAX},
};

void
wal_slots_settings_register(void)
{
    settings_register(defs, (int)COUNT_OF(defs));
}

static size_t
slots_size(void)
{
    return sizeof(SlotsShared) + sizeof(Slot) * (size_t)slot_max;
}

static void
slots_init(void *base)
{
    shared = base;
    mine = -1;
}

void
wal_slots_shm_register(void)
{
    static const ShmRequest request = {"replication slots", SHM_CONTROL, slots_size, slots_init};
    shm_register(&request);
}

static void
lock(void)
{
    wal_lock_take(&shared->lock, WAL_WAIT_CONTROL_LOCK);
}

static void
unlock(void)
{
    wal_lock_release(&shared->lock);
}

/* Under the lock; -1: no such slot. */
static int
find(const char *name)
{
    for (int i = 0; i < slot_max; i++)
        if (shared->slots[i].in_use && strcmp(shared->slots[i].name, name) == 0)
            return i;
    return -1;
}

/* ---- files ---- */

/* False: err_sys tells why. */
static bool
save(const Slot *s)
{
    char dir[MAX_PATH_BYTES], path[MAX_PATH_BYTES];
    SlotFile f;
    memset(&f, 0, sizeof(f));
    f.magic = SLOT_MAGIC;
    f.version = 1;
    f.restart_lsn = s->restart_lsn;
    f.invalidated = s->invalidated;
    memcpy(f.name, s->name, sizeof(f.name));
    f.crc = crc32c(&f, offsetof(SlotFile, crc));
    snprintf(dir, sizeof(dir), "%s/%s", SLOT_DIR, s->name);
    snprintf(path, sizeof(path), "%.200s/state", dir);
    if (io_mkdir(dir, 0700) != 0 && errno != EEXIST) {
        err_sys_set(errno, "could not create directory \"%s\"", dir);
        return false;
    }
    return file_replace_durable(path, &f, sizeof(f)) == ERR_OK && file_sync_dir(SLOT_DIR) == ERR_OK;
}

static void
remove_file(const char *name)
{
    char path[MAX_PATH_BYTES];
    snprintf(path, sizeof(path), "%s/%s/state", SLOT_DIR, name);
    if (io_unlink(path) != 0 && errno != ENOENT)
        REPORT(LEVEL_WARNING, SQLSTATE_WARNING, err_message("could not remove file \"%s\": %m", path));
    snprintf(path, sizeof(path), "%s/%s", SLOT_DIR, name);
    if (io_rmdir(path) != 0 && errno != ENOENT)
        REPORT(LEVEL_WARNING, SQLSTATE_WARNING, err_message("could not remove directory \"%s\": %m", path));
    if (file_sync_dir(SLOT_DIR) != ERR_OK)
        LOG("could not fsync directory \"%s\"", SLOT_DIR);
}

static void
load_one(const char *name, int at)
{
    char path[MAX_PATH_BYTES], *bytes;
    size_t n;
    SlotFile f;
    Arena *a = arena_create(NULL, "slot file");
    snprintf(path, sizeof(path), "%s/%s/state", SLOT_DIR, name);
    if (access(path, F_OK) != 0 && errno == ENOENT) { /* died between the directory and the file */
        remove_file(name);
        arena_destroy(a);
        return;
    }
    if (at >= slot_max) {
        err_start(LEVEL_FATAL, SQLSTATE_CONFIGURATION_LIMIT_EXCEEDED, __FILE__, __LINE__, __func__);
        err_message("too many replication slots active before shutdown");
        err_hint("Increase max_replication_slots and try again.");
        err_throw();
    }
    bool ok = file_read_all(path, a, &bytes, &n) == ERR_OK && n == sizeof(f);
    if (ok) {
        memcpy(&f, bytes, sizeof(f));
        ok = f.magic == SLOT_MAGIC && f.version == 1 && f.crc == crc32c(&f, offsetof(SlotFile, crc)) && strcmp(f.name, name) == 0;
    }
    if (!ok)
        RAISE_FATAL(SQLSTATE_DATA_CORRUPTED, "replication slot file \"%s\" is damaged", path);
    Slot *s = &shared->slots[at];
    memset(s, 0, sizeof(*s));
    s->in_use = true;
    s->invalidated = f.invalidated != 0;
    s->restart_lsn = f.restart_lsn;
    memcpy(s->name, f.name, sizeof(s->name));
    arena_destroy(a);
}

void
wal_slots_load(void)
{
    int n = 0;
    DIR *d = shared ? opendir(SLOT_DIR) : NULL;
    if (!d)
        return; /* a program without slots, or none were ever made */
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        load_one(e->d_name, n);
        if (n < slot_max && shared->slots[n].in_use)
            n++;
    }
    closedir(d);
}

void
wal_slots_save(void)
{
    for (int i = 0; shared && i < slot_max; i++) {
        lock();
        Slot copy = shared->slots[i];
        shared->slots[i].dirty = false;
        unlock();
        if (copy.in_use && copy.dirty && !copy.temporary && !save(&copy)) {
            errno = err_sys()->errnum;
            LOG("%s: %m", err_sys()->what);
            lock();
            shared->slots[i].dirty = true; /* the log it holds stays: see wal_slots_minimum */
            unlock();
        }
    }
}

/* ---- what they hold back ---- */

Lsn
wal_slots_minimum(Lsn end)
{
    Lsn least = UINT64_MAX;
    for (int i = 0; shared && i < slot_max; i++) {
        lock();
        Slot *s = &shared->slots[i];
        bool late = s->in_use && s->restart_lsn && keep_size_mb >= 0 && end > s->restart_lsn &&
                    end - s->restart_lsn > (uint64_t)keep_size_mb << 20;
        Slot copy = *s;
        if (late) {
            s->invalidated = s->dirty = true;
            s->restart_lsn = LSN_INVALID;
        }
        unlock();
        if (late) {
            if (copy.active_pid)
                kill((pid_t)copy.active_pid, SIGTERM);
            REPORT(LEVEL_LOG, SQLSTATE_SUCCESS,
                   err_message("invalidating slot \"%s\" because its restart_lsn %s exceeds max_slot_wal_keep_size", copy.name,
                               lsn_text(copy.restart_lsn)));
        } else if (copy.in_use && copy.restart_lsn) {
            least = MIN(least, copy.restart_lsn);
        }
    }
    return least;
}

/* ---- use ---- */

static void
check_name(const char *name)
{
    if (name[0] == '\0')
        RAISE(SQLSTATE_INVALID_NAME, "replication slot name \"%s\" is too short", name);
    if (strlen(name) >= WAL_SLOT_NAME_BYTES)
        RAISE(SQLSTATE_INVALID_NAME, "replication slot name \"%s\" is too long", name);
    if (name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")])
        RAISE_ERR(SQLSTATE_INVALID_NAME, err_message("replication slot name \"%s\" contains invalid character", name),
                  err_hint("Replication slot names may only contain lower case letters, numbers, and the underscore character."));
}

static void
check_possible(void)
{
    if (slot_max == 0)
        RAISE(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "replication slots can only be used if max_replication_slots > 0");
    if (wal_level < WAL_LEVEL_REPLICA)
        RAISE(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "replication slots can only be used if wal_level >= replica");
}

void
wal_slot_create(const char *name, bool temporary, bool reserve)
{
    check_possible();
    check_name(name);
    proc_on_exit(wal_slots_at_exit, NULL);
    lock();
    bool taken = find(name) >= 0;
    int at = 0;
    while (at < slot_max && shared->slots[at].in_use)
        at++;
    if (!taken && at < slot_max) {
        Slot *s = &shared->slots[at];
        memset(s, 0, sizeof(*s));
        s->in_use = true;
        s->temporary = temporary;
        s->active_pid = (uint32_t)getpid();
        snprintf(s->name, sizeof(s->name), "%s", name);
        /* Under the lock: either we read the new redo point, or the recycler sees the old one here. */
        s->restart_lsn = reserve ? wal_redo_point() : LSN_INVALID;
    }
    unlock();
    if (taken)
        RAISE(SQLSTATE_DUPLICATE_OBJECT, "replication slot \"%s\" already exists", name);
    if (at == slot_max)
        RAISE_ERR(SQLSTATE_CONFIGURATION_LIMIT_EXCEEDED, err_message("all replication slots are in use"),
                  err_hint("Free one or increase max_replication_slots."));
    if (!temporary && !save(&shared->slots[at])) {
        int saved = err_sys()->errnum;
        lock();
        shared->slots[at].in_use = false;
        unlock();
        errno = saved;
        RAISE(err_sqlstate_of_errno(saved), "%s: %m", err_sys()->what);
    }
    if (temporary)
        return; /* stays this process's until it ends */
    lock();
    shared->slots[at].active_pid = 0;
    unlock();
}

void
wal_slot_acquire(const char *name)
{
    check_possible();
    proc_on_exit(wal_slots_at_exit, NULL);
    lock();
    int at = find(name);
    uint32_t user = at >= 0 ? shared->slots[at].active_pid : 0;
    bool lost = at >= 0 && shared->slots[at].invalidated;
    bool free = at >= 0 && (user == 0 || user == (uint32_t)getpid());
    if (free) {
        shared->slots[at].active_pid = (uint32_t)getpid();
        mine = at;
    }
    unlock();
    if (at < 0)
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "replication slot \"%s\" does not exist", name);
    if (!free)
        RAISE(SQLSTATE_OBJECT_IN_USE, "replication slot \"%s\" is active for PID %u", name, user);
    if (lost) {
        wal_slot_release();
        RAISE_ERR(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, err_message("cannot read from replication slot \"%s\"", name),
                  err_detail("This slot has been invalidated because it exceeded the maximum reserved size."));
    }
}

void
wal_slot_release(void)
{
    if (mine < 0)
        return;
    lock();
    if (!shared->slots[mine].temporary)
        shared->slots[mine].active_pid = 0;
    unlock();
    mine = -1;
}

void
wal_slot_advance(Lsn to)
{
    if (mine < 0)
        return;
    lock();
    Slot *s = &shared->slots[mine];
    if (to != LSN_INVALID && !s->invalidated && s->restart_lsn != to) {
        s->restart_lsn = to;
        s->dirty = true;
    }
    unlock();
}

void
wal_slot_drop(const char *name)
{
    check_possible();
    wal_slot_acquire(name);
    int at = mine;
    mine = -1;
    if (!shared->slots[at].temporary)
        remove_file(name);
    lock();
    memset(&shared->slots[at], 0, sizeof(Slot));
    unlock();
}

/* Temporary ones go with their session, others become free. */
void
wal_slots_at_exit(void *arg)
{
    uint32_t me = (uint32_t)getpid();
    mine = -1;
    if (!shared)
        return;
    lock();
    for (int i = 0; i < slot_max; i++) {
        Slot *s = &shared->slots[i];
        if (!s->in_use || s->active_pid != me)
            continue;
        if (s->temporary)
            memset(s, 0, sizeof(*s));
        else
            s->active_pid = 0;
    }
    unlock();
}

bool
wal_slot_view(int index, WalSlotView *out)
{
    if (!shared || index >= slot_max)
        return false;
    lock();
    const Slot *s = &shared->slots[index];
    memset(out, 0, sizeof(*out));
    out->in_use = s->in_use;
    out->temporary = s->temporary;
    out->invalidated = s->invalidated;
    out->active_pid = s->active_pid;
    out->restart_lsn = s->restart_lsn;
    memcpy(out->name, s->name, sizeof(out->name));
    unlock();
    if (keep_size_mb >= 0 && out->restart_lsn) {
        Lsn limit = out->restart_lsn + ((uint64_t)keep_size_mb << 20), now = wal_insert_position();
        out->safe_bytes = limit > now ? (int64_t)(limit - now) : 0;
        out->has_safe_bytes = true;
    }
    return true;
}
