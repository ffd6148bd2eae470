/*
 * What core/sql/command offers beyond core/sql/sql.h: functions other layers call, hooks they fill in.
 */
#ifndef CORE_SQL_COMMAND_COMMAND_H
#define CORE_SQL_COMMAND_COMMAND_H

#include "core/catalog/catalog.h"

/* Set by core/wire: the stored form of a password, by the setting password_encryption. */
extern char *(*password_encrypt_hook)(Arena *a, const char *user, const char *password);
/* Redo of CREATE and DROP DATABASE; called with the other register_redo functions at process start. */
void database_register_redo(void);
extern bool allow_system_table_mods;
/* The session is over, its transaction too: the process has the bootstrap user's identity again. */
void command_session_end(void);

#endif
