#ifndef CCOMPRESSION_H
#define CCOMPRESSION_H

#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

/*
 * liblzma, libzstd and zlib, each loaded when it is first called. A program that was linked with them would have them loaded
 * and every symbol of all its libraries looked up in them, at each start; most commands, and most check-ins of an agent,
 * decompress nothing.
 *
 * Where one of them is missing, its first call ends the process, with the loader's words and exit code (127).
 */

/* Macros made with UINT32_C are not imported into Swift. */
static const uint32_t khd_lzma_concatenated = LZMA_CONCATENATED;
static const uint32_t khd_lzma_tell_unsupported_check = LZMA_TELL_UNSUPPORTED_CHECK;

/* zlib's initialisers are macros that pass the header's version, which Swift does not import. */
static inline int khd_inflate_init(z_stream *stream, int window_bits)
{
    return inflateInit2(stream, window_bits);
}
static inline int khd_deflate_init(z_stream *stream, int level, int window_bits)
{
    return deflateInit2(stream, level, Z_DEFLATED, window_bits, 9, Z_DEFAULT_STRATEGY);
}

#endif
