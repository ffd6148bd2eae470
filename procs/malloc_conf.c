/*
 * jemalloc's configuration, found by name at its start. Every process has one thread: one arena is
 * enough and no background thread is wanted; its thread cache serves blocks up to 64 KiB, which
 * covers the chunks of small and middling arenas. Pages freed after a large query go back to the
 * kernel within seconds, so that many sessions do not each keep their high-water mark.
 */
extern const char *malloc_conf;
__attribute__((visibility("default"))) const char *malloc_conf =
    "narenas:1,background_thread:false,lg_tcache_max:16,dirty_decay_ms:5000,muzzy_decay_ms:0";
