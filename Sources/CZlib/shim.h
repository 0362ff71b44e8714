#include <zlib.h>

/* zlib's initialisers are macros that pass the header's version, which Swift does not import. */
static inline int khd_inflate_init(z_stream *stream, int window_bits)
{
    return inflateInit2(stream, window_bits);
}
static inline int khd_deflate_init(z_stream *stream, int level, int window_bits)
{
    return deflateInit2(stream, level, Z_DEFLATED, window_bits, 9, Z_DEFAULT_STRATEGY);
}
