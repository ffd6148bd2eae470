/*
 * One session's life: startup, the message loop, transaction blocks, prepared statements, portals, the
 * statement cache.
 */
#ifndef CORE_SESSION_SESSION_H
#define CORE_SESSION_SESSION_H

#include "core/sql/sql.h"
#include "core/wire/wire.h"

void session_settings_register(void);
/* A backend's main: takes a connected socket, serves it to the end. Returns when the client has left: true if it left
 * nothing behind (reuse.c), so that after proc_retire and settings_session_end the process may serve another; exits the
 * process on FATAL. */
bool session_serve(int fd);
/* `postgres --single`-like: statements from a string without a client; used by initdb. Raises. */
void session_run_script(const char *script);
void session_attach_standalone(const char *database);
void session_attach_worker(Oid database); /* a process without a client: autovacuum. FATAL if the database is gone */
/* Cancels what the session of that process and key is running (cancel.c). */
void session_forward_cancel(uint32_t pid, uint32_t key);
/* Interrupt service of backends: interrupts_process points here. */
void session_process_interrupts(void);

#endif
