/* Certificates for tests, made with GnuTLS when they are needed. */
#ifndef TESTS_TLS_FILES_H
#define TESTS_TLS_FILES_H

#include <stdbool.h>

/* Writes an authority's certificate to `authority`, and one for localhost and 127.0.0.1 that it
 * signed, with this common name and ending so many days from now, to `certificate`; its key to
 * `key`, for the owner's eyes only. Elliptic curves. */
bool tls_files_make(const char *authority, const char *certificate, const char *key,
                    const char *common_name, int days);

#endif
