#include <curl/curl.h>

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

/* Casts and unions in curl's macros keep these from Swift. */
static const size_t khd_curl_write_pause = CURL_WRITEFUNC_PAUSE;
static const size_t khd_curl_read_abort = CURL_READFUNC_ABORT;
static inline CURLcode khd_curl_message_result(const CURLMsg *message)
{
    return message->data.result;
}
