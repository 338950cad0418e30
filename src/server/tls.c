#include "server/tls.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <gnutls/x509.h>

#include "base/error.h"
#include "base/file.h"
#include "server/tls_identity.h"

enum {
    FILE_MAX = 1 << 20, /* bytes (chosen): a chain has some kilobytes */
    CHAIN_MAX = 16,     /* certificates (chosen): real chains have two to four */
};
static const int64_t HANDSHAKE_NS = 10000000000; /* chosen: a few lost packets are no reason */

struct tls_identity {
    gnutls_certificate_credentials_t credentials;
    time_t valid_from_s, valid_until_s; /* the server's own certificate; wall clock */
    atomic_int users;                   /* connections, and the context while it is in force */
};

struct tls_context {
    char *certificate, *key; /* paths */
    int64_t handshake_ns;
    gnutls_priority_t priority;
    pthread_mutex_t lock; /* guards `now` */
    tls_identity *now;
};

/* ---- Files ---- */

static cosrel_status no_memory(cosrel_error *err)
{
    return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for TLS");
}

static cosrel_status refuse_certificate(const char *path, int why, cosrel_error *err)
{
    if (why == GNUTLS_E_MEMORY_ERROR)
        return no_memory(err);
    if (why == GNUTLS_E_SHORT_MEMORY_BUFFER)
        return error_set(err, COSREL_INVALID_FILE, "%s: holds more than %d certificates", path,
                         CHAIN_MAX);
    if (why == GNUTLS_E_NO_CERTIFICATE_FOUND || why == GNUTLS_E_BASE64_UNEXPECTED_HEADER_ERROR)
        return error_set(err, COSREL_INVALID_FILE,
                         "%s: holds no whole certificate in PEM form (BEGIN CERTIFICATE)", path);
    return error_set(err, COSREL_INVALID_FILE, "%s: holds a certificate that cannot be used: %s",
                     path, gnutls_strerror(why));
}

