/* Settings of TLS: registered by wire_settings.c, read by tls.c. */
#ifndef CORE_WIRE_TLS_INTERNAL_H
#define CORE_WIRE_TLS_INTERNAL_H

#include <stdbool.h>

extern bool ssl_on, ssl_prefer_server_ciphers, ssl_passphrase_command_supports_reload;
extern char *ssl_library, *ssl_cert_file, *ssl_key_file, *ssl_ca_file, *ssl_crl_file, *ssl_crl_dir, *ssl_ciphers,
    *ssl_ecdh_curve, *ssl_dh_params_file, *ssl_passphrase_command;
extern int ssl_min_protocol_version, ssl_max_protocol_version; /* 0: none */

#endif
