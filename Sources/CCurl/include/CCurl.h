#ifndef CCURL_H
#define CCURL_H

#include <curl/curl.h>

/*
 * libcurl, loaded when it is first needed. It drags in some thirty libraries, and to map and relocate those takes longer
 * than all else that most commands do; those that find what they look for on this host never load it.
 *
 * Returns NULL, or why it can't be loaded. Must have been called before any other function of curl's. Once per process:
 * the caller sees to it that only one thread calls it.
 */
const char *khd_curl_load(void);

/* curl_easy_setopt and curl_easy_getinfo are variadic, which Swift does not import: one wrapper per argument type. */
typedef size_t (*khd_curl_transfer_callback)(char *buffer, size_t size, size_t count, void *context);

static inline CURLcode khd_curl_set_string(CURL *handle, CURLoption option, const char *value)
{
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode khd_curl_set_long(CURL *handle, CURLoption option, long value)
{
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode khd_curl_set_offset(CURL *handle, CURLoption option, curl_off_t value)
{
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode khd_curl_set_pointer(CURL *handle, CURLoption option, void *value)
{
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode khd_curl_set_list(CURL *handle, CURLoption option, struct curl_slist *value)
{
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode khd_curl_set_callback(CURL *handle, CURLoption option, khd_curl_transfer_callback value)
{
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode khd_curl_get_long(CURL *handle, CURLINFO info, long *value)
{
    return curl_easy_getinfo(handle, info, value);
}
static inline CURLcode khd_curl_get_offset(CURL *handle, CURLINFO info, curl_off_t *value)
{
    return curl_easy_getinfo(handle, info, value);
}

typedef int (*khd_curl_seek_callback)(void *context, curl_off_t offset, int origin);
static inline CURLcode khd_curl_set_seek_callback(CURL *handle, khd_curl_seek_callback value)
{
    return curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, value);
}

/* Does not wait for a name's resolution that nobody wants any more (curl 7.87). */
static inline void khd_curl_set_quick_exit(CURL *handle)
{
#if LIBCURL_VERSION_NUM >= 0x075700
    curl_easy_setopt(handle, CURLOPT_QUICK_EXIT, 1L);
#else
    (void)handle;
#endif
}

/* Its first parameter is const in some versions of curl and not in others. */
CURLUcode khd_curl_url_get(const CURLU *url, CURLUPart part, char **text, unsigned int flags);

/* Casts and unions in curl's macros keep these from Swift. */
static const size_t khd_curl_write_pause = CURL_WRITEFUNC_PAUSE;
static const size_t khd_curl_read_abort = CURL_READFUNC_ABORT;
static const long khd_curl_redirect_post_all = CURL_REDIR_POST_ALL;
static const long khd_curl_auth_bearer = CURLAUTH_BEARER;
static inline CURLcode khd_curl_message_result(const CURLMsg *message)
{
    return message->data.result;
}

#endif
