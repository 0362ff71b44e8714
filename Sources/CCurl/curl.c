#define _GNU_SOURCE
#include "CCurl.h"
#include <dlfcn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* Macros that check arguments at the caller, in front of the functions that are defined here. */
#undef curl_easy_setopt
#undef curl_easy_getinfo

/* libcurl's functions that this package calls, each with the parameters' types and names. */
#define FUNCTIONS(F) \
    F(CURLcode, curl_global_init, (long flags), (flags)) \
    F(CURL *, curl_easy_init, (void), ()) \
    F(CURLcode, curl_easy_pause, (CURL * handle, int mask), (handle, mask)) \
    F(const char *, curl_easy_strerror, (CURLcode code), (code)) \
    F(CURLM *, curl_multi_init, (void), ()) \
    F(CURLMcode, curl_multi_add_handle, (CURLM * multi, CURL * easy), (multi, easy)) \
    F(CURLMcode, curl_multi_remove_handle, (CURLM * multi, CURL * easy), (multi, easy)) \
    F(CURLMcode, curl_multi_perform, (CURLM * multi, int *running), (multi, running)) \
    F(CURLMcode, curl_multi_poll, \
      (CURLM * multi, struct curl_waitfd extra[], unsigned int count, int milliseconds, int *ready), \
      (multi, extra, count, milliseconds, ready)) \
    F(CURLMcode, curl_multi_wakeup, (CURLM * multi), (multi)) \
    F(time_t, curl_getdate, (const char *text, const time_t *unused), (text, unused)) \
    F(CURLMsg *, curl_multi_info_read, (CURLM * multi, int *left), (multi, left)) \
    F(CURLMcode, curl_multi_cleanup, (CURLM * multi), (multi)) \
    F(struct curl_slist *, curl_slist_append, (struct curl_slist * list, const char *text), (list, text)) \
    F(CURLU *, curl_url, (void), ()) \
    F(CURLUcode, curl_url_set, (CURLU * url, CURLUPart part, const char *text, unsigned int flags), \
      (url, part, text, flags))

#define PROCEDURES(F) \
    F(curl_easy_cleanup, (CURL * handle), (handle)) \
    F(curl_slist_free_all, (struct curl_slist * list), (list)) \
    F(curl_url_cleanup, (CURLU * url), (url)) \
    F(curl_free, (void *text), (text))

/* Hidden, or libcurl's own calls would come back to these. */
#define HIDDEN __attribute__((visibility("hidden")))

#define DEFINE_FUNCTION(type, name, parameters, arguments) \
    static type(*real_##name) parameters; \
    HIDDEN type name parameters { return real_##name arguments; }
#define DEFINE_PROCEDURE(name, parameters, arguments) \
    static void(*real_##name) parameters; \
    HIDDEN void name parameters { real_##name arguments; }

FUNCTIONS(DEFINE_FUNCTION)
PROCEDURES(DEFINE_PROCEDURE)

static CURLUcode (*real_curl_url_get)(const CURLU *url, CURLUPart part, char **text, unsigned int flags);

CURLUcode khd_curl_url_get(const CURLU *url, CURLUPart part, char **text, unsigned int flags)
{
    return real_curl_url_get(url, part, text, flags);
}

static CURLcode (*real_curl_easy_setopt)(CURL *handle, CURLoption option, ...);
static CURLcode (*real_curl_easy_getinfo)(CURL *handle, CURLINFO info, ...);

/* The option's number says what type its value has (curl.h, CURLOPTTYPE_...). */
HIDDEN CURLcode curl_easy_setopt(CURL *handle, CURLoption option, ...)
{
    va_list values;
    va_start(values, option);
    CURLcode code;
    if (option >= CURLOPTTYPE_OFF_T && option < CURLOPTTYPE_BLOB)
        code = real_curl_easy_setopt(handle, option, va_arg(values, curl_off_t));
    else if (option < CURLOPTTYPE_OBJECTPOINT)
        code = real_curl_easy_setopt(handle, option, va_arg(values, long));
    else
        code = real_curl_easy_setopt(handle, option, va_arg(values, void *));
    va_end(values);
    return code;
}

HIDDEN CURLcode curl_easy_getinfo(CURL *handle, CURLINFO info, ...)
{
    va_list values;
    va_start(values, info);
    CURLcode code = real_curl_easy_getinfo(handle, info, va_arg(values, void *));
    va_end(values);
    return code;
}

/*
 * Where symbols are looked up, of which libcurl's libraries have nine thousand: in themselves first, where most of them are,
 * and then in all that this program has loaded. The other way round if something is preloaded, which is there to be found
 * first, as a sanitizer is.
 */
static int scope(void)
{
#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || __has_feature(thread_sanitizer)
    return 0;
#endif
#endif
    return getenv("LD_PRELOAD") == NULL && access("/etc/ld.so.preload", F_OK) != 0 ? RTLD_DEEPBIND : 0;
}

const char *khd_curl_load(void)
{
    int flags = RTLD_LAZY | RTLD_LOCAL | scope();
    /* On most hosts libcurl needs these two, which have most of the symbols. As parts of libcurl they would look each of them
       up in a dozen libraries before their own. */
    void *tls = dlopen("libssl.so.3", flags);
    dlopen("librtmp.so.1", flags);
    /* To libcurl's start it adds a third to enter all of libcrypto's texts of errors into a table. Those of TLS are libssl's. */
    int (*start)(uint64_t, const void *) = NULL;
    if (tls != NULL && (*(void **)&start = dlsym(tls, "OPENSSL_init_crypto")) != NULL)
        start(1 /* OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS */, NULL);
    void *library = dlopen("libcurl.so.4", flags);
    if (library == NULL)
        return dlerror();
#define LOAD(name) \
    if ((*(void **)&real_##name = dlsym(library, #name)) == NULL) \
        return dlerror();
#define LOAD_FUNCTION(type, name, parameters, arguments) LOAD(name)
#define LOAD_PROCEDURE(name, parameters, arguments) LOAD(name)
    FUNCTIONS(LOAD_FUNCTION)
    PROCEDURES(LOAD_PROCEDURE)
    LOAD(curl_url_get)
    LOAD(curl_easy_setopt)
    LOAD(curl_easy_getinfo)
    return NULL;
}
