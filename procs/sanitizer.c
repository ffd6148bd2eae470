/*
 * What a build with sanitizers does by default (the environment's ASAN_OPTIONS and UBSAN_OPTIONS say otherwise):
 * a report aborts the process, so that the supervisor sees a crash. Left alone, sanitizers exit with 1, which is
 * how a session ends that met a FATAL of its own: a report would pass for one. Leaks mean nothing here: processes
 * end by _exit with their arenas standing.
 */
#ifdef POSTHASTE_SANITIZED

const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

__attribute__((visibility("default"))) const char *
__asan_default_options(void)
{
    return "detect_leaks=0:abort_on_error=1:disable_coredump=1";
}

__attribute__((visibility("default"))) const char *
__ubsan_default_options(void)
{
    return "print_stacktrace=1:abort_on_error=1";
}

#else
extern int ph_no_sanitizer;
#endif
