/*
 * May this process serve this data directory? Existence, owner, mode, version, in PostgreSQL's words.
 */
#include "procs/procs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"

static mode_t file_mode = 0600;

mode_t
datadir_file_mode(void)
{
    return file_mode;
}

void
refuse_root(const char *program)
{
    if (geteuid() == 0) {
        fprintf(stderr, "\"root\" execution of the PostgreSQL server is not permitted.\n"
                        "The server must be started under an unprivileged user ID to prevent\n"
                        "possible system security compromise.  See the documentation for\n"
                        "more information on how to properly start the server.\n");
        exit(1);
    }
    if (getuid() != geteuid()) {
        fprintf(stderr, "%s: real and effective user IDs must match\n", program);
        exit(1);
    }
}

static void
check_version(const char *dir)
{
    char path[4096], text[64] = "";
    snprintf(path, sizeof(path), "%s/PG_VERSION", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT)
            RAISE_FATAL(SQLSTATE_INVALID_PARAMETER_VALUE, "\"%s\" is not a valid data directory: File \"%s\" is missing.",
                        dir, path);
        RAISE_FATAL(err_sqlstate_of_errno(errno), "could not open file \"%s\": %m", path);
    }
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    char *end;
    long major = n > 0 ? strtol(text, &end, 10) : 0;
    if (n <= 0 || end == text) {
        err_start(LEVEL_FATAL, SQLSTATE_INVALID_PARAMETER_VALUE, __FILE__, __LINE__, __func__);
        err_message("\"%s\" is not a valid data directory", dir);
        err_detail("File \"%s\" does not contain valid data.", path);
        err_hint("You might need to initdb.");
        err_throw();
    }
    if (major != atol(PG_MAJOR)) {
        text[strcspn(text, "\n")] = '\0';
        err_start(LEVEL_FATAL, SQLSTATE_INVALID_PARAMETER_VALUE, __FILE__, __LINE__, __func__);
        err_message("database files are incompatible with server");
        err_detail("The data directory was initialized by PostgreSQL version %s, which is not compatible with this "
                   "version %s.", text, PG_VERSION_TEXT);
        err_throw();
    }
}

void
datadir_check(const char *dir)
{
    struct stat st;
    if (stat(dir, &st) != 0) {
        if (errno == ENOENT)
            RAISE_FATAL(SQLSTATE_UNDEFINED_FILE, "data directory \"%s\" does not exist", dir);
        RAISE_FATAL(err_sqlstate_of_errno(errno), "could not read permissions of directory \"%s\": %m", dir);
    }
    if (!S_ISDIR(st.st_mode))
        RAISE_FATAL(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "specified data directory \"%s\" is not a directory", dir);
    if (st.st_uid != geteuid()) {
        err_start(LEVEL_FATAL, SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, __FILE__, __LINE__, __func__);
        err_message("data directory \"%s\" has wrong ownership", dir);
        err_hint("The server must be started by the user that owns the data directory.");
        err_throw();
    }
    if (st.st_mode & 0027) {
        err_start(LEVEL_FATAL, SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, __FILE__, __LINE__, __func__);
        err_message("data directory \"%s\" has invalid permissions", dir);
        err_detail("Permissions should be u=rwx (0700) or u=rwx,g=rx (0750).");
        err_throw();
    }
    bool group = (st.st_mode & 0070) != 0;
    file_mode = group ? 0640 : 0600;
    umask(group ? 0027 : 0077);
    check_version(dir);
}
