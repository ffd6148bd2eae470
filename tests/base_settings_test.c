/* Settings: units and messages, who may change what, undo by transaction level, files, reload. */
#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/settings.h"

static int t_int, t_blocks, t_ms, t_post, t_hup, t_enum;
static bool t_bool;
static double t_real, t_cost;
static char *t_text, *t_name, *t_super;
static int assigned;
static Arena *arena;
static char dir[] = "/tmp/ph_settings_XXXXXX";

static const SettingEnum colours[] = {{"red", 1, false}, {"green", 2, false}, {"crimson", 1, true}, {NULL, 0, false}};

static bool
check_text(const SettingDef *def, const char **value, SettingSource source)
{
    static char buf[64];
    if (strcmp(*value, "bad") == 0) {
        settings_check_error("It is %s.", "bad");
        return false;
    }
    if (strcmp(*value, "Canonical") == 0) {
        snprintf(buf, sizeof(buf), "canonical");
        *value = buf;
    }
    return true;
}

static void
assign_text(const SettingDef *def)
{
    assigned++;
}

static const SettingDef defs[] = {
    {.name = "t_int", .type = SETTING_INT, .context = CONTEXT_USER, .variable = &t_int, .boot = "5", .min = 0, .max = 100},
    {.name = "t_blocks", .type = SETTING_INT, .context = CONTEXT_USER, .unit = UNIT_BLOCKS, .variable = &t_blocks,
     .boot = "16384", .min = 16, .max = 1073741823},
    {.name = "t_ms", .type = SETTING_INT, .context = CONTEXT_USER, .unit = UNIT_MS, .variable = &t_ms, .boot = "0",
     .min = -1, .max = 2147483647},
    {.name = "t_real", .type = SETTING_REAL, .context = CONTEXT_USER, .unit = UNIT_MS, .variable = &t_real, .boot = "0.5",
     .min = -1, .max = 1000},
    {.name = "t_cost", .type = SETTING_REAL, .context = CONTEXT_USER, .variable = &t_cost, .boot = "4", .min = 0, .max = 1e308},
    {.name = "t_bool", .type = SETTING_BOOL, .context = CONTEXT_USER, .flags = SETTING_REPORT, .variable = &t_bool, .boot = "on"},
    {.name = "t_text", .type = SETTING_STRING, .context = CONTEXT_USER, .variable = &t_text, .boot = "start",
     .check = check_text, .assign = assign_text},
    {.name = "t_name", .type = SETTING_STRING, .context = CONTEXT_USER, .flags = SETTING_IS_NAME, .variable = &t_name},
    {.name = "t_super", .type = SETTING_STRING, .context = CONTEXT_SUPERUSER, .variable = &t_super, .boot = ""},
    {.name = "t_post", .type = SETTING_INT, .context = CONTEXT_POSTMASTER, .variable = &t_post, .boot = "1", .min = 0, .max = 10},
    {.name = "t_hup", .type = SETTING_INT, .context = CONTEXT_SIGHUP, .variable = &t_hup, .boot = "1", .min = 0, .max = 10},
    {.name = "T_Enum", .type = SETTING_ENUM, .context = CONTEXT_USER, .variable = &t_enum, .boot = "red", .options = colours},
};

static char message[512], detail[512], hint[512], state[6];

/* Tries it as a session; 1 when it raised, and what. */
static int
try_set(const char *name, const char *value, SettingContext context)
{
    volatile int raised = 0;
    message[0] = detail[0] = hint[0] = state[0] = '\0';
    ERR_TRY {
        settings_set(name, value, context, SOURCE_SESSION, ACTION_SET);
    } ERR_CATCH {
        const ErrReport *r = err_current();
        raised = 1;
        snprintf(message, sizeof(message), "%s", r->message);
        snprintf(detail, sizeof(detail), "%s", r->detail ? r->detail : "");
        snprintf(hint, sizeof(hint), "%s", r->hint ? r->hint : "");
        snprintf(state, sizeof(state), "%s", sqlstate_text(r->sqlstate));
        err_clear();
    } ERR_END;
    return raised;
}

static const char *
get(const char *name)
{
    return settings_get(arena, name, false);
}

