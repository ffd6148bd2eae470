/*
 * What ps shows. The kernel prints the memory where argv and the environment lay at exec; the
 * environment is moved away, and the title written over both. Setting the title for each statement
 * is a copy of a few dozen bytes.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/settings.h"
#include "core/shm/proc.h"

#define TITLE_BYTES 512

extern char **environ;

static char *area; /* NULL: not initialised, or the environment could not be moved */
static size_t area_bytes;
static size_t prefix_len, shown_len;
static bool update_process_title = true;

static const SettingDef title_settings[] = {
    {.name = "update_process_title", .type = SETTING_BOOL, .context = CONTEXT_SUPERUSER,
     .group = "Reporting and Logging / Process Title",
     .description = "Shows in the process title what a process is doing.", .variable = &update_process_title,
     .boot = "on"},
};

void
proc_title_settings_register(void)
{
    settings_register(title_settings, COUNT_OF(title_settings));
}

void
proc_title_init(int argc, char **argv)
{
    if (argc == 0 || area != NULL)
        return;
    char *end = argv[0];
    for (int i = 0; i < argc; i++)
        if (argv[i] == end)
            end = argv[i] + strlen(argv[i]) + 1;
    int count = 0;
    for (; environ[count]; count++)
        if (environ[count] == end)
            end = environ[count] + strlen(environ[count]) + 1;

    char **moved = malloc(sizeof(char *) * ((size_t)count + 1));
    char **args = malloc(sizeof(char *) * ((size_t)argc + 1));
    if (moved == NULL || args == NULL)
        return;
    for (int i = 0; i < count; i++)
        if ((moved[i] = strdup(environ[i])) == NULL)
            return;
    moved[count] = NULL;
    for (int i = 0; i < argc; i++)
        if ((args[i] = strdup(argv[i])) == NULL)
            return;
    environ = moved;
    area = argv[0];
    area_bytes = (size_t)(end - argv[0]);
    /* The caller's pointers must not see the title. */
    for (int i = 0; i < argc; i++)
        argv[i] = args[i];
    free(args);
}

/* Writes text behind the first `keep` bytes of the title. */
static void
show(size_t keep, const char *text, size_t n)
{
    if (area == NULL || area_bytes < 2)
        return;
    if (keep > area_bytes - 1)
        return;
    n = MIN(n, area_bytes - 1 - keep);
    memcpy(area + keep, text, n);
    size_t len = keep + n;
    /* What is left of a longer title, and the first time of the arguments, is blanked. */
    size_t old = shown_len ? shown_len : area_bytes;
    if (old > len)
        memset(area + len, 0, old - len);
    area[len] = '\0';
    shown_len = MAX(len, (size_t)1);
}

void
proc_set_title(const char *fmt, ...)
{
    char text[TITLE_BYTES], whole[TITLE_BYTES + 16];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    bool named = strncmp(text, "postgres:", 9) == 0; /* "postgres" alone may be a user */
    int n = snprintf(whole, sizeof(whole), "%s%s", named ? "" : "postgres: ", text);
    prefix_len = (size_t)n;
    show(0, whole, prefix_len);
}

void
proc_set_title_activity(const char *activity)
{
    if (!update_process_title || prefix_len == 0)
        return;
    char text[128];
    size_t n = MIN(strlen(activity), sizeof(text) - 1);
    text[0] = ' ';
    memcpy(text + 1, activity, n);
    show(prefix_len, text, n + 1);
}
