/*
 * backup_manifest: which files a base backup holds, with sizes and checksums, in PostgreSQL's JSON (version 1),
 * so that pg_verifybackup can check it. The last line carries a SHA-256 of everything before it.
 */
#include "core/session/replication.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <time.h>

#include "core/base/crc32c.h"

struct Manifest {
    StrBuf text;
    bool encode_all, first_file;
    const char *algorithm;  /* as the file names it; NULL: none */
    const EVP_MD *digest;   /* NULL with CRC32C and none */
    EVP_MD_CTX *context;
    uint32_t crc;
    const char *path;
};

static void
free_context(void *arg)
{
    EVP_MD_CTX_free(arg);
}

Manifest *
manifest_new(Arena *a, const char *algorithm, bool encode_all)
{
    static const struct {
        const char *name, *shown;
        const EVP_MD *(*digest)(void);
    } known[] = {{"CRC32C", "CRC32C", NULL}, {"NONE", NULL, NULL}, {"SHA224", "SHA224", EVP_sha224}, {"SHA256", "SHA256", EVP_sha256},
                 {"SHA384", "SHA384", EVP_sha384}, {"SHA512", "SHA512", EVP_sha512}};
    Manifest *m = ARENA_NEW(a, Manifest);
    size_t i = 0;
    while (algorithm && i < COUNT_OF(known) && str_casecmp_ascii(known[i].name, algorithm) != 0)
        i++;
    if (i == COUNT_OF(known))
        RAISE(SQLSTATE_SYNTAX_ERROR, "unrecognized checksum algorithm: \"%s\"", algorithm);
    m->algorithm = known[i].shown;
    m->digest = known[i].digest ? known[i].digest() : NULL;
    m->context = EVP_MD_CTX_new();
    if (!m->context)
        RAISE(SQLSTATE_OUT_OF_MEMORY, "out of memory");
    arena_on_reset(a, free_context, m->context);
    m->encode_all = encode_all;
    m->first_file = true;
    str_init(&m->text, a);
    str_add(&m->text, "{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n\"Files\": [");
    return m;
}

static void
add_hex(StrBuf *s, const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        str_printf(s, "%02x", ((const unsigned char *)p)[i]);
}

static void
add_json_string(StrBuf *s, const char *z)
{
    str_add_char(s, '"');
    for (; *z; z++) {
        if (*z == '"' || *z == '\\')
            str_add_char(s, '\\');
        if ((unsigned char)*z < 32)
            str_printf(s, "\\u%04x", (unsigned char)*z);
        else
            str_add_char(s, *z);
    }
    str_add_char(s, '"');
}

void
manifest_file_begin(Manifest *m, const char *path)
{
    m->path = path;
    m->crc = 0;
    if (m->digest && !EVP_DigestInit_ex(m->context, m->digest, NULL))
        RAISE(SQLSTATE_INTERNAL_ERROR, "could not initialize checksum of file \"%s\"", path);
}

void
manifest_file_add(Manifest *m, const void *p, size_t n)
{
    if (m->digest)
        EVP_DigestUpdate(m->context, p, n);
    else if (m->algorithm)
        m->crc = crc32c_update(m->crc, p, n);
}

static void
add_checksum(Manifest *m)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (!m->algorithm)
        return;
    str_printf(&m->text, ", \"Checksum-Algorithm\": \"%s\", \"Checksum\": \"", m->algorithm);
    if (m->digest) {
        EVP_DigestFinal_ex(m->context, digest, &n);
    } else {
        store_u32((char *)digest, m->crc);
        n = 4;
    }
    add_hex(&m->text, digest, n);
    str_add_char(&m->text, '"');
}

void
manifest_file_end(Manifest *m, uint64_t bytes, int64_t modified_unix_s)
{
    size_t n = strlen(m->path);
    time_t t = (time_t)modified_unix_s;
    struct tm tm;
    char when[64];
    str_add(&m->text, m->first_file ? "\n" : ",\n");
    m->first_file = false;
    if (m->encode_all || utf8_valid_prefix(m->path, n) < n) {
        str_add(&m->text, "{ \"Encoded-Path\": \"");
        add_hex(&m->text, m->path, n);
        str_add(&m->text, "\", ");
    } else {
        str_add(&m->text, "{ \"Path\": ");
        add_json_string(&m->text, m->path);
        str_add(&m->text, ", ");
    }
    gmtime_r(&t, &tm);
    strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S GMT", &tm);
    str_printf(&m->text, "\"Size\": %llu, \"Last-Modified\": \"%s\"", (unsigned long long)bytes, when);
    add_checksum(m);
    str_add(&m->text, " }");
}

const StrBuf *
manifest_finish(Manifest *m, uint32_t timeline, Lsn start, Lsn end)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    str_printf(&m->text, "\n],\n\"WAL-Ranges\": [\n{ \"Timeline\": %u, \"Start-LSN\": \"%s\", \"End-LSN\": \"%s\" }\n],\n", timeline,
               lsn_text(start), lsn_text(end));
    if (!EVP_Digest(m->text.data, m->text.len, digest, &n, EVP_sha256(), NULL))
        RAISE(SQLSTATE_INTERNAL_ERROR, "could not compute the checksum of the backup manifest");
    str_add(&m->text, "\"Manifest-Checksum\": \"");
    add_hex(&m->text, digest, n);
    str_add(&m->text, "\"}\n");
    return &m->text;
}