static void
numbers_are_read_with_units(void)
{
    static const struct { const char *text; SettingUnit unit; bool ok; int value; } cases[] = {
        {"12", UNIT_NONE, true, 12}, {" 12 ", UNIT_NONE, true, 12}, {"0x10", UNIT_NONE, true, 16},
        {"010", UNIT_NONE, true, 8}, {"1.5", UNIT_NONE, true, 2}, {"1e2", UNIT_NONE, true, 100},
        {"", UNIT_NONE, false, 0}, {"x", UNIT_NONE, false, 0}, {"1kB", UNIT_NONE, false, 0},
        {"128MB", UNIT_BLOCKS, true, 16384}, {"8 kB", UNIT_BLOCKS, true, 1}, {"1GB", UNIT_KB, true, 1048576},
        {"30.1GB", UNIT_KB, true, 31561728}, {"1TB", UNIT_MB, true, 1048576}, {"1kb", UNIT_KB, false, 0},
        {"2s", UNIT_MS, true, 2000}, {"1.5min", UNIT_S, true, 90}, {"1d", UNIT_MIN, true, 1440},
        {"500us", UNIT_MS, true, 0}, {"1h", UNIT_MS, true, 3600000}, {"3000TB", UNIT_KB, false, 0},
        {"99999999999", UNIT_NONE, false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int v = 0;
        bool ok = settings_parse_int(cases[i].text, &v, cases[i].unit, NULL);
        CU_ASSERT_EQUAL(ok, cases[i].ok);
        if (ok && v != cases[i].value) {
            printf("%s gives %d\n", cases[i].text, v);
            CU_FAIL("value");
        }
    }
    bool b;
    CU_ASSERT(settings_parse_bool("TRUE", &b) && b);
    CU_ASSERT(settings_parse_bool("of", &b) && !b);
    CU_ASSERT(settings_parse_bool("0", &b) && !b);
    CU_ASSERT_FALSE(settings_parse_bool("o", &b));
    CU_ASSERT_FALSE(settings_parse_bool("", &b));
    CU_ASSERT_FALSE(settings_parse_bool("truex", &b));
}

static void
values_are_shown_with_units(void)
{
    CU_ASSERT_STRING_EQUAL(get("t_blocks"), "128MB");
    CU_ASSERT_EQUAL(t_blocks, 16384);
    CU_ASSERT_EQUAL(try_set("T_BLOCKS", "17", CONTEXT_USER), 0);
    CU_ASSERT_STRING_EQUAL(get("t_blocks"), "136kB");
    try_set("t_ms", "90000", CONTEXT_USER);
    CU_ASSERT_STRING_EQUAL(get("t_ms"), "90s");
    try_set("t_ms", "2h", CONTEXT_USER);
    CU_ASSERT_STRING_EQUAL(get("t_ms"), "2h");
    try_set("t_ms", "-1", CONTEXT_USER);
    CU_ASSERT_STRING_EQUAL(get("t_ms"), "-1");
    CU_ASSERT_STRING_EQUAL(get("t_real"), "500us");
    CU_ASSERT_STRING_EQUAL(get("t_cost"), "4");
    CU_ASSERT_STRING_EQUAL(get("t_bool"), "on");
    CU_ASSERT_STRING_EQUAL(get("t_name"), "");
    CU_ASSERT_STRING_EQUAL(get("t_enum"), "red");
    try_set("t_enum", "GREEN", CONTEXT_USER);
    CU_ASSERT_EQUAL(t_enum, 2);
    CU_ASSERT_STRING_EQUAL(get("t_enum"), "green");
    for (size_t i = 0; i < COUNT_OF(defs); i++)
        if (defs[i].context == CONTEXT_USER)
            CU_ASSERT_EQUAL(try_set(defs[i].name, NULL, CONTEXT_USER), 0);
    CU_ASSERT_STRING_EQUAL(get("t_blocks"), "128MB");
    CU_ASSERT_EQUAL(t_enum, 1);
}

static void
refusals_say_what_postgresql_says(void)
{
    CU_ASSERT(try_set("t_blocks", "x", CONTEXT_USER));
    CU_ASSERT_STRING_EQUAL(message, "invalid value for parameter \"t_blocks\": \"x\"");
    CU_ASSERT_STRING_EQUAL(state, "22023");
    CU_ASSERT(try_set("t_blocks", "1XB", CONTEXT_USER));
    CU_ASSERT_STRING_EQUAL(hint, "Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\".");
    CU_ASSERT(try_set("t_ms", "1fortnight", CONTEXT_USER));
    CU_ASSERT_STRING_EQUAL(hint, "Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".");
    CU_ASSERT(try_set("t_int", "99999999999", CONTEXT_USER));
    CU_ASSERT_STRING_EQUAL(hint, "Value exceeds integer range.");
    CU_ASSERT(try_set("t_int", "101", CONTEXT_USER));
    CU_ASSERT_STRING_EQUAL(message, "101 is outside the valid range for parameter \"t_int\" (0 .. 100)");
    CU_ASSERT(try_set("t_blocks", "8kB", CONTEXT_USER));
    CU_ASSERT_STRING_EQUAL(message, "1 8kB is outside the valid range for parameter \"t_blocks\" (16 .. 1073741823)");
    CU_ASSERT(try_set("t_real", "2s", CONTEXT_USER));
    CU_ASSERT_STRING_EQUAL(message, "2000 ms is outside the valid range for parameter \"t_real\" (-1 .. 1000)");
    CU_ASSERT(try_set("t_bool", "maybe", CONTEXT_USER));
    CU_ASSERT_STRING_EQUAL(message, "parameter \"t_bool\" requires a Boolean value");
    CU_ASSERT(try_set("t_enum", "blue", CONTEXT_USER));
    CU_ASSERT_STRING_EQUAL(hint, "Available values: red, green.");
    CU_ASSERT(try_set("t_text", "bad", CONTEXT_USER));
    CU_ASSERT_STRING_EQUAL(message, "invalid value for parameter \"t_text\": \"bad\"");
    CU_ASSERT_STRING_EQUAL(detail, "It is bad.");
    CU_ASSERT(try_set("nosuch", "1", CONTEXT_USER));
    CU_ASSERT_STRING_EQUAL(message, "unrecognized configuration parameter \"nosuch\"");
    CU_ASSERT_STRING_EQUAL(state, "42704");
    CU_ASSERT(try_set("a.", "1", CONTEXT_USER));
    CU_ASSERT_STRING_EQUAL(state, "42602");
    CU_ASSERT(try_set("t_post", "2", CONTEXT_SUPERUSER));
    CU_ASSERT_STRING_EQUAL(message, "parameter \"t_post\" cannot be changed without restarting the server");
    CU_ASSERT_STRING_EQUAL(state, "55P02");
    CU_ASSERT(try_set("t_hup", "2", CONTEXT_SUPERUSER));
    CU_ASSERT_STRING_EQUAL(message, "parameter \"t_hup\" cannot be changed now");
    CU_ASSERT(try_set("t_super", "2", CONTEXT_USER));
    CU_ASSERT_STRING_EQUAL(message, "permission denied to set parameter \"t_super\"");
    CU_ASSERT_STRING_EQUAL(state, "42501");
    CU_ASSERT_EQUAL(try_set("t_super", "2", CONTEXT_SUPERUSER), 0);
    CU_ASSERT_STRING_EQUAL(t_super, "2");
}

static void
strings_are_checked_and_clipped(void)
{
    int before = assigned;
    CU_ASSERT_EQUAL(try_set("t_text", "Canonical", CONTEXT_USER), 0);
    CU_ASSERT_STRING_EQUAL(t_text, "canonical");
    CU_ASSERT_EQUAL(assigned, before + 1);
    char longer[100];
    memset(longer, 'n', 99);
    longer[99] = '\0';
    CU_ASSERT_EQUAL(try_set("t_name", longer, CONTEXT_USER), 0);
    CU_ASSERT_EQUAL(strlen(t_name), 63);
    CU_ASSERT_EQUAL(try_set("my.Custom", "v", CONTEXT_USER), 0);
    CU_ASSERT_STRING_EQUAL(get("MY.custom"), "v");
    CU_ASSERT_PTR_NULL(settings_get(arena, "my.other", true));
    settings_reset_all();
    CU_ASSERT_STRING_EQUAL(t_text, "start");
    CU_ASSERT_STRING_EQUAL(get("my.custom"), "");
}

static void
set(const char *value, SettingAction action)
{
    settings_set("t_int", value, CONTEXT_USER, SOURCE_SESSION, action);
}

static void
rollback_undoes_and_local_ends(void)
{
    settings_at_subxact_start(1);
    set("10", ACTION_SET);
    settings_at_end(1, false);
    CU_ASSERT_EQUAL(t_int, 5);

    settings_at_subxact_start(1);
    set("10", ACTION_SET);
    set("11", ACTION_LOCAL);
    CU_ASSERT_EQUAL(t_int, 11);
    settings_at_end(1, true);
    CU_ASSERT_EQUAL(t_int, 10);

    settings_at_subxact_start(1);
    set("20", ACTION_LOCAL);
    settings_at_end(1, true);
    CU_ASSERT_EQUAL(t_int, 10);

    /* savepoints */
    settings_at_subxact_start(1);
    set("21", ACTION_SET);
    settings_at_subxact_start(2);
    set("22", ACTION_SET);
    settings_at_end(2, false);
    CU_ASSERT_EQUAL(t_int, 21);
    settings_at_subxact_start(2);
    set("23", ACTION_LOCAL);
    settings_at_end(2, true);
    CU_ASSERT_EQUAL(t_int, 23); /* local to the transaction */
    settings_at_end(1, true);
    CU_ASSERT_EQUAL(t_int, 21);

    settings_at_subxact_start(1);
    settings_at_subxact_start(2);
    settings_at_subxact_start(3);
    set("30", ACTION_SET);
    settings_at_end(3, true);
    settings_at_end(2, true);
    CU_ASSERT_EQUAL(t_int, 30);
    settings_at_end(1, false);
    CU_ASSERT_EQUAL(t_int, 21);

    /* a function's SET clause */
    settings_at_subxact_start(1);
    settings_at_subxact_start(2);
    set("40", ACTION_SAVE);
    CU_ASSERT_EQUAL(t_int, 40);
    settings_at_end(2, true);
    CU_ASSERT_EQUAL(t_int, 21);
    set(NULL, ACTION_SET);
    settings_at_end(1, true);
    CU_ASSERT_EQUAL(t_int, 5);
    CU_ASSERT_EQUAL(settings_level(), 0);
}

static void
a_stronger_source_wins(void)
{
    settings_set("t_int", "50", CONTEXT_USER, SOURCE_SESSION, ACTION_SET);
    settings_set("t_int", "60", CONTEXT_SUPERUSER, SOURCE_USER, ACTION_SET);
    CU_ASSERT_EQUAL(t_int, 50);
    settings_set("t_int", "70", CONTEXT_SUPERUSER, SOURCE_DATABASE, ACTION_SET);
    set(NULL, ACTION_SET);
    CU_ASSERT_EQUAL(t_int, 60); /* the reset value: user over database */
    CU_ASSERT_STRING_EQUAL(settings_get_reset(arena, "t_int"), "60");
}

static void
changes_are_reported_once(void)
{
    while (settings_next_report())
        ;
    settings_set("t_bool", "off", CONTEXT_USER, SOURCE_SESSION, ACTION_SET);
    CU_ASSERT_STRING_EQUAL(settings_next_report(), "t_bool");
    CU_ASSERT_PTR_NULL(settings_next_report());
    settings_set("t_bool", "off", CONTEXT_USER, SOURCE_SESSION, ACTION_SET);
    CU_ASSERT_PTR_NULL(settings_next_report());
    settings_report_all();
    CU_ASSERT_PTR_NOT_NULL(settings_next_report());
    while (settings_next_report())
        ;
    settings_set("t_bool", NULL, CONTEXT_USER, SOURCE_SESSION, ACTION_SET);
}

static const char *
path_of(const char *name)
{
    return arena_printf(arena, "%s/%s", dir, name);
}

static void
write_file(const char *name, const char *text)
{
    FILE *f = fopen(path_of(name), "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

static char heard[4096];

static void
hear(const ErrReport *r)
{
    size_t n = strlen(heard);
    snprintf(heard + n, sizeof(heard) - n, "%s|", r->message);
}

static void
files_are_read_with_includes(void)
{
    char sub[64];
    snprintf(sub, sizeof(sub), "%s/conf.d", dir);
    if (access(sub, F_OK) != 0)
        CU_ASSERT_EQUAL_FATAL(system(arena_printf(arena, "mkdir %s", sub)), 0);
    write_file("postgresql.conf", "# comment\n"
                                  "t_hup = 3 # trailing\n"
                                  "t_post 2\n"
                                  "t_text='it''s \\'a\\' \\101\\n'\n"
                                  "t_ms = 5min\n"
                                  "t_cost=-0\n"
                                  "include 'other.conf'\n"
                                  "include_if_exists = 'missing.conf'\n"
                                  "include_dir = 'conf.d'\n"
                                  "my.custom = on\n"
                                  "t_hup=4");
    write_file("other.conf", "\n\nt_enum = green\n");
    write_file("conf.d/b.conf", "t_int = 8\n");
    write_file("conf.d/a.conf", "t_int = 7\n");
    write_file("conf.d/ignored.txt", "nonsense here\n");
    CU_ASSERT_TRUE(settings_load_files(path_of("postgresql.conf"), false));
    CU_ASSERT_EQUAL(t_hup, 4);
    CU_ASSERT_EQUAL(t_post, 2);
    CU_ASSERT_STRING_EQUAL(t_text, "it's 'a' A\n");
    CU_ASSERT_EQUAL(t_ms, 300000);
    CU_ASSERT_EQUAL(t_enum, 2);
    SettingView v;
    for (int i = 0; i < settings_count(); i++) {
        settings_view(i, arena, &v);
        if (strcmp(v.def->name, "T_Enum") == 0) {
            CU_ASSERT_EQUAL(v.source_line, 3);
            CU_ASSERT_STRING_EQUAL(v.source_file, path_of("other.conf"));
            CU_ASSERT_EQUAL(v.source, SOURCE_FILE);
            CU_ASSERT_STRING_EQUAL(v.boot_value, "red");
        }
    }
}

static void
a_reload_applies_all_or_nothing(void)
{
    client_min_messages = LEVEL_LOG;
    err_client_hook = hear;
    heard[0] = '\0';
    write_file("postgresql.conf", "t_hup = 5\nt_blocks = junk\n= 3\nt_nosuch = 1\n");
    CU_ASSERT_FALSE(settings_load_files(path_of("postgresql.conf"), true));
    CU_ASSERT_EQUAL(t_hup, 4);
    CU_ASSERT_PTR_NOT_NULL(strstr(heard, arena_printf(arena, "syntax error in file \"%s\" line 3, near token \"=\"",
                                                      path_of("postgresql.conf"))));
    heard[0] = '\0';
    write_file("postgresql.conf", "t_hup = 5\nt_blocks = junk\nt_nosuch = 1\nt_ms =\n");
    CU_ASSERT_FALSE(settings_load_files(path_of("postgresql.conf"), true));
    CU_ASSERT_PTR_NOT_NULL(strstr(heard, "line 4, near end of line"));
    heard[0] = '\0';
    write_file("postgresql.conf", "t_hup = 5\nt_blocks = junk\nt_nosuch = 1\n");
    CU_ASSERT_FALSE(settings_load_files(path_of("postgresql.conf"), true));
    CU_ASSERT_PTR_NOT_NULL(strstr(heard, "invalid value for parameter \"t_blocks\": \"junk\"|"));
    CU_ASSERT_PTR_NOT_NULL(strstr(heard, "unrecognized configuration parameter \"t_nosuch\" in file"));
    CU_ASSERT_PTR_NOT_NULL(strstr(heard, "contains errors; no changes were applied|"));
    CU_ASSERT_EQUAL(t_hup, 4);

    heard[0] = '\0';
    write_file("postgresql.conf", "t_hup = 6\nt_post = 9\n");
    CU_ASSERT_TRUE(settings_load_files(path_of("postgresql.conf"), true));
    CU_ASSERT_EQUAL(t_hup, 6);
    CU_ASSERT_EQUAL(t_post, 2);
    CU_ASSERT_EQUAL(t_enum, 1); /* no longer in the file */
    CU_ASSERT_STRING_EQUAL(t_text, "start");
    CU_ASSERT_PTR_NOT_NULL(strstr(heard, "parameter \"t_hup\" changed to \"6\"|"));
    CU_ASSERT_PTR_NOT_NULL(strstr(heard, "parameter \"T_Enum\" removed from configuration file, reset to default|"));
    CU_ASSERT_PTR_NOT_NULL(strstr(heard, "parameter \"t_post\" cannot be changed without restarting the server|"));
    CU_ASSERT_PTR_NOT_NULL(strstr(heard, "contains errors; unaffected changes were applied|"));
    err_client_hook = NULL;
    client_min_messages = LEVEL_NOTICE;
}

static void
alter_system_writes_what_is_read_last(void)
{
    write_file("postgresql.conf", "t_hup = 6\nt_post = 2\n");
    settings_alter_system(dir, "t_hup", "7");
    settings_alter_system(dir, "t_text", "quote ' and \\");
    CU_ASSERT_TRUE(settings_load_files(path_of("postgresql.conf"), true));
    CU_ASSERT_EQUAL(t_hup, 7);
    CU_ASSERT_STRING_EQUAL(t_text, "quote ' and \\");
    settings_alter_system(dir, "t_hup", NULL);
    CU_ASSERT_TRUE(settings_load_files(path_of("postgresql.conf"), true));
    CU_ASSERT_EQUAL(t_hup, 6);
    settings_alter_system(dir, NULL, NULL);
    CU_ASSERT_TRUE(settings_load_files(path_of("postgresql.conf"), true));
    CU_ASSERT_STRING_EQUAL(t_text, "start");
    volatile int raised = 0;
    ERR_TRY {
        settings_alter_system(dir, "t_text", "two\nlines");
    } ERR_CATCH {
        raised = 1;
        err_clear();
    } ERR_END;
    CU_ASSERT(raised);
}

static void
a_placeholder_becomes_the_setting(void)
{
    static int late;
    static const SettingDef def = {.name = "late.value", .type = SETTING_INT, .context = CONTEXT_USER,
                                   .variable = &late, .boot = "1", .min = 0, .max = 9};
    settings_set("late.value", "4", CONTEXT_USER, SOURCE_SESSION, ACTION_SET);
    settings_register(&def, 1);
    CU_ASSERT_EQUAL(late, 4);
    settings_set("late.value", NULL, CONTEXT_USER, SOURCE_SESSION, ACTION_SET);
    CU_ASSERT_EQUAL(late, 1);
}

int
main(void)
{
    arena = arena_create(NULL, "test");
    log_min_messages = LEVEL_FATAL;
    settings_register(defs, COUNT_OF(defs));
    settings_boot();
    log_min_messages = LEVEL_FATAL;
    if (mkdtemp(dir) == NULL)
        return 2;
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("base_settings", NULL, NULL);
    CU_ADD_TEST(s, numbers_are_read_with_units);
    CU_ADD_TEST(s, values_are_shown_with_units);
    CU_ADD_TEST(s, refusals_say_what_postgresql_says);
    CU_ADD_TEST(s, strings_are_checked_and_clipped);
    CU_ADD_TEST(s, rollback_undoes_and_local_ends);
    CU_ADD_TEST(s, changes_are_reported_once);
    CU_ADD_TEST(s, files_are_read_with_includes);
    CU_ADD_TEST(s, a_reload_applies_all_or_nothing);
    CU_ADD_TEST(s, alter_system_writes_what_is_read_last);
    CU_ADD_TEST(s, a_stronger_source_wins);
    CU_ADD_TEST(s, a_placeholder_becomes_the_setting);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    if (system(arena_printf(arena, "rm -rf %s", dir)) != 0)
        failed++;
    return failed != 0;
}
