#include "tls_files.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/x509.h>

enum { DAY_S = 24 * 3600 };

static gnutls_x509_privkey_t make_key(void)
{
    gnutls_x509_privkey_t key = NULL;
    if (gnutls_x509_privkey_init(&key) == 0)
        (void)gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                           GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    return key;
}

static gnutls_x509_crt_t begin(const char *name, const gnutls_x509_privkey_t key, int serial,
                               int days)
{
    const time_t now_s = time(NULL);
    const unsigned char number[] = {1, (unsigned char)serial};
    gnutls_x509_crt_t crt = NULL;
    if (gnutls_x509_crt_init(&crt) != 0)
        return NULL;
    (void)gnutls_x509_crt_set_version(crt, 3);
    (void)gnutls_x509_crt_set_serial(crt, number, sizeof number);
    (void)gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                        (unsigned)strlen(name));
    (void)gnutls_x509_crt_set_activation_time(crt, now_s - (time_t)2 * DAY_S);
    (void)gnutls_x509_crt_set_expiration_time(crt, now_s + (time_t)days * DAY_S);
    (void)gnutls_x509_crt_set_key(crt, key);
    return crt;
}

static bool save(const char *path, gnutls_datum_t *pem)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const bool ok = fd >= 0 && write(fd, pem->data, pem->size) == (ssize_t)pem->size;
    if (fd >= 0)
        close(fd);
    gnutls_free(pem->data);
    return ok;
}

bool tls_files_make(const char *authority, const char *certificate, const char *key,
                    const char *common_name, int days)
{
    static const unsigned char loopback[] = {127, 0, 0, 1};
    gnutls_x509_privkey_t root_key = make_key(), own_key = make_key();
    gnutls_x509_crt_t root = begin("Test authority", root_key, 1, 30);
    gnutls_x509_crt_t own = begin(common_name, own_key, 2, days);
    gnutls_datum_t root_pem = {.data = NULL}, own_pem = root_pem, key_pem = root_pem;
    (void)gnutls_x509_crt_set_basic_constraints(root, 1, 0);
    (void)gnutls_x509_crt_set_key_usage(root, GNUTLS_KEY_KEY_CERT_SIGN);
    (void)gnutls_x509_crt_set_subject_alt_name(own, GNUTLS_SAN_DNSNAME, "localhost", 9,
                                               GNUTLS_FSAN_SET);
    (void)gnutls_x509_crt_set_subject_alt_name(own, GNUTLS_SAN_IPADDRESS, loopback, sizeof loopback,
                                               GNUTLS_FSAN_APPEND);
    (void)gnutls_x509_crt_set_key_usage(own, GNUTLS_KEY_DIGITAL_SIGNATURE);
    const bool ok = gnutls_x509_crt_sign2(root, root, root_key, GNUTLS_DIG_SHA256, 0) == 0 &&
                    gnutls_x509_crt_sign2(own, root, root_key, GNUTLS_DIG_SHA256, 0) == 0 &&
                    gnutls_x509_crt_export2(root, GNUTLS_X509_FMT_PEM, &root_pem) == 0 &&
                    gnutls_x509_crt_export2(own, GNUTLS_X509_FMT_PEM, &own_pem) == 0 &&
                    gnutls_x509_privkey_export2_pkcs8(own_key, GNUTLS_X509_FMT_PEM, NULL,
                                                      GNUTLS_PKCS_PLAIN, &key_pem) == 0;
    const bool root_saved = save(authority, &root_pem), own_saved = save(certificate, &own_pem),
               key_saved = save(key, &key_pem);
    gnutls_x509_crt_deinit(root);
    gnutls_x509_crt_deinit(own);
    gnutls_x509_privkey_deinit(root_key);
    gnutls_x509_privkey_deinit(own_key);
    return ok && root_saved && own_saved && key_saved;
}
