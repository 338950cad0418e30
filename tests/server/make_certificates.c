/* make_certificates FOLDER: writes ca.pem, cert.pem and key.pem there (tls_files.h), for tests that
 * are not written in C. */
#include <stdio.h>

#include "tls_files.h"

int main(int argc, char **argv)
{
    char authority[256], certificate[256], key[256];
    if (argc != 2)
        return 2;
    snprintf(authority, sizeof authority, "%s/ca.pem", argv[1]);
    snprintf(certificate, sizeof certificate, "%s/cert.pem", argv[1]);
    snprintf(key, sizeof key, "%s/key.pem", argv[1]);
    return tls_files_make(authority, certificate, key, "localhost", 30) ? 0 : 1;
}
