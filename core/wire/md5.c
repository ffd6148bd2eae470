/* Passwords by MD5: the secret is "md5" and the digest of password and user name; the challenge adds a salt. */
#include "core/wire/wire_internal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

void
md5_hex(const void *a, size_t an, const void *b, size_t bn, char out[33])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool ok = c && EVP_DigestInit_ex(c, EVP_md5(), NULL) && EVP_DigestUpdate(c, a, an) &&
              EVP_DigestUpdate(c, b, bn) && EVP_DigestFinal_ex(c, digest, NULL);
    EVP_MD_CTX_free(c);
    if (!ok) /* a FIPS build has no MD5 */
        RAISE(SQLSTATE_INTERNAL_ERROR, "could not compute MD5 hash: unsupported");
    for (int i = 0; i < 16; i++) {
        out[i * 2] = hex[digest[i] >> 4];
        out[i * 2 + 1] = hex[digest[i] & 15];
    }
    out[32] = '\0';
}

char *
md5_secret(Arena *a, const char *user, const char *password)
{
    char hex[33];
    md5_hex(password, strlen(password), user, strlen(user), hex);
    return arena_printf(a, "md5%s", hex);
}

bool
md5_verify_response(const char *stored, const unsigned char salt[4], const char *response)
{
    char hex[33];
    md5_hex(stored + 3, strlen(stored + 3), salt, 4, hex);
    return strncmp(response, "md5", 3) == 0 && strlen(response) == 35 && CRYPTO_memcmp(response + 3, hex, 32) == 0;
}
