/* zstd's headers would have what is defined here be seen by others, and libzstd's own calls come back to it. */
#define ZSTDLIB_VISIBLE
#define ZSTDLIB_VISIBILITY
#define ZSTDERRORLIB_VISIBLE
#define ZSTDERRORLIB_VISIBILITY
#include "CCompression.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

/* The functions that this package calls, each with the parameters' types and names. */
#define LZMA_FUNCTIONS(F) \
    F(const char *, lzma_version_string, (void), ()) \
    F(lzma_ret, lzma_stream_decoder, (lzma_stream * stream, uint64_t limit, uint32_t flags), (stream, limit, flags)) \
    F(lzma_ret, lzma_alone_decoder, (lzma_stream * stream, uint64_t limit), (stream, limit)) \
    F(lzma_ret, lzma_easy_encoder, (lzma_stream * stream, uint32_t preset, lzma_check check), (stream, preset, check)) \
    F(lzma_ret, lzma_code, (lzma_stream * stream, lzma_action action), (stream, action)) \
    F(void, lzma_end, (lzma_stream * stream), (stream))

#define ZSTD_FUNCTIONS(F) \
    F(const char *, ZSTD_versionString, (void), ()) \
    F(unsigned, ZSTD_isError, (size_t code), (code)) \
    F(const char *, ZSTD_getErrorName, (size_t code), (code)) \
    F(ZSTD_ErrorCode, ZSTD_getErrorCode, (size_t code), (code)) \
    F(size_t, ZSTD_compressBound, (size_t size), (size)) \
    F(unsigned long long, ZSTD_getFrameContentSize, (const void *bytes, size_t size), (bytes, size)) \
    F(ZSTD_CCtx *, ZSTD_createCCtx, (void), ()) \
    F(size_t, ZSTD_freeCCtx, (ZSTD_CCtx * context), (context)) \
    F(size_t, ZSTD_CCtx_setParameter, (ZSTD_CCtx * context, ZSTD_cParameter parameter, int value), \
      (context, parameter, value)) \
    F(size_t, ZSTD_CCtx_refPrefix, (ZSTD_CCtx * context, const void *bytes, size_t size), (context, bytes, size)) \
    F(size_t, ZSTD_compress2, (ZSTD_CCtx * context, void *to, size_t capacity, const void *from, size_t size), \
      (context, to, capacity, from, size)) \
    F(size_t, ZSTD_CStreamOutSize, (void), ()) \
    F(size_t, ZSTD_compressStream2, \
      (ZSTD_CCtx * context, ZSTD_outBuffer * output, ZSTD_inBuffer * input, ZSTD_EndDirective end), \
      (context, output, input, end)) \
    F(ZSTD_DCtx *, ZSTD_createDCtx, (void), ()) \
    F(size_t, ZSTD_freeDCtx, (ZSTD_DCtx * context), (context)) \
    F(size_t, ZSTD_DCtx_setParameter, (ZSTD_DCtx * context, ZSTD_dParameter parameter, int value), \
      (context, parameter, value)) \
    F(size_t, ZSTD_DCtx_reset, (ZSTD_DCtx * context, ZSTD_ResetDirective what), (context, what)) \
    F(size_t, ZSTD_DCtx_refPrefix, (ZSTD_DCtx * context, const void *bytes, size_t size), (context, bytes, size)) \
    F(size_t, ZSTD_decompressDCtx, (ZSTD_DCtx * context, void *to, size_t capacity, const void *from, size_t size), \
      (context, to, capacity, from, size)) \
    F(size_t, ZSTD_DStreamInSize, (void), ()) \
    F(size_t, ZSTD_decompressStream, (ZSTD_DCtx * context, ZSTD_outBuffer * output, ZSTD_inBuffer * input), \
      (context, output, input))

#define ZLIB_FUNCTIONS(F) \
    F(const char *, zlibVersion, (void), ()) \
    F(int, inflateInit2_, (z_stream * stream, int bits, const char *version, int size), (stream, bits, version, size)) \
    F(int, inflate, (z_stream * stream, int flush), (stream, flush)) \
    F(int, inflateReset, (z_stream * stream), (stream)) \
    F(int, inflateEnd, (z_stream * stream), (stream)) \
    F(int, deflateInit2_, \
      (z_stream * stream, int level, int method, int bits, int memory, int strategy, const char *version, int size), \
      (stream, level, method, bits, memory, strategy, version, size)) \
    F(int, deflate, (z_stream * stream, int flush), (stream, flush)) \
    F(int, deflateEnd, (z_stream * stream), (stream))

static void *checked(void *found)
{
    if (found != NULL)
        return found;
    fprintf(stderr, "error while loading a shared library: %s\n", dlerror());
    fflush(stderr);
    _exit(127);
}

#define HIDDEN __attribute__((visibility("hidden")))

#define DECLARE_FUNCTION(type, name, parameters, arguments) static type(*real_##name) parameters;
#define LOAD_FUNCTION(type, name, parameters, arguments) *(void **)&real_##name = checked(dlsym(library, #name));

/* How one of the libraries is loaded, and its functions. */
#define LIBRARY(kind, file, FUNCTIONS) \
    FUNCTIONS(DECLARE_FUNCTION) \
    static void load_##kind(void) \
    { \
        void *library = checked(dlopen(file, RTLD_LAZY | RTLD_LOCAL)); \
        FUNCTIONS(LOAD_FUNCTION) \
    } \
    static pthread_once_t once_##kind = PTHREAD_ONCE_INIT;

LIBRARY(lzma, "liblzma.so.5", LZMA_FUNCTIONS)
LIBRARY(zstd, "libzstd.so.1", ZSTD_FUNCTIONS)
LIBRARY(zlib, "libz.so.1", ZLIB_FUNCTIONS)

#define DEFINE_FUNCTION(kind, type, name, parameters, arguments) \
    HIDDEN type name parameters \
    { \
        pthread_once(&once_##kind, load_##kind); \
        return real_##name arguments; \
    }
#define DEFINE_LZMA(type, name, parameters, arguments) DEFINE_FUNCTION(lzma, type, name, parameters, arguments)
#define DEFINE_ZSTD(type, name, parameters, arguments) DEFINE_FUNCTION(zstd, type, name, parameters, arguments)
#define DEFINE_ZLIB(type, name, parameters, arguments) DEFINE_FUNCTION(zlib, type, name, parameters, arguments)

LZMA_FUNCTIONS(DEFINE_LZMA)
ZSTD_FUNCTIONS(DEFINE_ZSTD)
ZLIB_FUNCTIONS(DEFINE_ZLIB)