static cosrel_status refuse_key(const char *path, int why, cosrel_error *err)
{
    if (why == GNUTLS_E_MEMORY_ERROR)
        return no_memory(err);
    if (why == GNUTLS_E_DECRYPTION_FAILED)
        return error_set(err, COSREL_INVALID_FILE,
                         "%s: the key is encrypted; expected one without a password", path);
    if (why == GNUTLS_E_BASE64_UNEXPECTED_HEADER_ERROR || why == GNUTLS_E_BASE64_DECODING_ERROR ||
        why == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
        return error_set(err, COSREL_INVALID_FILE,
                         "%s: holds no whole private key in PEM form (BEGIN PRIVATE KEY)", path);
    return error_set(err, COSREL_INVALID_FILE, "%s: holds a key that cannot be used: %s", path,
                     gnutls_strerror(why));
}

static cosrel_status read_file(const char *path, gnutls_datum_t *out, cosrel_error *err)
{
    size_t bytes;
    char *data;
    const cosrel_status status = file_read(path, FILE_MAX, &data, &bytes, err);
    if (status == COSREL_OK)
        *out = (gnutls_datum_t){(unsigned char *)data, (unsigned)bytes};
    return status;
}

/* Either file may hold the key, if somebody mixed them up. */
static void wipe(gnutls_datum_t *file)
{
    if (file->data)
        explicit_bzero(file->data, file->size);
    free(file->data);
}

/* ---- Identities ---- */

static void identity_free(tls_identity *who)
{
    if (who->credentials)
        gnutls_certificate_free_credentials(who->credentials);
    free(who);
}

tls_identity *tls_identity_take(tls_context *t)
{
    pthread_mutex_lock(&t->lock);
    tls_identity *who = t->now;
    atomic_fetch_add(&who->users, 1);
    pthread_mutex_unlock(&t->lock);
    return who;
}

void tls_identity_give(tls_identity *who)
{
    if (who && atomic_fetch_sub(&who->users, 1) == 1)
        identity_free(who);
}

gnutls_certificate_credentials_t tls_identity_credentials(const tls_identity *who)
{
    return who->credentials;
}

static cosrel_status join(const tls_context *t, gnutls_x509_crt_t *chain, unsigned count,
                          const gnutls_datum_t *file, tls_identity *who, cosrel_error *err)
{
    gnutls_x509_privkey_t key;
    if (gnutls_x509_privkey_init(&key) != GNUTLS_E_SUCCESS)
        return no_memory(err);
    int why = gnutls_x509_privkey_import2(key, file, GNUTLS_X509_FMT_PEM, NULL, 0);
    cosrel_status status = why < 0 ? refuse_key(t->key, why, err) : COSREL_OK;
    if (status == COSREL_OK) {
        /* Copies both. */
        why = gnutls_certificate_set_x509_key(who->credentials, chain, (int)count, key);
        if (why == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
            status = error_set(err, COSREL_INVALID_FILE,
                               "%s: the key does not belong to the certificate in %s", t->key,
                               t->certificate);
        else if (why < 0)
            status = refuse_certificate(t->certificate, why, err);
    }
    gnutls_x509_privkey_deinit(key); /* clears it */
    return status;
}

static cosrel_status fill(const tls_context *t, const gnutls_datum_t *certificate,
                          const gnutls_datum_t *key, tls_identity *who, cosrel_error *err)
{
    gnutls_x509_crt_t chain[CHAIN_MAX];
    unsigned count = CHAIN_MAX;
    if (gnutls_certificate_allocate_credentials(&who->credentials) != GNUTLS_E_SUCCESS)
        return no_memory(err);
    const int why = gnutls_x509_crt_list_import(chain, &count, certificate, GNUTLS_X509_FMT_PEM,
                                                GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED |
                                                    GNUTLS_X509_CRT_LIST_SORT);
    if (why < 0)
        return refuse_certificate(t->certificate, why, err);
    who->valid_from_s = gnutls_x509_crt_get_activation_time(chain[0]);
    who->valid_until_s = gnutls_x509_crt_get_expiration_time(chain[0]);
    const cosrel_status status = join(t, chain, count, key, who, err);
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(chain[i]);
    return status;
}

static cosrel_status read_identity(const tls_context *t, tls_identity **out, cosrel_error *err)
{
    gnutls_datum_t certificate = {.data = NULL}, key = {.data = NULL};
    tls_identity *who = calloc(1, sizeof *who);
    if (!who)
        return no_memory(err);
    atomic_init(&who->users, 1);
    cosrel_status status = read_file(t->certificate, &certificate, err);
    if (status == COSREL_OK)
        status = read_file(t->key, &key, err);
    if (status == COSREL_OK)
        status = fill(t, &certificate, &key, who, err);
    wipe(&certificate);
    wipe(&key);
    if (status == COSREL_OK)
        *out = who;
    else
        identity_free(who);
    return status;
}

/* ---- Its life ---- */

cosrel_status tls_create(const tls_options *options, tls_context **out, cosrel_error *err)
{
    *out = NULL;
    if (!options->certificate || !options->key)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "TLS takes a certificate and its key: there is no %s",
                         options->key ? "certificate" : "key");
    tls_context *t = calloc(1, sizeof *t);
    if (!t)
        return no_memory(err);
    pthread_mutex_init(&t->lock, NULL);
    t->handshake_ns = options->handshake_ns ? options->handshake_ns : HANDSHAKE_NS;
    t->certificate = strdup(options->certificate);
    t->key = strdup(options->key);
    const int why = gnutls_priority_init(&t->priority, TLS_PRIORITY, NULL);
    cosrel_status status = t->certificate && t->key ? COSREL_OK : no_memory(err);
    if (status == COSREL_OK && why != GNUTLS_E_SUCCESS)
        status = error_set(err, COSREL_INTERNAL, "this system's GnuTLS does not allow TLS: %s",
                           gnutls_strerror(why));
    if (status == COSREL_OK)
        status = read_identity(t, &t->now, err);
    if (status == COSREL_OK)
        *out = t;
    else
        tls_free(t);
    return status;
}

void tls_free(tls_context *t)
{
    if (!t)
        return;
    tls_identity_give(t->now);
    if (t->priority)
        gnutls_priority_deinit(t->priority);
    pthread_mutex_destroy(&t->lock);
    free(t->certificate);
    free(t->key);
    free(t);
}

cosrel_status tls_reload(tls_context *t, cosrel_error *err)
{
    tls_identity *fresh, *old;
    const cosrel_status status = read_identity(t, &fresh, err);
    if (status != COSREL_OK)
        return status;
    pthread_mutex_lock(&t->lock);
    old = t->now;
    t->now = fresh;
    pthread_mutex_unlock(&t->lock);
    tls_identity_give(old);
    return COSREL_OK;
}

int64_t tls_handshake_ns(const tls_context *t)
{
    return t->handshake_ns;
}

gnutls_priority_t tls_priority(const tls_context *t)
{
    return t->priority;
}

/* ---- Remarks ---- */

static void date(time_t when_s, char out[16])
{
    struct tm day;
    if (!gmtime_r(&when_s, &day) || !strftime(out, 16, "%Y-%m-%d", &day))
        snprintf(out, 16, "?");
}

bool tls_remark(tls_context *t, char *out, size_t room)
{
    struct stat info;
    char day[16];
    tls_identity *who = tls_identity_take(t);
    const time_t now_s = time(NULL), from_s = who->valid_from_s, until_s = who->valid_until_s;
    tls_identity_give(who);
    if (stat(t->key, &info) == 0 && info.st_mode & S_IROTH) {
        snprintf(out, room, "%s: every user of this machine may read this key (chmod o-r)", t->key);
        return true;
    }
    if (now_s >= from_s && now_s <= until_s)
        return false;
    date(now_s < from_s ? from_s : until_s, day);
    snprintf(out, room, "%s: the certificate %s %s; clients will refuse it", t->certificate,
             now_s < from_s ? "is not valid before" : "was valid until", day);
    return true;
}
